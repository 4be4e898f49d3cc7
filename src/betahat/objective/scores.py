"""The source whose targets are the scores −L' of a fitted linear model: what sandwich covariances are made of."""

from __future__ import annotations

from dataclasses import replace
from typing import final

import numpy as np

from betahat.data.source import Block, DerivedSource, Source
from betahat.losses.base import Loss
from betahat.models.linear import predict


@final
class ScoreSource(DerivedSource):
    """The rows of another source with −L'(y, offset + β₀ + xᵀβ) in the place of y (n, 1)."""

    def __init__(self, source: Source, loss: Loss, coef: np.ndarray, intercept: float) -> None:
        super().__init__(source)
        self._loss, self._coef, self._intercept = loss, coef[None, :], np.array([intercept])

    def _derive(self, block: Block) -> Block:
        assert block.y is not None
        X = block.X if hasattr(block.X, "tocsr") else np.asarray(block.X, np.float64)
        f = predict(X, self._coef, self._intercept)
        if block.offset is not None:
            f = f + block.offset[:, None]
        score = np.stack([-self._loss.first_derivative(y, g) for y, g in zip(block.y.T, f.T, strict=True)], 1)
        return replace(block, y=score)

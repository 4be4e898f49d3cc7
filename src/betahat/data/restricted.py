"""Rows under a linear restriction of the coefficients: fewer columns, and an offset."""

from __future__ import annotations

from dataclasses import replace
from typing import final

import numpy as np

from betahat.data.passes import dense
from betahat.data.source import Block, DerivedSource, Source


@final
class RestrictedSource(DerivedSource):
    """The rows of another source with X·basis + start for X and X·shift + level added to the offset.

    basis (p, k), start (k,), shift (p,), level : from β = particular + basis·γ. Column names are those of `names`.
    """

    def __init__(
        self, source: Source, names: tuple[str, ...], basis: np.ndarray, start: np.ndarray, shift: np.ndarray,
        level: float,
    ) -> None:  # fmt: skip
        super().__init__(source)
        self._basis, self._start, self._shift, self._level, self._given = basis, start, shift, level, names
        self.has_offset = True

    @property
    def names(self) -> tuple[str, ...]:
        return self._given

    def _derive(self, block: Block) -> Block:
        X = dense(block.X)
        offset = X @ self._shift + self._level
        if block.offset is not None:
            offset = offset + block.offset
        return replace(block, X=X @ self._basis + self._start, offset=offset, X_low=None)

"""The diagonal blocks of the multinomial Hessian, a matrix for each class: what preconditions its descent."""

from __future__ import annotations

from typing import final

import numpy as np

from betahat.data.passes import Statistic, combined_weight
from betahat.data.source import Block
from betahat.kernels.gram import gram
from betahat.objective.smooth import Coordinates
from betahat.objective.softmax import probabilities

_CHUNK = 1 << 20  # numbers of X that are converted at once for predictions


@final
class BlockSums(Statistic):
    """Σ w πₖ (1 − πₖ) z zᵀ of each predictor k, (t, m, m), at one θ; weight Σ w."""

    def __init__(self, at: Coordinates, theta: np.ndarray, t: int, reference: bool) -> None:
        self._at, self._first, self._reference = at, int(at.intercept), reference
        parts = theta.reshape(t, at.size)
        self._beta = np.array([at.slopes(part) / at.scale for part in parts])
        self._level = np.array([at.level(part) for part in parts])
        m = self._first + len(at.mean)
        self.blocks, self.weight = np.zeros((t, m, m)), 0.0

    def update(self, block: Block) -> None:
        at, first, p = self._at, self._first, len(self._at.mean)
        X = block.X.toarray() if hasattr(block.X, "toarray") else block.X
        n = X.shape[0]
        weight = combined_weight(block)
        w = np.ones(n) if weight is None else weight
        self.weight += float(w.sum())
        curves = np.empty((len(self.blocks), n))
        rows = max(1, _CHUNK // max(p, 1))
        for start in range(0, n, rows):
            part = slice(start, start + rows)
            eta = (np.asarray(X[part], np.float64) - at.mean) @ self._beta.T + self._level
            P, _ = probabilities(eta, np.zeros(len(eta), np.intp), self._reference)
            curves[:, part] = (P * (1 - P)).T
        unit = np.append(np.ones(first), at.scale)
        order = [p, *range(p)][1 - first :]
        for k, curve in enumerate(curves):
            high, low = gram(X, np.zeros((n, 0)), np.where(w > 0, w * curve, 0.0), at.mean)
            H = (high + low)[np.ix_(order, order)]
            self.blocks[k] += H / unit[:, None] / unit

    def merge(self, other: BlockSums) -> None:
        self.blocks, self.weight = self.blocks + other.blocks, self.weight + other.weight

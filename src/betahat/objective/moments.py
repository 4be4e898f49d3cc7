"""Means and variances of the columns: what centres and scales them."""

from __future__ import annotations

from typing import final

import numpy as np

from betahat.data.passes import Statistic, combined_weight
from betahat.data.source import Block

_ROWS = 1 << 19  # numbers of X that are converted at once


@final
class MomentSums(Statistic):
    """weight Σw, mean (p,) and squares Σ w (x − mean)² (p,), merged as Chan, Golub & LeVeque (1983) do."""

    def __init__(self, p: int) -> None:
        self.weight, self.mean, self.squares = 0.0, np.zeros(p), np.zeros(p)

    def update(self, block: Block) -> None:
        weight = combined_weight(block)
        n, p = block.X.shape
        rows = max(1, _ROWS // max(p, 1)) if not hasattr(block.X, "tocsr") else max(n, 1)
        for start in range(0, n, rows):
            part = slice(start, start + rows)
            self._add(block.X[part], None if weight is None else weight[part])

    def _add(self, X: object, w: np.ndarray | None) -> None:
        part = MomentSums(len(self.mean))
        if w is not None and not (w > 0).all():
            X, w = X[w > 0], w[w > 0]  # pyright: ignore[reportIndexIssue]
        n = X.shape[0]  # pyright: ignore[reportAttributeAccessIssue]
        if not n:
            return
        w = np.ones(n) if w is None else w
        part.weight = float(w.sum())
        with np.errstate(all="ignore"):
            if hasattr(X, "tocsr"):
                part.mean = np.asarray(X.T @ w).ravel() / part.weight  # pyright: ignore[reportAttributeAccessIssue]
                squares = np.asarray(X.multiply(X).T @ w).ravel()  # pyright: ignore[reportAttributeAccessIssue]
                part.squares = np.maximum(squares - part.weight * part.mean**2, 0.0)
            else:
                Z = np.asarray(X, np.float64)
                part.mean = w @ Z / part.weight
                part.squares = w @ (Z - part.mean) ** 2
        self.merge(part)

    def merge(self, other: MomentSums) -> None:
        total = self.weight + other.weight
        if not total > 0:
            return
        shift = other.mean - self.mean
        with np.errstate(all="ignore"):
            self.squares += other.squares + shift**2 * (self.weight * other.weight / total)
            self.mean += shift * (other.weight / total)
        self.weight = total

    @property
    def deviation(self) -> np.ndarray:
        """Standard deviations (p,)."""
        with np.errstate(all="ignore"):
            return np.sqrt(self.squares / self.weight)

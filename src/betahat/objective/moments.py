"""Means and variances of the columns: what centres and scales them."""

from __future__ import annotations

from typing import Any, final

import numpy as np

from betahat.data.passes import Statistic, counting_parts, dense
from betahat.data.source import Block

_CHUNK = 1 << 16  # numbers of X that are converted at once


@final
class MomentSums(Statistic):
    """weight Σw, mean (p,) and squares Σ w (x − mean)² (p,), merged as Chan, Golub & LeVeque (1983) do."""

    def __init__(self, p: int) -> None:
        self.weight, self.mean, self.squares = 0.0, np.zeros(p), np.zeros(p)

    def update(self, block: Block) -> None:
        for rows, w in counting_parts(block, None if hasattr(block.X, "tocsr") else _CHUNK):
            self._add(rows.X, w)

    def _add(self, X: Any, w: np.ndarray) -> None:
        part = MomentSums(len(self.mean))
        part.weight = float(w.sum())
        with np.errstate(all="ignore"):
            if hasattr(X, "tocsr"):
                part.mean = np.asarray(X.T @ w).ravel() / part.weight
                squares = np.asarray(X.multiply(X).T @ w).ravel()
                part.squares = np.maximum(squares - part.weight * part.mean**2, 0.0)
            else:
                Z = dense(X)
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

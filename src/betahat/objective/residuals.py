"""Residual sums of squares of a linear model whose coefficients are mostly zero."""

from __future__ import annotations

from typing import Any, final

import numpy as np

from betahat.data.passes import Statistic, combined_weight
from betahat.data.source import Block
from betahat.models.linear import Counts


@final
class ResidualSums(Statistic):
    """counts; residual_ss (t,) Σ w (y − f)²; total_ss (t,) Σ w (y − ȳ)², about 0 unless `centred`; for coef (t, p) and
    intercept (t,). Only columns with coefficients that are not zero are looked at."""

    def __init__(self, coef: np.ndarray, intercept: np.ndarray, centred: bool) -> None:
        self._support = np.flatnonzero(coef.any(axis=0))
        self._coef, self._intercept, self._centred = coef[:, self._support], intercept, centred
        t = len(intercept)
        self.counts = Counts()
        self.residual_ss, self._squares, self._mean, self._weight = np.zeros(t), np.zeros(t), np.zeros(t), 0.0

    def update(self, block: Block) -> None:
        assert block.y is not None
        self.counts.update(block)
        weight = combined_weight(block)
        X: Any = block.X.tocsc() if hasattr(block.X, "tocsr") else np.asarray(block.X)
        offset = 0.0 if block.offset is None else block.offset[:, None]
        w, y = np.ones(len(block.y)) if weight is None else weight, block.y
        residual = y - np.asarray(X[:, self._support] @ self._coef.T) - self._intercept - offset
        if not (w > 0).all():  # rows that do not count may be anything
            w, y, residual = w[w > 0], y[w > 0], residual[w > 0]
        if not len(w):
            return
        self.residual_ss += w @ residual**2
        total, mean = float(w.sum()), w @ y / w.sum() if self._centred else np.zeros(y.shape[1])
        self._join(total, mean, w @ (y - mean) ** 2)

    def merge(self, other: ResidualSums) -> None:
        self.counts.merge(other.counts)
        self.residual_ss += other.residual_ss
        self._join(other._weight, other._mean, other._squares)

    def _join(self, weight: float, mean: np.ndarray, squares: np.ndarray) -> None:
        total = self._weight + weight
        shift = mean - self._mean
        self._squares = self._squares + squares + shift**2 * (self._weight * weight / total)
        self._mean, self._weight = self._mean + shift * (weight / total), total

    @property
    def total_ss(self) -> np.ndarray:
        return self._squares

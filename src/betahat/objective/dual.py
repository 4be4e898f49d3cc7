"""What one reading of the rows says of a linear model's dual: sums from which a duality gap is made."""

from __future__ import annotations

from typing import Any, final

import numpy as np

from betahat.data.passes import Statistic, counting_parts
from betahat.data.source import Block
from betahat.losses.base import Loss

_CHUNK = 1 << 19  # numbers of X that are looked at at once


@final
class DualSums(Statistic):
    """Sums at one β (p,) and intercept, with u = L'(y, η), without the penalty.

    weight Σ w; value Σ w L; above Σ w (L − min L), None where the loss has no known conjugate; high and low Σ w u⁺ and
    Σ w u⁻; gradient Σ w u x (p,); magnitude Σ |w u x| (p,); bend Σ w L'' x² (p,); bend_mean Σ w L'' x (p,);
    bend_weight Σ w L''; reach Σ w (|η| + |y|)² L''².
    """

    def __init__(self, loss: Loss, beta: np.ndarray, intercept: float) -> None:
        self._loss, self._intercept = loss, intercept
        self._support = np.flatnonzero(beta)
        self._beta = beta[self._support]
        p = len(beta)
        self.weight, self.value, self.high, self.low, self.bend_weight, self.reach = (
            0.0,
            0.0,
            0.0,
            0.0,
            0.0,
            0.0,
        )
        self.above: float | None = 0.0
        self.gradient, self.magnitude, self.bend, self.bend_mean = (np.zeros(p) for _ in range(4))

    def update(self, block: Block) -> None:
        for rows, w in counting_parts(block, None if hasattr(block.X, "tocsr") else _CHUNK):
            self._add(rows, w)

    def _add(self, rows: Block, w: np.ndarray) -> None:
        assert rows.y is not None
        X: Any = rows.X.tocsc() if hasattr(rows.X, "tocsr") else np.asarray(rows.X, np.float64)
        y = rows.y[:, 0]
        eta = np.asarray(X[:, self._support] @ self._beta) + self._intercept
        eta = eta if rows.offset is None else eta + rows.offset
        value, u = self._loss.value(y, eta), self._loss.first_derivative(y, eta)
        bend = w * self._loss.second_derivative(y, eta)
        lowest = self._loss.conjugate(y, np.zeros_like(y))
        self.weight += float(w.sum())
        self.value += float(w @ value)
        if lowest is None or self.above is None:
            self.above = None
        else:
            self.above += float(w @ np.maximum(value + lowest, 0.0))
        wu = w * u
        self.high, self.low = self.high + float(wu[u > 0].sum()), self.low - float(wu[u < 0].sum())
        self.bend_weight += float(bend.sum())
        self.reach += float(w @ ((np.abs(eta) + np.abs(y)) * bend / w + np.abs(u)) ** 2)
        self.gradient += np.asarray(X.T @ wu)
        self.magnitude += np.asarray(abs(X).T @ np.abs(wu))
        squared = X.multiply(X) if hasattr(X, "tocsc") else X * X
        self.bend += np.asarray(squared.T @ bend)
        self.bend_mean += np.asarray(X.T @ bend)

    def merge(self, other: DualSums) -> None:
        names = (
            "weight",
            "value",
            "high",
            "low",
            "bend_weight",
            "reach",
            "gradient",
            "magnitude",
            "bend",
            "bend_mean",
        )
        for name in names:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.above = None if self.above is None or other.above is None else self.above + other.above

    @property
    def uneven(self) -> float:
        """By what share Σ w u⁺ and Σ w u⁻ differ."""
        most = max(self.high, self.low)
        return abs(self.high - self.low) / most if most > 0 else 0.0

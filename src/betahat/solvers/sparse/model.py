"""The quadratic model of F on a few columns, by which sparse fits in memory step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from betahat.penalties.sparse import SeparablePenalty
from betahat.solvers.sparse.columns import Taken
from betahat.solvers.sparse.quadratic import minimise_columns, minimise_gram

_ALIKE = 0.003  # share of s L'' that may have changed: a step leaves several times that undone


@final
@dataclass(frozen=True, eq=False)
class Model:
    """½ δᵀHδ with H = Σ hᵢ (xᵢ − m)(xᵢ − m)ᵀ of the columns taken, the intercept moving along where there is one.

    h : (n,) s L'' where the model was made; weight : Σ h; mean : (w,) m = Σ h x / Σ h, zeros without an intercept;
    H : (w, w), None where it does not pay to form it.
    """

    taken: Taken
    h: np.ndarray
    intercept: bool
    weight: float
    mean: np.ndarray
    H: np.ndarray | None

    @classmethod
    def of(cls, taken: Taken, h: np.ndarray, intercept: bool) -> Model | None:
        """None where nothing bends."""
        weight = float(h.sum())
        if not weight > 0:
            return None
        mean = taken.products(h) / weight if intercept else np.zeros(len(taken.columns))
        return cls(taken, h, intercept, weight, mean, taken.gram(h, mean) if taken.gram_pays else None)

    def is_off(self, h: np.ndarray) -> bool:
        """Whether `h` (n,) has changed so much that a model made anew pays."""
        return float(np.abs(h - self.h).sum()) > _ALIKE * self.weight

    def step(
        self, q: np.ndarray, beta: np.ndarray, penalty: SeparablePenalty, size: float, tolerance: float,
        compiled: bool,
    ) -> tuple[np.ndarray, float, float] | None:  # fmt: skip
        """δ (w,) and the intercept's shift to the minimum of the model with the penalty, for s L' = q (n,) at β, and
        the fall of J that it promises; None where that is not finite."""
        level, g = 0.0, self.taken.products(q)
        if self.intercept:
            level = -float(q.sum()) / self.weight
            g = g + level * (self.mean * self.weight)
        if self.H is not None:
            z = minimise_gram(self.H, g, beta, penalty, size, tolerance, compiled)
        else:
            q = q + self.h * level
            z = minimise_columns(self.taken, self.h, q, self.mean, beta, penalty, size, tolerance)
        delta = z - beta
        if not np.isfinite(delta).all():
            return None
        fall = float(g @ delta) + penalty.value(z) - penalty.value(beta) - 0.5 * level**2 * self.weight
        return delta, level - float(self.mean @ delta), fall

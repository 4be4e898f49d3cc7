"""The rows of a sparse fit in memory: what depends on the linear predictor alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from betahat.certificate import EPS
from betahat.data.passes import combined_weight
from betahat.data.source import Block
from betahat.losses.base import Loss

_STEPS = 100


@final
@dataclass(frozen=True, eq=False)
class Rows:
    """F(η) = Σᵢ sᵢ L(yᵢ, ηᵢ), sᵢ = wᵢ/Σw, and its derivatives; offset (n,) is part of η."""

    loss: Loss
    y: np.ndarray
    share: np.ndarray
    offset: np.ndarray
    intercept: bool
    weight: float
    """Σw"""
    lowest: float
    """Σ s min L where that is known, else 0."""

    @classmethod
    def of(cls, block: Block, target: int, loss: Loss, intercept: bool) -> Rows:
        """The rows of a block with positive weight sum."""
        assert block.y is not None
        y = np.ascontiguousarray(block.y[:, target], np.float64)
        weight = combined_weight(block)
        total = float(len(y)) if weight is None else float(weight.sum())
        share = np.full(len(y), 1.0 / total) if weight is None else weight / total
        offset = np.zeros(len(y)) if block.offset is None else np.asarray(block.offset, np.float64)
        with np.errstate(all="ignore"):
            least = loss.conjugate(y, np.zeros_like(y))
        lowest = 0.0 if least is None or not np.isfinite(least).all() else -float(share @ least)
        return cls(loss, y, share, offset, intercept, total, lowest)

    def above(self, value: float) -> float:
        """J above what no model could be below: the size that gaps are relative to."""
        return max(value - self.lowest, 0.0) if self.lowest else abs(value)

    def value(self, eta: np.ndarray) -> float:
        """F(η)."""
        with np.errstate(over="ignore", invalid="ignore"):
            return float(self.share @ self.loss.value(self.y, eta))

    def slopes(self, eta: np.ndarray) -> np.ndarray:
        """L' (n,)."""
        return self.loss.first_derivative(self.y, eta)

    def curvature(self, eta: np.ndarray) -> np.ndarray:
        """s L'' (n,)."""
        return self.share * self.loss.second_derivative(self.y, eta)

    def settle(self, eta: np.ndarray) -> float:
        """How far to shift η so that Σ s L' = 0, to rounding: the minimum along the intercept; 0 without one."""
        if not self.intercept:
            return 0.0
        if self.loss.quadratic:
            return -float(self.share @ self.slopes(eta))
        shift, low, high = 0.0, -np.inf, np.inf
        unseen = EPS * float(np.abs(eta).max(initial=0))  # what rounding of η + shift hides, or less
        with np.errstate(all="ignore"):
            for _ in range(_STEPS):
                slopes = self.slopes(eta + shift)
                slope = float(self.share @ slopes)
                if not abs(slope) > 1e-17 * float(self.share @ np.abs(slopes)):
                    return shift
                low, high = (low, shift) if slope > 0 else (shift, high)
                bend = float(self.curvature(eta + shift).sum())
                step = -slope / bend if bend > 0 else -np.sign(slope)
                further = shift + float(np.clip(step, -5.0, 5.0) if not self._unit else step)
                if not low < further < high:
                    further = 0.5 * (low + high) if np.isfinite(low + high) else further
                if further == shift or not np.isfinite(further):
                    return shift
                last = abs(further - shift) <= max(unseen, EPS * abs(further))
                shift = further
                if last:
                    return shift
        return shift

    @property
    def _unit(self) -> bool:
        """Whether η has the unit of y, so that no step is long in itself."""
        return self.loss.largest_curvature == 1.0

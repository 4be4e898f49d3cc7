"""The rows of a sparse fit in memory: what depends on the linear predictor alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from betahat.certificate import EPS
from betahat.data.passes import combined_weight
from betahat.data.source import Block
from betahat.kernels.row_losses import COMPILED_FROM, RowLosses, row_losses
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
    inverse: np.ndarray
    """1/s, 0 where a row does not count"""
    compiled: bool
    """Whether there is so much of X that sums over the rows pay for compiled kernels."""

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
        much = len(y) * block.X.shape[1] >= COMPILED_FROM
        with np.errstate(divide="ignore"):
            inverse = np.where(share > 0, 1 / share, 0.0)
        return cls(loss, y, share, offset, intercept, total, lowest, inverse, much)

    def above(self, value: float) -> float:
        """J above what no model could be below: the size that gaps are relative to."""
        return max(value - self.lowest, 0.0) if self.lowest else abs(value)

    def at(self, eta: np.ndarray, shift: float = 0.0) -> RowLosses:
        """F, s L' and s L'' at η + shift, in one go over the rows."""
        loss = self.loss
        if loss.code is not None:
            return row_losses(self.y, eta, shift, self.share, loss.code, loss.power, self.compiled)
        f = eta + shift if shift else eta
        with np.errstate(over="ignore", invalid="ignore"):
            value = float(self.share @ loss.value(self.y, f))
            first = self.share * loss.first_derivative(self.y, f)
            second = self.share * loss.second_derivative(self.y, f)
            sums = float(first.sum()), float(np.abs(first).sum()), float(second.sum())
        return RowLosses(value, *sums, first, second)

    def settle(self, eta: np.ndarray) -> tuple[float, RowLosses]:
        """How far to shift η so that Σ s L' = 0, to rounding, and what `at` finds there: the minimum along the
        intercept; no shift without one."""
        at = self.at(eta)
        if not self.intercept:
            return 0.0, at
        if self.loss.quadratic:
            return -at.slope, self.at(eta, -at.slope)
        shift, low, high = 0.0, -np.inf, np.inf
        unseen = EPS * float(np.abs(eta).max(initial=0))  # what rounding of η + shift hides, or less
        for _ in range(_STEPS):
            if not abs(at.slope) > 4 * EPS * at.size:
                break
            low, high = (low, shift) if at.slope > 0 else (shift, high)
            with np.errstate(all="ignore"):
                step = -at.slope / at.bend if at.bend > 0 else -np.sign(at.slope)
            further = shift + float(np.clip(step, -5.0, 5.0) if not self._unit else step)
            if not low < further < high:
                further = 0.5 * (low + high) if np.isfinite(low + high) else further
            if abs(further - shift) <= max(unseen, EPS * abs(further)) or not np.isfinite(further):
                break
            shift, at = further, self.at(eta, further)
        return shift, at

    @property
    def _unit(self) -> bool:
        """Whether η has the unit of y, so that no step is long in itself."""
        return self.loss.largest_curvature == 1.0

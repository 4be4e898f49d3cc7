"""Least squares over a source: quadratic, so that a few sums over the rows are all of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import numpy as np

from betahat.data.passes import fold
from betahat.data.source import ArraySource, ScaledSource, Source
from betahat.kernels.reference import Gradient
from betahat.losses.base import Loss
from betahat.models.linear import (
    GradientStatistic,
    GramStatistic,
    PilotStatistic,
    RangeStatistic,
    TriangleStatistic,
)
from betahat.penalties import NoPenalty, Penalty


@final
class LinearObjective:
    """J(β) = (1/Σw) Σᵢ wᵢ L(yᵢ, β₀ + xᵢᵀβ) + R(β) over the rows of a source, for t targets at once.

    `penalty` is made once Σw is known, since some conventions (scikit-learn's ridge) penalise the sum of losses.
    """

    def __init__(
        self, source: Source, loss: Loss, penalty: Callable[[float], Penalty], fit_intercept: bool
    ) -> None:
        self.source, self.loss, self.fit_intercept = source, loss, fit_intercept
        self._make_penalty = penalty
        self.penalty: Penalty = NoPenalty()
        self._memo: dict[Any, Any] | None = {} if isinstance(source, ArraySource) else None

    def second_order(self, centre: np.ndarray | None = None) -> GramStatistic:
        """Everything of second order in one reading: for a quadratic loss, the whole objective.

        Rows are centred provisionally, so that a large mean costs no digits; `centre` asks for given values.
        """
        statistic = fold(self.source, GramStatistic(centre, self.fit_intercept))
        self.use_weight(statistic.counts.weight)
        return statistic

    def both_orders(
        self, rows: int, pilot: Callable[[GramStatistic], tuple[np.ndarray, np.ndarray]]
    ) -> PilotStatistic:
        """Second order, and first order at a β that `pilot` finds from the first rows, in one reading."""
        statistic = fold(self.source, PilotStatistic(self.fit_intercept, rows, pilot))
        self.use_weight(statistic.second.counts.weight)
        return statistic

    def use_weight(self, weight: float) -> None:
        """Σw is known now, and with it the penalty."""
        if weight > 0:
            self.penalty = self._make_penalty(weight)

    def triangle(self, centre: np.ndarray, scale: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """R of the QR factorisation of the centred and scaled columns (with the 1-column first, if any, and Y last)."""
        return fold(self.source, TriangleStatistic(centre, scale, columns, self.fit_intercept)).R

    def first_order(
        self, beta: np.ndarray, intercept: np.ndarray, lows: Any = None, precise: bool = True
    ) -> Gradient:
        """Σ w r x, Σ |w r x| and Σ w r² at β in double-double arithmetic.

        `lows` are the second halves of coefficients and intercepts that are kept in two doubles. Without `precise`
        80 bits are enough.
        """
        low, rest = (None, None) if lows is None else lows
        return fold(self.source, GradientStatistic(beta, intercept, low, rest, self._memo, precise)).total()

    def ranges(self, p: int, t: int) -> RangeStatistic:
        """The largest magnitude in each column, and where values are not finite."""
        return fold(self.source, RangeStatistic(p, t))

    def scaled(self, x_scale: np.ndarray, y_scale: np.ndarray) -> LinearObjective:
        """The same objective with columns of X and y multiplied by powers of two."""
        source = ScaledSource(self.source, x_scale, y_scale)
        return LinearObjective(source, self.loss, self._make_penalty, self.fit_intercept)

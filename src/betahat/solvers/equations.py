"""The normal equations XᵀWX β = XᵀWy, centred and scaled, from one reading of the rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from betahat.models.linear import Counts, GramStatistic
from betahat.objective import LinearObjective
from betahat.solvers.factor import EPS

_FAR = 100.0  # a provisional centre this many standard deviations (squared) off is replaced


@final
@dataclass(frozen=True, slots=True)
class NormalEquations:
    """Second moments of p columns and t targets about their means (about 0 without an intercept).

    mean : (p + t,); moments : (p + t, p + t) sums of weighted products of deviations; squares : (p + t,) sums of
    squares about zero; constant : (p,) columns that are equal in every row (zero, without an intercept).
    """

    p: int
    counts: Counts
    mean: np.ndarray
    moments: np.ndarray
    squares: np.ndarray
    constant: np.ndarray

    @property
    def weight(self) -> float:
        return self.counts.weight

    @property
    def hessian(self) -> np.ndarray:
        return self.moments[: self.p, : self.p]

    @property
    def right(self) -> np.ndarray:
        return self.moments[: self.p, self.p :]

    @property
    def total_ss(self) -> np.ndarray:
        return np.maximum(np.diag(self.moments)[self.p :], 0.0)

    @property
    def rounding(self) -> np.ndarray:
        """(p,) how large the rounding of a column's own values is beside its deviations, relative."""
        spread = np.sqrt(np.diag(self.moments)[: self.p])
        size = np.sqrt(self.squares[: self.p])
        return EPS * np.divide(size, spread, out=np.ones_like(size), where=spread > 0)


def is_representable(statistic: GramStatistic) -> bool:
    """Whether all sums are finite and no square has lost itself to over- or underflow."""
    total = statistic.high + statistic.low
    if not np.isfinite(total.sum()):
        return False
    diagonal = total.diagonal()[:-1]
    if diagonal.min(initial=1.0) > 1e-220 and diagonal.max(initial=1.0) < 1e220:
        return True
    return bool(((diagonal > 1e-220) & (diagonal < 1e220) | (diagonal == 0)).all())


def normal_equations(objective: LinearObjective, statistic: GramStatistic, p: int) -> NormalEquations:
    """Centre the sums; read again about the mean if the provisional centre was far from it."""
    if objective.fit_intercept and (far := _far_off(statistic)).any():
        assert statistic.centre is not None
        statistic = objective.second_order(
            np.where(far, statistic.centre + _offset(statistic), statistic.centre)
        )
    centre, weight = statistic.centre, statistic.counts.weight
    assert centre is not None
    total = statistic.high + statistic.low
    moments, offset = total[:-1, :-1], np.zeros(len(centre))
    if objective.fit_intercept:
        offset = _offset(statistic)
        moments = moments - np.outer(total[:-1, -1], offset)
    mean = centre + offset
    squares = np.maximum(np.diag(moments), 0) + weight * mean**2 * objective.fit_intercept
    deviation = np.sqrt(np.maximum(np.diag(moments)[:p], 0))
    constant = deviation <= 4 * EPS * np.sqrt(weight) * np.abs(mean[:p])
    return NormalEquations(p, statistic.counts, mean, moments, squares, constant)


def _offset(statistic: GramStatistic) -> np.ndarray:
    """The means less the provisional centre."""
    return (statistic.high[:-1, -1] + statistic.low[:-1, -1]) / statistic.counts.weight


def _far_off(statistic: GramStatistic) -> np.ndarray:
    """Columns whose provisional centre is so many deviations off that subtracting the mean would cancel."""
    raw = statistic.high.diagonal()[:-1] + statistic.low.diagonal()[:-1]
    shift = statistic.counts.weight * _offset(statistic) ** 2
    return (raw > 0) & (shift > _FAR * np.maximum(raw - shift, 0))

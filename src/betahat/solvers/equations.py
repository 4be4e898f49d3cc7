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
    for attempt in range(2):
        centre = statistic.centre
        assert centre is not None
        total = statistic.high + statistic.low
        weight = statistic.counts.weight
        moments = total[:-1, :-1]
        offset = np.zeros(len(centre))
        if objective.fit_intercept:
            sums = total[:-1, -1]
            offset = sums / weight
            raw = np.diag(moments).copy()
            moments = moments - np.outer(sums, offset)
            spread = np.diag(moments)
            far = (raw > 0) & (sums * offset > _FAR * np.maximum(spread, 0))
            if attempt == 0 and far.any():
                statistic = objective.second_order(np.where(far, centre + offset, centre))
                continue
        break
    mean = centre + offset
    squares = np.maximum(np.diag(moments), 0) + weight * mean**2 * objective.fit_intercept
    deviation = np.sqrt(np.maximum(np.diag(moments)[:p], 0))
    constant = deviation <= 4 * EPS * np.sqrt(weight) * np.abs(mean[:p])
    return NormalEquations(p, statistic.counts, mean, moments, squares, constant)

"""Profile intervals: how far a parameter can go before the best fit of the others becomes too bad."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import final

import numpy as np

from betahat.inference.distributions import check_level, t_quantile
from betahat.inference.results import Inference
from betahat.models.nonlinear import NonlinearModel
from betahat.solvers.descent.base import Limits
from betahat.solvers.descent.box import Box
from betahat.solvers.least_squares.levenberg_marquardt import LevenbergMarquardt
from betahat.solvers.nonlinear import NonlinearLeastSquares
from betahat.solvers.trace import Trace

_ITERATIONS = 300
_FIRST = 0.125  # of the distance at which the linearised model ends, for the first step outwards
_WIDENINGS = 36
_ROUNDS = 80
_EXACT = 1e-9  # relative width at which an end is found
_FARTHEST = 1e6  # times the linearised distance beyond which there is no end
_RESOLVED = 16 * float(np.finfo(np.float64).eps)  # the smallest relative distance that S can tell

Rise = Callable[[float, np.ndarray], tuple[float, np.ndarray]]
"""From a value of the parameter, and where to begin, to τ − t and the β there."""


@final
class _Profile:
    """S along one parameter, minimised over the others."""

    def __init__(
        self, model: NonlinearModel, X: np.ndarray, y: np.ndarray, weight: np.ndarray | None, place: int,
        lower: np.ndarray, upper: np.ndarray,
    ) -> None:  # fmt: skip
        self._data = (model, X, y, weight)
        self._place, self._lower, self._upper = place, lower, upper
        self._total = float(len(y)) if weight is None else float(weight.sum())

    def sum_of_squares(self, value: float, start: np.ndarray) -> tuple[float, np.ndarray]:
        """min S(β) with the parameter at `value`, infinite where f is not finite, and that β."""
        lower, upper, start = self._lower.copy(), self._upper.copy(), start.copy()
        lower[self._place] = upper[self._place] = start[self._place] = value
        problem = NonlinearLeastSquares(*self._data, start, Box(lower, upper))
        state = LevenbergMarquardt().run(problem, Limits(1e-10, _ITERATIONS), Trace(), None)
        return 2 * self._total * state.value, state.x


def profile_intervals(
    model: NonlinearModel, X: np.ndarray, y: np.ndarray, weight: np.ndarray | None, inference: Inference,
    places: Sequence[int], level: float, box: Box | None,
) -> np.ndarray:  # fmt: skip
    """(len(places), 2): where min{S(β): βⱼ = b} = S(β̂) + t² s², below and above β̂ⱼ; infinite where that is nowhere.

    t is Student's quantile with n − p degrees of freedom, s² = S(β̂)/(n − p). The signed root of the rise,
    τ(b) = ±√((S(b) − S(β̂))/s²), is nearly a line, so its crossing of ±t is found by regula falsi (Illinois), from
    steps outwards that double, each beginning at the β of the last. NaN without degrees of freedom.
    """
    statistics, beta = inference.statistics, inference.estimate
    t = t_quantile(check_level(level), float(statistics.df_resid))
    lowest, s2 = float(statistics.residual_ss[0]), float(inference.scale)
    found = np.full((len(places), 2), np.nan)
    if not (statistics.df_resid > 0 and s2 > 0):
        return found
    everywhere = np.full(len(beta), np.inf)
    lower, upper = (-everywhere, everywhere) if box is None else (box.lower, box.upper)
    steps = _steps(model, X, weight, inference)
    for row, place in enumerate(places):
        centre = float(beta[place])
        step = max(t * steps[place], _RESOLVED * abs(centre))
        profile = _Profile(model, X, y, weight, place, lower, upper)

        def rise(value: float, start: np.ndarray, profile: _Profile = profile) -> tuple[float, np.ndarray]:
            total, there = profile.sum_of_squares(value, start)
            return float(np.sqrt(max(total - lowest, 0.0) / s2)) - t, there

        for side, (sign, edge) in enumerate(((-1.0, lower[place]), (1.0, upper[place]))):
            found[row, side] = _crossing(rise, beta, centre, sign * step, float(edge), t)
    return found


def _steps(
    model: NonlinearModel, X: np.ndarray, weight: np.ndarray | None, inference: Inference
) -> np.ndarray:
    """(p,) how far each parameter goes for τ to change by about 1: its standard error, or for one on a bound what it
    would be were it alone."""
    J = model.jacobian(X, inference.estimate)[1]
    sizes = np.sqrt((J * J).sum(axis=0) if weight is None else weight @ (J * J))
    alone = np.sqrt(inference.scale) / np.where(sizes > 0, sizes, 1.0)
    variance = np.sqrt(inference.scale * np.diag(inference.statistics.centred_inverse))
    return np.where(inference.statistics.estimable, variance, alone)


def _crossing(rise: Rise, beta: np.ndarray, centre: float, step: float, edge: float, t: float) -> float:
    """Where the rise, −t at the centre, becomes 0 on one side; the edge, or ±∞, where it does not."""
    if centre == edge:
        return edge
    inner, at_inner, begin, outer = centre, -t, beta, centre + _FIRST * step
    for _ in range(_WIDENINGS):
        if np.isfinite(edge) and (outer - edge) * step >= 0:
            outer = edge
        at_outer, there = rise(outer, begin)
        if not at_outer < 0:
            break
        if outer == edge:
            return edge
        inner, at_inner, begin = outer, at_outer, there
        if abs(outer - centre) > _FARTHEST * abs(step):
            return float(np.copysign(np.inf, step))
        outer = centre + 2 * (outer - centre)
    else:
        return float(np.copysign(np.inf, step))
    kept = 0
    for _ in range(_ROUNDS):
        if abs(outer - inner) <= max(_EXACT * abs(outer - centre), _RESOLVED * abs(centre)):
            break
        finite = np.isfinite(at_outer)
        middle = (
            (inner * at_outer - outer * at_inner) / (at_outer - at_inner) if finite else (inner + outer) / 2
        )
        if not min(inner, outer) < middle < max(inner, outer):
            middle = (inner + outer) / 2
        at_middle, there = rise(middle, begin)
        if abs(at_middle) <= _EXACT * t:
            return middle
        if not at_middle < 0:
            outer, at_outer = middle, at_middle
            at_inner = at_inner / 2 if kept == 1 else at_inner
            kept = 1
        else:
            inner, at_inner, begin = middle, at_middle, there
            at_outer = at_outer / 2 if kept == -1 and np.isfinite(at_outer) else at_outer
            kept = -1
    return outer if np.isfinite(at_outer) else inner

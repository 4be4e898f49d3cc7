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
_WIDENINGS = 30
_ROUNDS = 80
_EXACT = 1e-9  # relative width at which an end is found
_FARTHEST = 1e6  # standard errors beyond which there is no end


@final
class _Profile:
    """S along one parameter, minimised over the others, beginning where the last one ended."""

    def __init__(
        self, model: NonlinearModel, X: np.ndarray, y: np.ndarray, weight: np.ndarray | None, beta: np.ndarray,
        place: int, box: Box | None,
    ) -> None:  # fmt: skip
        self._data = (model, X, y, weight)
        self._beta, self._place = beta, place
        everywhere = np.full(len(beta), np.inf)
        self._low = -everywhere if box is None else box.lower
        self._high = everywhere if box is None else box.upper
        self._total = float(len(y)) if weight is None else float(weight.sum())
        self._last = beta

    def restart(self) -> None:
        """Begin at β̂ again, for the other side."""
        self._last = self._beta

    def sum_of_squares(self, value: float) -> float:
        """min S(β) with the parameter at `value`; infinite where f is not finite."""
        lower, upper, start = self._low.copy(), self._high.copy(), self._last.copy()
        lower[self._place] = upper[self._place] = start[self._place] = value
        problem = NonlinearLeastSquares(*self._data, start, Box(lower, upper))
        state = LevenbergMarquardt().run(problem, Limits(1e-10, _ITERATIONS), Trace(), None)
        if np.isfinite(state.value):
            self._last = state.x
        return 2 * self._total * state.value


def profile_intervals(
    model: NonlinearModel, X: np.ndarray, y: np.ndarray, weight: np.ndarray | None, inference: Inference,
    places: Sequence[int], level: float, box: Box | None,
) -> np.ndarray:  # fmt: skip
    """(len(places), 2): where min{S(β): βⱼ = b} = S(β̂) + t² s², below and above β̂ⱼ; infinite where that is nowhere.

    t is Student's quantile with n − p degrees of freedom, s² = S(β̂)/(n − p). The signed root of the rise,
    τ(b) = ±√((S(b) − S(β̂))/s²), is nearly a line, so its crossing of ±t is found by regula falsi (Illinois).
    """
    t = t_quantile(check_level(level), float(inference.df_inference))
    statistics = inference.statistics
    lowest, s2 = float(statistics.residual_ss[0]), float(inference.scale)
    found = np.full((len(places), 2), np.nan)
    for row, place in enumerate(places):
        centre, step = float(inference.estimate[place]), float(inference.std_err[place])
        if not np.isfinite(step):
            continue
        profile = _Profile(model, X, y, weight, inference.estimate, place, box)
        for side, sign in enumerate((-1.0, 1.0)):
            profile.restart()
            edge = np.inf if box is None else float((box.lower, box.upper)[side][place])

            def rise(value: float, profile: _Profile = profile) -> float:
                return float(np.sqrt(max(profile.sum_of_squares(value) - lowest, 0.0) / s2)) - t

            found[row, side] = _crossing(rise, centre, sign * step * t, edge, t)
    return found


def _crossing(rise: Callable[[float], float], centre: float, step: float, edge: float, t: float) -> float:
    """Where the rise, −t at the centre, becomes 0 on one side; the edge, or ±∞, where it does not."""
    inner, at_inner, outer = centre, -t, centre + step
    for _ in range(_WIDENINGS):
        if np.isfinite(edge) and (outer - edge) * step >= 0:
            outer = edge
        at_outer = rise(outer)
        if at_outer >= 0 or not np.isfinite(at_outer):
            break
        if outer == edge:
            return edge
        inner, at_inner = outer, at_outer
        if abs(outer - centre) > _FARTHEST * abs(step):
            return float(np.copysign(np.inf, step))
        outer = centre + 2 * (outer - centre)
    else:
        return float(np.copysign(np.inf, step))
    kept = 0
    for _ in range(_ROUNDS):
        if abs(outer - inner) <= _EXACT * max(abs(outer - centre), abs(step)):
            break
        finite = np.isfinite(at_outer)
        middle = (
            (inner * at_outer - outer * at_inner) / (at_outer - at_inner) if finite else (inner + outer) / 2
        )
        if not min(inner, outer) < middle < max(inner, outer):
            middle = (inner + outer) / 2
        at_middle = rise(middle)
        if abs(at_middle) <= _EXACT * t:
            return middle
        if at_middle >= 0 or not np.isfinite(at_middle):
            outer, at_outer = middle, at_middle
            at_inner = at_inner / 2 if kept == 1 else at_inner
            kept = 1
        else:
            inner, at_inner = middle, at_middle
            at_outer = at_outer / 2 if kept == -1 and np.isfinite(at_outer) else at_outer
            kept = -1
    return outer if np.isfinite(at_outer) else inner

"""Profile intervals: how far a parameter can go before the best fit of the others becomes too bad."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import numpy as np

from betahat.inference.crossing import crossing
from betahat.inference.distributions import check_level, t_quantile
from betahat.inference.results import Inference
from betahat.models.nonlinear import NonlinearModel
from betahat.solvers.descent.base import Limits
from betahat.solvers.descent.box import Box
from betahat.solvers.least_squares.levenberg_marquardt import LevenbergMarquardt
from betahat.solvers.nonlinear import NonlinearLeastSquares
from betahat.solvers.trace import Trace

_ITERATIONS = 300
_RESOLVED = 16 * float(np.finfo(np.float64).eps)  # the smallest relative distance that S can tell


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
            found[row, side] = crossing(rise, beta, centre, sign * step, float(edge), t)
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

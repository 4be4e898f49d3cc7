"""A linear model with any smooth loss and penalty: begun at least squares, descended, polished by Newton's steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from betahat.certificate import RELATIVE_TOLERANCE, curvature
from betahat.data.passes import dense
from betahat.errors import DataError
from betahat.losses.base import Loss
from betahat.objective.smooth import EVERYTHING, Coordinates, SmoothObjective
from betahat.penalties import NoPenalty, Penalty
from betahat.solvers.descent.base import LOWEST, Limits, Solver, State
from betahat.solvers.descent.linear import LinearProblem
from betahat.solvers.descent.problem import Problem
from betahat.solvers.fit import LinearFit
from betahat.solvers.linear_descent import ENDINGS, MOST_ITERATIONS, Method, solver_name
from betahat.solvers.named import named
from betahat.solvers.trace import Trace

_NEWTON_UP_TO = 300  # coefficients up to which the Hessian is worth its cost
_FIRST_TOLERANCE = 1e-12
_ROUNDS, _POLISHES = 4, 8
_TRIED = 200  # rows on which a loss of the user's is tried


@final
@dataclass
class SmoothFit:
    """β̂ of a linear model with one target: `theta` in the coordinates of `objective`, where `sums` were summed last;
    iterations and solver; stop_reason and what the solver said (`remark`); unbounded : whether J fell without end."""

    objective: Any
    theta: np.ndarray
    sums: Any
    solver: str
    why: str
    iterations: int
    stop_reason: str
    remark: str
    trace: Trace
    unbounded: bool = False


def solve_smooth(
    start: LinearFit, source: Any, loss: Loss, penalty: Penalty, fit_intercept: bool, collinear: str,
    method: Method | None, origin: np.ndarray | None = None,
) -> SmoothFit:  # fmt: skip
    """β̂ minimising the mean of L(y, f) + R(β), from the least-squares fit `start` of the same rows, or from the θ
    `origin`.

    Columns are centred and scaled to unit variance for the descent. Without a penalty, directions that the data leave
    open are left out of it. Raises ValueError or DerivativeError where the loss or the penalty is none, DataError where
    the data leave double precision.
    """
    at = coordinates_of(start, penalty, fit_intercept, collinear)
    objective = SmoothObjective(source, loss, penalty, at)
    origin = at.theta(start.coef[0], float(start.intercept[0])) if origin is None else origin
    _try_out(objective, origin)
    step = _deviation(start)
    problem = LinearProblem(objective, origin, step, _unit(objective, origin, step))
    way, why = _way(method, len(origin))
    solver = named(way) if isinstance(way, str) else way
    with np.errstate(all="ignore"):  # steps may overshoot to where J overflows
        found = descend(problem, solver, method)
    found.why = why
    found.solver = way if isinstance(way, str) else solver_name(way)
    if method is None and len(origin) <= _NEWTON_UP_TO and found.stop_reason not in ENDINGS:
        _polish(found)
    return found


def coordinates_of(start: LinearFit, penalty: Penalty, intercept: bool, collinear: str) -> Coordinates:
    """Columns centred and scaled to unit variance, without the directions that they leave open."""
    p, weight, free = len(start.mean), start.counts.weight, isinstance(penalty, NoPenalty)
    scale = np.ones(p)
    scale[start.active] = start.scale / np.sqrt(weight)
    mean = start.mean if intercept else np.zeros(p)
    basis = None
    if free and collinear == "drop" and len(start.active) < p:
        basis = np.eye(p)[:, start.active]
    elif free and start.null_space.size:
        null = start.null_space * scale[:, None]
        basis = np.linalg.qr(null / np.sqrt((null**2).sum(axis=0)), mode="complete")[0][:, null.shape[1] :]
    return Coordinates(mean, scale, basis, intercept)


def _deviation(start: LinearFit) -> float:
    """y's standard deviation; of a constant y its size."""
    spread = float(np.sqrt(start.total_ss[0] / start.counts.weight))
    return spread if spread > 0 else abs(float(start.level[0])) or 1.0


def _unit(objective: SmoothObjective, origin: np.ndarray, step: float) -> float:
    """What J changes by over `step`, where nothing is explained yet."""
    nothing = np.zeros_like(origin)
    nothing[: int(objective.at.intercept)] = origin[: int(objective.at.intercept)]
    for theta in (nothing, origin):
        with np.errstate(all="ignore"):
            found = objective.sums(theta, EVERYTHING)
            unit = step * float(found.magnitude.max(initial=0)) / found.weight
        if 0 < unit < np.inf:
            return unit
    return 1.0


def _try_out(objective: SmoothObjective, origin: np.ndarray) -> None:
    """Loss and penalty on a few rows, and J on all, where the descent begins."""
    y, X = objective.sample(_TRIED)
    beta, intercept = objective.at.raw(origin)
    f = dense(X) @ beta + intercept
    with np.errstate(all="ignore"):
        objective.loss.check(y, f)
        objective.penalty.check(beta)
        value, gradient = objective.first_order(origin)
    if not (np.isfinite(value) and np.isfinite(gradient).all()):
        what = "J" if not np.isfinite(value) else "∂J/∂β"
        raise DataError(
            f"{what} is not finite at the least-squares coefficients, where the descent begins: {objective.loss!r} "
            "gives NaN or infinity for some row. Usual causes: a logarithm or root of a negative number, or numbers "
            "whose squares leave double precision"
        )


def _way(method: Method | None, size: int) -> tuple[Solver | str, str]:
    if method is not None:
        return method.solver, "it was asked for"
    if size <= _NEWTON_UP_TO:
        return "trust_region", f"with {size} coefficients the Hessian is cheap, and Newton's steps are few"
    return "lbfgs", f"with {size} coefficients the Hessian would cost more than many gradients"


def descend(problem: Any, solver: Solver, method: Method | None, much: int = EVERYTHING) -> SmoothFit:
    """Descend until every derivative is small beside the mean size of its terms, with one budget for all rounds.

    problem : a `LinearProblem`, or another with `objective` and `theta`; much : what is summed where it ends.
    """
    unit, step = getattr(problem, "unit", 1.0), getattr(problem, "step", 1.0)
    budget = MOST_ITERATIONS if method is None or method.max_iter is None else method.max_iter
    asked = RELATIVE_TOLERANCE if method is None or method.tolerance is None else method.tolerance
    trace, spent, tolerance = Trace(), 0, max(_FIRST_TOLERANCE, 1e-2 * asked)
    for left in reversed(range(_ROUNDS)):
        inner = Trace()
        state = _run(problem, solver, Limits(tolerance, budget - spent), inner)
        first = 1 if spent else 0
        trace.extend(inner, first, 0.0, unit, unit / step)
        spent += max(len(inner) - 1, 0)
        theta = problem.theta(state.x)
        sums = problem.objective.sums(theta, much)
        steep = steepness(problem.objective, sums, theta)
        unbounded = state.value * unit < LOWEST or state.value < LOWEST
        found = SmoothFit(
            problem.objective, theta, sums, solver.name, "", spent, state.stop_reason, state.remark, trace, unbounded
        )  # fmt: skip
        if not steep > 0.3 * asked or state.stop_reason != "converged" or spent >= budget or not left:
            return found
        tolerance, problem.start = tolerance * max(0.1 * asked / steep, 1e-4), state.x
    raise AssertionError("unreachable")


def _run(problem: Problem, solver: Solver, limits: Limits, inner: Trace) -> State:
    best = State(problem.start, np.inf, np.zeros(problem.n), "interrupted")

    def each(x: np.ndarray, value: float) -> None:
        if value <= best.value:
            best.x, best.value = x.copy(), value

    try:
        with np.errstate(all="ignore"):
            return solver.run(problem, limits, inner, each)
    except KeyboardInterrupt:
        return best


def steepness(objective: Any, sums: Any, theta: np.ndarray, gradient: np.ndarray | None = None) -> float:
    """The largest derivative beside the mean size of its terms, less what rounding makes of it; or that of a gradient
    at a point so near that sizes are the same there."""
    own: np.ndarray = objective.whole_gradient(sums, theta) if gradient is None else gradient
    g = np.abs(own) - objective.unavoidable(sums, theta)
    size = objective.term_size(sums, theta)
    return float((np.maximum(g, 0.0) / np.maximum(size, np.finfo(float).tiny)).max(initial=0))


def _polish(found: SmoothFit) -> None:
    """Newton's steps while they halve the gradient: J itself cannot tell points so close apart."""
    objective, at = found.objective, found.objective.at
    first = int(at.intercept)
    for _ in range(_POLISHES):
        steep = steepness(objective, found.sums, found.theta)
        if not steep > 0:
            return
        g = objective.whole_gradient(found.sums, found.theta)
        H = at.pulled_twice(objective.whole_hessian(found.sums, found.theta))
        slope = at.pulled(float(g[0]) if first else 0.0, g[first:])
        if not np.isfinite(H).all():
            return
        bend = curvature(H)
        if bend.status != "local minimum":
            return
        theta = found.theta - bend.solve(slope)
        with np.errstate(all="ignore"):
            sums = objective.sums(theta, EVERYTHING)
            following = steepness(objective, sums, theta)
        if not following < 0.5 * steep:
            return
        found.theta, found.sums = theta, sums
        found.iterations += 1
        value = sums.value / sums.weight + objective.penalty.value(at.raw(theta)[0])
        found.trace.add(value, float(np.abs(objective.whole_gradient(sums, theta)).max(initial=0)), steep)

"""`bh.minimize`: the lowest point of a function, with proof."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from betahat.certificate import curvature
from betahat.solvers.descent.base import Limits, Solver, flatness
from betahat.solvers.descent.bfgs import BFGS
from betahat.solvers.descent.conjugate_gradient import ConjugateGradient
from betahat.solvers.descent.function import FunctionProblem
from betahat.solvers.descent.lbfgs import LBFGS
from betahat.solvers.descent.steepest import SteepestDescent
from betahat.solvers.descent.trust_region import NewtonCG, TrustRegion
from betahat.solvers.trace import Trace

SOLVERS: dict[str, Callable[[], Solver]] = {
    solver.name: solver for solver in (SteepestDescent, ConjugateGradient, BFGS, LBFGS, TrustRegion, NewtonCG)
}
_HESSIAN_UP_TO, _PRODUCTS_UP_TO = (
    100,
    2000,
)  # numbers up to which the Hessian, and products with it, are worth it
_ROUNDING = 1e-13  # a relative fall of J that cannot be told from rounding
_ASSESSED_UP_TO = 500  # and up to which its eigenvalues tell a minimum from a saddle


@final
@dataclass(frozen=True)
class Minimum:
    """Where a descent ended.

    point : in the form of the start; value : J there; gradient : ∂J/∂point; status : "local minimum" (the Hessian is
    positive definite), "flat" (it has zero eigenvalues and none negative), "saddle", "stationary" (too many numbers to
    look at the Hessian) or "not stationary"; smallest_eigenvalue : of the Hessian scaled to unit diagonal, or NaN;
    relative_gradient : max |gⱼ| max(|xⱼ|, 1)/max(|J|, 1); stop_reason : one of
    `betahat.solvers.trace.STOP_REASONS`; solver : which one; trace; evaluations, gradients, products : of the
    function, its gradient, and its Hessian with a vector.
    """

    point: Any
    value: float
    gradient: Any
    status: str
    smallest_eigenvalue: float
    relative_gradient: float
    stop_reason: str
    solver: str
    trace: Trace
    evaluations: int
    gradients: int
    products: int

    @property
    def converged(self) -> bool:
        """Whether the gradient vanishes and no direction of fall was found."""
        return self.status in ("local minimum", "flat", "stationary")


def minimize(
    function: Callable[[Any], Any], start: Any, *, solver: str | Solver | None = None,
    gradient: Callable[[Any], Any] | None = None, tolerance: float = 1e-9, max_iterations: int | None = None,
    callback: Callable[[Any, float], Any] | None = None,
) -> Minimum:  # fmt: skip
    """A point near `start` where the derivatives of `function` vanish and it has no way down.

    function : of one argument, in plain NumPy, giving one number; derivatives are found by :mod:`betahat.autodiff`.
    start : a float, an array, or dicts, lists and tuples of arrays. solver : "trust_region", "newton_cg", "lbfgs",
    "bfgs", "conjugate_gradient", "steepest_descent", or a solver object; None takes the first up to 100 numbers, the
    second up to 2000, the third beyond. gradient : where NumPy code is not what J is made of. tolerance : on
    max |gⱼ| max(|xⱼ|, 1)/max(|J|, 1). callback : called with point and value after each iteration; ends the descent by
    returning something true.

    Returns a :class:`Minimum`. Ctrl-C ends the descent with the best point so far ("interrupted").

    Raises TypeError or ValueError for a start or function that cannot be differentiated, ValueError for an unknown
    solver.

    >>> import numpy as np, betahat as bh
    >>> def rosenbrock(x):
    ...     return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)
    >>> found = bh.minimize(rosenbrock, np.full(10, -1.0))
    >>> found.point.round(8), found.status
    (array([1., 1., 1., 1., 1., 1., 1., 1., 1., 1.]), 'local minimum')
    """
    problem = FunctionProblem(function, start, gradient)
    way = _solver(solver, problem.n)
    _check(tolerance, max_iterations)
    limits = Limits(tolerance, max_iterations if max_iterations is not None else 1000 + 20 * problem.n)
    trace = Trace()
    best: list[Any] = [None, np.inf]

    def each(x: np.ndarray, value: float) -> Any:
        if value <= best[1]:
            best[:] = [x.copy(), value]
        return callback(problem.form(x), value) if callback is not None else None

    with np.errstate(all="ignore"):  # steps may overshoot to where J overflows; they are not taken
        try:
            state = way.run(problem, limits, trace, each)
            x, reason = state.x, state.stop_reason
        except KeyboardInterrupt:
            x, reason = (problem.start if best[0] is None else best[0]), "interrupted"
        value, slope = problem.both(x)
        counted = problem.evaluations, problem.gradients, problem.products
        relative = flatness(x, value, slope)
        status, least = _status(problem, x, value, slope, relative, tolerance)
    return Minimum(
        problem.form(x),
        value,
        problem.form(slope),
        status,
        least,
        relative,
        reason,
        way.name,
        trace,
        *counted,
    )


def _solver(solver: str | Solver | None, n: int) -> Solver:
    if isinstance(solver, Solver):
        return solver
    if solver is None:
        solver = "trust_region" if n <= _HESSIAN_UP_TO else "newton_cg" if n <= _PRODUCTS_UP_TO else "lbfgs"
    if solver not in SOLVERS:
        raise ValueError(
            f"solver (={solver!r}) must be one of {', '.join(map(repr, SOLVERS))}, or None to choose"
        )
    return SOLVERS[solver]()


def _check(tolerance: float, max_iterations: int | None) -> None:
    if not (isinstance(tolerance, (int, float)) and 0 < tolerance < 1):
        raise ValueError(f"tolerance (={tolerance!r}) must be a number between 0 and 1")
    if max_iterations is not None and (
        not isinstance(max_iterations, (int, np.integer)) or max_iterations < 1
    ):
        raise ValueError(f"max_iterations (={max_iterations!r}) must be a whole number of 1 or more")


def _fall(values: np.ndarray, g: np.ndarray) -> float:
    """½ gᵀH⁻¹g, how much lower Newton's step would lead (his decrement); infinite unless H is positive definite."""
    return float(0.5 * np.sum(g**2 / values)) if values[0] > 1e-14 * values[-1] else np.inf


def _status(
    problem: FunctionProblem,
    x: np.ndarray,
    value: float,
    gradient: np.ndarray,
    relative: float,
    tolerance: float,
) -> tuple[str, float]:
    """What the point is, from gradient and Hessian there."""
    if not np.isfinite(relative):
        return "not stationary", np.nan
    if problem.n > _ASSESSED_UP_TO:
        return ("stationary" if relative <= 100 * tolerance else "not stationary"), np.nan
    H = problem.hessian(x)
    if not np.isfinite(H).all():
        return ("stationary" if relative <= 100 * tolerance else "not stationary"), np.nan
    bend = curvature(H)
    least = float(bend.values[0])
    fall = _fall(bend.values, bend.vectors.T @ (gradient / bend.scale))
    if relative > 100 * tolerance and not fall <= _ROUNDING * abs(value):
        return "not stationary", least
    return bend.status, least

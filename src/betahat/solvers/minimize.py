"""`bh.minimize`: the lowest point of a function, with proof."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from betahat.solvers import BFGS, DESCENTS, LBFGSB, LEARNING_RATES, TrustRegion
from betahat.solvers.checks import is_real
from betahat.solvers.descending import check_descent, descend
from betahat.solvers.descent.base import Solver
from betahat.solvers.descent.bounds import read_bounds
from betahat.solvers.descent.function import FunctionProblem
from betahat.solvers.descent.in_turn import InTurn
from betahat.solvers.minimum import Minimum
from betahat.solvers.named import solver_named

__all__ = ["Minimum", "minimize"]

_HESSIAN_UP_TO, _PRODUCTS_UP_TO = (
    100,
    2000,
)  # numbers up to which the Hessian, and products with it, are worth it


def minimize(
    function: Callable[[Any], Any], start: Any, *, solver: str | Solver | None = None, bounds: Any = None,
    gradient: Callable[[Any], Any] | None = None, tol: float = 1e-9, max_iter: int | None = None,
    callback: Callable[[Any, float], Any] | None = None,
) -> Minimum:  # fmt: skip
    """A point near `start` where the derivatives of `function` vanish and it has no way down.

    function : of one argument, in plain NumPy, giving one number; derivatives are found by :mod:`betahat.autodiff`.
    For further arguments write `lambda x: f(x, a)`. start : a float, an array (a list of floats is read as one), or
    dicts, lists and tuples of arrays. solver : "trust_region", "dogleg", "newton", "newton_cg", "bfgs", "lbfgs",
    "lbfgsb", "conjugate_gradient", "steepest_descent"; or, with steps as long as a learning rate says,
    "gradient_descent", "sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw"; or an object of
    `bh.solvers` with parameters of its own. None takes "bfgs" (with bounds "lbfgsb") up to 100 numbers and
    "trust_region" from where that ends, "newton_cg" up to 2000, "lbfgs" (with bounds "lbfgsb") beyond. bounds : one
    pair (low, high) for all numbers; or a sequence of pairs, one for each number of a flat start; or (lower, upper),
    each side in the form of the start; None or ±inf where there is no bound. "trust_region", "newton_cg" and "lbfgsb"
    keep them; no point outside is ever asked for. gradient : where NumPy code is not what J is made of. tol : on
    max |gⱼ| max(|xⱼ|, 1)/max(|J|, 1), where 1 is less for functions in tiny units; methods that know the Hessian also
    ask that Newton's step would win no more than this share of J. callback : called with point and value after each
    iteration; ends the descent by returning something true or raising StopIteration.

    Returns a :class:`Minimum`: the point and a certificate made from gradient and Hessian there. At a bound that stops
    its fall a number's derivative need not vanish, and "local minimum" speaks of the other numbers' Hessian. Ctrl-C
    ends the descent with the best point so far ("interrupted"); so do divergence and an exhausted budget, each with
    its own `stop_reason`.

    Raises TypeError or ValueError for a start, bounds or function that cannot be used, ValueError for an unknown
    solver and for bounds with a solver that does not keep them.

    >>> import numpy as np, betahat as bh
    >>> def rosenbrock(x):
    ...     return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)
    >>> found = bh.minimize(rosenbrock, np.full(10, -1.0))
    >>> found.point.round(8), found.status
    (array([1., 1., 1., 1., 1., 1., 1., 1., 1., 1.]), 'local minimum')
    >>> bh.minimize(rosenbrock, np.zeros(3), bounds=(None, 0.5)).point.round(4)
    array([0.5   , 0.2574, 0.0663])
    """
    check_descent(tol, max_iter, function=function, gradient=gradient, callback=callback)
    if isinstance(start, list) and start and all(is_real(number) for number in start):
        start = np.array(start)
    problem = FunctionProblem(function, start, gradient, read_bounds(bounds, start))
    way = _chosen(solver, problem.n, problem.box is not None)
    return descend(problem, way, float(tol), max_iter, callback)


def _chosen(solver: str | Solver | None, n: int, bounded: bool) -> Solver:
    if solver is None:
        if n <= _HESSIAN_UP_TO:
            return InTurn(LBFGSB() if bounded else BFGS(), TrustRegion())
        solver = "newton_cg" if n <= _PRODUCTS_UP_TO else "lbfgsb" if bounded else "lbfgs"
    way = solver_named(solver)
    if bounded and not way.bounded:
        able = ", ".join(repr(name) for name in {**DESCENTS, **LEARNING_RATES} if solver_named(name).bounded)
        raise ValueError(f"solver (={way.name!r}) does not keep bounds; those that do: {able}")
    return way

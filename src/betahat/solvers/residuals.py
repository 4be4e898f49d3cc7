"""`bh.least_squares`: the smallest sum of squares of a function's values, with proof."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from betahat.autodiff.containers import leaves
from betahat.solvers.checks import is_real
from betahat.solvers.descending import check_descent, descend
from betahat.solvers.descent.base import Solver
from betahat.solvers.descent.bounds import read_bounds
from betahat.solvers.least_squares.function import ResidualsProblem
from betahat.solvers.minimum import Minimum
from betahat.solvers.named import solver_named


def least_squares(
    residuals: Callable[[Any], Any], start: Any, *, solver: str | Solver = "levenberg_marquardt", bounds: Any = None,
    tol: float = 1e-9, max_iter: int | None = None, callback: Callable[[Any, float], Any] | None = None,
) -> Minimum:  # fmt: skip
    """A point near `start` where ½ Σ rᵢ(x)² has no way down.

    residuals : of one argument, in plain NumPy, giving r as an array, or a list of arrays and numbers; their
    derivatives are found by :mod:`betahat.autodiff`. start, bounds, tol, max_iter, callback : as in
    :func:`betahat.minimize`. solver : "levenberg_marquardt", "gauss_newton", or any of :func:`betahat.minimize`'s.

    Returns a :class:`betahat.solvers.minimum.Minimum`, whose `value` is ½ Σ rᵢ².

    For a model of rows with parameters, standard errors and intervals there is :class:`betahat.NonlinearRegression`.

    Raises TypeError or ValueError for a start, bounds or residuals that cannot be used, and for unknown solvers.

    >>> import numpy as np, betahat as bh
    >>> found = bh.least_squares(lambda x: [10 * (x[1] - x[0] ** 2), 1 - x[0]], [-1.2, 1.0])
    >>> found.point, found.status
    (array([1., 1.]), 'local minimum')
    """
    check_descent(tol, max_iter, residuals=residuals, callback=callback)
    if isinstance(start, list) and start and all(is_real(number) for number in start):
        start = np.array(start, np.float64)
    way = solver_named(solver, residuals=True)
    box = read_bounds(bounds, start)
    if box is not None and not way.bounded:
        raise ValueError(
            f"solver (={way.name!r}) does not keep bounds; 'levenberg_marquardt' and 'gauss_newton' do"
        )
    problem = ResidualsProblem(residuals, start, box)
    found = descend(problem, way, float(tol), max_iter, callback)
    there = np.concatenate([np.ravel(leaf) for _, leaf in leaves(found.point)])
    if found.stop_reason != "interrupted" and not problem.check(there):  # its derivatives were not right
        found = descend(problem, way, float(tol), max_iter, callback)
    return found

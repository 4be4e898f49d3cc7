"""Least squares in closed form: the normal equations solved exactly, by the cheapest factorisation that is safe."""

from __future__ import annotations

import numpy as np

from betahat.errors import CollinearityError, DataError
from betahat.objective import LinearObjective
from betahat.solvers.dual import is_wide, solve_dual
from betahat.solvers.equations import is_representable, normal_equations
from betahat.solvers.fit import LinearFit
from betahat.solvers.linear_descent import Method
from betahat.solvers.primal import pilot, solve_primal
from betahat.solvers.range import are_tiny, rescaled
from betahat.solvers.trace import Trace

COLLINEAR = ("minimum_norm", "drop", "error")
_MOST_COLUMNS = 30_000
_PILOT_ROWS = 50_000  # rows of a file from which a point near the solution is found


def solve(
    objective: LinearObjective, p: int, t: int, names: tuple[str, ...], collinear: str = "minimum_norm",
    extended: bool = False, method: Method | None = None,
) -> LinearFit:  # fmt: skip
    """β̂ minimising the mean of ½ (y − β₀ − xᵀβ)² + α/2 ‖β‖² for each of t targets.

    Reads the rows once for the normal equations and once more for each refinement (usually one, which also
    certifies). `method` descends to the solution of the equations in the place of solving them. `extended` keeps the
    coefficients themselves in two doubles. Raises MissingValueError or DataError for values that are not finite,
    CollinearityError if `collinear` is "error".
    """
    wide = method is None and is_wide(objective.source, p)
    if p > _MOST_COLUMNS and not wide:
        raise DataError(
            f"X has {p} columns: the normal equations are a {p} × {p} matrix of {8e-9 * p * p:.0f} GB. Leave columns "
            "out, or hash or bin the categories that made them"
        )
    trace = Trace()
    if wide:
        fit = solve_dual(objective, p, t, collinear, trace)
    else:
        fit = _primal(objective, p, t, names, collinear, extended, trace, method)
    if fit is None:  # squares leave the range of double precision, or values are not finite
        scaled, units = rescaled(objective, p, t, names)
        fit = solve(scaled, p, t, names, collinear, extended, method)
        fit.units = units
        if collinear == "minimum_norm" and not (units.keep_norms or fit.is_separable):
            raise DataError(
                "X holds numbers beyond 1e±110 and columns that are combinations of others: which coefficients have "
                "the smallest norm depends on the units, and columns so unlike have no common one; rescale the columns"
            )
    if fit.remarks and collinear == "error":
        raise CollinearityError(
            "; ".join(fit.remarks) + '. Leave columns out, or set collinear to "minimum_norm" or "drop"'
        )
    return fit


def _primal(
    objective: LinearObjective,
    p: int,
    t: int,
    names: tuple[str, ...],
    collinear: str,
    extended: bool,
    trace: Trace,
    method: Method | None,
) -> LinearFit | None:
    """The fit from the p × p equations, None where these cannot be represented."""
    first = None
    if objective.source.in_memory or method is not None:
        statistic = objective.second_order()
    else:
        both = objective.both_orders(max(_PILOT_ROWS, 20 * p), lambda early: pilot(objective, p, early))
        statistic, first = both.second, both.finish() if both.second.counts.rows else None
    statistic.counts.check()
    with np.errstate(invalid="ignore", over="ignore"):
        if not is_representable(statistic):
            return None
        vanished = (statistic.high + statistic.low).diagonal()[:-1] == 0
    if vanished.any() and are_tiny(objective.ranges(p, t), vanished):
        return None
    equations = normal_equations(objective, statistic, p)
    return solve_primal(objective, equations, t, names, collinear, extended, trace, first, method)

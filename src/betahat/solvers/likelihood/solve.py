"""The maximum of a likelihood with one linear predictor: where Newton's method begins, and what the data leave open."""

from __future__ import annotations

from dataclasses import replace
from typing import NoReturn

import numpy as np

from betahat.data.passes import fold
from betahat.data.source import ArraySource, Block, Source
from betahat.errors import DataError
from betahat.losses import SquaredError
from betahat.losses.family import Family
from betahat.objective import LinearObjective
from betahat.objective.moments import MomentSums
from betahat.objective.smooth import Coordinates, SmoothObjective
from betahat.objective.targets import null_level, target_sums
from betahat.penalties import NoPenalty, Penalty
from betahat.solvers.direct import solve
from betahat.solvers.fit import LinearFit
from betahat.solvers.likelihood.by_newton import LikelihoodFit, Look, by_newton
from betahat.solvers.likelihood.edge import perhaps_at_edge
from betahat.solvers.likelihood.inside import inside, needs_inside, refuse_outside
from betahat.solvers.linear_descent import Method
from betahat.solvers.range import refuse_non_finite, rescaled
from betahat.solvers.smooth import coordinates_of, solve_smooth

NEWTON_UP_TO = 1000
"""Coefficients up to which Newton's equations are solved; beyond, gradients and products are cheaper."""
_PRODUCTS_UP_TO = 5000
_UNCOUNTED, _FILE_NUMBERS = (
    100_000,
    1 << 23,
)  # rows where n is not known; numbers of a file's sample, held in memory
_PILOT_SHARE, _PILOT_ROWS = 16, 60  # a sample of n/16 rows, 60 for each column at least
_SCALED_BY = 1 << 18  # numbers of the sample that tell means and scales well enough to begin with


def solve_likelihood(
    source: Source, family: Family, penalty: Penalty, intercept: bool, collinear: str, level: float,
    method: Method | None, look: Look | None = None, warm: tuple[np.ndarray, float] | None = None,
) -> LikelihoodFit:  # fmt: skip
    """β̂ minimising the mean of L(y, offset + β₀ + xᵀβ) + R(β).

    level : the predictor of the model without columns, where steps begin; method : how to descend, or with solver
    "newton" or None how far; look : see `Look`; warm : β and β₀ to begin at.

    Raises DataError where sums are not finite, naming the column, and where the data cannot determine a fit.
    """
    p = len(source.names)
    if warm is None and needs_inside(family, intercept):
        warm = place_inside(source, family, intercept, penalty)
    how = None if method is None else method.named
    size = p + int(intercept)
    if how in (None, "newton", "irls") and (size <= NEWTON_UP_TO or how is not None):
        few = None if warm is not None else few_of(source)
        objective = SmoothObjective(source, family, penalty, begin(source, intercept, few))
        return by_newton(
            objective, _start(objective.at, level, warm), few, collinear, method, look,
            lambda: least_squares(source, penalty, intercept, collinear),
            lambda: _refuse(source, family, intercept),
        )  # fmt: skip
    start = least_squares(source, penalty, intercept, collinear)
    at = coordinates_of(start, penalty, intercept, collinear)
    beta, intercept_ = warm or (np.zeros(p), level)
    if method is None or how is None:
        name = "newton_cg" if size <= _PRODUCTS_UP_TO else "lbfgs"
        way = Method(name) if method is None else replace(method, solver=name)
        found = solve_smooth(
            start, source, family, penalty, intercept, collinear, way, at.theta(beta, intercept_)
        )
        found.why = (
            f"with {size} coefficients Newton's equations would cost more than "
            + ("products with the Hessian" if name == "newton_cg" else "many gradients")
        )  # fmt: skip
    else:
        found = solve_smooth(
            start, source, family, penalty, intercept, collinear, method, at.theta(beta, intercept_)
        )
    if found.stop_reason in ("no progress", "diverged") and found.objective.has_edge:
        found.remark = (
            f"it made no more progress, {perhaps_at_edge(family)}: solver='newton' finds a maximum there"
        )
    return LikelihoodFit(found, start, np.zeros_like(found.theta))


def _start(at: Coordinates, level: float, warm: tuple[np.ndarray, float] | None) -> np.ndarray:
    """Where an earlier fit ended, or the model without columns."""
    if warm is not None:
        return at.theta(*warm)
    theta = np.zeros(at.size)
    theta[: int(at.intercept)] = level
    return theta


def place_inside(
    source: Source, family: Family, intercept: bool, penalty: Penalty | None = None
) -> tuple[np.ndarray, float]:
    """β and β₀ whose predictors have means, where the link has an end: the model without columns, or least squares."""
    if not needs_inside(family, intercept):
        return np.zeros(len(source.names)), null_level(source, family, target_sums(source, family), intercept)
    ridge = NoPenalty() if penalty is None else penalty
    return inside(source, family, lambda wanted: least_squares(wanted, ridge, False, "minimum_norm")), 0.0


def few_of(source: Source) -> Block | None:
    """A sample to begin with, where it is much smaller than the whole."""
    n, p = source.n_rows, len(source.names)
    rows = _UNCOUNTED if n is None else n // _PILOT_SHARE
    if not source.in_memory:
        rows = min(rows, _FILE_NUMBERS // (p + 1))
    rows = max(rows, _PILOT_ROWS * (p + 1))
    if n is not None and (rows > n // 4 or n * p <= 1 << 20):
        return None
    if isinstance(source, ArraySource):
        block = next(source.blocks())
        source.readings -= 1  # a look at some rows is no reading
        if isinstance(block.X, np.ndarray):
            step = len(block.X) // rows | 1  # odd, to miss most patterns of rows
            return block.take(slice(None, None, step))  # no copy
    return source.sample(rows)


def begin(source: Source, intercept: bool, few: Block | None) -> Coordinates:
    """Coordinates in which columns are centred and scaled, by the sample or by all rows."""
    p = len(source.names)
    moments = MomentSums(p)
    if few is not None:
        step = len(few.X) * p // _SCALED_BY | 1 if isinstance(few.X, np.ndarray) else 1
        moments.update(few.take(slice(None, None, step)) if step > 1 else few)
    else:
        fold(source, moments)
    mean, deviation = moments.mean, moments.deviation
    if not intercept:
        deviation, mean = np.sqrt(deviation**2 + mean**2), np.zeros(p)
    ordinary = np.isfinite(deviation) & (deviation > 1e-14 * np.abs(moments.mean)) & (deviation > 1e-150)
    return Coordinates(
        np.where(np.isfinite(mean), mean, 0.0), np.where(ordinary, deviation, 1.0), None, intercept
    )


def least_squares(source: Source, penalty: Penalty, intercept: bool, collinear: str) -> LinearFit:
    """Least squares of y on the columns, for what it says of these: means, scales, collinear ones."""
    p, free = len(source.names), isinstance(penalty, NoPenalty)
    start = solve(
        LinearObjective(source, SquaredError(), lambda weight: NoPenalty(), intercept), p, 1, source.names,
        collinear if free or collinear == "error" else "minimum_norm",
    )  # fmt: skip
    if start.units is not None:
        raise DataError(
            "X or y holds numbers beyond 1e±110, whose squares cannot be represented; rescale the columns"
        )
    if free and start.inverse is None:
        raise DataError(
            f"{start.counts.rows} rows cannot determine {p} coefficients; give a penalty (alpha > 0), or leave columns "
            "out"
        )
    return start


def _refuse(source: Source, family: Family, intercept: bool) -> NoReturn:
    if not family.has_edge:
        refuse_not_finite(source, family.name)
    objective = LinearObjective(source, SquaredError(), lambda weight: NoPenalty(), True)
    refuse_non_finite(objective.ranges(len(source.names), 1), source.names, source.target_names)
    refuse_outside(source, family, intercept)


def refuse_not_finite(source: Source, family: str) -> NoReturn:
    """Raise what is wrong where sums over the rows are not finite at the start."""
    p = len(source.names)
    objective = LinearObjective(source, SquaredError(), lambda weight: NoPenalty(), True)
    rescaled(objective, p, 1, source.names)
    raise DataError(
        f"sums of the {family} likelihood over the rows are not finite at the start; X, y, offset or weights hold "
        "numbers too large or too small. Rescale the columns"
    )

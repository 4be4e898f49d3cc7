"""The maximum of a likelihood with one linear predictor: where Newton's method begins, and what the data leave open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from betahat.data.passes import fold
from betahat.data.source import ArraySource, Block, Source
from betahat.errors import DataError
from betahat.losses import SquaredError
from betahat.losses.family import Family
from betahat.objective import LinearObjective
from betahat.objective.moments import MomentSums
from betahat.objective.smooth import Coordinates, SmoothObjective
from betahat.penalties import NoPenalty, Penalty
from betahat.solvers.direct import solve
from betahat.solvers.fit import LinearFit
from betahat.solvers.likelihood.newton import Point, is_finite, is_safe, newton, start_at
from betahat.solvers.linear_descent import Method
from betahat.solvers.range import rescaled
from betahat.solvers.smooth import SmoothFit, coordinates_of, solve_smooth
from betahat.solvers.trace import Trace

MOST_STEPS = 100
NEWTON_UP_TO = 1000
"""Coefficients up to which Newton's equations are solved; beyond, gradients and products are cheaper."""
_PRODUCTS_UP_TO = 5000
_LOOK_AFTER = 8  # steps after which the existence of a maximum is looked into
TOWARDS_INFINITY = 30
"""Steps where the maximum is at infinity."""
_OF_FILE = 100_000
_PILOT_SHARE, _PILOT_ROWS, _PILOT_STEPS = 32, 60, 12  # a sample of n/32 rows, 60 for each column at least


@final
@dataclass
class LikelihoodFit:
    """β̂ of a likelihood: `found`; `start` the least-squares fit that told what columns leave open, None where Newton's
    Hessian showed that they leave nothing; `step` the last one, by θ; `limit` what `look` said of a maximum that does
    not exist, else None."""

    found: SmoothFit
    start: LinearFit | None
    step: np.ndarray
    limit: Any = None


Look = Callable[[Any, Point], Any]
"""Asked where Newton's method does not settle: what separates the data, or None where a maximum exists."""


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
    how = method.solver if method is not None else None
    size = p + int(intercept)
    if how in (None, "newton", "irls") and (size <= NEWTON_UP_TO or how is not None):
        return _by_newton(source, family, penalty, intercept, collinear, level, method, look, warm)
    start = least_squares(source, penalty, intercept, collinear)
    at = coordinates_of(start, penalty, intercept, collinear)
    beta, intercept_ = warm or (np.zeros(p), level)
    if method is None:
        name = "newton_cg" if size <= _PRODUCTS_UP_TO else "lbfgs"
        found = solve_smooth(
            start, source, family, penalty, intercept, collinear, Method(name), at.theta(beta, intercept_)
        )
        found.why = (
            f"with {size} coefficients Newton's equations would cost more than "
            + ("products with the Hessian" if name == "newton_cg" else "many gradients")
        )  # fmt: skip
    else:
        found = solve_smooth(
            start, source, family, penalty, intercept, collinear, method, at.theta(beta, intercept_)
        )
    return LikelihoodFit(found, start, np.zeros_like(found.theta))


def _by_newton(
    source: Source, family: Family, penalty: Penalty, intercept: bool, collinear: str, level: float,
    method: Method | None, look: Look | None, warm: tuple[np.ndarray, float] | None,
) -> LikelihoodFit:  # fmt: skip
    trace = Trace()
    budget = MOST_STEPS if method is None or method.max_iter is None else method.max_iter
    tolerance = None if method is None else method.tolerance
    few = None if warm is not None else few_of(source)
    at = begin(source, intercept, few)
    objective, start = SmoothObjective(source, family, penalty, at), None
    theta = at.theta(warm[0], warm[1]) if warm is not None else _level(at, level)
    origin = theta if few is None else _pilot(few, objective, theta)
    point = start_at(objective, origin)
    if not is_finite(point) and origin is not theta:
        point = start_at(objective, theta)
    if not is_finite(point):
        refuse_not_finite(source, family.name)
    free = isinstance(penalty, NoPenalty)
    H = at.pulled_twice(objective.whole_hessian(point.sums, point.theta))
    if (free or collinear == "error") and not is_safe(H):
        start = least_squares(source, penalty, intercept, collinear)
        beta, its_level = at.raw(point.theta)
        at = coordinates_of(start, penalty, intercept, collinear)
        objective = SmoothObjective(source, family, penalty, at)
        point = start_at(objective, at.theta(beta, its_level))
    first = min(budget, _LOOK_AFTER) if free and look is not None else budget
    point = newton(objective, point, first, tolerance, trace)
    limit = None
    if first < budget and point.stop_reason in ("budget spent", "no progress"):
        assert look is not None
        limit = look(objective, point)
        spent = point.iterations
        more = (min(budget, TOWARDS_INFINITY) if limit is not None else budget) - spent
        rest = Trace()
        point = newton(objective, point, max(more, 0), tolerance, rest)
        trace.extend(rest, 1, 0.0, 1.0, 1.0)
    found = SmoothFit(
        objective, point.theta, point.sums, "newton",
        f"with {at.size} coefficients Newton's equations are cheap, and its steps are few"
        if method is None else "it was asked for",
        point.iterations, point.stop_reason, "", trace,
    )  # fmt: skip
    return LikelihoodFit(found, start, point.step, limit)


def _level(at: Coordinates, level: float) -> np.ndarray:
    theta = np.zeros(at.size)
    theta[: int(at.intercept)] = level
    return theta


def few_of(source: Source) -> Block | None:
    """A sample to begin with, where it is much smaller than the whole."""
    n, p = source.n_rows, len(source.names)
    if n is None:
        return source.sample(max(_OF_FILE, _PILOT_ROWS * (p + 1)))
    rows = max(n // _PILOT_SHARE, _PILOT_ROWS * (p + 1))
    return source.sample(rows) if rows <= n // 4 and n * p > 1 << 20 else None


def begin(source: Source, intercept: bool, few: Block | None) -> Coordinates:
    """Coordinates in which columns are centred and scaled, by the sample or by all rows."""
    p = len(source.names)
    moments = MomentSums(p)
    if few is not None:
        moments.update(few)
    else:
        fold(source, moments)
    mean, deviation = moments.mean, moments.deviation
    if not intercept:
        deviation, mean = np.sqrt(deviation**2 + mean**2), np.zeros(p)
    ordinary = np.isfinite(deviation) & (deviation > 1e-14 * np.abs(moments.mean)) & (deviation > 1e-150)
    return Coordinates(
        np.where(np.isfinite(mean), mean, 0.0), np.where(ordinary, deviation, 1.0), None, intercept
    )


def _pilot(few: Block, objective: SmoothObjective, theta: np.ndarray) -> np.ndarray:
    """Where the sample has its maximum, or `theta` where it has none."""
    assert few.y is not None
    part = ArraySource(few.X, few.y, few.weight, few.frequency, offset=few.offset)
    on_sample = SmoothObjective(part, objective.loss, objective.penalty, objective.at)
    point = start_at(on_sample, theta)
    if not is_finite(point) or not is_safe(on_sample.whole_hessian(point.sums, point.theta)):
        return theta
    point = newton(on_sample, point, _PILOT_STEPS, 1e-3, Trace())
    return point.theta if point.stop_reason == "converged" else theta


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


def refuse_not_finite(source: Source, family: str) -> None:
    """Raise what is wrong where sums over the rows are not finite at the start."""
    p = len(source.names)
    objective = LinearObjective(source, SquaredError(), lambda weight: NoPenalty(), True)
    rescaled(objective, p, 1, source.names)
    raise DataError(
        f"sums of the {family} likelihood over the rows are not finite at the start; X, y, offset or weights hold "
        "numbers too large or too small. Rescale the columns"
    )

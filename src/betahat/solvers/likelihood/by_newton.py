"""From a sample's maximum to that of all rows, by Newton's method, for any likelihood of a linear model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from betahat.data.source import ArraySource, Block
from betahat.objective.smooth import GRADIENT, HESSIAN, ROUGH
from betahat.penalties import NoPenalty
from betahat.solvers.fit import LinearFit
from betahat.solvers.likelihood.edge import along_edge
from betahat.solvers.likelihood.newton import (
    Point,
    direction,
    hessian_at,
    is_easy,
    is_finite,
    is_safe,
    newton,
    roughly,
    start_at,
)
from betahat.solvers.linear_descent import Method
from betahat.solvers.smooth import SmoothFit, coordinates_of
from betahat.solvers.trace import Trace

MOST_STEPS = 100
TOWARDS_INFINITY = 30
"""Steps where the maximum is at infinity."""
_LOOK_AFTER = 8  # steps after which the existence of a maximum is looked into
_PILOT_STEPS = 12
_APART, _EACH = (
    9,
    60,
)  # a sample of the sample, odd to miss most patterns of rows; its rows for each coefficient


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


def by_newton(
    objective: Any, theta: np.ndarray, few: Block | None, collinear: str, method: Method | None, look: Look | None,
    least_squares: Callable[[], LinearFit], refuse: Callable[[], Any],
) -> LikelihoodFit:  # fmt: skip
    """β̂ from θ, or from where the sample `few` has its maximum.

    objective : SmoothObjective or SoftmaxObjective; least_squares : asked what columns leave open, where the Hessian
    does not tell; refuse : raises what is wrong where sums are not finite at the start.
    """
    penalty, at, start = objective.penalty, objective.at, None
    origin = objective.raw(theta)
    point = None if few is None else _from_sample(few, objective, theta)
    if point is None:
        point = start_at(objective, theta, HESSIAN)
    if not is_finite(point):
        refuse()
    free = isinstance(penalty, NoPenalty)
    H = hessian_at(objective, point)
    if (free or collinear == "error") and not is_safe(H):
        start = least_squares()
        beta, level = objective.raw(point.theta)
        objective = objective.within(coordinates_of(start, penalty, at.intercept, collinear))
        point = start_at(objective, objective.theta(beta, level), HESSIAN)
    budget = MOST_STEPS if method is None or method.max_iter is None else method.max_iter
    tolerance, trace = None if method is None else method.tolerance, Trace()
    first = min(budget, _LOOK_AFTER) if free and look is not None else budget
    point = newton(objective, point, first, tolerance, trace)
    limit, remark = None, ""
    if first < budget and point.stop_reason in ("budget spent", "no progress"):
        assert look is not None
        limit = look(objective, point)
        more = (min(budget, TOWARDS_INFINITY) if limit is not None else budget) - point.iterations
        rest = Trace()
        point = newton(objective, point, max(more, 0), tolerance, rest)
        trace.extend(rest, 1, 0.0, 1.0, 1.0)
    if point.stop_reason == "no progress" and objective.has_edge:
        point, remark = along_edge(objective, objective.theta(*origin), point, tolerance, trace)
    found = SmoothFit(
        objective, point.theta, point.sums, "newton",
        f"with {len(point.theta)} coefficients Newton's equations are cheap, and its steps are few"
        if method is None or method.named is None else "it was asked for",
        point.iterations, point.stop_reason, remark, trace,
    )  # fmt: skip
    return LikelihoodFit(found, start, point.step, limit)


def _from_sample(few: Block, objective: Any, theta: np.ndarray) -> Point | None:
    """One step on all rows from the sample's maximum, with the sample's Hessian; None where either leads nowhere.

    The sample's Hessian is the whole's to a few per cent, so that the first reading of all rows needs none.
    """
    on_sample = _over(objective, few)
    if isinstance(few.X, np.ndarray) and len(few.X) // _APART >= _EACH * (few.X.shape[1] + 1):
        near = roughly(_over(objective, few.take(slice(None, None, _APART))), theta, _PILOT_STEPS)
        theta = theta if near is None else near[0]
    found = roughly(on_sample, theta, _PILOT_STEPS)
    if found is None:
        return None
    there, H = found
    origin = start_at(objective, there, GRADIENT)
    if not (np.isfinite(origin.value) and np.isfinite(origin.sums.gradient).all()):
        return None
    step = direction(H, objective.pulled(objective.whole_gradient(origin.sums, origin.theta)))
    there, easy = origin.theta + step, is_easy(H)
    point = start_at(objective, there, ROUGH if easy else HESSIAN)
    if easy and is_finite(point) and not is_easy(hessian_at(objective, point)):
        point = start_at(objective, there, HESSIAN)  # it is asked which columns are collinear
    if is_finite(point) and point.value <= origin.value:
        return point
    point = start_at(objective, origin.theta, HESSIAN)
    return point if is_finite(point) else None


def _over(objective: Any, few: Block) -> Any:
    assert few.y is not None
    return objective.over(ArraySource(few.X, few.y, few.weight, few.frequency, offset=few.offset))

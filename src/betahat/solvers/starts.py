"""Where to begin when nobody says: many points are tried, and what f is linear in is solved for at each."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import numpy as np

from betahat.models.nonlinear import NonlinearModel
from betahat.solvers.descent.base import Limits
from betahat.solvers.descent.box import Box
from betahat.solvers.least_squares.levenberg_marquardt import LevenbergMarquardt
from betahat.solvers.least_squares.problem import half_square
from betahat.solvers.least_squares.steps import solve_linear
from betahat.solvers.nonlinear import NonlinearLeastSquares
from betahat.solvers.trace import Trace

_MOST = 2500  # points tried
_EACH = 200  # points for each parameter that f is not linear in
_KEPT = 5  # starts handed on
_ROWS = 2000  # rows on which points are tried
_ITERATIONS = 100
_SAME = 1e-6  # relative difference of J up to which two descents ended alike
_DISTINCT = 2  # of them handed on
_ASKED = 6  # points at which is looked what f is linear in


def search_starts(
    model: NonlinearModel, X: np.ndarray, y: np.ndarray, weight: np.ndarray | None, lower: np.ndarray,
    upper: np.ndarray, candidates: Mapping[str, np.ndarray] | None = None,
) -> list[np.ndarray]:  # fmt: skip
    """The best few of many points, best first; empty where f is finite at none of them.

    candidates : values to try for some parameters, all combinations of them; without, values of the size of x, of its
    range and its inverse, places within the range of x, and numbers about one are drawn, always the same ones.
    """
    many = len(y) > _ROWS
    if many:  # at random, since every k-th row could hide what repeats itself
        some = np.sort(np.random.default_rng(0).permutation(len(y))[:_ROWS])
        X, y, weight = X[some], y[some], None if weight is None else weight[some]
    p = len(lower)
    problem = NonlinearLeastSquares(model, X, y, weight, np.zeros(p))
    with np.errstate(all="ignore"):
        linear = np.zeros(p, bool)
        if candidates is None:
            points = _drawn(X, y, lower, upper)
            linear[list(_linear(model, X, points))] = True
            points = points[: min(_MOST, _EACH * (1 + int((~linear).sum())))]
        else:
            points = _grid(model.names, candidates, lower, upper)
            linear[[name not in candidates for name in model.names]] = True
        tried = []
        for point in points:
            point = np.clip(point, lower, upper)
            found = _completed(problem, point, linear, lower, upper)
            if found is not None:
                tried.append(found)
    tried = sorted((pair for pair in tried if np.isfinite(pair[0])), key=lambda pair: pair[0])
    starts = [point for _, point in tried[:_KEPT]]
    return _descended(model, X, y, weight, starts, Box(lower, upper)) if many else starts


def _descended(
    model: NonlinearModel, X: np.ndarray, y: np.ndarray, weight: np.ndarray | None, starts: list[np.ndarray],
    box: Box,
) -> list[np.ndarray]:  # fmt: skip
    """Where descents on some of the rows end, each end once: on all rows every descent is dear."""
    ends: list[tuple[float, np.ndarray]] = []
    for start in starts:
        problem = NonlinearLeastSquares(model, X, y, weight, start, box)
        state = LevenbergMarquardt().run(problem, Limits(1e-8, _ITERATIONS), Trace(), None)
        if np.isfinite(state.value) and all(abs(state.value - J) > _SAME * J for J, _ in ends):
            ends.append((state.value, state.x))
    ends.sort(key=lambda end: end[0])
    return [x for _, x in ends[:_DISTINCT]] or starts


def _completed(
    problem: NonlinearLeastSquares,
    point: np.ndarray,
    linear: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
) -> tuple[float, np.ndarray] | None:
    """J and the point with its linear parameters solved for, those that miss their bounds put there and the rest
    solved for once more."""
    for _ in range(2):
        if not linear.any():
            return problem.value(point), point
        found = solve_linear(problem, point, linear)
        if found is None or not np.isfinite(found[0]).all():
            return None
        there, r = found
        point = np.clip(there, lower, upper)
        if (point == there).all():
            return half_square(r), there
        linear = linear & (point == there)
    return problem.value(point), point


def _grid(
    names: tuple[str, ...], candidates: Mapping[str, np.ndarray], lower: np.ndarray, upper: np.ndarray
) -> np.ndarray:
    """All combinations within the bounds, at most `_MOST` of them."""
    places = [names.index(name) for name in candidates]
    values = []
    for place, each in zip(places, candidates.values(), strict=True):
        inside = each[(each >= lower[place]) & (each <= upper[place])]
        values.append(inside if len(inside) else np.clip(each, lower[place], upper[place])[:1])
    combinations = np.array(list(product(*values)))
    if len(combinations) > _MOST:
        combinations = combinations[np.random.default_rng(0).permutation(len(combinations))[:_MOST]]
    points = np.zeros((len(combinations), len(names)))
    points[:, places] = combinations
    return points


def _drawn(X: np.ndarray, y: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """(points, p): for each parameter a mixture of sizes that parameters have."""
    rng = np.random.default_rng(0)
    columns = X.reshape(len(X), -1)
    p, count = len(lower), _MOST
    which = rng.integers(0, columns.shape[1], (count, p))
    low, high = columns.min(axis=0)[which], columns.max(axis=0)[which]
    span = np.where(high > low, high - low, 1.0)
    sign = np.where(rng.random((count, p)) < 0.5, -1.0, 1.0)
    height = float(np.abs(y).max()) or 1.0
    kinds = [
        sign * 10 ** rng.uniform(-1.5, 1.7, (count, p)) / span,  # rates
        low + rng.uniform(-0.2, 1.2, (count, p)) * span,  # places
        10 ** rng.uniform(-2, 0.5, (count, p)) * span,  # widths
        sign * 10 ** rng.uniform(-1, 0.7, (count, p)),  # exponents, shapes
        sign * height * 10 ** rng.uniform(-2, 0.5, (count, p)),  # heights
    ]
    drawn = np.choose(rng.choice(5, (count, p), p=[0.3, 0.25, 0.15, 0.2, 0.1]), kinds)
    both = np.isfinite(lower) & np.isfinite(upper)
    if both.any():
        inside = lower[both] + rng.random((count, int(both.sum()))) * (upper[both] - lower[both])
        keep = (
            (drawn[:, both] >= lower[both])
            & (drawn[:, both] <= upper[both])
            & (rng.random(inside.shape) < 0.5)
        )
        drawn[:, both] = np.where(keep, drawn[:, both], inside)
    one = np.isfinite(lower) & ~both
    drawn[:, one] = lower[one] + np.abs(drawn[:, one] - lower[one])
    other = np.isfinite(upper) & ~both
    drawn[:, other] = upper[other] - np.abs(drawn[:, other] - upper[other])
    return drawn


def _linear(model: NonlinearModel, X: np.ndarray, points: np.ndarray) -> tuple[int, ...]:
    """Parameters that f is linear in, as far as a few points tell at which it depends on them."""
    possible, seen, asked = np.ones(points.shape[1], bool), np.zeros(points.shape[1], bool), 0
    for point in points[:200]:
        J = model.jacobian(X, point)[1]
        if not np.isfinite(J).all():
            continue
        depends = J.any(axis=0)  # where f does not change with a parameter nothing can be told of it
        found = np.zeros(points.shape[1], bool)
        found[list(model.linear_parameters(X, point))] = True
        possible &= found | ~depends
        seen |= depends
        asked += 1
        if asked == _ASKED:
            break
    return tuple(np.flatnonzero(possible & seen).tolist())

"""Where to begin when nobody says: many points are tried, and what f is linear in is solved for at each."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import numpy as np

from betahat.models.nonlinear import NonlinearModel
from betahat.solvers.least_squares.problem import half_square
from betahat.solvers.least_squares.steps import solve_linear
from betahat.solvers.nonlinear import NonlinearLeastSquares

_MOST = 2500  # points tried
_EACH = 200  # points for each parameter that f is not linear in
_KEPT = 5  # starts handed on
_ROWS = 2000  # rows on which points are tried


def search_starts(
    model: NonlinearModel, X: np.ndarray, y: np.ndarray, weight: np.ndarray | None, lower: np.ndarray,
    upper: np.ndarray, candidates: Mapping[str, np.ndarray] | None = None,
) -> list[np.ndarray]:  # fmt: skip
    """The best few of many points, best first; empty where f is finite at none of them.

    candidates : values to try for some parameters, all combinations of them; without, values of the size of x, of its
    range and its inverse, places within the range of x, and numbers about one are drawn, always the same ones.
    """
    if len(y) > _ROWS:
        some = np.unique(np.linspace(0, len(y) - 1, _ROWS).astype(np.intp))
        X, y, weight = X[some], y[some], None if weight is None else weight[some] + 1e-300
    p = len(lower)
    problem = NonlinearLeastSquares(model, X, y, weight, np.zeros(p))
    with np.errstate(all="ignore"):
        linear = np.zeros(p, bool)
        if candidates is None:
            points = _drawn(X, y, lower, upper)
            linear[list(_linear(model, X, points, lower, upper))] = True
            points = points[: min(_MOST, _EACH * (1 + int((~linear).sum())))]
        else:
            points = _grid(model.names, candidates, lower, upper)
            linear[[name not in candidates for name in model.names]] = True
            linear &= np.isinf(lower) & np.isinf(upper)
        tried = []
        for point in points:
            point = np.clip(point, lower, upper)
            if linear.any():
                found = solve_linear(problem, point, linear)
                if found is not None and np.isfinite(found[0]).all():
                    tried.append((half_square(found[1]), found[0]))
            else:
                tried.append((problem.value(point), point))
    tried = sorted((pair for pair in tried if np.isfinite(pair[0])), key=lambda pair: pair[0])
    return [point for _, point in tried[:_KEPT]]


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


def _linear(
    model: NonlinearModel, X: np.ndarray, points: np.ndarray, lower: np.ndarray, upper: np.ndarray
) -> tuple[int, ...]:
    """Unbounded parameters that f is linear in, judged at the first point where it is finite."""
    for point in points[:50]:
        if np.isfinite(model.jacobian(X, point)[1]).all():
            found = model.linear_parameters(X, point)
            return tuple(k for k in found if np.isinf(lower[k]) and np.isinf(upper[k]))
    return ()

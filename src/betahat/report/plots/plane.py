"""The plane of a picture of J: two directions through the minimum, and J on a grid in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from betahat.certificate import curvature
from betahat.report.plots.descents import flat

_MARGIN = 0.15
_AROUND_UP_TO = 500  # numbers up to which the Hessian's eigenvectors may be asked for


@final
@dataclass(frozen=True, eq=False)
class Plane:
    """The points x = base + basisᵀu for coordinates u (2,) of the picture; a point elsewhere is seen at u = dual x +
    shift."""

    base: np.ndarray
    basis: np.ndarray
    dual: np.ndarray
    shift: np.ndarray
    names: tuple[str, str]

    def seen(self, points: np.ndarray) -> np.ndarray:
        """Coordinates (k, 2) of points (k, n)."""
        return points @ self.dual.T + self.shift

    def point(self, u: np.ndarray) -> np.ndarray:
        """The point (n,) at coordinates u (2,)."""
        return self.base + u @ self.basis


def plane_through(
    origin: np.ndarray, directions: Any, names: Sequence[str], hessian: Callable[[], np.ndarray]
) -> Plane:
    """The plane that `directions` names.

    directions : two coordinates, as positions or names; two vectors (n,), or in the form of the start; or None: the
    coordinates where there are two, else the eigenvectors of the two largest curvatures of the Hessian at the origin,
    in units of each number's own curvature.
    """
    if len(origin) < 2:
        raise ValueError("the start holds one number; contours need two (a ConvergenceDisplay needs one)")
    if directions is None:
        return _coordinates(origin, [0, 1], names) if len(origin) == 2 else _curved(origin, hessian)
    if isinstance(directions, str) or not hasattr(directions, "__len__") or len(directions) != 2:
        raise ValueError(f"directions (={directions!r}) must be two coordinates or two vectors")
    if all(isinstance(d, (str, int, np.integer)) for d in directions):
        return _coordinates(origin, [_index(d, names) for d in directions], names)
    return _vectors(origin, [flat(d) for d in directions])


def _index(direction: str | int, names: Sequence[str]) -> int:
    if isinstance(direction, str):
        if direction not in names:
            raise ValueError(f"direction {direction!r} is not among {', '.join(map(repr, names[:20]))}")
        return list(names).index(direction)
    if not 0 <= direction < len(names):
        raise ValueError(
            f"direction {direction} must be from 0 to {len(names) - 1}: the start holds {len(names)} numbers"
        )
    return int(direction)


def _coordinates(origin: np.ndarray, pair: list[int], names: Sequence[str]) -> Plane:
    if pair[0] == pair[1]:
        raise ValueError(f"directions are {names[pair[0]]!r} twice; expected two different ones")
    basis, base = np.eye(len(origin))[pair], origin.copy()
    base[pair] = 0.0
    return Plane(base, basis, basis, np.zeros(2), (names[pair[0]], names[pair[1]]))


def _vectors(origin: np.ndarray, vectors: list[np.ndarray]) -> Plane:
    for vector in vectors:
        if len(vector) != len(origin) or not np.isfinite(vector).all():
            raise ValueError(
                f"a direction has {len(vector)} numbers; expected {len(origin)} finite ones, as the start has"
            )
    basis = np.array(vectors)
    lengths = np.linalg.norm(basis, axis=1)
    if not (lengths > 0).all() or np.linalg.matrix_rank(basis / lengths[:, None], tol=1e-8) < 2:
        raise ValueError("the two directions are parallel or zero, and span no plane")
    names = ("steps along the first direction", "steps along the second direction")
    dual = np.linalg.pinv(basis.T)
    return Plane(origin, basis, dual, -dual @ origin, names)


def _curved(origin: np.ndarray, hessian: Callable[[], np.ndarray]) -> Plane:
    if len(origin) > _AROUND_UP_TO:
        raise ValueError(
            f"directions is None and the start holds {len(origin)} numbers: the Hessian's eigenvectors are looked for "
            f"up to {_AROUND_UP_TO}; give two coordinates or two vectors"
        )
    H = hessian()
    if not np.isfinite(H).all():
        raise ValueError("the Hessian is not finite at the lowest point; give directions")
    bend = curvature(H)
    order = np.argsort(-np.abs(bend.values), kind="stable")[:2]
    vectors = bend.vectors[:, order].T
    vectors = (
        vectors * np.where(vectors[np.arange(2), np.abs(vectors).argmax(axis=1)] < 0, -1.0, 1.0)[:, None]
    )
    names = ("eigenvector of the largest curvature", "eigenvector of the second largest")
    dual = vectors * bend.scale
    return Plane(origin, vectors / bend.scale, dual, -dual @ origin, names)


def window(marks: np.ndarray, given: Any) -> tuple[tuple[float, float], tuple[float, float]]:
    """What part of the plane to show: all marks (k, 2) with a margin, or what was asked for."""
    if given is not None:
        limits = np.asarray(given, np.float64)
        if limits.shape != (2, 2) or not np.isfinite(limits).all() or not (limits[:, 0] < limits[:, 1]).all():
            raise ValueError(
                f"limits (={given!r}) must be ((low, high), (low, high)), first for x, then for y"
            )
        return (limits[0, 0], limits[0, 1]), (limits[1, 0], limits[1, 1])
    low, high = marks.min(axis=0), marks.max(axis=0)
    size = high - low
    size = np.where(size > 1e-9 * np.maximum(np.abs(low), np.abs(high)), size, 0.0)
    size = np.where(size > 0, size, np.maximum(size.max(), 1e-3 * np.abs(high)))
    size = np.where(size > 0, size, 1.0)
    middle, half = (low + high) / 2, (0.5 + _MARGIN) * size
    edges = np.stack([middle - half, middle + half], axis=1)
    return (float(edges[0, 0]), float(edges[0, 1])), (float(edges[1, 0]), float(edges[1, 1]))


def values_on_grid(
    value: Callable[[np.ndarray], float], plane: Plane, x: np.ndarray, y: np.ndarray
) -> np.ndarray:
    """J (len(y), len(x)) on the grid."""
    return np.array([[value(plane.point(np.array([a, b]))) for a in x] for b in y])


def log_levels(excess: np.ndarray) -> np.ndarray:
    """Levels of J − its lowest value, each the same ratio above the one before, so that narrow valleys show.

    The ratio is the smallest of 10^⅛, 10^¼, 10^⅓, 10^½ and 10 that needs at most 20 levels.
    """
    positive = excess[np.isfinite(excess) & (excess > 0)]
    if not len(positive):
        raise ValueError(
            "J is the same everywhere in the picture, or not finite: there is nothing to draw contours of"
        )
    low, high = np.log10(np.quantile(positive, [0.003, 0.97]))
    for parts in (8, 4, 3, 2, 1):
        levels = np.arange(np.floor(low * parts), np.ceil(high * parts) + 1) / parts
        if len(levels) <= 20:
            break
    else:
        levels = np.linspace(np.floor(low), np.ceil(high), 20)
    return 10.0 ** (levels if len(levels) > 1 else np.array([levels[0], levels[0] + 1 / 8]))

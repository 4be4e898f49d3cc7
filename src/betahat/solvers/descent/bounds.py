"""What users give as bounds, read as a box of the flat numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from betahat.autodiff.containers import leaves
from betahat.solvers.descent.box import Box

_FORMS = (
    "one pair (low, high) for all numbers, a pair for each number of a flat start, or (lower, upper) with each side in "
    "the start's form; None or ±inf where there is no bound"
)


def read_bounds(bounds: Any, start: Any) -> Box | None:
    """The box that `bounds` describe, None where there are none.

    bounds : (low, high), two numbers or None, for all numbers of the start alike; or, for a start that is one number
    or a flat array, a sequence of such pairs, one for each number; or (lower, upper), each in the form of the start
    (None or a number may stand for a whole array), or an object with `lb` and `ub` like scipy's `Bounds`. Equal ones
    fix a number.

    Raises ValueError where low > high, for NaN, for a wrong length, and where the start is not within.
    """
    if bounds is None:
        return None
    shapes = [np.shape(value) for _, value in leaves(start)]
    if hasattr(bounds, "lb") and hasattr(bounds, "ub"):
        bounds = bounds.lb, bounds.ub
    elif _is_flat(start) and _is_pairs(bounds):
        _refuse_ambiguous(bounds, start)
        pairs = list(bounds)
        if len(pairs) != np.size(start):
            raise ValueError(
                f"bounds has {len(pairs)} pairs, and start has {np.size(start)} numbers; give a pair (low, high) for "
                "each, None where there is no bound"
            )
        shape = np.shape(start)
        bounds = tuple(np.reshape([_number(pair[k], k, "bounds") for pair in pairs], shape) for k in (0, 1))
    if not isinstance(bounds, (tuple, list)) or len(bounds) != 2:
        raise ValueError(f"bounds (={_short(bounds)}) must be {_FORMS}")
    _refuse_pairs(bounds, start)
    lower, upper = (_side(bounds[k], k, start, shapes) for k in (0, 1))
    _check(lower, upper, start)
    return Box(lower, upper) if np.isfinite(lower).any() or np.isfinite(upper).any() else None


def _is_flat(start: Any) -> bool:
    return not isinstance(start, (dict, list, tuple)) and np.ndim(start) <= 1


def _is_pairs(bounds: Any) -> bool:
    """Whether it is a sequence whose every element is a pair."""
    if isinstance(bounds, np.ndarray):
        return bounds.ndim == 2 and bounds.shape[1] == 2
    return isinstance(bounds, (list, tuple)) and len(bounds) > 0 and all(
        isinstance(pair, (list, tuple, np.ndarray)) and np.ndim(pair) == 1 and len(pair) == 2 for pair in bounds
    )  # fmt: skip


def _refuse_ambiguous(bounds: Any, start: Any) -> None:
    """Two sides of two numbers each look like two pairs."""
    if (
        np.size(start) == 2
        and isinstance(bounds, tuple)
        and all(isinstance(side, (np.ndarray, list)) for side in bounds)
    ):
        raise ValueError(
            f"bounds (={_short(bounds)}) can be read as (lower, upper) or as two pairs (low, high); give pairs "
            "as tuples: list(zip(lower, upper))"
        )


def _refuse_pairs(bounds: Any, start: Any) -> None:
    """For a start that is a list or tuple of two, two pairs look like two sides."""
    if isinstance(start, (list, tuple)) and len(start) == 2 and all(
        isinstance(side, (list, tuple)) and all(one is None or np.ndim(one) == 0 for one in side) for side in bounds
    ):  # fmt: skip
        raise ValueError(
            f"bounds (={_short(bounds)}) can be read as (lower, upper) or as a pair for each part of start; make start "
            "an array or a dict, or each side hold arrays"
        )


def _number(value: Any, side: int, where: str) -> float:
    """One bound; None is none."""
    if value is None:
        return np.inf if side else -np.inf
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = np.nan
    if np.isnan(number) or isinstance(value, (str, bytes, bool)):
        raise ValueError(f"{where} holds {value!r}; a bound is a number, None or ±inf")
    return number


def _side(given: Any, side: int, start: Any, shapes: list[tuple[int, ...]]) -> np.ndarray:
    """Lower (0) or upper (1) bounds of all numbers."""
    name = ("lower", "upper")[side] + " bounds"
    if given is None or (np.ndim(given) == 0 and not isinstance(given, dict)):
        return np.full(sum(int(np.prod(shape)) for shape in shapes), _number(given, side, name))
    paths = [path for path, _ in leaves(start)]
    if isinstance(start, (dict, list, tuple)):
        found = leaves(given)
        if [path for path, _ in found] != paths:
            raise ValueError(f"the {name} are not in the form of start; bounds must be {_FORMS}")
    else:
        found = [((), given)]
    parts = []
    for (path, value), shape in zip(found, shapes, strict=True):
        where = name + "".join(f"[{key!r}]" for key in path)
        flat = np.ravel(np.asarray(value, object))
        numbers = np.array([_number(one, side, where) for one in flat], np.float64)
        if flat.size != 1 and np.shape(np.asarray(value, object)) != shape:
            raise ValueError(
                f"the {where} have shape {np.shape(np.asarray(value, object))}, and start has {shape} there"
            )
        parts.append(np.broadcast_to(numbers, int(np.prod(shape))))
    return np.concatenate(parts)


def _check(lower: np.ndarray, upper: np.ndarray, start: Any) -> None:
    x = np.concatenate([np.ravel(np.asarray(value, np.float64)) for _, value in leaves(start)])
    for k in np.flatnonzero(lower > upper)[:1]:
        raise ValueError(
            f"the bounds of number {k} (={(float(lower[k]), float(upper[k]))}) leave nothing: low > high"
        )
    for k in np.flatnonzero((lower == np.inf) | (upper == -np.inf))[:1]:
        raise ValueError(
            f"the bounds of number {k} (={(float(lower[k]), float(upper[k]))}) hold no finite number"
        )
    for k in np.flatnonzero((x < lower) | (x > upper))[:1]:
        raise ValueError(
            f"start holds {float(x[k])} where the bounds are ({float(lower[k])}, {float(upper[k])}) (number {k}); "
            "begin within them, for example at np.clip(start, lower, upper)"
        )


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 60 else text[:57] + "..."

"""How far to go along a direction: so that J falls enough, and for the strong Wolfe conditions its slope flattens."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

_LOWER, _FLATTER = 1e-4, 0.9
_TRIALS = 40
_ROUNDING = 1e-10  # relative change of J below which its slopes are believed rather than its values
_SHRUNK = 2 / 3  # of the bracket two trials ago: what a bracket must be smaller than
_ASIDE, _FAR = 1e-3, 10.0  # how close to an end of the bracket a trial comes, and how far beyond the longest
_FINEST = 1e-16  # relative change of x that is none
ENDLESS = 1e20
"""Times the first length: a J that still falls there as steeply has no minimum this way."""


class Step(NamedTuple):
    """The length taken, the point there, and J and ∂J/∂x at it."""

    length: float
    point: np.ndarray
    value: float
    gradient: np.ndarray


Both = Callable[[np.ndarray], tuple[float, np.ndarray]]
Land = Callable[[np.ndarray, np.ndarray], np.ndarray]
Search = Callable[
    [Both, np.ndarray, np.ndarray, float, np.ndarray, float, float, float, float, Land], "Step | None"
]
"""(both, x, d, J, ∂J/∂x, first length, flatter, rising, longest length, how x and a step make a point) → a step, or
None where J does not fall."""


def wolfe(
    both: Both, x: np.ndarray, direction: np.ndarray, value: float, gradient: np.ndarray, first: float,
    flatter: float = _FLATTER, rising: float = 1.0, longest: float = np.inf, land: Land = np.add,
) -> Step | None:  # fmt: skip
    """A length t with J(x + t d) ≤ J + 10⁻⁴ t s, where J falls no steeper than `flatter` |s| and rises no steeper than
    `rising` |s|, s < 0 the slope at x; or None.

    Cubic steps out to a bracket and within it (Nocedal & Wright 2006, algorithms 3.5 and 3.6), its middle where two of
    them shrink it by less than a third (Moré & Thuente 1994). Near a minimum, where differences of J are rounding, the
    slopes alone decide (Hager & Zhang 2005). No t is tried beyond `longest`, which is taken where J still falls there.
    """
    slope = float(gradient.dot(direction))
    if not slope < 0:
        return None
    near = _ROUNDING * abs(value)
    low = Step(0.0, x, value, gradient)
    low_slope = slope
    high: Step | None = None
    high_slope, length, best = math.inf, min(first, longest), None
    width = before = math.inf  # of the bracket at the last trial, and at the one before
    for _ in range(_TRIALS):
        point = land(x, length * direction)
        found, its_gradient = both(point)
        steep = float(its_gradient.dot(direction)) if math.isfinite(found) else math.inf
        trial = Step(length, point, found, its_gradient)
        lower = found <= value + _LOWER * length * slope
        flat = flatter * slope <= steep <= -rising * slope
        if flat and (lower or (found <= value + near and steep <= (2 * _LOWER - 1) * slope)):
            return trial
        if lower and length >= longest and steep < 0:
            return trial
        if found < value and (best is None or found < best.value):
            best = trial
        if not (found <= value + _LOWER * length * slope + near and found <= low.value + near):
            high, high_slope = trial, steep
        else:
            last, last_slope = low, low_slope
            low, low_slope = trial, steep
            if steep * ((high.length if high else math.inf) - low.length) >= 0:
                high, high_slope = last, last_slope
            if high is None:
                if length > ENDLESS * first or length >= longest:
                    return best
                length = min(_beyond(last, last_slope, low, low_slope, near), longest)
                continue
        reach = high.length - low.length
        if (abs(reach) * np.abs(direction) <= _FINEST * np.abs(x)).all():
            break
        if abs(reach) > _SHRUNK * before:
            width = before = math.inf
            length = low.length + 0.5 * reach
        else:
            width, before = abs(reach), width
            length = low.length + reach * _within(low, low_slope, high, high_slope, near)
    return best if best is not None and best.value < value - near else None  # less is rounding


def backtracking(
    both: Both, x: np.ndarray, direction: np.ndarray, value: float, gradient: np.ndarray, first: float,
    flatter: float = _FLATTER, rising: float = 1.0, longest: float = np.inf, land: Land = np.add,
) -> Step | None:  # fmt: skip
    """The first of t = first, t₁, t₂, … with J(x + t d) ≤ J + 10⁻⁴ t s, each at the minimum of the parabola through
    what is known, between a tenth and a half of the one before (Armijo 1966; Dennis & Schnabel 1983); or None.

    `flatter` and `rising` take no part: how steep J is at the end is not looked at.
    """
    slope = float(gradient.dot(direction))
    if not slope < 0:
        return None
    near = _ROUNDING * abs(value)
    length = min(first, longest)
    for _ in range(_TRIALS):
        point = land(x, length * direction)
        found, its_gradient = both(point)
        if found <= value + _LOWER * length * slope:
            return Step(length, point, found, its_gradient)
        if found <= value + near and abs(float(its_gradient.dot(direction))) < -slope:
            return Step(length, point, found, its_gradient)
        share = 0.1
        if math.isfinite(found):
            parabola = -slope * length / (2 * (found - value - slope * length))
            share = min(max(parabola, 0.1), 0.5)
        length *= share
    return None


LINE_SEARCHES: dict[str, Search] = {"wolfe": wolfe, "backtracking": backtracking}


def _within(low: Step, low_slope: float, high: Step, high_slope: float, near: float) -> float:
    """Which share of the way from `low` to `high` to go: to the minimum between them, kept away from both."""
    if not math.isfinite(high.value):
        return 0.1
    share = _minimum(low, low_slope, high, high_slope, near)
    return min(max(share, _ASIDE), 1 - _ASIDE) if math.isfinite(share) else 0.5


def _beyond(last: Step, last_slope: float, low: Step, low_slope: float, near: float) -> float:
    """The length at which a J that falls at `low` has its minimum; far away where it shows none."""
    share = _minimum(last, last_slope, low, low_slope, near)
    ahead = last.length + share * (low.length - last.length)
    return min(max(ahead, 1.1 * low.length), _FAR * low.length) if share > 1 else _FAR * low.length


def _minimum(a: Step, a_slope: float, b: Step, b_slope: float, near: float) -> float:
    """Where the cubic through a and b is least, in units of the way from a to b; NaN where it is not. Where their
    values differ by no more than `near`, which is rounding, where the straight line through their slopes is zero."""
    width = b.length - a.length
    if abs(b.value - a.value) <= near:
        bend = b_slope - a_slope
        return -a_slope / bend if bend * width > 0 else math.nan
    mean = a_slope + b_slope - 3 * (b.value - a.value) / width
    inside = mean * mean - a_slope * b_slope
    if not 0 <= inside < math.inf:
        return math.nan
    root = math.copysign(math.sqrt(inside), width)
    below = b_slope - a_slope + 2 * root
    return 1 - (b_slope + root - mean) / below if below != 0 else math.nan

"""How far to go along a direction: so that J falls enough, and for the strong Wolfe conditions its slope flattens."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

_LOWER, _FLATTER = 1e-4, 0.9
_TRIALS = 40
_ROUNDING = 1e-10  # relative change of J below which its slopes are believed rather than its values
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

    Bracketing and cubic interpolation (Nocedal & Wright 2006, algorithms 3.5 and 3.6). Near a minimum, where
    differences of J are rounding, the slopes alone decide (Hager & Zhang 2005). No t is tried beyond `longest`, which
    is taken where J still falls there.
    """
    slope = float(gradient @ direction)
    if not slope < 0:
        return None
    near = _ROUNDING * abs(value)
    low = Step(0.0, x, value, gradient)
    low_slope = slope
    high: Step | None = None
    high_slope, length, best = math.inf, min(first, longest), None
    for _ in range(_TRIALS):
        point = land(x, length * direction)
        found, its_gradient = both(point)
        steep = float(its_gradient @ direction) if math.isfinite(found) else math.inf
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
            if steep * ((high.length if high else math.inf) - low.length) >= 0:
                high, high_slope = low, low_slope
            low, low_slope = trial, steep
        if high is None:
            if length > ENDLESS * first or length >= longest:
                return best
            length = min((4 if length < 100 * first else 16) * length, longest)
            continue
        length = _between(low, low_slope, high, high_slope)
        if abs(high.length - low.length) * float(np.abs(direction).max()) <= 1e-16 * (
            1 + float(np.abs(x).max())
        ):
            break
    return best


def backtracking(
    both: Both, x: np.ndarray, direction: np.ndarray, value: float, gradient: np.ndarray, first: float,
    flatter: float = _FLATTER, rising: float = 1.0, longest: float = np.inf, land: Land = np.add,
) -> Step | None:  # fmt: skip
    """The first of t = first, t₁, t₂, … with J(x + t d) ≤ J + 10⁻⁴ t s, each at the minimum of the parabola through
    what is known, between a tenth and a half of the one before (Armijo 1966; Dennis & Schnabel 1983); or None.

    `flatter` and `rising` take no part: how steep J is at the end is not looked at.
    """
    slope = float(gradient @ direction)
    if not slope < 0:
        return None
    near = _ROUNDING * abs(value)
    length = min(first, longest)
    for _ in range(_TRIALS):
        point = land(x, length * direction)
        found, its_gradient = both(point)
        if found <= value + _LOWER * length * slope:
            return Step(length, point, found, its_gradient)
        if found <= value + near and abs(float(its_gradient @ direction)) < -slope:
            return Step(length, point, found, its_gradient)
        share = 0.1
        if math.isfinite(found):
            parabola = -slope * length / (2 * (found - value - slope * length))
            share = min(max(parabola, 0.1), 0.5)
        length *= share
    return None


LINE_SEARCHES: dict[str, Search] = {"wolfe": wolfe, "backtracking": backtracking}


def _between(low: Step, low_slope: float, high: Step, high_slope: float) -> float:
    """The minimum of the cubic through both ends, kept away from them; the middle where there is none."""
    width = high.length - low.length
    if not math.isfinite(high.value):
        return low.length + 0.1 * width
    if math.isfinite(high_slope):
        a = low_slope + high_slope - 3 * (high.value - low.value) / width
        inside = a * a - low_slope * high_slope
        if inside >= 0:
            root = math.copysign(math.sqrt(inside), width)
            below = high_slope - low_slope + 2 * root
            if below != 0 and math.isfinite(root):
                share = 1 - (high_slope + root - a) / below
                return low.length + width * min(max(share, 0.1), 0.9)
    return low.length + 0.5 * width

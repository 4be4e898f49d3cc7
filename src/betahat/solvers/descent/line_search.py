"""How far to go along a direction: a step that lowers J enough and flattens its slope (the strong Wolfe conditions)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

_LOWER, _FLATTER = 1e-4, 0.9
_TRIALS = 40
_ROUNDING = 1e-14  # relative change of J below which its values say nothing


class Step(NamedTuple):
    """The length taken, and J and ∂J/∂x there."""

    length: float
    value: float
    gradient: np.ndarray


def wolfe(
    both: Callable[[np.ndarray], tuple[float, np.ndarray]], x: np.ndarray, direction: np.ndarray, value: float,
    gradient: np.ndarray, first: float, flatter: float = _FLATTER,
) -> Step | None:  # fmt: skip
    """A length t with J(x + t d) ≤ J + 10⁻⁴ t s and |slope there| ≤ `flatter` |s|, s < 0 the slope at x; or None.

    Bracketing and cubic interpolation (Nocedal & Wright 2006, algorithms 3.5 and 3.6). Near a minimum, where
    differences of J are rounding, the slopes alone decide (Hager & Zhang 2005).
    """
    slope = float(gradient @ direction)
    if not slope < 0:
        return None
    near = _ROUNDING * abs(value)

    def at(length: float) -> tuple[Step, float]:
        found, its_gradient = both(x + length * direction)
        steep = float(its_gradient @ direction) if np.isfinite(found) else np.inf
        return Step(length, found, its_gradient), steep

    def good(step: Step, steep: float) -> bool:
        if step.value <= value + _LOWER * step.length * slope and abs(steep) <= flatter * -slope:
            return True
        return step.value <= value + near and flatter * slope <= steep <= (2 * _LOWER - 1) * slope

    low, low_slope = Step(0.0, value, gradient), slope
    high: Step | None = None
    high_slope, length, best = np.inf, first, None
    for _ in range(_TRIALS):
        trial, steep = at(length)
        if good(trial, steep):
            return trial
        if trial.value < value and (best is None or trial.value < best.value):
            best = trial
        enough = trial.value <= value + _LOWER * length * slope + near and trial.value <= low.value + near
        if not enough:
            high, high_slope = trial, steep
        else:
            if steep * ((high.length if high else np.inf) - low.length) >= 0:
                high, high_slope = low, low_slope
            low, low_slope = trial, steep
        if high is None:
            length = 4 * length if length < 1e12 else np.inf
            if not np.isfinite(length):
                return best
            continue
        length = _between(low, low_slope, high, high_slope)
        if abs(high.length - low.length) * float(np.abs(direction).max()) <= 1e-16 * float(
            1 + np.abs(x).max()
        ):
            break
    return best


def _between(low: Step, low_slope: float, high: Step, high_slope: float) -> float:
    """The minimum of the cubic through both ends, kept away from them; the middle where there is none."""
    width = high.length - low.length
    if np.isfinite(high.value) and np.isfinite(high_slope):
        a = low_slope + high_slope - 3 * (high.value - low.value) / width
        inside = a * a - low_slope * high_slope
        if inside >= 0:
            root = np.sign(width) * np.sqrt(inside)
            below = high_slope - low_slope + 2 * root
            if below != 0 and np.isfinite(root):
                share = 1 - (high_slope + root - a) / below
                return low.length + width * float(np.clip(share, 0.1, 0.9))
    return low.length + 0.5 * width if np.isfinite(high.value) else low.length + 0.1 * width

"""Bounds l ≤ x ≤ u, number by number: what lies within, and which numbers a bound holds."""

from __future__ import annotations

from typing import final

import numpy as np

_NEAR = 4 * float(np.finfo(np.float64).eps)


@final
class Box:
    """{x : l ≤ x ≤ u}. lower, upper : (n,), ∓∞ where there is no bound; equal ones fix a number."""

    def __init__(self, lower: np.ndarray, upper: np.ndarray) -> None:
        self.lower, self.upper = lower, upper
        self._fixed = lower == upper

    def contains(self, x: np.ndarray) -> bool:
        """Whether x keeps to all bounds."""
        return bool((x >= self.lower).all() and (x <= self.upper).all())

    def project(self, x: np.ndarray) -> np.ndarray:
        """The nearest point within."""
        return np.minimum(np.maximum(x, self.lower), self.upper)

    def held(self, x: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """Which numbers lie on a bound that stops their fall: their derivatives need not vanish."""
        down, up = (x <= self.lower) & (gradient > 0), (x >= self.upper) & (gradient < 0)
        return down | up | self._fixed

    def inside(self, x: np.ndarray) -> np.ndarray:
        """Which numbers lie strictly between their bounds."""
        return (x > self.lower) & (x < self.upper)

    def longest(self, x: np.ndarray, direction: np.ndarray) -> float:
        """The largest t with x + t d within; infinite where no bound lies ahead."""
        with np.errstate(all="ignore"):
            ahead = np.where(direction > 0, self.upper - x, self.lower - x) / direction
        return float(np.min(ahead[direction != 0], initial=np.inf))

    def land(self, x: np.ndarray, step: np.ndarray) -> np.ndarray:
        """x + step within, exactly on a bound where it misses one by rounding only."""
        there = self.project(x + step)
        near = _NEAR * (np.abs(x) + np.abs(step))
        with np.errstate(invalid="ignore"):
            there = np.where(np.abs(there - self.lower) <= near, self.lower, there)
            there = np.where(np.abs(there - self.upper) <= near, self.upper, there)
        return np.where(step == 0, x, there)


def held_by(box: Box | None, x: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """Which numbers lie on a bound that stops their fall; none without bounds."""
    return np.zeros(len(x), bool) if box is None else box.held(x, gradient)


def free_gradient(box: Box | None, x: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """The gradient without the numbers that a bound holds: what must vanish at a minimum."""
    return gradient if box is None else np.where(box.held(x, gradient), 0.0, gradient)


def land(box: Box | None, x: np.ndarray, step: np.ndarray) -> np.ndarray:
    """x + step, kept within the bounds."""
    return x + step if box is None else box.land(x, step)

"""A smooth relative of Huber's loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from betahat.losses.base import Loss, check_delta


@final
@dataclass(frozen=True)
class PseudoHuber(Loss):
    """L(y, f) = δ² (√(1 + (r/δ)²) − 1) with r = y − f (Charbonnier et al. 1994): ½ r² near, δ |r| far, with all its
    derivatives; scipy's "soft_l1" with f_scale = δ.

    >>> import numpy as np
    >>> PseudoHuber(1.0).value(np.array([0.0, np.sqrt(3.0)]), np.zeros(2)).round(12)
    array([0., 1.])
    """

    delta: float = 1.0

    name = "pseudo_huber"
    convex = True
    largest_curvature = 1.0

    def __post_init__(self) -> None:
        check_delta(self.delta, "PseudoHuber")

    def value(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        r = y - f
        return r * (r / (1 + np.hypot(1.0, r / self.delta)))  # √(1 + u²) − 1 would cancel for small u

    def first_derivative(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        r = f - y
        return r / np.hypot(1.0, r / self.delta)

    def second_derivative(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        return np.hypot(1.0, (y - f) / self.delta) ** -3.0

    @property
    def formula(self) -> str:
        return f"δ² (√(1 + (r/δ)²) − 1), δ = {self.delta:g}, r = y − f"

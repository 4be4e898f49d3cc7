"""What a descent needs to know of J: its value, gradient and curvature at a flat vector, each counted."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from betahat.solvers.descent.box import Box


class Problem(ABC):
    """J at flat points x (n,) float64. Values that are not finite count as +∞, so that no step ends there.

    start : (n,) where to begin. box : the bounds that x keeps to, None where there are none. evaluations, gradients,
    products : how often each was computed. best : the lowest value met, where, and the gradient there, None where that
    is not remembered; undefined : how many values were not finite.
    """

    start: np.ndarray
    box: Box | None = None
    evaluations: int = 0
    gradients: int = 0
    products: int = 0
    best: tuple[float, np.ndarray, np.ndarray] | None = None
    undefined: int = 0

    @property
    def n(self) -> int:
        """How many numbers x has."""
        return len(self.start)

    @abstractmethod
    def value(self, x: np.ndarray) -> float:
        """J(x)."""

    @abstractmethod
    def both(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """J(x) and ∂J/∂x (n,)."""

    @abstractmethod
    def product(self, x: np.ndarray, v: np.ndarray) -> np.ndarray:
        """∂²J/∂x²·v (n,)."""

    def hessian(self, x: np.ndarray) -> np.ndarray:
        """∂²J/∂x² (n, n), symmetric, column by column where there is no better way."""
        H = np.stack([self.product(x, unit) for unit in np.eye(self.n)], -1)
        return (H + H.T) / 2

    def form(self, x: np.ndarray) -> Any:
        """What users see of x: the container that they began with."""
        return x

    def largest_curvature(self) -> float | None:
        """A Lipschitz constant of the gradient (a bound on the Hessian's largest eigenvalue anywhere), if known."""
        return None

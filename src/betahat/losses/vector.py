"""What a loss is when a prediction is a vector."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np


class VectorLoss(ABC):
    """L(y, f) of one observation whose prediction f is a vector of K numbers; arrays f are (n, K), y (n,).

    name, convex : as in :class:`betahat.losses.base.Loss`; largest_curvature : a bound on the largest eigenvalue of
    ∂²L/∂f²; self_concordance : M with |L'''[d, d, d]| ≤ M ‖d‖₂ L''[d, d] for all directions d, or None.
    """

    name: str
    convex: bool = False
    largest_curvature: float | None = None
    self_concordance: float | None = None

    @abstractmethod
    def value(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        """L(y, f), (n,)."""

    @abstractmethod
    def first_derivative(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        """∂L/∂f, (n, K)."""

    @abstractmethod
    def second_derivative(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        """∂²L/∂f², (n, K, K)."""

    @abstractmethod
    def second_derivative_product(self, y: np.ndarray, f: np.ndarray, direction: np.ndarray) -> np.ndarray:
        """∂²L/∂f² · direction, (n, K), without the matrices."""

    @abstractmethod
    def check_target(self, y: np.ndarray) -> None:
        """ValueError, naming the first value, where y holds what cannot be."""

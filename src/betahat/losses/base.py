"""What a loss is."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np


class Loss(ABC):
    """L(y, f) for one observation, elementwise over arrays, and its derivatives in the prediction f.

    name : how users call it; quadratic : whether L'' is constant, so that one Newton step from anywhere is exact;
    convex : whether L'' is nowhere negative, so that a stationary point of a linear model is a global minimum;
    largest_curvature : a bound on |L''| (for learning rates), None where there is none or it is not known;
    code : the number by which compiled kernels know the loss, None where they do not; power : what they take beside it
    (Huber's δ, Tweedie's p), or 0; domain : the open interval of predictions with a finite loss.
    """

    name: str
    quadratic: bool = False
    convex: bool = False
    largest_curvature: float | None = None
    code: int | None = None
    power: float = 0.0
    domain: tuple[float, float] = (-np.inf, np.inf)

    @abstractmethod
    def value(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        """L(y, f)."""

    @abstractmethod
    def first_derivative(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        """∂L/∂f."""

    @abstractmethod
    def second_derivative(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        """∂²L/∂f²."""

    def conjugate(self, y: np.ndarray, u: np.ndarray) -> np.ndarray | None:
        """L*(y, u) = sup over f of (u f − L(y, f)), inf outside its domain, from which duality gaps are made; None
        where it is not known."""
        return None

    def check(self, y: np.ndarray, f: np.ndarray) -> None:
        """Raise where this is no loss, judged on a few rows y (n,) with predictions f (n,); losses of users look."""
        return None

    @property
    def has_edge(self) -> bool:
        """Whether predictions have an end, beyond which the loss is infinite."""
        return bool(np.isfinite(self.domain).any())

    @property
    def formula(self) -> str:
        """L in one line, for explanations."""
        return f"{self.name}(y, f)"


def check_delta(delta: float, name: str) -> None:
    """Raise unless `delta`, where a loss turns from ½r² to something slower, is a positive number."""
    if isinstance(delta, bool) or not isinstance(delta, (int, float, np.integer, np.floating)):
        raise TypeError(f"delta (={delta!r}) of {name} must be a number, in units of y")
    if not (np.isfinite(delta) and delta > 0):
        raise ValueError(
            f"delta (={delta!r}) of {name} must be positive and finite, in units of y: the size of an ordinary residual"
        )

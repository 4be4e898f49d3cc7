"""The multinomial loss of targets that are not quite sure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import final

import numpy as np

from betahat.losses.multinomial import Multinomial
from betahat.losses.vector import VectorLoss


@final
@dataclass(frozen=True)
class SmoothedMultinomial(VectorLoss):
    """Cross-entropy to smoothed labels (Szegedy et al. 2016): L = log Σⱼ eᶠʲ − Σₖ qₖ fₖ with qₖ = (1 − ε) 1[k = y] +
    ε/K, y ∈ {0, …, K−1}; ε = 0 is :class:`~betahat.losses.multinomial.Multinomial`.

    ∂L/∂f = softmax(f) − q: a score is pushed no further once its class has probability 1 − ε + ε/K. L has the second
    derivative of the multinomial loss, and the smallest value Σ −qₖ log qₖ instead of 0.

    classes : K, at least 2; smoothing : ε in [0, 1).

    >>> import numpy as np
    >>> loss = SmoothedMultinomial(2, 0.2)
    >>> loss.first_derivative(np.array([1]), np.log([[0.1, 0.9]])).round(12) + 0.0
    array([[0., 0.]])
    >>> loss.value(np.array([0]), np.zeros((1, 2))).round(6)
    array([0.693147])
    """

    classes: int
    smoothing: float

    name = "smoothed_multinomial"
    convex = True
    largest_curvature = Multinomial.largest_curvature
    self_concordance = Multinomial.self_concordance

    def __post_init__(self) -> None:
        Multinomial(self.classes)  # which checks them
        check_smoothing(self.smoothing, "smoothing")

    @property
    def formula(self) -> str:
        return f"log Σⱼ exp(fⱼ) − Σₖ qₖ fₖ, q = {1 - self.smoothing:g} · 1[k = y] + {self.smoothing:g}/{self.classes}"

    def value(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        rows = np.arange(len(f))
        apart = f[rows, y] - f.mean(axis=1)
        return self._plain.value(y, f) + self.smoothing * apart

    def first_derivative(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        slope = self._plain.first_derivative(y, f) - self.smoothing / self.classes
        slope[np.arange(len(f)), y] += self.smoothing
        return slope

    def second_derivative(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        return self._plain.second_derivative(y, f)

    def second_derivative_product(self, y: np.ndarray, f: np.ndarray, direction: np.ndarray) -> np.ndarray:
        return self._plain.second_derivative_product(y, f, direction)

    def check_target(self, y: np.ndarray) -> None:
        """ValueError where y holds anything but the codes 0, …, K−1."""
        self._plain.check_target(y)

    @property
    def _plain(self) -> Multinomial:
        return Multinomial(self.classes)


def check_smoothing(value: object, name: str) -> float:
    """A share of [0, 1).

    >>> check_smoothing(0.1, "label_smoothing")
    0.1
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} (={value!r}) must be a number from 0 up to, not with, 1")
    found = float(value)
    if not (math.isfinite(found) and 0 <= found < 1):
        raise ValueError(
            f"{name} (={value!r}) must be at least 0 and below 1: the share taken from the true class"
        )
    return found

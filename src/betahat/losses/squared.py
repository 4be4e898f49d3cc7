"""Squared error, the loss of least squares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from betahat.losses.base import Loss


@final
@dataclass(frozen=True)
class SquaredError(Loss):
    """L(y, f) = ½ (y − f)²,  L' = f − y,  L'' = 1 (Legendre 1805; Gauss 1809).

    >>> import numpy as np
    >>> SquaredError().value(np.array([3.0]), np.array([1.0]))
    array([2.])
    """

    name = "squared_error"
    quadratic = True
    convex = True
    largest_curvature = 1.0
    code = 0

    def value(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        return 0.5 * (y - f) ** 2

    def first_derivative(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        return f - y

    def second_derivative(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        return np.ones(np.broadcast(y, f).shape)

    def conjugate(self, y: np.ndarray, u: np.ndarray) -> np.ndarray:
        return u * (y + 0.5 * u)

    @property
    def formula(self) -> str:
        return "½ (y − f)²"

"""Penalties R(β) added to the mean loss; the intercept is never penalised."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import final

import numpy as np


class Penalty(ABC):
    """R(β) with its derivatives."""

    curvature: float
    """The constant second derivative of R along each coefficient, for quadratic penalties."""

    @abstractmethod
    def value(self, beta: np.ndarray) -> float:
        """R(β)."""

    @abstractmethod
    def gradient(self, beta: np.ndarray) -> np.ndarray:
        """∂R/∂β, of the shape of β."""


@final
class NoPenalty(Penalty):
    """R(β) = 0."""

    curvature = 0.0

    def value(self, beta: np.ndarray) -> float:
        return 0.0

    def gradient(self, beta: np.ndarray) -> np.ndarray:
        return np.zeros_like(beta)


@final
class L2(Penalty):
    """R(β) = α/2 ‖β‖², ridge regression (Hoerl & Kennard 1970).

    >>> import numpy as np
    >>> L2(0.5).value(np.array([2.0, 0.0]))
    1.0
    """

    def __init__(self, alpha: float) -> None:
        self.curvature = alpha

    def value(self, beta: np.ndarray) -> float:
        return 0.5 * self.curvature * float(np.vdot(beta, beta))

    def gradient(self, beta: np.ndarray) -> np.ndarray:
        return self.curvature * beta

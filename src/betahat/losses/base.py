"""What a loss is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np


class Loss(ABC):
    """L(y, f) for one observation, elementwise over arrays, and its derivatives in the prediction f."""

    name: ClassVar[str]
    quadratic: ClassVar[bool]
    """Whether L'' is constant, so that one Newton step from anywhere is exact."""

    @abstractmethod
    def value(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        """L(y, f)."""

    @abstractmethod
    def first_derivative(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        """∂L/∂f."""

    @abstractmethod
    def second_derivative(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        """∂²L/∂f²."""

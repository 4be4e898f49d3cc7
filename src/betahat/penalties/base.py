"""What a penalty is."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np


class Penalty(ABC):
    """R(β) of the slopes β (p,), or (t, p) where each target has its own, with its derivatives.

    curvature : the constant second derivative of R along each coefficient, for quadratic penalties; quadratic :
    whether R is curvature/2 ‖β‖², so that the normal equations hold it; convex : whether R is.
    """

    curvature: float = 0.0
    quadratic: bool = False
    convex: bool = False

    @abstractmethod
    def value(self, beta: np.ndarray) -> float:
        """R(β)."""

    @abstractmethod
    def gradient(self, beta: np.ndarray) -> np.ndarray:
        """∂R/∂β, of the shape of β."""

    @abstractmethod
    def hessian(self, beta: np.ndarray) -> np.ndarray:
        """∂²R/∂β² (p, p) for β (p,)."""

    def check(self, beta: np.ndarray) -> None:
        """Raise where this is no penalty, judged at one β (p,); penalties of users look."""
        return None

    @property
    def formula(self) -> str:
        """R in one line, for explanations; empty where it is zero."""
        return f"{self.curvature:g}/2 ‖β‖²" if self.curvature else ""

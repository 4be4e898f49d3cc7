"""A factorisation of the Hessian, computed once and used for every solve, refinement and standard error."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

EPS = float(np.finfo(np.float64).eps)


class Factor(ABC):
    """The Hessian H (k × k) of centred and scaled columns, in a form that solves H δ = z."""

    method: ClassVar[str]
    condition_number: float
    """Of the centred and scaled columns: the ratio of their extreme singular values."""
    rank: int
    null_space: np.ndarray
    """(k, k − rank) orthonormal basis of what the columns do not determine."""
    contraction: float
    """A bound on ‖I − H⁻¹H‖ as computed: how far one refinement can miss, relative to its size."""

    @abstractmethod
    def solve(self, z: np.ndarray) -> np.ndarray:
        """H⁻¹ z for z (k, t); for a rank-deficient H the solution of smallest norm."""

    @abstractmethod
    def quadratic(self) -> tuple[np.ndarray, np.ndarray | None]:
        """H itself for methods that multiply with it, in the basis V (k, m) of the directions that are determined:
        (VᵀHV, V), or (H, None) where all are."""

    @abstractmethod
    def inverse(self) -> np.ndarray:
        """H⁻¹ (k, k), or the pseudo-inverse."""

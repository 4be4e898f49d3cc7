"""A sum of squares: besides value and gradient it has residuals and their Jacobian."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import numpy as np

from betahat.solvers.descent.problem import Problem


class Compiled(ABC):
    """What compiled code computes of a sum of squares."""

    @abstractmethod
    def advance(
        self, x: np.ndarray, gradient: np.ndarray, unit: np.ndarray, numbers: np.ndarray,
        settings: tuple[float, ...], most: int,
    ) -> np.ndarray | None:  # fmt: skip
        """As many of Levenberg and Marquardt's iterations as can be made, at most so many, from x in place
        (:func:`betahat.kernels.squares_compiled.advance`); their rows of the trace. None where the code turns out to
        compute something else than the problem's residuals."""

    @abstractmethod
    def newton(
        self, x: np.ndarray, r: np.ndarray, safe: float, eps: float
    ) -> tuple[float, np.ndarray, np.ndarray]:
        """What is left to win, the gradient and Newton's step at x with precise residuals r
        (:func:`betahat.kernels.squares_compiled.newton`)."""

    @abstractmethod
    def arrive(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """The first two of these where no step will follow: negative and the gradient where it cannot be told."""


class SumOfSquares(Problem):
    """J(x) = ½ Σ rᵢ(x)²."""

    @abstractmethod
    def residuals(self, x: np.ndarray) -> np.ndarray:
        """r(x) (m,), NaN and infinity where they arise."""

    def precise_residuals(self, x: np.ndarray) -> np.ndarray:
        """r(x) (m,) rounded once where that can be had, for the last digits."""
        return self.residuals(x)

    @abstractmethod
    def linearised(self, x: np.ndarray, rough: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """r(x) (m,) and ∂r/∂x (m, n); `rough` allows the latter to have half the digits, if that is quicker."""

    @abstractmethod
    def bend(self, x: np.ndarray, c: np.ndarray) -> np.ndarray:
        """Σ cᵢ ∂²rᵢ/∂x² (n, n)."""

    def compiled(self, x: np.ndarray, advancing: bool = False) -> Compiled | None:
        """What compiled code computes of the problem, seen from x; None where there is none. If its `advance` from x
        comes next, that may look whether it computes the same."""
        return None

    def value(self, x: np.ndarray) -> float:
        return half_square(self.residuals(x))

    def both(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        r, J = self.linearised(x)
        return half_square(r), J.T @ r

    def hessian(self, x: np.ndarray) -> np.ndarray:
        """JᵀJ + Σ rᵢ ∂²rᵢ/∂x²."""
        r, J = self.linearised(x)
        return J.T @ J + self.bend(x, r)

    def product(self, x: np.ndarray, v: np.ndarray) -> np.ndarray:
        return self.hessian(x) @ v


def half_square(r: np.ndarray) -> float:
    """½ rᵀr, infinite where r is not finite."""
    total = 0.5 * float(r.dot(r))
    return total if math.isfinite(total) else math.inf

"""Least squares as a descent sees it: the quadratic ½ xᵀHx − zᵀx of t targets at once."""

from __future__ import annotations

from typing import Any, final

import numpy as np

from betahat.solvers.descent.problem import Problem

_EIGENVALUES_UP_TO = 500  # columns up to which the largest eigenvalue is computed rather than approached


@final
class Quadratic(Problem):
    """J(x) = Σₖ ½ xₖᵀHxₖ − zₖᵀxₖ for H (m, m) symmetric and z (m, t), from x = 0; x lists target after target.

    All that one reading of the rows says of a linear model, so an iteration costs m² and not the rows again.

    >>> Quadratic(np.eye(2), np.array([[1.0], [0.0]]), 1.0).both(np.array([1.0, 0.0]))
    (-0.5, array([0., 0.]))
    """

    def __init__(self, H: np.ndarray, z: np.ndarray, largest: float) -> None:
        self._H, self._z, self._largest = H, np.ascontiguousarray(z.T), largest
        self.start = np.zeros(z.size)

    def value(self, x: np.ndarray) -> float:
        """J(x)."""
        self.evaluations += 1
        X = x.reshape(self._z.shape)
        return float(np.vdot(X, 0.5 * (X @ self._H) - self._z))

    def both(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """J(x) and Hx − z."""
        self.evaluations += 1
        self.gradients += 1
        X = x.reshape(self._z.shape)
        HX = X @ self._H
        return float(np.vdot(X, 0.5 * HX - self._z)), (HX - self._z).ravel()

    def product(self, x: np.ndarray, v: np.ndarray) -> np.ndarray:
        """Hv."""
        self.products += 1
        return (v.reshape(self._z.shape) @ self._H).ravel()

    def hessian(self, x: np.ndarray) -> np.ndarray:
        """H for each target, along the diagonal."""
        return np.kron(np.eye(len(self._z)), self._H)

    def largest_curvature(self) -> float:
        """H's largest eigenvalue."""
        return self._largest


def largest_eigenvalue(H: np.ndarray) -> float:
    """Of a symmetric positive (m, m), never below it by more than rounding.

    >>> largest_eigenvalue(np.diag([1.0, 3.0]))
    3.0
    """
    if len(H) <= _EIGENVALUES_UP_TO:
        return float(np.linalg.eigvalsh(H)[-1]) if len(H) else 1.0
    from scipy.sparse.linalg import eigsh

    start = np.ones(len(H))  # the same bits each time
    options: Any = {"tol": 1e-4, "return_eigenvectors": False}
    found = float(eigsh(H, k=1, which="LA", v0=start, **options)[0])
    return (1 + 1e-3) * found

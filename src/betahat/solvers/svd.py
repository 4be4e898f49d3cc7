"""Singular values of R: for columns that are collinear, the solution of smallest norm."""

from __future__ import annotations

from typing import final

import numpy as np

from betahat.solvers.factor import EPS, Factor


@final
class SingularFactor(Factor):
    """H = V S² Vᵀ without the directions that the data leave open (Golub & Kahan 1965)."""

    method = "SVD"

    def __init__(self, singular: np.ndarray, V: np.ndarray, kept: np.ndarray) -> None:
        self._V, self._squares = V[:, kept], singular[kept] ** 2
        self.null_space = V[:, ~kept]
        self.rank = int(kept.sum())
        values = singular[kept]
        self.condition_number = float(values[0] / values[-1]) if self.rank else 1.0
        self.contraction = 40 * len(V) * EPS * self.condition_number

    def solve(self, z: np.ndarray) -> np.ndarray:
        return self._V @ ((self._V.T @ z) / self._squares[:, None])

    def quadratic(self) -> tuple[np.ndarray, np.ndarray | None]:
        return np.diag(self._squares), self._V

    def inverse(self) -> np.ndarray:
        return (self._V / self._squares) @ self._V.T

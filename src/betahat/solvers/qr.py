"""Orthogonal factorisation X = QR: the condition number is not squared, so nearly collinear columns keep digits."""

from __future__ import annotations

from typing import Any, final

import numpy as np
from scipy.linalg import lapack as _lapack

from betahat.solvers.factor import EPS, Factor

lapack: Any = _lapack


@final
class TriangularFactor(Factor):
    """H = RᵀR with R from the QR factorisation of the columns (Golub 1965; corrected: Björck 1987)."""

    method = "QR"

    def __init__(self, R: np.ndarray, condition_number: float) -> None:
        k = len(R)
        self._R = np.asfortranarray(R)
        self.condition_number = condition_number
        self.rank, self.null_space = k, np.zeros((k, 0))
        self.contraction = 40 * k * EPS * condition_number

    def solve(self, z: np.ndarray) -> np.ndarray:
        return lapack.dtrtrs(self._R, lapack.dtrtrs(self._R, z, trans=1)[0])[0]

    def quadratic(self) -> tuple[np.ndarray, np.ndarray | None]:
        return self._R.T @ self._R, None

    def inverse(self) -> np.ndarray:
        inverse = lapack.dtrtri(self._R)[0]
        return inverse @ inverse.T

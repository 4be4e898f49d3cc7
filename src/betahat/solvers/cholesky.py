"""Cholesky factorisation of the normal equations: the fastest way, for columns that are far from collinear."""

from __future__ import annotations

from typing import Any, final

import numpy as np
from scipy.linalg import lapack as _lapack

from betahat.kernels.gram import mirror_upper
from betahat.solvers.factor import EPS, Factor

lapack: Any = _lapack  # its routines are made at import, where type checkers do not see them
_EIGENVALUES_UP_TO = 256  # columns up to which the condition number is computed rather than estimated
_TRIANGLES_UP_TO = 32  # columns up to which two small products are quicker than one symmetric routine


@final
class CholeskyFactor(Factor):
    """H = LLᵀ. Squares the condition number, so :func:`cholesky` refuses columns near collinearity."""

    method = "Cholesky"

    def __init__(self, H: np.ndarray, triangle: np.ndarray, hessian_condition: float) -> None:
        k = len(H)
        self._H, self._triangle = H, triangle
        self.condition_number = float(np.sqrt(hessian_condition))
        self.rank, self.null_space = k, np.zeros((k, 0))
        self.contraction = (130 + 8 * k) * EPS * hessian_condition

    def solve(self, z: np.ndarray) -> np.ndarray:
        if not len(z):
            return z
        return lapack.dpotrs(self._triangle, z, lower=0)[0]

    def quadratic(self) -> tuple[np.ndarray, np.ndarray | None]:
        return self._H, None

    def inverse(self) -> np.ndarray:
        if not self.rank:
            return self._triangle
        if self.rank <= _TRIANGLES_UP_TO:
            triangle = lapack.dtrtri(np.triu(self._triangle))[0]
            return triangle @ triangle.T
        return mirror_upper(np.ascontiguousarray(lapack.dpotri(self._triangle, lower=0)[0]))


def cholesky(H: np.ndarray, largest_condition: float, estimate: bool = False) -> CholeskyFactor | None:
    """The factor of a symmetric H with unit diagonal, or None if its condition number exceeds the limit.

    Its condition number is computed, or estimated where there are many columns or `estimate` says that will do.
    """
    k = len(H)
    if k == 0:
        return CholeskyFactor(H, H.copy(), 1.0)
    triangle, info = lapack.dpotrf(H, lower=0, clean=0)
    if info:
        return None
    norm = float(np.abs(H).sum(axis=0).max())
    reciprocal, _ = lapack.dpocon(triangle, norm)
    if not reciprocal * largest_condition >= 1:
        return None
    if k <= _EIGENVALUES_UP_TO and not estimate:
        extreme = np.linalg.eigvalsh(H)
        condition = float(extreme[-1] / max(extreme[0], EPS * extreme[-1]))
    else:
        condition = float(
            np.float32(1 / reciprocal)
        )  # its last bits change with where the arrays lie in memory
    return CholeskyFactor(H, triangle, condition)

"""Cholesky factorisation of a Hessian, shifted as far as it takes to be positive definite."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import lapack as _lapack

lapack: Any = _lapack  # its routines are made at import, where type checkers do not see them
_FIRST = 1e-3  # the first shift of a matrix of unit diagonal
_LARGEST = 1e12


class Shifted(NamedTuple):
    """D⁻¹HD⁻¹ + λI = RᵀR with D = √|Hⱼⱼ|, so that units do not matter; λ = 0 where H is positive definite."""

    triangle: np.ndarray
    scale: np.ndarray
    shift: float

    def solve(self, z: np.ndarray) -> np.ndarray:
        """(H + λD²)⁻¹z."""
        return lapack.dpotrs(self.triangle, z / self.scale, lower=0)[0] / self.scale


def shifted_cholesky(H: np.ndarray) -> Shifted | None:
    """The factors with λ = 0, 10⁻³, 4·10⁻³, … (Nocedal & Wright 2006, algorithm 3.3), or None where H is not finite."""
    if not np.isfinite(H).all():
        return None
    scale = np.sqrt(np.abs(H.diagonal()))
    scale[scale == 0] = 1.0
    unit = H / scale[:, None] / scale
    shift, diagonal = 0.0, np.diag_indices(len(H))
    while shift < _LARGEST:
        triangle, failed = lapack.dpotrf(unit, lower=0)
        if not failed:
            return Shifted(triangle, scale, shift)
        more = 4 * shift if shift else _FIRST
        unit[diagonal] += more - shift
        shift = more
    return None

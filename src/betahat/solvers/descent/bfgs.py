"""BFGS: the inverse Hessian learnt from the gradient's changes (Broyden, Fletcher, Goldfarb, Shanno 1970)."""

from __future__ import annotations

import math
from typing import Any, final

import numpy as np
from scipy.linalg import blas as _blas

from betahat.solvers.descent.base import LineSearch, State
from betahat.solvers.descent.problem import Problem

blas: Any = _blas  # its routines are made at import, where type checkers do not see them


@final
class BFGS(LineSearch):
    """d = −H g with H ← (I − s yᵀ/yᵀs) H (I − y sᵀ/yᵀs) + s sᵀ/yᵀs: an n × n matrix of memory, Newton's speed in the
    end without a second derivative.

    >>> import numpy as np, betahat as bh
    >>> valley = lambda x: 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2
    >>> fit = bh.minimize(valley, np.array([-1.2, 1.0]), solver="bfgs")
    >>> fit.point.round(6), fit.stop_reason
    (array([1., 1.]), 'converged')
    """

    name = "bfgs"

    def begin(self, problem: Problem) -> None:
        self._inverse: np.ndarray | None = None  # its upper triangle

    def direction(self, problem: Problem, state: State) -> np.ndarray:
        return -state.gradient if self._inverse is None else blas.dsymv(-1.0, self._inverse, state.gradient)

    def first_length(self, state: State, direction: np.ndarray, before: float | None) -> float:
        return 1.0 if self._inverse is not None else self.short(direction)

    def learn(self, step: np.ndarray, change: np.ndarray, state: State) -> None:
        along, bent = float(step @ change), float(change @ change)
        if not along > 1e-14 * math.sqrt(float(step @ step) * bent):
            return  # no curvature seen: what is known stays
        if self._inverse is None:
            self._inverse = np.asfortranarray(np.eye(len(step)) * (along / bent))
        moved = blas.dsymv(1.0, self._inverse, change)
        other = ((1 + float(change @ moved) / along) / (2 * along)) * step - moved / along
        self._inverse = blas.dsyr2(1.0, step, other, a=self._inverse, overwrite_a=1)  # H + s oᵀ + o sᵀ

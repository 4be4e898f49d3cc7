"""The last steps and what the gradient changed by along them: all that L-BFGS knows of the Hessian."""

from __future__ import annotations

import math
from typing import Any, final

import numpy as np
from scipy.linalg import lapack as _lapack

lapack: Any = _lapack  # its routines are made at import, where type checkers do not see them
_STRAIGHT = 1e-14  # sᵀy / |s||y| below which no curvature was seen


@final
class Pairs:
    """Up to `memory` pairs s, y with sᵀy = 1 (the update does not depend on their length), the latest last.

    S, Y : (k, n) views, a pair a row. Their products are kept, so that a direction costs four products with S and Y and
    some with (k, k) matrices.
    """

    def __init__(self, memory: int, n: int) -> None:
        self._memory, self._from, self._to = memory, 0, 0
        self._steps, self._changes = np.empty((2 * memory, n)), np.empty((2 * memory, n))
        self.SY = np.zeros((memory, memory), order="F")  # sᵢᵀyⱼ for i ≤ j, else 0
        self.YY = np.zeros((memory, memory), order="F")

    def __len__(self) -> int:
        return self._to - self._from

    @property
    def S(self) -> np.ndarray:  # noqa: N802
        return self._steps[self._from : self._to]

    @property
    def Y(self) -> np.ndarray:  # noqa: N802
        return self._changes[self._from : self._to]

    def clear(self) -> None:
        """Forget all."""
        self._from = self._to = 0

    def take(self, step: np.ndarray, change: np.ndarray) -> None:
        """Add a pair, if it shows curvature; the oldest goes where there is no room."""
        along = float(step @ change)
        if not along > _STRAIGHT * math.sqrt(float(step @ step) * float(change @ change)):
            return
        m = self._memory
        if len(self) == m:
            self._from += 1
            self.SY[:-1, :-1], self.YY[:-1, :-1] = self.SY[1:, 1:].copy(), self.YY[1:, 1:].copy()
        if self._to == 2 * m:
            kept = slice(self._from, self._to)
            for rows in (self._steps, self._changes):
                rows[: len(self)] = rows[kept]
            self._from, self._to = 0, len(self)
        unit = 1 / math.sqrt(along)
        np.multiply(step, unit, out=self._steps[self._to])
        y = np.multiply(change, unit, out=self._changes[self._to])
        self._to += 1
        k = len(self)
        self.SY[:k, k - 1] = self.S @ y
        self.SY[k - 1, k - 1] = 1.0
        self.YY[:k, k - 1] = self.YY[k - 1, :k] = self.Y @ y

    def direction(self, gradient: np.ndarray) -> np.ndarray:
        """−Hg with the inverse Hessian H = γI + … that the pairs describe, γ = 1/yᵀy of the latest (Byrd, Nocedal &
        Schnabel 1994, theorem 2.2)."""
        k = len(self)
        if not k:
            return -gradient
        S, Y, R = self.S, self.Y, self.SY[:k, :k]
        gamma = 1 / float(self.YY[k - 1, k - 1])
        u = lapack.dtrtrs(R, S @ gradient, unitdiag=1)[0]
        w = lapack.dtrtrs(R, u + gamma * (self.YY[:k, :k] @ u - Y @ gradient), trans=1, unitdiag=1)[0]
        return (gamma * u) @ Y - w @ S - gamma * gradient

"""The last steps and what the gradient changed by along them: all that L-BFGS knows of the Hessian."""

from __future__ import annotations

import math
from typing import final

import numpy as np

_STRAIGHT = 1e-14  # sᵀy / |s||y| below which no curvature was seen


@final
class Pairs:
    """Up to `memory` pairs s, y with sᵀy = 1 (the update does not depend on their length), the latest last.

    S, Y : (k, n) views, a pair a row; they alternate in memory, so that one product with W = [s₁; y₁; s₂; y₂; …] is a
    product with both. What is known of SYᵀ and YYᵀ is kept, so that a direction costs two products with W.
    """

    def __init__(self, memory: int, n: int) -> None:
        self._memory, self._from, self._to = memory, 0, 0
        self._room = memory + memory // 2 + 1
        self._rows = np.empty((2 * self._room, n))
        self._inverse = np.zeros((self._room, self._room))  # of the upper triangle of SYᵀ
        self._squares = np.zeros((self._room, self._room))  # YYᵀ

    def __len__(self) -> int:
        return self._to - self._from

    @property
    def S(self) -> np.ndarray:  # noqa: N802
        return self._rows[2 * self._from : 2 * self._to : 2]

    @property
    def Y(self) -> np.ndarray:  # noqa: N802
        return self._rows[2 * self._from + 1 : 2 * self._to : 2]

    @property
    def curvature(self) -> float:
        """yᵀy of the latest pair, about the largest curvature along it; 1 where there is none."""
        return float(self._squares[self._to - 1, self._to - 1]) if len(self) else 1.0

    def clear(self) -> None:
        """Forget all."""
        self._from = self._to = 0

    def take(self, step: np.ndarray, change: np.ndarray) -> None:
        """Add a pair, if it shows curvature; the oldest goes where there is no room."""
        along = float(step.dot(change))
        if not along > _STRAIGHT * math.sqrt(float(step.dot(step)) * float(change.dot(change))):
            return
        if len(self) == self._memory:
            self._from += 1
        if self._to == self._room:
            self._move_to_front()
        first, new = self._from, self._to
        self._to += 1
        pair = self._rows[2 * new : 2 * new + 2]
        pair[0], pair[1] = step, change
        pair *= 1 / math.sqrt(along)
        seen = self._rows[2 * first : 2 * new + 2].dot(pair[1])
        # the triangle grows by the column Sy, its inverse R⁻¹ by −R⁻¹Sy and 1
        self._inverse[first:new, new] = -self._inverse[first:new, first:new].dot(seen[:-2:2])
        self._inverse[new, new] = 1.0
        self._squares[first : new + 1, new] = self._squares[new, first : new + 1] = seen[1::2]

    def _move_to_front(self) -> None:
        first, last, k = self._from, self._to, len(self)
        self._rows[: 2 * k] = self._rows[2 * first : 2 * last]
        for matrix in (self._inverse, self._squares):
            matrix[:k, :k] = matrix[first:last, first:last]
        self._from, self._to = 0, k

    def direction(self, gradient: np.ndarray) -> np.ndarray:
        """−Hg with the inverse Hessian H = γI + … that the pairs describe, γ = 1/yᵀy of the latest (Byrd, Nocedal &
        Schnabel 1994, theorem 2.2)."""
        if not len(self):
            return -gradient
        now = slice(self._from, self._to)
        W, inverse, squares = (
            self._rows[2 * now.start : 2 * now.stop],
            self._inverse[now, now],
            self._squares[now, now],
        )
        gamma = 1 / self.curvature
        seen = W.dot(gradient)
        u = inverse.dot(seen[::2])
        seen[::2] = (gamma * (seen[1::2] - squares.dot(u)) - u).dot(inverse)
        seen[1::2] = gamma * u
        d = seen.dot(W)
        d -= gamma * gradient
        return d

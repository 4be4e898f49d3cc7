"""L-BFGS: BFGS from the last few steps only, for many coefficients (Nocedal 1980; Liu & Nocedal 1989)."""

from __future__ import annotations

from collections import deque
from typing import final

import numpy as np

from betahat.solvers.descent.base import LineSearch, State
from betahat.solvers.descent.problem import Problem


@final
class LBFGS(LineSearch):
    """BFGS whose matrix is never made: two vectors for each of the last `memory` steps."""

    name = "lbfgs"

    def __init__(self, memory: int = 10) -> None:
        self.memory = memory

    def begin(self, problem: Problem) -> None:
        self._pairs: deque[tuple[np.ndarray, np.ndarray, float]] = deque(maxlen=self.memory)

    def direction(self, problem: Problem, state: State) -> np.ndarray:
        q = state.gradient.copy()
        shares: list[float] = []
        for step, change, along in reversed(self._pairs):
            share = float(step @ q) / along
            q -= share * change
            shares.append(share)
        if self._pairs:
            _, change, along = self._pairs[-1]
            q *= along / float(change @ change)
        for (step, change, along), share in zip(self._pairs, reversed(shares), strict=True):
            q += (share - float(change @ q) / along) * step
        return -q

    def first_length(self, state: State, direction: np.ndarray, before: float | None) -> float:
        return 1.0 if self._pairs else 1 / max(1.0, float(np.linalg.norm(direction)))

    def learn(self, step: np.ndarray, change: np.ndarray, state: State) -> None:
        along = float(step @ change)
        if along > 1e-14 * float(np.linalg.norm(step)) * float(np.linalg.norm(change)):
            self._pairs.append((step, change, along))

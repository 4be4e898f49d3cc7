"""L-BFGS: BFGS from the last few steps only, for many coefficients (Nocedal 1980; Liu & Nocedal 1989)."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import final

import numpy as np

from betahat.solvers.checks import check_count
from betahat.solvers.descent.base import LineSearch, State
from betahat.solvers.descent.problem import Problem

Pairs = Sequence[tuple[np.ndarray, np.ndarray, float]]
"""Steps s, changes y of the gradient along them, and sᵀy > 0; the latest last."""


def two_loops(pairs: Pairs, gradient: np.ndarray) -> np.ndarray:
    """−Hg with the inverse Hessian that the pairs describe (Nocedal 1980)."""
    q = gradient.copy()
    shares: list[float] = []
    for step, change, along in reversed(pairs):
        share = float(step @ q) / along
        q -= share * change
        shares.append(share)
    if pairs:
        _, change, along = pairs[-1]
        q *= along / float(change @ change)
    for (step, change, along), share in zip(pairs, reversed(shares), strict=True):
        q += (share - float(change @ q) / along) * step
    return -q


@final
class LBFGS(LineSearch):
    """BFGS whose matrix is never made: two vectors for each of the last `memory` steps."""

    name = "lbfgs"

    def __init__(self, memory: int = 10, line_search: str = "wolfe") -> None:
        super().__init__(line_search)
        check_count("memory", memory)
        self.memory = memory

    def begin(self, problem: Problem) -> None:
        self._pairs: deque[tuple[np.ndarray, np.ndarray, float]] = deque(maxlen=self.memory)

    def direction(self, problem: Problem, state: State) -> np.ndarray:
        return two_loops(self._pairs, state.gradient)

    def first_length(self, state: State, direction: np.ndarray, before: float | None) -> float:
        return 1.0 if self._pairs else 1 / max(1.0, float(np.linalg.norm(direction)))

    def learn(self, step: np.ndarray, change: np.ndarray, state: State) -> None:
        along = float(step @ change)
        if along > 1e-14 * float(np.linalg.norm(step)) * float(np.linalg.norm(change)):
            self._pairs.append((step, change, along))

"""What L-BFGS and L-BFGS-B share: the steps and changes of the gradient that are kept."""

from __future__ import annotations

import numpy as np

from betahat.solvers.checks import check_count
from betahat.solvers.descent.base import LineSearch, State
from betahat.solvers.descent.pairs import Pairs
from betahat.solvers.descent.problem import Problem

_FEWEST, _MOST, _CHEAP = 10, 30, 3000  # steps kept, and numbers in them that are no work


class LimitedMemory(LineSearch):
    """Abstract: a direction from the last `memory` steps; None: 10, up to 30 where numbers are so few that more cost
    nothing."""

    def __init__(self, memory: int | None = None, line_search: str = "wolfe") -> None:
        super().__init__(line_search)
        if memory is not None:
            check_count("memory", memory)
        self.memory = memory

    def begin(self, problem: Problem) -> None:
        memory = min(max(_FEWEST, _CHEAP // problem.n), _MOST) if self.memory is None else self.memory
        self._pairs = Pairs(memory, problem.n)

    def first_length(self, state: State, direction: np.ndarray, before: float | None) -> float:
        return 1.0 if len(self._pairs) else self.short(direction)

    def learn(self, step: np.ndarray, change: np.ndarray, state: State) -> None:
        self._pairs.take(step, change)

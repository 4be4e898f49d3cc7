"""L-BFGS: BFGS from the last few steps only, for many coefficients (Nocedal 1980; Liu & Nocedal 1989)."""

from __future__ import annotations

import math
from typing import final

import numpy as np

from betahat.solvers.checks import check_count
from betahat.solvers.descent.base import LineSearch, State
from betahat.solvers.descent.pairs import Pairs
from betahat.solvers.descent.problem import Problem


@final
class LBFGS(LineSearch):
    """BFGS whose matrix is never made: two vectors for each of the last `memory` steps. For many numbers.

    >>> import numpy as np, betahat as bh
    >>> fit = bh.minimize(lambda x: np.sum(np.cosh(x - 1.0)), np.zeros(5000), solver="lbfgs")
    >>> bool(np.allclose(fit.point, 1)), fit.status
    (True, 'stationary')
    """

    name = "lbfgs"

    def __init__(self, memory: int = 10, line_search: str = "wolfe") -> None:
        super().__init__(line_search)
        check_count("memory", memory)
        self.memory = memory

    def begin(self, problem: Problem) -> None:
        self._pairs = Pairs(self.memory, problem.n)

    def direction(self, problem: Problem, state: State) -> np.ndarray:
        return self._pairs.direction(state.gradient)

    def first_length(self, state: State, direction: np.ndarray, before: float | None) -> float:
        return 1.0 if len(self._pairs) else 1 / max(1.0, math.sqrt(float(direction @ direction)))

    def learn(self, step: np.ndarray, change: np.ndarray, state: State) -> None:
        self._pairs.take(step, change)

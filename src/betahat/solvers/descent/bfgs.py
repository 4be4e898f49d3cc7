"""BFGS: the inverse Hessian learnt from the gradient's changes (Broyden, Fletcher, Goldfarb, Shanno 1970)."""

from __future__ import annotations

from typing import final

import numpy as np

from betahat.solvers.descent.base import LineSearch, State
from betahat.solvers.descent.problem import Problem


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
        self._inverse: np.ndarray | None = None

    def direction(self, problem: Problem, state: State) -> np.ndarray:
        return -state.gradient if self._inverse is None else -(self._inverse @ state.gradient)

    def first_length(self, state: State, direction: np.ndarray, before: float | None) -> float:
        return 1.0 if self._inverse is not None else 1 / max(1.0, float(np.linalg.norm(direction)))

    def learn(self, step: np.ndarray, change: np.ndarray, state: State) -> None:
        along = float(step @ change)
        if not along > 1e-14 * float(np.linalg.norm(step)) * float(np.linalg.norm(change)):
            return  # no curvature seen: what is known stays
        if self._inverse is None:
            self._inverse = np.eye(len(step)) * (along / float(change @ change))
        moved = self._inverse @ change
        self._inverse = self._inverse + (
            np.outer(step, step) * ((along + float(change @ moved)) / along**2)
            - (np.outer(moved, step) + np.outer(step, moved)) / along
        )

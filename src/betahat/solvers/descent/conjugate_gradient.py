"""Nonlinear conjugate gradients (Hestenes & Stiefel 1952; Fletcher & Reeves 1964; Hager & Zhang 2005)."""

from __future__ import annotations

from typing import final

import numpy as np

from betahat.solvers.descent.base import LineSearch, State
from betahat.solvers.descent.problem import Problem


@final
class ConjugateGradient(LineSearch):
    """d ← −g + b d with Hager and Zhang's b, which keeps d a direction of descent: three vectors of memory, and on a
    quadratic √κ iterations where steepest descent needs κ."""

    name = "conjugate_gradient"
    flatter = 0.1

    def begin(self, problem: Problem) -> None:
        self._direction: np.ndarray | None = None
        self._change = np.zeros(problem.n)
        self._length = 0.0

    def direction(self, problem: Problem, state: State) -> np.ndarray:
        d, g, y = self._direction, state.gradient, self._change
        new = -g
        if d is not None:
            along = float(d @ y)
            if along > 0:
                b = float((y - 2 * d * (float(y @ y) / along)) @ g) / along
                least = -1 / (float(np.linalg.norm(d)) * min(0.01, float(np.linalg.norm(g))) + 1e-300)
                new = -g + max(b, least) * d
        if not new @ g < 0:
            new = -g
        self._direction = new
        return new

    def learn(self, step: np.ndarray, change: np.ndarray, state: State) -> None:
        self._change = change
        curvature = float(step @ change)
        self._length = float(step @ step) / curvature if curvature > 0 else 0.0

    def first_length(self, state: State, direction: np.ndarray, before: float | None) -> float:
        size = float(np.linalg.norm(direction))
        if not self._length:
            return 1 / max(1.0, size)
        return self._length * float(np.linalg.norm(state.gradient)) / max(size, 1e-300)

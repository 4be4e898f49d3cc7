"""Nonlinear conjugate gradients (Hestenes & Stiefel 1952; Fletcher & Reeves 1964)."""

from __future__ import annotations

from typing import final

import numpy as np

from betahat.solvers.descent.base import LineSearch, State
from betahat.solvers.descent.problem import Problem


@final
class ConjugateGradient(LineSearch):
    """d ← −g + b d with b = max(gᵀy/dᵀy, 0), y the change of the gradient along d: Hestenes and Stiefel's, begun again
    from −g where it would turn back (Gilbert & Nocedal 1992). Three vectors of memory, and on a quadratic √κ iterations
    where steepest descent needs κ.

    >>> import numpy as np, betahat as bh
    >>> curved = np.logspace(0, 2, 50)
    >>> fits = [bh.minimize(lambda x: curved @ x**2, np.ones(50), solver=way, max_iter=150)
    ...         for way in ("conjugate_gradient", "steepest_descent")]
    >>> [fit.stop_reason for fit in fits]
    ['converged', 'budget spent']
    """

    name = "conjugate_gradient"
    flatter = rising = 0.2

    def begin(self, problem: Problem) -> None:
        self._direction: np.ndarray | None = None
        self._change = np.zeros(problem.n)
        self._fall = 0.0

    def direction(self, problem: Problem, state: State) -> np.ndarray:
        d, g, y = self._direction, state.gradient, self._change
        new = -g
        if d is not None:
            along = float(d @ y)
            if along > 0:
                new = max(float(g @ y) / along, 0.0) * d - g
        if not new @ g < 0:
            new = -g
        self._direction, self._before = new, state.value
        return new

    def learn(self, step: np.ndarray, change: np.ndarray, state: State) -> None:
        self._change = change
        self._fall = self._before - state.value

    def first_length(self, state: State, direction: np.ndarray, before: float | None) -> float:
        """Where a parabola as deep as the last fall was has its minimum (Nocedal & Wright 2006, section 3.5)."""
        slope = -float(state.gradient @ direction)
        if self._fall > 0 and slope > 0:
            return min(2.02 * self._fall / slope, 1e10)
        return 1 / max(1.0, float(np.linalg.norm(direction)))

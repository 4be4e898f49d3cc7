"""Nonlinear conjugate gradients (Hestenes & Stiefel 1952; Fletcher & Reeves 1964)."""

from __future__ import annotations

import math
from typing import final

import numpy as np

from betahat.solvers.descent.base import LineSearch, State
from betahat.solvers.descent.problem import Problem

_OVERLAP = 0.2  # |gᵀ times the gradient before| / gᵀg from which conjugacy is lost
_LONGER = 10.0  # times as long as the last: no first step is


@final
class ConjugateGradient(LineSearch):
    """d ← −g + b d with b = gᵀy/dᵀy, y the change of the gradient along d: Hestenes and Stiefel's, begun again from −g
    where it would not go down, or two gradients in a row are far from orthogonal, as they never are on a quadratic
    (Powell 1977). Three vectors of memory, and on a quadratic √κ iterations where steepest descent needs κ.

    >>> import numpy as np, betahat as bh
    >>> curved = np.logspace(0, 2, 50)
    >>> fits = [bh.minimize(lambda x: curved @ x**2, np.ones(50), solver=way, max_iter=150)
    ...         for way in ("conjugate_gradient", "steepest_descent")]
    >>> [fit.stop_reason for fit in fits]
    ['converged', 'budget spent']
    """

    name = "conjugate_gradient"
    flatter = rising = 0.4

    def begin(self, problem: Problem) -> None:
        self._direction = self._change = np.zeros(problem.n)
        self._slope = self._fall = self._moved = 0.0
        self._size = 1.0

    def direction(self, problem: Problem, state: State) -> np.ndarray:
        d, g, y = self._direction, state.gradient, self._change
        squared, along = float(g.dot(g)), float(d.dot(y))
        overlap = squared - float(g.dot(y))  # gᵀ times the gradient before
        new, slope = -g, -squared
        if along > 0 and abs(overlap) <= _OVERLAP * squared:
            conjugate = ((squared - overlap) / along) * d - g
            if (falling := float(conjugate.dot(g))) < 0:
                new, slope = conjugate, falling
        self._direction, self._before = new, state.value
        self._last, self._slope = self._slope, slope
        return new

    def learn(self, step: np.ndarray, change: np.ndarray, state: State) -> None:
        self._change, self._moved = change, math.sqrt(float(step.dot(step)))
        self._fall = self._before - state.value

    def first_length(self, state: State, direction: np.ndarray, before: float | None) -> float:
        """Where a parabola as deep as the last fall has its minimum, or what would win as much as the last length if J
        fell as steeply all the way, whichever is shorter (Nocedal & Wright 2006, section 3.5); but no step ten times as
        long as the last."""
        size, last = math.sqrt(float(direction.dot(direction))), self._size
        self._size = size
        if self._fall > 0 > self._slope and size > 0:
            same = self._moved / last * self._last / self._slope
            length = min(-2.02 * self._fall / self._slope, same, _LONGER * self._moved / size)
            if 0 < length < math.inf:
                return length
        return self.short(direction)

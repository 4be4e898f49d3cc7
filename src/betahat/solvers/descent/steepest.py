"""Steepest descent: the direction in which J falls fastest (Cauchy 1847)."""

from __future__ import annotations

from typing import final

import numpy as np

from betahat.solvers.descent.base import LineSearch, State
from betahat.solvers.descent.problem import Problem


@final
class SteepestDescent(LineSearch):
    """x ← x − t ∂J/∂x with t by line search. Its error shrinks by (κ − 1)/(κ + 1) an iteration at best, κ the condition
    number of the Hessian: the yardstick for the others, not a recommendation.

    >>> import numpy as np, betahat as bh
    >>> bh.minimize(lambda x: np.sum((x - 1.0) ** 2), np.zeros(2), solver="steepest_descent").point
    array([1., 1.])
    """

    name = "steepest_descent"
    flatter = 0.5

    def begin(self, problem: Problem) -> None:
        self._length: float | None = None

    def direction(self, problem: Problem, state: State) -> np.ndarray:
        return -state.gradient

    def learn(self, step: np.ndarray, change: np.ndarray, state: State) -> None:
        along = float(step @ change)
        self._length = None
        if along > 0:  # Barzilai & Borwein's two lengths (1988), chosen between as Zhou, Gao & Dai do (2006)
            long, short = float(step @ step) / along, along / float(change @ change)
            self._length = short if short < 0.5 * long else long

    def first_length(self, state: State, direction: np.ndarray, before: float | None) -> float:
        if self._length is not None:
            return self._length
        return self.short(direction)

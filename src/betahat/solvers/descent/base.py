"""What all descents share: where they stand, when they stop, what they report."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from betahat.solvers.descent.line_search import wolfe
from betahat.solvers.descent.problem import Problem
from betahat.solvers.trace import Trace


@final
@dataclass(frozen=True)
class Limits:
    """When to stop: `tolerance` on max |gⱼ| max(|xⱼ|, 1) / max(|J|, 1), and the iterations allowed."""

    tolerance: float
    max_iterations: int


@final
@dataclass
class State:
    """A point with J, its gradient, and why the descent ended there."""

    x: np.ndarray
    value: float
    gradient: np.ndarray
    stop_reason: str = "budget spent"


LOWEST = -1e200
"""A J below this has no minimum."""


def flatness(x: np.ndarray, value: float, gradient: np.ndarray) -> float:
    """The relative gradient max |gⱼ| max(|xⱼ|, 1) / max(|J|, 1) (Dennis & Schnabel 1983)."""
    if not (np.isfinite(value) and np.isfinite(gradient).all()):
        return np.inf
    return float((np.abs(gradient) * np.maximum(np.abs(x), 1)).max(initial=0) / max(abs(value), 1.0))


Callback = Callable[[np.ndarray, float], Any]
"""Called with x and J after every iteration; anything true ends the descent."""


def ended(state: State, callback: Callback | None) -> bool:
    """Whether a descent ends after a step, and why: J has no lower bound, or the callback said so."""
    if state.value < LOWEST:
        state.stop_reason = "diverged"
        return True
    if callback is not None and callback(state.x, state.value):
        state.stop_reason = "interrupted"
        return True
    return False


class Solver(ABC):
    """A way down."""

    name: str

    @abstractmethod
    def run(self, problem: Problem, limits: Limits, trace: Trace, callback: Callback | None) -> State:
        """From the problem's start to where it ends."""


class LineSearch(Solver):
    """Direction × step: subclasses say which way, the Wolfe conditions how far."""

    flatter = 0.9

    @abstractmethod
    def begin(self, problem: Problem) -> None:
        """Forget what an earlier descent left."""

    @abstractmethod
    def direction(self, problem: Problem, state: State) -> np.ndarray:
        """Which way to go."""

    @abstractmethod
    def learn(self, step: np.ndarray, change: np.ndarray, state: State) -> None:
        """Take in a step and the change of the gradient along it."""

    def first_length(self, state: State, direction: np.ndarray, before: float | None) -> float:
        """The length to try first: 1, where directions come with a length of their own."""
        return 1.0

    def run(self, problem: Problem, limits: Limits, trace: Trace, callback: Callback | None) -> State:
        state = State(problem.start.copy(), *problem.both(problem.start))
        if not np.isfinite(state.value):
            state.stop_reason = "diverged"
            return state
        self.begin(problem)
        before: float | None = None
        restarted = False
        for _ in range(limits.max_iterations):
            flat = flatness(state.x, state.value, state.gradient)
            trace.add(state.value, float(np.abs(state.gradient).max(initial=0)), before or 0.0)
            if flat <= limits.tolerance:
                state.stop_reason = "converged"
                return state
            direction = self.direction(problem, state)
            length = self.first_length(state, direction, before)
            taken = wolfe(problem.both, state.x, direction, state.value, state.gradient, length, self.flatter)
            if taken is None:
                if restarted:
                    state.stop_reason = "no progress"
                    return state
                self.begin(problem)  # once more along the gradient itself
                restarted, before = True, None
                continue
            step, change = taken.length * direction, taken.gradient - state.gradient
            state = State(state.x + step, taken.value, taken.gradient)
            self.learn(step, change, state)
            restarted, before = False, float(np.abs(step).max())
            if ended(state, callback):
                return state
        return state

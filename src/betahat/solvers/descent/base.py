"""What all descents share: where they stand, when they stop, what they report."""

from __future__ import annotations

import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from betahat.solvers.descent.box import free_gradient
from betahat.solvers.descent.line_search import ENDLESS, LINE_SEARCHES
from betahat.solvers.descent.problem import Problem
from betahat.solvers.trace import Trace


@final
@dataclass(frozen=True)
class Limits:
    """When to stop: `tolerance` on max |gⱼ| max(|xⱼ|, 1) / max(|J|, `typical`), and the iterations allowed."""

    tolerance: float
    max_iter: int
    typical: float = 1.0


@final
@dataclass
class State:
    """A point with J, its gradient, and why the descent ended there; `remark` says more, or nothing."""

    x: np.ndarray
    value: float
    gradient: np.ndarray
    stop_reason: str = "budget spent"
    remark: str = ""


LOWEST = -1e100
"""A J below this has no minimum."""


def largest(v: np.ndarray) -> float:
    """max |vⱼ|."""
    sizes = np.abs(v)
    return float(sizes[sizes.argmax()]) if len(sizes) else 0.0  # a fraction of what a reduction costs


def flatness(x: np.ndarray, value: float, gradient: np.ndarray, typical: float = 1.0) -> float:
    """The relative gradient max |gⱼ| max(|xⱼ|, 1) / max(|J|, typical) (Dennis & Schnabel 1983)."""
    steepest = largest(gradient * np.maximum(np.abs(x), 1.0))
    flat = steepest / max(abs(value), typical)
    return flat if flat < np.inf and abs(value) < np.inf else np.inf  # NaN is below nothing


def typical_value(x: np.ndarray, value: float, gradient: np.ndarray) -> float:
    """How small a J is nothing beside the start's: 1, or less where J and its changes there are less, so that a
    function in tiny units is not taken for a flat one."""
    reach = largest(gradient * np.maximum(np.abs(x), 1.0))
    scale = abs(value) + reach
    return min(1.0, scale) if 0 < scale < np.inf else 1.0


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
    """A way down.

    bounded : whether it keeps to the bounds of a problem that has them.
    """

    name: str
    bounded: bool = False

    def __repr__(self) -> str:
        names = inspect.signature(type(self)).parameters
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"

    @abstractmethod
    def run(self, problem: Problem, limits: Limits, trace: Trace, callback: Callback | None) -> State:
        """From the problem's start to where it ends."""


class LineSearch(Solver):
    """Direction × step: subclasses say which way, a line search how far.

    line_search : "wolfe" (strong Wolfe conditions, approximate ones near a minimum) or "backtracking" (Armijo's
    condition alone).
    """

    flatter, rising = 0.9, 1.0
    _typical = 1.0

    def __init__(self, line_search: str = "wolfe") -> None:
        if line_search not in LINE_SEARCHES:
            known = ", ".join(map(repr, LINE_SEARCHES))
            raise ValueError(f"line_search (={line_search!r}) must be one of {known}")
        self.line_search = line_search

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

    def short(self, direction: np.ndarray) -> float:
        """The length of a first step −g t, whose length nothing tells: no longer than 1, and no longer than g is, in
        units of J at the start where they are tiny."""
        return 1 / max(self._typical, math.sqrt(float(direction.dot(direction))))

    def finished(
        self, problem: Problem, state: State, g: np.ndarray, steepest: float, limits: Limits
    ) -> bool:
        """Whether the descent ends here; g : the gradient without the numbers that a bound holds, steepest : max |gⱼ|,
        than which the relative gradient is no smaller."""
        if steepest > limits.tolerance * max(abs(state.value), limits.typical):
            return False
        return flatness(state.x, state.value, g, limits.typical) <= limits.tolerance

    def run(self, problem: Problem, limits: Limits, trace: Trace, callback: Callback | None) -> State:
        state = State(problem.start.copy(), *problem.both(problem.start))
        if not np.isfinite(state.value):
            state.stop_reason = "diverged"
            return state
        search, box, self._typical = LINE_SEARCHES[self.line_search], problem.box, limits.typical
        land = np.add if box is None else box.land
        self.begin(problem)
        before: float | None = None
        restarted = False
        for _ in range(limits.max_iter):
            g = free_gradient(box, state.x, state.gradient)
            steepest = largest(g)
            trace.add(state.value, steepest, before or 0.0)
            if self.finished(problem, state, g, steepest, limits):
                state.stop_reason = "converged"
                return state
            direction = self.direction(problem, state)
            first = self.first_length(state, direction, before)
            longest = np.inf if box is None else box.longest(state.x, direction)
            taken = search(
                problem.both, state.x, direction, state.value, state.gradient, first, self.flatter, self.rising,
                longest, land,
            )  # fmt: skip
            if taken is None:
                if restarted:
                    state.stop_reason = "no progress"
                    return state
                self.begin(problem)  # once more along the gradient itself
                restarted, before = True, None
                continue
            if taken.length > ENDLESS * first:
                return State(taken.point, taken.value, taken.gradient, "diverged")
            step, change = taken.point - state.x, taken.gradient - state.gradient
            state = State(taken.point, taken.value, taken.gradient)
            self.learn(step, change, state)
            restarted, before = False, largest(step)
            if ended(state, callback):
                return state
        return state

"""Transformations one after the other, and the arrays that they work in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import KW_ONLY, dataclass, field
from itertools import pairwise
from typing import Any, final

import numpy as np

from betahat.solvers.descent.base import Callback, Limits, Solver, State
from betahat.solvers.descent.problem import Problem
from betahat.solvers.descent.watch import UNDEFINED, Watch
from betahat.solvers.schedules import Constant, Schedule, as_schedule
from betahat.solvers.stochastic.average import Average
from betahat.solvers.stochastic.clip import ClipByGlobalNorm, ClipByValue
from betahat.solvers.stochastic.transformation import ScaleByLearningRate, Transformation
from betahat.solvers.trace import Trace


@final
@dataclass
class ChainState:
    """All that a chain remembers, so that a copy of its arrays is a checkpoint.

    x : (n,) where it is; memory : (m, n) what transformations keep, in their order
    average : (n,) of the iterates, or None; step : how many steps were taken
    """

    x: np.ndarray
    memory: np.ndarray
    average: np.ndarray | None
    step: int = 0
    update: np.ndarray = field(init=False, repr=False)
    scratch: np.ndarray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.update, self.scratch = np.empty_like(self.x), np.empty_like(self.x)

    @property
    def point(self) -> np.ndarray:
        """What the chain would answer now: the average where there is one."""
        return self.x if self.average is None else self.average


@final
class Chain(Solver):
    """x ← x − T₂(T₁(∂J/∂x)) for transformations T₁, T₂, …, with an average of the iterates beside it.

    >>> import numpy as np
    >>> from betahat.solvers.stochastic.clip import ClipByGlobalNorm
    >>> from betahat.solvers.stochastic.transformation import ScaleByLearningRate
    >>> chain = Chain(ClipByGlobalNorm(1.0), ScaleByLearningRate(0.5))
    >>> state = chain.start(np.zeros(2))
    >>> chain.step(state, np.array([30.0, 40.0]))
    >>> state.x
    array([-0.3, -0.4])
    """

    name = "chain"

    def __init__(self, *transformations: Transformation, average: Average | None = None) -> None:
        for transformation in transformations:
            if not isinstance(transformation, Transformation):
                raise TypeError(
                    f"a chain is made of transformations, such as ScaleByAdam(), not {transformation!r}"
                )
        if average is not None and not isinstance(average, Average):
            raise TypeError(f"average (={average!r}) must be PolyakRuppert(), ExponentialAverage() or None")
        self.transformations, self.average = transformations, average
        edges = np.cumsum([0, *(len(t.keeps) for t in transformations)])
        self._rows = [slice(int(a), int(b)) for a, b in pairwise(edges)]

    def __repr__(self) -> str:
        inside = [repr(t) for t in self.transformations]
        return f"Chain({', '.join(inside + ([f'average={self.average!r}'] if self.average else []))})"

    def start(self, x: Any) -> ChainState:
        """The state at x (n,) float32 or float64, of which it makes a copy. Everything is allocated here."""
        x = np.array(x)
        if x.ndim != 1 or x.dtype not in (np.float32, np.float64):
            raise TypeError(
                f"x must be a vector of float64 or float32, not of {x.dtype} with shape {x.shape}"
            )
        memory = np.zeros((sum(len(t.keeps) for t in self.transformations), len(x)), x.dtype)
        for transformation, rows in zip(self.transformations, self._rows, strict=True):
            transformation.prepare(list(memory[rows]))
        return ChainState(x, memory, None if self.average is None else x.copy())

    def resume(self, state: ChainState) -> ChainState:
        """The state, if a chain that keeps the same left it; ValueError otherwise."""
        rows = sum(len(t.keeps) for t in self.transformations)
        if len(state.memory) != rows or (state.average is None) != (self.average is None):
            raise ValueError(
                f"the state keeps {len(state.memory)} vectors and {'no' if state.average is None else 'an'} average; "
                f"{self!r} needs {rows} and {'no' if self.average is None else 'an'} average: it is another chain's"
            )
        return state

    def step(self, state: ChainState, gradient: np.ndarray) -> None:
        """One step along a gradient (n,), which stays as it is. Allocates no vector."""
        u = state.update
        np.copyto(u, gradient)
        for transformation, rows in zip(self.transformations, self._rows, strict=True):
            transformation.apply(u, state.x, state.step, tuple(state.memory[rows]), state.scratch)
        state.x -= u
        if self.average is not None and state.average is not None:
            self.average.learn(state.average, state.x, state.step, state.scratch)
        state.step += 1

    def run(self, problem: Problem, limits: Limits, trace: Trace, callback: Callback | None) -> State:
        """With the whole gradient of a deterministic function at every step."""
        with np.errstate(over="ignore", invalid="ignore"):
            inner, constant = self.start(problem.start), self._is_constant()
            inertia = [t.inertia for t in self.transformations]
            carried = max((share for share in inertia if share is not None), default=0.0)
            watch = Watch(limits, trace, callback, carried if constant and None not in inertia else None)
            here = state = State(problem.start.copy(), *problem.both(problem.start))
            moved = 0.0
            while (end := watch.over(state, moved)) is None:
                self.step(inner, here.gradient)
                if constant and np.array_equal(inner.x, here.x) and not inner.memory.any():
                    return watch.stuck(state)
                here = State(inner.x.copy(), *problem.both(inner.x))
                following = here
                if inner.average is not None:
                    following = State(inner.average.copy(), *problem.both(inner.average))
                moved = float(np.abs(following.x - state.x).max(initial=0))
                state = following
        if end.stop_reason == "diverged" and end.remark != UNDEFINED:
            end.remark = "J rose or grew beyond what numbers can hold: the learning rate is too large"
        return end

    def _is_constant(self) -> bool:
        """Whether equal gradients make equal steps at all times."""
        rates = [t.learning_rate for t in self.transformations if isinstance(t, ScaleByLearningRate)]
        return all(isinstance(as_schedule(rate), Constant) for rate in rates)


@dataclass(frozen=True)
class ChainSolver(Solver, ABC):
    """What the named chains share.

    Gradients are clipped (`clip_value`, then `clip_norm`), made into a step by the method's own transformations,
    and multiplied by the learning rate. As solvers of a deterministic function they take its whole gradient at every
    step; they end as "converged" where max |gⱼ| max(|xⱼ|, 1)/max(|J|, 1) ≤ tolerance, as "diverged" where J grows
    beyond what numbers can hold or (at a constant learning rate, without scaling and clipping) rises for long, and else
    when the budget is spent, at the best point.
    """

    learning_rate: float | Schedule = 0.01
    _: KW_ONLY
    clip_value: float | None = None
    clip_norm: float | None = None
    average: Average | None = None

    @abstractmethod
    def links(self) -> tuple[Transformation, ...]:
        """What makes a step of a gradient, but for its length."""

    @property
    def chain(self) -> Chain:
        """All transformations, in order."""
        clips: list[Transformation] = []
        if self.clip_value is not None:
            clips.append(ClipByValue(self.clip_value))
        if self.clip_norm is not None:
            clips.append(ClipByGlobalNorm(self.clip_norm))
        return Chain(*clips, *self.links(), ScaleByLearningRate(self.learning_rate), average=self.average)

    def __post_init__(self) -> None:
        _ = self.chain  # which refuses wrong parameters, now rather than later

    def run(self, problem: Problem, limits: Limits, trace: Trace, callback: Callback | None) -> State:
        """From the problem's start to where it ends."""
        return self.chain.run(problem, limits, trace, callback)

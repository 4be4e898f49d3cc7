"""Gradient descent: the learning rate, momentum, and Nesterov's acceleration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, final

import numpy as np

from betahat.solvers.checks import check_memory
from betahat.solvers.descent.base import Callback, Limits, Solver, State
from betahat.solvers.descent.problem import Problem
from betahat.solvers.descent.watch import UNDEFINED, Watch
from betahat.solvers.schedules import Constant, Schedule, as_schedule
from betahat.solvers.trace import Trace

_GROW, _RELAX = 2.0, 0.9  # what L is multiplied by after a step too long, and after a good one
_ROUNDING = 1e-13  # relative fall of J below which its values say nothing
_DOUBTED = 1e3  # growth of L in one iteration that no minimum nearby explains
_LARGEST = 1e300  # L


@final
@dataclass(frozen=True)
class GradientDescent(Solver):
    """x ← x − η ∂J/∂x.

    learning_rate : η: a number, a :class:`~betahat.solvers.schedules.Schedule`, or "auto": 1/L with L the largest
        eigenvalue that the Hessian can have, where the problem knows it (least squares exactly, logistic regression a
        bound); elsewhere L is searched for until J(x − g/L) ≤ J(x) − ‖g‖²/(2L) (Beck & Teboulle 2009).
    momentum : μ of the heavy ball, x ← x − η g + μ (x − x₋₁) (Polyak 1964), or with `nesterov` of Nesterov's method.
    nesterov : take the gradient at y = x + μ (x − x₋₁), x ← y − η ∂J/∂y (Nesterov 1983). With `momentum` 0 μ grows as
        (tₖ − 1)/tₖ₊₁, tₖ₊₁ = (1 + √(1 + 4tₖ²))/2, which needs to know nothing of J.
    restart : in Nesterov's method, forget the momentum once it points uphill, gᵀ(x₊ − x) > 0, so that it is as quick
        as with the best μ (O'Donoghue & Candès 2015).

    On a quadratic with condition number κ, iterations to gain a digit grow as κ, and as √κ with `nesterov` or the best
    momentum. A constant learning rate converges only below 2/L; above, J rises, and the descent ends as "diverged" at
    the best point that it saw. It ends as "converged" where max |gⱼ| max(|xⱼ|, 1)/max(|J|, 1) ≤ tolerance, as "no
    progress" where the step no longer changes x.

    >>> import numpy as np, betahat as bh
    >>> def bowl(x):
    ...     return np.sum(np.array([1.0, 10.0]) * (x - 1.0) ** 2) / 2
    >>> bh.minimize(bowl, np.zeros(2), solver=bh.solvers.GradientDescent(0.1)).point
    array([1., 1.])
    >>> bh.minimize(bowl, np.zeros(2), solver=bh.solvers.GradientDescent(0.21)).stop_reason
    'diverged'
    """

    learning_rate: float | Schedule | Literal["auto"] = "auto"
    momentum: float = 0.0
    nesterov: bool = False
    restart: bool = True

    name = "gradient_descent"

    def __post_init__(self) -> None:
        if isinstance(self.learning_rate, str):
            if self.learning_rate != "auto":
                raise ValueError(
                    f"learning_rate (={self.learning_rate!r}) must be a number, a Schedule or 'auto'"
                )
        else:
            as_schedule(self.learning_rate)
        check_memory("momentum", self.momentum)

    def run(self, problem: Problem, limits: Limits, trace: Trace, callback: Callback | None) -> State:
        """From the problem's start to where it ends."""
        with np.errstate(over="ignore", invalid="ignore"):
            schedule = self._schedule(problem)
            constant = isinstance(schedule, Constant)
            # Nesterov's growing momentum never carries J to above where it began: what it may do there is enough
            inertia = 0.5 if self.nesterov and not self.momentum else self.momentum
            watch = Watch(limits, trace, callback, inertia if constant else None)
            state = State(problem.start.copy(), *problem.both(problem.start))
            path = _Path(problem, schedule, self, state, limits.typical)
            moved, step = 0.0, 0
            while (end := watch.over(state, moved)) is None:
                following = path.step(state, step)
                if following is None:
                    return watch.stuck(state)
                moved = float(np.abs(following.x - state.x).max(initial=0))
                if moved == 0 and constant:  # a schedule may begin, or pause, at 0
                    return watch.stuck(state)
                state, step = following, step + 1
            if end.stop_reason == "diverged" and end.remark != UNDEFINED and schedule is not None:
                end.remark = self._too_long(
                    schedule.at(step), problem.largest_curvature(), watch.curvature(state)
                )
        return end

    def _schedule(self, problem: Problem) -> Schedule | None:
        """η, or None where it must be searched for."""
        if self.learning_rate != "auto":
            return as_schedule(self.learning_rate)
        curvature = problem.largest_curvature()
        if curvature is None or not (0 < curvature < _LARGEST and 1 / curvature < _LARGEST):
            return None
        return Constant(1 / curvature)

    @staticmethod
    def _too_long(rate: float, known: float | None, met: float) -> str:
        curvature = known if known is not None else met
        if not (np.isfinite(curvature) and curvature > 0):
            return f"J grew beyond what numbers can hold: the learning rate ({rate:.6g}) is too large"
        return (
            f"J rose: the learning rate ({rate:.6g}) is too large where the largest curvature "
            f"{'' if known is not None else 'met '}is L = {curvature:.6g}; without momentum it must stay below 2/L = "
            f"{2 / curvature:.6g}"
        )


class _Trial(NamedTuple):
    """x₊ = y − η g, with J and ∂J/∂x there if they had to be computed."""

    x: np.ndarray
    value: float | None = None
    gradient: np.ndarray | None = None


@final
class _Path:
    """Where a descent has been: what momentum and the search for L remember."""

    def __init__(
        self,
        problem: Problem,
        schedule: Schedule | None,
        method: GradientDescent,
        state: State,
        typical: float,
    ) -> None:
        self._problem, self._schedule, self._method = problem, schedule, method
        self._before = state.x  # x₋₁ of the heavy ball; the last x₊ in Nesterov's method
        self._t = 1.0
        self._L = max(typical, float(np.linalg.norm(state.gradient)))
        self._found = False

    def step(self, state: State, step: int) -> State | None:
        """The next point to evaluate, evaluated; None where no step lowers J."""
        trial = self._trial(state, step)
        if trial is None:
            return None
        x = self._accelerated(state, trial.x) if self._method.nesterov else self._carried(state, trial.x)
        if x is trial.x and trial.value is not None and trial.gradient is not None:
            return State(x, trial.value, trial.gradient)
        return State(x, *self._problem.both(x))

    def _carried(self, state: State, x: np.ndarray) -> np.ndarray:
        momentum, before = self._method.momentum, self._before
        self._before = state.x
        return x + momentum * (state.x - before) if momentum else x

    def _accelerated(self, state: State, x: np.ndarray) -> np.ndarray:
        change = x - self._before
        self._before = x
        if self._method.restart and float(state.gradient @ change) > 0:
            self._t, self._L = 1.0, self._L * _RELAX
            return x
        momentum = self._method.momentum
        if not momentum:
            following = (1 + np.sqrt(1 + 4 * self._t**2)) / 2
            momentum, self._t = (self._t - 1) / following, following
        return x + momentum * change if momentum else x

    def _trial(self, state: State, step: int) -> _Trial | None:
        if self._schedule is not None:
            return _Trial(state.x - self._schedule.at(step) * state.gradient)
        squared = float(state.gradient @ state.gradient)
        plain = not (self._method.momentum or self._method.nesterov)
        if not self._found:  # the first L was a guess, and may be far too large
            while self._falls(state, squared, self._L / 10) and self._L > 1 / _LARGEST:
                self._L /= 10
            self._found = True
        tried = self._L
        while self._L < _LARGEST:
            x = state.x - state.gradient / self._L
            if np.array_equal(x, state.x):
                return None
            value, gradient = self._problem.both(x) if plain else (self._problem.value(x), None)
            if squared / (2 * self._L) <= _ROUNDING * abs(state.value):
                # J can say nothing more of L; where it has said a lot, the gradient is not its own
                return _Trial(x, value, gradient) if _DOUBTED * tried >= self._L else None
            if value <= state.value - squared / (2 * self._L):
                self._L *= _RELAX if plain else 1.0  # a steep start must not keep all steps short
                return _Trial(x, value, gradient)
            self._L *= _GROW
        return None

    def _falls(self, state: State, squared: float, L: float) -> bool:
        return self._problem.value(state.x - state.gradient / L) <= state.value - squared / (2 * L)

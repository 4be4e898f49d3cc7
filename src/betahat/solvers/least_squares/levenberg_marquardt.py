"""Levenberg–Marquardt: Gauss and Newton's step, shortened towards steepest descent while it does not help."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, final

import numpy as np

from betahat.solvers.descent.base import Callback, Limits, Solver, State, ended
from betahat.solvers.descent.problem import Problem
from betahat.solvers.least_squares.polish import polish
from betahat.solvers.least_squares.problem import SumOfSquares, half_square
from betahat.solvers.least_squares.steps import (
    FALL,
    Linearised,
    as_sum_of_squares,
    held_by,
    land,
    solve_linear,
)
from betahat.solvers.trace import Trace

_EPS = float(np.finfo(np.float64).eps)
_PROBE = 0.1  # length of the step along which the second derivative is measured
_BENT = 0.75  # relative size up to which an acceleration is believed


class _Trial(NamedTuple):
    """A point tried: where it is, the residuals there, ½rᵀr."""

    x: np.ndarray
    r: np.ndarray
    value: float


@final
class LevenbergMarquardt(Solver):
    """(JᵀJ + λD²) δ = −Jᵀr, with λ falling while steps succeed (Levenberg 1944; Marquardt 1963; Nielsen 1999).

    D holds the lengths of J's columns, so that the units of the numbers do not matter. To each step comes half its
    geodesic acceleration, from the second derivative along it (Transtrum & Sethna 2012). `linear` are places of numbers
    that r is linear in, all at once, and that have no bounds: they are solved for at every point and the others alone
    descend (variable projection, Golub & Pereyra 1973; Kaufman 1975). Bounds hold by projection: a number on a bound
    that stops its fall is left out of the step.

    Ends when Gauss–Newton foresees a relative fall of J below 10⁻¹⁴; then a few of Newton's steps, with all second
    derivatives, bring the gradient down to rounding.

    >>> import numpy as np, betahat as bh
    >>> fit = bh.least_squares(lambda x: np.stack([10 * (x[1] - x[0] ** 2), 1 - x[0]]), [-1.2, 1.0])
    >>> fit.point, fit.solver
    (array([1., 1.]), 'levenberg_marquardt')
    """

    name = "levenberg_marquardt"

    bounded = True

    def __init__(self, damping: float = 1e-3, geodesic: bool = True, linear: Sequence[int] = ()) -> None:
        if not (np.isfinite(damping) and damping > 0):
            raise ValueError(f"damping (={damping!r}) must be a positive number: the λ to begin with")
        self.damping, self.geodesic, self.linear = float(damping), bool(geodesic), tuple(linear)

    def run(self, problem: Problem, limits: Limits, trace: Trace, callback: Callback | None) -> State:
        problem = as_sum_of_squares(problem, self.name)
        linear = np.zeros(problem.n, bool)
        linear[list(self.linear)] = True
        x = problem.start if problem.box is None else problem.box.project(problem.start)
        with np.errstate(all="ignore"):
            solved = solve_linear(problem, x, linear) if linear.any() else None
            x = x.copy() if solved is None else solved[0]
            r, J = problem.linearised(x)
            state = State(x, half_square(r), J.T @ r)
            if not np.isfinite(state.value) or not np.isfinite(J).all():
                state.stop_reason = "diverged"
                return state
            return self._descend(problem, linear, state, r, J, limits, trace, callback)

    def _descend(
        self, problem: SumOfSquares, linear: np.ndarray, state: State, r: np.ndarray, J: np.ndarray, limits: Limits,
        trace: Trace, callback: Callback | None,
    ) -> State:  # fmt: skip
        damping, growth, size = self.damping, 2.0, 0.0
        unit = np.zeros(problem.n)
        for _ in range(limits.max_iterations):
            trace.add(state.value, float(np.abs(state.gradient).max(initial=0)), size)
            held = held_by(problem.box, state.x, state.gradient)
            here = Linearised(r, J, unit, linear, ~(linear | held))
            unit = here.unit
            if here.fall <= FALL * state.value:
                state.stop_reason = "converged"
                break
            taken: _Trial | None = None
            while taken is None:
                step, foreseen = here.step(damping)
                trial = self._try(problem, state.x, step, here, damping, linear)
                size = float(
                    np.max(np.abs(trial.x - state.x) / np.maximum(np.abs(state.x), 1e-300), initial=0)
                )
                if trial.value < state.value and np.isfinite(trial.value):
                    share = (state.value - trial.value) / foreseen if foreseen > 0 else 1.0
                    damping *= max(1 / 9, 1 - (2 * min(share, 1.0) - 1) ** 3)
                    growth = 2.0
                    new_r, new_J = problem.linearised(trial.x)
                    if half_square(new_r) < state.value and np.isfinite(new_J).all():
                        taken = trial
                        r, J = new_r, new_J
                        continue
                small = (np.abs(trial.x - state.x) <= 2 * _EPS * np.abs(state.x)).all()
                if small or damping > 1e20:
                    state.stop_reason = "converged" if here.is_near(state) else "no progress"
                    break
                damping, growth = damping * growth, min(2 * growth, 1e6)
            if taken is None:
                break
            state = State(taken.x, half_square(r), J.T @ r)
            if ended(state, callback):
                return state
        if state.stop_reason in ("converged", "no progress"):
            return polish(problem, state, J)
        return state

    def _try(
        self, problem: SumOfSquares, x: np.ndarray, step: np.ndarray, here: Linearised, damping: float,
        linear: np.ndarray,
    ) -> _Trial:  # fmt: skip
        """Where the step leads, bent by its acceleration, or with the linear numbers solved for."""
        if linear.any():
            there = land(problem.box, x, step)
            found = solve_linear(problem, there, linear)
            return _Trial(there, x, np.inf) if found is None else _Trial(*found, half_square(found[1]))
        if self.geodesic:
            ahead = problem.residuals(land(problem.box, x, _PROBE * step))
            bent = here.acceleration((ahead - here.r) / _PROBE - here.J @ step, 2 / _PROBE, damping)
            if here.length(bent) <= _BENT / 2 * here.length(step):
                step = step + bent
        there = land(problem.box, x, step)
        r = problem.residuals(there)
        return _Trial(there, r, half_square(r))

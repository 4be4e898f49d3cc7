"""Gauss–Newton: the linearised sum of squares solved at every step."""

from __future__ import annotations

from typing import final

import numpy as np

from betahat.solvers.descent.base import Callback, Limits, Solver, State, ended
from betahat.solvers.descent.box import held_by, land
from betahat.solvers.descent.problem import Problem
from betahat.solvers.least_squares.polish import polish
from betahat.solvers.least_squares.problem import half_square
from betahat.solvers.least_squares.steps import (
    FALL,
    as_sum_of_squares,
    linearise,
    relative_change,
)
from betahat.solvers.trace import Trace

_ENOUGH = 1e-4  # share of the slope's promise that a step must keep (Armijo 1966)
_HALVINGS = 40


@final
class GaussNewton(Solver):
    """JᵀJ δ = −Jᵀr, halved until J falls enough (Gauss 1809; Armijo 1966).

    Newton's method without the residuals' second derivatives: as fast where residuals are small at the end, and lost
    where J loses rank on the way, which Levenberg–Marquardt's damping mends. Ends as that does.

    >>> import numpy as np, betahat as bh
    >>> x, y = np.arange(4.0), np.array([2.0, 1.2, 0.8, 0.5])
    >>> fit = bh.least_squares(lambda b: b[0] * np.exp(-b[1] * x) - y, [1.0, 0.3], solver="gauss_newton")
    >>> fit.point.round(4), fit.stop_reason
    (array([1.985 , 0.4683]), 'converged')
    """

    name = "gauss_newton"
    bounded = True

    def run(self, problem: Problem, limits: Limits, trace: Trace, callback: Callback | None) -> State:
        problem = as_sum_of_squares(problem, self.name)
        box = problem.box
        x = problem.start.copy() if box is None else box.project(problem.start)
        none = np.zeros(problem.n)
        with np.errstate(all="ignore"):
            r, J = problem.linearised(x)
            state = State(x, half_square(r), J.T @ r)
            if not np.isfinite(state.value) or not np.isfinite(J).all():
                state.stop_reason = "diverged"
                return state
            size, before = 0.0, np.inf
            for _ in range(limits.max_iter):
                trace.add(state.value, float(np.abs(state.gradient).max(initial=0)), size)
                held = held_by(box, state.x, state.gradient)
                here = linearise(r, J, state.gradient, none, held if held.any() else None, None)
                if here.fall <= FALL * state.value or here.arrived(state, before):
                    state.stop_reason = "converged"
                    return polish(problem, state, trace).state
                step, _ = here.step(0.0)
                slope = float(state.gradient @ step)
                length = 1.0
                for _ in range(_HALVINGS):
                    there = land(box, state.x, length * step)
                    value = half_square(problem.residuals(there))
                    if value <= state.value + _ENOUGH * length * slope:
                        break
                    length /= 2
                else:
                    state.stop_reason = "converged" if here.is_near(state) else "no progress"
                    return polish(problem, state, trace).state
                new_r, new_J = problem.linearised(there)
                if not np.isfinite(new_J).all():
                    state.stop_reason = "diverged"
                    return state
                size = relative_change(there, state.x)
                r, J, before = new_r, new_J, state.value
                state = State(there, half_square(r), J.T @ r)
                if ended(state, callback):
                    return state
        return state

"""Conjugate gradients for a quadratic, as they were invented (Hestenes & Stiefel 1952)."""

from __future__ import annotations

from dataclasses import replace
from typing import final

import numpy as np

from betahat.solvers.descent.base import Callback, Limits, Solver, State, ended, flatness
from betahat.solvers.descent.problem import Problem
from betahat.solvers.trace import Trace

_FRESH = 50  # iterations after which the gradient is computed anew, since the recurrence for it drifts
_PATIENCE = 5  # times n iterations without a smaller gradient: rounding is reached


@final
class LinearConjugateGradient(Solver):
    """x ← x + t d with the exact t = gᵀg/dᵀHd and d ← −g + (g₊ᵀg₊/gᵀg) d: for a quadratic, whose Hessian is one.

    Directions are conjugate, dᵢᵀHdⱼ = 0, so that without rounding n iterations end it; its error in the norm
    √(eᵀHe) is below 2 ((√κ − 1)/(√κ + 1))ᵏ after k.
    """

    name = "conjugate_gradient"

    def run(self, problem: Problem, limits: Limits, trace: Trace, callback: Callback | None) -> State:
        """From the problem's start to where it ends."""
        state = best = State(problem.start.copy(), *problem.both(problem.start))
        direction, moved, waited = -state.gradient, 0.0, 0
        for k in range(limits.max_iter + 1):
            trace.add(state.value, float(np.abs(state.gradient).max(initial=0)), moved)
            if flatness(state.x, state.value, state.gradient) <= limits.tolerance:
                return replace(state, stop_reason="converged")
            flatter = np.linalg.norm(state.gradient) < np.linalg.norm(best.gradient)
            best, waited = (state, 0) if flatter else (best, waited + 1)
            if waited > _PATIENCE * problem.n + _FRESH:
                return replace(best, stop_reason="no progress")
            if k == limits.max_iter:
                break
            moving = problem.product(state.x, direction)
            bend, squared = float(direction @ moving), float(state.gradient @ state.gradient)
            if not bend > 0:
                return replace(best, stop_reason="no progress")
            x = state.x + (squared / bend) * direction
            if k % _FRESH == _FRESH - 1:
                following = State(x, *problem.both(x))
            else:
                fall = 0.5 * squared**2 / bend
                following = State(x, state.value - fall, state.gradient + (squared / bend) * moving)
            share = float(following.gradient @ following.gradient) / squared
            direction = share * direction - following.gradient
            moved, state = float(np.abs(x - state.x).max(initial=0)), following
            if ended(state, callback):
                return state
        return best

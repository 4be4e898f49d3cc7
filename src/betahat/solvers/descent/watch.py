"""What looks after a descent whose steps are not checked one by one: the best point so far, and whether all is lost."""

from __future__ import annotations

from dataclasses import replace
from typing import final

import numpy as np

from betahat.solvers.descent.base import Callback, Limits, State, ended, flatness
from betahat.solvers.trace import Trace

_RISES = 20  # in a row, that a descent does not recover from
_ROUNDING = 1e-14  # relative change of J that is no rise
UNDEFINED = "J is not finite at the start"


@final
class Watch:
    """Asked after each evaluation whether to go on.

    A descent is lost ("diverged") where J or its gradient is not finite. Where twice the gradients make twice the step
    at all times and `inertia` of each goes on in the next, it is also lost once J has risen 20 times in a row, or, as
    momentum μ can carry it uphill for about 1/(1 − μ) iterations, 20 + 10/(1 − μ) times to above where it began. It
    then ends at the best point, as it does when the budget is spent. None: such rises are not judged.
    """

    def __init__(
        self, limits: Limits, trace: Trace, callback: Callback | None, inertia: float | None
    ) -> None:
        self._limits, self._trace, self._callback = limits, trace, callback
        self._judged, self._plain = inertia is not None, inertia == 0
        self._patience = _RISES + (10 / (1 - inertia) if inertia else 0)
        self._first = self._best = self._before = None
        self._rises = self._iterations = 0

    _first: State | None
    _best: State | None
    _before: State | None

    def over(self, state: State, moved: float) -> State | None:
        """Where the descent ends, if it does at `state`, to which its largest change of a coefficient was `moved`."""
        if not (np.isfinite(state.value) and np.isfinite(state.gradient).all()):
            return self._end(state, "diverged", UNDEFINED if self._best is None else "")
        self._trace.add(state.value, float(np.abs(state.gradient).max(initial=0)), moved)
        if self._best is None or self._before is None or self._first is None:
            self._first = self._best = state
        else:
            if state.value <= self._best.value:
                self._best = state
            rose = state.value - self._before.value > _ROUNDING * abs(state.value)
            self._rises = self._rises + 1 if rose else 0
            if ended(state, self._callback):
                return state
        if flatness(state.x, state.value, state.gradient, self._limits.typical) <= self._limits.tolerance:
            return replace(state, stop_reason="converged")
        lost = self._judged and self._rises >= self._patience
        if lost and (self._plain or state.value > self._first.value):
            return self._end(state, "diverged")
        if self._iterations == self._limits.max_iter:
            return self._end(state, "budget spent")
        self._iterations += 1
        self._before = state
        return None

    def stuck(self, state: State) -> State:
        """The end of a descent whose step no longer changes x."""
        return self._end(state, "no progress")

    def curvature(self, state: State) -> float:
        """|∂²J/∂x²| along the last step, near the largest there is where a descent diverges; or NaN."""
        if self._before is None or self._before is state:
            return np.nan
        step = state.x - self._before.x
        length = float(step @ step)
        return abs(float(step @ (state.gradient - self._before.gradient))) / length if length > 0 else np.nan

    def _end(self, state: State, reason: str, remark: str = "") -> State:
        return replace(self._best or state, stop_reason=reason, remark=remark)

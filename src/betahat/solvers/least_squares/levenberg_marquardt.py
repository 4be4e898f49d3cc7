"""Levenberg–Marquardt: Gauss and Newton's step, shortened towards steepest descent while it does not help."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, final

import numpy as np

from betahat.solvers.checks import check_count, check_positive
from betahat.solvers.descent.base import Callback, Limits, Solver, State, ended, largest
from betahat.solvers.descent.box import land
from betahat.solvers.descent.problem import Problem
from betahat.solvers.least_squares.polish import polish
from betahat.solvers.least_squares.problem import Compiled, SumOfSquares, half_square
from betahat.solvers.least_squares.steps import (
    FADING,
    FALL,
    SQUARED,
    Linearised,
    as_sum_of_squares,
    linearise,
    relative_change,
    solve_linear,
)
from betahat.solvers.trace import Trace

_EPS = float(np.finfo(np.float64).eps)
_PROBE = 0.1  # length of the step along which the second derivative is measured
_BENT = 0.75  # relative size up to which an acceleration is believed
_EARLY, _LATER = (
    1e-4,
    1e-2,
)  # relative fall from which Newton's steps are tried, and by how much less the next time
_LONG = 6  # iterations ahead, from which a few of Newton's are quicker
_MOST = 1e20  # damping beyond which no step is tried
_NOTHING = np.zeros(0), np.zeros((0, 0))  # where residuals are computed elsewhere
_SETTINGS = (FALL, SQUARED, FADING, _PROBE, _BENT, _MOST, float(_LONG))


class _Trial(NamedTuple):
    """A point tried, and ½rᵀr there."""

    x: np.ndarray
    value: float


@final
class LevenbergMarquardt(Solver):
    """(JᵀJ + λD²) δ = −Jᵀr, with λ falling while steps succeed (Levenberg 1944; Marquardt 1963; Nielsen 1999).

    D holds the lengths of J's columns, so that the units of the numbers do not matter. To each step comes half its
    geodesic acceleration, from the second derivative along it (Transtrum & Sethna 2012). `linear` are places of numbers
    that r is linear in, all at once, and that have no bounds: they are solved for at every point and the others alone
    descend (variable projection, Golub & Pereyra 1973; Kaufman 1975). Bounds hold by projection: a number on a bound
    that stops its fall is left out of the step.

    Ends when Gauss–Newton foresees a relative fall of J below 10⁻¹⁴, or sooner where its steps are slow near the end:
    then a few of Newton's, with all second derivatives, bring the gradient down to rounding.

    >>> import numpy as np, betahat as bh
    >>> fit = bh.least_squares(lambda x: np.stack([10 * (x[1] - x[0] ** 2), 1 - x[0]]), [-1.2, 1.0])
    >>> fit.point, fit.solver
    (array([1., 1.]), 'levenberg_marquardt')
    """

    name = "levenberg_marquardt"

    bounded = True

    def __init__(self, damping: float = 1e-3, geodesic: bool = True, linear: Sequence[int] = ()) -> None:
        check_positive("damping", damping)
        if not isinstance(geodesic, (bool, np.bool_)):
            raise TypeError(f"geodesic (={geodesic!r}) must be True or False")
        for place in linear:
            check_count("linear", place, least=0)
        self.damping, self.geodesic, self.linear = float(damping), bool(geodesic), tuple(linear)

    def run(self, problem: Problem, limits: Limits, trace: Trace, callback: Callback | None) -> State:
        problem = as_sum_of_squares(problem, self.name)
        linear: np.ndarray | None = None
        x = problem.start.copy() if problem.box is None else problem.box.project(problem.start)
        with np.errstate(all="ignore"):
            if self.linear:
                linear = self._places(problem)
                solved = solve_linear(problem, x, linear)
                x = x if solved is None else solved[0]
            compiled = problem.compiled(x, advancing=True) if linear is None and self.geodesic else None
            if compiled is not None:
                found = self._descend(
                    problem, compiled, None, State(x, 0.0, x), *_NOTHING, limits, trace, callback
                )
                if found is not None:
                    return found
            state, r, J = _linearised(problem, x, rough=True)
            if state.stop_reason == "diverged":
                return state
            found = self._descend(problem, None, linear, state, r, J, limits, trace, callback)
            assert found is not None
            return found

    def _places(self, problem: SumOfSquares) -> np.ndarray:
        """`linear` as (n,) booleans; ValueError for places that the problem has not, or that have bounds."""
        for place in self.linear:
            if place >= problem.n:
                raise ValueError(f"linear holds {place}, and there are {problem.n} numbers, from place 0")
            if (
                problem.box is not None
                and np.isfinite([problem.box.lower[place], problem.box.upper[place]]).any()
            ):
                raise ValueError(
                    f"linear holds {place}, and that number has bounds, which solving for it would not keep"
                )
        linear = np.zeros(problem.n, bool)
        linear[list(self.linear)] = True
        return linear

    def _descend(
        self, problem: SumOfSquares, compiled: Compiled | None, linear: np.ndarray | None, state: State, r: np.ndarray,
        J: np.ndarray, limits: Limits, trace: Trace, callback: Callback | None,
    ) -> State | None:  # fmt: skip
        """The end; None where `compiled` turns out to be another problem's."""
        damping, size, rough = self.damping, 0.0, True
        unit, before, untried = np.zeros(problem.n), np.inf, _EARLY
        made = 0
        while made < limits.max_iter:
            fall = math.nan
            if compiled is not None:  # as far as it goes
                x, gradient = state.x.copy(), np.empty(problem.n)
                numbers = np.array([damping, before, untried, size, 0.0, 0.0, 0.0])
                rows = compiled.advance(x, gradient, unit, numbers, _SETTINGS, limits.max_iter - made)
                if rows is None:
                    return None
                made += len(rows)
                trace.add_all(rows)
                damping, before, untried, size, _, value, fall = numbers.tolist()
                state, rough = State(x, value, gradient), False
                if ended(state, callback):
                    return state
                if made == limits.max_iter:
                    break
                if math.isnan(fall):
                    state, r, J = _linearised(problem, x)
                    if state.stop_reason == "diverged":
                        return state
            made += 1
            trace.add(state.value, largest(state.gradient), size)
            here = None
            if math.isnan(fall):
                held = None if problem.box is None else problem.box.held(state.x, state.gradient)
                here = linearise(r, J, state.gradient, unit, held, linear)
                unit, fall = here.unit, here.fall
            if fall <= FALL * state.value:
                state.stop_reason = "converged"
                break
            long = (
                here is None or _iterations_left(fall, before, state.value) > _LONG
            )  # or that is why it stopped
            if fall <= untried * state.value and long:
                polished = polish(problem, state, trace)
                if polished.done:
                    return polished.state
                untried = _LATER * (fall / state.value if state.value > 0 else math.inf)
            if here is None:
                continue
            before = here.fall
            taken = self._step(problem, state, here, damping, linear, rough)
            if taken is None and rough and not here.is_near(state):  # perhaps for the want of digits in J
                rough, damping, unit = False, self.damping, np.zeros(problem.n)
                r, J = problem.linearised(state.x)
                state.gradient = r @ J
                continue
            if taken is None:
                state.stop_reason = "converged" if here.is_near(state) else "no progress"
                break
            new, r, J, damping = taken
            size = relative_change(new.x, state.x)
            state = new
            if ended(state, callback):
                return state
        if state.stop_reason in ("converged", "no progress"):
            return polish(problem, state, trace).state
        return state

    def _step(
        self, problem: SumOfSquares, state: State, here: Linearised, damping: float, linear: np.ndarray | None,
        rough: bool,
    ) -> tuple[State, np.ndarray, np.ndarray, float] | None:  # fmt: skip
        """A point with a lower J, residuals and Jacobian there, and the next λ; None where no λ leads to one."""
        growth = 2.0
        while True:
            step, foreseen = here.step(damping)
            trial = self._try(problem, state.x, step, here, damping, linear)
            if trial.value < state.value:
                r, J = problem.linearised(trial.x, rough)
                value, gradient = half_square(r), r @ J
                if value < state.value and np.isfinite(gradient).all():
                    share = min((state.value - value) / foreseen, 1.0) if foreseen > 0 else 1.0
                    eased = damping * max(1 / 9, 1 - (2 * share - 1) ** 3)
                    return State(trial.x, value, gradient), r, J, eased
            moved = np.abs(trial.x - state.x)
            if (moved <= 2 * _EPS * np.abs(state.x)).all() or damping > _MOST:
                return None
            damping, growth = damping * growth, min(2 * growth, 1e6)

    def _try(
        self, problem: SumOfSquares, x: np.ndarray, step: np.ndarray, here: Linearised, damping: float,
        linear: np.ndarray | None,
    ) -> _Trial:  # fmt: skip
        """Where the step leads, bent by its acceleration, or with the linear numbers solved for."""
        if linear is not None:
            there = land(problem.box, x, step)
            found = solve_linear(problem, there, linear)
            return _Trial(there, np.inf) if found is None else _Trial(found[0], half_square(found[1]))
        if self.geodesic:
            ahead = problem.residuals(land(problem.box, x, _PROBE * step))
            turn = here.acceleration((ahead - here.r) / _PROBE - here.J @ step, 2 / _PROBE, damping)
            if here.length(turn) <= _BENT / 2 * here.length(step):  # not where it is NaN
                step = step + turn
        there = land(problem.box, x, step)
        return _Trial(there, half_square(problem.residuals(there)))


def _linearised(
    problem: SumOfSquares, x: np.ndarray, rough: bool = False
) -> tuple[State, np.ndarray, np.ndarray]:
    """Where to go on from, with residuals and Jacobian; "diverged" where they are not finite."""
    r, J = problem.linearised(x, rough)
    state = State(x, half_square(r), r @ J)
    if not (math.isfinite(state.value) and np.isfinite(J).all()):
        state.stop_reason = "diverged"
    return state, r, J


def _iterations_left(fall: float, before: float, value: float) -> float:
    """Until the foreseen fall is nothing beside J, if it goes on shrinking as in the last iteration."""
    if not (0 < fall < before and math.isfinite(before)):
        return 0.0 if fall < before else math.inf
    shrinks, left = math.log(before) - math.log(fall), math.log(fall) - math.log(FALL)
    return (left - math.log(value)) / shrinks if value > 0 and shrinks > 0 else math.inf

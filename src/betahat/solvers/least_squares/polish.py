"""The last digits: Newton's step with all second derivatives, from an orthogonal factorisation."""

from __future__ import annotations

import math
from typing import Any, NamedTuple, final

import numpy as np

from betahat.solvers.descent.base import State, largest
from betahat.solvers.descent.box import held_by
from betahat.solvers.least_squares.problem import Compiled, SumOfSquares, half_square
from betahat.solvers.least_squares.steps import column_lengths, lapack, relative_change
from betahat.solvers.trace import Trace

_EPS = float(np.finfo(np.float64).eps)
_ROUNDS = 30
_SAFE = 1e-6  # relative pivot of R from which on its inverse is as good as its singular values
_SINGULAR = 1e-13  # relative singular value of the scaled J below which a direction is not determined
_MOVED = 1e-4  # relative step after which second derivatives are computed anew
_LAST = 1e-8  # relative step after which the next would be within rounding
_STILL = 4 * _EPS  # and a step that is
_USELESS = 0.5  # share of ‖Qᵀr‖ left by a step from which on rounding rules
_WORSE = 1e-8  # relative rise of J that is still taken for rounding


class Polished(NamedTuple):
    """The best state found, and whether steps had become as small as rounding lets them."""

    state: State
    done: bool


def polish(problem: SumOfSquares, state: State, trace: Trace) -> Polished:
    """Newton's steps from a state near a minimum, while they help.

    With J = U diag(s) Vᵀ and B = V diag(1/s) the step is −B (I + Bᵀ S B)⁻¹ Uᵀr, S = Σ rᵢ ∂²rᵢ/∂x²: nothing squares J's
    condition number. Where J leaves directions open, Gauss and Newton's step of smallest norm is taken instead. A step
    is kept if ‖Uᵀr‖ falls; ½rᵀr itself no longer tells. Ends when the next step would be within rounding, since
    Newton's steps square their relative size, or helps no more.
    """
    x, r, box = state.x, problem.precise_residuals(state.x), problem.box
    here = _at(problem, x, r, None)
    state = State(x, half_square(r), here.gradient, state.stop_reason)
    moved, second = np.inf, None
    for _ in range(_ROUNDS):
        step = here.step
        if here.factorised is not None:
            if second is None and here.factorised.full:
                second = problem.bend(x, r)[np.ix_(here.free, here.free)]
                if not np.isfinite(second).all():
                    break
            known = second if here.factorised.full else None
            step = here.factorised.gauss_newton() if known is None else here.factorised.newton(known)
        if step is None:
            break  # not a minimum: the certificate will say so
        if type(here.free) is slice:
            there = x + step
        else:
            there = x.copy()
            there[here.free] += step
        change = relative_change(there, x)
        if change <= _STILL:
            moved, state.stop_reason = min(moved, change), "converged"
            break
        if box is not None and not box.contains(there):
            break
        new_r = problem.precise_residuals(there)
        value, after = half_square(new_r), _at(problem, there, new_r, here, last=change <= _LAST)
        if not value <= state.value * (1 + _WORSE) or not after.size < here.size:
            break
        moved, useless = change, after.size > _USELESS * here.size
        x, r, here = there, new_r, after
        state = State(x, value, after.gradient, "converged")
        trace.add(value, largest(after.gradient), moved)
        if moved <= _LAST or useless:
            break
        if moved > _MOVED:
            second = None
    return Polished(state, moved <= _MOVED)


class _Here(NamedTuple):
    """A point: its gradient, the numbers that move, ‖Qᵀr‖ (what is left to win, infinite where that is not known), and
    either Newton's step (None where there is none), and the compiled code it came from, or what it is found from."""

    gradient: np.ndarray
    free: Any
    size: float
    step: np.ndarray | None
    factorised: _Factorised | None
    compiled: Compiled | None


def _at(
    problem: SumOfSquares, x: np.ndarray, r: np.ndarray, before: _Here | None, last: bool = False
) -> _Here:
    """By compiled code if there is any; once that has given up, J's singular values are looked at. last : whether no
    step will follow."""
    compiled = problem.compiled(x) if before is None else before.compiled
    if compiled is not None and last:
        size, gradient = compiled.arrive(x)
        if size >= 0:
            return _Here(gradient, slice(None), size, None, None, compiled)
    if compiled is not None:
        size, gradient, step = compiled.newton(x, r, _SAFE, _EPS)
        if size >= 0:
            return _Here(
                gradient, slice(None), size, step if math.isfinite(step[0]) else None, None, compiled
            )
    J = problem.linearised(x)[1]
    gradient = r @ J
    free = np.flatnonzero(~held_by(problem.box, x, gradient)) if before is None else before.free
    if type(free) is slice:
        free = np.arange(len(x))
    factorised = _factorise(r, J, free)
    return _Here(gradient, free, np.inf if factorised is None else factorised.size, None, factorised, None)


@final
class _Factorised:
    """J of the free columns, scaled to length 1, as C = QB⁻¹ with orthonormal Q, without what it does not determine.

    full : whether it determines all; size : ‖Qᵀr‖, what is left to win.
    """

    def __init__(self, back: np.ndarray, right: np.ndarray, full: bool, scale: np.ndarray) -> None:
        self.full, self._back, self._right, self._scale = full, back, right, scale
        self.size = math.sqrt(float(right @ right))

    def gauss_newton(self) -> np.ndarray:
        """The step without second derivatives, the shortest where several do as well."""
        return -(self._back @ self._right) / self._scale

    def newton(self, second: np.ndarray) -> np.ndarray | None:
        """Newton's step, None where the Hessian is not positive definite."""
        bent = self._back.T @ (second / self._scale[:, None] / self._scale) @ self._back
        values, vectors = np.linalg.eigh(np.eye(len(bent)) + (bent + bent.T) / 2)
        if not values[0] > _EPS:
            return None
        return -(self._back @ (vectors @ ((self._right @ vectors) / values))) / self._scale


def _factorise(r: np.ndarray, J: np.ndarray, free: np.ndarray) -> _Factorised | None:
    """None where the columns are not finite, or there are none."""
    columns, k = J[:, free], len(free)
    if not k:
        return None
    scale = column_lengths(columns)
    if not np.isfinite(scale).all():
        return None
    R = np.asarray(np.linalg.qr(np.column_stack([columns / scale, r]), mode="r"))
    triangle, right = R[:k, :k], R[:k, k]
    if len(triangle) == k:
        pivots = np.abs(triangle.diagonal())
        if pivots.min() > _SAFE * pivots.max():
            return _Factorised(lapack.dtrtri(triangle)[0], right, True, scale)
    U, values, Vt = np.linalg.svd(triangle, full_matrices=False)
    if not values[0] > 0:
        return None
    kept = values > _SINGULAR * values[0]
    full = bool(kept.all()) and len(values) == k
    return _Factorised(Vt[kept].T / values[kept], (right[: len(U)] @ U)[kept], full, scale)

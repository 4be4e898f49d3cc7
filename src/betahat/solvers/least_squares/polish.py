"""The last digits: Newton's step with all second derivatives, from an orthogonal factorisation."""

from __future__ import annotations

import numpy as np

from betahat.solvers.descent.base import State
from betahat.solvers.least_squares.problem import SumOfSquares, half_square
from betahat.solvers.least_squares.steps import column_lengths, held_by

_EPS = float(np.finfo(np.float64).eps)
_ROUNDS = 30
_SINGULAR = 1e-14  # relative singular value of the scaled J below which no step is taken
_MOVED = 1e-4  # relative step after which second derivatives are computed anew


def polish(problem: SumOfSquares, state: State, J: np.ndarray) -> State:
    """Where the gradient is as small as rounding allows, or the state as it was.

    With J = QR the step solves (I + R⁻ᵀ S R⁻¹) R δ = −Qᵀr, S = Σ rᵢ ∂²rᵢ/∂x²: nothing squares J's condition number.
    A step is kept if ‖Qᵀr‖ falls; ½rᵀr itself no longer tells. Ends when steps are within rounding or help no more.
    """
    r = problem.precise_residuals(state.x)
    free = np.flatnonzero(~held_by(problem.box, state.x, state.gradient))
    second: np.ndarray | None = None
    previous, step = np.inf, np.zeros(0)
    for _ in range(_ROUNDS):
        found = _triangle(r, J, free)
        if found is None:
            return state
        triangle, right, scale = found
        size = float(np.linalg.norm(right))
        if second is None:
            second = problem.bend(state.x, r)[np.ix_(free, free)]
        if not np.isfinite(second).all():
            return state
        bent = second / scale[:, None] / scale
        inverse = np.linalg.inv(triangle)
        whole = np.eye(len(free)) + inverse.T @ bent @ inverse
        whole = (whole + whole.T) / 2
        if np.linalg.eigvalsh(whole)[0] <= _EPS:
            return state  # not a minimum: the certificate will say so
        step = -(inverse @ np.linalg.solve(whole, right)) / scale
        there = state.x.copy()
        there[free] += step
        if problem.box is not None and not problem.box.contains(there):
            return state
        new_r, new_J = problem.precise_residuals(there), problem.linearised(there)[1]
        value = half_square(new_r)
        after = _triangle(new_r, new_J, free) if np.isfinite(new_J).all() else None
        if after is None or not value <= state.value * (1 + 1e-8):
            return state
        previous, size_there = size, float(np.linalg.norm(after[1]))
        if not size_there < previous:
            return state
        moved = np.abs(step) / np.maximum(np.abs(state.x[free]), 1e-300)
        state = State(there, value, new_J.T @ new_r, state.stop_reason)
        r, J = new_r, new_J
        state.stop_reason = "converged"
        if (moved <= 2 * _EPS).all() or size_there > 0.5 * previous:
            return state
        if moved.max(initial=0) > _MOVED:
            second = None
    return state


def _triangle(
    r: np.ndarray, J: np.ndarray, free: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """R of the free columns scaled to length 1, Qᵀr and the scale; None where the columns are not independent."""
    columns = J[:, free]
    if not len(free) or len(r) < len(free) or not columns.any(axis=0).all():
        return None
    scale = column_lengths(columns)
    R = np.asarray(np.linalg.qr(np.column_stack([columns / scale, r]), mode="r"))
    k = len(free)
    triangle = R[:k, :k]
    values = np.linalg.svd(triangle, compute_uv=False)
    if not values[-1] > _SINGULAR * values[0]:
        return None
    return triangle, R[:k, k], scale

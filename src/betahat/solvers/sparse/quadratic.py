"""The minimum of a quadratic plus a penalty with a kink: coordinate descent finds the support, Newton solves on it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from betahat.kernels.coordinate import descend_gram
from betahat.penalties.sparse import SeparablePenalty
from betahat.solvers.sparse.columns import Taken

_ROUNDS = 60
_EPOCHS = 8
_COMPILED_EPOCHS, _SMALL = 64, 512  # of which many cost less than a Newton step where there are few columns
_JITTER = 1e-13
_NEWTON_UP_TO = 3000  # coefficients that are not zero up to which equations on the support are factorised
_REST = 1e-29  # share of J below which what an epoch still moved is rounding
_ROUNDED = 1e-16  # share of J below which it is, where it does not fall further


def minimise_gram(
    H: np.ndarray,
    g: np.ndarray,
    beta: np.ndarray,
    penalty: SeparablePenalty,
    scale: float,
    tolerance: float = 0.0,
    compiled: bool = False,
) -> np.ndarray:
    """argmin of gᵀ(z − β) + ½ (z − β)ᵀH(z − β) + R(z), begun at z = β, for H (w, w) and g (w,).

    scale : the size of J; ends where an epoch moves by less than `tolerance` · J, or by rounding alone; compiled : as
    in `descend_gram`.
    """
    H = np.ascontiguousarray(H)
    state = [g.copy()]
    start = beta

    epochs = _COMPILED_EPOCHS if compiled and len(beta) <= _SMALL else _EPOCHS

    def descend(z: np.ndarray, least: float) -> float:
        return descend_gram(H, state[0], z, penalty.a, penalty.b, penalty.positive, epochs, least, compiled)

    def step(z: np.ndarray, support: np.ndarray) -> bool:
        inner = H[np.ix_(support, support)]
        if not _newton_step(z, support, inner, state[0][support], penalty.of(support)):
            return False
        state[0] = g + (z - start) @ H  # summed anew from the start, so that rounding does not add up
        return True

    return _alternate(beta, descend, step, scale, tolerance)


def minimise_columns(
    taken: Taken, h: np.ndarray, q: np.ndarray, mean: np.ndarray, beta: np.ndarray, penalty: SeparablePenalty,
    scale: float, tolerance: float = 0.0,
) -> np.ndarray:  # fmt: skip
    """The same for H = Σ hᵢ (xᵢ − m)(xᵢ − m)ᵀ and g = Σ qᵢ xᵢ, without forming H.

    h, q : (n,), Σ q = 0 where there is an intercept; mean : (w,) m = Σ h x / Σ h, or zeros without an intercept.
    """
    rows = [q.copy()]
    bend = np.maximum(taken.squares(h) - h.sum() * mean**2, 0.0)

    def descend(z: np.ndarray, least: float) -> float:
        rest = (z, penalty.a, penalty.b, penalty.positive, _EPOCHS, least)
        return taken.descend(h, mean, bend, rows[0], *rest)

    def step(z: np.ndarray, support: np.ndarray) -> bool:
        part = penalty.of(support)
        inner = taken.gram(h, mean, support)
        slope = taken.products(rows[0])[support]
        if not _newton_step(z, support, inner, slope, part):
            return False
        delta = z - beta
        rows[0] = q + h * (taken.times(delta) - float(mean @ delta))
        return True

    return _alternate(beta, descend, step, scale, tolerance)


def _newton_step(
    z: np.ndarray, support: np.ndarray, inner: np.ndarray, slope: np.ndarray, part: SeparablePenalty
) -> bool:
    """Move z's support to the minimum of the quadratic on it, or as far as signs allow; whether it moved."""
    move = newton(inner, part.distance(z[support], slope), part.b)
    if move is None:
        return False

    def change(delta: np.ndarray) -> float:
        return float(slope @ delta + 0.5 * delta @ (inner @ delta))

    taken = along(z[support], move, part, change)
    if taken is None:
        return False
    there = z[support] + taken
    there[taken == -z[support]] = 0.0
    z[support] = there
    return True


def _alternate(
    beta: np.ndarray, descend: Callable[[np.ndarray, float], float], step: Callable[[np.ndarray, np.ndarray], bool],
    scale: float, tolerance: float,
) -> np.ndarray:  # fmt: skip
    """Epochs of coordinate descent, then a Newton step on the support, until neither moves."""
    z, least = beta.copy(), max(tolerance, _REST) * scale
    before, idle = np.inf, 0
    for _ in range(_ROUNDS):
        moved = descend(z, least)
        idle = idle + 1 if moved > 0.25 * before else 0
        if moved <= least or (idle >= 2 and moved <= _ROUNDED * scale):
            return z
        support = np.flatnonzero(z)
        solved = 0 < len(support) <= _NEWTON_UP_TO and step(z, support)
        if not solved and idle >= 2:
            return z
        before = moved
    return z


def newton(H: np.ndarray, distance: np.ndarray, b: np.ndarray) -> np.ndarray | None:
    """−(H + diag b)⁻¹ distance, or None where that is not finite."""
    A = H.copy()
    diagonal = A.diagonal()
    A[np.diag_indices_from(A)] = diagonal + b + _JITTER * (diagonal + b)
    try:  # half of what np.linalg.solve does
        move = cho_solve(cho_factor(A, lower=True, check_finite=False), -distance, check_finite=False)
    except np.linalg.LinAlgError:
        try:
            move = np.linalg.solve(A, -distance)
        except np.linalg.LinAlgError:
            return None
    return move if np.isfinite(move).all() else None


def along(
    beta: np.ndarray, move: np.ndarray, penalty: SeparablePenalty, change: Callable[[np.ndarray], float]
) -> np.ndarray | None:
    """How far to go along `move` from β without zeros: all the way, or with the coefficients that would change sign
    set to zero, or to the first of them; None where nothing is gained.

    change(δ) : what the smooth part changes by.
    """
    crossing = (beta + move) * beta < 0
    if not crossing.any():
        return move
    least = penalty.value(beta)

    def gain(delta: np.ndarray) -> float:
        return change(delta) + penalty.value(beta + delta) - least

    cut = np.where(crossing, -beta, move)
    ratio = np.where(crossing, -beta / np.where(crossing, move, 1.0), np.inf)
    first = int(np.argmin(ratio))
    edge = ratio[first] * move
    edge[first] = -beta[first]
    gains = [gain(cut), gain(edge)]
    best = int(np.argmin(gains))
    return (cut, edge)[best] if gains[best] < 0 else None

"""Guesses in floating point, and what proves them: directions that separate, and weights that forbid any.

For constraints aᵢ·δ ≥ 0 (= 0 for equalities) of which some are claimed to be zero for every such δ, the proof is
λ > 0 (any sign for equalities) with Σ λᵢ aᵢ = 0 over rows that span all of these. Rounding leaves Σ λᵢ aᵢ = r; a small
change of λ that removes r exactly exists if r is small beside the least singular value of the rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from betahat.solvers.separation.exact import EPS

_STEPS = 40
_FAR, _FAR_AT_REST = 1e-5, 1e-12  # weights below belong to constraints that move away for ever
_PATIENCE = 60.0  # seconds for a linear program


@final
@dataclass(frozen=True, slots=True)
class Guess:
    """direction (q,), weights (k,) of the constraints, and which of these the direction separates."""

    direction: np.ndarray
    weights: np.ndarray
    separated: np.ndarray


def newton(A: np.ndarray, equal: np.ndarray) -> Guess | None:
    """Newton's method on Σ log(1 + exp(−aᵢ·δ)): its minimum, if any, gives the weights 1/(1 + exp(aᵢ·δ)); if there
    is none, it moves along a direction that separates."""
    k, q = A.shape
    delta, value = np.zeros(q), np.inf
    margin, far = np.zeros(k), _FAR

    def loss(margin: np.ndarray) -> float:
        terms = np.logaddexp(0.0, -margin)
        return float(terms.sum() + margin[equal].sum() + terms[equal].sum())

    value = loss(margin)
    for _ in range(_STEPS):
        weight = _logistic(-margin)
        curvature = weight * (1 - weight) * np.where(equal, 2.0, 1.0)
        pull = np.where(equal, 2 * weight - 1, weight)
        gradient = A.T @ pull
        H = (A * curvature[:, None]).T @ A
        H[np.diag_indices(q)] += 1e-13 * max(H.trace(), 1e-300) / q + 1e-300
        try:
            step = np.linalg.solve(H, gradient)
        except np.linalg.LinAlgError:
            return None
        move, factor = A @ step, 1.0
        largest = float(np.abs(move).max(initial=0))
        factor = min(1.0, 20.0 / largest) if largest > 0 else 1.0
        while (after := loss(margin + factor * move)) > value and factor > 1e-6:
            factor /= 2
        if not np.isfinite(after) or after > value:
            break
        delta, margin, value = delta + factor * step, margin + factor * move, after
        if not equal.any() and (margin > 1e-6 * np.abs(A) @ np.abs(delta)).all():
            return Guess(delta, weight, np.ones(k, bool))
        moving = np.abs(factor * move) > 1e-7
        if not moving.any():
            far = _FAR_AT_REST
            break
        if not (moving & (weight > _FAR)).any():  # the rest has settled
            break
    weight = _logistic(-margin)
    return Guess(delta, np.where(equal, 2 * weight - 1, weight), (weight < far) & ~equal)


def _logistic(x: np.ndarray) -> np.ndarray:
    return np.exp(-np.logaddexp(0.0, -x))


def linear_program(A: np.ndarray, equal: np.ndarray) -> Guess | None:
    """max Σ tᵢ with tᵢ ≤ aᵢ·δ, 0 ≤ tᵢ ≤ 1: tᵢ = 1 for all that can be separated; the multipliers are the weights,
    at least 1 for all that cannot (Konis 2007 asks the same of one direction)."""
    from scipy.optimize import linprog
    from scipy.sparse import csr_array, hstack, identity

    k, q = A.shape
    free = np.flatnonzero(~equal)
    cost = np.concatenate([np.zeros(q), -np.ones(len(free))])
    rows = hstack([csr_array(-A[free]), identity(len(free), format="csr")], format="csr")
    sides = (
        None
        if not equal.any()
        else hstack([csr_array(A[equal]), csr_array((int(equal.sum()), len(free)))], format="csr")
    )
    bounds = [(None, None)] * q + [(0, 1)] * len(free)
    answer = linprog(
        cost, A_ub=rows, b_ub=np.zeros(len(free)), A_eq=sides,
        b_eq=None if sides is None else np.zeros(int(equal.sum())), bounds=bounds, method="highs",
        options={"time_limit": _PATIENCE, "primal_feasibility_tolerance": 1e-9, "dual_feasibility_tolerance": 1e-9},
    )  # fmt: skip
    if answer.status != 0:
        return None
    weights, separated = np.zeros(k), np.zeros(k, bool)
    weights[free] = -answer.ineqlin.marginals
    if equal.any():
        weights[equal] = answer.eqlin.marginals
    separated[free] = answer.x[q:] > 0.5
    return Guess(answer.x[:q], weights, separated)


def is_proven(A: np.ndarray, equal: np.ndarray, weights: np.ndarray, rank: int) -> bool:
    """Whether λ near `weights` proves that A·δ = 0 for every δ with A·δ ≥ 0 (and = 0 where `equal`).

    A (k, q) is known with relative error EPS in each element; its exact rank is at most `rank`.
    """
    if rank == 0:
        return True
    norms = np.linalg.norm(A, axis=1)
    A, equal, weights, norms = A[norms > 0], equal[norms > 0], weights[norms > 0], norms[norms > 0]
    weights = weights * norms  # a multiple of a constraint is the same constraint
    positive = ~equal & (weights > 1e-9 * weights[~equal].max(initial=0))
    if len(A) == 0 or (not positive.any() and (~equal).any()):
        return False
    keep = positive | equal
    A, weights, free = A[keep] / norms[keep, None], weights[keep].copy(), equal[keep]
    k, q = A.shape
    if k < rank:
        return False
    weights /= np.abs(weights).max(initial=0) or 1.0
    give = np.where(free, 1.0, weights)  # how much each weight may change
    M = np.sqrt(give)[:, None] * A
    values, V = _spectrum(M)
    squares = values[::-1][:rank]
    rounding = 32 * EPS * (k + q) * float(np.square(M).sum())
    least = squares[-1] - rounding
    if least <= 0:
        singular, V = _singular(M)
        squares = np.square(singular[::-1][:rank])
        rounding = 32 * EPS * np.sqrt(k * q) * float(np.linalg.norm(M))
        least = max(0.0, np.sqrt(squares[-1]) - rounding) ** 2
        if least <= 0:
            return False
    V = V[:, ::-1][:, :rank]
    inverse = V / squares @ V.T
    for _ in range(3):
        change = A @ (inverse @ (A.T @ weights))
        weights = weights - give * change
    if (weights[~free] <= 0).any():
        return False
    left = np.linalg.norm(A.T @ weights) + (k + 8) * EPS * np.linalg.norm(np.abs(A).T @ np.abs(weights))
    # the exact correction of row i is giveᵢ aᵢ·H⁻¹r, and |aᵢ| = 1
    return bool((left / least * give < weights)[~free].all())


def _spectrum(M: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues of MᵀM, ascending, and its eigenvectors."""
    return np.linalg.eigh(M.T @ M)


def _singular(M: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Singular values of M, ascending and as many as columns, and the right singular vectors as columns."""
    R = np.linalg.qr(M, mode="r") if len(M) > M.shape[1] else M
    _, singular, V = np.linalg.svd(R, full_matrices=True)
    missing = np.zeros(M.shape[1] - len(singular))
    return np.concatenate([missing, singular[::-1]]), V.T[:, ::-1]


def rank_of(A: np.ndarray) -> tuple[int, np.ndarray]:
    """The numerical rank of A (k, q), whose rows have norm 1 or 0, and a basis (s, q) of what it maps to 0."""
    if len(A) >= A.shape[1]:
        values, _ = _spectrum(A)
        if values[0] > 1e-10 * values[-1]:
            return A.shape[1], np.zeros((0, A.shape[1]))
    singular, V = _singular(A)
    small = singular <= 1e-9 * singular[-1]
    return int((~small).sum()), V[:, small].T

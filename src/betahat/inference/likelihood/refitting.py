"""Tests that need another fit or another reading of the rows: likelihood ratio of hypotheses, scores of new columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, final

import numpy as np

from betahat.errors import InferenceError
from betahat.inference.base import penalised_reason
from betahat.inference.joint_test import JointTest
from betahat.inference.likelihood.hypothesis import read_likelihood_hypothesis
from betahat.inference.likelihood.statistics import LikelihoodStatistics
from betahat.inference.wald import quadratic_form

_DEPENDENT = (
    1e-10  # share of a column's information that the model's columns leave it, at which it adds nothing
)
_EXCESS = 1e-9


@final
@dataclass(frozen=True, eq=False)
class Restriction:
    """{β : Rβ = r} as β = particular + basis · γ: fit γ with the design Z · basis and the offset Z · particular.

    particular : (t·m,). basis : (t·m, t·m − q), the identity in the rows `free`, so that γ are those coefficients.
    free : (t·m − q,) places of the coefficients that stay free.
    """

    particular: np.ndarray
    basis: np.ndarray
    free: np.ndarray


def restriction(R: np.ndarray, r: np.ndarray, keep: Sequence[int] = ()) -> Restriction:
    """Solve Rβ = r, R (q, M) of rank q, for q of the coefficients, by elimination with the largest pivots.

    keep : places (of intercepts) that are solved for only where nothing else is left.

    >>> found = restriction(np.array([[0.0, 1.0, -1.0]]), np.array([2.0]))   # β₁ − β₂ = 2
    >>> found.particular.tolist(), found.basis.tolist(), found.free.tolist()
    ([0.0, 2.0, 0.0], [[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]], [0, 2])
    """
    q, M = R.shape
    table = np.column_stack([R, r]).astype(np.float64)
    pivots: list[int] = []
    for row in range(q):
        size = np.abs(table[row:, :M])
        late = np.isin(np.arange(M), list(keep))
        rest = np.where(late, 0.0, size)
        if not rest.max() > 1e-9 * size.max():
            rest = size
        at, column = np.unravel_index(int(rest.argmax()), rest.shape)
        table[[row, row + at]] = table[[row + at, row]]
        table[row] /= table[row, column]
        others = np.arange(q) != row
        table[others] -= np.outer(table[others, column], table[row])
        pivots.append(int(column))
    free = np.setdiff1d(np.arange(M), pivots)
    particular, basis = np.zeros(M), np.zeros((M, M - q))
    particular[pivots] = table[:, M]
    basis[free, np.arange(M - q)] = 1.0
    basis[pivots] = 0.0 - table[:, free]
    return Restriction(particular, basis, free)


def likelihood_ratio_test(
    s: LikelihoodStatistics, hypothesis: Any, refit: Callable[[Restriction], float]
) -> JointTest:
    """2(ℓ̂ − ℓ under the hypothesis) against χ² with q degrees of freedom; F = that/(q φ̂) where φ is estimated.

    hypothesis : as for :meth:`LikelihoodInference.test`. refit : fits the restricted model to the same rows and
        returns its deviance. Coefficients may have infinite estimates: the deviance is finite all the same.

    Raises InferenceError for penalised or bias-reduced fits, and if the restricted fit is better than the free one.
    """
    if s.penalised or s.bias_reduced:
        why = "the likelihood itself was not maximised" if s.bias_reduced else penalised_reason("A test")
        raise InferenceError(f"no likelihood-ratio test: {why}")
    read = read_likelihood_hypothesis(hypothesis, s)
    m = len(s.names)
    keep = range(0, len(s.target_names) * m, m) if s.has_intercept else ()
    restricted = float(refit(restriction(read.matrix, read.value, keep)))
    if restricted < s.deviance - _EXCESS * max(abs(s.deviance), 1.0):
        raise InferenceError(
            f"the fit under the hypothesis has the deviance {restricted:.17g}, less than the free one's "
            f"{s.deviance:.17g}, which therefore is not its minimum; fit it with a tighter tolerance"
        )
    q, gain = len(read.matrix), max(restricted - s.deviance, 0.0)
    if s.dispersion_known:
        return JointTest("Likelihood-ratio test", gain, q, np.inf, read.labels)
    return JointTest("F test of deviances", gain / (q * s.dispersion), q, s.df_resid, read.labels)


def score_test(
    blocks: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]], names: Sequence[str], *,
    has_intercept: bool, dispersion: float = 1.0,
) -> JointTest:  # fmt: skip
    """Rao's score (Lagrange multiplier) test that q new columns belong into a fitted model, without fitting it.

    χ² = Uᵀ (I_ee − I_ea I_aa⁻¹ I_ae)⁻¹ U / φ with tq degrees of freedom, U = Σ sᵢ eᵢ the scores of the new columns less
    what the model's own (zero at its maximum) explain, I the information of all columns.

    blocks : of rows at the fitted model's η: X (k, p) without a 1-column, the new columns E (k, q), the scores
        −w ∂L/∂η as (k,) or (k, t), and w E[∂²L/∂η²] (or the observed one) as (k,) or (k, t, t). φ is in neither.
    names : q names of the new columns. dispersion : φ, estimated in the fitted model where it is not known.

    Raises InferenceError if a new column depends linearly on the model's or the other new ones. Source: Rao (1948).

    >>> y, e = np.array([0.0, 1, 1, 1, 0, 1, 1, 0]), np.array([[0.0, 0, 0, 1, 1, 1, 1, 1]]).T
    >>> p = y.mean()
    >>> print(score_test([(np.zeros((8, 0)), e, y - p, np.full(8, p * (1 - p)))], ["e"], has_intercept=True))
    Score test of e = 0: χ²(1) = 0.0355556, p = 0.8504
    """
    total_U: Any = 0.0
    total_I: Any = 0.0
    shift: np.ndarray | None = None
    p = t = 0
    for X, E, score, curvature in blocks:
        Z = np.column_stack([X, E]).astype(np.float64)
        p = X.shape[1] + int(has_intercept)
        if has_intercept:  # a shift of columns changes nothing but the digits that large means cost
            shift = Z.mean(axis=0) if shift is None and len(Z) else shift
            Z = np.column_stack([np.ones(len(Z)), Z - (0.0 if shift is None else shift)])
        s = score if score.ndim == 2 else score[:, None]
        c = curvature if curvature.ndim == 3 else curvature[:, None, None]
        t = s.shape[1]
        total_U = total_U + np.einsum("is,ij->js", s, Z)
        total_I = total_I + np.einsum("isr,ij,ik->jskr", c, Z, Z, optimize=True)
    if not t:
        raise InferenceError("a score test needs rows, and there are none")
    # Parameters ordered by column, then by predictor: the model's own come first.
    width = total_U.shape[0]
    U, info = total_U.ravel(), total_I.reshape(width * t, width * t)
    a, q = p * t, (width - p) * t
    labels = tuple(f"{name} = 0" for name in names)
    unit = np.sqrt(np.diag(info))
    if not unit[a:].all():
        _dependent(names, [int(np.argmin(unit[a:])) // t])
    unit[unit == 0] = 1.0
    info, U = info / np.outer(unit, unit), U / unit
    explained = np.linalg.pinv(info[:a, :a], rcond=1e-14, hermitian=True) @ np.column_stack(
        [info[:a, a:], U[:a]]
    )
    S = info[a:, a:] - info[a:, :a] @ explained[:, :q]
    left = np.flatnonzero(np.diag(S) <= _DEPENDENT)
    if len(left):
        _dependent(names, sorted({int(j) // t for j in left}))
    try:
        chi2, _ = quadratic_form(U[a:] - info[a:, :a] @ explained[:, q], (S + S.T) / 2)
    except np.linalg.LinAlgError:
        _dependent(names, range(len(names)))
    return JointTest("Score test", chi2 / dispersion, q, np.inf, labels)


def _dependent(names: Sequence[str], places: Iterable[int]) -> NoReturn:
    shown = ", ".join(names[j] for j in places)
    raise InferenceError(
        f"the new column(s) {shown} depend linearly on the model's columns or on each other, so they add nothing that "
        "could be tested"
    )

"""Truth in rational arithmetic for the tests of estimators, and how near a number comes to it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from reference_data import exact_least_squares, fractions


@dataclass(frozen=True)
class Truth:
    """β (t, m) and (ZᵀWZ)⁻¹ (m, m) of Z = [1 | X], exact; the residual sums of squares (t,)."""

    beta: list[list[Fraction]]
    inverse: list[list[Fraction]]
    rss: list[Fraction]

    @property
    def coefficients(self) -> np.ndarray:
        return np.array([[float(b) for b in row] for row in self.beta])

    def std_err(self, df_resid: int) -> np.ndarray:
        """(t, m)"""
        m = len(self.inverse)
        return np.array(
            [[float(np.sqrt(float(rss * self.inverse[j][j] / df_resid))) for j in range(m)] for rss in self.rss]
        )


def truth(
    X: np.ndarray, y: np.ndarray, weight: np.ndarray | None = None, intercept: bool = True
) -> Truth:
    """Least squares of the doubles in X (n, p) and y (n,) or (n, t), taken as they are."""
    return truth_of_rows(fractions(X, intercept), y, weight)


def truth_of_rows(rows: list[list[Fraction]], y: np.ndarray, weight: np.ndarray | None = None) -> Truth:
    """Least squares of rational rows."""
    w = None if weight is None else [Fraction(float(v)) for v in weight]
    parts = [
        exact_least_squares(rows, [Fraction(float(v)) for v in column], w)
        for column in np.asarray(y, np.float64).reshape(len(rows), -1).T
    ]
    return Truth([part[0] for part in parts], parts[0][1], [part[2] for part in parts])


def truth_of_integers(X: np.ndarray, y: np.ndarray, intercept: bool = True) -> Truth:
    """The same for many rows of whole numbers, whose sums Python's integers hold exactly."""
    Z = X.astype(object)
    if intercept:
        Z = np.column_stack([np.full(len(X), 1, dtype=object), Z])
    Y = y.astype(object)
    G, h, yy = Z.T @ Z, Z.T @ Y, Y @ Y
    m = len(G)
    # Least squares of the m rows of G with weights G⁻¹ is what G β = h says: solve it as a square system.
    beta, _, _ = exact_least_squares([[Fraction(v) for v in row] for row in G], [Fraction(v) for v in h])
    inverse = [
        exact_least_squares([[Fraction(v) for v in row] for row in G], [Fraction(int(i == j)) for i in range(m)])[0]
        for j in range(m)
    ]
    rss = Fraction(yy) - sum((b * Fraction(v) for b, v in zip(beta, h, strict=True)), Fraction(0))
    return Truth([beta], inverse, [rss])


def null_space(rows: list[list[Fraction]]) -> list[list[Fraction]]:
    """A basis of {v : rows · v = 0}, by elimination without rounding."""
    A = [row[:] for row in rows]
    m, pivots, r = len(A[0]), [], 0
    for c in range(m):
        pivot = next((i for i in range(r, len(A)) if A[i][c] != 0), None)
        if pivot is None:
            continue
        A[r], A[pivot] = A[pivot], A[r]
        A[r] = [v / A[r][c] for v in A[r]]
        for i in range(len(A)):
            if i != r and A[i][c] != 0:
                A[i] = [a - A[i][c] * b for a, b in zip(A[i], A[r], strict=True)]
        pivots.append(c)
        r += 1
    basis = []
    for free in (c for c in range(m) if c not in pivots):
        v = [Fraction(0)] * m
        v[free] = Fraction(1)
        for i, c in enumerate(pivots):
            v[c] = -A[i][free]
        basis.append(v)
    return basis


def estimates(model: Any) -> np.ndarray:
    """(t, m): intercept, if there is one, and coefficients."""
    coef = np.atleast_2d(model.coef_)
    if not model.fit_intercept:
        return coef
    return np.column_stack([np.atleast_1d(model.intercept_), coef])


def errors(model: Any, exact: Truth) -> list[list[Fraction]]:
    """|β̂ − β*| without rounding, (t, m)."""
    return [
        [abs(Fraction(float(b)) - t) for b, t in zip(row, true, strict=True)]
        for row, true in zip(estimates(model), exact.beta, strict=True)
    ]


def assert_bound_holds(model: Any, exact: Truth) -> None:
    """The certificate's bound is one: no coefficient is further from the exact minimum."""
    bound = np.atleast_2d(model.certificate_.error_bound)
    found = errors(model, exact)
    for k, row in enumerate(found):
        for j, error in enumerate(row):
            assert error <= Fraction(float(bound[k, j])), (
                f"target {k}, coefficient {j}: |β̂ − β*| = {float(error):.3g}, bound {bound[k, j]:.3g}"
            )

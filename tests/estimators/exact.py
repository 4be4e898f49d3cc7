"""Truth in rational arithmetic for the tests of estimators, and how near a number comes to it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import Any

import numpy as np


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
            [
                [float(np.sqrt(float(rss * self.inverse[j][j] / df_resid))) for j in range(m)]
                for rss in self.rss
            ]
        )


def truth(X: np.ndarray, y: np.ndarray, weight: np.ndarray | None = None, intercept: bool = True) -> Truth:
    """Least squares of the doubles in X (n, p) and y (n,) or (n, t), taken as they are."""
    columns = [[float(v).as_integer_ratio() for v in column] for column in np.asarray(X, np.float64).T]
    return _solve(([[(1, 1)] * len(X)] if intercept else []) + columns, y, weight)


def truth_of_rows(rows: list[list[Fraction]], y: np.ndarray, weight: np.ndarray | None = None) -> Truth:
    """Least squares of rational rows, an intercept's 1 among them if there is to be one."""
    return _solve([[v.as_integer_ratio() for v in column] for column in zip(*rows, strict=True)], y, weight)


def _whole(column: list[tuple[int, int]]) -> tuple[np.ndarray, int]:
    """Ratios as Python's whole numbers over one denominator."""
    unit = lcm(*{denominator for _, denominator in column})
    return np.array([top * (unit // bottom) for top, bottom in column], dtype=object), unit


def _solve(columns: list[list[tuple[int, int]]], y: np.ndarray, weight: np.ndarray | None) -> Truth:
    """The normal equations in whole numbers, eliminated without fractions (Bareiss 1968)."""
    whole = [_whole(column) for column in columns]
    Z, units = np.column_stack([column for column, _ in whole]), [unit for _, unit in whole]
    targets = [
        _whole([float(v).as_integer_ratio() for v in target])
        for target in np.asarray(y, np.float64).reshape(len(Z), -1).T
    ]
    Y, y_units = np.column_stack([target for target, _ in targets]), [unit for _, unit in targets]
    w, w_unit = (1, 1) if weight is None else _whole([float(v).as_integer_ratio() for v in weight])
    WZ = Z if weight is None else Z * w[:, None]
    m, t = Z.shape[1], Y.shape[1]
    h = WZ.T @ Y
    A = np.concatenate(
        [WZ.T @ Z, h, np.array([[int(i == j) for j in range(m)] for i in range(m)], object)], axis=1
    )
    before = 1
    for k in range(m):
        pivot = A[k, k]  # positive: the matrix is positive definite
        others = np.arange(m) != k
        A[others] = (A[others] * pivot - np.outer(A[others, k], A[k])) // before
        before = pivot
    beta = [[Fraction(A[j, m + k] * units[j], before * y_units[k]) for j in range(m)] for k in range(t)]
    inverse = [
        [Fraction(A[i, m + t + j] * units[i] * units[j] * w_unit, before) for j in range(m)] for i in range(m)
    ]
    squares = ((Y if weight is None else Y * w[:, None]) * Y).sum(axis=0)
    explained = (A[:, m : m + t] * h).sum(axis=0)
    rss = [Fraction(squares[k] * before - explained[k], before * y_units[k] ** 2 * w_unit) for k in range(t)]
    return Truth(beta, inverse, rss)


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

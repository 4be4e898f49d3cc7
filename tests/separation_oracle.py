"""Separation of small tables of whole numbers by enumeration: every extreme ray of the cone of directions."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations

import numpy as np


@dataclass(frozen=True)
class Truth:
    kind: str
    rows: int
    infinite: np.ndarray
    """(m,), or (K, m) for classes whose coefficients sum to 0."""


def constraints_of(
    X: np.ndarray, y: np.ndarray, family: str, classes: int
) -> list[tuple[int, list[int], bool]]:
    """(row, what it asks, whether as an equality); for classes in all K·m coefficients."""
    found = []
    for i, (x, target) in enumerate(zip(X.tolist(), y.tolist(), strict=True)):
        if family == "binary":
            found.append((i, [-v for v in x] if target == 0 else x, target not in (0, 1)))
        elif family == "counts":
            found.append((i, [-v for v in x], target > 0))
        else:
            for other in set(range(classes)) - {int(target)}:
                signs = [(k == target) - (k == other) for k in range(classes)]
                found.append((i, [s * v for s in signs for v in x], False))
    return found


def reduced(rows: list[list[int]]) -> tuple[list[list[Fraction]], list[int]]:
    """Reduced row echelon form of whole numbers, and its pivots."""
    table = [[Fraction(v) for v in row] for row in rows]
    pivots: list[int] = []
    for j in range(len(rows[0]) if rows else 0):
        at = next((i for i in range(len(pivots), len(table)) if table[i][j]), None)
        if at is None:
            continue
        here = len(pivots)
        table[here], table[at] = table[at], table[here]
        table[here] = [v / table[here][j] for v in table[here]]
        for i, row in enumerate(table):
            if i != here and row[j]:
                table[i] = [a - row[j] * b for a, b in zip(row, table[here], strict=True)]
        pivots.append(j)
    return table[: len(pivots)], pivots


def kernel(rows: list[list[int]], width: int) -> np.ndarray:
    """A basis of what the rows map to 0, (s, width)."""
    table, pivots = reduced(rows)
    basis = []
    for j in set(range(width)) - set(pivots):
        vector = [Fraction(0)] * width
        vector[j] = Fraction(1)
        for row, pivot in zip(table, pivots, strict=True):
            vector[pivot] = -row[j]
        basis.append([float(v) for v in vector])
    return np.array(basis).reshape(-1, width)


def truth(X: np.ndarray, y: np.ndarray, family: str, classes: int, intercept: bool) -> Truth:
    """X (n, p) of small whole numbers."""
    X = np.column_stack([np.ones(len(X), int), X]) if intercept else X
    asked = constraints_of(X, y, family, classes)
    A = np.array([row for _, row, _ in asked], np.int64)
    equal = np.array([e for _, _, e in asked])
    _, pivots = reduced(A.tolist())
    B = A[:, pivots]
    q = B.shape[1]
    inner = np.zeros(q, object)
    distinct = np.unique(B, axis=0)
    for some in combinations(range(len(distinct)), q - 1) if q else ():
        ray = np.zeros(q, np.int64)
        for j in range(q):
            minor = np.delete(distinct[list(some)], j, axis=1)
            ray[j] = (-1) ** j * round(np.linalg.det(minor)) if q > 1 else 1
        for candidate in (ray, -ray):
            values = B @ candidate
            if (values[~equal] >= 0).all() and (values[equal] == 0).all():
                inner = inner + candidate
    strict = (B @ inner > 0) & ~equal
    kind = "none" if not strict.any() else "complete" if strict.all() else "quasi-complete"
    rows = len({i for (i, _, _), s in zip(asked, strict, strict=True) if s})
    m = X.shape[1]
    if kind == "none":
        return Truth(kind, 0, np.zeros((classes, m) if family == "multinomial" else m, bool))
    span = kernel([row for (_, row, _), s in zip(asked, strict, strict=True) if not s], A.shape[1])
    span = span.reshape(len(span), -1, m)
    if family == "multinomial":
        span = span - span.mean(1, keepdims=True)
    open_ = kernel(X.tolist(), m)  # of the columns: estimates have slopes of smallest norm
    first = int(intercept)
    if len(open_):
        span = span - span[..., first:] @ np.linalg.pinv(open_[:, first:]) @ open_
    infinite = (np.abs(span) > 1e-9).any(0)
    return Truth(kind, rows, infinite if family == "multinomial" else infinite[0])

"""The same question in rational arithmetic: a simplex method on whole numbers, for small or nearly degenerate problems.

Farkas's alternative: either Σ λᵢ aᵢ = −Σ aᵢ has a solution λ ≥ 0 (free for equalities), so that no direction has
aᵢ·δ ≥ 0 for all i and > 0 for some, or phase 1 ends with a vector that is such a direction.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np


def is_affordable(constraints: int, unknowns: int) -> bool:
    """Whether some seconds are enough, for numbers of 53 bits."""
    return unknowns**3 * constraints <= 6_000_000


def separate(A: np.ndarray, equal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of constraints A (k, q) float64: a direction (q,) of Fractions with A·δ ≥ 0, and = 0 where `equal`, which is
    positive wherever one can be; and where it is, (k,) bool."""
    whole = _whole(A)
    rest = np.arange(len(A))
    direction = np.array([0] * A.shape[1], object)
    separated = np.zeros(len(A), bool)
    while len(rest):
        found = _farkas(whole[rest], equal[rest])
        if found is None:
            break
        values = whole[rest] @ found
        # a multiple of what was found before keeps its rows positive
        before, now = whole[separated] @ direction, whole[separated] @ found
        factor = max((1 + abs(int(n)) // int(b) for b, n in zip(before, now, strict=True)), default=1)
        direction = direction * factor + found
        separated[rest[values > 0]] = True
        rest = rest[values == 0]
    exact = np.empty(A.shape[1], object)
    size = 2 ** max((abs(int(v)).bit_length() for v in direction), default=0)
    exact[:] = [Fraction(int(v), size) for v in direction]
    return exact, separated


def _whole(A: np.ndarray) -> np.ndarray:
    """Each row times a power of two that makes it whole numbers."""
    found = np.empty(A.shape, object)
    for i, row in enumerate(A.tolist()):
        ratios = [v.as_integer_ratio() for v in row]
        common = max((d for _, d in ratios), default=1)
        found[i] = [n * (common // d) for n, d in ratios]
    return found


def _farkas(whole: np.ndarray, equal: np.ndarray) -> np.ndarray | None:
    """Phase 1 for Σ λᵢ aᵢ = b: a direction of whole numbers, or None where λ exists.

    Whole-number pivots (Edmonds 1967): every entry is a determinant, divided by the last pivot without a rest.
    """
    q = whole.shape[1]
    columns = np.concatenate([whole, -whole[equal]]).T  # what is free is the difference of two that are not
    b = -whole[~equal].sum(0) if (~equal).any() else np.array([0] * q, object)
    flip = np.array([-1 if v < 0 else 1 for v in b], object)
    k = columns.shape[1]
    table: Any = np.full((q + 1, k + q + 1), 0, object)
    table[:q, :k] = columns * flip[:, None]
    for i in range(q):
        table[i, k + i] = 1
    table[:q, -1] = b * flip
    table[q, :k] = -table[:q, :k].sum(0) if q else 0
    table[q, -1] = -table[:q, -1].sum() if q else 0
    basis, last, stalled = list(range(k, k + q)), 1, 0
    while table[q, -1] != 0:
        costs = table[q, :k]
        wanting = [j for j in range(k) if costs[j] < 0]
        if not wanting:
            prices = np.array([last - table[q, k + i] for i in range(q)], object)
            return -prices * flip
        # the steepest column, and after many steps on the spot the first, which cannot go round in circles (Bland 1977)
        enter = wanting[0] if stalled > 4 * q else min(wanting, key=lambda j: costs[j])
        leave = _leaving(table, basis, enter, q)
        stalled = stalled + 1 if table[leave, -1] == 0 else 0
        pivot = table[leave, enter]
        others = np.arange(q + 1) != leave
        table[others] = (
            table[others] * pivot - np.multiply.outer(table[others, enter], table[leave])
        ) // last
        basis[leave], last = enter, pivot
    return None


def _leaving(table: Any, basis: list[int], enter: int, q: int) -> int:
    """The row with the least ratio; among equals that of the first variable."""
    best = -1
    for i in range(q):
        if table[i, enter] <= 0:
            continue
        if best >= 0:
            here, there = table[i, -1] * table[best, enter], table[best, -1] * table[i, enter]
            if here > there or (here == there and basis[i] > basis[best]):
                continue
        best = i
    return best

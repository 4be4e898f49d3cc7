"""(XᵀWX)⁻¹ with its intercept, refined against the exact Gram matrix: standard errors as good as the coefficients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from betahat.data.passes import combined_weight
from betahat.data.source import Source
from betahat.kernels.reference import exact_gram, exact_product, two_sum

_ITERATIONS = 6


def with_intercept(inverse: np.ndarray, mean: np.ndarray, weight: float) -> np.ndarray:
    """From (XcᵀWXc)⁻¹ of centred columns to (ZᵀWZ)⁻¹ of Z = [1 | X].

    >>> import numpy as np
    >>> with_intercept(np.array([[0.5]]), np.array([2.0]), 4.0)
    array([[ 2.25, -1.  ],
           [-1.  ,  0.5 ]])
    """
    cross = -(inverse @ mean)
    corner = 1 / weight - mean @ cross
    return _bordered(float(corner), cross, inverse)


def _bordered(corner: float, cross: np.ndarray, inverse: np.ndarray) -> np.ndarray:
    whole = np.empty((len(inverse) + 1, len(inverse) + 1))
    whole[0, 0], whole[0, 1:], whole[1:, 0], whole[1:, 1:] = corner, cross, cross, inverse
    return whole


def exact_moments(
    source: Source, columns: np.ndarray, centre: np.ndarray, unit: np.ndarray
) -> tuple[Any, Any]:
    """ZᵀWZ of Z = [(X − c) / unit | 1] as high + low, in one reading; `unit` holds powers of two."""
    high: Any = 0.0
    low: Any = 0.0
    for block in source.blocks():
        X = block.X.toarray() if hasattr(block.X, "toarray") else block.X
        part = exact_gram(np.asarray(X[:, columns], np.float64), combined_weight(block), centre, unit)
        high, lost = two_sum(high, part[0])
        low = low + (lost + part[1])
    return high, low


def refined_inverse(
    high: np.ndarray, low: np.ndarray, start: np.ndarray, solve: Callable[[np.ndarray], np.ndarray],
    centre: np.ndarray, unit: np.ndarray, intercept: bool,
) -> np.ndarray:  # fmt: skip
    """The inverse in the columns' own units, from `exact_moments`, an approximate `start` and its `solve`.

    With an intercept it is (1 + k) square; rounded to double only at the end, since the intercept's variance
    1/W + cᵀMc may be far smaller than the terms of its sum.
    """
    corner = high[-1, -1] + low[-1, -1]
    sums = high[:-1, -1] + low[:-1, -1]  # tiny: the centre is the mean up to rounding
    high, low = high[:-1, :-1], low[:-1, :-1]
    if intercept:
        low = low - np.outer(sums, sums) / corner
    M, rest = _refine(high, low, start, solve)
    total = (M + rest) / np.outer(unit, unit)
    total = (total + total.T) / 2
    if not intercept:
        return total
    c = (centre / unit)[:, None]
    c_low = (sums / corner)[:, None]
    product, lost = exact_product(M, rest, c, c_low)  # M is symmetric
    square, square_lost = exact_product(product, lost, c, c_low)
    variance = (square[0, 0] + (1 / corner)) + square_lost[0, 0]
    cross = -(product + lost)[:, 0] / unit
    return _bordered(float(variance), cross, total)


def _refine(
    high: np.ndarray, low: np.ndarray, start: np.ndarray, solve: Callable[[np.ndarray], np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """M ← M + H⁻¹ (I − G M) for G = high + low, the residual in double-double and M in two parts."""
    M, rest = start, np.zeros_like(start)
    size = np.sqrt(np.outer(np.diag(start), np.diag(start)))
    previous = 1.0
    for _ in range(_ITERATIONS):
        product, lost = exact_product(high, None, M, rest)
        E, more = two_sum(np.eye(len(high)), -product)
        step = solve(E + (more - lost - low @ M))
        relative = float((np.abs(step) / size).max(initial=0))
        if not relative < 0.5 * previous:
            break
        M, error = two_sum(M, step)
        rest = rest + error
        previous = relative
        if relative < 1e-20:
            break
    return M, rest

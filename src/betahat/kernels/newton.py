"""Second and first order in one reading of X: what a Newton step needs of rows that are costly to read."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from betahat.kernels.columns import is_native_float, rows_of
from betahat.kernels.gradient import gradient, gradient_sums
from betahat.kernels.gram import COMPILED_FROM, NARROW, gram, mirror_upper, slab_edges
from betahat.kernels.reference import Gradient

_ROWS, _SLAB = 512, 1 << 13  # rows in the first cache at a time; rows a thread takes


def gram_and_gradient(
    X: Any, Y: np.ndarray, beta: np.ndarray, intercept: np.ndarray, weight: np.ndarray | None = None,
    centre: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, Gradient]:  # fmt: skip
    """:func:`~betahat.kernels.gram.gram` and :func:`~betahat.kernels.gradient.gradient` of the same rows.

    >>> import numpy as np
    >>> X, Y = np.array([[1.0], [2.0]]), np.array([[1.0], [1.0]])
    >>> high, low, first = gram_and_gradient(X, Y, beta=np.array([[1.0]]), intercept=np.array([0.0]))
    >>> high[0, 0], first.high
    (np.float64(5.0), array([[-1., -2.]]))
    """
    if hasattr(X, "tocsr"):
        raise TypeError(
            "X is sparse; gram_and_gradient reads dense rows (see betahat.models.linear for sparse ones)"
        )
    n, p = X.shape
    t = Y.shape[1]
    centre = np.zeros(p + t) if centre is None else np.ascontiguousarray(centre, np.float64)
    if n * p < COMPILED_FROM or p + t >= NARROW or not is_native_float(X):
        return *gram(X, Y, weight, centre), gradient(X, Y, beta, intercept, weight)
    from betahat.kernels import gradient_compiled, gram_compiled, newton_compiled, team

    lanes = gram_compiled.SHAPE.lanes
    padded = (p + t + lanes) // lanes * lanes
    Y = np.ascontiguousarray(Y, np.float64)
    weight = None if weight is None else np.ascontiguousarray(weight, np.float64)
    high, low = np.zeros((padded, padded)), np.zeros((padded, padded))
    coefficients, intercept, sums, scalars, finish = gradient_sums(beta, intercept)

    def new() -> tuple[np.ndarray, ...]:
        sums_of_a_thread = tuple(map(np.zeros_like, (high, low, sums, scalars)))
        return *sums_of_a_thread, *gram_compiled.workspace(padded, p, _ROWS, weight is not None, high.dtype)

    def merge(
        its_high: np.ndarray, its_low: np.ndarray, its_sums: np.ndarray, its_scalars: np.ndarray, *_: Any
    ) -> None:
        gram_compiled.merge(its_high, its_low, high, low)
        gradient_compiled.merge(its_sums, its_scalars, sums, scalars)

    rows = rows_of(X, Y, weight)
    team.fold(
        newton_compiled.newton_slab,
        [
            (*rows(*edge), centre, lanes, _ROWS, coefficients, intercept, 64)
            for edge in pairwise(slab_edges(n, _SLAB))
        ],
        new,
        merge,
    )
    q = p + t + 1
    return mirror_upper(high[:q, :q]), mirror_upper(low[:q, :q]), finish()

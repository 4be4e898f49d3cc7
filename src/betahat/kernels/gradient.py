"""Residuals and gradients of linear predictions in double-double arithmetic, in one reading of X."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from betahat.kernels import reference
from betahat.kernels.columns import is_native_float, rows_of
from betahat.kernels.gram import COMPILED_FROM, CONVERTED_ROWS, slab_edges
from betahat.kernels.reference import Gradient, add_gradients

_BLOCK = 1 << 17  # elements of X that stay in cache between the residuals of some rows and their gradient


def gradient(
    X: Any, Y: np.ndarray, beta: np.ndarray, intercept: np.ndarray, weight: np.ndarray | None = None,
    precise: bool = True, memo: dict[Any, Any] | None = None,
) -> Gradient:  # fmt: skip
    """Σᵢ wᵢ rᵢ xᵢ, Σᵢ |wᵢ rᵢ xᵢ| and Σᵢ wᵢ rᵢ² of the residuals r = y − β₀ − Xβ of every target.

    X : (n, p) array of any dtype and strides, Columns, or a scipy.sparse matrix; Y : (n, t) float64; beta : (t, p);
    intercept : (t,); weight : (n,) or None; memo : a dictionary kept with a small X between calls. The sums over rows
    are as good as in twice double precision.

    >>> import numpy as np
    >>> X, Y = np.array([[1.0], [2.0]]), np.array([[1.0], [1.0]])
    >>> gradient(X, Y, beta=np.array([[1.0]]), intercept=np.array([0.0])).high
    array([[-1., -2.]])
    """
    if hasattr(X, "tocsr"):
        X = X.tocsr()
        return reference.gradient(X.astype(np.float64, copy=False), Y, beta, intercept, weight, precise)
    n, p = X.shape
    if n * p < COMPILED_FROM:
        return reference.gradient(np.asarray(X, np.float64), Y, beta, intercept, weight, precise, memo)
    if not is_native_float(X):
        return add_gradients([
            _compiled(X[a : a + CONVERTED_ROWS].astype(np.float64), Y[a : a + CONVERTED_ROWS], beta, intercept,
                      None if weight is None else weight[a : a + CONVERTED_ROWS])
            for a in range(0, n, CONVERTED_ROWS)
        ])  # fmt: skip
    return _compiled(X, Y, beta, intercept, weight)


def _compiled(
    X: Any, Y: np.ndarray, beta: np.ndarray, intercept: np.ndarray, weight: np.ndarray | None
) -> Gradient:
    from betahat.kernels import gradient_compiled, team

    n, p = X.shape
    Y.shape[1]
    lanes = gradient_compiled.LANES
    coefficients, intercept, sums, scalars, finish = gradient_sums(beta, intercept)
    Y = np.ascontiguousarray(Y, np.float64)
    weight = None if weight is None else np.ascontiguousarray(weight, np.float64)
    rows = rows_of(X, Y, weight)
    edges = slab_edges(n, smallest=max(1, min(1 << 14, (1 << 19) // max(p, 1))))
    block = min(64, max(lanes, _BLOCK // max(p, 1) // lanes * lanes))
    team.fold(
        gradient_compiled.gradient_slab,
        [(*rows(*edge), coefficients, intercept, block) for edge in pairwise(edges)],
        lambda: (np.zeros_like(sums), np.zeros_like(scalars)),
        lambda part, its_scalars: gradient_compiled.merge(part, its_scalars, sums, scalars),
    )
    return finish()


def gradient_sums(
    beta: np.ndarray, intercept: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, Callable[[], Gradient]]:
    """What the compiled kernel takes (padded coefficients, intercepts), where it adds, and what that makes."""
    from betahat.kernels.gradient_compiled import LANES

    t, p = beta.shape
    coefficients = np.zeros((t, (p + LANES - 1) // LANES * LANES))
    coefficients[:, :p] = beta
    sums, scalars = np.zeros((t, 3, coefficients.shape[1])), np.zeros((t, 5))

    def finish() -> Gradient:
        both = np.concatenate([scalars[:, :3, None], sums[:, :, :p]], axis=2)
        return Gradient(both[:, 0], both[:, 1], both[:, 2], scalars[:, 3] + scalars[:, 4])

    return coefficients, np.ascontiguousarray(intercept, np.float64), sums, scalars, finish

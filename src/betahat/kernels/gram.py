"""Gram matrices ZᵀWZ of Z = [X − c | Y − c | 1], in one reading of X: everything least squares needs.

Small problems run in NumPy; from `COMPILED_FROM` elements on, the register tile does.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from betahat.kernels import reference
from betahat.kernels.columns import is_native_float, rows_of

COMPILED_FROM = 1 << 17
"""Elements of X from which compiled kernels pay for being loaded."""

NARROW = 384  # columns up to which each slab of rows has a Gram matrix of its own
CONVERTED_ROWS = 1 << 15  # rows converted at a time where X is not a native float array


def slab_edges(rows: int, smallest: int, most: int = 64) -> list[int]:
    """Cuts of `rows` that depend on nothing but `rows`, so that sums have the same bits on any machine's threads."""
    count = min(most, max(1, rows // smallest))
    return [rows * i // count for i in range(count + 1)]


def gram(
    X: Any,
    Y: np.ndarray,
    weight: np.ndarray | None = None,
    centre: np.ndarray | None = None,
    dtype: Any = np.float64,
) -> tuple[np.ndarray, np.ndarray]:
    """ZᵀWZ as a sum `high` + `low`, both (p + t + 1, p + t + 1).

    X : (n, p) array of any dtype and strides, or Columns; Y : (n, t) float64; weight : (n,) float64 or None;
    centre : (p + t,) or None for zeros. `dtype` is what the sums are computed in, float64 or float32.

    >>> import numpy as np
    >>> X, Y = np.array([[1.0], [2.0], [4.0]]), np.array([[1.0], [0.0], [1.0]])
    >>> gram(X, Y)[0]
    array([[21.,  5.,  7.],
           [ 5.,  2.,  2.],
           [ 7.,  2.,  3.]])
    """
    n, p = X.shape
    t = Y.shape[1]
    centre = np.zeros(p + t, dtype) if centre is None else np.ascontiguousarray(centre, dtype)
    if n * p < COMPILED_FROM:
        return reference.gram(np.asarray(X, dtype), Y, weight, centre)
    if not is_native_float(X):
        high, low = np.zeros((p + t + 1, p + t + 1), dtype), np.zeros((p + t + 1, p + t + 1), dtype)
        for start in range(0, n, CONVERTED_ROWS):
            rows = slice(start, start + CONVERTED_ROWS)
            part = _compiled(X[rows].astype(dtype), Y[rows], None if weight is None else weight[rows], centre)
            high, lost = reference.two_sum(high, part[0])
            low += lost + part[1]
        return high, low
    return _compiled(X, Y, weight, centre)


def _compiled(
    X: Any, Y: np.ndarray, weight: np.ndarray | None, centre: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    from betahat.kernels import gram_compiled, team

    n, p = X.shape
    t = Y.shape[1]
    Y = np.ascontiguousarray(Y, np.float64)
    weight = None if weight is None else np.ascontiguousarray(weight, np.float64)
    lanes = gram_compiled.SHAPE.lanes * (8 // centre.itemsize)
    padded = (p + t + lanes) // lanes * lanes
    rows, q = rows_of(X, Y, weight), p + t + 1
    high, low = np.zeros((padded, padded), centre.dtype), np.zeros((padded, padded), centre.dtype)
    if padded <= NARROW:
        block = min(512, max(64, (1 << 15) // padded // 64 * 64))
        edges = slab_edges(n, smallest=min(1 << 14, (1 << 19) // padded))
        team.fold(
            gram_compiled.gram_slab,
            [(*rows(*edge), centre, lanes, block) for edge in pairwise(edges)],
            lambda: (
                np.zeros_like(high),
                np.zeros_like(low),
                *gram_compiled.workspace(padded, p, block, weight is not None, high.dtype),
            ),
            lambda sums, errors, *_: gram_compiled.merge(sums, errors, high, low),
        )
    else:
        _wide(rows, n, p, q, lanes, centre, weight is not None, high, low)
    return mirror_upper(high[:q, :q]), mirror_upper(low[:q, :q])


def _wide(
    rows: Any, n: int, p: int, used: int, lanes: int, centre: np.ndarray, weighted: bool,
    high: np.ndarray, low: np.ndarray,
) -> None:  # fmt: skip
    """Many columns: each block of rows is packed by all threads, then its products are cut by output columns."""
    from betahat.kernels import gram_compiled, team

    block, part, padded = 512, 64, len(high)
    right = np.zeros(padded * block, centre.dtype)
    left = np.zeros_like(right) if weighted else right
    scratch = np.empty((block // part, part * p), centre.dtype)
    width = lanes * gram_compiled.VECTORS
    first = gram_compiled.first_width(padded, lanes)
    starts = [0, *range(first, padded, width), padded]
    bands = [(starts[i], starts[min(i + 2, len(starts) - 1)]) for i in range(0, len(starts) - 1, 2)]
    for start in range(0, n, block):
        stop = min(start + block, n)
        team.run(
            gram_compiled.read_and_pack,
            [
                (
                    *rows(a, min(a + part, stop)),
                    centre,
                    lanes,
                    block,
                    a - start,
                    right,
                    left,
                    scratch[(a - start) // part],
                )
                for a in range(start, stop, part)
            ],
        )
        team.run(
            gram_compiled.multiply,
            [
                (right, left, stop - start, used, lanes, block, a, b, right.ctypes.data, 0, high, low)
                for a, b in bands
            ],
        )
    for sums in (high, low):
        sums[:] = sums.T.copy()


def mirror_upper(matrix: np.ndarray) -> np.ndarray:
    """Copy the upper triangle onto the lower one, in place and in blocks that stay in cache; returns the matrix."""
    n, block = len(matrix), 128
    for a in range(0, n, block):
        b = min(a + block, n)
        corner = np.triu(matrix[a:b, a:b])
        matrix[a:b, a:b] = corner + np.triu(corner, 1).T
        matrix[b:, a:b] = matrix[a:b, b:].T
    return matrix

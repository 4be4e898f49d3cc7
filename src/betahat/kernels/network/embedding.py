"""Columns of tables: numbers picked, codes looked up, and gradients put back."""

from __future__ import annotations

import numpy as np

from betahat.kernels.compiled import compiled
from betahat.kernels.memory import carray, like_array, longs
from betahat.kernels.network.operations import FIRST


@compiled
def pick(op, real, env, unit, first, some, rows, start, step, key, own, like):
    """Some columns side by side: x, row stride, f, row stride, how many, their places (int64)."""
    x, x_row, f, f_row, count, places = op[FIRST : FIRST + 6]
    which = carray(longs(places), count)
    for i in range(first, first + some):
        out = carray(like_array(f + i * f_row, like), count)
        for j in range(count):
            out[j] = carray(like_array(x + i * x_row + which[j] * like.itemsize, like), 1)[0]


@compiled
def embed(op, real, env, unit, first, some, rows, start, step, key, own, like):
    """The row of W that a column's code names: x at the column, row stride, f at its place, row stride, size, W, its
    row stride."""
    x, x_row, f, f_row, size, W, W_row = op[FIRST : FIRST + 7]
    for i in range(first, first + some):
        code = np.int64(carray(like_array(x + i * x_row, like), 1)[0])
        out, row = (
            carray(like_array(f + i * f_row, like), size),
            carray(like_array(W + code * W_row, like), size),
        )
        for j in range(size):
            out[j] = row[j]


@compiled
def embed_back(op, real, env, unit, first, some, rows, start, step, key, own, like):
    """A shard's ∂J/∂W: x at the column, row stride, the slope at its place, row stride, size, the target, its row
    stride, categories, bytes between shards."""
    x, x_row, slope, slope_row, size, target, target_row, categories, apart = op[FIRST : FIRST + 9]
    target += unit * apart
    whole = carray(like_array(target, like), categories * target_row // like.itemsize)
    whole[:] = 0
    for i in range(first, first + some):
        code = np.int64(carray(like_array(x + i * x_row, like), 1)[0])
        out = carray(like_array(target + code * target_row, like), size)
        s = carray(like_array(slope + i * slope_row, like), size)
        for j in range(size):
            out[j] += s[j]

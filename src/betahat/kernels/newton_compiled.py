"""Compiled: Gram matrix and gradient of the same rows, which are read, and turned from columns to rows, once."""

from __future__ import annotations

import numpy as np

from betahat.kernels.compiled import compiled
from betahat.kernels.gradient_compiled import gradient_slab
from betahat.kernels.gram_compiled import multiply, pack
from betahat.kernels.memory import address, read_rows


@compiled
def newton_slab(
    x,
    row_stride,
    column_stride,
    single,
    table,
    y,
    w,
    rows,
    p,
    t,
    centre,
    lanes,
    block,
    beta,
    intercept,
    part,
    high,
    low,
    sums,
    scalars,
    right,
    left,
    scratch,
):
    """ZᵀWZ of consecutive rows added to high + low, and the gradient at beta to sums and scalars."""
    direct = table.size == 0 and column_stride == 8 and not single
    no_table = np.empty(0, np.int64)
    for start in range(0, rows, block):
        count = min(block, rows - start)
        at, stride = x + start * row_stride, row_stride
        if not direct:
            read_rows(at, row_stride, column_stride, single, table, count, p, scratch)
            at, stride = address(scratch), p * 8
        ys, ws = y + start * t * 8, w + start * 8 if w != 0 else 0
        gradient_slab(
            at, stride, 8, False, no_table, ys, ws, count, p, t, beta, intercept, part, sums, scalars
        )
        pack(at, stride, ys, ws, count, p, t, centre, lanes, block, 0, right, left)
        multiply(
            right, left, count, p + t + 1, lanes, block, 0, p + t + 1, at + count * stride,
            row_stride if direct else 0, high, low,
        )  # fmt: skip

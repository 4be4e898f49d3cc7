"""Compiled Gram matrices: a block of rows is packed once into panels in cache, then multiplied by the register tile.

Packed columns are [X − centre | Y − centre | 1 | 0…], in panels of one tile's width (the first takes the remainder, so
that the longest rows of products use the whole tile): panel, row, column. With weights a second packing holds the rows
times w, so that the product is ZᵀWZ.
"""

from __future__ import annotations

import numpy as np

from betahat.kernels.compiled import compiled
from betahat.kernels.memory import address, carray, doubles, read_rows
from betahat.kernels.tile import SHAPE, copy_rows, gram_tile

ROWS, VECTORS = SHAPE.rows, SHAPE.vectors
LINE = 64  # bytes that memory is fetched by


@compiled
def first_width(padded, lanes):
    """Columns of the first panel; every other has the tile's width."""
    rest = padded % (lanes * VECTORS)
    return rest if rest > 0 else lanes * VECTORS


@compiled
def pack(x, row_stride, y, w, rows, p, t, centre, lanes, capacity, first_row, right, left):
    """Pack rows of X (unit column stride) and Y into panels from `first_row` on; `left` too, times w, if w is not 0.

    Columns behind the 1 are never written: the buffers come zeroed.
    """
    size = centre.itemsize
    padded = (p + t + lanes) // lanes * lanes
    centre_at, right_at = address(centre), address(right)
    ys = carray(doubles(y), rows * t)
    ws = carray(doubles(w), rows)
    start, here = 0, first_width(padded, lanes)
    while start < padded:
        base = start * capacity + first_row * here
        columns = min(here, p - start)
        source, middle = x + start * size, centre_at + start * size
        target, stride = right_at + base * size, here * size
        vectors = (columns + lanes - 1) // lanes
        rest = columns - (vectors - 1) * lanes
        copy_rows(vectors, source, row_stride, target, stride, rows, middle, rest, centre)
        for c in range(max(p, start), min(p + t, start + here)):
            for i in range(rows):
                right[base + i * here + c - start] = ys[i * t + c - p] - centre[c]
        if start <= p + t < start + here:  # the vector that ends X may have written over the ones
            for i in range(rows):
                right[base + i * here + p + t - start] = 1.0
        if w != 0:
            for i in range(rows):
                weight = ws[i]
                for c in range(base + i * here, base + i * here + here):
                    left[c] = weight * right[c]
        start += here
        here = lanes * VECTORS


@compiled
def multiply(right, left, rows, used, lanes, capacity, first, last, ahead, apart, sums, errors):
    """Add the block's ZᵀWZ to sums + errors, lower triangle, for the panels that start in columns first … last − 1.

    used : columns but for what fills the last register; the lower triangle, since rows come in smaller pieces than
    columns, so that less beyond the diagonal and the last column is multiplied. `ahead` is where the next block lies,
    its rows so many bytes `apart`: it is fetched meanwhile, evenly, so that memory is busy all the time; 0 fetches
    nothing new.
    """
    size = right.itemsize
    width, padded = lanes * VECTORS, (used + lanes - 1) // lanes * lanes
    narrow = first_width(padded, lanes)
    at, left_at = address(right), address(left)
    to, lost = address(sums), address(errors)
    step = padded * size
    start, tiles = first, 0
    while start < last:
        tiles += (used - start + ROWS - 1) // ROWS
        start += width if start > 0 else narrow
    line = min(LINE, (apart + tiles - 1) // tiles)
    start = first
    while start < last:
        here = width if start > 0 else narrow
        b = at + start * capacity * size
        for i in range(start, used, ROWS):  # panels begin where rows of a tile do
            own = 0 if i < narrow else narrow + (i - narrow) // width * width
            a_k = (width if own > 0 else narrow) * size
            a = left_at + (own * capacity + i - own) * size
            c = to + (i * padded + start) * size
            vectors = min(here, i - start + ROWS + lanes - 1) // lanes
            parts = 2 if used - i <= ROWS // 2 else 1
            gram_tile(
                parts, vectors, a, b, c, lost + c - to, rows, size, a_k, here * size, step, ahead, line, sums
            )  # fmt: skip
            ahead += rows * line
        start += here


def workspace(padded, p, block, weighted, dtype):
    """What a thread packs a block of rows into: right, left (the same without weights), and rows as they are read."""
    right = np.zeros(padded * block, dtype)
    return right, np.zeros_like(right) if weighted else right, np.empty(block * p, dtype)


@compiled
def read_and_pack(
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
    capacity,
    first_row,
    right,
    left,
    scratch,
):
    """Pack rows of any layout; returns where the rows that follow lie and how far apart, or 0 if they need not be
    fetched."""
    size = centre.itemsize
    if table.size == 0 and column_stride == size and single == (size == 4):
        pack(x, row_stride, y, w, rows, p, t, centre, lanes, capacity, first_row, right, left)
        return x + rows * row_stride, row_stride
    read_rows(x, row_stride, column_stride, single, table, rows, p, scratch)
    pack(address(scratch), p * size, y, w, rows, p, t, centre, lanes, capacity, first_row, right, left)
    return address(scratch), 0


@compiled
def gram_slab(
    x, row_stride, column_stride, single, table, y, w, rows, p, t, centre, lanes, block, sums, errors, right, left,
    scratch,
):  # fmt: skip
    """ZᵀWZ of consecutive rows, block by block, added to sums + errors."""
    for start in range(0, rows, block):
        count = min(block, rows - start)
        ahead, apart = read_and_pack(
            x + start * row_stride, row_stride, column_stride, single, table, y + start * t * 8,
            w + start * 8 if w != 0 else 0, count, p, t, centre, lanes, block, 0, right, left,
            scratch,
        )  # fmt: skip
        multiply(right, left, count, p + t + 1, lanes, block, 0, p + t + 1, ahead, apart, sums, errors)


@compiled
def merge(sums, errors, high, low):
    """Add a slab's lower triangle to high + low, as their upper one, and leave zeros for the next slab."""
    for i in range(len(high)):
        for j in range(i + 1):
            a, b = high[j, i], sums[i, j]
            s = a + b
            z = s - a
            low[j, i] += ((a - (s - z)) + (b - z)) + errors[i, j]
            high[j, i] = s
            sums[i, j] = errors[i, j] = 0.0

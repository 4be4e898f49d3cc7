"""The register tile over scattered memory: C[i] = bend(B₀ + Σₖ A[i, k] · B[k]), for convolutions without copies.

A number of A lies at the sum of a row's place and a column's, A[i, k] = memory[rows[i] + columns[k]], as the numbers do
that windows of an image meet: rows are windows and columns places within a window, or the other way round. Rows of B
and of C have places of their own. So the forward pass, the slope of the input and that of the filters are this one
product, for any stride and dilation; rows that meet the same columns are a class, so that windows which reach beyond an
image leave out what is not there. Every sum runs over k in order.
"""

from __future__ import annotations

from typing import Any

from betahat.kernels.compiled import compiled
from betahat.kernels.memory import carray, longs
from betahat.kernels.network.tiles import BYTES, MOST_ROWS, VECTORS, bend, sized
from betahat.kernels.vector import I64, Vectors, counted_loop, intrinsic

_DEEP, _SHALLOW = 192, 320  # columns of A at once; so many at most are taken whole
_TILES = 64  # of rows at once
A_ROWS, C_ROWS, ROWS, COLUMNS, B_ROWS, DEPTH, CLASS = range(7)
"""Of a class: addresses of the tables of its rows in A and in C, how many there are, addresses of the tables of its
columns in A and of their rows in B, how many there are."""


def _emit(v: Vectors, rows: int, vectors: int, given: Any) -> None:
    a, a_rows, columns, b, b_rows, c, c_rows, k, init, follows, slope = given
    builder = v.builder
    wide = v.lanes * v.size
    cells = [(i, j) for i in range(rows) for j in range(vectors)]

    def number(table: Any, i: int) -> Any:
        return builder.load(v.pointer(v.at(table, 8 * i), I64))

    left_rows = [v.at(a, number(a_rows, i)) for i in range(rows)]
    begin = [v.at(init, builder.mul(follows, number(c_rows, i))) for i in range(rows)]
    sums = [v.load(v.at(begin[i], j * wide)) for i, j in cells]

    def body(step: Any, carried: list[Any]) -> list[Any]:
        column, its_row, *totals = carried  # addresses that move on cost fewer registers than products
        offset = builder.load(v.pointer(column, I64))
        right_row = v.at(b, builder.load(v.pointer(its_row, I64)))
        right = [v.load(v.at(right_row, j * wide)) for j in range(vectors)]
        left = [v.broadcast(v.at(row, offset)) for row in left_rows]
        totals = [
            v.multiply_add(left[i], right[j], total) for (i, j), total in zip(cells, totals, strict=True)
        ]
        return [v.at(column, 8), v.at(its_row, 8), *totals]

    sums = counted_loop(builder, k, [columns, b_rows, *sums], body)[2:]
    factor = v.splat(slope)
    to = [v.at(c, number(c_rows, i)) for i in range(rows)]
    for (i, j), total in zip(cells, sums, strict=True):
        v.store(bend(v, total, factor), v.at(to[i], j * wide))


@intrinsic
def tile(
    typingctx: Any, rows: Any, vectors: Any, a: Any, a_rows: Any, columns: Any, b: Any, b_rows: Any, c: Any,
    c_rows: Any, k: Any, init: Any, follows: Any, slope: Any, like: Any,
):  # fmt: skip
    """One tile of at most MOST_ROWS[vectors] rows; addresses and strides in bytes, tables of int64 bytes."""
    return sized("scattered", _emit, like)


@compiled
def tiles_of(rows, most):
    """As few as can be."""
    return (rows + most - 1) // most


@compiled
def multiply_scattered(
    classes, count, longer, deeper, part, parts, a, b, c, vectors, init, follows, slope, like
):  # fmt: skip
    """C (rows, vectors · lanes) = bend(B₀ + A·B), class after class. classes : address of their table (count, CLASS);
    longer, deeper : how many times as many rows, or columns, there are as the table says; part, parts : which share of
    each class's rows; init : of B₀, a row that is the same for all where follows is 0, and with 1 rows where C's are.

    Panels of B and tiles of rows are as even as can be, since narrow ones are slower.
    """
    table = carray(longs(classes), (count, CLASS))
    deepest = 0
    for j in range(count):
        deepest = max(deepest, table[j, DEPTH] * deeper)
    depths = 1 if deepest <= _SHALLOW else (deepest + _DEEP - 1) // _DEEP
    panels = (vectors + VECTORS - 1) // VECTORS
    place, whole = 0, like.dtype.type(1.0)
    for panel in range(panels):
        here = vectors // panels + (1 if panel < vectors % panels else 0)
        most, total = MOST_ROWS[here], 0
        for j in range(count):
            rows = table[j, ROWS] * longer
            total += tiles_of(rows * (part + 1) // parts - rows * part // parts, most)
        for block in range(0, total, _TILES):  # whose C stays in the second-level cache
            for depth in range(depths):  # while so much of B stays in the first
                before = 0
                for j in range(count):
                    rows, k = table[j, ROWS] * longer, table[j, DEPTH] * deeper
                    low, high = rows * part // parts, rows * (part + 1) // parts
                    tiles = tiles_of(high - low, most)
                    begin, end = max(block - before, 0), min(block + _TILES - before, tiles)
                    before += tiles
                    done, upto = k * depth // depths, k * (depth + 1) // depths
                    if begin >= end or (upto == done and (k > 0 or depth > 0)):
                        continue
                    first, ends = done == 0, upto == k
                    wide, wider = (high - low) // tiles, (high - low) % tiles
                    row = low + begin * wide + min(begin, wider)
                    for t in range(begin, end):
                        some = wide + (1 if t < wider else 0)
                        tile(
                            some, here, a, table[j, A_ROWS] + row * 8, table[j, COLUMNS] + done * 8, b + place,
                            table[j, B_ROWS] + done * 8, c + place, table[j, C_ROWS] + row * 8, upto - done,
                            (init if first else c) + place, follows if first else 1, slope if ends else whole, like,
                        )  # fmt: skip
                        row += some
        place += here * BYTES

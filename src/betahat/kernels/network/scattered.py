"""The register tile over scattered memory: C[i] = bend(B₀ + Σₖ A[i, k] · B[k]), for convolutions without copies.

A number of A lies at the sum of a row's place and a column's, A[i, k] = memory[rows[i] + columns[k]], as the numbers do
that windows of an image meet: rows are windows and columns places within a window, or the other way round. C's rows
have places of their own. So the forward pass, the slope of the input and that of the filters are this one product, for
any stride and dilation. Every sum runs over k in order.
"""

from __future__ import annotations

from typing import Any

from betahat.kernels.compiled import compiled
from betahat.kernels.network.tiles import BYTES, MOST_ROWS, VECTORS, bend, sized
from betahat.kernels.vector import I64, Vectors, counted_loop, intrinsic

_DEEP, _SHALLOW = 192, 320  # columns of A at once; so many at most are taken whole
_TILES = 64  # of rows at once


def _emit(v: Vectors, rows: int, vectors: int, given: Any) -> None:
    a, a_rows, columns, b, b_k, c, c_rows, k, init, follows, slope = given
    builder = v.builder
    wide = v.lanes * v.size
    cells = [(i, j) for i in range(rows) for j in range(vectors)]

    def number(table: Any, i: int) -> Any:
        return builder.load(v.pointer(v.at(table, 8 * i), I64))

    left_rows = [v.at(a, number(a_rows, i)) for i in range(rows)]
    begin = [v.at(init, builder.mul(follows, number(c_rows, i))) for i in range(rows)]
    sums = [v.load(v.at(begin[i], j * wide)) for i, j in cells]

    def body(step: Any, carried: list[Any]) -> list[Any]:
        column, right_row, *totals = carried  # addresses that move on cost fewer registers than products
        offset = builder.load(v.pointer(column, I64))
        right = [v.load(v.at(right_row, j * wide)) for j in range(vectors)]
        left = [v.broadcast(v.at(row, offset)) for row in left_rows]
        totals = [
            v.multiply_add(left[i], right[j], total) for (i, j), total in zip(cells, totals, strict=True)
        ]
        return [v.at(column, 8), v.at(right_row, b_k), *totals]

    sums = counted_loop(builder, k, [columns, b, *sums], body)[2:]
    factor = v.splat(slope)
    to = [v.at(c, number(c_rows, i)) for i in range(rows)]
    for (i, j), total in zip(cells, sums, strict=True):
        v.store(bend(v, total, factor), v.at(to[i], j * wide))


@intrinsic
def tile(
    typingctx: Any, rows: Any, vectors: Any, a: Any, a_rows: Any, columns: Any, b: Any, b_k: Any, c: Any, c_rows: Any,
    k: Any, init: Any, follows: Any, slope: Any, like: Any,
):  # fmt: skip
    """One tile of at most MOST_ROWS[vectors] rows; addresses and strides in bytes, tables of int64 bytes."""
    return sized("scattered", _emit, like)


@compiled
def multiply_scattered(a, a_rows, columns, b, b_k, c, c_rows, rows, vectors, k, init, follows, slope, like):
    """C (rows, vectors · lanes) = bend(B₀ + A·B). a_rows, columns, c_rows : addresses of tables; init : of B₀, a row
    that is the same for all where follows is 0, and with 1 rows where C's are.

    Panels of B and tiles of rows are as even as can be, since narrow ones are slower.
    """
    panels = (vectors + VECTORS - 1) // VECTORS
    place, whole = 0, like.dtype.type(1.0)
    for panel in range(panels):
        here = vectors // panels + (1 if panel < vectors % panels else 0)
        most = MOST_ROWS[here]
        tiles = (rows + most - 1) // most
        for block in range(0, tiles, _TILES):  # whose C stays in the second-level cache
            done = 0
            while done == 0 or done < k:  # while so much of B stays in the first
                deep = k if k <= _SHALLOW else min(_DEEP, k - done)
                ends = done + deep >= k
                row = block * (rows // tiles) + min(block, rows % tiles)
                for t in range(block, min(block + _TILES, tiles)):
                    some = rows // tiles + (1 if t < rows % tiles else 0)
                    tile(
                        some, here, a, a_rows + row * 8, columns + done * 8, b + place + done * b_k, b_k, c + place,
                        c_rows + row * 8, deep, (init if done == 0 else c) + place, follows if done == 0 else 1,
                        slope if ends else whole, like,
                    )  # fmt: skip
                    row += some
                done += max(deep, 1)
        place += here * BYTES

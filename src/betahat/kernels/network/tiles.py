"""The register tile with a beginning and an ending: C = bend(B₀ + A·B), for the matrix products of networks.

B₀ is a row that is the same for all (a bias), C itself (to go on with a sum) or zeros; bend(c) = max(c, slope·c) is
nothing for slope 1, ReLU for 0, leaky between. Every sum runs over k in order, whatever the tile: a row's result does
not depend on the rows around it.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types

from betahat.kernels.compiled import compiled
from betahat.kernels.tile import SHAPE
from betahat.kernels.vector import I64, Vectors, counted_loop, intrinsic, switch, vectors_like

ROWS = tuple(r for r in (8, 4, 2, 1) if r <= SHAPE.rows)
"""How many rows a tile may have."""
MOST_ROWS = SHAPE.rows
VECTORS = SHAPE.vectors
BYTES = SHAPE.lanes * 8
"""Of a register."""
_BLOCK = 1 << 17  # bytes of A that are held in the second-level cache while panels of B pass


def _emit(v: Vectors, rows: int, vectors: int, given: Any) -> None:
    a, b, c, k, a_row, a_k, b_k, c_row, init, init_row, slope = given
    builder = v.builder
    wide = v.lanes * v.size
    cells = [(i, j) for i in range(rows) for j in range(vectors)]

    def row_of(base: Any, stride: Any, i: int) -> Any:
        return v.at(base, builder.mul(stride, ir.Constant(I64, i)))

    begin, left_rows = (
        [row_of(init, init_row, i) for i in range(rows)],
        [row_of(a, a_row, i) for i in range(rows)],
    )
    sums = [v.load(v.at(begin[i], j * wide)) for i, j in cells]

    def body(step: Any, totals: list[Any]) -> list[Any]:
        right_row, offset = v.at(b, builder.mul(step, b_k)), builder.mul(step, a_k)
        right = [v.load(v.at(right_row, j * wide)) for j in range(vectors)]
        left = [v.broadcast(v.at(row, offset)) for row in left_rows]
        return [v.multiply_add(left[i], right[j], total) for (i, j), total in zip(cells, totals, strict=True)]

    sums = counted_loop(builder, k, sums, body)
    factor = v.splat(slope)
    for (i, j), total in zip(cells, sums, strict=True):
        bent = v.mul(total, factor)
        larger = builder.select(builder.fcmp_ordered(">", bent, total), bent, total)  # NaN stays
        v.store(larger, v.at(row_of(c, c_row, i), j * wide))


@intrinsic
def tile(
    typingctx: Any, rows: Any, vectors: Any, a: Any, b: Any, c: Any, k: Any, a_row: Any, a_k: Any, b_k: Any,
    c_row: Any, init: Any, init_row: Any, slope: Any, like: Any,
):  # fmt: skip
    """One tile, `rows` one of ROWS and `vectors` at most VECTORS; addresses and strides in bytes, slope of the
    elements' type, that of the array `like`."""
    signature = types.void(*([types.int64] * 12), like.dtype, like)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        v = vectors_like(builder, signature.args[-1], SHAPE)

        def wide(count: int) -> None:
            switch(builder, args[0], ROWS, lambda high: _emit(v, high, count, args[2:13]))

        switch(builder, args[1], range(1, VECTORS + 1), wide)
        return context.get_dummy_value()

    return signature, codegen


@compiled
def column(vectors, rows, a, b, c, k, a_row, a_k, b_k, c_row, init, init_row, slope, like):
    """A panel of C, tile by tile."""
    while rows > 0:
        done = MOST_ROWS
        while done > rows:
            done //= 2
        tile(done, vectors, a, b, c, k, a_row, a_k, b_k, c_row, init, init_row, slope, like)
        rows -= done
        a += done * a_row
        c += done * c_row
        init += done * init_row


@compiled
def multiply(a, a_row, a_k, b, b_k, c, c_row, rows, vectors, k, init, init_row, slope, like):
    """C (rows, vectors · lanes) = bend(B₀ + A·B); addresses and strides in bytes.

    A block of A's rows stays in cache while B passes panel by panel; panels are as even as can be, since narrow ones
    are slower.
    """
    panels = (vectors + VECTORS - 1) // VECTORS
    least, wider = vectors // max(panels, 1), vectors % max(panels, 1)
    size = like.itemsize
    together = max(MOST_ROWS, _BLOCK // (max(k, 1) * size) // MOST_ROWS * MOST_ROWS)
    for first in range(0, rows, together):
        some = min(together, rows - first)
        at, to, begin = a + first * a_row, c + first * c_row, init + first * init_row
        place = 0
        for panel in range(panels):
            here = least + (1 if panel < wider else 0)
            column(
                here,
                some,
                at,
                b + place,
                to + place,
                k,
                a_row,
                a_k,
                b_k,
                c_row,
                begin + place,
                init_row,
                slope,
                like,
            )
            place += here * BYTES

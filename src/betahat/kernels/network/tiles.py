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
from betahat.kernels.vector import I64, Vectors, counted_loop, function, intrinsic, switch

_SUMS = SHAPE.rows * SHAPE.vectors
VECTORS = 4 if _SUMS >= 24 else SHAPE.vectors
"""Registers that a tile may be wide."""
MOST_ROWS = tuple(min(SHAPE.rows, max(1, _SUMS // max(k, 1))) for k in range(VECTORS + 1))
"""Rows of a tile of 0, 1, … registers, so that its sums stay in registers."""
WHOLE = 24
"""Rows that tiles of all widths fill."""
BYTES = SHAPE.lanes * 8
"""Of a register."""
_BLOCK = 1 << 17  # bytes of A that are held in the second-level cache while panels of B pass


def bend(v: Vectors, total: Any, factor: Any) -> Any:
    """max(total, factor · total); NaN stays."""
    bent = v.mul(total, factor)
    return v.builder.select(v.builder.fcmp_ordered(">", bent, total), bent, total)


def emit_in(name: str, element: Any, emit: Any, rows: int, vectors: int, builder: Any, given: Any) -> None:
    """A call of the tile of that size, emit(v, rows, vectors, arguments)."""

    def body(inner: Any, arguments: Any) -> None:
        double = isinstance(element, ir.DoubleType)
        lanes = SHAPE.lanes if double else 2 * SHAPE.lanes
        emit(Vectors(inner, lanes, double, SHAPE.fused), rows, vectors, arguments)

    full = f"{name}_{element.intrinsic_name}_{rows}_{vectors}"
    builder.call(function(builder.module, full, [value.type for value in given], body), given)


def any_size(builder: Any, rows: Any, vectors: Any, emit: Any) -> None:
    """emit(rows, vectors) for each size of tiles, of which that of the arguments runs."""

    def wide(count: int) -> None:
        switch(builder, rows, range(1, MOST_ROWS[count] + 1), lambda high: emit(high, count))

    switch(builder, vectors, range(1, VECTORS + 1), wide)


def sized(name: str, emit: Any, like: Any) -> tuple[Any, Any]:
    """Signature and code of an intrinsic that takes the rows and the registers of a tile, ten numbers more, a slope of
    the elements' type, and `like`: emit(v, rows, registers, the numbers and the slope) for the size asked for."""
    signature = types.void(*([types.int64] * 12), like.dtype, like)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        element, given = args[12].type, args[2:13]

        def one(rows: int, vectors: int) -> None:
            emit_in(name, element, emit, rows, vectors, builder, given)

        any_size(builder, args[0], args[1], one)
        return context.get_dummy_value()

    return signature, codegen


def _emit(v: Vectors, rows: int, vectors: int, given: Any) -> None:
    a, b, c, k, a_row, a_k, b_k, c_row, init, init_row, slope = given
    builder = v.builder
    wide = v.lanes * v.size
    cells = [(i, j) for i in range(rows) for j in range(vectors)]

    def row_of(base: Any, stride: Any, i: int) -> Any:
        return v.at(base, builder.mul(stride, ir.Constant(I64, i)))

    places = [builder.mul(a_row, ir.Constant(I64, i)) for i in range(rows)]
    sums = [v.load(v.at(row_of(init, init_row, i), j * wide)) for i, j in cells]

    def body(step: Any, carried: list[Any]) -> list[Any]:
        left_column, right_row, *totals = carried  # addresses that move on cost fewer registers than products
        right = [v.load(v.at(right_row, j * wide)) for j in range(vectors)]
        left = [v.broadcast(v.at(left_column, place)) for place in places]
        totals = [
            v.multiply_add(left[i], right[j], total) for (i, j), total in zip(cells, totals, strict=True)
        ]
        return [v.at(left_column, a_k), v.at(right_row, b_k), *totals]

    sums = counted_loop(builder, k, [a, b, *sums], body)[2:]
    factor = v.splat(slope)
    for (i, j), total in zip(cells, sums, strict=True):
        v.store(bend(v, total, factor), v.at(row_of(c, c_row, i), j * wide))


@intrinsic
def tile(
    typingctx: Any, rows: Any, vectors: Any, a: Any, b: Any, c: Any, k: Any, a_row: Any, a_k: Any, b_k: Any,
    c_row: Any, init: Any, init_row: Any, slope: Any, like: Any,
):  # fmt: skip
    """One tile of at most MOST_ROWS[vectors] rows; addresses and strides in bytes, slope of the elements' type, that of
    the array `like`."""
    return sized("tile", _emit, like)


@compiled
def column(vectors, rows, a, b, c, k, a_row, a_k, b_k, c_row, init, init_row, slope, like):
    """A panel of C, tile by tile, as even as can be."""
    most = MOST_ROWS[vectors]
    tiles = (rows + most - 1) // most
    for t in range(tiles):
        some = rows // tiles + (1 if t < rows % tiles else 0)
        tile(some, vectors, a, b, c, k, a_row, a_k, b_k, c_row, init, init_row, slope, like)
        a += some * a_row
        c += some * c_row
        init += some * init_row


@compiled
def multiply(a, a_row, a_k, b, b_k, c, c_row, rows, vectors, k, init, init_row, slope, like):
    """C (rows, vectors · lanes) = bend(B₀ + A·B); addresses and strides in bytes.

    A block of A's rows stays in cache while B passes panel by panel; panels are as even as can be, since narrow ones
    are slower.
    """
    panels = (vectors + VECTORS - 1) // VECTORS
    least, wider = vectors // max(panels, 1), vectors % max(panels, 1)
    size = like.itemsize
    together = max(WHOLE, _BLOCK // (max(k, 1) * size) // WHOLE * WHOLE)
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

"""The register tile: C[i, j] (+)= Σₖ A[i, k] · B[k, j], rows × (vectors · lanes) sums held in registers.

A is addressed by two strides, B and C by one each (all in bytes), so one tile serves Gram matrices, dense layers
and convolutions. Two endings: the sums are added to C, or added with the rounding error kept in a second array
(compensated), which makes a sum over many blocks as accurate as its blocks.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types

from betahat.kernels.processor import tile_shape
from betahat.kernels.vector import I64, Vectors, counted_loop, intrinsic, switch, vectors_like

ADD, COMPENSATED = 0, 1


def emit_tile(
    v: Vectors, rows: int, vectors: int, ending: int, a: Any, b: Any, c: Any, error: Any, k: Any,
    a_row: Any, a_k: Any, b_k: Any, c_row: Any, ahead: tuple[Any, Any] | None, sizes: bool = False,
) -> None:  # fmt: skip
    """The instructions of one tile of `rows` × `vectors`; with `sizes`, of magnitudes."""
    builder = v.builder
    wide = v.lanes * v.size
    cells = [(i, j) for i in range(rows) for j in range(vectors)]
    row = [v.at(a, builder.mul(a_row, ir.Constant(I64, i))) for i in range(rows)]
    seen = v.abs if sizes else lambda value: value

    def body(step: Any, sums: list[Any]) -> list[Any]:
        right_row, offset = v.at(b, builder.mul(step, b_k)), builder.mul(step, a_k)
        if ahead is not None:
            v.prefetch(v.at(ahead[0], builder.mul(step, ahead[1])))
        right = [seen(v.load(v.at(right_row, j * wide))) for j in range(vectors)]
        left = [seen(v.broadcast(v.at(row[i], offset))) for i in range(rows)]
        return [v.multiply_add(left[i], right[j], total) for (i, j), total in zip(cells, sums, strict=True)]

    sums = counted_loop(builder, k, [v.zero] * len(cells), body)
    for (i, j), total in zip(cells, sums, strict=True):
        place = v.at(builder.mul(c_row, ir.Constant(I64, i)), j * wide)
        to = v.at(c, place)
        if ending == ADD:
            v.store(v.add(v.load(to), total), to)
        else:
            kept, lost = v.two_sum(v.load(to), total)
            v.store(kept, to)
            slot = v.at(error, place)
            v.store(v.add(v.load(slot), lost), slot)


SHAPE = tile_shape()
_WIDTHS = range(1, SHAPE.vectors + 1)  # of panels, in registers


@intrinsic
def gram_tile(
    typingctx: Any, parts: Any, vectors: Any, a: Any, b: Any, c: Any, error: Any, k: Any,
    a_row: Any, a_k: Any, b_k: Any, c_row: Any, ahead: Any, ahead_k: Any, like: Any,
):  # fmt: skip
    """One tile of so many registers, compensated; parts : 1 for all of its rows, 2 for the first half.

    Addresses and strides are in bytes. `ahead` is memory that will be wanted soon: each step asks for one of its
    cache lines, so that reading the next block hides behind this one's arithmetic. `like` is any array of the
    element type, float64 or float32.
    """
    signature = types.void(*([types.int64] * 13), like)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        parts, vectors, *places, ahead, ahead_k, _ = args
        v = vectors_like(builder, signature.args[-1], SHAPE)

        def part(cut: int) -> None:
            def wide(count: int) -> None:
                emit_tile(v, SHAPE.rows // cut, count, COMPENSATED, *places, ahead=(ahead, ahead_k))

            switch(builder, vectors, _WIDTHS, wide)

        switch(builder, parts, (1, 2), part)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def copy_rows(
    typingctx: Any, vectors: Any, source: Any, row_stride: Any, target: Any, target_stride: Any, rows: Any,
    centre: Any, rest: Any, like: Any,
):  # fmt: skip
    """Rows of so many registers, less the centre, to a panel. Of the last register only `rest` elements are there
    (1 … lanes); zeros are written behind them."""
    signature = types.void(*([types.int64] * 8), like)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vectors, source, row_stride, target, target_stride, rows, centre, rest, _ = args
        v = vectors_like(builder, signature.args[-1], SHAPE)
        size = v.lanes * v.size

        def wide(count: int) -> None:
            def read(address: Any, j: int) -> Any:
                here = v.at(address, j * size)
                return v.load_first(here, rest) if j == count - 1 else v.load(here)

            middle = [read(centre, j) for j in range(count)]

            def body(step: Any, _: list[Any]) -> list[Any]:
                row = v.at(source, builder.mul(step, row_stride))
                to = v.at(target, builder.mul(step, target_stride))
                for j in range(count):
                    v.store(v.sub(read(row, j), middle[j]), v.at(to, j * size))
                return []

            counted_loop(builder, rows, [], body)

        switch(builder, vectors, _WIDTHS, wide)
        return context.get_dummy_value()

    return signature, codegen

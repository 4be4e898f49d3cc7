"""Register loops in double-double arithmetic: each sum carries its rounding error (Dot2: Ogita, Rump & Oishi 2005).

A residual y − Xβ and a gradient Xᵀu computed so are as good as in twice the working precision, at the speed of
reading X: twenty operations an element hide behind the memory.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types

from betahat.kernels.processor import Tile
from betahat.kernels.tile import SHAPE
from betahat.kernels.vector import I64, Vectors, counted_loop, intrinsic


def make_dot_rows(shape: Tile) -> Any:
    """An intrinsic dot_rows(x, row_stride, beta, whole, rest, high, low): `lanes` rows of X times β.

    `whole` full vectors of columns and `rest` more; β is padded with zeros. Writes `lanes` sums and their errors.
    """

    @intrinsic
    def dot_rows(
        typingctx: Any, x: Any, row_stride: Any, beta: Any, whole: Any, rest: Any, high: Any, low: Any
    ):
        signature = types.void(*([types.int64] * 7))

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            x, row_stride, beta, whole, rest, high, low = args
            v = Vectors(builder, shape.lanes, True, shape.fused)
            wide = v.lanes * v.size
            rows = [v.at(x, builder.mul(row_stride, ir.Constant(I64, i))) for i in range(v.lanes)]

            def accumulate(offset: Any, carried: list[Any], read: Any) -> list[Any]:
                coefficient = v.load(v.at(beta, offset))
                updated = []
                for i, row in enumerate(rows):
                    product, rounding = v.two_product(read(v.at(row, offset)), coefficient)
                    total, lost = v.two_sum(carried[2 * i], product)
                    updated += [total, v.add(carried[2 * i + 1], v.add(lost, rounding))]
                return updated

            size = ir.Constant(I64, wide)
            sums = counted_loop(
                builder, whole, [v.zero] * (2 * v.lanes),
                lambda step, carried: accumulate(builder.mul(step, size), carried, v.load),
            )  # fmt: skip
            tail = builder.zext(builder.icmp_signed(">", rest, ir.Constant(I64, 0)), I64)
            behind = builder.mul(whole, size)
            sums = counted_loop(
                builder, tail, sums,
                lambda step, carried: accumulate(behind, carried, lambda at: v.load_first(at, rest)),
            )  # fmt: skip
            totals, errors = v.transpose(sums[0::2]), v.transpose(sums[1::2])
            total, error = totals[0], errors[0]
            for other, its_error in zip(totals[1:], errors[1:], strict=True):
                total, lost = v.two_sum(total, other)
                error = v.add(error, v.add(lost, its_error))
            v.store(total, high)
            v.store(error, low)
            return context.get_dummy_value()

        return signature, codegen

    return dot_rows


def make_dot_columns(shape: Tile, vectors: int) -> Any:
    """An intrinsic dot_columns(x, row_stride, rows, high, low, rest, sums, errors, magnitudes).

    Adds Σᵢ xᵢⱼ (highᵢ + lowᵢ) to sums + errors and Σᵢ |xᵢⱼ highᵢ| to magnitudes for `vectors` vectors of columns,
    the last of which holds `rest` columns (1 … lanes).
    """

    @intrinsic
    def dot_columns(
        typingctx: Any, x: Any, row_stride: Any, rows: Any, high: Any, low: Any, rest: Any,
        sums: Any, errors: Any, magnitudes: Any,
    ):  # fmt: skip
        signature = types.void(*([types.int64] * 9))

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            x, row_stride, rows, high, low, rest, *places = args
            v = Vectors(builder, shape.lanes, True, shape.fused)
            wide = v.lanes * v.size

            def body(step: Any, carried: list[Any]) -> list[Any]:
                row = v.at(x, builder.mul(step, row_stride))
                item = builder.mul(step, ir.Constant(I64, v.size))
                h, lower = v.broadcast(v.at(high, item)), v.broadcast(v.at(low, item))
                magnitude = v.abs(h)
                updated = []
                for j in range(vectors):
                    at = v.at(row, j * wide)
                    values = v.load_first(at, rest) if j == vectors - 1 else v.load(at)
                    total, error, absolute = carried[3 * j : 3 * j + 3]
                    product, rounding = v.two_product(values, h)
                    total, lost = v.two_sum(total, product)
                    error = v.multiply_add(values, lower, v.add(error, v.add(lost, rounding)))
                    updated += [total, error, v.multiply_add(v.abs(values), magnitude, absolute)]
                return updated

            slots = [v.at(place, j * wide) for j in range(vectors) for place in places]
            final = counted_loop(builder, rows, [v.load(slot) for slot in slots], body)
            for value, slot in zip(final, slots, strict=True):
                v.store(value, slot)
            return context.get_dummy_value()

        return signature, codegen

    return dot_columns


dot_rows = make_dot_rows(SHAPE)
dot_columns_1 = make_dot_columns(SHAPE, 1)
dot_columns_2 = make_dot_columns(SHAPE, 2)
dot_columns_4 = make_dot_columns(SHAPE, 4 if SHAPE.lanes == 8 else 2)
COLUMNS = 4 if SHAPE.lanes == 8 else 2

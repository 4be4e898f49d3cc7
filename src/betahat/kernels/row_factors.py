"""Register loops over packed rows that multiply each by a number of its own."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types

from betahat.kernels.row_tiles import VECTORS
from betahat.kernels.tile import SHAPE
from betahat.kernels.vector import I64, Vectors, counted_loop, intrinsic, switch


@intrinsic
def scaled_rows(typingctx: Any, panel: Any, rows: Any, vectors: Any, h: Any, target: Any):
    """Every row of one panel of `vectors` times its hᵢ."""
    signature = types.void(*([types.int64] * 5))

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        panel, rows, vectors, h, target = args
        v = Vectors(builder, SHAPE.lanes, True, SHAPE.fused)
        size = v.lanes * v.size

        def scale(count: int) -> None:
            def body(step: Any, _: list[Any]) -> list[Any]:
                offset = builder.mul(step, ir.Constant(I64, count * size))
                factor = v.broadcast(v.at(h, builder.mul(step, ir.Constant(I64, v.size))))
                for j in range(count):
                    place = v.at(offset, j * size)
                    v.store(v.mul(v.load(v.at(panel, place)), factor), v.at(target, place))
                return []

            counted_loop(builder, rows, [], body)

        switch(builder, vectors, VECTORS, scale)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def narrowed_rows(
    typingctx: Any, source: Any, stride: Any, rows: Any, h: Any, unit: Any, target: Any, target_stride: Any
):
    """One vector of every row times its hᵢ and the columns' units, to float32."""
    signature = types.void(*([types.int64] * 7))

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source, stride, rows, h, unit, target, target_stride = args
        v = Vectors(builder, SHAPE.lanes, True, SHAPE.fused)
        single = ir.VectorType(ir.FloatType(), v.lanes)
        units = v.load(unit)

        def body(step: Any, _: list[Any]) -> list[Any]:
            factor = v.mul(units, v.broadcast(v.at(h, builder.mul(step, ir.Constant(I64, v.size)))))
            value = v.mul(v.load(v.at(source, builder.mul(step, stride))), factor)
            to = builder.inttoptr(v.at(target, builder.mul(step, target_stride)), single.as_pointer())
            builder.store(builder.fptrunc(value, single), to, align=4)
            return []

        counted_loop(builder, rows, [], body)
        return context.get_dummy_value()

    return signature, codegen

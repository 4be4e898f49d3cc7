"""Exponentials and logarithms of a block of doubles, a register at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types

from betahat.kernels import register_math
from betahat.kernels.register_math import Number
from betahat.kernels.tile import SHAPE
from betahat.kernels.vector import I64, Vectors, counted_loop, intrinsic

LANES = SHAPE.lanes


def _of_block(function: Callable[[Number], Number]) -> tuple[Any, Any]:
    """The signature, and code for target[i] = function(source[i]), i < count; both blocks must have room for whole
    registers."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source, target, count = arguments
        v = Vectors(builder, LANES, double=True, fused=SHAPE.fused)
        registers = builder.sdiv(builder.add(count, ir.Constant(I64, LANES - 1)), ir.Constant(I64, LANES))

        def body(k: Any, carried: list[Any]) -> list[Any]:
            offset = builder.mul(k, ir.Constant(I64, 8 * LANES))
            found = function(Number(v, v.load(v.at(source, offset))))
            v.store(found.value, v.at(target, offset))
            return carried

        counted_loop(builder, registers, [], body)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), generate


@intrinsic
def exp_of_block(context: Any, source: Any, target: Any, count: Any) -> Any:
    """eˣ from one address to another."""
    return _of_block(register_math.exp)


@intrinsic
def log_of_block(context: Any, source: Any, target: Any, count: Any) -> Any:
    """The natural logarithm, likewise."""
    return _of_block(register_math.log)

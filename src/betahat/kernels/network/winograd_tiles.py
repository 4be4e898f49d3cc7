"""The transforms of minimal filtering F(2 × 2, 3 × 3), of all channels of one tile (Winograd 1980; Lavin & Gray 2016).

Two by two places of f = Σ x W over windows of 3 × 3 come from 4 × 4 places of x by 16 products instead of 36:

    f = Aᵀ [(G W Gᵀ) ⊙ (Bᵀ x B)] A    with  Bᵀ = ⎡1  0 −1  0⎤   G = ⎡1  0  0⎤   Aᵀ = ⎡1  1  1  0⎤
                                                 ⎢0  1  1  0⎥       ⎢½  ½  ½⎥        ⎣0  1 −1 −1⎦
                                                 ⎢0 −1  1  0⎥       ⎢½ −½  ½⎥
                                                 ⎣0  1  0 −1⎦       ⎣0  0  1⎦

which is linear in W and in x, so that ∂J/∂W = Gᵀ [(Bᵀ x B) ⊙ (A ∂J/∂f Aᵀ)] G. Addresses and strides are bytes; tables
of addresses are int64.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types

from betahat.kernels.network.tiles import bend
from betahat.kernels.tile import SHAPE
from betahat.kernels.vector import I64, Vectors, counted_loop, intrinsic, vectors_like

SIDE, OUT, TAPS = 4, 2, 3
"""Places of a tile of x, of one of f, and taps, along each axis."""
POINTS = SIDE * SIDE
"""Products of a channel."""

Line = list[Any]


def _take(v: Vectors, x: Line) -> Line:
    """Bᵀ x."""
    return [v.sub(x[0], x[2]), v.add(x[1], x[2]), v.sub(x[2], x[1]), v.sub(x[1], x[3])]


def _weigh(v: Vectors, w: Line) -> Line:
    """G w."""
    half = v.constant(0.5)
    outer, inner = v.mul(v.add(w[0], w[2]), half), v.mul(w[1], half)
    return [w[0], v.add(outer, inner), v.sub(outer, inner), w[2]]


def _weigh_back(v: Vectors, m: Line) -> Line:
    """Gᵀ m."""
    half = v.constant(0.5)
    both, apart = v.mul(v.add(m[1], m[2]), half), v.mul(v.sub(m[1], m[2]), half)
    return [v.add(m[0], both), apart, v.add(both, m[3])]


def _give(v: Vectors, m: Line) -> Line:
    """Aᵀ m."""
    return [v.add(v.add(m[0], m[1]), m[2]), v.sub(v.sub(m[1], m[2]), m[3])]


def _give_back(v: Vectors, s: Line) -> Line:
    """A s."""
    return [s[0], v.add(s[0], s[1]), v.sub(s[0], s[1]), v.sub(v.zero, s[1])]


def _both(v: Vectors, along: Callable[[Vectors, Line], Line], numbers: Line) -> Line:
    """T X Tᵀ of a square X, line by line."""
    side = {SIDE * SIDE: SIDE, TAPS * TAPS: TAPS, OUT * OUT: OUT}[len(numbers)]
    columns = [along(v, numbers[j::side]) for j in range(side)]  # of T X
    return [value for row in zip(*columns, strict=True) for value in along(v, list(row))]


def _passes(builder: Any, like: Any, vectors: Any, one: Callable[[Vectors, Any], None]) -> None:
    """one(v, offset) for each register of the channels."""
    v = vectors_like(builder, like, SHAPE)

    def body(step: Any, _: list[Any]) -> list[Any]:
        one(v, builder.mul(step, ir.Constant(I64, v.lanes * v.size)))
        return []

    counted_loop(builder, vectors, [], body)


def _table(v: Vectors, table: Any, count: int) -> list[Any]:
    """Addresses that stand in a table."""
    return [v.builder.load(v.pointer(v.at(table, 8 * k), I64)) for k in range(count)]


def _strided(v: Vectors, at: Any, apart: Any, count: int) -> list[Any]:
    return [v.at(at, v.builder.mul(apart, ir.Constant(I64, k))) for k in range(count)]


@intrinsic
def take_tile(typingctx: Any, places: Any, vectors: Any, out: Any, apart: Any, like: Any):
    """Bᵀ x B of the 16 places that a table says, `apart` bytes from one number to the next."""
    signature = types.void(*([types.int64] * 4), like)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        places, vectors, out, apart, _ = args
        v = vectors_like(builder, signature.args[-1], SHAPE)
        given, to = _table(v, places, POINTS), _strided(v, out, apart, POINTS)

        def one(v: Vectors, offset: Any) -> None:
            found = _both(v, _take, [v.load(v.at(at, offset)) for at in given])
            for value, at in zip(found, to, strict=True):
                v.store(value, v.at(at, offset))

        _passes(builder, signature.args[-1], vectors, one)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def spread_tile(typingctx: Any, places: Any, vectors: Any, out: Any, apart: Any, like: Any):
    """A s Aᵀ of the slopes at the 4 places that a table says."""
    signature = types.void(*([types.int64] * 4), like)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        places, vectors, out, apart, _ = args
        v = vectors_like(builder, signature.args[-1], SHAPE)
        given, to = _table(v, places, OUT * OUT), _strided(v, out, apart, POINTS)

        def one(v: Vectors, offset: Any) -> None:
            found = _both(v, _give_back, [v.load(v.at(at, offset)) for at in given])
            for value, at in zip(found, to, strict=True):
                v.store(value, v.at(at, offset))

        _passes(builder, signature.args[-1], vectors, one)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def give_tile(
    typingctx: Any, given: Any, apart: Any, vectors: Any, places: Any, bias: Any, slope: Any, like: Any
):
    """bend(Aᵀ M A + b) to the 4 places that a table says."""
    signature = types.void(*([types.int64] * 5), like.dtype, like)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        given, apart, vectors, places, bias, slope, _ = args
        v = vectors_like(builder, signature.args[-1], SHAPE)
        source, to, factor = _strided(v, given, apart, POINTS), _table(v, places, OUT * OUT), v.splat(slope)

        def one(v: Vectors, offset: Any) -> None:
            found = _both(v, _give, [v.load(v.at(at, offset)) for at in source])
            start = v.load(v.at(bias, offset))
            for value, at in zip(found, to, strict=True):
                v.store(bend(v, v.add(value, start), factor), v.at(at, offset))

        _passes(builder, signature.args[-1], vectors, one)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def weigh_tile(typingctx: Any, W: Any, tap: Any, vectors: Any, out: Any, apart: Any, like: Any):
    """G W Gᵀ of one channel's taps, `tap` bytes from one to the next."""
    signature = types.void(*([types.int64] * 5), like)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        W, tap, vectors, out, apart, _ = args
        v = vectors_like(builder, signature.args[-1], SHAPE)
        given, to = _strided(v, W, tap, TAPS * TAPS), _strided(v, out, apart, POINTS)

        def one(v: Vectors, offset: Any) -> None:
            found = _both(v, _weigh, [v.load(v.at(at, offset)) for at in given])
            for value, at in zip(found, to, strict=True):
                v.store(value, v.at(at, offset))

        _passes(builder, signature.args[-1], vectors, one)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def weigh_tile_back(typingctx: Any, given: Any, apart: Any, vectors: Any, out: Any, tap: Any, like: Any):
    """Gᵀ M G, the slopes of one channel's taps."""
    signature = types.void(*([types.int64] * 5), like)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        given, apart, vectors, out, tap, _ = args
        v = vectors_like(builder, signature.args[-1], SHAPE)
        source, to = _strided(v, given, apart, POINTS), _strided(v, out, tap, TAPS * TAPS)

        def one(v: Vectors, offset: Any) -> None:
            found = _both(v, _weigh_back, [v.load(v.at(at, offset)) for at in source])
            for value, at in zip(found, to, strict=True):
                v.store(value, v.at(at, offset))

        _passes(builder, signature.args[-1], vectors, one)
        return context.get_dummy_value()

    return signature, codegen

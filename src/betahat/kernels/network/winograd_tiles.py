"""The transforms of minimal filtering, of all channels of one tile; see `filtering`. Schemes go by their numbers;
addresses and strides are bytes, tables of addresses int64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types

from betahat.kernels.network.filtering import SCHEMES, Line, Scheme, both
from betahat.kernels.network.tiles import bend
from betahat.kernels.tile import SHAPE
from betahat.kernels.vector import I64, Vectors, counted_loop, intrinsic, switch, vectors_like

Plan = Callable[[Vectors, Scheme], tuple[Callable[[Any, Line], Line], Line, Line]]


def _transform(
    builder: Any, like: Any, number: Any, vectors: Any, plan: Plan, finish: Callable[..., Any] | None = None
) -> None:
    """T X Tᵀ of each register of the channels: plan gives T and addresses of the numbers of X and of the result;
    finish(v, value, offset, at) is done to these."""

    def one(case: int) -> None:
        v = vectors_like(builder, like, SHAPE)
        along, given, to = plan(v, SCHEMES[case])

        def body(step: Any, _: list[Any]) -> list[Any]:
            offset = builder.mul(step, ir.Constant(I64, v.lanes * v.size))
            found = both(v, along, [v.load(v.at(at, offset)) for at in given])
            for value, at in zip(found, to, strict=True):
                v.store(value if finish is None else finish(v, value, offset, at), v.at(at, offset))
            return []

        counted_loop(builder, vectors, [], body)

    switch(builder, number, SCHEMES, one)


def _table(v: Vectors, table: Any, count: int) -> Line:
    """Addresses that stand in a table."""
    return [v.builder.load(v.pointer(v.at(table, 8 * k), I64)) for k in range(count)]


def _strided(v: Vectors, at: Any, apart: Any, count: int) -> Line:
    return [v.at(at, v.builder.mul(apart, ir.Constant(I64, k))) for k in range(count)]


@intrinsic
def take_tile(typingctx: Any, number: Any, places: Any, vectors: Any, to: Any, apart: Any, like: Any):
    """Bᵀ x B of the places that a table says, `apart` bytes from one number to the next."""
    signature = types.void(*([types.int64] * 5), like)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        number, places, vectors, to, apart, _ = args

        def plan(v: Vectors, scheme: Scheme) -> Any:
            return scheme.take, _table(v, places, scheme.points), _strided(v, to, apart, scheme.points)

        _transform(builder, signature.args[-1], number, vectors, plan)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def spread_tile(typingctx: Any, number: Any, places: Any, vectors: Any, to: Any, apart: Any, like: Any):
    """A s Aᵀ of the slopes at the places that a table says."""
    signature = types.void(*([types.int64] * 5), like)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        number, places, vectors, to, apart, _ = args

        def plan(v: Vectors, scheme: Scheme) -> Any:
            return scheme.give_back, _table(v, places, scheme.out**2), _strided(v, to, apart, scheme.points)

        _transform(builder, signature.args[-1], number, vectors, plan)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def give_tile(
    typingctx: Any,
    number: Any,
    given: Any,
    apart: Any,
    vectors: Any,
    places: Any,
    bias: Any,
    slope: Any,
    like: Any,
):
    """bend(Aᵀ M A + b) to the places that a table says."""
    signature = types.void(*([types.int64] * 6), like.dtype, like)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        number, given, apart, vectors, places, bias, slope, _ = args

        def plan(v: Vectors, scheme: Scheme) -> Any:
            return scheme.give, _strided(v, given, apart, scheme.points), _table(v, places, scheme.out**2)

        def finish(v: Vectors, value: Any, offset: Any, _: Any) -> Any:
            return bend(v, v.add(value, v.load(v.at(bias, offset))), v.splat(slope))

        _transform(builder, signature.args[-1], number, vectors, plan, finish)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def add_tile(typingctx: Any, number: Any, given: Any, apart: Any, vectors: Any, places: Any, like: Any):
    """B M Bᵀ, added to what is at the places that a table says."""
    signature = types.void(*([types.int64] * 5), like)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        number, given, apart, vectors, places, _ = args

        def plan(v: Vectors, scheme: Scheme) -> Any:
            return (
                scheme.take_back,
                _strided(v, given, apart, scheme.points),
                _table(v, places, scheme.points),
            )

        def finish(v: Vectors, value: Any, offset: Any, at: Any) -> Any:
            return v.add(value, v.load(v.at(at, offset)))

        _transform(builder, signature.args[-1], number, vectors, plan, finish)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def weigh_tile(typingctx: Any, number: Any, W: Any, tap: Any, vectors: Any, to: Any, apart: Any, like: Any):
    """G W Gᵀ of one channel's taps, `tap` bytes from one to the next."""
    signature = types.void(*([types.int64] * 6), like)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        number, W, tap, vectors, to, apart, _ = args

        def plan(v: Vectors, scheme: Scheme) -> Any:
            return scheme.weigh, _strided(v, W, tap, scheme.taps**2), _strided(v, to, apart, scheme.points)

        _transform(builder, signature.args[-1], number, vectors, plan)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def weigh_tile_back(
    typingctx: Any, number: Any, given: Any, apart: Any, vectors: Any, to: Any, tap: Any, like: Any
):
    """Gᵀ M G, the slopes of one channel's taps."""
    signature = types.void(*([types.int64] * 6), like)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        number, given, apart, vectors, to, tap, _ = args

        def plan(v: Vectors, scheme: Scheme) -> Any:
            return (
                scheme.weigh_back,
                _strided(v, given, apart, scheme.points),
                _strided(v, to, tap, scheme.taps**2),
            )

        _transform(builder, signature.args[-1], number, vectors, plan)
        return context.get_dummy_value()

    return signature, codegen

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


def _from_table(like: Any, along: Callable[[Scheme], Any], count: Callable[[Scheme], int]) -> Any:
    """Of `count` numbers at the addresses of a table."""
    signature = types.void(*([types.int64] * 5), like)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        number, table, vectors, to, apart, _ = args

        def plan(v: Vectors, scheme: Scheme) -> Any:
            return along(scheme), _table(v, table, count(scheme)), _strided(v, to, apart, scheme.points)

        _transform(builder, signature.args[-1], number, vectors, plan)
        return context.get_dummy_value()

    return signature, codegen


def _to_table(
    like: Any, along: Callable[[Scheme], Any], count: Callable[[Scheme], int], finish: Any = None
) -> Any:
    """To `count` numbers at the addresses of a table."""
    signature = types.void(*([types.int64] * 5), like)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        number, table, vectors, given, apart, _ = args

        def plan(v: Vectors, scheme: Scheme) -> Any:
            return along(scheme), _strided(v, given, apart, scheme.points), _table(v, table, count(scheme))

        _transform(builder, signature.args[-1], number, vectors, plan, finish)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def take_tile(typingctx: Any, number: Any, table: Any, vectors: Any, to: Any, apart: Any, like: Any):
    """Bᵀ x B of the places that a table says, `apart` bytes from one number to the next."""
    return _from_table(like, lambda scheme: scheme.take, lambda scheme: scheme.points)


@intrinsic
def spread_tile(typingctx: Any, number: Any, table: Any, vectors: Any, to: Any, apart: Any, like: Any):
    """A s Aᵀ of the slopes at the places that a table says."""
    return _from_table(like, lambda scheme: scheme.give_back, lambda scheme: scheme.out**2)


@intrinsic
def weigh_tile(typingctx: Any, number: Any, table: Any, vectors: Any, to: Any, apart: Any, like: Any):
    """G W Gᵀ of one channel's taps, which a table says."""
    return _from_table(like, lambda scheme: scheme.weigh, lambda scheme: scheme.taps**2)


@intrinsic
def weigh_tile_back(typingctx: Any, number: Any, table: Any, vectors: Any, given: Any, apart: Any, like: Any):
    """Gᵀ M G, the slopes of one channel's taps, to where a table says."""
    return _to_table(like, lambda scheme: scheme.weigh_back, lambda scheme: scheme.taps**2)


@intrinsic
def add_tile(typingctx: Any, number: Any, table: Any, vectors: Any, given: Any, apart: Any, like: Any):
    """B M Bᵀ, added to what is at the places that a table says."""

    def finish(v: Vectors, value: Any, offset: Any, at: Any) -> Any:
        return v.add(value, v.load(v.at(at, offset)))

    return _to_table(like, lambda scheme: scheme.take_back, lambda scheme: scheme.points, finish)


@intrinsic
def give_tile(
    typingctx: Any,
    number: Any,
    given: Any,
    apart: Any,
    vectors: Any,
    table: Any,
    bias: Any,
    slope: Any,
    like: Any,
):
    """bend(Aᵀ M A + b) to the places that a table says."""
    signature = types.void(*([types.int64] * 6), like.dtype, like)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        number, given, apart, vectors, table, bias, slope, _ = args

        def plan(v: Vectors, scheme: Scheme) -> Any:
            return scheme.give, _strided(v, given, apart, scheme.points), _table(v, table, scheme.out**2)

        def finish(v: Vectors, value: Any, offset: Any, _: Any) -> Any:
            return bend(v, v.add(value, v.load(v.at(bias, offset))), v.splat(slope))

        _transform(builder, signature.args[-1], number, vectors, plan, finish)
        return context.get_dummy_value()

    return signature, codegen

"""Pooling and depthwise convolution: each channel by itself, register by register.

Windows are told by tables: of window p the numbers `edges[p]` to `edges[p + 1]`, each with its place in the image
(bytes) and its number within the window, as it is computed with: of the elements' type, or the place of a weight
(bytes).
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types

from betahat.kernels.compiled import compiled
from betahat.kernels.memory import carray, longs
from betahat.kernels.network.convolve import is_later
from betahat.kernels.network.frame import clear
from betahat.kernels.network.operations import FIRST, REGISTER
from betahat.kernels.network.tiles import bend
from betahat.kernels.tile import SHAPE
from betahat.kernels.vector import I64, Vectors, counted_loop, intrinsic, vectors_like


def _numbers_of(
    v: Vectors, count: Any, places: Any, numbers: Any, carried: list[Any], body: Any
) -> list[Any]:
    """carried = body(place, address of the number, carried) for each number of a window."""
    builder = v.builder

    def one(k: Any, inside: list[Any]) -> list[Any]:
        eight = builder.mul(k, ir.Constant(I64, 8))
        place = builder.load(v.pointer(v.at(places, eight), I64))
        return body(place, v.at(numbers, eight), inside)

    return counted_loop(builder, count, carried, one)


def _columns(v: Vectors, vectors: Any, body: Any) -> None:
    """body(offset) for each register of a place."""

    def one(j: Any, _: list[Any]) -> list[Any]:
        body(v.builder.mul(j, ir.Constant(I64, v.lanes * v.size)))
        return []

    counted_loop(v.builder, vectors, [], one)


def _either(v: Vectors, number: Any, this: int, vectors: Any, body: Any) -> None:
    """body(offset, whether the number is this one) for each register of a place."""
    with v.builder.if_else(v.builder.icmp_signed("==", number, ir.Constant(I64, this))) as (yes, no):
        with yes:
            _columns(v, vectors, lambda offset: body(offset, True))
        with no:
            _columns(v, vectors, lambda offset: body(offset, False))


@intrinsic
def largest(
    typingctx: Any, x: Any, count: Any, places: Any, numbers: Any, f: Any, which: Any, vectors: Any, positive: Any,
    like: Any,
):  # fmt: skip
    """f ← the largest number of a window, the first of equal ones, NaN larger than any; which ← its number. Where
    positive is 1, numbers not above 0 become 0, of no number's place."""
    signature = types.void(*([types.int64] * 8), like)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        x, count, places, numbers, f, which, vectors, positive, _ = args
        v = vectors_like(builder, signature.args[-1], SHAPE)

        def column(offset: Any, above: bool) -> None:
            begin = v.at(x, offset)

            def body(place: Any, number: Any, carried: list[Any]) -> list[Any]:
                best, its = carried
                value = v.load(v.at(begin, place))
                larger = builder.fcmp_unordered(">", value, best)  # or one of them is NaN
                better = builder.and_(larger, builder.fcmp_ordered("ord", best, best))
                return [builder.select(better, value, best), builder.select(better, v.broadcast(number), its)]

            first = v.load(v.at(begin, builder.load(v.pointer(places, I64))))
            rest, start = builder.sub(count, ir.Constant(I64, 1)), [first, v.broadcast(numbers)]
            best, its = _numbers_of(v, rest, v.at(places, 8), v.at(numbers, 8), start, body)
            if above:
                low = builder.fcmp_ordered("<=", best, v.zero)
                best, its = builder.select(low, v.zero, best), builder.select(low, v.constant(-1.0), its)
            v.store(best, v.at(f, offset))
            v.store(its, v.at(which, offset))

        _either(v, positive, 1, vectors, column)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def put_back(
    typingctx: Any, dx: Any, count: Any, places: Any, numbers: Any, slope: Any, which: Any, vectors: Any, alone: Any,
    like: Any,
):  # fmt: skip
    """The slope of a window added where its largest number was; written, and zeros beside it, where windows share no
    places (alone = 1)."""
    signature = types.void(*([types.int64] * 8), like)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        dx, count, places, numbers, slope, which, vectors, alone, _ = args
        v = vectors_like(builder, signature.args[-1], SHAPE)

        def column(offset: Any, written: bool) -> None:
            given, its = v.load(v.at(slope, offset)), v.load(v.at(which, offset))

            def body(place: Any, number: Any, _: list[Any]) -> list[Any]:
                to = v.at(v.at(dx, offset), place)
                hit = builder.fcmp_ordered("==", its, v.broadcast(number))
                old = v.zero if written else v.load(to)
                v.store(builder.select(hit, given if written else v.add(old, given), old), to)
                return []

            _numbers_of(v, count, places, numbers, [], body)

        _either(v, alone, 1, vectors, column)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def weighed(
    typingctx: Any, x: Any, count: Any, places: Any, numbers: Any, W: Any, init: Any, f: Any, vectors: Any, factor: Any,
    like: Any,
):  # fmt: skip
    """f ← bend(init + Σ x W[number]) over a window, by the factor; with W = 0 Σ x · factor."""
    signature = types.void(*([types.int64] * 8), like.dtype, like)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        x, count, places, numbers, W, init, f, vectors, factor, _ = args
        v = vectors_like(builder, signature.args[-1], SHAPE)
        scale = v.splat(factor)

        def column(offset: Any, plain: bool) -> None:
            begin, weights = v.at(x, offset), v.at(W, offset)

            def body(place: Any, number: Any, carried: list[Any]) -> list[Any]:
                value = v.load(v.at(begin, place))
                if plain:
                    return [v.add(carried[0], value)]
                row = builder.load(v.pointer(number, I64))
                return [v.multiply_add(value, v.load(v.at(weights, row)), carried[0])]

            start = v.zero if plain else v.load(v.at(init, offset))
            total = _numbers_of(v, count, places, numbers, [start], body)[0]
            v.store(v.mul(total, scale) if plain else bend(v, total, scale), v.at(f, offset))

        _either(v, W, 0, vectors, column)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def scatter(
    typingctx: Any, to: Any, count: Any, places: Any, numbers: Any, slope: Any, W: Any, vectors: Any, factor: Any,
    like: Any,
):  # fmt: skip
    """dx ← dx + slope W[number] · factor at each number of a window; with W = 0 each weight is 1."""
    signature = types.void(*([types.int64] * 7), like.dtype, like)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        to, count, places, numbers, slope, W, vectors, factor, _ = args
        v = vectors_like(builder, signature.args[-1], SHAPE)
        scale = v.splat(factor)

        def column(offset: Any, plain: bool) -> None:
            given = v.load(v.at(slope, offset))
            given = v.mul(given, scale) if plain else given
            weights = v.at(W, offset)

            def body(place: Any, number: Any, _: list[Any]) -> list[Any]:
                at = v.at(v.at(to, offset), place)
                if plain:
                    v.store(v.add(v.load(at), given), at)
                else:
                    row = builder.load(v.pointer(number, I64))
                    v.store(v.multiply_add(given, v.load(v.at(weights, row)), v.load(at)), at)
                return []

            _numbers_of(v, count, places, numbers, [], body)

        _either(v, W, 0, vectors, column)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def weights_back(
    typingctx: Any,
    x: Any,
    count: Any,
    places: Any,
    numbers: Any,
    slope: Any,
    dW: Any,
    vectors: Any,
    like: Any,
):
    """dW[number] ← dW[number] + x · slope at each number of a window."""
    signature = types.void(*([types.int64] * 7), like)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        x, count, places, numbers, slope, dW, vectors, _ = args
        v = vectors_like(builder, signature.args[-1], SHAPE)

        def column(offset: Any) -> None:
            given, begin, to = v.load(v.at(slope, offset)), v.at(x, offset), v.at(dW, offset)

            def body(place: Any, number: Any, _: list[Any]) -> list[Any]:
                at = v.at(to, builder.load(v.pointer(number, I64)))
                v.store(v.multiply_add(v.load(v.at(begin, place)), given, v.load(at)), at)
                return []

            _numbers_of(v, count, places, numbers, [], body)

        _columns(v, vectors, column)
        return context.get_dummy_value()

    return signature, codegen


@compiled
def max_pool(op, real, env, unit, first, some, rows, start, step, key, own, like):
    """x, bytes for each image before; f, bytes likewise, and place; which, as f; edges, places, numbers; windows,
    registers of a place; whether numbers below 0 become 0."""
    x, x_first, f, f_first, f_place, which, edges, places, numbers, count, vectors, positive = op[
        FIRST : FIRST + 12
    ]
    edge = carray(longs(edges), count + 1)
    for i in range(first, first + some):
        at, to = x + i * x_first, i * f_first
        for p in range(count):
            begin = edge[p] * 8
            largest(
                at, edge[p + 1] - edge[p], places + begin, numbers + begin, f + to, which + to, vectors, positive,
                like,
            )  # fmt: skip
            to += f_place


@compiled
def max_pool_back(op, real, env, unit, first, some, rows, start, step, key, own, like):
    """dx, bytes for each image before, numbers of an image; the slope, bytes likewise, and place; which; edges, places,
    numbers; windows, registers of a place; whether windows share no places; places in no window, and how many."""
    (
        dx,
        x_first,
        size,
        slope,
        f_first,
        f_place,
        which,
        edges,
        places,
        numbers,
        count,
        vectors,
        alone,
        outside,
        bare,
    ) = op[FIRST : FIRST + 15]
    empty = carray(longs(outside), bare)
    edge = carray(longs(edges), count + 1)
    for i in range(first, first + some):
        at, to = dx + i * x_first, i * f_first
        if alone == 0:
            clear(at, size, like)
        for q in range(bare):
            clear(at + empty[q], vectors * REGISTER // like.itemsize, like)
        for p in range(count):
            begin = edge[p] * 8
            put_back(
                at,
                edge[p + 1] - edge[p],
                places + begin,
                numbers + begin,
                slope + to,
                which + to,
                vectors,
                alone,
                like,
            )
            to += f_place


@compiled
def share_of(counted, here, like):
    """1 over how many numbers of a window count: all of them, or those there are."""
    return like.dtype.type(1.0 / (counted if counted > 0 else here))


@compiled
def mean_pool(op, real, env, unit, first, some, rows, start, step, key, own, like):
    """bend(Σ x W[number] + b) where W is not 0, else the mean: x, bytes for each image before; f, bytes likewise, and
    place; edges, places, numbers; windows, registers of a place; numbers that count (0: those there are); W, b."""
    x, x_first, f, f_first, f_place, edges, places, numbers, count, vectors, counted, W, init = op[
        FIRST : FIRST + 13
    ]
    edge = carray(longs(edges), count + 1)
    for i in range(first, first + some):
        at, to = x + i * x_first, f + i * f_first
        for p in range(count):
            begin, here = edge[p] * 8, edge[p + 1] - edge[p]
            factor = share_of(counted, here, like) if W == 0 else like.dtype.type(real[0])
            weighed(at, here, places + begin, numbers + begin, W, init, to, vectors, factor, like)
            to += f_place


@compiled
def mean_pool_back(op, real, env, unit, first, some, rows, start, step, key, own, like):
    """dx, bytes for each image before, numbers of an image; the slope, bytes likewise, and place; edges, places,
    numbers; windows, registers of a place; numbers that count; W."""
    dx, x_first, size, slope, f_first, f_place, edges, places, numbers, count, vectors, counted, W = op[
        FIRST : FIRST + 13
    ]
    edge = carray(longs(edges), count + 1)
    for i in range(first, first + some):
        at, to = dx + i * x_first, slope + i * f_first
        clear(at, size, like)
        for p in range(count):
            begin, here = edge[p] * 8, edge[p + 1] - edge[p]
            factor = share_of(counted, here, like) if W == 0 else like.dtype.type(1.0)
            scatter(at, here, places + begin, numbers + begin, to, W, vectors, factor, like)
            to += f_place


@compiled
def depthwise_back(op, real, env, unit, first, some, rows, start, step, key, own, like):
    """∂J/∂W of a depthwise convolution, added to what the shard's earlier images gave: x, bytes for each image before;
    the slope, bytes likewise, and place; edges, places, numbers; windows, registers of a place; ∂J/∂W, its row stride,
    bytes between shards, rows."""
    x, x_first, slope, f_first, f_place, edges, places, numbers, count, vectors, dW, dW_row, apart, taps = op[
        FIRST : FIRST + 14
    ]
    edge = carray(longs(edges), count + 1)
    dW += unit * apart
    if not is_later(env, unit, first):
        for tap in range(taps):
            clear(dW + tap * dW_row, vectors * REGISTER // like.itemsize, like)
    for i in range(first, first + some):
        at, to = x + i * x_first, slope + i * f_first
        for p in range(count):
            begin = edge[p] * 8
            weights_back(at, edge[p + 1] - edge[p], places + begin, numbers + begin, to, dW, vectors, like)
            to += f_place

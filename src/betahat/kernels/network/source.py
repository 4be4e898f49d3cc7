"""Rows of the data, gathered by their order, converted and standardised: what enters a network."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from betahat.kernels.compiled import compiled
from betahat.kernels.memory import carray, doubles, floats, like_array, longs
from betahat.kernels.network.environment import (
    BROKEN,
    BYTE,
    CENTRE,
    COLUMN,
    DOUBLE,
    INDICES,
    INDPTR,
    KIND,
    ORDER,
    ROW,
    SCALE,
    SINGLE,
    SPARSE,
    X,
)
from betahat.kernels.network.operations import FIRST
from betahat.kernels.row_tiles import fetch_soon
from betahat.kernels.tile import SHAPE
from betahat.kernels.vector import I32, I64, Vectors, counted_loop, intrinsic, vectors_like

LANES = SHAPE.lanes
_FETCHED = 24  # cache lines that are asked for at once


@compiled
def element(address, kind):
    """One number of X as a double."""
    if kind == DOUBLE:
        return carray(doubles(address), 1)[0]
    if kind == SINGLE:
        return np.float64(carray(floats(address), 1)[0])
    return np.float64(byte_at(address))


@intrinsic
def byte_at(typingctx: Any, address: Any):
    """A byte as a number."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value = builder.load(builder.inttoptr(args[0], ir.IntType(8).as_pointer()))
        return builder.zext(value, I64)

    return types.int64(types.int64), codegen


@intrinsic
def convert(
    typingctx: Any, source: Any, kind: Any, centre: Any, scale: Any, target: Any, vectors: Any, like: Any
):
    """As many numbers as `vectors` registers of doubles hold, of a kind: (x − centre) · scale in doubles, then rounded;
    centre 0 for neither. Gives 0.0, or NaN where one of them is not finite."""
    signature = types.float64(*([types.int64] * 6), like)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source, kind, centre, scale, target, vectors, _ = args
        v, w = (
            Vectors(builder, SHAPE.lanes, True, SHAPE.fused),
            vectors_like(builder, signature.args[-1], SHAPE),
        )
        narrow = ir.VectorType(w.scalar, v.lanes)
        met = cgutils.alloca_once_value(builder, v.zero)

        def run(number: int, moved: bool) -> None:
            size = {DOUBLE: 8, SINGLE: 4, BYTE: 1}[number]

            def body(step: Any, nothing: list[Any]) -> list[Any]:
                at = builder.mul(step, ir.Constant(I64, v.lanes))
                value = v.load_as(v.at(source, builder.mul(at, ir.Constant(I64, size))), None, number)
                if number != BYTE:
                    nothing = [v.multiply_add(value, v.zero, nothing[0])]
                if moved:
                    place = builder.mul(at, ir.Constant(I64, 8))
                    value = v.mul(v.sub(value, v.load(v.at(centre, place))), v.load(v.at(scale, place)))
                value = value if w.size == 8 else builder.fptrunc(value, narrow)
                to = v.at(target, builder.mul(at, ir.Constant(I64, w.size)))
                builder.store(value, v.pointer(to, narrow)).align = w.size
                return nothing

            builder.store(counted_loop(builder, vectors, [v.zero], body)[0], met)

        plain = builder.icmp_signed("==", centre, ir.Constant(I64, 0))
        for number in (DOUBLE, SINGLE, BYTE):
            same = builder.icmp_signed("==", kind, ir.Constant(I64, number))
            with builder.if_then(same), builder.if_else(plain) as (yes, no):
                with yes:
                    run(number, False)
                with no:
                    run(number, True)
        lanes, total = builder.load(met), ir.Constant(ir.DoubleType(), 0.0)
        for lane in range(v.lanes):
            total = builder.fadd(total, builder.extract_element(lanes, ir.Constant(I32, lane)))
        return total

    return signature, codegen


@compiled
def strided(at, column, kind, centre, scale, p, to, like):
    """p numbers of X, one by one; 0.0, or NaN where one of them is not finite."""
    out, met = carray(like_array(to, like), p), 0.0
    for j in range(p):
        value = element(at + j * column, kind)
        met += value * 0.0
        if centre != 0:
            value = (value - carray(doubles(centre), p)[j]) * carray(doubles(scale), p)[j]
        out[j] = value
    return met


@compiled
def of_sparse(env, which, scale, p, to, like):
    """A row of CSR."""
    out, met = carray(like_array(to, like), p), 0.0
    for j in range(p):
        out[j] = 0
    edges = carray(longs(env[INDPTR] + which * 8), 2)
    columns, values = carray(longs(env[INDICES]), edges[1]), carray(doubles(env[X]), edges[1])
    for k in range(edges[0], edges[1]):
        j = columns[k]
        met += values[k] * 0.0
        factor = 1.0 if scale == 0 else carray(doubles(scale), p)[j]
        out[j] += values[k] * factor  # a place may be named twice
    return met


@compiled
def numbered(order, i):
    """Which row comes as number i of an order, 0 for that in memory."""
    return i if order == 0 else carray(longs(order), i + 1)[i]


@compiled
def take(env, x, row, column, kind, order, centre, scale, start, some, target, stride, p, like):
    """So many rows of p numbers, standardised: from x on, number `start` and those that follow in an order (0 for that
    in memory); 0.0, or NaN where a number is not finite."""
    size = like.itemsize
    element_size = 8 if kind == DOUBLE else 4 if kind == SINGLE else 1
    lanes = LANES
    whole = p // lanes
    met = 0.0
    # rows in an order of their own lie anywhere: they are asked for before they are wanted
    lines = min(_FETCHED, p * element_size // 64 + 1) if order != 0 and kind != SPARSE else 0
    ahead = _FETCHED // lines if lines > 0 else 0
    for i in range(-ahead, some):
        if lines > 0 and i + ahead < some:
            fetch_soon(x + numbered(order, start + i + ahead) * row, lines)
        if i < 0:
            continue
        which = numbered(order, start + i)
        to = target + i * stride
        if kind == SPARSE:
            met += of_sparse(env, which, scale, p, to, like)
            continue
        at = x + which * row
        if column != element_size or p < lanes:
            met += strided(at, column, kind, centre, scale, p, to, like)
            continue
        met += convert(at, kind, centre, scale, to, whole, like)
        if whole * lanes < p:  # the last register overlaps the one before
            back = p - lanes
            moved = centre + back * 8 if centre != 0 else 0
            met += convert(at + back * element_size, kind, moved, scale + back * 8, to + back * size, 1, like)
    return met


@compiled
def gather(op, real, env, unit, first, some, rows, start, step, key, own, like):
    """Rows of X, in their order, as the network takes them: target, its row stride, columns p."""
    target, stride, p = op[FIRST : FIRST + 3]
    met = take(
        env, env[X], env[ROW], env[COLUMN], env[KIND], env[ORDER], env[CENTRE], env[SCALE], start + first, some,
        target + first * stride, stride, p, like,
    )  # fmt: skip
    if met != 0.0:  # NaN
        env[BROKEN] = 1

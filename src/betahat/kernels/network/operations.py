"""Operations of a program on one shard of a mini-batch, or on one block of parameters.

An operation is a row of integers: addresses and strides in bytes, sizes in elements; `calling` says what it is called
with.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from betahat.kernels.compiled import compiled
from betahat.kernels.memory import carray, like_array
from betahat.kernels.network.activations import activate, bend_back
from betahat.kernels.network.random import derived, random_bits
from betahat.kernels.network.tiles import multiply
from betahat.kernels.tile import SHAPE
from betahat.kernels.vector import I64, counted_loop, intrinsic, vectors_like

CODE, BARRIER, SHARDED, COUNT, FIRST = range(5)
"""Of an operation: its address; whether all wait for all before it; of how many rows it takes a shard at once, or 0
where its units are no shards, and then how many there are; where its own numbers begin."""
SHARD_WHOLE = 1 << 40
"""Rows at once of operations that take whole shards."""
WIDTH = 24
"""Integers of an operation."""
REGISTER = SHAPE.lanes * 8
_TOGETHER = 4  # registers that are summed at once
ROWS = -1
"""In the place of a size: that of the shard, or of the batch where units are no shards."""


@compiled
def product(op, real, env, unit, first, some, rows, start, step, key, own, like):
    """C = bend(B₀ + A·B). A: address, bytes for each row before the shard and for each unit before, row and k strides;
    B: address, bytes for each row before the shard, row stride; C: address, bytes for each row and for each unit
    before, row stride; rows of C, at most so many a unit, registers of a row, k; B₀. The real number is the bend.

    f = x W + b, ∂J/∂x = ∂J/∂f Wᵀ and ∂J/∂W = xᵀ ∂J/∂f are this.
    """
    a, a_first, a_unit, a_row, a_k, b, b_first, b_k, c, c_first, c_unit, c_row, m, block, vectors, k, init = (
        op[FIRST : FIRST + 17]
    )
    here = some if op[SHARDED] != 0 else rows
    m = here if m == ROWS else min(m - unit * block, block) if block > 0 else m
    k = here if k == ROWS else k
    multiply(
        a + first * a_first + unit * a_unit, a_row, a_k, b + first * b_first, b_k,
        c + first * c_first + unit * c_unit, c_row, m, vectors, k, init, 0, like.dtype.type(real[0]), like,
    )  # fmt: skip


@intrinsic
def add_rows(typingctx: Any, source: Any, row: Any, rows: Any, vectors: Any, target: Any, like: Any):
    """target ← Σ over rows, in their order, register by register."""
    signature = types.void(*([types.int64] * 5), like)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source, row, rows, vectors, target, _ = args
        v = vectors_like(builder, signature.args[-1], SHAPE)

        wide = v.lanes * v.size

        def columns(first: Any, count: int) -> None:
            """So many registers from this one on: additions of one wait for those before them."""
            begin, to = (v.at(at, builder.mul(first, ir.Constant(I64, wide))) for at in (source, target))

            def add(i: Any, sums: list[Any]) -> list[Any]:
                its = v.at(begin, builder.mul(i, row))
                return [v.add(total, v.load(v.at(its, j * wide))) for j, total in enumerate(sums)]

            for j, total in enumerate(counted_loop(builder, rows, [v.zero] * count, add)):
                v.store(total, v.at(to, j * wide))

        together = ir.Constant(I64, _TOGETHER)
        turns, left = builder.sdiv(vectors, together), builder.srem(vectors, together)
        done = builder.mul(turns, together)

        def several(turn: Any, _: list[Any]) -> list[Any]:
            columns(builder.mul(turn, together), _TOGETHER)
            return []

        def single(j: Any, _: list[Any]) -> list[Any]:
            columns(builder.add(done, j), 1)
            return []

        counted_loop(builder, turns, [], several)
        counted_loop(builder, left, [], single)
        return context.get_dummy_value()

    return signature, codegen


@compiled
def sum_rows(op, real, env, unit, first, some, rows, start, step, key, own, like):
    """∂J/∂b = Σ over rows: the slope, its row stride, registers of a row, the target, bytes between units."""
    slope, row, vectors, target, apart = op[FIRST : FIRST + 5]
    here = some if op[SHARDED] != 0 else rows
    add_rows(slope + first * row, row, here, vectors, target + unit * apart, like)


@compiled
def apply(op, real, env, unit, first, some, rows, start, step, key, own, like):
    """f = a(x): x, f, row stride, registers from row to row, kind."""
    x, f, row, vectors, kind = op[FIRST : FIRST + 5]
    activate(kind, like.dtype.type(real[0]), x + first * row, f + first * row, some * vectors, like)


@compiled
def apply_back(op, real, env, unit, first, some, rows, start, step, key, own, like):
    """∂J/∂x = ∂J/∂f · a'(x) in place: x, f, the slope, row stride, registers from row to row, kind."""
    x, f, slope, row, vectors, kind = op[FIRST : FIRST + 6]
    at = first * row
    bend_back(kind, like.dtype.type(real[0]), x + at, f + at, slope + at, some * vectors, like)


@intrinsic
def turn(typingctx: Any, source: Any, row: Any, left: Any, target: Any, target_row: Any, like: Any):
    """A square of as many rows and columns as a register has lanes, transposed; of the source only `left` rows are
    there, the others count as zeros."""
    signature = types.void(*([types.int64] * 5), like)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source, row, left, target, target_row, _ = args
        v = vectors_like(builder, signature.args[-1], SHAPE)
        rows = []
        for i in range(v.lanes):
            there = builder.icmp_signed("<", ir.Constant(I64, i), left)
            place = builder.select(there, builder.mul(row, ir.Constant(I64, i)), ir.Constant(I64, 0))
            rows.append(builder.select(there, v.load(v.at(source, place)), v.zero))
        for j, turned in enumerate(v.transpose(rows)):
            v.store(turned, v.at(target, builder.mul(target_row, ir.Constant(I64, j))))
        return context.get_dummy_value()

    return signature, codegen


@compiled
def transpose(op, real, env, unit, first, some, rows, start, step, key, own, like):
    """Wᵀ: W, its row stride, inputs, units, the target, its row stride, how many inputs a unit of work has: a multiple
    of a register's lanes. The target has whole registers and as many rows."""
    W, W_row, inputs, units, target, target_row, block = op[FIRST : FIRST + 7]
    size = like.itemsize
    lanes = REGISTER // size
    for i in range(unit * block, min(inputs, (unit + 1) * block), lanes):
        for j in range(0, units, lanes):
            turn(
                W + i * W_row + j * size,
                W_row,
                inputs - i,
                target + j * target_row + i * size,
                target_row,
                like,
            )


@compiled
def drop(op, real, env, unit, first, some, rows, start, step, key, own, like):
    """Dropout: x, f (which may be x), row stride, places of a row, bytes from one to the next, numbers of each, whether
    all places drop the same, threshold, how many numbers its layer has, and these."""
    x, f, row, places, apart, width, alike, threshold, depth = op[FIRST : FIRST + 9]
    for k in range(depth):
        key = derived(key, np.uint64(op[FIRST + 9 + k]))
    scale = like.dtype.type(real[0])
    for i in range(first, first + some):
        for place in range(places):
            at = i * row + place * apart
            its, out = carray(like_array(x + at, like), width), carray(like_array(f + at, like), width)
            number = (i if alike != 0 else i * places + place) * width
            for j in range(width):
                if np.int64(random_bits(key, np.uint64(number + j)) >> np.uint64(40)) < threshold:
                    out[j] = 0
                else:
                    out[j] = its[j] * scale


@compiled
def add(op, real, env, unit, first, some, rows, start, step, key, own, like):
    """c = a + b, or a copy of a where b is 0: a, b, c, row stride, registers from row to row."""
    a, b, c, row, vectors = op[FIRST : FIRST + 5]
    count, at = some * vectors * REGISTER // like.itemsize, first * row
    out, left = carray(like_array(c + at, like), count), carray(like_array(a + at, like), count)
    if b == 0:
        for j in range(count):
            out[j] = left[j]
        return
    right = carray(like_array(b + at, like), count)
    for j in range(count):
        out[j] = left[j] + right[j]

"""Compiled losses of rows by their predictions, and what duality gaps ask of them; see `row_losses`."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from betahat.kernels import register_math
from betahat.kernels import row_tiles as tiles
from betahat.kernels.compiled import compiled
from betahat.kernels.memory import address, carray, doubles
from betahat.kernels.pointwise import CONJUGATES, LOSSES
from betahat.kernels.register_math import Number
from betahat.kernels.tile import SHAPE
from betahat.kernels.vector import I64, Vectors, counted_loop, intrinsic, switch

STEP = 2 * SHAPE.lanes  # rows that row_terms takes at a time
_PART = 512  # rows that stay in the first cache meanwhile
VALUE, SLOPE, SIZE, BEND, SUMS = range(5)  # Σ s L, Σ s L', Σ |s L'|, Σ s L''; how many there are


@intrinsic
def dual_terms(
    typingctx: Any, code: Any, power: Any, eta: Any, y: Any, w: Any, above: Any, below: Any, vectors: Any,
    totals: Any,
):  # fmt: skip
    """Add Σ w (L(y, η) + L*(y, u) − u η), Σ w (|L| + |L*| + |u η|) and Σ w (1 − c) L to totals, of 2·lanes numbers
    each; u = c L', c `above` where L' is positive, else `below`. Where w = 0, nothing is added whatever else stands
    there."""
    signature = types.void(
        types.int64, types.float64, *([types.int64] * 3), types.float64, types.float64, types.int64, types.int64
    )  # fmt: skip

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        code, power, eta, y, w, above, below, vectors, totals = args
        v = Vectors(builder, 2 * SHAPE.lanes, True, SHAPE.fused)
        size = v.lanes * v.size
        spread, high, low = (Number(v, v.splat(a)) for a in (power, above, below))
        slots = [v.at(totals, k * size) for k in range(3)]

        def add(which: int) -> None:
            number = list(CONJUGATES)[which]

            def body(step: Any, carried: list[Any]) -> list[Any]:
                here = builder.mul(step, ir.Constant(I64, size))
                its_eta, its_y, its_w = (v.load(v.at(place, here)) for place in (eta, y, w))
                dead = builder.fcmp_ordered("==", its_w, v.zero)
                f, target = Number(v, its_eta), Number(v, its_y)
                value, slope, _ = LOSSES[number](register_math, target, f, spread)
                kept = register_math.where(slope > 0.0, high, low)
                u = kept * slope
                dual, linear = CONJUGATES[number](register_math, target, u, spread), u * f
                size_of_all = abs(value) + abs(dual) + abs(linear)
                terms = (value + dual) - linear, size_of_all, (1.0 - kept) * value
                added = [builder.select(dead, v.zero, v.mul(its_w, t.value)) for t in terms]
                return [v.add(sum_, term) for sum_, term in zip(carried, added, strict=True)]

            found = counted_loop(builder, vectors, [v.load(slot) for slot in slots], body)
            for value, slot in zip(found, slots, strict=True):
                v.store(value, slot)

        switch(builder, code, range(len(CONJUGATES)), add)
        return context.get_dummy_value()

    return signature, codegen


@compiled
def _begin(y, eta, shift, share, first, count, own):
    """Predictions, targets and shares of `count` rows from `first` on, and rows without a share up to whole steps."""
    ys, fs = carray(doubles(y + first * 8), count), carray(doubles(eta + first * 8), count)
    ws = carray(doubles(share + first * 8), count)
    for k in range(count):
        own[0, k], own[1, k], own[2, k] = fs[k] + shift, ys[k], ws[k]
    for k in range(count, (count + STEP - 1) // STEP * STEP):
        own[0, k] = own[1, k] = own[2, k] = 0.0


@compiled
def _total(values, count):
    """Σ in eight parts."""
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = 0.0
    for k in range(0, count, 8):
        s0 += values[k]
        s1 += values[k + 1]
        s2 += values[k + 2]
        s3 += values[k + 3]
        s4 += values[k + 4]
        s5 += values[k + 5]
        s6 += values[k + 6]
        s7 += values[k + 7]
    return ((s0 + s4) + (s1 + s5)) + ((s2 + s6) + (s3 + s7))


@compiled
def _total_size(values, count):
    """Σ of magnitudes in four parts."""
    s0 = s1 = s2 = s3 = 0.0
    for k in range(0, count, 4):
        s0 += abs(values[k])
        s1 += abs(values[k + 1])
        s2 += abs(values[k + 2])
        s3 += abs(values[k + 3])
    return (s0 + s2) + (s1 + s3)


@compiled
def losses_slab(y, eta, shift, share, code, power, start, stop, first, second, sums):
    """s L' and s L'' of rows start … stop − 1 to their places, and their sums to sums (SUMS,)."""
    own, totals = np.empty((5, _PART)), np.empty(4 * STEP)
    ones, twos = own[3], own[4]
    for begin in range(start, stop, _PART):
        count = min(_PART, stop - begin)
        steps = (count + STEP - 1) // STEP
        padded = steps * STEP
        _begin(y, eta, shift, share, begin, count, own)
        totals[:] = 0.0
        tiles.row_terms(
            code, power, address(own[0]), address(own[1]), address(own[2]), steps, address(ones),
            address(twos), address(totals),
        )  # fmt: skip
        sums[VALUE] += _total(totals, 2 * STEP)
        for k in range(padded, (padded + 7) // 8 * 8):
            ones[k] = twos[k] = 0.0
        sums[SLOPE] += _total(ones, padded)
        sums[SIZE] += _total_size(ones, padded)
        sums[BEND] += _total(twos, padded)
        to_first = carray(doubles(first + begin * 8), count)
        to_second = carray(doubles(second + begin * 8), count)
        for k in range(count):
            to_first[k], to_second[k] = ones[k], twos[k]


@compiled
def dual_slab(y, eta, share, which, power, above, below, start, stop, sums):
    """What `dual_terms` adds of rows start … stop − 1, to sums (3,)."""
    own, totals = np.empty((3, _PART)), np.zeros(3 * STEP)
    for begin in range(start, stop, _PART):
        count = min(_PART, stop - begin)
        _begin(y, eta, 0.0, share, begin, count, own)
        dual_terms(
            which, power, address(own[0]), address(own[1]), address(own[2]), above, below,
            (count + STEP - 1) // STEP, address(totals),
        )  # fmt: skip
    for k in range(3):
        sums[k] = totals[k * STEP : (k + 1) * STEP].sum()

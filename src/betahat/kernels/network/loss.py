"""The loss of a shard and its derivative in the network's output, in doubles whatever the network computes in."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import carray, types  # pyright: ignore[reportPrivateImportUsage]

from betahat.kernels import register_math
from betahat.kernels import row_tiles as tiles
from betahat.kernels.compiled import compiled
from betahat.kernels.memory import doubles, like_array
from betahat.kernels.network.environment import ORDER, OUTPUTS, SHARD_LOSSES, SHARDS, TARGETS, WEIGHTS
from betahat.kernels.network.operations import FIRST, longs
from betahat.kernels.register_math import Number
from betahat.kernels.tile import SHAPE
from betahat.kernels.vector import I64, Vectors, counted_loop, intrinsic

LANES = SHAPE.lanes
STEP = 2 * LANES
"""Doubles that row_terms takes at a time."""


@intrinsic
def exponentials(typingctx: Any, address: Any, vectors: Any):
    """eˣ of doubles in place."""
    signature = types.void(types.int64, types.int64)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        v = Vectors(builder, SHAPE.lanes, True, SHAPE.fused)

        def body(step: Any, _: list[Any]) -> list[Any]:
            at = v.at(args[0], builder.mul(step, ir.Constant(I64, v.lanes * 8)))
            v.store(register_math.exp(Number(v, v.load(at))).value, at)
            return []

        counted_loop(builder, args[1], [], body)
        return context.get_dummy_value()

    return signature, codegen


@compiled
def loss(op, real, env, unit, first, some, rows, start, step, key, own, like):
    """Σ w L over a shard, and ∂J/∂f = w L' · share: f, its row stride, outputs, the number of the loss (−1: softmax and
    cross-entropy), the slope.

    own : 5 parts of doubles, each as long as the shard's outputs and one step, and 8 steps.
    """
    f, row, outputs, code, slope = op[FIRST : FIRST + 5]
    order, lanes, share, power = env[ORDER], LANES, 1.0 / rows, real[0]
    count = some * outputs
    part = (count + STEP - 1) // STEP * STEP
    eta, y, w = own[:part], own[part : 2 * part], own[2 * part : 3 * part]
    one, two, totals = (
        own[3 * part : 4 * part],
        own[4 * part : 5 * part],
        own[5 * part : 5 * part + 4 * STEP],
    )
    its = env[OUTPUTS]
    for k in range(count, part):
        eta[k] = y[k] = w[k] = 0.0
    for i in range(some):
        which = (
            start + first + i
            if order == 0
            else carray(longs(order), start + first + i + 1)[start + first + i]
        )
        values = carray(like_array(f + (first + i) * row, like), outputs)
        target = carray(doubles(env[TARGETS] + which * its * 8), its)
        weight = 1.0 if env[WEIGHTS] == 0 else carray(doubles(env[WEIGHTS] + which * 8), 1)[0]
        for j in range(outputs):
            eta[i * outputs + j] = values[j]
            y[i * outputs + j] = target[j] if its == outputs else target[0]
            w[i * outputs + j] = weight
    found = 0.0
    if code >= 0:
        totals[:] = 0.0
        tiles.row_terms(
            code,
            power,
            eta.ctypes.data,
            y.ctypes.data,
            w.ctypes.data,
            part // STEP,
            one.ctypes.data,
            two.ctypes.data,
            totals.ctypes.data,
        )
        for k in range(STEP):
            found += totals[k] + totals[k + STEP]
    else:
        for i in range(some):
            top = -np.inf
            for j in range(i * outputs, (i + 1) * outputs):
                top = eta[j] if not eta[j] <= top else top  # NaN stays
            for j in range(i * outputs, (i + 1) * outputs):
                eta[j] -= top
        for k in range(count):
            two[k] = eta[k]
        exponentials(eta.ctypes.data, part // lanes)
        product = 1.0
        for i in range(some):
            begin, own = i * outputs, np.int64(y[i * outputs])
            others = 0.0
            for j in range(outputs):
                if j != own:
                    others += eta[begin + j]
            mine = eta[begin + own]
            total = others + mine
            for j in range(outputs):
                one[begin + j] = w[begin] * (eta[begin + j] / total)
            one[begin + own] = -w[begin] * (others / total)
            found -= w[begin] * two[begin + own]
            if w[begin] == 1.0:  # logarithms of many sums are that of their product
                product *= total
                if not product < 1e250:
                    found += np.log(product)
                    product = 1.0
            else:
                found += w[begin] * np.log(total)
        found += np.log(product)
    for i in range(some):
        out = carray(like_array(slope + (first + i) * row, like), outputs)
        for j in range(outputs):
            out[j] = one[i * outputs + j] * share
    carray(doubles(env[SHARD_LOSSES]), 2 * env[SHARDS])[step % 2 * env[SHARDS] + unit] = found

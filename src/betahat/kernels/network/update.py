"""Parameters moved along their gradient, a stretch at a time, while it is in cache."""

from __future__ import annotations

import math
from typing import Any

from llvmlite import ir
from numba import types

from betahat.kernels.compiled import compiled
from betahat.kernels.memory import address, carray, doubles, like_array, longs
from betahat.kernels.network.environment import LINK_COUNT, LINKS, NORM_COUNT, NORMS, NUMBERS, STRETCHES
from betahat.kernels.network.links import SCALE, link
from betahat.kernels.network.operations import FIRST, REGISTER
from betahat.kernels.tile import SHAPE
from betahat.kernels.vector import I64, counted_loop, intrinsic, vectors_like

OFFSET, LENGTH, SOURCE, PARTS, APART, PENALISED, STRETCH = range(7)
"""Of a stretch: where it is (bytes) and how many registers long; its gradient's address, of how many shards' sums, how
many bytes apart; whether the penalty is on it."""
_AHEAD = 8 * REGISTER


@intrinsic
def begin_update(
    typingctx: Any, u: Any, x: Any, source: Any, parts: Any, apart: Any, vectors: Any, alpha: Any, like: Any
):
    """u ← Σ of the shards' gradients in their order + alpha · x."""
    signature = types.void(*([types.int64] * 6), like.dtype, like)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        u, x, source, parts, apart, vectors, alpha, _ = args
        v = vectors_like(builder, signature.args[-1], SHAPE)
        factor = v.splat(alpha)

        def body(step: Any, _: list[Any]) -> list[Any]:
            place = builder.mul(step, ir.Constant(I64, v.lanes * v.size))
            at = v.at(source, place)

            def add(k: Any, sums: list[Any]) -> list[Any]:
                here = v.at(at, builder.mul(k, apart))
                v.prefetch(v.at(here, _AHEAD), first=True)  # others' sums lie in their caches
                return [v.add(sums[0], v.load(here))]

            total = counted_loop(builder, parts, [v.zero], add)[0]
            v.store(v.add(total, v.mul(v.load(v.at(x, place)), factor)), v.at(u, place))
            return []

        counted_loop(builder, vectors, [], body)
        return context.get_dummy_value()

    return signature, codegen


@compiled
def norm_factor(norms, most):
    """min(1, most/‖u‖) of all stretches."""
    total = 0.0
    for part in norms:
        total += part
    norm = math.sqrt(total)
    return most / norm if norm > most else 1.0


@compiled
def update(op, real, env, unit, first, some, rows, start, step, key, own, like):
    """Links of the chain for one stretch: which are the first and the last but one; whether the norm before them is
    known; the addresses of u (0: it is wanted no longer than here) and β; bytes between what a link keeps; whether the
    norm of u is asked for at the end. The real number is the penalty's α."""
    begin, end, follows, u, x, kept_stride, asked = op[FIRST : FIRST + 7]
    stretch = carray(longs(env[STRETCHES] + unit * STRETCH * 8), STRETCH)
    links = carray(longs(env[LINKS]), (env[LINK_COUNT], 3))
    numbers = env[NUMBERS] + step * env[LINK_COUNT] * 64
    norms = carray(doubles(env[NORMS]), env[NORM_COUNT])
    offset, vectors = stretch[OFFSET], stretch[LENGTH]
    u, x = address(own) if u == 0 else u + offset, x + offset
    if begin == 0:
        rate = real[0] / rows if stretch[PENALISED] != 0 else 0.0
        begin_update(
            u, x, stretch[SOURCE], stretch[PARTS], stretch[APART], vectors, like.dtype.type(rate), like
        )
    if follows != 0:
        own[0] = norm_factor(norms, carray(doubles(numbers + (begin - 1) * 64), 1)[0])
        link(SCALE, u, x, 0, 0, vectors, address(own), like)
    k = begin
    while k < end:
        link(links[k, 0], u, x, links[k, 1] + offset, kept_stride, vectors, numbers + k * 64, like)
        k += links[k, 2]
    if asked != 0:
        values = carray(like_array(u, like), vectors * REGISTER // like.itemsize)
        total = 0.0
        for value in values:
            total += float(value) * float(value)
        norms[unit] = total

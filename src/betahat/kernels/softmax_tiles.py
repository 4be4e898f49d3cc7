"""Register loops of the multinomial loss: products with few rows, and what each row of scores adds."""

from __future__ import annotations

import math
from typing import Any

from llvmlite import ir
from numba import types

from betahat.kernels import register_math as m
from betahat.kernels.register_math import Number
from betahat.kernels.tile import ADD, COMPENSATED, SHAPE, emit_tile
from betahat.kernels.vector import I64, Vectors, counted_loop, intrinsic, switch


def _make_thin_tile(sizes: bool) -> Any:
    """An intrinsic thin_tile(u, panel, sums, errors, k, rows, vectors, u_row, sums_row): sums[i, j] += Σₖ uᵢₖ zₖⱼ.

    rows ≤ those of the tile, in `u` contiguous and u_row bytes apart; `vectors` vectors, as wide as the panel is. With
    `sizes`, magnitudes of both, and no errors are kept.
    """

    @intrinsic
    def thin_tile(
        typingctx: Any, u: Any, panel: Any, sums: Any, errors: Any, k: Any, rows: Any, vectors: Any, u_row: Any,
        sums_row: Any,
    ):  # fmt: skip
        signature = types.void(*([types.int64] * 9))

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            u, panel, sums, errors, k, rows, vectors, u_row, sums_row = args
            v = Vectors(builder, SHAPE.lanes, True, SHAPE.fused)

            def multiply(height: int, width: int) -> None:
                emit_tile(
                    v, height, width, ADD if sizes else COMPENSATED, u, panel, sums, errors, k, u_row,
                    ir.Constant(I64, v.size), ir.Constant(I64, width * v.lanes * v.size), sums_row, None, sizes,
                )  # fmt: skip

            def any_width(height: int) -> None:
                switch(builder, vectors, range(1, SHAPE.vectors + 1), lambda width: multiply(height, width))

            switch(builder, rows, range(1, SHAPE.rows + 1), any_width)
            return context.get_dummy_value()

        return signature, codegen

    return thin_tile


thin_tile, thin_sizes = _make_thin_tile(sizes=False), _make_thin_tile(sizes=True)


@intrinsic
def softmax_terms(
    typingctx: Any, classes: Any, directed: Any, scores: Any, shares: Any, stride: Any, y: Any, w: Any, vectors: Any,
    totals: Any,
):  # fmt: skip
    """From K rows of scores η (`stride` bytes apart) make w (P − Y); if directed, from K of Vz, w (diag P − P Pᵀ) Vz.

    P goes to `shares`; Σ −w log P_y and Σ w are added to totals, sums and errors. `vectors` and each of the four totals
    have 2·lanes numbers. Where w = 0, all are 0 whatever else stands there.
    """
    signature = types.void(*([types.int64] * 9))

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        classes, directed, scores, shares, stride, y, w, vectors, totals = args
        v = Vectors(builder, 2 * SHAPE.lanes, True, SHAPE.fused)
        size = v.lanes * v.size
        slots = [v.at(totals, k * size) for k in range(4)]
        zero = Number(v, v.zero)

        def row_step(step: Any, carried: list[Any]) -> list[Any]:
            here = builder.mul(step, ir.Constant(I64, size))
            target, its_w = Number(v, v.load(v.at(y, here))), Number(v, v.load(v.at(w, here)))
            dead = m.equal(its_w, 0.0)

            def place(base: Any, k: Any) -> Any:
                return builder.add(v.at(base, builder.mul(k, stride)), here)

            def load(base: Any, k: Any) -> Number:
                return Number(v, v.load(place(base, k)))

            def own(k: Any) -> Any:
                return m.equal(target, Number(v, v.splat(builder.sitofp(k, v.scalar))))

            def over_classes(count: Any, start: list[Number], body: Any) -> list[Number]:
                found = counted_loop(
                    builder, count, [number.value for number in start],
                    lambda k, values: [n.value for n in body(k, *(Number(v, value) for value in values))],
                )  # fmt: skip
                return [Number(v, value) for value in found]

            turned = builder.add(scores, builder.mul(classes, stride))  # where the rows of Vz begin

            def find(k: Any, top: Number, mine: Number, turned_top: Number) -> list[Number]:
                score, its_turned = load(scores, k), load(turned, k)
                larger = score > top
                return [
                    m.where(larger, score, top), m.where(own(k), score, mine), m.where(larger, its_turned, turned_top)
                ]  # fmt: skip

            lowest, none = (Number(v, v.constant(value)) for value in (-math.inf, math.nan))
            top, mine, turned_top = over_classes(classes, [lowest, none, zero], find)

            def grow(k: Any, its: Number, rest: Number) -> list[Number]:
                grown = m.exp(load(scores, k) - top)
                v.store(grown.value, place(shares, k))
                return [m.where(own(k), grown, its), m.where(own(k), rest, rest + grown)]

            its, rest = over_classes(classes, [zero, zero], grow)
            inverse = 1.0 / (its + rest)  # 1 − P_y and log P_y come from the rest, not by subtraction
            value = (top - mine) + m.where(rest < 1.0, m.log1p(m.minimum(rest, 1.0)), m.log(its + rest))

            def divide(k: Any, mean: Number) -> list[Number]:
                share = m.where(dead, 0.0, load(shares, k) * inverse)
                v.store(share.value, place(shares, k))
                first = its_w * m.where(own(k), -(rest * inverse), share)
                v.store(m.where(dead, 0.0, first).value, place(scores, k))
                return [mean + share * (load(turned, k) - turned_top)]

            (mean,) = over_classes(classes, [zero], divide)

            def turn(k: Any) -> list[Number]:
                bent = its_w * load(shares, k) * ((load(turned, k) - turned_top) - mean)
                v.store(m.where(dead, 0.0, bent).value, place(turned, k))
                return []

            over_classes(builder.mul(classes, directed), [], turn)
            added = m.where(dead, 0.0, its_w * value).value
            value_sum, lost_value = v.two_sum(carried[0], added)
            weight, lost_weight = v.two_sum(carried[2], its_w.value)
            return [value_sum, v.add(carried[1], lost_value), weight, v.add(carried[3], lost_weight)]

        found = counted_loop(builder, vectors, [v.load(slot) for slot in slots], row_step)
        for value, slot in zip(found, slots, strict=True):
            v.store(value, slot)
        return context.get_dummy_value()

    return signature, codegen

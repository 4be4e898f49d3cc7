"""Register loops over packed rows: packing, predictions, sums over rows of weighted columns, and what each row adds.

Rows are packed as in `gram_compiled`: panels of one tile's width, the first with the remainder; panel, row, column.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types

from betahat.kernels import register_math
from betahat.kernels.pointwise import LOSSES
from betahat.kernels.register_math import Number
from betahat.kernels.tile import SHAPE
from betahat.kernels.vector import BYTES, DOUBLES, FLOATS, I64, Vectors, counted_loop, intrinsic, switch

PRODUCTS, SIZES, SQUARES = range(3)  # Σ zⱼ termⱼ, Σ |zⱼ termⱼ|, Σ (zⱼ termⱼ)²
VECTORS = range(1, SHAPE.vectors + 1)  # that a panel may be wide


def _doubles(builder: Any) -> Vectors:
    return Vectors(builder, SHAPE.lanes, True, SHAPE.fused)


def _times(builder: Any, value: Any, factor: int) -> Any:
    return builder.mul(value, ir.Constant(I64, factor))


@intrinsic
def convert_rows(
    typingctx: Any, source: Any, row_stride: Any, kind: Any, rows: Any, centre: Any, vectors: Any, rest: Any,
    target: Any, target_stride: Any,
):  # fmt: skip
    """Rows of numbers of any kind (DOUBLES, FLOATS, BYTES) less the centre, `vectors` vectors of them, to doubles.

    Of the last vector only `rest` numbers are there (1 … lanes); zeros are written behind them.
    """
    signature = types.void(*([types.int64] * 9))

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source, row_stride, kind, rows, centre, vectors, rest, target, target_stride = args
        v = _doubles(builder)
        wide = v.lanes * v.size

        def copy(count: int, number: int) -> None:
            size = {DOUBLES: 8, FLOATS: 4, BYTES: 1}[number]
            known = [None] * (count - 1) + [rest]
            middle = [v.load_as(v.at(centre, j * wide), known[j], DOUBLES) for j in range(count)]

            def body(step: Any, _: list[Any]) -> list[Any]:
                row = v.at(source, builder.mul(step, row_stride))
                to = v.at(target, builder.mul(step, target_stride))
                for j in range(count):
                    value = v.load_as(v.at(row, j * v.lanes * size), known[j], number)
                    v.store(v.sub(value, middle[j]), v.at(to, j * wide))
                return []

            counted_loop(builder, rows, [], body)

        def any_kind(count: int) -> None:
            switch(builder, kind, (DOUBLES, FLOATS, BYTES), lambda number: copy(count, number))

        switch(builder, vectors, VECTORS, any_kind)
        return context.get_dummy_value()

    return signature, codegen


def _make_dots(targets: int, kind: int) -> Any:
    """An intrinsic dots(at, first, rest, panels, panel_stride, terms, terms_stride, out, out_stride): rows times terms.

    For the `lanes` packed rows from `at` on in the first panel (`first` vectors wide) and from `rest` on in the first
    of `panels` whole ones, panel_stride apart, and each of `targets` rows of terms: adds their sum of this kind to
    `lanes` numbers at `out`. Addresses and strides are in bytes.
    """

    @intrinsic
    def dots(
        typingctx: Any, at: Any, first: Any, rest: Any, panels: Any, panel_stride: Any, terms: Any,
        terms_stride: Any, out: Any, out_stride: Any,
    ):  # fmt: skip
        signature = types.void(*([types.int64] * 9))

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            at, first, rest, panels, panel_stride, terms, terms_stride, out, out_stride = args
            v = _doubles(builder)
            size = v.lanes * v.size
            wide = SHAPE.vectors * size
            rows_of_terms = [v.at(terms, _times(builder, terms_stride, k)) for k in range(targets)]

            def grown(total: Any, value: Any, factor: Any) -> Any:
                if kind == PRODUCTS:
                    return v.multiply_add(value, factor, total)
                product = v.mul(value, factor)
                return (
                    v.multiply_add(product, product, total)
                    if kind == SQUARES
                    else v.add(total, v.abs(product))
                )

            def add(rows: list[Any], where: Any, term: Any, sums: list[Any]) -> list[Any]:
                factors = [v.load(v.at(row, term)) for row in rows_of_terms]
                updated = list(sums)
                for i, row in enumerate(rows):
                    value = v.load(v.at(row, where))
                    for k, factor in enumerate(factors):
                        updated[k * v.lanes + i] = grown(updated[k * v.lanes + i], value, factor)
                return updated

            narrow = _times(builder, first, size)
            begin = [v.at(at, _times(builder, narrow, i)) for i in range(v.lanes)]

            def vector(step: Any, sums: list[Any]) -> list[Any]:
                offset = _times(builder, step, size)
                return add(begin, offset, offset, sums)

            sums = counted_loop(builder, first, [v.zero] * (targets * v.lanes), vector)
            middle = [v.at(rest, wide * i) for i in range(v.lanes)]

            def panel(step: Any, sums: list[Any]) -> list[Any]:
                own, term = builder.mul(step, panel_stride), builder.add(narrow, _times(builder, step, wide))
                for j in range(SHAPE.vectors):
                    sums = add(middle, v.at(own, j * size), v.at(term, j * size), sums)
                return sums

            sums = counted_loop(builder, panels, sums, panel)
            for k in range(targets):
                parts = v.transpose(sums[k * v.lanes : (k + 1) * v.lanes])
                while len(parts) > 1:
                    parts = [v.add(a, b) for a, b in zip(parts[0::2], parts[1::2], strict=True)]
                to = v.at(out, _times(builder, out_stride, k))
                v.store(v.add(v.load(to), parts[0]), to)
            return context.get_dummy_value()

        return signature, codegen

    return dots


# Module level, because numba's cache does not survive a closure over an intrinsic.
dots_1, dots_2, dots_3 = (_make_dots(targets, PRODUCTS) for targets in (1, 2, 3))
dots_of_sizes, dots_of_squares = _make_dots(1, SIZES), _make_dots(1, SQUARES)


@intrinsic
def weighted_columns(
    typingctx: Any, panel: Any, rows: Any, vectors: Any, u: Any, sums: Any, errors: Any, sizes: Any
):
    """Add Σᵢ uᵢ zᵢⱼ to sums + errors (of the addition to them) and Σᵢ |uᵢ zᵢⱼ| to sizes, for one panel of `vectors`.

    `rows` is a multiple of 4.
    """
    signature = types.void(*([types.int64] * 7))

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        panel, rows, vectors, u, sums, errors, sizes = args
        v = _doubles(builder)
        size = v.lanes * v.size

        def add(count: int) -> None:
            together = (
                4 if count < 3 else 2
            )  # rows with sums of their own: additions wait for those before them
            cells = [(i, j) for i in range(together) for j in range(count)]

            def body(step: Any, carried: list[Any]) -> list[Any]:
                row = v.at(panel, _times(builder, step, together * count * size))
                place = v.at(u, _times(builder, step, together * v.size))
                factors = [v.broadcast(v.at(place, i * v.size)) for i in range(together)]
                magnitudes = [v.abs(factor) for factor in factors]
                updated = []
                for (i, j), total, magnitude in zip(cells, carried[0::2], carried[1::2], strict=True):
                    value = v.load(v.at(row, (i * count + j) * size))
                    updated.append(v.multiply_add(value, factors[i], total))
                    updated.append(v.multiply_add(v.abs(value), magnitudes[i], magnitude))
                return updated

            turns = builder.sdiv(rows, ir.Constant(I64, together))
            found = counted_loop(builder, turns, [v.zero] * (2 * len(cells)), body)
            while len(found) > 2 * count:
                middle = len(found) // 2
                found = [v.add(a, b) for a, b in zip(found[:middle], found[middle:], strict=True)]
            for j in range(count):
                at, lost_at, size_at = (v.at(place, j * size) for place in (sums, errors, sizes))
                kept, lost = v.two_sum(v.load(at), found[2 * j])
                v.store(kept, at)
                v.store(v.add(v.load(lost_at), lost), lost_at)
                v.store(v.add(v.load(size_at), found[2 * j + 1]), size_at)

        switch(builder, vectors, VECTORS, add)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def scaled_rows(typingctx: Any, panel: Any, rows: Any, vectors: Any, h: Any, target: Any):
    """Every row of one panel of `vectors` times its hᵢ."""
    signature = types.void(*([types.int64] * 5))

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        panel, rows, vectors, h, target = args
        v = _doubles(builder)
        size = v.lanes * v.size

        def scale(count: int) -> None:
            def body(step: Any, _: list[Any]) -> list[Any]:
                offset = _times(builder, step, count * size)
                factor = v.broadcast(v.at(h, _times(builder, step, v.size)))
                for j in range(count):
                    place = v.at(offset, j * size)
                    v.store(v.mul(v.load(v.at(panel, place)), factor), v.at(target, place))
                return []

            counted_loop(builder, rows, [], body)

        switch(builder, vectors, VECTORS, scale)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def row_terms(
    typingctx: Any,
    code: Any,
    power: Any,
    eta: Any,
    y: Any,
    w: Any,
    vectors: Any,
    first: Any,
    second: Any,
    totals: Any,
):
    """w L' and w L'' of each row by the loss of this number, and Σ w L and Σ w added to totals, sums and errors.

    `vectors` and each of the four totals have 2·lanes numbers: two registers take turns while each waits for itself.
    Where w = 0, all are 0 whatever else stands there.
    """
    signature = types.void(types.int64, types.float64, *([types.int64] * 7))

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        code, power, eta, y, w, vectors, first, second, totals = args
        v = Vectors(builder, 2 * SHAPE.lanes, True, SHAPE.fused)
        size = v.lanes * v.size
        spread = Number(v, v.splat(power))
        slots = [v.at(totals, k * size) for k in range(4)]

        def add(number: int) -> None:
            def body(step: Any, carried: list[Any]) -> list[Any]:
                here = _times(builder, step, size)
                its_eta, its_y, its_w = (v.load(v.at(place, here)) for place in (eta, y, w))
                dead = builder.fcmp_ordered("==", its_w, v.zero)
                terms = LOSSES[number](register_math, Number(v, its_y), Number(v, its_eta), spread)
                value, one, two = (builder.select(dead, v.zero, v.mul(its_w, t.value)) for t in terms)
                v.store(one, v.at(first, here))
                v.store(two, v.at(second, here))
                value, lost_value = v.two_sum(carried[0], value)
                weight, lost_weight = v.two_sum(carried[2], its_w)
                return [value, v.add(carried[1], lost_value), weight, v.add(carried[3], lost_weight)]

            found = counted_loop(builder, vectors, [v.load(slot) for slot in slots], body)
            for value, slot in zip(found, slots, strict=True):
                v.store(value, slot)

        switch(builder, code, range(len(LOSSES)), add)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def fetch_lines(typingctx: Any, address: Any, lines: Any):
    """Ask for consecutive cache lines, harmless at any address: they come while something else is done."""
    signature = types.void(types.int64, types.int64)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        v = _doubles(builder)

        def body(step: Any, _: list[Any]) -> list[Any]:
            v.prefetch(v.at(args[0], _times(builder, step, 64)))
            return []

        counted_loop(builder, args[1], [], body)
        return context.get_dummy_value()

    return signature, codegen

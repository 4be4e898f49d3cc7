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

    Of the last vector only `rest` numbers are there (0 … lanes), in the place of others zeros; the centre is all there.
    """
    signature = types.void(*([types.int64] * 9))

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source, row_stride, kind, rows, centre, vectors, rest, target, target_stride = args
        v = _doubles(builder)
        wide = v.lanes * v.size

        def copy(count: int, number: int) -> None:
            size = {DOUBLES: 8, FLOATS: 4, BYTES: 1}[number]
            known = [None] * (count - 1) + [rest]
            middle = [v.load(v.at(centre, j * wide)) for j in range(count)]

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


def _make_dots(targets: int, judged: bool = False) -> Any:
    """An intrinsic dots(at, first, rest, panels, panel_stride, terms, terms_stride, out, out_stride): rows times terms.

    For the `lanes` packed rows from `at` on in the first panel (`first` vectors wide) and from `rest` on in the first
    of `panels` whole ones, panel_stride apart, and each of `targets` rows of terms: adds Σ zⱼ termⱼ to `lanes` numbers
    at `out`. Judged: of two rows of terms Σ zⱼ termⱼ of the first, Σ (zⱼ termⱼ)² of the second. Addresses and strides
    are in bytes.
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

            def grown(k: int, total: Any, value: Any, factor: Any) -> Any:
                if judged and k == 1:
                    scaled = v.mul(value, factor)
                    return v.multiply_add(scaled, scaled, total)
                return v.multiply_add(value, factor, total)

            def add(rows: list[Any], where: Any, term: Any, sums: list[Any]) -> list[Any]:
                factors = [v.load(v.at(row, term)) for row in rows_of_terms]
                updated = list(sums)
                for i, row in enumerate(rows):
                    value = v.load(v.at(row, where))
                    for k, factor in enumerate(factors):
                        updated[k * v.lanes + i] = grown(k, updated[k * v.lanes + i], value, factor)
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
dots_1, dots_2, dots_3 = (_make_dots(targets) for targets in (1, 2, 3))
judged_dots = _make_dots(2, judged=True)


def _make_columns(judged: bool, scaled: bool) -> Any:
    """An intrinsic columns(panel, rows, vectors, u, sums, errors, bent, sizes, rounding, h, left), for one panel of
    `vectors`: adds Σᵢ uᵢ zᵢⱼ to sums + errors (of the addition to them).

    Judged: Σᵢ |uᵢ zᵢⱼ| to sizes and Σᵢ bentᵢ |zᵢⱼ| to rounding too. Scaled: puts hᵢ zᵢ into `left`. `rows` is a
    multiple of 4.
    """

    @intrinsic
    def columns(
        typingctx: Any, panel: Any, rows: Any, vectors: Any, u: Any, sums: Any, errors: Any, bent: Any, sizes: Any,
        rounding: Any, h: Any, left: Any,
    ):  # fmt: skip
        signature = types.void(*([types.int64] * 11))

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            panel, rows, vectors, u, sums, errors, bent, sizes, rounding, h, left = args
            v = _doubles(builder)
            size = v.lanes * v.size
            each = 3 if judged else 1  # sums of a column

            def add(count: int) -> None:
                # rows with sums of their own: additions wait for those before them
                together = 4 if count < 3 and not judged else 2
                cells = [(i, j) for i in range(together) for j in range(count)]

                def body(step: Any, carried: list[Any]) -> list[Any]:
                    offset = _times(builder, step, together * count * size)
                    row, to = v.at(panel, offset), v.at(left, offset)
                    place = _times(builder, step, together * v.size)
                    numbers = [
                        [v.broadcast(v.at(v.at(of, place), i * v.size)) for i in range(together)]
                        if used
                        else []
                        for of, used in ((u, True), (bent, judged), (h, scaled))
                    ]
                    updated = []
                    for (i, j), before in zip(cells, range(0, len(carried), each), strict=True):
                        at = (i * count + j) * size
                        value = v.load(v.at(row, at))
                        updated.append(v.multiply_add(value, numbers[0][i], carried[before]))
                        if judged:
                            magnitude, factor = v.abs(value), v.abs(numbers[0][i])
                            updated.append(v.multiply_add(magnitude, factor, carried[before + 1]))
                            updated.append(v.multiply_add(magnitude, numbers[1][i], carried[before + 2]))
                        if scaled:
                            v.store(v.mul(value, numbers[2][i]), v.at(to, at))
                    return updated

                turns = builder.sdiv(rows, ir.Constant(I64, together))
                found = counted_loop(builder, turns, [v.zero] * (each * len(cells)), body)
                while len(found) > each * count:
                    middle = len(found) // 2
                    found = [v.add(a, b) for a, b in zip(found[:middle], found[middle:], strict=True)]
                for j in range(count):
                    at, lost_at = v.at(sums, j * size), v.at(errors, j * size)
                    kept, lost = v.two_sum(v.load(at), found[each * j])
                    v.store(kept, at)
                    v.store(v.add(v.load(lost_at), lost), lost_at)
                    for total, where in zip(
                        found[each * j + 1 : each * (j + 1)], (sizes, rounding), strict=False
                    ):
                        its = v.at(where, j * size)
                        v.store(v.add(v.load(its), total), its)

            switch(builder, vectors, VECTORS, add)
            return context.get_dummy_value()

        return signature, codegen

    return columns


plain_columns, scaled_columns = _make_columns(False, False), _make_columns(False, True)
judged_columns, judged_scaled_columns = _make_columns(True, False), _make_columns(True, True)


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
def pearson_terms(typingctx: Any, first: Any, second: Any, vectors: Any, totals: Any):
    """Σ (w L')² / (w L''), 0 where w L' is, added to totals: sums and errors of 2·lanes parts each."""
    signature = types.void(*([types.int64] * 4))

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        first, second, vectors, totals = args
        v = Vectors(builder, 2 * SHAPE.lanes, True, SHAPE.fused)
        size = v.lanes * v.size

        def body(step: Any, carried: list[Any]) -> list[Any]:
            here = _times(builder, step, size)
            one, two = v.load(v.at(first, here)), v.load(v.at(second, here))
            ratio = v.divide(v.mul(one, one), two)
            ratio = builder.select(builder.fcmp_ordered("==", one, v.zero), v.zero, ratio)
            total, lost = v.two_sum(carried[0], ratio)
            return [total, v.add(carried[1], lost)]

        slots = [totals, v.at(totals, size)]
        found = counted_loop(builder, vectors, [v.load(slot) for slot in slots], body)
        for value, slot in zip(found, slots, strict=True):
            v.store(value, slot)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def judged_rows(
    typingctx: Any, w: Any, second: Any, sizes: Any, squares: Any, level: Any, length: Any, vectors: Any, bent: Any,
    radius: Any,
):  # fmt: skip
    """|w L''| (size + level + length √square) of each row, 0 where w L'' is, to `bent`, and the largest square where w
    is not 0, or NaN, to `radius` (2·lanes parts)."""
    signature = types.void(*([types.int64] * 4), types.float64, types.float64, *([types.int64] * 3))

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        w, second, sizes, squares, level, length, vectors, bent, radius = args
        v = Vectors(builder, 2 * SHAPE.lanes, True, SHAPE.fused)
        size = v.lanes * v.size
        level, length = v.splat(level), v.splat(length)

        def body(step: Any, carried: list[Any]) -> list[Any]:
            here = _times(builder, step, size)
            two, its_size, square = (v.load(v.at(place, here)) for place in (second, sizes, squares))
            its_size = v.add(its_size, v.multiply_add(v.sqrt(square), length, level))
            dead = builder.fcmp_ordered("==", v.load(v.at(w, here)), v.zero)
            square = builder.select(dead, v.zero, square)
            none = builder.fcmp_ordered(
                "==", two, v.zero
            )  # where a row does not count, its size may be anything
            v.store(builder.select(none, v.zero, v.mul(v.abs(two), its_size)), v.at(bent, here))
            stays = builder.or_(
                builder.fcmp_unordered("uno", carried[0], v.zero),
                builder.fcmp_ordered("<=", square, carried[0]),
            )
            return [builder.select(stays, carried[0], square)]

        found = counted_loop(builder, vectors, [v.load(radius)], body)
        v.store(found[0], radius)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def rooted_rows(typingctx: Any, second: Any, vectors: Any):
    """√(w L'') in its place, 2·lanes rows at a time; below 0, where only rounding brings it, as at 0."""
    signature = types.void(types.int64, types.int64)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        v = Vectors(builder, 2 * SHAPE.lanes, True, SHAPE.fused)

        def body(step: Any, _: list[Any]) -> list[Any]:
            at = v.at(args[0], _times(builder, step, v.lanes * v.size))
            two = v.load(at)
            v.store(v.sqrt(builder.select(builder.fcmp_ordered("<", two, v.zero), v.zero, two)), at)
            return []

        counted_loop(builder, args[1], [], body)
        return context.get_dummy_value()

    return signature, codegen


def _make_fetch(first: bool) -> Any:
    """An intrinsic fetch(address, lines) that asks for consecutive cache lines, harmless at any address: they come to
    the first or the second cache while something else is done."""

    @intrinsic
    def fetch(typingctx: Any, address: Any, lines: Any):
        signature = types.void(types.int64, types.int64)

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            v = _doubles(builder)

            def body(step: Any, _: list[Any]) -> list[Any]:
                v.prefetch(v.at(args[0], _times(builder, step, 64)), first)
                return []

            counted_loop(builder, args[1], [], body)
            return context.get_dummy_value()

        return signature, codegen

    return fetch


fetch_lines, fetch_soon = _make_fetch(False), _make_fetch(True)

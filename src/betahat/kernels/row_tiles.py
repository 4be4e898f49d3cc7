"""Register loops over packed rows: predictions, sums over rows of weighted columns, and what each row adds.

Rows are packed as in `gram_compiled`: panels of one tile's width, the first with the remainder; panel, row, column.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types

from betahat.kernels import pointwise, register_math
from betahat.kernels.processor import Tile
from betahat.kernels.register_math import Number
from betahat.kernels.tile import SHAPE
from betahat.kernels.vector import I64, Vectors, counted_loop, intrinsic

PRODUCTS, SIZES, SQUARES = 0, 1, 2


def make_dots(shape: Tile, targets: int, kind: int) -> Any:
    """An intrinsic dots(at, first, panels, panel_stride, terms, terms_stride, out, out_stride): rows times terms.

    For the `lanes` packed rows from `at` on (`first` vectors in the first panel, then `panels` whole ones, which begin
    panel_stride bytes apart, the first of them at `rest`) and each of `targets` rows of terms: adds Σⱼ zⱼ termⱼ, or
    Σ |zⱼ termⱼ|, or Σ (zⱼ termⱼ)², to `lanes` numbers at `out`.
    """

    @intrinsic
    def dots(
        typingctx: Any, at: Any, first: Any, rest: Any, panels: Any, panel_stride: Any, terms: Any,
        terms_stride: Any, out: Any, out_stride: Any,
    ):  # fmt: skip
        signature = types.void(*([types.int64] * 9))

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            at, first, rest, panels, panel_stride, terms, terms_stride, out, out_stride = args
            v = Vectors(builder, shape.lanes, True, shape.fused)
            size = v.lanes * v.size
            wide = shape.vectors * size
            targets_at = [v.at(terms, builder.mul(terms_stride, ir.Constant(I64, k))) for k in range(targets)]

            def add(row: list[Any], where: Any, term: Any, sums: list[Any]) -> list[Any]:
                values = [v.load(v.at(r, where)) for r in row]
                updated = list(sums)
                for k in range(targets):
                    factor = v.load(v.at(targets_at[k], term))
                    for i, value in enumerate(values):
                        slot = k * v.lanes + i
                        if kind == PRODUCTS:
                            updated[slot] = v.multiply_add(value, factor, updated[slot])
                        else:
                            product = v.mul(value, factor)
                            other = product if kind == SQUARES else v.constant(1.0)
                            product = product if kind == SQUARES else v.abs(product)
                            updated[slot] = v.multiply_add(product, other, updated[slot])
                return updated

            narrow = builder.mul(first, ir.Constant(I64, size))
            begin = [v.at(at, builder.mul(narrow, ir.Constant(I64, i))) for i in range(v.lanes)]

            def body(step: Any, sums: list[Any]) -> list[Any]:
                offset = builder.mul(step, ir.Constant(I64, size))
                return add(begin, offset, offset, sums)

            sums = counted_loop(builder, first, [v.zero] * (targets * v.lanes), body)
            middle = [v.at(rest, wide * i) for i in range(v.lanes)]

            def panel(step: Any, sums: list[Any]) -> list[Any]:
                own = builder.mul(step, panel_stride)
                term = builder.add(narrow, builder.mul(step, ir.Constant(I64, wide)))
                for j in range(shape.vectors):
                    sums = add(middle, v.at(own, j * size), v.at(term, j * size), sums)
                return sums

            sums = counted_loop(builder, panels, sums, panel)
            for k in range(targets):
                parts = v.transpose(sums[k * v.lanes : (k + 1) * v.lanes])
                while len(parts) > 1:
                    parts = [v.add(a, b) for a, b in zip(parts[0::2], parts[1::2], strict=True)]
                to = v.at(out, builder.mul(out_stride, ir.Constant(I64, k)))
                v.store(v.add(v.load(to), parts[0]), to)
            return context.get_dummy_value()

        return signature, codegen

    return dots


def make_weighted_columns(shape: Tile, vectors: int) -> Any:
    """An intrinsic weighted_columns(panel, rows, u, sums, errors, sizes) for the columns of one panel.

    Adds Σᵢ uᵢ zᵢⱼ to sums + errors (of the addition to them) and Σᵢ |uᵢ zᵢⱼ| to sizes; `rows` is a multiple of 4.
    """
    together = 4 if vectors < 3 else 2  # rows with sums of their own: additions wait for those before them

    @intrinsic
    def weighted_columns(typingctx: Any, panel: Any, rows: Any, u: Any, sums: Any, errors: Any, sizes: Any):
        signature = types.void(*([types.int64] * 6))

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            panel, rows, u, sums, errors, sizes = args
            v = Vectors(builder, shape.lanes, True, shape.fused)
            size = v.lanes * v.size
            cells = [(i, j) for i in range(together) for j in range(vectors)]

            def body(step: Any, carried: list[Any]) -> list[Any]:
                row = v.at(panel, builder.mul(step, ir.Constant(I64, together * vectors * size)))
                place = v.at(u, builder.mul(step, ir.Constant(I64, together * v.size)))
                factors = [v.broadcast(v.at(place, i * v.size)) for i in range(together)]
                magnitudes = [v.abs(factor) for factor in factors]
                updated = []
                for (i, j), total, magnitude in zip(cells, carried[0::2], carried[1::2], strict=True):
                    value = v.load(v.at(row, (i * vectors + j) * size))
                    updated.append(v.multiply_add(value, factors[i], total))
                    updated.append(v.multiply_add(v.abs(value), magnitudes[i], magnitude))
                return updated

            turns = builder.sdiv(rows, ir.Constant(I64, together))
            found = counted_loop(builder, turns, [v.zero] * (2 * len(cells)), body)
            half = 2 * vectors
            while len(found) > half:
                middle = len(found) // 2
                found = [v.add(a, b) for a, b in zip(found[:middle], found[middle:], strict=True)]
            for j in range(vectors):
                at, lost_at, size_at = (v.at(place, j * size) for place in (sums, errors, sizes))
                kept, lost = v.two_sum(v.load(at), found[2 * j])
                v.store(kept, at)
                v.store(v.add(v.load(lost_at), lost), lost_at)
                v.store(v.add(v.load(size_at), found[2 * j + 1]), size_at)
            return context.get_dummy_value()

        return signature, codegen

    return weighted_columns


def make_scaled_rows(shape: Tile, vectors: int) -> Any:
    """An intrinsic scaled_rows(panel, rows, h, target): every row of one panel times its hᵢ."""

    @intrinsic
    def scaled_rows(typingctx: Any, panel: Any, rows: Any, h: Any, target: Any):
        signature = types.void(*([types.int64] * 4))

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            panel, rows, h, target = args
            v = Vectors(builder, shape.lanes, True, shape.fused)
            size = v.lanes * v.size

            def body(step: Any, _: list[Any]) -> list[Any]:
                offset = builder.mul(step, ir.Constant(I64, vectors * size))
                factor = v.broadcast(v.at(h, builder.mul(step, ir.Constant(I64, v.size))))
                for j in range(vectors):
                    place = v.at(offset, j * size)
                    v.store(v.mul(v.load(v.at(panel, place)), factor), v.at(target, place))
                return []

            counted_loop(builder, rows, [], body)
            return context.get_dummy_value()

        return signature, codegen

    return scaled_rows


def make_row_terms(shape: Tile, loss: Callable[..., Any]) -> Any:
    """An intrinsic row_terms(eta, y, w, vectors, power, first, second, totals) for one loss of `pointwise`.

    Writes w L' and w L'' and adds Σ w L and Σ w to totals: 2·lanes sums and their errors each. Where w = 0, all are 0
    whatever else stands there. `vectors` have 2·lanes numbers: two registers take turns while each waits for itself.
    """

    @intrinsic
    def row_terms(
        typingctx: Any,
        eta: Any,
        y: Any,
        w: Any,
        vectors: Any,
        power: Any,
        first: Any,
        second: Any,
        totals: Any,
    ):
        signature = types.void(*([types.int64] * 4), types.float64, *([types.int64] * 3))

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            eta, y, w, vectors, power, first, second, totals = args
            v = Vectors(builder, 2 * shape.lanes, True, shape.fused)
            size = v.lanes * v.size
            spread = Number(v, v.splat(power))
            slots = [v.at(totals, k * size) for k in range(4)]

            def body(step: Any, carried: list[Any]) -> list[Any]:
                here = builder.mul(step, ir.Constant(I64, size))
                its_eta, its_y, its_w = (v.load(v.at(place, here)) for place in (eta, y, w))
                dead = builder.fcmp_ordered("==", its_w, v.zero)
                terms = loss(register_math, Number(v, its_y), Number(v, its_eta), spread)
                value, one, two = (builder.select(dead, v.zero, v.mul(its_w, term.value)) for term in terms)
                v.store(one, v.at(first, here))
                v.store(two, v.at(second, here))
                value, lost_value = v.two_sum(carried[0], value)
                weight, lost_weight = v.two_sum(carried[2], its_w)
                return [value, v.add(carried[1], lost_value), weight, v.add(carried[3], lost_weight)]

            found = counted_loop(builder, vectors, [v.load(slot) for slot in slots], body)
            for value, slot in zip(found, slots, strict=True):
                v.store(value, slot)
            return context.get_dummy_value()

        return signature, codegen

    return row_terms


@intrinsic
def fetch_lines(typingctx: Any, address: Any, lines: Any):
    """Ask for consecutive cache lines, harmless at any address: they come while something else is done."""
    signature = types.void(types.int64, types.int64)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        v = Vectors(builder, SHAPE.lanes, True, SHAPE.fused)

        def body(step: Any, _: list[Any]) -> list[Any]:
            v.prefetch(v.at(args[0], builder.mul(step, ir.Constant(I64, 64))))
            return []

        counted_loop(builder, args[1], [], body)
        return context.get_dummy_value()

    return signature, codegen


# Module level, because numba's cache does not survive a closure over an intrinsic.
dot = make_dots(SHAPE, 1, PRODUCTS)
dot_sizes = make_dots(SHAPE, 1, SIZES)
dot_squares = make_dots(SHAPE, 1, SQUARES)
weighted_columns_1 = make_weighted_columns(SHAPE, 1)
weighted_columns_2 = make_weighted_columns(SHAPE, 2)
weighted_columns_3 = make_weighted_columns(SHAPE, min(3, SHAPE.vectors))
weighted_columns_4 = make_weighted_columns(SHAPE, min(4, SHAPE.vectors))
scaled_rows_1 = make_scaled_rows(SHAPE, 1)
scaled_rows_2 = make_scaled_rows(SHAPE, 2)
scaled_rows_3 = make_scaled_rows(SHAPE, min(3, SHAPE.vectors))
scaled_rows_4 = make_scaled_rows(SHAPE, min(4, SHAPE.vectors))
squared_error = make_row_terms(SHAPE, pointwise.squared_error)
bernoulli_logit = make_row_terms(SHAPE, pointwise.bernoulli_logit)
poisson_log = make_row_terms(SHAPE, pointwise.poisson_log)
gamma_log = make_row_terms(SHAPE, pointwise.gamma_log)
tweedie_log = make_row_terms(SHAPE, pointwise.tweedie_log)
inverse_gaussian_log = make_row_terms(SHAPE, pointwise.inverse_gaussian_log)
bernoulli_probit = make_row_terms(SHAPE, pointwise.bernoulli_probit)
bernoulli_cloglog = make_row_terms(SHAPE, pointwise.bernoulli_cloglog)
huber = make_row_terms(SHAPE, pointwise.huber)

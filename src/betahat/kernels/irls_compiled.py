"""Compiled sums of a loss and its derivatives: rows are packed once into cache, where all else is done."""

from __future__ import annotations

import math

import numpy as np

from betahat.kernels import row_factors
from betahat.kernels import row_tiles as tiles
from betahat.kernels.compiled import compiled
from betahat.kernels.gram_compiled import LINE, first_width, multiply
from betahat.kernels.memory import address, carray, doubles, read_rows
from betahat.kernels.pointwise import CONVEX, EVERYTHING, GRADIENT
from betahat.kernels.tile import SHAPE
from betahat.kernels.vector import DOUBLES, FLOATS

LANES, WIDTH = SHAPE.lanes, SHAPE.width
SUMS, ERRORS, SIZES, ROUNDING, COLUMNS = range(5)  # sums over rows, for each column; how many there are
STEP = 2 * LANES  # rows at a time
VALUE_SUM, WEIGHT_SUM, PEARSON = 0, 2 * STEP, 4 * STEP  # sums and errors in STEP parts each
RADIUS, TOTALS = 6 * STEP, 7 * STEP  # the largest in STEP parts; how many there are
LAST_CANONICAL = 2  # code up to which L'' does not depend on y
ETA, SIZE, SQUARE, TARGET, WEIGHT, FIRST, SECOND, BENT = range(8)  # numbers of each row


@compiled
def pack_rows(x, row_stride, kind, rows, p, padded, centre, capacity, first_row, right):
    """Rows of X (unit column stride, of any kind) less the centre, which has −1 in the place of the 1, into panels from
    `first_row` on."""
    element = 8 if kind == DOUBLES else 4 if kind == FLOATS else 1
    start, here = 0, first_width(padded, LANES)
    while start < padded:
        vectors = (min(here, p + 1 - start) + LANES - 1) // LANES
        tiles.convert_rows(
            x + start * element, row_stride, kind, rows, centre + start * 8, vectors,
            min(here, p - start) - (vectors - 1) * LANES, right + (start * capacity + first_row * here) * 8, here * 8,
        )  # fmt: skip
        start += here
        here = WIDTH


@compiled
def clear_row(right, i, padded, capacity):
    """A packed row that does not count, as zeros."""
    start, here = 0, first_width(padded, LANES)
    while start < padded:
        row = carray(doubles(right + (start * capacity + i * here) * 8), here)
        for c in range(here):
            row[c] = 0.0
        start += here
        here = WIDTH


@compiled
def add_dots(right, rows, padded, capacity, first_row, terms, judged, row, apart):
    """Add z·terms[0] of packed rows to row[ETA]; judged, Σ (z terms[1])² to row[SQUARE]; in steps of `lanes` rows."""
    narrow = first_width(padded, LANES)
    first, panels, stride = narrow // LANES, (padded - narrow) // WIDTH, WIDTH * capacity * 8
    for i in range(0, rows, LANES):
        begin = right + (first_row + i) * narrow * 8
        rest = right + (narrow * capacity + (first_row + i) * WIDTH) * 8
        to = row + ETA * apart + i * 8
        if judged:
            tiles.judged_dots(
                begin, first, rest, panels, stride, terms, padded * 8, to, (SQUARE - ETA) * apart
            )
        else:
            tiles.dots_1(begin, first, rest, panels, stride, terms, 0, to, 0)


@compiled
def add_columns(
    right, rows, padded, capacity, first_row, row, apart, judged, scaled, left, left_row, left_capacity, columns
):  # fmt: skip
    """Add Σ u z with u = row[FIRST] to columns; judged, Σ |u z| and Σ row[BENT] |z| too; scaled, put row[SECOND] z into
    `left` from `left_row` on, in panels alike."""
    u, h, bent = row + FIRST * apart, row + SECOND * apart, row + BENT * apart
    start, here = 0, first_width(padded, LANES)
    while start < padded:
        total, vectors = columns + (SUMS * padded + start) * 8, here // LANES
        lost, size, bend = (
            total + ERRORS * padded * 8,
            total + SIZES * padded * 8,
            total + ROUNDING * padded * 8,
        )
        panel = right + (start * capacity + first_row * here) * 8
        product = left + (start * left_capacity + left_row * here) * 8
        if judged and scaled:
            tiles.judged_scaled_columns(panel, rows, vectors, u, total, lost, bent, size, bend, h, product)
        elif judged:
            tiles.judged_columns(panel, rows, vectors, u, total, lost, bent, size, bend, h, product)
        elif scaled:
            tiles.scaled_columns(panel, rows, vectors, u, total, lost, bent, size, bend, h, product)
        else:
            tiles.plain_columns(panel, rows, vectors, u, total, lost, bent, size, bend, h, product)
        start += here
        here = WIDTH


@compiled
def scale_rows(right, rows, padded, capacity, first_row, h, left):
    """Packed rows times h, packed alike."""
    start, here = 0, first_width(padded, LANES)
    while start < padded:
        base = (start * capacity + first_row * here) * 8
        row_factors.scaled_rows(right + base, rows, here // LANES, h, left + base)
        start += here
        here = WIDTH


@compiled
def add_rows(code, power, rows, row, apart, totals):
    """L, L' and L'' of `rows` rows, in steps of STEP: sums to totals, w L' and w L'' to their places in `row`."""
    tiles.row_terms(
        code, power, row + ETA * apart, row + TARGET * apart, row + WEIGHT * apart, (rows + STEP - 1) // STEP,
        row + FIRST * apart, row + SECOND * apart, totals,
    )  # fmt: skip


def across(padded, single):
    """Columns of the products' sums: whole registers."""
    lanes = 2 * LANES if single else LANES
    return (padded + lanes - 1) // lanes * lanes


@compiled
def narrow_rows(right, rows, padded, capacity, h, units, left, left_row, left_capacity):
    """h · unit · z to float32, into `left` from `left_row` on: panels as wide as a tile of float32."""
    lanes = 2 * LANES
    narrow = first_width((padded + lanes - 1) // lanes * lanes, lanes)
    start, here = 0, first_width(padded, LANES)
    while start < padded:
        for c in range(start, start + here, LANES):
            own = 0 if c < narrow else narrow + (c - narrow) // (2 * WIDTH) * (2 * WIDTH)
            wide = narrow if own == 0 else 2 * WIDTH
            source = right + (start * capacity + c - start) * 8
            target = left + (own * left_capacity + left_row * wide + c - own) * 4
            row_factors.narrowed_rows(source, here * 8, rows, h, units + c * 8, target, wide * 4)
        start += here
        here = WIDTH


@compiled
def two_sum_into(total, error, place, other, its_error):
    s = total[place] + other
    z = s - total[place]
    error[place] += ((total[place] - (s - z)) + (other - z)) + its_error
    total[place] = s


@compiled
def mean_of(code, eta):
    """h(η) of the families that kernels know."""
    if code == 0:
        return eta
    if code == 1:
        return 1.0 / (1.0 + math.exp(-eta))
    if code == 6:
        return 0.5 * math.erfc(-eta * 0.7071067811865476)
    if code == 7:
        return -math.expm1(-math.exp(eta))
    return math.exp(eta)


@compiled
def begin_rows(y, w, offset, rows, steps, row, apart):
    """Targets, weights (0 beyond `rows`) and offsets, of which the predictions are begun, in their places."""
    etas, sizes = carray(doubles(row + ETA * apart), steps), carray(doubles(row + SIZE * apart), steps)
    squares, weights = (
        carray(doubles(row + SQUARE * apart), steps),
        carray(doubles(row + WEIGHT * apart), steps),
    )
    targets, ys = carray(doubles(row + TARGET * apart), rows), carray(doubles(y), rows)
    for k in range(steps):
        etas[k] = sizes[k] = squares[k] = 0.0
    for k in range(rows):
        targets[k] = ys[k]
    if w != 0:
        ws = carray(doubles(w), rows)
        for k in range(rows):
            weights[k] = ws[k]
    else:
        for k in range(rows):
            weights[k] = 1.0
    for k in range(rows, steps):
        weights[k] = 0.0
    if offset != 0:
        offsets = carray(doubles(offset), rows)
        for k in range(rows):
            etas[k], sizes[k] = offsets[k], abs(offsets[k])


@compiled
def mean_rows(code, power, rows, row, apart, unused):
    """E L'' in the place of L'': L'' is linear in y, so that its mean is its value at the mean of y."""
    etas, targets = carray(doubles(row + ETA * apart), rows), carray(doubles(row + TARGET * apart), rows)
    firsts, kept = carray(doubles(row + FIRST * apart), rows), carray(doubles(row + BENT * apart), rows)
    for k in range(rows):
        kept[k] = firsts[k]
        targets[k] = mean_of(code, etas[k])
    add_rows(code, power, rows, row, apart, unused)
    for k in range(rows):
        firsts[k] = kept[k]


@compiled
def irls_slab(
    x, row_stride, column_stride, kind, table, y, w, offset, second_out, rows, p, centre, terms, code, power, level,
    length, much, expected, block, part, columns, totals, high, low, right, left, scratch, row,
):  # fmt: skip
    """Consecutive rows, `block` at a time, of which `part` stay in the first cache.

    centre : (padded,), see `padded_centre`; terms : (3, padded), see `irls`; level and length : what predictions' terms
    may be, |level| and ‖slopes / unit‖; columns : (COLUMNS, padded) and totals, see above;
    high and low : (across, across) the Hessian's sums, or empty where it is not wanted, and `left` what waits for them:
    float64, or float32 for products of single precision, of columns in their units; second_out : where w L'' of
    each row is wanted, or 0; expected : E L'' in the place of L''; row : (8, part).

    Where no L'' is negative, the Hessian is the product of √(w L'') z with itself, so that only these wait for it in
    the second cache; else z waits there too.
    """
    unused = np.empty(len(totals) if expected else 0)
    alone = expected or code in CONVEX
    padded, apart = terms.shape[1], row.shape[1] * 8
    products, judged = len(high) > 0, much >= EVERYTHING
    kept = products and not alone  # other rows are not needed again, and stay in the first cache
    single, held = left.itemsize == 4, block if kept else part
    lanes = 2 * LANES if single else LANES
    element = 8 if kind == DOUBLES else 4 if kind == FLOATS else 1
    direct = table.size == 0 and column_stride == element
    dense = direct and 0 < row_stride <= 2 * p * element
    fetch = (part * row_stride // LINE + 3) // 4 if dense and not products else 0
    its_lines = (
        p * element // LINE + 1 if direct and not dense else 0
    )  # of a row that lies apart from the next
    packed, scaled, own, terms_at = address(right), address(left), address(row), address(terms)
    middle, columns_at, totals_at = address(centre), address(columns), address(totals)
    two, size, bent = own + SECOND * apart, own + SIZE * apart, own + BENT * apart
    weights = carray(doubles(own + WEIGHT * apart), part)
    for start in range(0, rows, block):
        count = min(block, rows - start)
        at, stride, its_kind = x + start * row_stride, row_stride, kind
        if not direct:
            read_rows(at, row_stride, column_stride, kind == FLOATS, table, count, p, scratch)
            at, stride, its_kind = address(scratch), p * 8, DOUBLES
        for begin in range(0, count, part):
            few, i = min(part, count - begin), (start + begin) * 8
            vectors = (few + STEP - 1) // STEP
            steps = vectors * STEP  # rows beyond have weight 0
            first_row = begin if kept else 0
            ahead, lines = at + (begin + 2 * part) * stride, fetch
            pack_rows(at + begin * stride, stride, its_kind, few, p, padded, middle, held, first_row, packed)
            tiles.fetch_lines(ahead, lines)
            if its_lines > 0:
                for k in range(part):
                    tiles.fetch_lines(ahead + k * stride, its_lines)
            begin_rows(
                y + i, w + i if w != 0 else 0, offset + i if offset != 0 else 0, few, steps, own, apart
            )
            if w != 0:
                for k in range(few):
                    if weights[k] == 0.0:
                        clear_row(packed, first_row + k, padded, held)
            add_dots(packed, steps, padded, held, first_row, terms_at, judged, own, apart)
            tiles.fetch_lines(ahead + lines * LINE, lines)
            add_rows(code, power, steps, own, apart, totals_at)
            if expected:
                mean_rows(code, power, steps, own, apart, address(unused))
            if expected or (judged and code <= LAST_CANONICAL):
                tiles.pearson_terms(own + FIRST * apart, two, vectors, totals_at + PEARSON * 8)
            tiles.fetch_lines(ahead + 2 * lines * LINE, lines)
            if judged:
                tiles.judged_rows(
                    own + WEIGHT * apart,
                    two,
                    size,
                    own + SQUARE * apart,
                    level,
                    length,
                    vectors,
                    bent,
                    totals_at + RADIUS * 8,
                )
            if products and alone:
                tiles.rooted_rows(two, vectors)
            if much >= GRADIENT:
                add_columns(
                    packed, steps, padded, held, first_row, own, apart, judged, products and not single, scaled, begin,
                    block, columns_at,
                )  # fmt: skip
            if single:
                units = terms_at + 2 * padded * 8
                narrow_rows(packed, steps, padded, held, two, units, scaled, begin, block)
            tiles.fetch_lines(ahead + 3 * lines * LINE, lines)
            if second_out != 0:
                its, seconds = carray(doubles(two), few), carray(doubles(second_out + i), few)
                for k in range(few):
                    seconds[k] = its[k]
        if products:
            ahead, between = at + count * stride, row_stride if dense else 0
            if alone:
                multiply(left, left, count, p + 1, lanes, block, 0, p + 1, ahead, between, high, low)
            else:
                multiply(right, left, count, p + 1, lanes, block, 0, p + 1, ahead, between, high, low)


@compiled
def merge(its_columns, its_totals, columns, totals):
    """Add a slab's sums to those of the slabs before it, and leave zeros for the next slab."""
    for j in range(columns.shape[1]):
        two_sum_into(columns[SUMS], columns[ERRORS], j, its_columns[SUMS, j], its_columns[ERRORS, j])
        columns[SIZES, j] += its_columns[SIZES, j]
        columns[ROUNDING, j] += its_columns[ROUNDING, j]
    for first in (VALUE_SUM, WEIGHT_SUM, PEARSON):
        for j in range(first, first + STEP):
            two_sum_into(totals, totals[STEP:], j, its_totals[j], its_totals[j + STEP])
    for j in range(RADIUS, TOTALS):
        if its_totals[j] > totals[j] or its_totals[j] != its_totals[j]:
            totals[j] = its_totals[j]
    its_columns[:] = 0.0
    its_totals[:] = 0.0

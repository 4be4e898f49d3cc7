"""Compiled sums of the multinomial loss: rows are packed once into cache; scores and gradient are two thin products."""

from __future__ import annotations

from betahat.kernels import row_tiles, softmax_tiles
from betahat.kernels.compiled import compiled
from betahat.kernels.gram_compiled import first_width, multiply
from betahat.kernels.irls_compiled import (
    LANES,
    LINE,
    STEP,
    WIDTH,
    clear_row,
    pack_rows,
    scale_rows,
    two_sum_into,
)
from betahat.kernels.memory import address, carray, doubles, read_rows
from betahat.kernels.pointwise import EVERYTHING, GRADIENT
from betahat.kernels.tile import SHAPE
from betahat.kernels.vector import DOUBLES, FLOATS

ROWS = SHAPE.rows
PANELS = 8  # whose packed rows, `lanes` of them, and terms stay in the first cache together


@compiled
def add_scores(right, rows, padded, capacity, terms, scores):
    """Add z·terms of packed rows, for every row of terms, to scores; few panels at a time, all terms at once."""
    narrow = first_width(padded, LANES)
    at, terms_at, scores_at = address(right), address(terms), address(scores)
    count, step, out_step = len(terms), padded * 8, scores.shape[1] * 8
    panels = (padded - narrow) // WIDTH
    stride = WIDTH * capacity * 8
    begun = 0
    first = narrow // LANES
    while begun < panels or first > 0:
        some = min(PANELS, panels - begun)
        term = terms_at + (narrow + begun * WIDTH) * 8 if first == 0 else terms_at
        for i in range(0, rows, LANES):
            begin = at + i * narrow * 8
            rest = at + narrow * capacity * 8 + begun * stride + i * WIDTH * 8
            k = 0
            while k < count:
                its_terms, out, left = term + k * step, scores_at + k * out_step + i * 8, count - k
                if left == 1:
                    row_tiles.dots_1(begin, first, rest, some, stride, its_terms, step, out, out_step)
                    k += 1
                elif left == 2 or left == 4:
                    row_tiles.dots_2(begin, first, rest, some, stride, its_terms, step, out, out_step)
                    k += 2
                else:
                    row_tiles.dots_3(begin, first, rest, some, stride, its_terms, step, out, out_step)
                    k += 3
        begun += some
        first = 0


@compiled
def add_products(right, rows, padded, capacity, u, sums, errors, sizes):
    """Add Σ uᵢ z to sums + errors for each row of u, or if there are no errors Σ |uᵢ z| to sizes."""
    at, u_at, stride, step = address(right), address(u), u.shape[1] * 8, padded * 8
    to, lost, size = address(sums), address(errors), address(sizes)
    count = len(u)
    turns = (count + ROWS - 1) // ROWS
    start, here = 0, first_width(padded, LANES)
    while start < padded:
        panel = at + start * capacity * 8
        for turn in range(turns):  # rows of u in groups of nearly the same number
            k = count * turn // turns
            few = count * (turn + 1) // turns - k
            place = k * step + start * 8
            its_u = u_at + k * stride
            if len(sizes) > 0:
                softmax_tiles.thin_sizes(
                    its_u, panel, size + place, 0, rows, few, here // LANES, stride, step
                )
            else:
                softmax_tiles.thin_tile(
                    its_u, panel, to + place, lost + place, rows, few, here // LANES, stride, step
                )
        start += here
        here = WIDTH


@compiled
def begin_scores(y, w, offset, first, rows, steps, classes, scores, target, weights):
    """Targets, weights (0 beyond `rows`) and offsets, with which the scores are begun, in their places."""
    ys, ws = carray(doubles(y + first * 8), rows), carray(doubles(w + first * 8), rows)
    offsets = carray(doubles(offset + first * classes * 8), rows * classes)
    for k in range(len(scores)):
        for i in range(steps):
            scores[k, i] = 0.0
    for i in range(rows):
        target[i] = ys[i]
        weights[i] = ws[i] if w != 0 else 1.0
    for i in range(rows, steps):
        weights[i] = 0.0
    if offset != 0:
        for i in range(rows):
            for k in range(classes):
                scores[k, i] = offsets[i * classes + k]


@compiled
def add_blocks(right, rows, used, padded, capacity, shares, weights, high, low, left, h):
    """Add −Σ w P_k P_m z zᵀ to the sums of each pair k > m."""
    pair = 0
    for k in range(len(shares)):
        for m in range(k):
            for i in range(rows):
                h[i] = -weights[i] * shares[k, i] * shares[m, i] if weights[i] != 0.0 else 0.0
            scale_rows(address(right), rows, padded, capacity, 0, address(h), address(left))
            multiply(
                right, left, rows, used, LANES, capacity, 0, used, address(right), 0, high[pair], low[pair]
            )  # fmt: skip
            pair += 1


@compiled
def softmax_slab(
    x, row_stride, column_stride, kind, table, y, w, offset, rows, p, centre, terms, classes, much, block, part,
    sums, errors, sizes, totals, high, low, right, left, scratch, scores, shares, vectors,
):  # fmt: skip
    """Consecutive rows, `block` read and `part` packed at a time.

    centre : (padded,), as in `irls_slab`; terms : (K or 2 K, padded) slopes and level of each class, and a direction's;
    sums and errors : of their shape, the gradient's and the product's; sizes : (K, padded) or empty; high and low :
    (pairs, padded, padded) or empty; scores : (2 K, part); shares : (K, part); vectors : (3, part).
    """
    padded, directed = terms.shape[1], len(terms) > classes
    direct = table.size == 0 and column_stride == (8 if kind == DOUBLES else 4 if kind == FLOATS else 1)
    lines = part * row_stride // LINE if direct and 0 < row_stride <= 2 * p * 8 else 0
    target, weights, h = vectors[0], vectors[1], vectors[2]
    used = scores[: len(terms)]
    for start in range(0, rows, block):
        count = min(block, rows - start)
        at, stride, its_kind = x + start * row_stride, row_stride, kind
        if not direct:
            read_rows(at, row_stride, column_stride, kind == FLOATS, table, count, p, scratch)
            at, stride, its_kind = address(scratch), p * 8, DOUBLES
        for begin in range(0, count, part):
            few, i = min(part, count - begin), start + begin
            steps = (few + STEP - 1) // STEP * STEP  # rows beyond have weight 0
            here = at + begin * stride
            pack_rows(here, stride, its_kind, few, p, padded, address(centre), part, 0, address(right))
            row_tiles.fetch_lines(here + part * stride, lines // 2)
            begin_scores(y, w, offset, i, few, steps, classes, scores, target, weights)
            if w != 0:
                for k in range(few):
                    if weights[k] == 0.0:
                        clear_row(address(right), k, padded, part)
            add_scores(right, steps, padded, part, terms, scores)
            row_tiles.fetch_lines(here + part * stride + lines // 2 * LINE, lines // 2)
            softmax_tiles.softmax_terms(
                classes, 1 if directed else 0, address(scores), address(shares), part * 8, address(target),
                address(weights), steps // STEP, address(totals),
            )  # fmt: skip
            if much >= GRADIENT or directed:
                add_products(right, steps, padded, part, used, sums, errors, sizes[:0])
            if much >= EVERYTHING:
                add_products(right, steps, padded, part, scores[:classes], sums, errors, sizes)
            if len(high) > 0:
                add_blocks(right, few, p + 1, padded, part, shares, weights, high, low, left, h)


@compiled
def merge(its_sums, its_errors, its_sizes, its_totals, sums, errors, sizes, totals):
    """Add a slab's sums to those of the slabs before it, and leave zeros for the next slab."""
    for k in range(len(sums)):
        for j in range(sums.shape[1]):
            two_sum_into(sums[k], errors[k], j, its_sums[k, j], its_errors[k, j])
    for k in range(len(sizes)):
        for j in range(sizes.shape[1]):
            sizes[k, j] += its_sizes[k, j]
    for first in (0, 2 * STEP):
        for j in range(first, first + STEP):
            two_sum_into(totals, totals[STEP:], j, its_totals[j], its_totals[j + STEP])
    its_sums[:] = 0.0
    its_errors[:] = 0.0
    its_sizes[:] = 0.0
    its_totals[:] = 0.0

"""Compiled residuals and gradients of linear predictions in double-double arithmetic, in one reading of X."""

from __future__ import annotations

import numpy as np

from betahat.kernels.compiled import compiled
from betahat.kernels.double_double import COLUMNS, dot_columns_1, dot_columns_2, dot_columns_4, dot_rows
from betahat.kernels.memory import address, carray, doubles, read_rows
from betahat.kernels.tile import SHAPE

LANES = SHAPE.lanes


@compiled
def two_sum(a, b):
    s = a + b
    z = s - a
    return s, (a - (s - z)) + (b - z)


@compiled
def two_product(a, b):
    p = a * b
    t = a * 134217729.0
    ah = t - (t - a)
    al = a - ah
    t = b * 134217729.0
    bh = t - (t - b)
    bl = b - bh
    return p, ((ah * bh - p) + ah * bl + al * bh) + al * bl


@compiled
def weigh(y, t, k, weights, weighted, intercept, rows, high, low):
    """From Xβ (high + low) make w (y − β₀ − Xβ), and add up Σ w r² exactly enough; returns loss, Σ w r, Σ |w r|."""
    loss, total, error, magnitude = 0.0, 0.0, 0.0, 0.0
    for i in range(rows):
        a, e = two_sum(y[i * t + k], -intercept)
        r, f = two_sum(a, -high[i])
        f += e - low[i]
        r, f = two_sum(r, f)
        if weighted:
            u, g = two_product(weights[i], r)
            g += weights[i] * f
        else:
            u, g = r, f
        high[i], low[i] = u, g
        loss += u * r
        total, lost = two_sum(total, u)
        error += lost + g
        magnitude += abs(u)
    return loss, total, error, magnitude


@compiled
def gradient_slab(
    x, row_stride, column_stride, single, table, y, w, rows, p, t, beta, intercept, block, sums, scalars
):
    """Σ xᵢⱼ wᵢ rᵢ of consecutive rows for each target.

    beta : (t, padded p); sums : (t, 3, padded p) sums, errors, magnitudes; scalars : (t, 5) the same three for the
    intercept, then Σ w r² and its error.
    """
    padded = beta.shape[1]
    whole = p // LANES
    rest = p - whole * LANES
    high, low = np.empty(block + LANES), np.empty(block + LANES)
    direct = table.size == 0 and column_stride == 8 and not single
    no_table = np.empty(0, np.int64)
    scratch = np.empty(0 if direct else (block + LANES) * p)
    last_rows = np.zeros(LANES * p)
    hi_at, lo_at = address(high), address(low)
    ys, ws = carray(doubles(y), rows * t), carray(doubles(w), rows)
    for start in range(0, rows, block):
        count = min(block, rows - start)
        at, stride = x + start * row_stride, row_stride
        if not direct:
            read_rows(at, row_stride, column_stride, single, table, count, p, scratch)
            at, stride = address(scratch), p * 8
        complete = count // LANES * LANES
        if complete < count:
            read_rows(at + complete * stride, stride, 8, False, no_table, count - complete, p, last_rows)
        for k in range(t):
            coefficients = address(beta) + k * padded * 8
            for i in range(0, complete, LANES):
                dot_rows(at + i * stride, stride, coefficients, whole, rest, hi_at + i * 8, lo_at + i * 8)
            if complete < count:
                i = complete
                dot_rows(address(last_rows), p * 8, coefficients, whole, rest, hi_at + i * 8, lo_at + i * 8)
            loss, total, error, magnitude = weigh(
                ys[start * t :], t, k, ws[start:], w != 0, intercept[k], count, high, low
            )
            scalars[k, 3], lost = two_sum(scalars[k, 3], loss)
            scalars[k, 4] += lost
            scalars[k, 0], lost = two_sum(scalars[k, 0], total)
            scalars[k, 1] += lost + error
            scalars[k, 2] += magnitude
            s_at = address(sums) + k * 3 * padded * 8
            e_at, m_at = s_at + padded * 8, s_at + 2 * padded * 8
            j = 0
            while j < p:
                here, step = at + j * 8, j * 8
                left = p - j
                if left > (COLUMNS - 1) * LANES:
                    last = min(LANES, left - (COLUMNS - 1) * LANES)
                    dot_columns_4(
                        here, stride, count, hi_at, lo_at, last, s_at + step, e_at + step, m_at + step
                    )
                    j += COLUMNS * LANES
                elif left > LANES:
                    last = min(LANES, left - LANES)
                    dot_columns_2(
                        here, stride, count, hi_at, lo_at, last, s_at + step, e_at + step, m_at + step
                    )
                    j += 2 * LANES
                else:
                    dot_columns_1(
                        here, stride, count, hi_at, lo_at, left, s_at + step, e_at + step, m_at + step
                    )
                    j += LANES


@compiled
def merge(part, part_scalars, sums, scalars):
    """Add a slab's sums and scalars to those of the slabs before it, and leave zeros for the next slab."""
    for k in range(len(sums)):
        for j in range(sums.shape[2]):
            sums[k, 0, j], lost = two_sum(sums[k, 0, j], part[k, 0, j])
            sums[k, 1, j] += part[k, 1, j] + lost
            sums[k, 2, j] += part[k, 2, j]
        scalars[k, 0], lost = two_sum(scalars[k, 0], part_scalars[k, 0])
        scalars[k, 1] += part_scalars[k, 1] + lost
        scalars[k, 2] += part_scalars[k, 2]
        scalars[k, 3], lost = two_sum(scalars[k, 3], part_scalars[k, 3])
        scalars[k, 4] += part_scalars[k, 4] + lost
    part[:] = 0.0
    part_scalars[:] = 0.0

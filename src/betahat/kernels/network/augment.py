"""Images gathered as `source` does, and changed on their way: see `betahat.kernels.augment`."""

from __future__ import annotations

import numpy as np

from betahat.kernels.augment import (
    BILINEAR,
    BOTTOM,
    FACTOR,
    LEFT,
    NUMBERS,
    RIGHT,
    STILL,
    TOP,
    X_ACROSS,
    X_DOWN,
    X_START,
    Y_ACROSS,
    Y_DOWN,
    Y_START,
)
from betahat.kernels.compiled import compiled
from betahat.kernels.memory import address, carray, doubles
from betahat.kernels.network.environment import (
    BROKEN,
    CENTRE,
    CHANGES,
    COLUMN,
    DOUBLE,
    KIND,
    MIXES,
    ORDER,
    ROW,
    SCALE,
    X,
)
from betahat.kernels.network.loss import mix_of
from betahat.kernels.network.operations import FIRST
from betahat.kernels.network.source import take


@compiled
def _bilinear(raw, frame, out, n, height, width, channels):
    """Pixels from between others; `frame` has room for the image, one line and column before it and two behind, which
    are filled already."""
    line, run = (width + 3) * channels, width * channels
    factor = n[FACTOR]
    for i in range(height):
        begin = (i + 1) * line + channels
        source, target = raw[i * run : (i + 1) * run], frame[begin : begin + run]
        for k in range(run):
            target[k] = source[k] * factor
    y_down, y_across, y_start = n[Y_DOWN], n[Y_ACROSS], n[Y_START]
    x_down, x_across, x_start = n[X_DOWN], n[X_ACROSS], n[X_START]
    bottom, right = height + 1.0, width + 1.0
    each, long, one = np.uint64(channels), np.uint64(line), np.uint64(1)
    for i in range(height):
        y_line, x_line = y_down * i + y_start + 1.0, x_down * i + x_start + 1.0
        target = out[i * run : (i + 1) * run]
        for j in range(width):
            y, x = y_line + y_across * j, x_line + x_across * j
            y = 0.0 if y < 0.0 else bottom if y > bottom else y
            x = 0.0 if x < 0.0 else right if x > right else x
            above, before = np.int32(y), np.int32(x)
            down, across = y - above, x - before
            at, to = np.uint64(above) * long + np.uint64(before) * each, np.uint64(j) * each
            for _ in range(channels):
                under = at + long
                upper = frame[at] * (1.0 - across) + frame[at + each] * across
                lower = frame[under] * (1.0 - across) + frame[under + each] * across
                target[to] = upper * (1.0 - down) + lower * down
                at, to = at + one, to + one


@compiled
def _whole(raw, out, n, height, width, channels, fill):
    """Pixels from other places, as they are."""
    run, factor = width * channels, n[FACTOR]
    mirrored, start = n[X_ACROSS] < 0, np.int64(n[X_START])
    begin = max(0, start - width + 1) if mirrored else max(0, -start)  # the columns that lie in the image
    end = min(width, start + 1) if mirrored else min(width, width - start)
    low, high = begin * channels, end * channels
    for i in range(height):
        y = np.int64(n[Y_DOWN]) * i + np.int64(n[Y_START])
        line, inside = out[i * run : (i + 1) * run], 0 <= y < height
        for k in range(low if inside else run):
            line[k] = fill
        if not inside:
            continue
        for k in range(high, run):
            line[k] = fill
        target, source = line[low:high], raw[y * run : (y + 1) * run]
        if not mirrored:
            source = source[low + start * channels :]
            for k in range(target.size):
                target[k] = source[k] * factor
            continue
        for j in range(begin, end):
            for c in range(channels):
                line[j * channels + c] = source[(start - j) * channels + c] * factor


@compiled
def _change(env, i, start, raw, frame, out, height, width, channels, how, fill):
    """Row i of the span, changed; 0.0, or NaN where one of its numbers is not finite."""
    n = carray(doubles(env[CHANGES] + (start + i) * NUMBERS * 8), NUMBERS)
    met = take(
        env, env[X], env[ROW], env[COLUMN], env[KIND], env[ORDER], 0, 0, start + i, 1, address(raw), 0, raw.size, raw
    )  # fmt: skip
    if how == BILINEAR:
        _bilinear(raw, frame, out, n, height, width, channels)
    elif how == STILL:
        for k in range(raw.size):
            out[k] = raw[k] * n[FACTOR]
    else:
        _whole(raw, out, n, height, width, channels, fill)
    for line in range(np.int64(n[TOP]), np.int64(n[BOTTOM])):
        begin = line * width
        out[(begin + np.int64(n[LEFT])) * channels : (begin + np.int64(n[RIGHT])) * channels] = fill
    return met


@compiled
def gather_changed(op, real, env, unit, first, some, rows, start, step, key, own, like):
    """Images as the network takes them: target, its row stride, height, width, channels, how pixels move. The real
    number is what lies beyond.

    own : three images of doubles, and one with one line and column more before it and two behind.
    """
    target, stride, height, width, channels, how = op[FIRST : FIRST + 6]
    p, fill = height * width * channels, real[0]
    raw, out, other = own[:p], own[p : 2 * p], own[2 * p : 3 * p]
    frame = own[3 * p : 3 * p + (height + 3) * (width + 3) * channels]
    if how == BILINEAR:
        frame[:] = fill
    share, roll = mix_of(env, step)
    met = 0.0
    for i in range(first, first + some):
        met += _change(env, i, start, raw, frame, out, height, width, channels, how, fill)
        if env[MIXES] != 0:
            partner = (i + roll) % rows
            met += _change(env, partner, start, raw, frame, other, height, width, channels, how, fill)
            for k in range(p):
                out[k] = share * out[k] + (1.0 - share) * other[k]
        take(
            env, address(out), 0, 8, DOUBLE, 0, env[CENTRE], env[SCALE], 0, 1, target + i * stride, stride, p, like
        )  # fmt: skip
    if met != 0.0:  # NaN
        env[BROKEN] = 1

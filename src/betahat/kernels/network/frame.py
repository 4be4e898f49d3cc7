"""Images within frames of zeros."""

from __future__ import annotations

from betahat.kernels.compiled import compiled
from betahat.kernels.memory import carray, like_array
from betahat.kernels.network.operations import FIRST


@compiled
def clear(at, count, like):
    """Zeros."""
    out = carray(like_array(at, like), count)
    for j in range(count):
        out[j] = 0


@compiled
def surround(op, real, env, unit, first, some, rows, start, step, key, own, like):
    """x, bytes for each image before; the larger image, bytes likewise; lines of x, numbers of a line; zeros before the
    first line, between two, and behind the last."""
    x, x_first, f, f_first, lines, count, before, between, after = op[FIRST : FIRST + 9]
    size = like.itemsize
    for i in range(first, first + some):
        given, to = x + i * x_first, f + i * f_first
        clear(to, before, like)
        to += before * size
        for line in range(lines):
            its, out = carray(like_array(given, like), count), carray(like_array(to, like), count)
            for j in range(count):
                out[j] = its[j]
            zeros = between if line + 1 < lines else after
            clear(to + count * size, zeros, like)
            given += count * size
            to += (count + zeros) * size

"""∂J/∂x of convolutions with few channels: products of all taps and channels at once, added where each tap was."""

from __future__ import annotations

from typing import Any

from numba import types

from betahat.kernels.compiled import compiled
from betahat.kernels.memory import address, carray, like_array, longs
from betahat.kernels.network.operations import FIRST, REGISTER
from betahat.kernels.network.tiles import multiply
from betahat.kernels.tile import SHAPE
from betahat.kernels.vector import counted_loop, intrinsic, vectors_like


@intrinsic
def add_first(
    typingctx: Any, count: Any, target: Any, target_step: Any, source: Any, source_step: Any, times: Any, like: Any
):  # fmt: skip
    """Add the first `count` elements of a register at the source to those at the target, so many times, each so many
    bytes further on. A whole register is read and written there."""
    signature = types.void(*([types.int64] * 6), like)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        count, target, target_step, source, source_step, times, _ = args
        v = vectors_like(builder, signature.args[-1], SHAPE)

        def body(step: Any, carried: list[Any]) -> list[Any]:
            to, of = carried
            v.store(v.add(v.load(to), v.load_first(of, count)), to)
            return [v.at(to, target_step), v.at(of, source_step)]

        counted_loop(builder, times, [target, source], body)
        return context.get_dummy_value()

    return signature, codegen


@compiled
def add_some(line, ends, found, found_step, first, last, begin, step, count, like):
    """Numbers of places first … last − 1, `count` each, to where they belong in a line, which begins at 0 and ends."""
    to = carray(like_array(line, like), ends)
    for j in range(first, last):
        of = carray(like_array(found + j * found_step, like), count)
        at = begin + j * step
        for n in range(max(0, -at), min(count, ends - at)):
            to[at + n] += of[n]


@compiled
def add_to_line(line, ends, room, found, found_step, places, begin, step, count, like):
    """Add, for each place j, `count` numbers from found + j · found_step bytes on to those of the line from begin + j ·
    step on, which has `ends`. `room` of them belong to it or to lines after it, which nobody else writes meanwhile.

    By registers where these stay inside. One after the other they are apart, since what was just written cannot be read
    at once unless it is exactly that.
    """
    size = like.itemsize
    lanes = REGISTER // size
    registers = (count + lanes - 1) // lanes
    low = min(places, max(0, (-begin + step - 1) // step))
    free = min(ends - count, room - registers * lanes) - begin
    high = max(low, min(places, free // step + 1)) if free >= 0 else low
    add_some(line, ends, found, found_step, 0, low, begin, step, count, like)
    add_some(line, ends, found, found_step, high, places, begin, step, count, like)
    apart = (lanes + step - 1) // step
    for register in range(registers):
        for j in range(low, min(high, low + apart)):
            add_first(
                min(lanes, count - register * lanes), line + (begin + j * step) * size + register * REGISTER,
                apart * step * size, found + j * found_step + register * REGISTER, apart * found_step,
                (high - j + apart - 1) // apart, like,
            )  # fmt: skip


@compiled
def taps_back(op, real, env, unit, first, some, rows, start, step, key, own, like):
    """∂J/∂x of few channels: products of all taps and channels with the slope at a place, added where each tap was.

    The slope, bytes for each image before; ∂J/∂x, bytes likewise; Wᵀ (filters, taps · channels), its row stride; zeros;
    and a table: filters, channels, registers of a row of Wᵀ, bytes of a place of the slope, of a place and of a line of
    ∂J/∂x; along each axis places of the slope, of ∂J/∂x, taps, stride, dilation, places of padding; lines at once.
    """
    s, s_first, dx, x_first, W, W_row, zeros, table = op[FIRST : FIRST + 8]
    filters, channels, vectors, s_place, x_place, x_line = carray(longs(table), 6)
    axes, size = carray(longs(table + 6 * 8), (2, 6)), like.itemsize
    lines, height, taps, down, apart, above = axes[0]
    places, width, across, along, aside, before = axes[1]
    together = carray(longs(table + 18 * 8), 1)[0]
    x_step, wide = x_place // size, vectors * REGISTER
    parts, count = across, channels
    if aside == 1 and x_step == channels:  # taps of a line meet numbers that follow each other
        parts, count = 1, across * channels
    for image in range(first, first + some):
        to = dx + image * x_first
        for y in range(height):
            line = carray(like_array(to + y * x_line, like), width * x_step)
            for x in range(width * x_step):
                line[x] = 0
        for begin in range(0, lines, together):
            here = min(together, lines - begin)
            multiply(
                s + image * s_first + begin * places * s_place, s_place, size, W, W_row, address(own), wide,
                here * places, vectors, filters, zeros, 0, like.dtype.type(1.0), like,
            )  # fmt: skip
            for i in range(here):
                for tap in range(taps):
                    y = (begin + i) * down + tap * apart - above
                    if not 0 <= y < height:
                        continue
                    for part in range(parts):
                        add_to_line(
                            to + y * x_line, width * x_step, (height - y) * x_line // size,
                            address(own) + i * places * wide + (tap * across + part) * channels * size, wide, places,
                            (part * aside - before) * x_step, along * x_step, count, like,
                        )  # fmt: skip

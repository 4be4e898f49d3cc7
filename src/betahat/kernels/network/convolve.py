"""Operations of convolutions, on some images of a mini-batch.

An image is a row: its places one after the other, each with its channels, which take up whole registers but for what
comes from the data. Tables of places, in bytes, hold for the first images of a chunk; `scattered` multiplies by them.
"""

from __future__ import annotations

from betahat.kernels.compiled import compiled
from betahat.kernels.memory import address, carray, like_array, longs
from betahat.kernels.network.environment import SHARD
from betahat.kernels.network.operations import COUNT, FIRST, REGISTER, SHARDED, add_rows, turn
from betahat.kernels.network.scattered import multiply_scattered
from betahat.kernels.network.tiles import multiply

EVEN = 0
"""In the place of a number of classes: windows are single places, one after the other from image to image too, so that
rows and columns need no tables. The table of classes is one of five numbers then: places of an image, bytes from place
to place of what windows are of and of the other images, channels, bytes of a row of B or ∂J/∂W."""


@compiled
def is_later(env, unit, first):
    """Whether the shard has had rows before these."""
    return first > unit * env[SHARD]


@compiled
def windows(op, real, env, unit, first, some, rows, start, step, key, own, like):
    """C = bend(b + A·B) with A the windows of images: A, bytes for each image before; B; C, bytes likewise; the table
    of classes of places (see `scattered`), with rows of an image, and how many or EVEN; registers of a row; b; where
    units are no shards, into how many parts they cut the registers, and the rest of them the rows.

    The forward pass, and with B the turned filters ∂J/∂x = ∂J/∂f Wᵀ.
    """
    a, a_first, b, c, c_first, classes, number, vectors, init, across = op[FIRST : FIRST + 10]
    part, parts, column, right = 0, 1, 0, vectors
    if op[SHARDED] == 0:
        parts, part, wide = op[COUNT] // across, unit // across, unit % across
        column, right = vectors * wide // across, vectors * (wide + 1) // across
    aside = column * REGISTER
    a, c = a + first * a_first, c + first * c_first + aside
    if number == EVEN:
        places, a_place, c_place, channels, row = carray(longs(classes), 5)
        multiply(
            a, a_place, like.itemsize, b + aside, row, c, c_place, some * places, right - column, channels,
            init + aside, 0, like.dtype.type(real[0]), like,
        )  # fmt: skip
        return
    multiply_scattered(
        classes, number, some, 1, part, parts, a, b + aside, c, right - column, init + aside, 0,
        like.dtype.type(real[0]), like,
    )  # fmt: skip


@compiled
def filters_back(op, real, env, unit, first, some, rows, start, step, key, own, like):
    """∂J/∂W = Σ over windows xᵀ ∂J/∂f, added to what the shard's earlier images gave: x, bytes for each image before;
    the slope, bytes likewise; ∂J/∂W, bytes between shards; the table of classes of taps, with columns of an image, and
    how many or EVEN; registers of a row; zeros. Where units are no shards, each has some of the registers, of all
    images, of which it takes so many at once."""
    x, x_first, slope, s_first, c, apart, classes, number, vectors, zeros, most = op[FIRST : FIRST + 11]
    last, column, right, later = first + some, 0, vectors, is_later(env, unit, first)
    if op[SHARDED] == 0:
        column, right = vectors * unit // op[COUNT], vectors * (unit + 1) // op[COUNT]
        last, later = rows, False
    else:
        c, most = c + unit * apart, some
    aside = column * REGISTER
    while True:  # once at least, where a shard has no rows
        here = min(most, last - first)
        a, b, init = x + first * x_first, slope + first * s_first + aside, c + aside if later else zeros
        if number == EVEN:
            places, a_place, b_place, channels, row = carray(longs(classes), 5)
            multiply(
                a, like.itemsize, a_place, b, b_place, c + aside, row, channels, right - column, here * places,
                init, row if later else 0, like.dtype.type(1.0), like,
            )  # fmt: skip
        else:
            multiply_scattered(
                classes, number, 1, here, 0, 1, a, b, c + aside, right - column, init, 1 if later else 0,
                like.dtype.type(1.0), like,
            )  # fmt: skip
        first, later = first + here, True
        if first >= last:
            break


@compiled
def bias_back(op, real, env, unit, first, some, rows, start, step, key, own, like):
    """∂J/∂b = Σ ∂J/∂f over places, added likewise: the slope, bytes for each image before, and place; places of an
    image, registers; ∂J/∂b, bytes between shards."""
    slope, s_first, s_place, places, vectors, target, apart = op[FIRST : FIRST + 7]
    target += unit * apart
    size = like.itemsize
    count = vectors * REGISTER // size
    add_rows(slope + first * s_first, s_place, some * places, vectors, address(own), like)
    found, total = carray(like_array(address(own), like), count), carray(like_array(target, like), count)
    if is_later(env, unit, first):
        for j in range(count):
            total[j] += found[j]
    else:
        for j in range(count):
            total[j] = found[j]


@compiled
def frame(op, real, env, unit, first, some, rows, start, step, key, own, like):
    """Images put into others, such as a frame of zeros: x, bytes for each image, line and part before; where it begins
    in the other, and bytes likewise; lines, parts of a line, numbers of a part."""
    x, x_first, x_line, x_part, f, f_first, f_line, f_part, lines, parts, count = op[FIRST : FIRST + 11]
    for i in range(first, first + some):
        for line in range(lines):
            for part in range(parts):
                given = carray(like_array(x + i * x_first + line * x_line + part * x_part, like), count)
                out = carray(like_array(f + i * f_first + line * f_line + part * f_part, like), count)
                for j in range(count):
                    out[j] = given[j]


@compiled
def rearrange(op, real, env, unit, first, some, rows, start, step, key, own, like):
    """Numbers of a row in another order: x, its row stride, f, its row stride, how many, and where each of them comes
    from (int64 bytes; none is left out where it is below 0: a zero)."""
    x, x_row, f, f_row, count, places = op[FIRST : FIRST + 6]
    which = carray(longs(places), count)
    for i in range(first, first + some):
        out = carray(like_array(f + i * f_row, like), count)
        for j in range(count):
            out[j] = carray(like_array(x + i * x_row + which[j], like), 1)[0] if which[j] >= 0 else 0


@compiled
def turn_filters(op, real, env, unit, first, some, rows, start, step, key, own, like):
    """W (taps, channels, filters) with the last two exchanged, a tap a unit: W, its row stride, channels, filters, the
    target, its row stride, and a table of where each tap begins there, in rows."""
    W, W_row, channels, filters, target, target_row, order = op[FIRST : FIRST + 7]
    size = like.itemsize
    lanes = REGISTER // size
    W += unit * channels * W_row
    target += carray(longs(order), unit + 1)[unit] * target_row
    for i in range(0, channels, lanes):
        for j in range(0, filters, lanes):
            # of filters that fill no register the rest is turned into rows of the next tap, which is turned later, or
            # into rows that nobody reads
            turn_part(
                W + i * W_row + j * size, W_row, channels - i, filters - j, target + j * target_row + i * size,
                target_row, own, like,
            )  # fmt: skip


@compiled
def turn_part(source, row, left, wide, target, target_row, own, like):
    """A square turned, of which only `wide` columns are there: by way of the thread's own memory."""
    size = like.itemsize
    lanes = REGISTER // size
    if wide >= lanes:
        turn(source, row, left, target, target_row, like)
        return
    turn(source, row, left, address(own), lanes * size, like)
    for j in range(wide):
        given = carray(like_array(address(own) + j * lanes * size, like), lanes)
        out = carray(like_array(target + j * target_row, like), lanes)
        for i in range(lanes):
            out[i] = given[i]

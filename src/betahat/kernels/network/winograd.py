"""Convolutions by minimal filtering; see `filtering`.

Tiles of images are taken some at a time: transformed, multiplied by transformed weights for each of the points, and
transformed back, while they are in cache. A tile's result does not depend on the tiles around it.
"""

from __future__ import annotations

from betahat.kernels.compiled import compiled
from betahat.kernels.memory import address, carray, longs
from betahat.kernels.network.convolve import turn_part
from betahat.kernels.network.frame import clear
from betahat.kernels.network.operations import COUNT, FIRST, REGISTER, SHARDED
from betahat.kernels.network.tiles import multiply
from betahat.kernels.network.winograd_tiles import (
    add_tile,
    give_tile,
    spread_tile,
    take_tile,
    weigh_tile,
    weigh_tile_back,
)

HEIGHT, WIDTH, LINE, PLACE, BEFORE, ASIDE, STRIDE, FORM = range(8)
"""Of images: places along both axes, bytes from line to line and from place to place, how many places of zeros lie
before the first of each axis, and of how many phases each axis is: every STRIDE-th place, from the first, the second …
on. Windows that move STRIDE places at a time move one place at a time in each phase, and have a part of their taps
there."""
ROW, APART, TOGETHER = range(3)
"""Of what is transformed: bytes from tile to tile and from point to point; tiles at once."""
_CACHE_LINE = 64  # bytes
TABLE = 40
"""Addresses that a table of places has room for, in whole cache lines."""


@compiled
def point_at(images, apart, form, phase, number, across, lines, side, step, outside, places):
    """Addresses of the side × side places of a tile in a phase, `step` of them from tile to tile; `outside` where the
    image has none. number : of the tile, of across × lines in each image, which are `apart` bytes from one to the
    next."""
    image, tile, stride = images + number // (across * lines) * apart, number % (across * lines), form[STRIDE]
    line = tile // across * step * stride + phase // stride - form[BEFORE]
    column = tile % across * step * stride + phase % stride - form[ASIDE]
    for i in range(side):
        y = line + i * stride
        for j in range(side):
            x = column + j * stride
            inside = 0 <= y < form[HEIGHT] and 0 <= x < form[WIDTH]
            places[i * side + j] = image + y * form[LINE] + x * form[PLACE] if inside else outside


@compiled
def taps_at(first, apart, taps, stride, phase, part, opposite, missing, places):
    """Addresses of the part × part taps of a phase, of taps × taps that are `apart` bytes from one to the next;
    `missing` where there is none. opposite : whether the last comes first."""
    for i in range(part):
        y = (part - 1 - i if opposite else i) * stride + phase // stride
        for j in range(part):
            x = (part - 1 - j if opposite else j) * stride + phase % stride
            places[i * part + j] = first + (y * taps + x) * apart if y < taps and x < taps else missing


@compiled
def multiply_points(
    points, left, x_by, U, U_row, U_apart, right, f_by, tiles, vectors, channels, zeros, like
):
    """Transformed tiles times transformed weights, at each of the points."""
    for k in range(points):
        multiply(
            left + k * x_by[APART], x_by[ROW], like.itemsize, U + k * U_apart, U_row, right + k * f_by[APART],
            f_by[ROW], tiles, vectors, channels, zeros, 0, like.dtype.type(1.0), like,
        )  # fmt: skip


@compiled
def sizes(scheme):
    """Taps of a part of a window, places of f and places of x of a tile, along an axis; see `Scheme.number`."""
    taps, out = scheme // 10, scheme % 10
    return taps, out, taps + out - 1


@compiled
def aligned_up(address):
    """The first cache line from there on."""
    return (address + _CACHE_LINE - 1) // _CACHE_LINE * _CACHE_LINE


@compiled
def along(form, out):
    """Tiles of a line of f, and lines of them."""
    wide = (form[WIDTH] - 1 + form[ASIDE]) // form[STRIDE] + 1
    high = (form[HEIGHT] - 1 + form[BEFORE]) // form[STRIDE] + 1
    return (wide + out - 1) // out, (high + out - 1) // out


@compiled
def winograd_windows(op, real, env, unit, first, some, rows, start, step, key, own, like):
    """f = bend(Σ x W + b): x, bytes for each image before; f, bytes likewise; the transformed weights, bytes from row
    to row and from point to point; channels, registers of their places; registers of a place of f; b; zeros; tables of
    the forms of x and f; tables of what is transformed of each; where units are no shards, into how many parts they cut
    the registers, and the rest of them the tiles; the scheme's number."""
    x, x_first, f, f_first, U, U_row, U_apart, channels, taken, vectors, bias, zeros, x_form, f_form = op[
        FIRST : FIRST + 14
    ]
    x_by, f_by, parted, scheme = op[FIRST + 14 : FIRST + 18]
    _, out, side = sizes(scheme)
    x_form, f_form = carray(longs(x_form), FORM), carray(longs(f_form), FORM)
    x_by, f_by = carray(longs(x_by), 3), carray(longs(f_by), 3)
    x_phases, f_phases = x_form[STRIDE] ** 2, f_form[STRIDE] ** 2
    across, lines = along(f_form, out)
    points = side * side
    tiles, together = across * lines * some, x_by[TOGETHER]
    low, high = 0, tiles
    if op[SHARDED] == 0:
        parts, part, wide = op[COUNT] // parted, unit // parted, unit % parted
        low, high = tiles * part // parts, tiles * (part + 1) // parts
        column, upto = vectors * wide // parted, vectors * (wide + 1) // parted
        aside, vectors = column * REGISTER, upto - column
        U, bias, f = U + aside, bias + aside, f + aside
    base = aligned_up(address(own))
    places = carray(longs(base), TABLE)
    unread = base + TABLE * 8  # where places of f that are not there are written
    left = unread + vectors * REGISTER
    right = left + x_by[APART] * points
    for begin in range(low, high, together):
        here = min(together, high - begin)
        for t in range(here):
            for phase in range(x_phases):
                point_at(
                    x + first * x_first, x_first, x_form, phase, begin + t, across, lines, side, out, zeros,
                    places,
                )  # fmt: skip
                to = left + t * x_by[ROW] + phase * channels * like.itemsize
                take_tile(scheme, base, taken, to, x_by[APART], like)
        multiply_points(
            points, left, x_by, U, U_row, U_apart, right, f_by, here, vectors * f_phases, channels * x_phases,
            zeros, like,
        )  # fmt: skip
        for t in range(here):
            for phase in range(f_phases):
                point_at(
                    f + first * f_first,
                    f_first,
                    f_form,
                    phase,
                    begin + t,
                    across,
                    lines,
                    out,
                    out,
                    unread,
                    places,
                )
                given = right + t * f_by[ROW] + phase * vectors * REGISTER
                give_tile(scheme, given, f_by[APART], vectors, base, bias, like.dtype.type(real[0]), like)


@compiled
def winograd_back(op, real, env, unit, first, some, rows, start, step, key, own, like):
    """∂J/∂x, of which each tile of the slope adds to its places of x: the slope, bytes for each image before; ∂J/∂x,
    bytes likewise; the transformed weights, channels and filters exchanged, bytes from row to row and from point to
    point; filters, registers of their places; registers of a place of x; zeros; tables of the forms of the slope and
    x; tables of what is transformed of each; the scheme's number."""
    s, s_first, dx, dx_first, U, U_row, U_apart, filters, taken, vectors = op[FIRST : FIRST + 10]
    zeros, s_form, x_form, s_by, x_by, scheme = op[FIRST + 10 : FIRST + 16]
    _, out, side = sizes(scheme)
    s_form, x_form = carray(longs(s_form), FORM), carray(longs(x_form), FORM)
    s_by, x_by = carray(longs(s_by), 3), carray(longs(x_by), 3)
    phases = x_form[STRIDE] ** 2
    across, lines = along(s_form, out)
    points = side * side
    tiles, together = across * lines * some, s_by[TOGETHER]
    base = aligned_up(address(own))
    places = carray(longs(base), TABLE)
    unread = base + TABLE * 8  # where places of x that are not there are added to
    left = unread + vectors * REGISTER
    right = left + s_by[APART] * points
    clear(dx + first * dx_first, some * dx_first // like.itemsize, like)
    clear(unread, vectors * REGISTER // like.itemsize, like)
    for begin in range(0, tiles, together):
        here = min(together, tiles - begin)
        for t in range(here):
            point_at(
                s + first * s_first, s_first, s_form, 0, begin + t, across, lines, out, out, zeros, places
            )
            spread_tile(scheme, base, taken, left + t * s_by[ROW], s_by[APART], like)
        multiply_points(
            points, left, s_by, U, U_row, U_apart, right, x_by, here, vectors * phases, filters, zeros, like
        )
        for t in range(here):
            for phase in range(phases):
                point_at(
                    dx + first * dx_first, dx_first, x_form, phase, begin + t, across, lines, side, out, unread,
                    places,
                )  # fmt: skip
                given = right + t * x_by[ROW] + phase * vectors * REGISTER
                add_tile(scheme, base, vectors, given, x_by[APART], like)


@compiled
def winograd_filters_back(op, real, env, unit, first, some, rows, start, step, key, own, like):
    """∂J/∂W of a shard: x, bytes for each image before; the slope, bytes likewise; ∂J/∂W, bytes from row to row and
    between shards; channels, registers of their places; registers of a place of the slope; zeros; tables of forms, and
    of what is transformed of each; the scheme's number; taps of a window along an axis. Where units are no shards, each
    has some of the registers, of all images."""
    x, x_first, s, s_first, dW, row, shards, channels, taken, vectors, zeros, x_form, s_form, x_by, s_by = op[
        FIRST : FIRST + 15
    ]
    scheme, taps = op[FIRST + 15 : FIRST + 17]
    part, out, side = sizes(scheme)
    x_form, s_form = carray(longs(x_form), FORM), carray(longs(s_form), FORM)
    x_by, s_by = carray(longs(x_by), 3), carray(longs(s_by), 3)
    stride = x_form[STRIDE]
    column, here_vectors = 0, vectors
    if op[SHARDED] == 0:
        column, upto = vectors * unit // op[COUNT], vectors * (unit + 1) // op[COUNT]
        here_vectors, some = upto - column, rows
    else:
        dW += unit * shards
    aside = column * REGISTER
    across, lines = along(s_form, out)
    points = side * side
    tiles, together = across * lines * some, x_by[TOGETHER]
    base = aligned_up(address(own))
    places = carray(longs(base), TABLE)
    left = base + TABLE * 8
    right = left + x_by[APART] * points
    sums = right + s_by[APART] * points
    apart = channels * stride * stride * s_by[ROW]
    for begin in range(0, max(tiles, 1), together):  # once at least, where a shard has no rows
        here = min(together, tiles - begin)
        for t in range(here):
            for phase in range(stride * stride):
                point_at(
                    x + first * x_first, x_first, x_form, phase, begin + t, across, lines, side, out, zeros,
                    places,
                )  # fmt: skip
                to = left + t * x_by[ROW] + phase * channels * like.itemsize
                take_tile(scheme, base, taken, to, x_by[APART], like)
            point_at(
                s + first * s_first + aside,
                s_first,
                s_form,
                0,
                begin + t,
                across,
                lines,
                out,
                out,
                zeros,
                places,
            )
            spread_tile(scheme, base, here_vectors, right + t * s_by[ROW], s_by[APART], like)
        for k in range(points):
            total = sums + k * apart
            multiply(
                left + k * x_by[APART], like.itemsize, x_by[ROW], right + k * s_by[APART], s_by[ROW], total,
                s_by[ROW], channels * stride * stride, here_vectors, here, total if begin > 0 else zeros,
                s_by[ROW] if begin > 0 else 0, like.dtype.type(1.0), like,
            )  # fmt: skip
    for c in range(channels):
        for phase in range(stride * stride):
            # slopes of taps that are not there go where slopes of places were
            taps_at(dW + c * row + aside, channels * row, taps, stride, phase, part, False, right, places)
            given = sums + (phase * channels + c) * s_by[ROW]
            weigh_tile_back(scheme, base, here_vectors, given, apart, like)


@compiled
def winograd_weights(op, real, env, unit, first, some, rows, start, step, key, own, like):
    """G W Gᵀ: W, bytes from row to row and from tap to tap; channels; rows of a phase of the target, registers of a
    row of a phase, the target, bytes from row to row and from point to point; the scheme's number; taps of a window
    along an axis; the stride; zeros; rows of a unit."""
    W, row, tap, _, count, vectors, U, U_row, U_apart, scheme, taps, stride, zeros, block = op[
        FIRST : FIRST + 14
    ]
    part, _, _ = sizes(scheme)
    base = aligned_up(address(own))
    places = carray(longs(base), TABLE)
    for c in range(unit * block, min(count, (unit + 1) * block)):
        for phase in range(stride * stride):
            taps_at(W + c * row, tap, taps, stride, phase, part, False, zeros, places)
            weigh_tile(scheme, base, vectors, U + (phase * count + c) * U_row, U_apart, like)


@compiled
def winograd_turned_weights(op, real, env, unit, first, some, rows, start, step, key, own, like):
    """The same of W with channels and filters exchanged, so that rows of the target are filters, with one phase beside
    the other; and whether taps are taken in opposite order."""
    W, row, tap, channels, count, vectors, U, U_row, U_apart, scheme, taps, stride, zeros, block, opposite = (
        op[FIRST : FIRST + 15]
    )
    part, _, _ = sizes(scheme)
    size, wide = like.itemsize, vectors * REGISTER
    lanes = REGISTER // size
    base = aligned_up(address(own)) + lanes * REGISTER  # behind what turn_part needs
    places = carray(longs(base), TABLE)
    turned = base + TABLE * 8
    begin, end = unit * block, min(count, (unit + 1) * block)
    for k in range(taps * taps):
        for i in range(0, channels, lanes):
            for j in range(begin, end, lanes):
                turn_part(
                    W + k * tap + i * row + j * size, row, channels - i, count - j,
                    turned + (k * block + j - begin) * wide + i * size, wide, own, like,
                )  # fmt: skip
    for f in range(begin, end):
        for phase in range(stride * stride):
            W_row = turned + (f - begin) * wide
            taps_at(W_row, block * wide, taps, stride, phase, part, opposite, zeros, places)
            weigh_tile(scheme, base, vectors, U + f * U_row + phase * wide, U_apart, like)

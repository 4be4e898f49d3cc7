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

HEIGHT, WIDTH, LINE, PLACE, BEFORE, ASIDE, FORM = range(7)
"""Of images: places along both axes, bytes from line to line and from place to place, and how many places of zeros lie
before the first of each axis."""
ROW, APART, TOGETHER = range(3)
"""Of what is transformed: bytes from tile to tile and from point to point; tiles at once."""
_CACHE_LINE = 64  # bytes
TABLE = 40
"""Addresses that a table of places has room for, in whole cache lines."""


@compiled
def point_at(images, apart, form, number, across, lines, side, step, outside, places):
    """Addresses of the side × side places of a tile, `step` places from tile to tile; `outside` where the image has
    none. number : of the tile, of across × lines in each image, which are `apart` bytes from one to the next."""
    image, tile = images + number // (across * lines) * apart, number % (across * lines)
    line = tile // across * step - form[BEFORE]
    column = tile % across * step - form[ASIDE]
    for i in range(side):
        y = line + i
        for j in range(side):
            x = column + j
            inside = 0 <= y < form[HEIGHT] and 0 <= x < form[WIDTH]
            places[i * side + j] = image + y * form[LINE] + x * form[PLACE] if inside else outside


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
    """Taps of a window, places of f and places of x of a tile, along an axis; see `Scheme.number`."""
    taps, out = scheme // 10, scheme % 10
    return taps, out, taps + out - 1


@compiled
def aligned_up(address):
    """The first cache line from there on."""
    return (address + _CACHE_LINE - 1) // _CACHE_LINE * _CACHE_LINE


@compiled
def along(form, out):
    """Tiles of a line of f, and lines of them."""
    return (form[WIDTH] + out - 1) // out, (form[HEIGHT] + out - 1) // out


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
            point_at(x + first * x_first, x_first, x_form, begin + t, across, lines, side, out, zeros, places)
            take_tile(scheme, base, taken, left + t * x_by[ROW], x_by[APART], like)
        multiply_points(
            points, left, x_by, U, U_row, U_apart, right, f_by, here, vectors, channels, zeros, like
        )
        for t in range(here):
            point_at(f + first * f_first, f_first, f_form, begin + t, across, lines, out, out, unread, places)
            give_tile(
                scheme,
                right + t * f_by[ROW],
                f_by[APART],
                vectors,
                base,
                bias,
                like.dtype.type(real[0]),
                like,
            )


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
            point_at(s + first * s_first, s_first, s_form, begin + t, across, lines, out, out, zeros, places)
            spread_tile(scheme, base, taken, left + t * s_by[ROW], s_by[APART], like)
        multiply_points(
            points, left, s_by, U, U_row, U_apart, right, x_by, here, vectors, filters, zeros, like
        )
        for t in range(here):
            point_at(
                dx + first * dx_first, dx_first, x_form, begin + t, across, lines, side, out, unread, places
            )
            add_tile(scheme, right + t * x_by[ROW], x_by[APART], vectors, base, like)


@compiled
def winograd_filters_back(op, real, env, unit, first, some, rows, start, step, key, own, like):
    """∂J/∂W of a shard: x, bytes for each image before; the slope, bytes likewise; ∂J/∂W, bytes from row to row and
    between shards; channels, registers of their places; registers of a place of the slope; zeros; tables of forms, and
    of what is transformed of each; the scheme's number. Where units are no shards, each has some of the registers, of
    all images."""
    x, x_first, s, s_first, dW, row, shards, channels, taken, vectors, zeros, x_form, s_form, x_by, s_by = op[
        FIRST : FIRST + 15
    ]
    scheme = op[FIRST + 15]
    _, out, side = sizes(scheme)
    x_form, s_form = carray(longs(x_form), FORM), carray(longs(s_form), FORM)
    x_by, s_by = carray(longs(x_by), 3), carray(longs(s_by), 3)
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
    apart = channels * s_by[ROW]
    for begin in range(0, max(tiles, 1), together):  # once at least, where a shard has no rows
        here = min(together, tiles - begin)
        for t in range(here):
            point_at(x + first * x_first, x_first, x_form, begin + t, across, lines, side, out, zeros, places)
            take_tile(scheme, base, taken, left + t * x_by[ROW], x_by[APART], like)
            point_at(
                s + first * s_first + aside, s_first, s_form, begin + t, across, lines, out, out, zeros,
                places,
            )  # fmt: skip
            spread_tile(scheme, base, here_vectors, right + t * s_by[ROW], s_by[APART], like)
        for k in range(points):
            total = sums + k * apart
            multiply(
                left + k * x_by[APART], like.itemsize, x_by[ROW], right + k * s_by[APART], s_by[ROW], total,
                s_by[ROW], channels, here_vectors, here, total if begin > 0 else zeros,
                s_by[ROW] if begin > 0 else 0, like.dtype.type(1.0), like,
            )  # fmt: skip
    for c in range(channels):
        weigh_tile_back(
            scheme, sums + c * s_by[ROW], apart, here_vectors, dW + c * row + aside, channels * row, like
        )


@compiled
def winograd_weights(op, real, env, unit, first, some, rows, start, step, key, own, like):
    """G W Gᵀ: W, bytes from row to row and from tap to tap, channels, rows of the target, registers of these, the
    target, bytes from row to row and from point to point, the scheme's number, rows of a unit."""
    W, row, tap, _, count, vectors, U, U_row, U_apart, scheme, block = op[FIRST : FIRST + 11]
    for c in range(unit * block, min(count, (unit + 1) * block)):
        weigh_tile(scheme, W + c * row, tap, vectors, U + c * U_row, U_apart, like)


@compiled
def winograd_turned_weights(op, real, env, unit, first, some, rows, start, step, key, own, like):
    """The same of W with channels and filters exchanged, so that rows of the target are filters; and whether its taps
    are taken in opposite order."""
    W, row, tap, channels, count, vectors, U, U_row, U_apart, scheme, block, opposite = op[FIRST : FIRST + 12]
    taps, _, _ = sizes(scheme)
    size, wide = like.itemsize, vectors * REGISTER
    lanes = REGISTER // size
    turned = address(own) + lanes * REGISTER  # behind what turn_part needs
    begin, end = unit * block, min(count, (unit + 1) * block)
    for k in range(taps * taps):
        for i in range(0, channels, lanes):
            for j in range(begin, end, lanes):
                turn_part(
                    W + k * tap + i * row + j * size, row, channels - i, count - j,
                    turned + (k * block + j - begin) * wide + i * size, wide, own, like,
                )  # fmt: skip
    apart = -block * wide if opposite else block * wide
    if opposite:
        turned += (taps * taps - 1) * block * wide
    for f in range(begin, end):
        weigh_tile(scheme, turned + (f - begin) * wide, apart, vectors, U + f * U_row, U_apart, like)

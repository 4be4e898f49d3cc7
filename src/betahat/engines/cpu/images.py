"""Images between layers: how their places lie, and operations that change it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from betahat.engines.cpu.layout import WIDE, Groups
from betahat.engines.cpu.program import Program, Value
from betahat.kernels.network import convolve as does
from betahat.kernels.network import frame
from betahat.layers.base import Shape
from betahat.layers.flatten import Flatten
from betahat.layers.image import Image, Reshape
from betahat.layers.windows import Windows


def grid_of(shape: Shape) -> tuple[int, int]:
    """Height and width of rows (height, width, channels), or (length, channels)."""
    return (1, shape[0]) if len(shape) == 2 else (shape[0], shape[1])


def over_two_axes(windows: Windows) -> Windows:
    """Windows along a sequence as those over an image of one line."""
    if windows.axes == 2:
        return windows
    each = (windows.sizes, windows.window, windows.stride, windows.dilation)
    sizes, window, stride, dilation = ((1, *pair) for pair in each)
    return Windows(sizes, window, stride, dilation, (0, *windows.before), (0, *windows.after))


def as_image(x: Value, shape: Shape) -> Value:
    """Rows as images of that shape, where they are not yet."""
    if x.grid is not None or len(shape) < 2:
        return x
    return replace(x, grid=grid_of(shape), channels=shape[-1], pixel=shape[-1])


def as_rows(program: Program, x: Value) -> Value:
    """Images as plain rows, the numbers of their places without gaps: what came in, or a copy."""
    if x.grid is None:
        return x
    if x.pixel == x.channels:
        return replace(x, grid=None, channels=0, pixel=0)
    f = program.value(x.places * x.channels)
    moved(program, x, f, _dense(x))
    return f


def widened(program: Program, x: Value) -> Value:
    """Images of which each place has whole registers: what came in, or a copy."""
    if x.even:
        return x
    assert x.grid is not None
    f = replace(program.image(x.grid, x.channels), raw=x.raw)
    moved(program, x, f, _wide(x, f))
    return f


def back_to(program: Program, slope: Value, x: Value, f: Value) -> Value:
    """The slope of x, where f was made of it by `as_image`, `as_rows` or `widened`."""
    if f.memory is x.memory:
        return replace(x, memory=slope.memory, raw=False)
    dx = program.alike(x)
    if f.grid is None:
        places = np.full(x.width, -1)
        places[_dense(x)] = np.arange(f.width)
    else:
        places = np.arange(x.places)[:, None] * f.pixel + np.arange(x.channels)
    moved(program, slope, dx, places)
    return dx


def lower_reshape(
    program: Program, layer: Flatten | Image | Reshape, shape: Shape, x: Value
) -> tuple[Value, Callable[[Value, bool], Value | None]]:
    """The numbers of a row as one of another shape."""
    rows = as_rows(program, x)
    turned, f = False, rows
    if isinstance(layer, Image) and layer.order == "NCHW" and layer.channels > 1:
        turned, first = True, np.arange(rows.width).reshape(layer.laid)
        f = replace(program.value(rows.width), raw=x.raw)
        moved(program, rows, f, np.moveaxis(first, 0, 2).reshape(-1))
    made = as_image(f, layer.output_shape(shape))

    def back(slope: Value, needed: bool) -> Value | None:
        if not needed:
            return None
        slope = replace(slope, grid=None, channels=0, pixel=0)
        if turned:
            places = np.moveaxis(np.arange(rows.width).reshape(*layer.output_shape(shape)), 2, 0)
            channels_last, slope = slope, program.alike(rows)
            moved(program, channels_last, slope, places.reshape(-1))
        return back_to(program, slope, x, rows)

    return made, back


def moved(program: Program, x: Value, f: Value, places: np.ndarray) -> None:
    """f ← the numbers of x's rows from these places; from none where they are below 0."""
    table = program.table(np.where(places < 0, -1, places * x.memory.itemsize))
    program.add(does.rearrange, x.at, x.row, f.at, f.row, places.size, table, chunk=program.chunk(x, f))


def framed(program: Program, x: Value, low: Shape, high: Shape, chunk: int) -> Value:
    """Images with so many places of zeros before and behind, along both axes."""
    if not any((*low, *high)):
        return x
    assert x.grid is not None
    grid = (low[0] + x.grid[0] + high[0], low[1] + x.grid[1] + high[1])
    pixel = x.pixel
    width = grid[0] * grid[1] * pixel
    f = Value(program.rows(-(-width // WIDE) * WIDE, False), width, 0, grid, x.channels, pixel)
    before, after = ((end[0] * grid[1] + end[1]) * pixel for end in (low, high))
    program.add(
        frame.surround, x.at, x.row, f.at, f.row, x.grid[0], x.grid[1] * pixel, before, (low[1] + high[1]) * pixel,
        after, chunk=chunk,
    )  # fmt: skip
    return f


def regrouped(program: Program, x: Value, f: Value, groups: Groups, chunk: int) -> None:
    """f ← images whose groups of channels lie with gaps in one of the two, without in the other."""
    size = x.memory.itemsize
    mine, its = ((groups.apart if v.channels == groups.width else groups.each) * size for v in (x, f))
    program.add(
        does.frame, x.at, x.row, x.place, mine, f.at, f.row, f.place, its, x.places, groups.groups, groups.each,
        chunk=chunk,
    )  # fmt: skip


def _dense(x: Value) -> np.ndarray:
    """Where the numbers in use are, one after the other."""
    return (np.arange(x.places)[:, None] * x.pixel + np.arange(x.channels)).reshape(-1)


def _wide(x: Value, f: Value) -> np.ndarray:
    """Where the numbers of f, with its gaps, are in x."""
    channel = np.arange(f.pixel)
    places = np.arange(x.places)[:, None] * x.pixel + channel
    return np.where(channel < x.channels, places, -1).reshape(-1)

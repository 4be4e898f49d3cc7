"""Pooling, and what is like it: sums over windows for each channel by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, final

import numpy as np

from betahat.engines.cpu.images import back_to, grid_of, over_two_axes, widened
from betahat.engines.cpu.program import Program, Value
from betahat.kernels.network import pool as does
from betahat.layers.base import Shape
from betahat.layers.pooling import AvgPool, GlobalAvgPool, GlobalMaxPool, MaxPool
from betahat.layers.windows import Windows

Pooled = AvgPool | MaxPool | GlobalAvgPool | GlobalMaxPool


@final
class Table:
    """Of each window of an image the places that lie in it, those in the padding left out.

    place : bytes from place to place; row : from weight to weight, where there are any. alone : whether no place lies
    in two windows; outside, bare : the address of places that lie in none, and how many they are.
    """

    def __init__(self, program: Program, windows: Windows, place: int, row: int = 0) -> None:
        sizes, output = windows.sizes, windows.output
        of_window, at, number = [], [], []
        for tap, where, within in windows.places():
            every = np.arange(int(np.prod(output))).reshape(output)[where].reshape(-1)
            of_window.append(every)
            at.append(np.arange(int(np.prod(sizes))).reshape(sizes)[within].reshape(-1) * place)
            number.append(np.full(len(every), tap))
        which = np.concatenate(of_window)
        order = np.argsort(which, kind="stable")
        self.count = int(np.prod(output))
        self.taps = windows.numbers
        self.edges = program.table(np.searchsorted(which[order], np.arange(self.count + 1)))
        self.places = program.table(np.concatenate(at)[order])
        used = np.unique(np.concatenate(at))
        outside = np.setdiff1d(np.arange(int(np.prod(sizes))) * place, used)
        self.alone = len(used) == len(which)
        self.outside, self.bare = program.table(outside), len(outside)
        numbers = np.concatenate(number)[order]
        if row:
            self.numbers = program.table(numbers * row)
        else:  # as they are compared, eight bytes apart
            kinds = np.zeros((len(numbers), 8 // program.beta.itemsize), program.dtype)
            kinds[:, 0] = numbers
            self.numbers = program.hold(kinds).ctypes.data

    @property
    def tables(self) -> tuple[int, int, int]:
        """Their addresses."""
        return self.edges, self.places, self.numbers


def weighed_forward(
    program: Program, table: Table, x: Value, f: Value, chunk: int, W: int, bias: int, bend: float = 1.0,
    counted: int = 0,
) -> None:  # fmt: skip
    """f = b + Σ x W over windows, bent as max(f, bend · f), or their mean where W is 0."""
    numbers = (x.at, x.row, f.at, f.row, f.place, *table.tables, table.count, program.registers(x.channels))
    program.add(does.mean_pool, *numbers, counted, W, bias, real=bend, chunk=chunk)


def weighed_back(
    program: Program, table: Table, x: Value, slope: Value, chunk: int, needed: bool,
    weights: tuple[int, int, int, int] | None, counted: int = 0,
) -> Value | None:  # fmt: skip
    """∂J/∂x; weights : W, its row stride, ∂J/∂W and bytes between shards."""
    its = (slope.at, slope.row, slope.place, *table.tables, table.count, program.registers(x.channels))
    if weights is not None:
        _, row, gradient, apart = weights
        program.add(does.depthwise_back, x.at, x.row, *its, gradient, row, apart, table.taps, chunk=chunk)
    if not needed:
        return None
    dx = program.alike(x)
    W = 0 if weights is None else weights[0]
    program.add(does.mean_pool_back, dx.at, dx.row, x.width, *its, counted, W, chunk=chunk)
    return dx


def lower_pool(
    program: Program, layer: Pooled, shape: Shape, given: Value, positive: bool = False
) -> tuple[Value, Callable[[Value, bool], Value | None]]:
    """f of a pooling layer, and its backward pass. positive : whether largest numbers below 0 become 0."""
    x = widened(program, given)
    grid = grid_of(shape)
    everywhere = isinstance(layer, (GlobalAvgPool, GlobalMaxPool))
    none = ((1, 1), (1, 1), (0, 0), (0, 0))
    windows = Windows(grid, grid, *none) if everywhere else over_two_axes(layer.windows(shape))
    table = Table(program, windows, x.place)
    f = program.image(windows.output, shape[-1])  # pyright: ignore[reportArgumentType]
    chunk = program.chunk(x, f)
    out = replace(f, grid=None, width=shape[-1], channels=0, pixel=0) if everywhere else f
    largest = isinstance(layer, (MaxPool, GlobalMaxPool))
    counted = windows.numbers if isinstance(layer, AvgPool) and layer.count_include_pad else 0
    which = program.alike(f) if largest else f
    if largest:
        numbers = (x.at, x.row, f.at, f.row, f.place, which.at, *table.tables, table.count)
        numbers = (*numbers, program.registers(x.channels), positive)
        program.add(does.max_pool, *numbers, chunk=chunk)
    else:
        weighed_forward(program, table, x, f, chunk, 0, 0, counted=counted)

    def back(slope: Value, needed: bool) -> Value | None:
        if not needed:
            return None
        if not largest:
            dx: Any = weighed_back(program, table, x, slope, chunk, True, None, counted)
        else:
            dx = program.alike(x)
            its = (
                slope.at,
                slope.row,
                slope.place,
                which.at,
                *table.tables,
                table.count,
                program.registers(x.channels),
            )
            program.add(
                does.max_pool_back,
                dx.at,
                dx.row,
                x.width,
                *its,
                table.alone,
                table.outside,
                table.bare,
                chunk=chunk,
            )
        return back_to(program, dx, given, x)

    return out, back

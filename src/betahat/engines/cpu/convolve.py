"""Convolutions lowered to products over scattered memory, and depthwise ones to sums by channel."""

from __future__ import annotations

import math
from typing import final

import numpy as np

from betahat.engines.cpu.images import back_to, framed, over_two_axes, regrouped, widened
from betahat.engines.cpu.layout import Groups, is_depthwise, row_numbers
from betahat.engines.cpu.meeting import (
    Pair,
    Surroundings,
    backwards,
    by_places,
    by_taps,
    cost,
    forwards,
    surrounded,
)
from betahat.engines.cpu.pool import Table, weighed_back, weighed_forward
from betahat.engines.cpu.program import Program, Value
from betahat.engines.cpu.winograd import Winograd, suits
from betahat.kernels.network import convolve as does
from betahat.kernels.network.operations import SHARD_WHOLE
from betahat.kernels.network.taps import taps_back
from betahat.kernels.network.tiles import BYTES
from betahat.layers.base import Shape
from betahat.layers.convolution import Convolution

_LARGE = 1 << 18  # bytes of a gradient that stay in cache
_WHOLE_FROM = 1 << 20  # bytes of a gradient that is shared out by its panels, not the batch's rows
_WINDOWS = 1024  # that are summed at once where they do not
_COPIED = 8  # bytes that are copied in a cycle
_WRITTEN = 16  # bytes that are written in a cycle
_ADDED, _BEGUN = 8, 40  # cycles to add a register where it belongs, and before a line of them
_TAPS = 1 << 17  # bytes of products of all taps that wait to be added


@final
class LoweredConvolution:
    """f = Σₖ x[i · stride + k · dilation] Wₖ + b, bent as max(f, bend · f), and its backward pass."""

    def __init__(
        self, program: Program, layer: Convolution, shape: Shape, path: str, x: Value, bend: float
    ) -> None:
        self.program, self.layer, self.path, self.given = program, layer, path, x
        self.windows = over_two_axes(layer.windows(shape))
        self.place, self.at = program.parameter(f"{path}.weight")
        self.size = program.beta.itemsize
        self.depthwise = is_depthwise(layer, shape)
        self.winograd: Winograd | None = None
        bias, filters = program.bias(path, layer.bias), layer.filters
        self.x = x if x.raw and not self.depthwise else widened(program, x)
        self.f = f = program.image(self.windows.output, filters)  # pyright: ignore[reportArgumentType]
        self.chunk = program.chunk(self.x, f, beside=0 if self.depthwise else self.place.size * self.size)
        if self.depthwise:
            self.table = Table(program, self.windows, self.x.place, self._row)
            weighed_forward(program, self.table, self.x, f, self.chunk, self.at, bias, bend)
            return
        self.channels, self.filters = Groups(layer.groups, shape[-1]), Groups(layer.groups, filters)
        if self.filters.scattered:
            f = program.image(self.windows.output, self.filters.width)  # pyright: ignore[reportArgumentType]
        self.images = min(self.chunk, program.shard)
        vectors = program.registers(self.filters.each)
        if suits(program, self.windows, self.x, self.channels, self.filters):
            self.winograd = Winograd(program, self.windows, path, self.x, f, shape[-1], filters)
            self.winograd.forward(f, bias, bend)
            return
        self.around = surrounded(
            [[axis] for axis in forwards(self.windows)],
            program.is_shared,
            self._cycles,
            self._copying(self.x),
        )
        self.framed = framed(program, self.x, self.around.low, self.around.high, self.chunk)
        order = np.arange(self.windows.numbers) * self.channels.each
        classes = self._classes_of_places(self.around, self.framed, self.channels.each, order, self._row, f)
        across, count = program.shared_units(vectors, f.places) if program.is_shared else (1, None)
        if program.is_shared:
            program.wait()
        for g in range(layer.groups):
            from_channel, aside = (n * g * self.size for n in (self.channels.each, self.filters.apart))
            program.add(
                does.windows, self.framed.at + from_channel, self.framed.row, self.at + aside, f.at + aside, f.row,
                *classes, vectors, bias + aside, across, real=bend, chunk=self.chunk, count=count,
            )  # fmt: skip
        if program.is_shared:
            program.wait()
        if self.filters.scattered:
            regrouped(program, f, self.f, self.filters, self.chunk)

    def back(self, slope: Value, needed: bool) -> Value | None:
        """∂J/∂W, ∂J/∂b and ∂J/∂x for a slope of f's layout."""
        program, layer = self.program, self.layer
        apart, dense = program.gradients.strides[0], slope
        if not self.depthwise and self.filters.scattered:
            slope = program.image(self.windows.output, self.filters.width, True)  # pyright: ignore[reportArgumentType]
            regrouped(program, dense, slope, self.filters, self.chunk)
        if layer.bias:
            width = layer.filters if self.depthwise else self.filters.width
            program.scratch = max(program.scratch, row_numbers(width, 8))
            program.add(
                does.bias_back, slope.at, slope.row, slope.place, slope.places, program.registers(width),
                program.gradient(f"{self.path}.bias"), apart, chunk=self.chunk,
            )  # fmt: skip
        gradient = program.gradient(f"{self.path}.weight")
        if self.depthwise:
            dx = weighed_back(
                program, self.table, self.x, slope, self.chunk, needed, (self.at, self._row, gradient, apart)
            )
            return None if dx is None else back_to(program, dx, self.given, self.x)
        if self.winograd is not None:
            whole = self._begin_whole()
            self.winograd.filters_back(slope, gradient, whole)
            if whole:
                program.wait()
            if not needed:
                return None
            dx = program.alike(self.x)
            self.winograd.back_to(slope, dx)
            return back_to(program, dx, self.given, self.x)
        self._filters_back(slope, gradient)
        return self._back_to_x(slope) if needed else None

    def _begin_whole(self) -> bool:
        """Whether weights are so large that there is but one gradient, of the whole batch, for which all wait."""
        program = self.program
        whole = program.shards > 1 and self._weights >= _WHOLE_FROM
        if whole:
            program.parts[f"{self.path}.weight"] = 1
            program.wait()
        return whole

    @property
    def _weights(self) -> int:
        return self.windows.numbers * self.channels.each * self._row

    def _back_to_x(self, slope: Value) -> Value:
        """∂J/∂x."""
        program, filters = self.program, self.filters.each
        if self._has_few_channels:
            return self._back_by_taps(slope)
        even = self.x.even  # else places of dx are wider than those of data
        dx = given = (
            program.alike(self.x) if even else program.image(self.windows.sizes, self.channels.numbers)  # pyright: ignore[reportArgumentType]
        )
        if self.channels.scattered:
            dx = program.image(self.windows.sizes, self.channels.width)  # pyright: ignore[reportArgumentType]

        vectors = program.registers(self.channels.each)

        def cycles(pairs: list[Pair]) -> float:
            parts = (part for pair in pairs for part in by_places(pair))
            return sum(self._of_places(part, vectors, filters) for part in parts)

        way = surrounded(backwards(self.windows), program.is_shared, cycles, self._copying(slope))
        around = framed(program, slope, way.low, way.high, self.chunk)
        order = np.arange(self.windows.numbers) * filters
        row = row_numbers(self.channels.each, self.size) * self.size
        classes = self._classes_of_places(way, around, filters, order, row, dx)
        for g in range(self.layer.groups):
            first = g * self.filters.apart
            turned = program.transposed(self.place, self.channels.each, filters, first, order)
            program.add(
                does.windows, around.at + g * self.filters.apart * self.size, around.row, turned.array.ctypes.data,
                dx.at + g * self.channels.apart * self.size, dx.row, *classes, vectors, program.zeros.ctypes.data, 1,
                real=1.0, chunk=self.chunk,
            )  # fmt: skip
        if self.channels.scattered:
            regrouped(program, dx, given, self.channels, self.chunk)
        return back_to(program, given, self.given, self.x) if even else given

    @property
    def _has_few_channels(self) -> bool:
        """Whether those of all taps fill registers, in which one tap's would leave gaps: in products and in memory."""
        windows, registers = self.windows, self.program.registers
        filters, channels = self.filters.each, self.channels.each
        taps, (lines, across) = windows.numbers, windows.window
        follow = windows.dilation[1] == 1 and self.x.place == channels * self.size  # taps of a line
        added = lines * registers(across * channels) if follow else taps * registers(channels)
        written = math.prod(windows.sizes) / math.prod(windows.output) / _WRITTEN
        begun = lines * _BEGUN / windows.output[1]
        together = (
            filters * registers(taps * channels) + _ADDED * added + begun + written * channels * self.size
        )
        alone = taps * filters * registers(channels) + written * registers(channels) * BYTES
        return self.layer.groups == 1 and registers(channels) == 1 and together < alone

    def _back_by_taps(self, slope: Value) -> Value:
        """∂J/∂x of few channels."""
        program, windows, x, dx = self.program, self.windows, self.x, self.program.alike(self.x)
        assert x.grid is not None
        assert slope.grid is not None
        turned = program.transposed(self.place, self.place.rows, self.filters.each).array
        registers = program.registers(self.place.rows)
        together = max(1, _TAPS // (slope.grid[1] * registers * BYTES))
        program.scratch = max(program.scratch, together * slope.grid[1] * registers * BYTES // 8)
        axes = [
            (slope.grid[axis], x.grid[axis], windows.window[axis], windows.stride[axis], windows.dilation[axis],
             windows.before[axis])
            for axis in range(2)
        ]  # fmt: skip
        table = [self.filters.each, self.channels.each, registers, slope.place, x.place, x.grid[1] * x.place]
        program.add(
            taps_back, slope.at, slope.row, dx.at, dx.row, turned.ctypes.data, turned.strides[0],
            program.zeros.ctypes.data, program.table([*table, *axes[0], *axes[1], together]), chunk=self.chunk,
        )  # fmt: skip
        return back_to(program, dx, self.given, self.x)

    # --- what it costs -------------------------------------------------------------------------------------------

    def _of_places(self, part: Pair, vectors: int, channels: int) -> float:
        lines, columns = part
        places, taps = len(lines.places) * len(columns.places), len(lines.taps) * len(columns.taps)
        return cost(self.images * places, vectors, taps * channels)

    def _cycles(self, pairs: list[Pair]) -> float:
        """Of the forward pass and of ∂J/∂W."""
        vectors, channels = self.program.registers(self.filters.each), self.channels.each
        total = sum(self._of_places(part, vectors, channels) for pair in pairs for part in by_places(pair))
        if self.program.training:
            for part in (part for pair in pairs for part in by_taps(pair)):
                places, taps = (math.prod(len(getattr(axis, n)) for axis in part) for n in ("places", "taps"))
                total += cost(taps * channels, vectors, self.images * places)
        return total

    def _copying(self, x: Value) -> float:
        return self.images * x.places * x.place / _COPIED

    def _filters_back(self, slope: Value, gradient: int) -> None:
        """∂J/∂W: of small weights by shards, whose sums are added later; of large ones by panels of W, for all images
        once their slopes are there, so that there is but one of it."""
        program, channels, chunk = self.program, self.channels.each, self.chunk
        whole = self._begin_whole()
        most = program.batch if whole else program.shard
        if self._weights > _LARGE:  # read and written for each chunk
            chunk = max(chunk, -(-_WINDOWS // slope.places))
            chunk = SHARD_WHOLE if chunk >= most else chunk
        images, vectors = min(chunk, most), program.registers(self.filters.each)
        classes, count = self._classes_of_taps(slope, images), program.panels(vectors) if whole else None
        for g in range(self.layer.groups):
            from_channel, aside = (n * g * self.size for n in (channels, self.filters.apart))
            program.add(
                does.filters_back, self.framed.at + from_channel, self.framed.row, slope.at + aside, slope.row,
                gradient + aside, program.gradients.strides[0], *classes, vectors, program.zeros.ctypes.data, images,
                chunk=chunk, count=count,
            )  # fmt: skip
        if whole:
            program.wait()

    def _is_even(self, x: Value, f: Value) -> bool:
        """Whether windows are single places, one after the other from image to image too."""
        single = self.windows.numbers == 1 and self.windows.stride == (1, 1) and x.grid == f.grid
        return single and not self.program.is_shared and all(v.row == v.places * v.place for v in (x, f))

    # --- tables, in bytes ----------------------------------------------------------------------------------------

    @property
    def _row(self) -> int:
        return self.place.stride * self.size

    def _images(self, value: Value, images: int | None = None) -> np.ndarray:
        """Where the images of a chunk begin, (images, 1, 1)."""
        return (np.arange(images or self.images) * value.row)[:, None, None]

    def _taps(self, part: Pair, x: Value, channels: int) -> np.ndarray:
        """Where the numbers of a window are in x, from where it begins, (taps, channels)."""
        assert x.grid is not None
        lines, columns = part
        places = (lines.steps[:, None] * x.grid[1] + columns.steps) * x.place
        return places.reshape(-1, 1) + np.arange(channels) * self.size

    def _numbers(self, part: Pair) -> np.ndarray:
        """Which taps these are, (taps, 1)."""
        lines, columns = part
        return (lines.taps[:, None] * self.windows.window[1] + columns.taps).reshape(-1, 1)

    def _begins(self, part: Pair, x: Value, images: int) -> np.ndarray:
        """Where windows begin in the images of a chunk."""
        assert x.grid is not None
        lines, columns = part
        return self._images(x, images) + (lines.begins[:, None] * x.grid[1] + columns.begins) * x.place

    def _written(self, part: Pair, f: Value, images: int) -> np.ndarray:
        """Where their places are in those of f."""
        assert f.grid is not None
        lines, columns = part
        return self._images(f, images) + (lines.places[:, None] * f.grid[1] + columns.places) * f.place

    def _classes_of_places(
        self, way: Surroundings, x: Value, channels: int, order: np.ndarray, row: int, f: Value
    ) -> tuple[int, int]:
        """The table of classes for products over taps, whose rows of B begin with those that `order` says; and how many
        there are."""
        table, number = self.program.table, 0
        if self._is_even(x, f):
            return table([f.places, x.place, f.place, channels, row]), does.EVEN
        entries: list[int] = []
        for part in (part for pair in way.pairs for part in by_places(pair)):
            columns, begins = self._taps(part, x, channels), self._begins(part, x, self.images)
            b_rows = (order[self._numbers(part)] + np.arange(channels)) * row
            written = table(self._written(part, f, self.images))
            entries += [table(begins), written, begins[0].size, table(columns), table(b_rows), columns.size]
            number += 1
        return table(entries), number

    def _classes_of_taps(self, slope: Value, images: int) -> tuple[int, int]:
        """The same for products over places."""
        table, number, channels = self.program.table, 0, self.channels.each
        if self._is_even(self.framed, slope):
            return table([slope.places, self.framed.place, slope.place, channels, self._row]), does.EVEN
        entries: list[int] = []
        for part in (part for pair in self.around.pairs for part in by_taps(pair)):
            a_rows, begins = self._taps(part, self.framed, channels), self._begins(part, self.framed, images)
            c_rows = (self._numbers(part) * channels + np.arange(channels)) * self._row
            b_rows = table(self._written(part, slope, images))
            entries += [table(a_rows), table(c_rows), a_rows.size, table(begins), b_rows, begins[0].size]
            number += 1
        return table(entries), number

"""Convolutions lowered to products over scattered memory, and depthwise ones to sums by channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from betahat.engines.cpu.images import back_to, framed, over_two_axes, widened
from betahat.engines.cpu.layout import row_numbers
from betahat.engines.cpu.pool import Table, weighed_back, weighed_forward
from betahat.engines.cpu.program import Program, Turned, Value
from betahat.kernels.aligned import aligned
from betahat.kernels.network import convolve as does
from betahat.kernels.network.operations import SHARD_WHOLE
from betahat.kernels.network.tiles import BYTES
from betahat.layers.base import Shape
from betahat.layers.convolution import Convolution
from betahat.layers.windows import Windows

_LARGE = 1 << 18  # bytes of a gradient that stay in cache
_WINDOWS = 1024  # that are summed at once where they do not


def is_known_convolution(layer: Convolution, shape: Shape) -> bool:
    """Whether groups, if there are any, are single channels or whole registers."""
    channels, filters, groups = shape[-1], layer.filters, layer.groups
    each = (channels // groups, filters // groups)
    return groups == 1 or each == (1, 1) or all(count % 16 == 0 for count in each)


def is_depthwise(layer: Convolution, shape: Shape) -> bool:
    """Whether each channel has one filter."""
    return layer.groups > 1 and layer.groups == shape[-1] == layer.filters


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
        self.bias = program.parameter(f"{path}.bias")[1] if layer.bias else program.zeros.ctypes.data
        simple = x.raw and layer.groups == 1 and x.grid is not None
        self.x = x if simple or x.even else widened(program, x)
        self.f = program.image(self.windows.output, layer.filters)  # pyright: ignore[reportArgumentType]
        self.chunk = program.chunk(self.x, self.f)
        if self.depthwise:
            self.table = Table(program, self.windows, self.x.place, self._row)
            weighed_forward(program, self.table, self.x, self.f, self.chunk, self.at, self.bias)
            return
        self.framed = framed(program, self.x, self.windows.before, self.windows.after, self.chunk)
        self.images = min(self.chunk, program.shard)
        self.rows = program.table(self._windows_in(self.framed))
        into = program.table(self._images(self.f) + np.arange(self.f.places)[:, None] * self.f.place)
        taps = self._taps_in(self.framed)
        channels, filters = shape[-1] // layer.groups, layer.filters // layer.groups
        self.each = (channels, filters)
        self.columns = [
            program.table(taps[:, None] + (g * channels + np.arange(channels)) * self.size)
            for g in range(layer.groups)
        ]
        for g, columns in enumerate(self.columns):
            aside = g * filters * self.size
            program.add(
                does.windows, self.framed.at, self.framed.row, self.rows, columns, self.at + aside, self._row,
                self.f.at + aside, self.f.row, into, self.f.places, self._registers(filters), len(taps) * channels,
                self.bias + aside, real=bend, chunk=self.chunk,
            )  # fmt: skip

    def back(self, slope: Value, needed: bool) -> Value | None:
        """∂J/∂W, ∂J/∂b and ∂J/∂x for a slope of f's layout."""
        program, layer = self.program, self.layer
        apart = program.gradients.strides[0]
        if layer.bias:
            program.scratch = max(program.scratch, row_numbers(layer.filters, 8))
            program.add(
                does.bias_back, slope.at, slope.row, slope.place, slope.places, self._registers(layer.filters),
                program.gradient(f"{self.path}.bias"), apart, chunk=self.chunk,
            )  # fmt: skip
        gradient = program.gradient(f"{self.path}.weight")
        if self.depthwise:
            dx = weighed_back(
                program, self.table, self.x, slope, self.chunk, needed, (self.at, self._row, gradient, apart)
            )
            return None if dx is None else back_to(program, dx, self.given, self.x)
        channels, filters = self.each
        taps = self.windows.numbers
        into = program.table(np.arange(taps * channels) * self._row)
        chunk, rows = self.chunk, self.rows
        if taps * channels * self._row > _LARGE:  # read and written for each chunk
            chunk = max(chunk, -(-_WINDOWS // slope.places))
            chunk = SHARD_WHOLE if chunk >= program.shard else chunk
            rows = program.table(self._windows_in(self.framed, min(chunk, program.shard)))
        for g, columns in enumerate(self.columns):
            aside = g * filters * self.size
            program.add(
                does.filters_back, self.framed.at, self.framed.row, columns, rows, slope.at + aside, slope.row,
                slope.place, gradient + aside, apart, into, taps * channels, self._registers(filters), slope.places,
                program.zeros.ctypes.data, chunk=chunk,
            )  # fmt: skip
        if not needed:
            return None
        dx = program.alike(self.x)
        a, b = axes = [_Axis(self.windows, axis) for axis in range(2)]
        low, high = ((a.low, b.low), (a.high, b.high))
        around = framed(program, slope, low, high, self.chunk)
        order = [(r, q) for r in range(axes[0].stride) for q in range(axes[1].stride)]
        for g in range(layer.groups):
            turned = self._turned(g, axes, order)
            for phase in order:
                self._slope_of_phase(g, axes, phase, around, turned, dx)
        return back_to(program, dx, self.given, self.x)

    # --- tables, in bytes ----------------------------------------------------------------------------------------

    @property
    def _row(self) -> int:
        return self.place.stride * self.size

    def _registers(self, numbers: int) -> int:
        return -(-numbers * self.size // BYTES)

    def _images(self, value: Value, images: int | None = None) -> np.ndarray:
        """Where the images of a chunk begin, (images, 1, 1)."""
        return (np.arange(images or self.images) * value.row)[:, None, None]

    def _windows_in(self, x: Value, images: int | None = None) -> np.ndarray:
        """Where the windows begin in the framed images of a chunk."""
        assert x.grid is not None
        (height, width), (s, t) = self.windows.output, self.windows.stride
        places = np.arange(height)[:, None] * s * x.grid[1] + np.arange(width) * t
        return self._images(x, images) + places * x.place

    def _taps_in(self, x: Value) -> np.ndarray:
        """Where the numbers of a window are, from where it begins, (taps,)."""
        assert x.grid is not None
        (height, width), (d, e) = self.windows.window, self.windows.dilation
        places = np.arange(height)[:, None] * d * x.grid[1] + np.arange(width) * e
        return places.reshape(-1) * x.place

    # --- the slope of x ------------------------------------------------------------------------------------------

    def _turned(self, g: int, axes: list[_Axis], order: list[tuple[int, int]]) -> Turned:
        """The filters of a group with channels and filters exchanged, phase after phase."""
        channels, filters = self.each
        width, begins = self.windows.window[1], np.zeros(self.windows.numbers, np.int64)
        taps = [k * width + m for r, q in order for k in axes[0].taps(r) for m in axes[1].taps(q)]
        begins[taps] = np.arange(len(taps)) * filters
        rows = -(-filters // 16) * 16 + filters * self.windows.numbers
        array = aligned((rows, row_numbers(channels, self.size)), self.program.dtype)
        turned = Turned(self.place, g * filters, channels, filters, array, begins)
        self.program.turned.append(turned)
        return turned

    def _slope_of_phase(
        self, g: int, axes: list[_Axis], phase: tuple[int, int], slope: Value, turned: Turned, dx: Value
    ) -> None:
        """∂J/∂x where (place + before) mod stride is the phase: only some taps meet these places."""
        program, (channels, filters) = self.program, self.each
        assert slope.grid is not None
        assert dx.grid is not None
        lines, places = (axis.places(r) for axis, r in zip(axes, phase, strict=True))
        if not len(lines) or not len(places):
            return
        from_lines, from_places = (
            a.first_window(p) + a.low for a, p in zip(axes, (lines, places), strict=True)
        )
        rows = (from_lines[:, None] * slope.grid[1] + from_places) * slope.place
        into = (lines[:, None] * dx.grid[1] + places) * dx.place
        back, aside = (a.steps(r) for a, r in zip(axes, phase, strict=True))
        taps = -(back[:, None] * slope.grid[1] + aside).reshape(-1) * slope.place
        columns = taps[:, None] + (g * filters + np.arange(filters)) * self.size
        first = (
            int(turned.order[axes[0].taps(phase[0])[0] * self.windows.window[1] + axes[1].taps(phase[1])[0]])
            if taps.size
            else 0
        )
        row = turned.array.strides[0]
        program.add(
            does.windows, slope.at, slope.row, program.table(self._images(slope) + rows),
            program.table(columns if columns.size else np.zeros(1)), turned.array.ctypes.data + first * row, row,
            dx.at + g * channels * self.size, dx.row, program.table(self._images(dx) + into), rows.size,
            self._registers(channels), columns.size, program.zeros.ctypes.data, real=1.0, chunk=self.chunk,
        )  # fmt: skip


@final
@dataclass(frozen=True)
class _Axis:
    """Which windows, along one axis, meet a place: those of taps k with (place + before − k · dilation) a multiple of
    the stride."""

    windows: Windows
    axis: int

    def _of(self, name: str) -> int:
        return getattr(self.windows, name)[self.axis]

    @property
    def stride(self) -> int:
        """From window to window."""
        return self._of("stride")

    def places(self, phase: int) -> np.ndarray:
        """Of the phase."""
        every = np.arange(self._of("sizes"))
        return every[(every + self._of("before")) % self.stride == phase]

    def taps(self, phase: int) -> list[int]:
        """Numbers of a window that meet places of the phase."""
        return [k for k in range(self._of("window")) if k * self._of("dilation") % self.stride == phase]

    def steps(self, phase: int) -> np.ndarray:
        """How many windows before the first the one is that meets a place with each of the taps."""
        return (np.array(self.taps(phase), np.int64) * self._of("dilation") - phase) // self.stride

    def first_window(self, places: np.ndarray) -> np.ndarray:
        """The last window that begins at a place or before it."""
        return (places + self._of("before")) // self.stride

    def _windows(self) -> np.ndarray:
        """All that places meet, whether there are such windows or not."""
        found = [self.first_window(self.places(r))[:, None] - self.steps(r) for r in range(self.stride)]
        return np.concatenate([np.zeros(1, np.int64), *(each.reshape(-1) for each in found)])

    @property
    def low(self) -> int:
        """How many windows are missing before the first."""
        return max(0, -int(self._windows().min()))

    @property
    def high(self) -> int:
        """And behind the last."""
        return max(0, int(self._windows().max()) - self.windows.output[self.axis] + 1)

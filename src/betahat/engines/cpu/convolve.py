"""Convolutions lowered to products over scattered memory, and depthwise ones to sums by channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from betahat.engines.cpu.images import back_to, framed, over_two_axes, regrouped, widened
from betahat.engines.cpu.layout import Groups, is_depthwise, row_numbers
from betahat.engines.cpu.pool import Table, weighed_back, weighed_forward
from betahat.engines.cpu.program import Program, Turned, Value
from betahat.kernels.network import convolve as does
from betahat.kernels.network.operations import SHARD_WHOLE
from betahat.kernels.network.tiles import VECTORS
from betahat.layers.base import Shape
from betahat.layers.convolution import Convolution
from betahat.layers.windows import Windows

_LARGE = 1 << 18  # bytes of a gradient that stay in cache
_WINDOWS = 1024  # that are summed at once where they do not
_UNITS = 16  # at most, into which a single image is cut
_PLACES = 96  # at least, of each


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
        bias, filters = program.bias(path, layer.bias), layer.filters
        self.x = x if x.raw and not self.depthwise else widened(program, x)
        self.f = f = program.image(self.windows.output, filters)  # pyright: ignore[reportArgumentType]
        self.chunk = program.chunk(self.x, f)
        if self.depthwise:
            self.table = Table(program, self.windows, self.x.place, self._row)
            weighed_forward(program, self.table, self.x, f, self.chunk, self.at, bias, bend)
            return
        self.channels, self.filters = Groups(layer.groups, shape[-1]), Groups(layer.groups, filters)
        if self.filters.scattered:
            f = program.image(self.windows.output, self.filters.width)  # pyright: ignore[reportArgumentType]
        self.framed = framed(program, self.x, self.windows.before, self.windows.after, self.chunk)
        self.images = min(self.chunk, program.shard)
        self.rows = program.table(self._windows_in(self.framed))
        into = program.table(self._images(f) + np.arange(f.places)[:, None] * f.place)
        taps, channels = self._taps_in(self.framed), self.channels.each
        self.columns = [
            program.table(taps[:, None] + (g * channels + np.arange(channels)) * self.size)
            for g in range(layer.groups)
        ]
        vectors = program.registers(self.filters.each)
        across = min(_UNITS, -(-vectors // VECTORS))
        count = across * max(1, min(_UNITS // across, f.places // _PLACES)) if program.is_shared else None
        if program.is_shared:
            program.wait()
        for g, columns in enumerate(self.columns):
            aside = g * self.filters.apart * self.size
            program.add(
                does.windows, self.framed.at, self.framed.row, self.rows, columns, self.at + aside, self._row,
                f.at + aside, f.row, into, f.places, vectors, len(taps) * channels, bias + aside, across, real=bend,
                chunk=self.chunk, count=count,
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
        channels, taps = self.channels.each, self.windows.numbers
        into = program.table(np.arange(taps * channels) * self._row)
        chunk, rows = self.chunk, self.rows
        if taps * channels * self._row > _LARGE:  # read and written for each chunk
            chunk = max(chunk, -(-_WINDOWS // slope.places))
            chunk = SHARD_WHOLE if chunk >= program.shard else chunk
            rows = program.table(self._windows_in(self.framed, min(chunk, program.shard)))
        for g, columns in enumerate(self.columns):
            aside = g * self.filters.apart * self.size
            program.add(
                does.filters_back, self.framed.at, self.framed.row, columns, rows, slope.at + aside, slope.row,
                slope.place, gradient + aside, apart, into, taps * channels, program.registers(self.filters.each),
                slope.places, program.zeros.ctypes.data, chunk=chunk,
            )  # fmt: skip
        if not needed:
            return None
        dx = given = program.alike(self.x)
        if self.channels.scattered:
            dx = program.image(self.windows.sizes, self.channels.width)  # pyright: ignore[reportArgumentType]
        a, b = axes = [_Axis(self.windows, axis) for axis in range(2)]
        low, high = ((a.low, b.low), (a.high, b.high))
        around = framed(program, slope, low, high, self.chunk)
        order = [(r, q) for r in range(axes[0].stride) for q in range(axes[1].stride)]
        for g in range(layer.groups):
            turned = self._turned(g, axes, order)
            for phase in order:
                self._slope_of_phase(g, axes, phase, around, turned, dx)
        if self.channels.scattered:
            regrouped(program, dx, given, self.channels, self.chunk)
        return back_to(program, given, self.given, self.x)

    # --- tables, in bytes ----------------------------------------------------------------------------------------

    @property
    def _row(self) -> int:
        return self.place.stride * self.size

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
        begins = np.zeros(self.windows.numbers, np.int64)
        taps = [tap for phase in order for tap in self._taps(axes, phase)]
        begins[taps] = np.arange(len(taps)) * self.filters.each
        first = g * self.filters.apart
        return self.program.transposed(self.place, self.channels.each, self.filters.each, first, begins)

    def _taps(self, axes: list[_Axis], phase: tuple[int, int]) -> list[int]:
        """Numbers of a window that meet places of the phase."""
        lines, columns = (axis.taps(r) for axis, r in zip(axes, phase, strict=True))
        return [k * self.windows.window[1] + m for k in lines for m in columns]

    def _slope_of_phase(
        self, g: int, axes: list[_Axis], phase: tuple[int, int], slope: Value, turned: Turned, dx: Value
    ) -> None:
        """∂J/∂x where (place + before) mod stride is the phase: only some taps meet these places."""
        program, filters = self.program, self.filters
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
        columns = taps[:, None] + (g * filters.apart + np.arange(filters.each)) * self.size
        first = next((int(turned.order[tap]) for tap in self._taps(axes, phase)), 0)
        row = turned.array.strides[0]
        program.add(
            does.windows, slope.at, slope.row, program.table(self._images(slope) + rows),
            program.table(columns if columns.size else np.zeros(1)), turned.array.ctypes.data + first * row, row,
            dx.at + g * self.channels.apart * self.size, dx.row, program.table(self._images(dx) + into), rows.size,
            program.registers(self.channels.each), columns.size, program.zeros.ctypes.data, real=1.0, chunk=self.chunk,
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

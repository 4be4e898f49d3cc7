"""Convolutions of 3 × 3 and 5 × 5 taps lowered to minimal filtering, where it costs less than products over windows."""

from __future__ import annotations

import math
from typing import final

from betahat.engines.cpu.layout import WIDE, Groups, row_numbers, whole
from betahat.engines.cpu.meeting import by_places, cost, forwards
from betahat.engines.cpu.program import Program, Value
from betahat.engines.cpu.weighed import Weighed
from betahat.kernels.aligned import aligned
from betahat.kernels.network import winograd as does
from betahat.kernels.network.filtering import SCHEMES
from betahat.kernels.network.operations import SHARD_WHOLE
from betahat.kernels.network.tiles import BYTES
from betahat.layers.windows import Windows

_TRANSFORM = {32: 40, 34: 130, 52: 100}  # cycles for a register of a tile, on either side of the products
_MAKING, _AFAR = 16, 48  # to make a register of weights for a point, near and where cache does not hold them
_NEAR = 16 << 20  # bytes of transformed weights that stay in cache
_ADDING = 1.1  # times as much it costs where tiles add to what is there
_GAIN = 0.85  # of what windows cost, at most
_NUMBERS = 1 << 17  # of all points of the tiles that are transformed at once
_LEAST, _MOST = 48, 192  # tiles at once
_FEW = 16  # tiles of 2 × 2 in an image, below which a single one would wait for the weights
_WEIGHTS = 64 << 20  # bytes of transformed weights, beyond which tiles are small
_STAYING = 1 << 20  # bytes of them in training, beyond which they are made whenever they are needed
_BLOCK = 16  # rows of transformed weights that are made at once


@final
class Winograd:
    """What of a convolution is done by minimal filtering: f, ∂J/∂W and ∂J/∂x.

    With a stride, x is taken apart into phases, every stride-th place along both axes; of these f is a sum of
    convolutions with stride 1, each with its part of a window, over which products add up as they do over channels.
    """

    def __init__(
        self, program: Program, windows: Windows, path: str, x: Value, f: Value, channels: int, filters: int
    ) -> None:
        self.program, self.windows, self.path, self.x = program, windows, path, x
        self.channels, self.filters, self.stride = channels, filters, windows.stride[0]
        self.phases = self.stride**2
        self.wide = self.phases * whole(channels)
        self.place, _ = program.parameter(f"{path}.weight")
        self.scheme = scheme_of(program, _part(windows), windows.output, self.phases * channels, filters)
        self._x_form, self._f_form = self._form(x, windows.before, self.stride), self._form(f)

    def forward(self, f: Value, bias: int, bend: float) -> None:
        """f = bend(Σ x W + b)."""
        tiles = _tiles(self.windows.output, self.scheme)
        by = self._together(self.x, f, tiles, (self.wide, self.filters), self.scheme)
        self._windows(
            self.x, f, self._weighed(self.scheme, False), (self._x_form, self._f_form), by, bias, bend
        )

    def back_to(self, slope: Value, dx: Value) -> None:
        """∂J/∂x: by what each tile of the slope adds to it, or by windows over the slope, with taps in opposite
        order."""
        windows, stride, zeros = self.windows, self.stride, self.program.zeros.ctypes.data
        scheme, adds = slopes_by(self.program, windows, self.channels, self.filters)
        U, grid = self._weighed(scheme, True, not adds), windows.output if adds else _phase(windows)
        by = self._together(slope, dx, _tiles(grid, scheme), (self.filters, self.wide), scheme)
        if adds:
            self._add_to(slope, dx, U, by)
            return
        first = tuple(SCHEMES[scheme].taps - 1 - n // stride for n in windows.before)
        x_form = self._form(dx, tuple(n % stride for n in windows.before), stride)
        self._windows(slope, dx, U, (self._form(slope, first), x_form), by, zeros, 1.0)

    def _weighed(self, scheme: int, turned: bool, opposite: bool = False) -> Weighed:
        program, place, channels, filters = self.program, self.place, self.channels, self.filters
        size = program.beta.itemsize
        wide = row_numbers(self.wide, size) if turned else place.stride
        shape = SCHEMES[scheme].points, filters if turned else channels * self.phases, wide
        if program.training and math.prod(shape) * size > _STAYING:
            at, array = program.block(math.prod(shape)), None
        else:
            array = aligned(shape, program.dtype)
            at = array.ctypes.data
        program.weighed.append(Weighed(
            place, channels, filters, self.windows.window[0], self.stride, wide, scheme, turned, opposite, at, array
        ))  # fmt: skip
        if array is None:
            add_weights(program, program.weighed[-1])
            program.wait()
        return program.weighed[-1]

    def _windows(
        self, x: Value, f: Value, weights: Weighed, forms: tuple[int, int], by: tuple[int, int, int], bias: int,
        bend: float,
    ) -> None:  # fmt: skip
        program, (chunk, *by_tables) = self.program, by
        channels, filters = self.channels, self.filters
        if weights.turned:
            channels, filters = filters, channels
        registers = program.registers(filters)
        parted, count = program.shared_units(registers, f.places) if program.is_shared else (1, None)
        if program.is_shared:
            program.wait()
        program.add(
            does.winograd_windows, x.at, x.row, f.at, f.row, weights.at, *_apart(program, weights), channels,
            program.registers(channels), registers, bias, program.zeros.ctypes.data, *forms, *by_tables, parted,
            weights.scheme, real=bend, chunk=chunk, count=count,
        )  # fmt: skip
        if program.is_shared:
            program.wait()

    def _add_to(self, slope: Value, dx: Value, weights: Weighed, by: tuple[int, int, int]) -> None:
        program, (chunk, *by_tables) = self.program, by
        program.add(
            does.winograd_back, slope.at, slope.row, dx.at, dx.row, weights.at, *_apart(program, weights), self.filters,
            program.registers(self.filters), program.registers(self.channels), program.zeros.ctypes.data,
            self._form(slope), self._x_form, *by_tables, weights.scheme, chunk=chunk,
        )  # fmt: skip

    def _together(
        self, given: Value, to: Value, tiles: int, numbers: tuple[int, int], scheme: int
    ) -> tuple[int, int, int]:
        """How many images are taken at once, and the tables of what is transformed: so many numbers of each tile of
        what is given and of what is made."""
        program, points = self.program, SCHEMES[scheme].points
        most = min(max(_NUMBERS // (points * sum(numbers)), _LEAST), _MOST)
        images = max(1, -(-most // tiles))
        chunk = SHARD_WHOLE if images >= program.shard else 1 << (images - 1).bit_length()
        chunk = max(chunk, program.chunk(given, to))
        most = min(most, tiles * min(chunk, program.shard))
        (given_by, given_size), (to_by, to_size) = (self._by(n, most, points) for n in numbers)
        self._scratch(given_size + to_size + program.registers(numbers[1]) * BYTES)
        return chunk, given_by, to_by

    def filters_back(self, slope: Value, gradient: int, whole_batch: bool) -> None:
        """∂J/∂W, by shards or, of the whole batch, by registers of its rows."""
        program, place, scheme = self.program, self.place, SCHEMES[self.scheme]
        registers, size = program.registers(self.filters), program.beta.itemsize
        units = program.panels(registers) if whole_batch else None
        wide = self.filters if units is None else -(-registers // units) * BYTES // size
        tiles = _tiles(self.windows.output, self.scheme) * (program.batch if whole_batch else program.shard)
        most = min(max(_NUMBERS // (scheme.points * (self.wide + wide)), _LEAST), _MOST, tiles)
        x_by, x_size = self._by(self.wide, most, scheme.points)
        s_by, s_size = self._by(wide, most, scheme.points)
        self._scratch(
            x_size + s_size + scheme.points * self.phases * self.channels * row_numbers(wide, size) * size
        )
        program.add(
            does.winograd_filters_back, self.x.at, self.x.row, slope.at, slope.row, gradient,
            place.stride * size, program.gradients.strides[0], self.channels, program.registers(self.channels),
            registers, program.zeros.ctypes.data, self._x_form, self._form(slope), x_by, s_by, self.scheme,
            self.windows.window[0], count=units,
        )  # fmt: skip

    def _form(self, x: Value, before: tuple[int, ...] = (0, 0), stride: int = 1) -> int:
        assert x.grid is not None
        return self.program.table([*x.grid, x.grid[1] * x.place, x.place, *before, stride])

    def _by(self, numbers: int, tiles: int, points: int) -> tuple[int, int]:
        """The table of what is transformed, for so many tiles at once; and its bytes."""
        row = row_numbers(numbers, self.program.beta.itemsize) * self.program.beta.itemsize
        apart = tiles * row + BYTES
        return self.program.table([row, apart, tiles]), apart * points

    def _scratch(self, size: int) -> None:
        self.program.scratch = max(self.program.scratch, size // 8 + does.TABLE + 32)


def add_weights(program: Program, weighed: Weighed) -> None:
    """The operation that makes them of the layer's weights."""
    place, size = weighed.place, program.beta.itemsize
    row, scratch = place.stride * size, does.TABLE + WIDE
    operation, count, registers = does.winograd_weights, weighed.channels, program.registers(weighed.filters)
    if weighed.turned:
        operation, count, registers = (
            does.winograd_turned_weights, weighed.filters, program.registers(weighed.channels)
        )  # fmt: skip
        scratch += (weighed.taps**2 * _BLOCK * registers + WIDE) * BYTES // 8
    program.scratch = max(program.scratch, scratch)
    program.add(
        operation, program.beta.ctypes.data + place.offset * size, row, row * weighed.channels, weighed.channels,
        count, registers, weighed.at, *_apart(program, weighed), weighed.scheme, weighed.taps, weighed.stride,
        program.zeros.ctypes.data, _BLOCK, int(weighed.opposite), count=-(-count // _BLOCK),
    )  # fmt: skip


def _apart(program: Program, weighed: Weighed) -> tuple[int, int]:
    """Bytes from row to row and from point to point."""
    row = weighed.wide * program.beta.itemsize
    return row, row * weighed.rows


def _tiles(grid: tuple[int, ...], scheme: int) -> int:
    """Of an image."""
    return math.prod(-(-n // SCHEMES[scheme].out) for n in grid)


def _cycles(program: Program, grid: tuple[int, ...], channels: int, filters: int, scheme: int) -> float:
    """For an image of which tiles make up `grid`, its share of those for the weights of a batch that trains
    included."""
    into, from_ = program.registers(channels), program.registers(filters)
    products = SCHEMES[scheme].points * cost(_LEAST, from_, channels) / _LEAST
    cycles = _tiles(grid, scheme) * (products + _TRANSFORM[scheme] * (into + from_))
    if program.training:
        weights = SCHEMES[scheme].points * channels * from_
        cycles += weights * (_MAKING if weights * BYTES < _NEAR else _AFAR) / program.batch
    return cycles


def _schemes(taps: int) -> list[int]:
    """Their numbers, of small tiles first."""
    return sorted(number for number, scheme in SCHEMES.items() if scheme.taps == taps)


def scheme_of(program: Program, taps: int, grid: tuple[int, ...], channels: int, filters: int) -> int:
    """The scheme of the least cost. Predictions take small tiles, whose weights are soon read for a single image, and
    large weights do, of which there would be as many as there are points."""
    small, *large = _schemes(taps)
    numbers = channels * filters * program.beta.itemsize
    able = [n for n in large if program.training and SCHEMES[n].points * numbers <= _WEIGHTS]
    return min([small, *able], key=lambda n: _cycles(program, grid, channels, filters, n))


def slopes_by(program: Program, windows: Windows, channels: int, filters: int) -> tuple[int, bool]:
    """The scheme of the least cost for ∂J/∂x, and whether tiles are of the slope and add to it, which is worth while
    where these are fewer: where the image has no frame."""
    part, grid, channels = _part(windows), _phase(windows), channels * windows.stride[0] ** 2
    by_windows = scheme_of(program, part, grid, filters, channels)
    by_adding = scheme_of(program, part, windows.output, filters, channels)
    adding = _ADDING * _cycles(program, windows.output, filters, channels, by_adding)
    adds = adding < _cycles(program, grid, filters, channels, by_windows)
    return (by_adding if adds else by_windows), adds


def _part(windows: Windows) -> int:
    """Taps along an axis of the part of a window that the first phase of x has; other phases have one less at most."""
    return -(-windows.window[0] // windows.stride[0])


def _phase(windows: Windows) -> tuple[int, ...]:
    """Places of x along both axes in the largest phase, from the first that x has in any."""
    axes = zip(windows.sizes, windows.before, windows.stride, strict=True)
    return tuple((size - 1 + before % stride) // stride + 1 for size, before, stride in axes)


def suits(program: Program, windows: Windows, x: Value, channels: Groups, filters: Groups) -> bool:
    """Whether minimal filtering costs less than products over windows. It does not depend on how many images a
    prediction is of, so that neither do its numbers."""
    stride, part = windows.stride[0], _part(windows)
    able = (
        len(set(windows.window)) == len(set(windows.stride)) == len(set(windows.dilation) | {1}) == 1
        and channels.groups == 1 and x.even and max(windows.before) < windows.window[0]
        and bool(_schemes(part)) and (stride == 1 or program.training)
    )  # fmt: skip
    if not able or (_tiles(windows.output, _schemes(part)[0]) < _FEW and not program.training):
        return False
    pairs = by_places((forwards(windows)[0], forwards(windows)[1]))
    met = sum(math.prod(len(axis.places) * len(axis.taps) for axis in pair) for pair in pairs)
    places, into = math.prod(windows.output), channels.each * stride**2
    scheme = scheme_of(program, part, windows.output, into, filters.each)
    plain = places * cost(_LEAST, program.registers(filters.each), channels.each * met / places) / _LEAST
    return _cycles(program, windows.output, into, filters.each, scheme) < _GAIN * plain

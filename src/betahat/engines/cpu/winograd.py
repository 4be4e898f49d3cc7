"""Convolutions of 3 × 3 and 5 × 5 taps lowered to minimal filtering, where it costs less than products over windows."""

from __future__ import annotations

import math
from typing import final

from betahat.engines.cpu.layout import WIDE, Groups, row_numbers
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
_MAKING, _AFAR = 12, 48  # to make a register of weights for a point, near and where cache does not hold them
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
    """What of a convolution is done by minimal filtering: f, ∂J/∂W and ∂J/∂x."""

    def __init__(
        self, program: Program, windows: Windows, path: str, x: Value, f: Value, channels: int, filters: int
    ) -> None:
        self.program, self.windows, self.path, self.x = program, windows, path, x
        self.channels, self.filters = channels, filters
        self.place, _ = program.parameter(f"{path}.weight")
        self.taps = windows.window[0]
        self.scheme = scheme_of(program, self.taps, windows.output, channels, filters)
        self._x_form, self._f_form = self._form(x, windows.before), self._form(f, (0, 0))

    def forward(self, f: Value, bias: int, bend: float) -> None:
        """f = bend(Σ x W + b)."""
        U = self._weighed(self.scheme, False)
        self._windows(self.x, f, U, (self._x_form, self._f_form), self.channels, self.filters, bias, bend)

    def back_to(self, slope: Value, dx: Value) -> None:
        """∂J/∂x: by what each tile of the slope adds to it, or by windows over the slope, with taps in opposite
        order."""
        assert dx.grid is not None
        scheme, adds = slopes_by(self.program, self.windows, self.channels, self.filters)
        U = self._weighed(scheme, True, not adds)
        if adds:
            self._add_to(slope, dx, U)
            return
        first = tuple(self.taps - 1 - n for n in self.windows.before)
        forms, zeros = (self._form(slope, first), self._form(dx, (0, 0))), self.program.zeros.ctypes.data
        self._windows(slope, dx, U, forms, self.filters, self.channels, zeros, 1.0)

    def _weighed(self, scheme: int, turned: bool, opposite: bool = False) -> Weighed:
        program, place, channels, filters = self.program, self.place, self.channels, self.filters
        wide = row_numbers(channels, program.beta.itemsize) if turned else place.stride
        shape = SCHEMES[scheme].points, filters if turned else channels, wide
        if program.training and math.prod(shape) * program.beta.itemsize > _STAYING:
            at, array = program.block(math.prod(shape)), None
        else:
            array = aligned(shape, program.dtype)
            at = array.ctypes.data
        program.weighed.append(Weighed(place, channels, filters, wide, scheme, turned, opposite, at, array))
        if array is None:
            add_weights(program, program.weighed[-1])
            program.wait()
        return program.weighed[-1]

    def _windows(
        self, x: Value, f: Value, weights: Weighed, forms: tuple[int, int], channels: int, filters: int, bias: int,
        bend: float,
    ) -> None:  # fmt: skip
        program, scheme = self.program, weights.scheme
        assert f.grid is not None
        chunk, *by = self._together(x, f, _tiles(f.grid, scheme), channels, filters, scheme)
        registers = program.registers(filters)
        parted, count = program.shared_units(registers, f.places) if program.is_shared else (1, None)
        if program.is_shared:
            program.wait()
        program.add(
            does.winograd_windows, x.at, x.row, f.at, f.row, weights.at, *_apart(program, weights), channels,
            program.registers(channels), registers, bias, program.zeros.ctypes.data, *forms, *by, parted, scheme,
            real=bend, chunk=chunk, count=count,
        )  # fmt: skip
        if program.is_shared:
            program.wait()

    def _add_to(self, slope: Value, dx: Value, weights: Weighed) -> None:
        program, scheme = self.program, weights.scheme
        assert slope.grid is not None
        chunk, *by = self._together(
            slope, dx, _tiles(slope.grid, scheme), self.filters, self.channels, scheme
        )
        program.add(
            does.winograd_back, slope.at, slope.row, dx.at, dx.row, weights.at, *_apart(program, weights), self.filters,
            program.registers(self.filters), program.registers(self.channels), program.zeros.ctypes.data,
            self._form(slope, (0, 0)), self._form(dx, self.windows.before), *by, scheme, chunk=chunk,
        )  # fmt: skip

    def _together(
        self, x: Value, f: Value, tiles: int, channels: int, filters: int, scheme: int
    ) -> tuple[int, int, int]:
        """How many images are taken at once, and the tables of what is transformed of x and f."""
        program, points = self.program, SCHEMES[scheme].points
        most = min(max(_NUMBERS // (points * (channels + filters)), _LEAST), _MOST)
        images = max(1, -(-most // tiles))
        chunk = SHARD_WHOLE if images >= program.shard else 1 << (images - 1).bit_length()
        chunk = max(chunk, program.chunk(x, f))
        most = min(most, tiles * min(chunk, program.shard))
        x_by, x_size = self._by(channels, most, points)
        f_by, f_size = self._by(filters, most, points)
        self._scratch(x_size + f_size + program.registers(filters) * BYTES)
        return chunk, x_by, f_by

    def filters_back(self, slope: Value, gradient: int, whole_batch: bool) -> None:
        """∂J/∂W, by shards or, of the whole batch, by registers of its rows."""
        program, place, points = self.program, self.place, SCHEMES[self.scheme].points
        assert slope.grid is not None
        registers = program.registers(self.filters)
        units = program.panels(registers) if whole_batch else None
        wide = self.filters if units is None else -(-registers // units) * BYTES // program.beta.itemsize
        tiles = _tiles(slope.grid, self.scheme) * (program.batch if whole_batch else program.shard)
        most = min(max(_NUMBERS // (points * (self.channels + wide)), _LEAST), _MOST, tiles)
        x_by, x_size = self._by(self.channels, most, points)
        s_by, s_size = self._by(wide, most, points)
        row = row_numbers(wide, program.beta.itemsize) * program.beta.itemsize
        self._scratch(x_size + s_size + points * self.channels * row)
        program.add(
            does.winograd_filters_back, self.x.at, self.x.row, slope.at, slope.row, gradient,
            place.stride * program.beta.itemsize, program.gradients.strides[0], self.channels,
            program.registers(self.channels), registers, program.zeros.ctypes.data, self._x_form,
            self._form(slope, (0, 0)), x_by, s_by, self.scheme, count=units,
        )  # fmt: skip

    def _form(self, x: Value, before: tuple[int, ...]) -> int:
        assert x.grid is not None
        return self.program.table([*x.grid, x.grid[1] * x.place, x.place, *before])

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
    row = place.stride * size
    operation, registers = does.winograd_weights, program.registers(weighed.filters)
    if weighed.turned:
        operation, registers = does.winograd_turned_weights, program.registers(weighed.channels)
        program.scratch = max(
            program.scratch, (SCHEMES[weighed.scheme].taps ** 2 * _BLOCK + WIDE) * registers * BYTES // 8
        )
    program.add(
        operation, program.beta.ctypes.data + place.offset * size, row, row * weighed.channels, weighed.channels,
        weighed.rows, registers, weighed.at, *_apart(program, weighed), weighed.scheme, _BLOCK, int(weighed.opposite),
        count=-(-weighed.rows // _BLOCK),
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
    taps = windows.window[0]
    by_windows = scheme_of(program, taps, windows.sizes, filters, channels)
    by_adding = scheme_of(program, taps, windows.output, filters, channels)
    adding = _ADDING * _cycles(program, windows.output, filters, channels, by_adding)
    adds = adding < _cycles(program, windows.sizes, filters, channels, by_windows)
    return (by_adding if adds else by_windows), adds


def suits(program: Program, windows: Windows, x: Value, channels: Groups, filters: Groups) -> bool:
    """Whether minimal filtering costs less than products over windows. It does not depend on how many images a
    prediction is of, so that neither do its numbers."""
    taps = windows.window[0]
    able = (
        windows.axes == 2 and set(windows.window) == {taps} and bool(_schemes(taps))
        and set(windows.stride) == set(windows.dilation) == {1}
        and channels.groups == 1 and x.even and max(windows.before) < taps
    )  # fmt: skip
    if not able or (_tiles(windows.output, _schemes(taps)[0]) < _FEW and not program.training):
        return False
    pairs = by_places((forwards(windows)[0], forwards(windows)[1]))
    met = sum(math.prod(len(axis.places) * len(axis.taps) for axis in pair) for pair in pairs)
    places = math.prod(windows.output)
    scheme = scheme_of(program, taps, windows.output, channels.each, filters.each)
    plain = places * cost(_LEAST, program.registers(filters.each), channels.each * met / places) / _LEAST
    return _cycles(program, windows.output, channels.each, filters.each, scheme) < _GAIN * plain

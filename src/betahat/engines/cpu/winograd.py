"""Convolutions of 3 × 3 taps lowered to minimal filtering, where that costs less than products over windows."""

from __future__ import annotations

import math
from typing import final

import numpy as np

from betahat.engines.cpu.layout import Groups, row_numbers, whole
from betahat.engines.cpu.meeting import by_places, cost, forwards
from betahat.engines.cpu.program import Program, Value
from betahat.engines.cpu.weighed import Weighed
from betahat.kernels.aligned import aligned
from betahat.kernels.network import winograd as does
from betahat.kernels.network.operations import SHARD_WHOLE
from betahat.kernels.network.tiles import BYTES, VECTORS
from betahat.kernels.network.winograd_tiles import OUT, POINTS, SIDE, TAPS
from betahat.layers.windows import Windows

_TRANSFORM = 40  # cycles for a register of a tile, on either side of the products
_GAIN = 0.85  # of what windows cost, at most
_NUMBERS = 1 << 17  # of all points of the tiles that are transformed at once
_LEAST, _MOST = 48, 192  # tiles at once
_FEW = 16  # tiles of an image, below which a single one would wait for the weights
_FLIPPED = np.array([3, 1, 2, 0])
"""The points of taps in opposite order: G with its rows so exchanged."""


@final
class Winograd:
    """What of a convolution is done by minimal filtering: f, ∂J/∂W and ∂J/∂x."""

    def __init__(
        self, program: Program, windows: Windows, path: str, x: Value, f: Value, channels: int, filters: int
    ) -> None:
        self.program, self.windows, self.path, self.x = program, windows, path, x
        self.channels, self.filters = channels, filters
        place, _ = program.parameter(f"{path}.weight")
        self.weights = Weighed(place, channels, aligned((POINTS, channels, place.stride), program.dtype))
        program.weighed.append(self.weights)
        self._x_form, self._f_form = self._form(x, windows.before), self._form(f, (0, 0))

    def forward(self, f: Value, bias: int, bend: float) -> None:
        """f = bend(Σ x W + b)."""
        U = self.weights.array
        self._windows(self.x, f, U, (self._x_form, self._f_form), self.channels, self.filters, bias, bend)

    def back_to(self, slope: Value, dx: Value) -> None:
        """∂J/∂x, whose windows over the slope have their taps in opposite order."""
        program = self.program
        first = tuple(TAPS - 1 - n for n in self.windows.before)
        # rows of a point : its filters, and as many more as make them whole registers
        order = (_FLIPPED[:, None] * SIDE + _FLIPPED).reshape(-1) * whole(self.filters)
        rows = self.weights.array.reshape(POINTS * self.channels, -1)
        turned = program.transposed(rows, self.channels, self.filters, 0, order)
        array = turned.array.reshape(POINTS, whole(self.filters), -1)
        forms = self._form(slope, first), self._form(dx, (0, 0))
        self._windows(slope, dx, array, forms, self.filters, self.channels, program.zeros.ctypes.data, 1.0)

    def _windows(
        self, x: Value, f: Value, U: np.ndarray, forms: tuple[int, int], channels: int, filters: int, bias: int,
        bend: float,
    ) -> None:  # fmt: skip
        program = self.program
        tiles = self._tiles(f)
        most = min(max(_NUMBERS // (POINTS * (channels + filters)), _LEAST), _MOST)
        images = max(1, -(-most // tiles))
        chunk = SHARD_WHOLE if images >= program.shard else 1 << (images - 1).bit_length()
        chunk = max(chunk, program.chunk(x, f))
        most = min(most, tiles * min(chunk, program.shard))
        x_by, x_size = self._by(channels, most)
        f_by, f_size = self._by(filters, most)
        registers = program.registers(filters)
        self._scratch(x_size + f_size + registers * BYTES)
        parted, count = program.shared_units(registers, f.places) if program.is_shared else (1, None)
        if program.is_shared:
            program.wait()
        program.add(
            does.winograd_windows, x.at, x.row, f.at, f.row, U.ctypes.data, U.strides[1], U.strides[0], channels,
            program.registers(channels), registers, bias, program.zeros.ctypes.data, *forms, x_by, f_by, parted,
            real=bend, chunk=chunk, count=count,
        )  # fmt: skip
        if program.is_shared:
            program.wait()

    def filters_back(self, slope: Value, gradient: int, whole_batch: bool) -> None:
        """∂J/∂W, by shards or, of the whole batch, by registers of its rows."""
        program, place = self.program, self.weights.place
        registers = program.registers(self.filters)
        units = -(-registers // VECTORS) if whole_batch else None
        wide = self.filters if units is None else -(-registers // units) * BYTES // program.beta.itemsize
        tiles = self._tiles(slope) * (program.batch if whole_batch else program.shard)
        most = min(max(_NUMBERS // (POINTS * (self.channels + wide)), _LEAST), _MOST, tiles)
        x_by, x_size = self._by(self.channels, most)
        s_by, s_size = self._by(wide, most)
        row = row_numbers(wide, program.beta.itemsize) * program.beta.itemsize
        self._scratch(x_size + s_size + POINTS * self.channels * row)
        program.add(
            does.winograd_filters_back, self.x.at, self.x.row, slope.at, slope.row, gradient,
            place.stride * program.beta.itemsize, program.gradients.strides[0], self.channels,
            program.registers(self.channels), registers, program.zeros.ctypes.data, self._x_form,
            self._form(slope, (0, 0)), x_by, s_by, count=units,
        )  # fmt: skip

    def _tiles(self, f: Value) -> int:
        assert f.grid is not None
        return -(-f.grid[0] // OUT) * -(-f.grid[1] // OUT)

    def _form(self, x: Value, before: tuple[int, ...]) -> int:
        assert x.grid is not None
        return self.program.table([*x.grid, x.grid[1] * x.place, x.place, *before])

    def _by(self, numbers: int, tiles: int) -> tuple[int, int]:
        """The table of what is transformed, for so many tiles at once; and its bytes."""
        row = row_numbers(numbers, self.program.beta.itemsize) * self.program.beta.itemsize
        apart = tiles * row + BYTES
        return self.program.table([row, apart, tiles]), apart * POINTS

    def _scratch(self, size: int) -> None:
        self.program.scratch = max(self.program.scratch, size // 8 + POINTS + 32)


def suits(program: Program, windows: Windows, x: Value, channels: Groups, filters: Groups) -> bool:
    """Whether minimal filtering costs less than products over windows. It does not depend on how many images come at
    once, so that neither does a prediction."""
    able = (
        windows.window == (TAPS, TAPS) and set(windows.stride) == set(windows.dilation) == {1}
        and channels.groups == 1 and x.even and max(windows.before) < TAPS
    )  # fmt: skip
    tiles, places = (math.prod(-(-n // side) for n in windows.output) for side in (OUT, 1))
    if not able or (tiles < _FEW and not program.training):
        return False
    pairs = by_places((forwards(windows)[0], forwards(windows)[1]))
    met = sum(math.prod(len(axis.places) * len(axis.taps) for axis in pair) for pair in pairs)
    into, out = (program.registers(groups.each) for groups in (channels, filters))
    each = POINTS * cost(_LEAST, out, channels.each) / _LEAST + _TRANSFORM * (into + out)
    return tiles * each < _GAIN * places * cost(_LEAST, out, channels.each * met / places) / _LEAST

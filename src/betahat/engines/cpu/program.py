"""The memory and the operations of a lowered network: what the compiled driver runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from betahat.engines.cpu.layout import Layout, Place, row_numbers
from betahat.kernels.aligned import aligned
from betahat.kernels.network import operations
from betahat.kernels.network.calling import addresses
from betahat.kernels.network.tiles import BYTES
from betahat.layers.base import size_of
from betahat.models.network import Network

_SHARDS = ((512, 8), (96, 4), (16, 2))  # rows of a batch from which on it is cut into so many shards
_PREDICTED = 64  # rows of a shard where nothing is trained


@final
@dataclass(frozen=True)
class Value:
    """Rows of a layer's output, or of a slope: numbers in use of a row, of which the first is at `first`."""

    array: np.ndarray
    width: int
    first: int = 0

    @property
    def at(self) -> int:
        """Its address."""
        return self.array.ctypes.data + self.first * self.array.itemsize

    @property
    def row(self) -> int:
        """Bytes from row to row."""
        return self.array.strides[0]

    @property
    def registers(self) -> int:
        """Of a row, where its numbers are."""
        return -(-self.width * self.array.itemsize // BYTES)

    @property
    def apart(self) -> int:
        """From row to row."""
        return self.row // BYTES


@final
class Program:
    """Operations and the memory that they work in, for batches of at most so many rows.

    training : with loss, backward pass and step; else only f. beta (layout.size,) and buffers (network.buffer_size,) :
    the parameters and the running statistics that operations read and change.
    """

    def __init__(
        self,
        network: Network,
        layout: Layout,
        beta: np.ndarray,
        buffers: np.ndarray,
        batch: int,
        training: bool,
    ) -> None:
        self.network, self.layout, self.beta, self.buffers = network, layout, beta, buffers
        self.batch, self.training, self.dtype = batch, training, beta.dtype
        self.shards = next((s for rows, s in _SHARDS if batch >= rows), 1)
        if not training:
            self.shards = -(-batch // _PREDICTED)
        self.shard = -(-batch // self.shards)
        self.gradients = aligned((self.shards if training else 0, layout.size), beta.dtype)
        self.parts = dict.fromkeys(layout.places, self.shards)
        """Of how many shards' sums the gradient of each parameter consists."""
        self.turned: list[tuple[Place, np.ndarray]] = []
        """Transposed weights, that slopes pass through."""
        self.held: list[np.ndarray] = []
        """Arrays whose addresses operations hold."""
        self.scratch = 0
        """Doubles that a thread needs to compute in."""
        self._waits = False
        self._tables: tuple[np.ndarray, np.ndarray] | None = None
        self._operations: list[Any] = []
        self._ops: list[list[int]] = []
        self._reals: list[tuple[float, float]] = []
        widths = [row_numbers(size_of(leaf.input_shape), beta.itemsize) for leaf in network.leaves]
        self.zeros = aligned(
            (max([*widths, *(place.stride for place in layout.places.values())]),), beta.dtype
        )

    def value(self, width: int) -> Value:
        """Memory for rows of a batch."""
        stride = row_numbers(width, self.beta.itemsize)
        self.held.append(aligned((self.batch, stride), self.dtype))
        return Value(self.held[-1], width)

    def doubles(self, *shape: int) -> int:
        """The address of zeros that stay."""
        self.held.append(np.zeros(shape))
        return self.held[-1].ctypes.data

    def add(
        self, operation: Any, *numbers: int, real: float = 0.0, second: float = 0.0, count: int | None = None
    ) -> None:
        """An operation on shards, or on `count` units."""
        row = [0, int(self._waits), int(count is None), count or 0, *map(int, numbers)]
        self._waits = False
        self._operations.append(operation)
        self._ops.append(row + [0] * (operations.WIDTH - len(row)))
        self._reals.append((real, second))

    def wait(self) -> None:
        """Before the next operation all wait for all."""
        self._waits = True

    def parameter(self, name: str) -> tuple[Place, int]:
        """Its place and address."""
        place = self.layout.places[name]
        return place, self.beta.ctypes.data + place.offset * self.beta.itemsize

    def gradient(self, name: str) -> int:
        """The address of the first shard's."""
        return self.gradients.ctypes.data + self.layout.places[name].offset * self.beta.itemsize

    def buffer(self, name: str) -> int:
        """The address of a running statistic."""
        slot = next(slot for slot in self.network.buffer_layout if slot.name == name)
        return self.buffers.ctypes.data + slot.offset * self.buffers.itemsize

    def turn(self) -> None:
        """Transposed weights, as they are before the first step."""
        for place, turned in self.turned:
            turned[: place.units, : place.rows] = place.of(self.beta)[:, : place.units].T

    @property
    def tables(self) -> tuple[np.ndarray, np.ndarray]:
        """Operations and their real numbers; compiles what is not yet."""
        if self._tables is None:
            ops = np.array(self._ops, np.int64)
            ops[:, operations.CODE] = addresses(self._operations, self.dtype)
            self._tables = ops, np.array(self._reals)
        return self._tables

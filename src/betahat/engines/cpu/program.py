"""The memory and the operations of a lowered network: what the compiled driver runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np

from betahat.engines.cpu.folded import Folded
from betahat.engines.cpu.layout import WIDE, Layout, Place, row_numbers, whole
from betahat.engines.cpu.memory import Memory, lives_of, placed, resolved
from betahat.engines.cpu.weighed import Weighed
from betahat.kernels.aligned import aligned
from betahat.kernels.network import operations
from betahat.kernels.network.calling import addresses
from betahat.kernels.network.tiles import BYTES, VECTORS
from betahat.layers.base import size_of
from betahat.models.network import Network

_SHARDS = ((512, 8), (96, 4), (16, 2))  # rows of a batch from which on it is cut into so many shards
_PREDICTED = 64  # rows of a shard where nothing is trained
IMAGES = 8
"""The same of images."""
_SHARED = 1 << 26  # operations from which on those of a single image are shared out among threads
_UNITS = 16  # at most, into which a single image is cut
_PLACES = 96  # at least, of each
_TOGETHER = 1 << 18  # bytes of images that are taken through layers together


@final
@dataclass(frozen=True)
class Value:
    """Rows of a layer's output, or of a slope: numbers in use of a row, of which the first is at `first`.

    grid : height and width where rows are images, their places one after the other, each of `pixel` numbers, of which
    `channels` are in use; raw : whether nothing that is trained comes before.
    """

    memory: Memory
    width: int
    first: int = 0
    grid: tuple[int, int] | None = None
    channels: int = 0
    pixel: int = 0
    raw: bool = False

    @property
    def at(self) -> int:
        """Its address."""
        return self.memory.at + self.first * self.memory.itemsize

    @property
    def row(self) -> int:
        """Bytes from row to row."""
        return self.memory.row

    @property
    def places(self) -> int:
        """Of an image; 1 of a plain row."""
        return 1 if self.grid is None else self.grid[0] * self.grid[1]

    @property
    def place(self) -> int:
        """Bytes from place to place."""
        return self.pixel * self.memory.itemsize if self.grid is not None else self.row

    @property
    def even(self) -> bool:
        """Whether places are as far apart from image to image as within one, each in whole registers."""
        return self.grid is None or (self.row == self.places * self.place and self.pixel % WIDE == 0)

    @property
    def apart(self) -> int:
        """From row to row."""
        return self.row // BYTES


@final
@dataclass(frozen=True)
class Turned:
    """Weights (taps, channels, filters) of the layout's parameters with the last two exchanged: the first filter, the
    array, where each tap begins in it, in rows."""

    place: Place
    first: int
    channels: int
    filters: int
    array: np.ndarray
    order: np.ndarray

    def take(self, beta: np.ndarray) -> None:
        """From the layout's parameters."""
        rows = self.place.of(beta)
        for tap, at in enumerate(self.order):
            part = rows[
                tap * self.channels : (tap + 1) * self.channels, self.first : self.first + self.filters
            ]
            self.array[at : at + self.filters, : self.channels] = part.T


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
            self.shards = -(-batch // (IMAGES if has_images(network) else _PREDICTED))
        self.shard = -(-batch // self.shards)
        self.units = self.shards
        """How many threads could have work at once."""
        self.is_shared = not training and batch == 1 and has_images(network) and network.flops >= _SHARED
        """Whether a single image is so large that its places are work for several threads."""
        self.gradients = aligned((self.shards if training else 0, layout.size), beta.dtype)
        self.parts = dict.fromkeys(layout.places, self.shards)
        """Of how many shards' sums the gradient of each parameter consists."""
        self.weighed: list[Weighed] = []
        """Weights transformed for minimal filtering."""
        self.turned: list[Turned] = []
        """Transposed weights, that slopes pass through."""
        self.folded: dict[str, Folded] = {}
        """Batch normalisations that were taken into the weights of a layer, by its path."""
        self.later: list[tuple[Any, tuple[int, ...], int]] = []
        """Gradients of large weights, for when all shards are done: operation, its numbers, units."""
        self.held: list[np.ndarray] = []
        """Arrays whose addresses operations hold."""
        self.scratch = 0
        """Doubles that a thread needs to compute in."""
        self.memories: list[Memory] = []
        """Of rows, which have no place before all operations are known."""
        self._work = np.zeros((0, 0))
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
        return Value(self.rows(row_numbers(width, self.beta.itemsize), width % WIDE > 0), width)

    def image(self, grid: tuple[int, int], channels: int, kept: bool = False) -> Value:
        """Memory for images of a batch; kept : whether there are gaps in which zeros must stay."""
        pixel = row_numbers(channels, self.beta.itemsize)
        width = grid[0] * grid[1] * pixel
        return Value(self.rows(width, kept or channels % WIDE > 0), width, 0, grid, channels, pixel)

    def alike(self, x: Value) -> Value:
        """Memory of the same layout."""
        return replace(x, memory=self.rows(x.memory.shape[1], x.memory.kept), raw=False)

    def rows(self, numbers: int, kept: bool) -> Memory:
        """Memory for so many numbers of each row. kept : whether some are never written and must stay 0, such as those
        behind the last of a register, of which sums would become gradients."""
        return self._memory(self.batch, numbers, kept)

    def block(self, numbers: int) -> int:
        """The address of memory for so many numbers, which are there between operations only that name it."""
        return self._memory(1, numbers, False).at

    def _memory(self, rows: int, numbers: int, kept: bool) -> Memory:
        self.memories.append(Memory(len(self.memories), (rows, numbers), self.beta.itemsize, kept))
        return self.memories[-1]

    def hold(self, array: np.ndarray) -> np.ndarray:
        """Keep an array as long as the program."""
        self.held.append(array)
        return array

    def table(self, numbers: Any) -> int:
        """The address of whole numbers that stay."""
        return self.hold(np.ascontiguousarray(numbers, np.int64).reshape(-1)).ctypes.data

    def doubles(self, *shape: int) -> int:
        """The address of zeros that stay."""
        return self.hold(np.zeros(shape)).ctypes.data

    def add(
        self, operation: Any, *numbers: int, real: float = 0.0, second: float = 0.0, count: int | None = None,
        chunk: int = operations.SHARD_WHOLE,
    ) -> None:  # fmt: skip
        """An operation on shards, so many rows at once, or on `count` units."""
        row = [0, int(self._waits), chunk if count is None else 0, count or 0, *map(int, numbers)]
        assert len(row) <= operations.WIDTH
        self._waits = False
        self.units = max(self.units, count or 0)
        self._operations.append(operation)
        self._ops.append(row + [0] * (operations.WIDTH - len(row)))
        self._reals.append((real, second))

    def chunk(self, *values: Value, beside: int = 0) -> int:
        """So many images at once that those which come in and go out stay in cache; a power of 2, so that layers one
        after the other take as many. beside : bytes of weights, of which much more would be read than of few images."""
        most = max(_TOGETHER, beside // 4) // max(value.row for value in values)
        return operations.SHARD_WHOLE if most >= self.shard else 1 << max(most, 1).bit_length() - 1

    def shared_units(self, registers: int, places: int) -> tuple[int, int]:
        """Into how many parts the filters of a single image's places are cut, and into how many units in all."""
        across = min(_UNITS, -(-registers // VECTORS))
        return across, across * max(1, min(_UNITS // across, places // _PLACES))

    def panels(self, registers: int) -> int:
        """Into how many parts the filters of a whole batch's gradient are cut: as wide as tiles, but for few filters
        half as wide, lest threads have nothing to do."""
        return max(-(-registers // VECTORS), min(-(-registers // 2), self.shards))

    def chunk_of(self, x: Value) -> int:
        """Rows at once of what takes numbers, or rows, one by one."""
        return operations.SHARD_WHOLE if x.grid is None else self.chunk(x)

    def wait(self) -> None:
        """Before the next operation all wait for all."""
        self._waits = True

    def parameter(self, name: str) -> tuple[Place, int]:
        """Its place and address."""
        place = self.layout.places[name]
        return place, self.beta.ctypes.data + place.offset * self.beta.itemsize

    def bias(self, path: str, has: bool) -> int:
        """The address of what is added to a layer's products."""
        if path in self.folded:
            return self.folded[path].bias.ctypes.data
        return self.parameter(f"{path}.bias")[1] if has else self.zeros.ctypes.data

    def fold(self, path: str, has: bool, norm: str, epsilon: float) -> None:
        """Take a normalisation, by its path, into the weights of the layer before it."""
        self.folded[path] = Folded(self.layout, self.network, path, has, norm, epsilon, self.dtype)

    def registers(self, numbers: int) -> int:
        """That so many numbers take up."""
        return -(-numbers * self.beta.itemsize // BYTES)

    def transposed(
        self,
        place: Place,
        channels: int,
        filters: int,
        first: int = 0,
        order: np.ndarray | None = None,
    ) -> Turned:
        """Memory for weights with channels and filters exchanged, of a matrix, or of taps, each where `order` says."""
        order = np.zeros(1, np.int64) if order is None else order
        rows = int(order.max()) + whole(filters)  # the last registers are written whole
        array = aligned((rows, row_numbers(channels, self.beta.itemsize)), self.dtype)
        self.turned.append(Turned(place, first, channels, filters, array, order))
        return self.turned[-1]

    def gradient(self, name: str) -> int:
        """The address of the first shard's."""
        return self.gradients.ctypes.data + self.layout.places[name].offset * self.beta.itemsize

    def buffer(self, name: str) -> int:
        """The address of a running statistic."""
        slot = next(slot for slot in self.network.buffer_layout if slot.name == name)
        return self.buffers.ctypes.data + slot.offset * self.buffers.itemsize

    def fill(self) -> None:
        """Folded, transposed and transformed weights, as parameters are before the first step."""
        for folded in self.folded.values():
            folded.take(self.beta, self.buffers)
        for weighed in self.weighed:
            weighed.take(self.beta)
        for turned in self.turned:
            turned.take(self.beta)

    def work(self, members: int) -> np.ndarray:
        """What so many threads compute in; the same again, so that its pages need not be found anew."""
        if self._work.shape != (members, self.scratch + 1):
            self._work = np.zeros((members, self.scratch + 1))
        return self._work

    @property
    def tables(self) -> tuple[np.ndarray, np.ndarray]:
        """Operations and their real numbers; compiles what is not yet, and finds a place for all memories."""
        if self._tables is None:
            ops = np.array(self._ops, np.int64).reshape(-1, operations.WIDTH)
            places, size = placed(lives_of(self.memories, ops))
            memory = self.hold(aligned(size, np.uint8))
            ops = resolved(ops, memory.ctypes.data + np.array(places, np.int64))
            ops[:, operations.CODE] = addresses(self._operations, self.dtype)
            self._tables = ops, np.array(self._reals)
        return self._tables


def has_images(network: Network) -> bool:
    """Whether rows are images, or sequences, anywhere in a network."""
    return any(len(leaf.input_shape) > 1 for leaf in network.leaves)

"""Rows of a source that memory does not hold: surveyed once, and then read again for each epoch through a buffer."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING, Any, final

import numpy as np

from betahat.data.batches import random_numbers
from betahat.data.shuffle_buffer import through_buffer
from betahat.data.source import Block
from betahat.engines import Rows
from betahat.errors import DataError
from betahat.estimators.network.entry import Entry, Reading, changed, dense
from betahat.estimators.network.feed import ReadAhead
from betahat.estimators.network.given import Given, TrainingRows, batches_of
from betahat.estimators.network.rows import precision_for
from betahat.estimators.network.units import Moments, SparseMoments, as_units
from betahat.kernels.random import bits
from betahat.objective.network import Batch

if TYPE_CHECKING:
    from betahat.estimators.network.base import NetworkEstimator
    from betahat.estimators.network.training import Plan

_LEAVING = 16_000_000  # bytes of rows that leave the buffer at once: memory that is quickly had again
KEY_OF_ASIDE = 0
"""Of the hash by which rows are set aside: the same ones whatever the seed."""


@final
@dataclass(frozen=True)
class Surveyed:
    """What one reading of all rows found.

    reading : how many there are, and their checksum; dtype, columns : of X; shape : of a row as the
    network takes it; mass : Σw of those that count;
    X, y : their moments; few : some of them; aside : those that are set aside, whose hash is below `limit`.
    """

    reading: Reading
    dtype: np.dtype
    columns: int
    shape: tuple[int, ...]
    mass: float
    weighted: bool
    X: Moments | SparseMoments
    y: Moments
    few: Block
    aside: Given | None
    limit: int


@final
class Stream(TrainingRows):
    """Rows that are read again at each epoch, but for those set aside.

    room : rows of the buffer
    """

    def __init__(self, entry: Entry, found: Surveyed, room: int) -> None:
        self._entry, self._found, self.room = entry, found, room
        aside = found.aside
        self.aside = aside
        self.rows = found.reading.counted - (0 if aside is None else aside.length)
        """That are trained with."""
        if self.rows < 1:
            raise DataError(
                f"all {found.reading.counted:,} rows of the source were set aside, and none is left to train with; "
                "change validation_fraction"
            )
        mass = found.mass - (0.0 if aside is None else _mass(aside))
        self._mean = mass / self.rows if found.weighted else 1.0

    @property
    def shape(self) -> tuple[int, ...]:
        return self._found.shape

    @property
    def length(self) -> int:
        return self._found.reading.counted

    @property
    def mean_weight(self) -> float:
        return self._found.mass / self.length if self._found.weighted else 1.0

    def precision(self, asked: Any) -> Any:
        return precision_for(asked, self._found.dtype, self.length * self._found.columns)

    def units(self, coded: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        return as_units(self._found.X.units, coded, self.shape)

    def settle(self, model: NetworkEstimator, shape: tuple[int, ...]) -> int:
        y, few = self._found.y, self._found.few.y
        assert few is not None
        return model._settle_by(y.mean, np.sqrt(y.variance), few, shape)

    def held(self) -> Given:
        block = self._found.few
        assert block.y is not None
        return Given(block.X, block.y, block.weight, np.arange(block.X.shape[0]))

    def some(self, model: NetworkEstimator, most: int, dtype: Any) -> np.ndarray:
        return self.held().some(model, most, dtype)

    def batches(self, model: NetworkEstimator, size: int) -> Iterator[Batch]:
        found = Reading()
        for _, block in self._entry.read(found):
            rows = self._as_rows(model, block, self.mean_weight)
            yield from batches_of(rows, np.arange(block.X.shape[0]), size)
        self._compare(found)

    def marks(self) -> dict[str, str]:
        found = self._found
        return {
            "source": f"{found.reading.rows} rows of {found.columns} columns, {found.reading.checksum:016x}",
            "shuffle_buffer": f"{self.room} rows, of {self._entry.source.parts} parts",
        }

    def feed(self, model: NetworkEstimator, size: int) -> StreamFeed:
        """The epochs of a training, in mini-batches of `size` rows."""
        return StreamFeed(self, model, size)

    def trained(self, order: list[int], found: Reading) -> Generator[Block]:
        """The rows that are trained with, part by part in this order."""
        for places, block in self._entry.read(found, order):
            if self.aside is not None:
                hashes = bits(KEY_OF_ASIDE, places + np.uint64(1))
                block = block.take(np.flatnonzero(hashes >= np.uint64(self._found.limit)))
            yield block
        self._compare(found)

    def parts(self) -> int:
        """How many there are to be read in any order."""
        return self._entry.source.parts

    def as_rows(self, model: NetworkEstimator, block: Block) -> Rows:
        """Rows as an engine takes them."""
        return self._as_rows(model, block, self._mean)

    @property
    def trained_mean(self) -> float:
        """The mean weight of rows that are trained with."""
        return self._mean

    def leaving(self, size: int) -> int:
        """Rows that leave the buffer at once, whole mini-batches."""
        a_row = 8 * (self._found.columns + self._found.y.mean.size + 1)
        return max(size, min(self.room // 8, _LEAVING // a_row) // size * size)

    def _as_rows(self, model: NetworkEstimator, block: Block, mean: float) -> Rows:
        assert block.y is not None
        weight = None if block.weight is None else block.weight / mean
        return Rows(
            model._laid(dense(block.X)), model._as_targets(block.y), weight, *(model._units or (None, None))
        )

    def _compare(self, found: Reading) -> None:
        before = self._found.reading
        if found.rows != before.rows:
            raise DataError(changed(f"{found.rows:,} rows, and {before.rows:,} then"))
        if found.checksum != before.checksum:
            raise DataError(changed("as many, but their numbers or their order changed"))


@final
class StreamFeed(ReadAhead):
    """Epochs of a stream. Parts of the source come in an order that is drawn anew for each epoch, and pass through the
    buffer; both depend on the seed and the epoch's number alone."""

    def __init__(self, stream: Stream, model: NetworkEstimator, size: int) -> None:
        self._stream, self._model, self._size = stream, model, size
        self.rows, self.mean_weight = stream.rows, stream.trained_mean

    def _parts(self, number: int, plan: Plan, leave: Event) -> Generator[Rows]:
        numbers = random_numbers(plan.seed, number) if plan.shuffle else None
        stream, size, seen = self._stream, self._size, 0
        count = stream.parts()
        order = list(range(count)) if numbers is None else numbers.permutation(count).tolist()
        whole = plan.whole_batches and numbers is not None
        alone = whole and self.rows > size > 1 and self.rows % size == 1
        with closing(_until(leave, stream.trained(order, Reading()))) as blocks:
            for part in through_buffer(blocks, stream.room, stream.leaving(size), numbers):
                seen += part.X.shape[0]
                if alone and seen == self.rows:
                    part = part.take(slice(0, -1))  # one row has no variance for a normalisation to go by
                yield stream.as_rows(self._model, part)


def _until(leave: Event, blocks: Generator[Block]) -> Generator[Block]:
    for block in blocks:
        if leave.is_set():
            return
        yield block


def _mass(given: Given) -> float:
    return float(given.length if given.weight is None else given.weight.sum())

"""The rows of an epoch as they come: all at once from memory, or part by part, read ahead, from files and sources."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import replace
from threading import Event
from typing import TYPE_CHECKING, final

import numpy as np

from betahat.data.far_rows import FarRows, cut
from betahat.data.prefetch import prefetch
from betahat.engines import Rows

if TYPE_CHECKING:
    from betahat.estimators.network.training import Plan


class Feed(ABC):
    """Abstract: epochs of rows. `rows` : of an epoch; `mean_weight` : that their weights had."""

    rows: int
    mean_weight: float
    which: np.ndarray | None = None
    """The rows in memory that are gathered by index, where they are."""

    @abstractmethod
    def epoch(self, number: int, plan: Plan, follow: int = 0) -> Generator[tuple[Rows, np.ndarray]]:
        """Rows and the order they are taken in: whole mini-batches, but for the last. follow : how many epochs come
        after it at most."""

    @abstractmethod
    def close(self) -> None:
        """There are no more epochs."""


@final
class ArrayFeed(Feed):
    """Rows in memory, those of `which`, gathered by index in the order that the plan has for an epoch."""

    def __init__(self, rows: Rows, mean_weight: float, which: np.ndarray) -> None:
        self._all, self.mean_weight = rows, mean_weight
        self.which, self.rows = which, len(which)

    def epoch(self, number: int, plan: Plan, follow: int = 0) -> Generator[tuple[Rows, np.ndarray]]:
        yield self._all, plan.order(number)

    def close(self) -> None:
        return


class ReadAhead(Feed):
    """Abstract: parts of epochs, which a thread reads ahead while the engine trains, those of the next epoch too."""

    _ahead: Generator[Rows | None] | None = None
    _next = -1

    @abstractmethod
    def _parts(self, number: int, plan: Plan, leave: Event) -> Iterable[Rows]:
        """The parts of an epoch, in order. leave : set when they are no longer wanted."""

    def epoch(self, number: int, plan: Plan, follow: int = 0) -> Generator[tuple[Rows, np.ndarray]]:
        if self._ahead is None or self._next != number:
            self.close()
            self._ahead = self._epochs(range(number, number + follow + 1), plan)
        self._next = -1  # until this one is over
        try:
            for rows in self._ahead:
                if rows is None:
                    self._next = number + 1
                    break
                yield rows, np.arange(rows.X.shape[0])
        finally:
            if self._next != number + 1:
                self.close()

    def _epochs(self, numbers: range, plan: Plan) -> Generator[Rows | None]:
        """The parts of epochs, and None where each ends."""
        leave = Event()

        def read() -> Generator[Rows | None]:
            for number in numbers:
                yield from self._parts(number, plan, leave)
                if leave.is_set():
                    return
                yield None

        with closing(prefetch(read, ahead=1)) as ahead:
            try:
                yield from ahead
            finally:
                leave.set()

    def close(self) -> None:
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            ahead.close()


@final
class FarFeed(ReadAhead):
    """Rows that are not in memory as they are needed, in the order that those in memory have: to the same bits.

    rows : with `FarRows` as X; size : of a mini-batch
    """

    def __init__(self, rows: Rows, mean_weight: float, which: np.ndarray, size: int) -> None:
        self._all, self.mean_weight, self._size = rows, mean_weight, size
        self.which, self.rows = which, len(which)

    def _parts(self, number: int, plan: Plan, leave: Event) -> Generator[Rows]:
        far = self._all.X
        spans = cut(plan.order(number), far, self._size)
        with closing(far.parts(spans)) as parts:
            for span, X in zip(spans, parts, strict=True):
                yield _beside(self._all, X, span)
                if leave.is_set():
                    return


def gathered(rows: Rows, order: np.ndarray) -> tuple[Rows, np.ndarray]:
    """The same rows in the same order, in memory."""
    if not isinstance(rows.X, FarRows):
        return rows, order
    return _beside(rows, rows.X[order], order), np.arange(len(order))


def _beside(rows: Rows, X: np.ndarray, which: np.ndarray) -> Rows:
    """X with what else is known of these rows."""
    weight = None if rows.weight is None else rows.weight[which]
    return replace(rows, X=X, y=rows.y[which], weight=weight)

"""Rows that are not in memory as they are needed: gathered by index, some at a time."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable
from contextlib import closing
from typing import Any, final

import numpy as np

from betahat.data.prefetch import prefetch

_AT_ONCE = 1 << 24  # bytes of rows that are gathered at once
_WHOLE = 1 << 26  # bytes up to which an array is converted as a whole
_KNOWN = (np.dtype(np.float64), np.dtype(np.float32), np.dtype(np.uint8), np.dtype(bool))
"""Types that compiled code reads where they lie."""


class FarRows(ABC):
    """Abstract: rows (n, …) that are asked for as those of an array are, `rows[which]`, and are made for that.

    shape, dtype : of the array that all of them would be
    """

    shape: tuple[int, ...]
    dtype: np.dtype

    @abstractmethod
    def parts(self, spans: Iterable[np.ndarray]) -> Generator[np.ndarray]:
        """The rows of each span (k,), one span after the other, in new memory."""

    @abstractmethod
    def taken(self, which: np.ndarray) -> Any:
        """Some of them, again as rows: in memory, where they are few enough for it."""

    @property
    def ndim(self) -> int:
        """How many axes there are."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """How many numbers there are."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """How many bytes they would take."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, which: Any) -> np.ndarray:
        """Rows by number, slice or an array of numbers, as NumPy has it."""
        chosen = np.arange(len(self))[which]
        with closing(self.parts([np.atleast_1d(chosen)])) as parts:
            found = next(parts)
        return found if chosen.ndim else found[0]

    def blocks(self) -> Generator[np.ndarray]:
        """All of them in order, about 16 MB at once; the next ones are made while these are used."""
        every = np.arange(len(self))
        step = rows_at_once(self)
        spans = [every[start : start + step] for start in range(0, len(every), step)]
        with closing(prefetch(lambda: self.parts(spans), ahead=1)) as ready:
            yield from ready


@final
class GatheredRows(FarRows):
    """Those of an array that is best left where it lies: mapped from a file, of a type or order of numbers that would
    be converted as a whole, or some rows of it.

    >>> rows = GatheredRows(np.arange(6, dtype=np.uint16).reshape(3, 2))
    >>> rows.shape, rows[[2, 0]].tolist()
    ((3, 2), [[4, 5], [0, 1]])
    """

    def __init__(self, array: np.ndarray, which: np.ndarray | None = None) -> None:
        self._array, self._which = array, which
        n = len(array) if which is None else len(which)
        self.shape, self.dtype = (n, *array.shape[1:]), array.dtype

    def parts(self, spans: Iterable[np.ndarray]) -> Generator[np.ndarray]:
        for span in spans:
            yield np.array(self._array[span if self._which is None else self._which[span]], order="C")

    def taken(self, which: np.ndarray) -> GatheredRows:
        return GatheredRows(self._array, which if self._which is None else self._which[which])


def left_in_place(rows: Any) -> Any:
    """Rows as they are; a large array whose numbers are of a type, or lie in an order, that compiled code does not read
    as rows that are gathered, so that no copy is made of the whole."""
    if not isinstance(rows, np.ndarray) or 8 * rows.size <= _WHOLE:
        return rows
    few = rows[:2]
    flat = np.may_share_memory(few.reshape(len(few), -1), few)
    return rows if flat and rows.dtype in _KNOWN and rows.flags.aligned else GatheredRows(rows)


def chosen(rows: Any, which: np.ndarray) -> Any:
    """Some rows: in memory, unless they are many."""
    if isinstance(rows, FarRows):
        return rows.taken(which)
    many = isinstance(rows, np.ndarray) and len(which) * rows[:1].nbytes > _WHOLE
    return GatheredRows(rows, which) if many else rows[which]


def rows_at_once(rows: Any) -> int:
    """How many rows are gathered at once."""
    return max(1, _AT_ONCE // max(math.prod(rows.shape[1:]) * rows.dtype.itemsize, 1))


def cut(order: np.ndarray, rows: Any, whole: int) -> list[np.ndarray]:
    """An order (n,) in spans that are gathered at once: multiples of `whole`, but for the last, which is no shorter
    than the others unless it is the only one.

    >>> [len(span) for span in cut(np.arange(100), np.empty((100, 2**21), np.uint8), 3)]
    [6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 10]
    """
    step = max(1, rows_at_once(rows) // whole) * whole
    edges = [k * step for k in range(max(1, len(order) // step))]
    return [order[start:end] for start, end in zip(edges, [*edges[1:], None], strict=True)]

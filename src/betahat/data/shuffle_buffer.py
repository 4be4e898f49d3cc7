"""A buffer that rows of a stream pass through, so that they leave it in random order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any, final

import numpy as np

from betahat.data.source import BY_ROW, Block, by_rows
from betahat.errors import DataError
from betahat.kernels.columns import Columns

_AT_ONCE = 2048  # rows that are turned from columns to rows at once, so that they stay in cache


def through_buffer(
    blocks: Iterable[Block], room: int, leaving: int, numbers: np.random.Generator | None
) -> Iterator[Block]:
    """All rows once. `room` of them are held; when so many are, `leaving` that are drawn at random leave, and the rows
    that follow take their places; at the end those that are left leave in random order.

    Each block that comes out has `leaving` rows, but the last one, which may have up to twice as many, and fewer only
    where there are no others. Which rows it has
    depends on `numbers` and the order of rows, not on the blocks they arrive in. numbers : None for rows in the order
    they came.

    Raises DataError where blocks do not hold the same things.

    >>> rows = Block(np.arange(6.0)[:, None])
    >>> [block.X[:, 0].tolist() for block in through_buffer([rows], 4, 2, None)]
    [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]
    >>> sorted(np.concatenate([b.X[:, 0] for b in through_buffer([rows], 4, 2, np.random.default_rng(0))]).tolist())
    [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    """
    free, oldest = np.arange(room), 0  # places to be filled next; where the row is that came first
    store: _Store | None = None
    for block in blocks:
        block = by_rows(block)
        store = store or _store(block, room)
        done, rows = 0, block.X.shape[0]
        while done < rows:
            part = min(rows - done, len(free))
            store.put(free[:part], block, done)
            free, done = free[part:], done + part
            if not len(free):
                if numbers is None:
                    free = (oldest + np.arange(leaving)) % room
                    oldest = (oldest + leaving) % room
                else:
                    free = numbers.choice(room, leaving, replace=False)
                yield store.take(free)
                if numbers is not None:
                    free.sort()  # memory is written to more quickly in order, and the next draw is as random
    if store is None or len(free) == room:
        return
    if numbers is None:
        held = ((oldest + np.arange(room)) % room)[: room - len(free)]
    else:
        held = numbers.permutation(np.delete(np.arange(room), free))
    whole = max(1, len(held) // leaving)
    for k in range(whole):
        yield store.take(held[k * leaving : (k + 1) * leaving if k + 1 < whole else None])


class _Store(ABC):
    """Abstract: places for rows of X, and for what belongs to each row."""

    def __init__(self, block: Block, room: int) -> None:
        self._room, self._columns = room, block.X.shape[1]
        self._beside = {
            name: np.empty((room, *given.shape[1:]), given.dtype)
            for name in BY_ROW
            if (given := getattr(block, name)) is not None
        }

    def put(self, places: np.ndarray, block: Block, first: int) -> None:
        """The rows of a block from `first` on, to these places."""
        given = {name: values for name in BY_ROW if (values := getattr(block, name)) is not None}
        if given.keys() != self._beside.keys() or block.X.shape[1] != self._columns:
            raise DataError(
                f"a block of the source holds X of {block.X.shape[1]} columns with {', '.join(given) or 'nothing'}, "
                f"and the first one held {self._columns} with {', '.join(self._beside) or 'nothing'}; all must hold "
                "the same"
            )
        part = slice(first, first + len(places))
        self._put_rows(places, block.X[part])
        for name, values in given.items():
            self._beside[name] = _wide_enough(self._beside[name], values.dtype)
            self._beside[name][places] = values[part]

    def take(self, places: np.ndarray) -> Block:
        """A copy of the rows in these places, in this order."""
        beside: dict[str, Any] = {name: kept.take(places, axis=0) for name, kept in self._beside.items()}
        return Block(self._take_rows(places), **beside)

    @abstractmethod
    def _put_rows(self, places: np.ndarray, X: Any) -> None: ...

    @abstractmethod
    def _take_rows(self, places: np.ndarray) -> Any: ...


def _store(block: Block, room: int) -> _Store:
    return _Sparse(block, room) if hasattr(block.X, "tocsr") else _Dense(block, room)


def _wide_enough(kept: np.ndarray, dtype: Any) -> np.ndarray:
    """The array itself, or with a type that holds the other's numbers too."""
    return kept if np.can_cast(dtype, kept.dtype, "safe") else kept.astype(np.result_type(kept.dtype, dtype))


def _scatter(kept: np.ndarray, places: np.ndarray, rows: np.ndarray) -> None:
    """kept[places] = rows, each row moved as one item: number by number takes half as long again."""
    size = kept.shape[1] * kept.itemsize
    if not size:
        return
    row = np.dtype((np.void, size))
    kept.view(row)[places] = np.ascontiguousarray(rows, kept.dtype).view(row)


@final
class _Dense(_Store):
    def __init__(self, block: Block, room: int) -> None:
        super().__init__(block, room)
        self._X = np.empty((room, self._columns), block.X.dtype)

    def _put_rows(self, places: np.ndarray, X: Any) -> None:
        self._X = _wide_enough(self._X, X.dtype)
        if not isinstance(X, Columns):
            _scatter(self._X, places, X)
            return
        for start in range(0, len(places), _AT_ONCE):
            some = slice(start, start + _AT_ONCE)
            _scatter(self._X, places[some], np.column_stack([column[some] for column in X.arrays]))

    def _take_rows(self, places: np.ndarray) -> Any:
        return self._X.take(places, axis=0)


@final
class _Sparse(_Store):
    """Rows of CSR cannot be written to: those that came are kept until twice as many as there is room for are."""

    def __init__(self, block: Block, room: int) -> None:
        super().__init__(block, room)
        self._parts: list[Any] = []
        self._count, self._where = 0, np.zeros(room, np.intp)

    def _put_rows(self, places: np.ndarray, X: Any) -> None:
        if not hasattr(X, "tocsr"):
            raise DataError(
                "a block of the source has an X that is not sparse, and the first one was; all must be alike"
            )
        self._parts.append(X)
        self._where[places] = self._count + np.arange(len(places))
        self._count += len(places)

    def _take_rows(self, places: np.ndarray) -> Any:
        from scipy.sparse import vstack

        if len(self._parts) > 1:
            self._parts = [vstack(self._parts, format="csr")]
        found = self._parts[0][self._where[places]]
        if self._count > 2 * self._room:  # the rows taken are never asked for again
            self._parts = [self._parts[0][self._where]]
            self._where, self._count = np.arange(self._room), self._room
        return found

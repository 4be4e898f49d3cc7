"""The blocks of a source as rows for a network: checked at every reading, and known again by a checksum."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np

from betahat.data.missing import all_finite
from betahat.data.passes import combined_weight
from betahat.data.source import Block, Source, by_rows, joined
from betahat.errors import DataError, MissingValueError
from betahat.kernels.columns import Columns
from betahat.kernels.random import GOLDEN, bits

_WORD = 2**64


@final
@dataclass
class Reading:
    """What a reading of a source found: rows, those that count, and a checksum over all numbers with the places of
    their rows, whatever order parts are read in."""

    rows: int = 0
    counted: int = 0
    checksum: int = 0


@final
class Entry:
    """A source, read as a network takes rows: X as it comes, y by `target`, and weights w of rows (those of classes
    among them) in the place of weights and frequencies; rows without weight are left out.

    target : makes of y (k, t) what the loss takes; own : (K,) the weights of classes, or None
    """

    def __init__(
        self, source: Source, target: Callable[[np.ndarray], np.ndarray], own: np.ndarray | None = None
    ) -> None:
        self.source, self.target, self.own = source, target, own
        self.starts: dict[int, int] = {}
        """The place of the first row of each part, as the first reading found."""

    def read(self, found: Reading, order: Sequence[int] | None = None) -> Iterator[tuple[np.ndarray, Block]]:
        """All rows once, with their places (k,) in the source, part by part in an order (None: the source's own).

        Raises DataError or MissingValueError for rows that a network cannot take.
        """
        natural = range(self.source.parts)
        seen: dict[int, int] = {}
        read = self.source.read_parts(natural if order is None else order)
        with closing(read) if isinstance(read, Generator) else nullcontext():
            for part, block in read:
                if not block.X.shape[0]:
                    continue
                first = self._place(part, found.rows, order is None) + seen.get(part, 0)
                seen[part] = seen.get(part, 0) + block.X.shape[0]
                places, entered = self._enter(by_rows(block), first, found)
                if len(places):
                    yield places, entered

    def _place(self, part: int, rows: int, natural: bool) -> int:
        if natural:
            self.starts.setdefault(part, rows)
        if part not in self.starts:
            raise DataError(changed("a part of it has rows that it had not"))
        return self.starts[part]

    def _enter(self, block: Block, first: int, found: Reading) -> tuple[np.ndarray, Block]:
        places = np.arange(first, first + block.X.shape[0], dtype=np.uint64)
        self._check(block, first)
        assert block.y is not None
        y, weight = self.target(block.y), combined_weight(block)
        found.rows += len(places)
        found.checksum = (found.checksum + checksum(places, block.X, block.y, weight)) % _WORD
        if self.own is not None:
            own = self.own[y.astype(np.intp)]
            weight = own if weight is None else own * weight
        entered = Block(block.X, y, None if weight is None else np.asarray(weight, np.float64))
        if weight is not None and not (weight > 0).all():
            which = np.flatnonzero(weight > 0)
            places, entered = places[which], entered.take(which)
        found.counted += len(places)
        return places, entered

    def _check(self, block: Block, first: int) -> None:
        n, where = block.X.shape[0], f"(rows {first + 1:,} to {first + block.X.shape[0]:,} of the source)"
        if block.y is None:
            raise DataError(
                f"the source holds no target: a block has no y {where}; name one where the source is made"
            )
        for name, value in (("groups", block.groups), ("an offset or exposure", block.offset)):
            if value is not None:
                raise DataError(f"the source holds {name}, and networks take none; make it without")
        if len(block.X.shape) != 2:
            raise DataError(
                f"a block of the source has X of shape {block.X.shape}; (rows, columns) is expected {where}"
            )
        p = len(self.source.names)
        if block.X.shape[1] != p:
            raise DataError(
                f"a block of the source has {block.X.shape[1]} columns of X, and the source {p} {where}"
            )
        for name, values in (("X", block.X), ("y", block.y), ("weights", combined_weight(block))):
            if values is None:
                continue
            if name != "X" and len(values) != n:
                raise DataError(
                    f"a block of the source has {n} rows of X and {len(values)} of {name} {where}"
                )
            if not is_finite(values):
                raise MissingValueError(
                    f"{name} contains NaN or infinity {where}; fill such rows or leave them out (a query does, with "
                    'missing="drop")'
                )
        weight = combined_weight(block)
        if weight is not None and (weight < 0).any():
            raise DataError(f"a weight is negative {where}; weights must be ≥ 0")


def changed(what: str) -> str:
    """That a source gave other rows than before."""
    return (
        f"the source gave other rows than in its first reading: {what}. It must give the same rows in the same order "
        "each time. Usual causes: a file that is being written to, or a query with random() or without ORDER BY; write "
        "its rows to a Parquet file first"
    )


def dense(X: Any) -> np.ndarray:
    """Columns of a batch as rows in one array; arrays as they are."""
    return np.asarray(X) if isinstance(X, Columns) else X


def joined_rows(blocks: list[Block]) -> Block:
    """See `betahat.data.source.joined`, with X in one array where it lay in columns."""
    whole = joined(blocks)
    return replace(whole, X=dense(whole.X))


def checksum(places: np.ndarray, X: Any, y: np.ndarray, weight: np.ndarray | None) -> int:
    """Σᵢ mix(hᵢ + γ place) modulo 2⁶⁴, with hᵢ a weighted sum of the numbers of row i as they are stored.

    >>> X, y, places = np.eye(3), np.arange(3.0)[:, None], np.arange(3, dtype=np.uint64)
    >>> whole = checksum(places, X, y, None)
    >>> parts = [checksum(places[k : k + 1], X[k : k + 1], y[k : k + 1], None) for k in (2, 0, 1)]
    >>> sum(parts) % 2**64 == whole, checksum(places, X[::-1], y, None) == whole
    (True, False)
    """
    key, row = np.uint64(GOLDEN), np.zeros(len(places), np.uint64)
    with np.errstate(over="ignore"):
        for k, column in enumerate(_stored_columns(X, y, weight)):
            row += column * (key * np.uint64(2 * k + 1))
        return int(np.add.reduce(bits(0, row + bits(1, places))))


def _stored_columns(X: Any, y: np.ndarray, weight: np.ndarray | None) -> Iterator[np.ndarray]:
    """Columns as whole numbers (k,): the bits of floats."""
    if hasattr(X, "tocsr"):
        n = np.arange(X.shape[1]) + 1.0
        yield _as_words(np.asarray(X @ np.sqrt(n)).ravel())
        yield _as_words(np.asarray(X @ (1 / n)).ravel())
    else:
        yield from map(_as_words, X.arrays if isinstance(X, Columns) else X.T)
    for column in (*(y.T if y.ndim > 1 else [y]), *([] if weight is None else [weight])):
        yield _as_words(column)


def _as_words(column: np.ndarray) -> np.ndarray:
    if column.dtype.kind != "f":
        return column.astype(np.int64).view(np.uint64)
    return np.ascontiguousarray(column, np.float64).view(np.uint64)


def is_finite(values: Any) -> bool:
    if hasattr(values, "tocsr"):
        return all_finite(values.data)
    parts = values.arrays if isinstance(values, Columns) else [np.asarray(values)]
    return all(all_finite(part) or bool(np.isfinite(part).all()) for part in parts)

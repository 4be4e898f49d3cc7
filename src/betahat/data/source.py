"""Where rows come from: blocks of (X, y, weights) that can be passed over again and again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, final

import numpy as np


@final
@dataclass(frozen=True, slots=True)
class Block:
    """Some consecutive rows.

    X : (k, p) numeric array of any strides and dtype, a scipy.sparse CSR/CSC matrix or
        array, or :class:`betahat.kernels.columns.Columns`.
    y : (k, t) float64 array, or None where there is no target (prediction).
    weight : (k,) float64 importance weights, or None for ones.
    frequency : (k,) float64 whole numbers, how many equal rows each row stands for, or None for ones.
    groups : (k, g) int64 codes of the clusters the rows belong to (g = 1 or 2), or None.
    offset : (k,) float64 numbers that are added to the linear predictor, or None for zeros.
    X_low : (k, p) what rounding took from X, where X was computed in two doubles, or None.
    search : set where the numbers were not yet searched for missing ones and infinities, which whoever asked for such
        blocks does when its sums are not finite: returns the rows that can be used, or None, or raises what
        :meth:`Source.blocks` would.
    """

    X: Any
    y: np.ndarray | None = None
    weight: np.ndarray | None = None
    frequency: np.ndarray | None = None
    groups: np.ndarray | None = None
    X_low: np.ndarray | None = None
    search: Callable[[], Block | None] | None = None
    offset: np.ndarray | None = None

    def take(self, which: Any) -> Block:
        """Some of the rows, by a slice or by their numbers, with all that belongs to them."""
        parts = {name: getattr(self, name) for name in BY_ROW}
        return Block(self.X[which], **{k: None if v is None else v[which] for k, v in parts.items()})


BY_ROW = ("y", "weight", "frequency", "groups", "X_low", "offset")
"""What a block holds for each row beside X."""


def joined(blocks: list[Block]) -> Block:
    """One block of the rows of all, which hold the same things."""
    if len(blocks) == 1:
        return blocks[0]
    first = blocks[0]
    if hasattr(first.X, "tocsr"):
        from scipy.sparse import vstack

        X: Any = vstack([block.X for block in blocks], format="csr")
    else:
        X = np.concatenate([np.asarray(block.X) for block in blocks])
    held = [name for name in BY_ROW if getattr(first, name) is not None]
    parts: dict[str, Any] = {
        name: np.concatenate([getattr(block, name) for block in blocks]) for name in held
    }
    return Block(X, **parts)


def by_rows(block: Block, formats: tuple[str, ...] = ("csr",)) -> Block:
    """A sparse X that is in none of these formats as rows, which can be gathered."""
    return block if getattr(block.X, "format", "csr") in formats else replace(block, X=block.X.tocsr())


def _indexed(block: Block) -> Block:
    """Rows of a sparse X can be picked from columns too, slowly but without a copy of all."""
    return by_rows(block, ("csr", "csc"))


def spread(n: int, parts: int, seed: int, length: int = 1) -> np.ndarray:
    """(parts,) ascending: where a run of `length` of n rows begins at random in each of so many equal stretches.

    (Every k-th row of a table with a period would show one phase of it.)
    """
    edges = np.arange(parts + 1) * n // parts
    at = np.random.Generator(np.random.Philox(key=seed)).random(parts)
    return edges[:-1] + (at * (np.diff(edges) - length + 1)).astype(np.int64)


class Source(ABC):
    """Rows that can be read again. Each full reading calls :meth:`blocks` once and is counted."""

    in_memory: bool
    """Whether a reading costs memory bandwidth only, or a file must be read and decoded again."""
    readings: int = 0
    """How many times the rows have been read."""
    n_rows: int | None = None
    """How many rows there are, None until a first reading tells."""
    has_offset: bool = False
    """Whether its blocks have offsets."""
    classes: np.ndarray | None = None
    """The labels (K,) behind a target of codes 0 … K−1, in the order of numpy.unique; None for numbers."""

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Names of the p columns of X (after coding of categories)."""

    @property
    @abstractmethod
    def target_names(self) -> tuple[str, ...]:
        """Names of the t columns of y."""

    @abstractmethod
    def _blocks(self, unsearched: bool) -> Iterator[Block]: ...

    def blocks(self, unsearched: bool = False) -> Iterator[Block]:
        """Read all rows once, in the same order each time; `unsearched` allows blocks with a `search` left to do."""
        self.readings += 1
        return self._blocks(unsearched)

    @property
    def parts(self) -> int:
        """How many parts can be read in any order, together at the cost of one reading; 1 where rows come in one order
        only."""
        return 1

    def read_parts(self, order: Sequence[int]) -> Iterator[tuple[int, Block]]:
        """Read all rows once, part by part in this order of their numbers; each block with the number of its part.

        >>> [(part, len(block.X)) for part, block in ArraySource(np.eye(3), np.arange(3.0)).read_parts([0])]
        [(0, 3)]
        """
        self.readings += 1
        return self._read_parts(order)

    def _read_parts(self, order: Sequence[int]) -> Iterator[tuple[int, Block]]:
        return ((0, block) for block in self._blocks(False))

    def sample(self, rows: int, seed: int = 0) -> Block | None:
        """About so many rows, for a first look: the same ones each time, and not counted as a reading.

        They are spread evenly: over rows in memory one by one, each at random in its stretch, over Parquet files and
        tables of a database in 4 to 16 runs. Of other files and queries they are the first. Rows that a reading leaves
        out are left out without a warning. None where no row is left.

        Raises ValueError for fewer rows than 1, and what a reading raises.

        >>> source = ArraySource(np.arange(100.0)[:, None], np.arange(100.0))
        >>> source.sample(4).X.ravel().tolist()
        [0.0, 31.0, 52.0, 89.0]
        """
        if isinstance(rows, bool) or not isinstance(rows, (int, np.integer)) or rows < 1:
            raise ValueError(f"`rows` (={rows!r}) must be a whole number of 1 or more")
        return self._sample(int(rows), seed)

    def _sample(self, rows: int, seed: int) -> Block | None:
        """The first rows, or rows from everywhere where all are in memory."""
        n = self.n_rows or 0
        wanted = spread(n, rows, seed) if self.in_memory and rows < n else None
        parts: list[Block] = []
        start, held = 0, 0
        for block in self._blocks(False):
            k = block.X.shape[0]
            if wanted is None:
                parts.append(block if held + k <= rows else _indexed(block).take(slice(0, rows - held)))
            else:
                first, last = np.searchsorted(wanted, (start, start + k))
                parts.append(_indexed(block).take(wanted[first:last] - start))
            start, held = start + k, held + parts[-1].X.shape[0]
            if held == rows:
                break
        return joined(parts) if held else None


@lru_cache(maxsize=16)
def _numbered(letter: str, count: int) -> tuple[str, ...]:
    """x1, x2, …: the names of columns that have none."""
    return tuple(f"{letter}{j + 1}" for j in range(count))


@final
class ArraySource(Source):
    """Arrays that are already in memory: one block, no copy."""

    in_memory = True

    def __init__(
        self,
        X: Any,
        y: np.ndarray,
        weight: np.ndarray | None = None,
        frequency: np.ndarray | None = None,
        groups: np.ndarray | None = None,
        names: tuple[str, ...] | None = None,
        target_names: tuple[str, ...] | None = None,
        X_low: np.ndarray | None = None,
        offset: np.ndarray | None = None,
        classes: np.ndarray | None = None,
    ) -> None:
        y = y.reshape(-1, 1) if y.ndim == 1 else y
        self._block = Block(X, y, weight, frequency, groups, X_low, offset=offset)
        self.n_rows, self._columns = X.shape
        self._targets, self.has_offset, self.classes = y.shape[1], offset is not None, classes
        self._names, self._target_names = names, target_names
        self.readings = 0

    @property
    def names(self) -> tuple[str, ...]:
        return self._names or _numbered("x", self._columns)

    @property
    def target_names(self) -> tuple[str, ...]:
        if self._target_names:
            return self._target_names
        return ("y",) if self._targets == 1 else _numbered("y", self._targets)

    def _blocks(self, unsearched: bool) -> Iterator[Block]:
        yield self._block


class DerivedSource(Source):
    """Abstract: another source with something done to each of its blocks."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.in_memory, self.n_rows = source.in_memory, source.n_rows
        self.has_offset, self.classes = source.has_offset, source.classes

    @property
    def names(self) -> tuple[str, ...]:
        return self._source.names

    @property
    def target_names(self) -> tuple[str, ...]:
        return self._source.target_names

    @abstractmethod
    def _derive(self, block: Block) -> Block: ...

    def _blocks(self, unsearched: bool) -> Iterator[Block]:
        return map(self._derive, self._source.blocks())

    @property
    def parts(self) -> int:
        return self._source.parts

    def _read_parts(self, order: Sequence[int]) -> Iterator[tuple[int, Block]]:
        return ((part, self._derive(block)) for part, block in self._source.read_parts(order))

    def _sample(self, rows: int, seed: int) -> Block | None:
        block = self._source.sample(rows, seed)
        return None if block is None else self._derive(block)


@final
class ScaledSource(DerivedSource):
    """Another source with columns multiplied by powers of two, which rounds nothing but keeps squares finite."""

    def __init__(self, source: Source, x_scale: np.ndarray, y_scale: np.ndarray) -> None:
        super().__init__(source)
        self.x_scale, self.y_scale = x_scale, y_scale

    def _derive(self, block: Block) -> Block:
        if hasattr(block.X, "tocsr"):
            X = block.X.tocsr().astype(np.float64)
            X.data *= self.x_scale[X.indices]
        else:
            X = np.asarray(block.X) * self.x_scale
        low = None if block.X_low is None else block.X_low * self.x_scale
        y = None if block.y is None else block.y * self.y_scale
        return replace(block, X=X, y=y, X_low=low)

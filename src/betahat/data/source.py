"""Where rows come from: blocks of (X, y, weights) that can be passed over again and again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
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


class Source(ABC):
    """Rows that can be read again. Each full reading calls :meth:`blocks` once and is counted."""

    in_memory: bool
    """Whether a reading costs memory bandwidth only, or a file must be read and decoded again."""
    readings: int = 0
    """How many times the rows have been read."""
    n_rows: int | None = None
    """How many rows there are, None until a first reading tells."""

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
    ) -> None:
        y = y.reshape(-1, 1) if y.ndim == 1 else y
        self._block = Block(X, y, weight, frequency, groups, X_low, offset=offset)
        self.n_rows, self._columns = X.shape
        self._targets = y.shape[1]
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

    @property
    def names(self) -> tuple[str, ...]:
        return self._source.names

    @property
    def target_names(self) -> tuple[str, ...]:
        return self._source.target_names


@final
class ScaledSource(DerivedSource):
    """Another source with columns multiplied by powers of two, which rounds nothing but keeps squares finite."""

    def __init__(self, source: Source, x_scale: np.ndarray, y_scale: np.ndarray) -> None:
        super().__init__(source)
        self.x_scale, self.y_scale = x_scale, y_scale

    def _blocks(self, unsearched: bool) -> Iterator[Block]:
        for block in self._source.blocks():
            if hasattr(block.X, "tocsr"):
                X = block.X.tocsr().astype(np.float64)
                X.data *= self.x_scale[X.indices]
            else:
                X = np.asarray(block.X) * self.x_scale
            low = None if block.X_low is None else block.X_low * self.x_scale
            yield replace(block, X=X, y=None if block.y is None else block.y * self.y_scale, X_low=low)

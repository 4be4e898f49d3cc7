"""A pass: rows folded, block by block, into statistics that add. Threads, files and clusters differ in the adder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar, TypeVar

import numpy as np

from betahat.data.source import Block, Source


class Statistic(ABC):
    """A sum over rows. Merging the statistics of two parts gives the statistic of both (a monoid)."""

    searches: ClassVar[bool] = False
    """Whether sums that are not finite make it ask a block for the rows without missing values."""

    @abstractmethod
    def update(self, block: Block) -> None:
        """Add the rows of a block."""

    @abstractmethod
    def merge(self, other: Any) -> None:
        """Add what another statistic of the same kind has summed over the rows that follow."""


SomeStatistic = TypeVar("SomeStatistic", bound=Statistic)


def fold(source: Source, statistic: SomeStatistic) -> SomeStatistic:
    """Read all rows once into the statistic."""
    for block in source.blocks(unsearched=statistic.searches):
        statistic.update(block)
    return statistic


def combined_weight(block: Block) -> Any:
    """Importance weight times frequency, or None where every row counts once."""
    if block.weight is None:
        return block.frequency
    return block.weight if block.frequency is None else block.weight * block.frequency


def counting(block: Block) -> Block:
    """The rows of positive weight: others may hold anything."""
    weight = combined_weight(block)
    return block if weight is None or (weight > 0).all() else block.take(np.flatnonzero(weight > 0))


def counting_parts(block: Block, numbers: int | None) -> Iterator[tuple[Block, np.ndarray]]:
    """Its rows of positive weight with that weight (importance times frequency), about so many numbers of X at a time,
    or all at once."""
    n, p = block.X.shape
    rows = max(n, 1) if numbers is None else max(1, numbers // max(p, 1))
    for start in range(0, n, rows):
        part = counting(block if rows >= n else block.take(slice(start, start + rows)))
        weight = combined_weight(part)
        if part.X.shape[0]:
            yield part, np.ones(part.X.shape[0]) if weight is None else weight


def dense(X: Any) -> np.ndarray:
    """A matrix of any kind as an array of float64, itself where it is one."""
    return np.asarray(X.toarray() if hasattr(X, "toarray") else X, np.float64)

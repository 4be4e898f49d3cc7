"""A pass: rows folded, block by block, into statistics that add. Threads, files and clusters differ in the adder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, TypeVar

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

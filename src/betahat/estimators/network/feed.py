"""The rows of an epoch as they come: all at once from memory, or part by part from a source."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator
from typing import TYPE_CHECKING, final

import numpy as np

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
    def epoch(self, number: int, plan: Plan) -> Generator[tuple[Rows, np.ndarray]]:
        """Rows and the order they are taken in: whole mini-batches, but for the last."""


@final
class ArrayFeed(Feed):
    """Rows in memory, those of `which`, gathered by index in the order that the plan has for an epoch."""

    def __init__(self, rows: Rows, mean_weight: float, which: np.ndarray) -> None:
        self._all, self.mean_weight = rows, mean_weight
        self.which, self.rows = which, len(which)

    def epoch(self, number: int, plan: Plan) -> Generator[tuple[Rows, np.ndarray]]:
        yield self._all, plan.order(number)

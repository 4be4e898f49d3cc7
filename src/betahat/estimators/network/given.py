"""The rows of a fit, wherever they lie: what the rest of a fit asks of them."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

from betahat.engines import Rows
from betahat.estimators.network.rows import mean_one, precision_for
from betahat.estimators.network.units import units_of
from betahat.objective.network import Batch

if TYPE_CHECKING:
    from betahat.estimators.network.base import NetworkEstimator

_CHUNK = 1 << 24  # bytes of rows digested at once


class TrainingRows(ABC):
    """Abstract: rows with targets and weights, those that count."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Of a row."""

    @property
    @abstractmethod
    def length(self) -> int:
        """How many rows count."""

    @property
    @abstractmethod
    def mean_weight(self) -> float:
        """Of these rows; 1 where they have no weights."""

    @abstractmethod
    def precision(self, asked: Any) -> Any:
        """float32 or float64: what `dtype` says, or "auto" what suits X."""

    @abstractmethod
    def units(self, coded: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        """See `betahat.estimators.network.units.units_of`."""

    @abstractmethod
    def settle(self, model: NetworkEstimator, shape: tuple[int, ...]) -> int:
        """Let a model learn what the targets are like; how many outputs it takes."""

    @abstractmethod
    def held(self) -> Given:
        """Those in memory: all, or some that stand for all."""

    @abstractmethod
    def some(self, model: NetworkEstimator, most: int, dtype: Any) -> np.ndarray:
        """At most so many rows, from everywhere, as they enter the network."""

    @abstractmethod
    def batches(self, model: NetworkEstimator, size: int) -> Iterator[Batch]:
        """All rows once, in order, as an objective takes them."""

    @abstractmethod
    def marks(self) -> dict[str, str]:
        """What they are known by, in words."""


@final
@dataclass(frozen=True)
class Given(TrainingRows):
    """Rows in memory: X (n, …), y as the loss takes it, weights (n,) or None, and the rows that count."""

    X: Any
    y: np.ndarray
    weight: np.ndarray | None
    which: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.X.shape[1:])

    @property
    def length(self) -> int:
        return len(self.which)

    @property
    def mean_weight(self) -> float:
        return mean_one(self.weight, self.which)[1]

    def precision(self, asked: Any) -> Any:
        X = self.X
        return precision_for(asked, X.dtype, X.nnz if hasattr(X, "tocsr") else X.size)

    def units(self, coded: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        return units_of(self.X, self.which, self.weight, coded)

    def settle(self, model: NetworkEstimator, shape: tuple[int, ...]) -> int:
        return model._settle(self.y, self.which, self.weight, shape)

    def held(self) -> Given:
        return self

    def some(self, model: NetworkEstimator, most: int, dtype: Any) -> np.ndarray:
        some = self.which[:: max(1, -(-len(self.which) // most))]
        return model._rows(self, self.which)[0].inputs(some, dtype)

    def batches(self, model: NetworkEstimator, size: int) -> Iterator[Batch]:
        rows = model._rows(self, self.which)[0]
        return batches_of(rows, self.which, size)

    def marks(self) -> dict[str, str]:
        return {
            "X": f"{self.X.shape} {digest(_arrays(self.X))}",
            "y": f"{self.y.shape} {digest([self.y])}",
            "sample_weight": "None" if self.weight is None else digest([self.weight]),
        }


def batches_of(rows: Rows, which: np.ndarray, size: int) -> Iterator[Batch]:
    """Some rows, so many at a time, in double precision."""
    for start in range(0, len(which), size):
        part = which[start : start + size]
        weight = None if rows.weight is None else rows.weight[part]
        yield Batch(rows.inputs(part, np.float64), rows.y[part], weight)


def _arrays(X: Any) -> list[np.ndarray]:
    return [X.data, X.indices, X.indptr] if hasattr(X, "tocsr") else [X]


def digest(arrays: Iterable[np.ndarray | None]) -> str:
    """Of all their numbers, however they lie in memory, some rows at a time."""
    found = hashlib.blake2b(digest_size=12)
    for array in arrays:
        if array is None:
            continue
        found.update(f"{array.dtype.str}{array.shape}".encode())
        step = max(1, _CHUNK * len(array) // max(array.nbytes, 1))
        for start in range(0, len(array), step):
            found.update(np.ascontiguousarray(array[start : start + step]).data)
    return found.hexdigest()

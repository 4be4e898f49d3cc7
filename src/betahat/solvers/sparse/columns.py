"""X in memory, looked at by columns: sums over all of them, and the few that are worked on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from itertools import pairwise
from typing import Any, final

import numpy as np

from betahat.kernels import column_sums, team
from betahat.kernels.coordinate import descend_columns
from betahat.kernels.gram import COMPILED_FROM, gram

_CHUNK = 1 << 17  # numbers of X that stay in cache between two uses
_SPREAD = 4096  # rows up to which a few sparse columns are worked on as if none of their numbers were zero
_FEW = 1 << 16  # numbers of X below which a second thread, or a compiled loop over columns, does not pay
_GRAM_UP_TO = 2500  # columns up to which their Gram matrix pays
_GRAM_COST = 16  # products for each number of sparse columns up to which theirs does: a few epochs without it


class ColumnStore(ABC):
    """The n × p matrix X; all sums are float64."""

    shape: tuple[int, int]

    @abstractmethod
    def moments(self, share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Σᵢ sᵢ xᵢⱼ and Σᵢ sᵢ xᵢⱼ² of every column, for s (n,)."""

    @abstractmethod
    def products(self, v: np.ndarray) -> np.ndarray:
        """Xᵀv (p,) for v (n,)."""

    @abstractmethod
    def take(self, columns: np.ndarray) -> Taken:
        """Some columns to work on."""


class Taken(ABC):
    """Columns of X that are worked on: X_W (n, w)."""

    columns: np.ndarray

    @abstractmethod
    def times(self, delta: np.ndarray) -> np.ndarray:
        """X_W δ (n,)."""

    @abstractmethod
    def products(self, v: np.ndarray) -> np.ndarray:
        """X_Wᵀv (w,)."""

    @abstractmethod
    def two_products(self, v: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """X_Wᵀv and X_Wᵀu."""

    @property
    @abstractmethod
    def gram_pays(self) -> bool:
        """Whether the Gram matrix costs less than what is done without it."""

    @abstractmethod
    def gram(self, h: np.ndarray, mean: np.ndarray, which: np.ndarray | None = None) -> np.ndarray:
        """Σ hᵢ (xᵢ − m)(xᵢ − m)ᵀ for h (n,) ≥ 0 and m (w,), Σ h x / Σ h or zeros, of all columns or `which`."""

    @abstractmethod
    def squares(self, h: np.ndarray) -> np.ndarray:
        """Σᵢ hᵢ xᵢⱼ² (w,)."""

    @abstractmethod
    def descend(self, h: np.ndarray, mean: np.ndarray, bend: np.ndarray, q: np.ndarray, *rest: Any) -> float:
        """`kernels.coordinate.descend_columns` on these columns."""


@final
class DenseColumns(ColumnStore):
    """An array of any strides and number type."""

    def __init__(self, X: np.ndarray) -> None:
        self.X, self.shape = X, X.shape

    def moments(self, share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        n, p = self.shape
        if n * p >= COMPILED_FROM and self.X.flags.f_contiguous and self.X.dtype in (np.float64, np.float32):
            return column_sums.dense_moments(self.X, share)
        first, second = np.zeros(p), np.zeros(p)

        def part(a: int, b: int) -> None:
            rows = max(1, _CHUNK // max(b - a, 1))
            for start in range(0, n, rows):
                X = np.asarray(self.X[start : start + rows, a:b], np.float64)
                first[a:b] += share[start : start + rows] @ X
                second[a:b] += share[start : start + rows] @ (X * X)

        team.run(part, self._bands(64))
        return first, second

    def products(self, v: np.ndarray) -> np.ndarray:
        out = np.zeros(self.shape[1])

        def part(a: int, b: int) -> None:
            rows = self.shape[0] if self.X.dtype == np.float64 else max(1, _CHUNK // max(b - a, 1))
            for start in range(0, self.shape[0], rows):
                out[a:b] += v[start : start + rows] @ np.asarray(
                    self.X[start : start + rows, a:b], np.float64
                )

        team.run(part, self._bands(1))
        return out

    def _bands(self, least: int) -> list[tuple[int, int]]:
        """Columns cut for threads, by shape alone."""
        n, p = self.shape
        count = max(1, min(8, n * p // _FEW, p // least))
        edges = [p * k // count for k in range(count + 1)]
        return list(pairwise(edges))

    def take(self, columns: np.ndarray) -> Taken:
        return TakenDense(np.asfortranarray(self.X[:, columns], np.float64), columns)


@final
class TakenDense(Taken):
    """A Fortran-ordered copy of a few columns."""

    def __init__(self, X: np.ndarray, columns: np.ndarray) -> None:
        self.X, self.columns = X, columns

    def times(self, delta: np.ndarray) -> np.ndarray:
        return self.X @ delta

    def products(self, v: np.ndarray) -> np.ndarray:
        return v @ self.X

    def two_products(self, v: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found: list[np.ndarray] = [v, u]

        def one(k: int) -> None:
            found[k] = found[k] @ self.X

        if self.X.size < _FEW:
            return v @ self.X, u @ self.X
        team.run(one, [(0,), (1,)])
        return found[0], found[1]

    @property
    def gram_pays(self) -> bool:
        return len(self.columns) <= _GRAM_UP_TO

    def gram(self, h: np.ndarray, mean: np.ndarray, which: np.ndarray | None = None) -> np.ndarray:
        X = self.X if which is None else self.X[:, which]
        middle = mean if which is None else mean[which]
        if X.size < COMPILED_FROM and (h >= 0.0).all():  # a matrix by its own transpose: half the products
            Z = (X - middle) * np.sqrt(h)[:, None]
            return Z.T @ Z
        high, low = gram(X, np.zeros((len(h), 0)), h, middle)
        return (high + low)[:-1, :-1]

    def squares(self, h: np.ndarray) -> np.ndarray:
        return h @ (self.X * self.X)

    def descend(self, h: np.ndarray, mean: np.ndarray, bend: np.ndarray, q: np.ndarray, *rest: Any) -> float:
        return descend_columns(self.X, np.arange(len(self.columns)), h, mean, bend, q, *rest)


@final
class SparseColumns(ColumnStore):
    """A scipy.sparse matrix, kept as CSC."""

    def __init__(self, X: Any) -> None:
        self.X = X.tocsc()
        if self.X.dtype not in (np.float64, np.float32):
            self.X = self.X.astype(np.float64)
        self.X.sum_duplicates()
        self.shape = X.shape

    def moments(self, share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if self._large:
            return column_sums.sparse_moments(self.X, share)
        data = self.X.data.astype(np.float64, copy=False)
        squared = type(self.X)((data * data, self.X.indices, self.X.indptr), shape=self.shape)
        return np.asarray(self.X.T @ share), np.asarray(squared.T @ share)

    def products(self, v: np.ndarray) -> np.ndarray:
        return column_sums.sparse_products(self.X, v)[0] if self._large else np.asarray(self.X.T @ v)

    @property
    def _large(self) -> bool:
        return self.X.nnz >= _FEW

    def take(self, columns: np.ndarray) -> Taken:
        taken = self.X[:, columns]
        if self.shape[0] <= _SPREAD:
            return TakenDense(taken.astype(np.float64, copy=False).toarray(order="F"), columns)
        return TakenSparse(taken, columns)


@final
class TakenSparse(Taken):
    """A few columns of a CSC matrix with many rows, and the same by rows."""

    def __init__(self, X: Any, columns: np.ndarray) -> None:
        self.X, self.columns = X.astype(np.float64, copy=False), columns

    @cached_property
    def _rows(self) -> Any:
        return self.X.tocsr()

    def times(self, delta: np.ndarray) -> np.ndarray:
        return np.asarray(self.X @ delta)

    def products(self, v: np.ndarray) -> np.ndarray:
        return column_sums.sparse_products(self.X, v)[0]

    def two_products(self, v: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        first, second = column_sums.sparse_products(self.X, v, u)
        return first, second

    @property
    def gram_pays(self) -> bool:
        each = np.diff(self._rows.indptr).astype(np.float64)
        return len(self.columns) <= _GRAM_UP_TO and float(each @ each) <= 2 * _GRAM_COST * self.X.nnz

    def gram(self, h: np.ndarray, mean: np.ndarray, which: np.ndarray | None = None) -> np.ndarray:
        rows = self._rows if which is None else self.X[:, which].tocsr()
        middle = mean if which is None else mean[which]
        return column_sums.sparse_gram(rows, h) - h.sum() * np.outer(middle, middle)

    def squares(self, h: np.ndarray) -> np.ndarray:
        return column_sums.sparse_moments(self.X, h)[1]

    def descend(self, h: np.ndarray, mean: np.ndarray, bend: np.ndarray, q: np.ndarray, *rest: Any) -> float:
        return descend_columns(self.X, np.arange(len(self.columns)), h, mean, bend, q, *rest)


def column_store(X: Any) -> ColumnStore:
    """X by columns: an array, a scipy.sparse matrix, or Columns."""
    if hasattr(X, "tocsr"):
        return SparseColumns(X)
    return DenseColumns(np.asarray(X))

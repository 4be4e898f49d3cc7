"""The linear model f(x, β) = β₀ + xᵀβ and the statistics that one reading of the rows gives of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self, final

import numpy as np

from betahat.data.passes import Statistic, combined_weight, dense
from betahat.data.source import Block
from betahat.errors import DataError
from betahat.kernels import reference
from betahat.kernels.gradient import gradient
from betahat.kernels.gram import COMPILED_FROM, gram
from betahat.kernels.newton import gram_and_gradient
from betahat.kernels.reference import Gradient


def predict(X: Any, coef: np.ndarray, intercept: np.ndarray) -> np.ndarray:
    """β₀ + Xβ for coef (t, p) and intercept (t,): (n, t). A row's value does not depend on the rows beside it."""
    if hasattr(X, "tocsr"):
        return np.asarray(X @ coef.T) + intercept
    return np.einsum("ij,kj->ik", X, coef) + intercept


@final
class Counts:
    """How many rows a fit stands on, and what they weigh."""

    rows: int

    def __init__(self) -> None:
        self.rows = 0
        self.observations = 0.0
        self.weight = 0.0
        self.log_weight = 0.0

    def update(self, block: Block) -> None:
        n = block.X.shape[0]
        self.rows += n
        if block.weight is None:
            self.observations += float(n if block.frequency is None else block.frequency.sum())
            self.weight = self.observations
            return
        present = block.weight > 0
        frequency = np.ones(n) if block.frequency is None else block.frequency
        self.observations += float(frequency[present].sum())
        self.weight += float((block.weight * frequency).sum())
        self.log_weight += float((frequency[present] * np.log(block.weight[present])).sum())

    def merge(self, other: Counts) -> None:
        self.rows += other.rows
        self.observations += other.observations
        self.weight += other.weight
        self.log_weight += other.log_weight

    def check(self) -> None:
        """DataError where there are no rows, or none counts."""
        if not self.rows:
            raise DataError("the data have no rows (0 samples); nothing can be fitted")
        if not self.weight > 0:
            raise DataError(
                "the weights are all zero (sample_weight, frequency_weight); at least one row must count"
            )


def provisional_centre(block: Block, intercept: bool) -> np.ndarray:
    """A value amid each column of X and y: the mean of a small block, the median of 15 rows of a large one.

    Subtracted before squaring, so that a mean of 1e8 costs no digits; zeros without an intercept and for sparse X.
    """
    assert block.y is not None
    n, p = block.X.shape
    t = block.y.shape[1]
    if not intercept:
        return np.zeros(p + t)
    with np.errstate(invalid="ignore", over="ignore"):
        if hasattr(block.X, "tocsr"):
            return np.concatenate([np.zeros(p), block.y.mean(axis=0)])
        if n * p < COMPILED_FROM:
            return np.concatenate([np.asarray(block.X).mean(axis=0, dtype=np.float64), block.y.mean(axis=0)])
        rows = np.linspace(0, n - 1, 15).astype(np.intp)
        sample = np.concatenate([np.asarray(block.X[rows], np.float64), block.y[rows]], axis=1)
        return np.sort(sample, axis=0)[7]


Sums = tuple[Any, ...]
"""The high and low parts of ZᵀWZ, and what else was summed with them."""


@final
class GramStatistic(Statistic):
    """ZᵀWZ of Z = [X − c | Y − c | 1] as `high` + `low`: sums, second moments and products in one reading."""

    searches = True

    def __init__(self, centre: np.ndarray | None, intercept: bool) -> None:
        self.centre, self._intercept = centre, intercept
        self.high: Any = None
        self.low: Any = None
        self.counts = Counts()

    def update(self, block: Block) -> None:
        self.add_searched(block, self.sums)

    def add_searched(
        self, block: Block, sums: Callable[[Block, np.ndarray], Sums]
    ) -> tuple[Block, Sums] | None:
        """Add what `sums` makes of a block (high, low and more) about a centre; of its usable rows if that is not
        finite. Returns the rows that counted and their sums."""
        centre = provisional_centre(block, self._intercept) if self.centre is None else self.centre
        with np.errstate(invalid="ignore", over="ignore"):  # the caller looks for values that are not finite
            found = sums(block, centre)
            if block.search is not None and not np.isfinite(found[0][:, -1].sum()):
                searched = block.search()
                if searched is None:
                    return None
                block = searched
                centre = provisional_centre(block, self._intercept) if self.centre is None else self.centre
                found = sums(block, centre)
        self.centre = centre
        self.counts.update(block)
        self._add(*found[:2])
        return block, found

    @staticmethod
    def sums(block: Block, centre: np.ndarray) -> Sums:
        """(high, low) of a block about a centre."""
        assert block.y is not None
        if hasattr(block.X, "tocsr"):
            return _sparse_gram(block.X.tocsr(), block.y, combined_weight(block), centre)
        return gram(block.X, block.y, combined_weight(block), centre)

    def merge(self, other: Self) -> None:
        self.counts.merge(other.counts)
        self._add(other.high, other.low)

    def _add(self, high: np.ndarray, low: np.ndarray) -> None:
        if self.high is None:
            self.high, self.low = high, low
            return
        with np.errstate(invalid="ignore", over="ignore"):
            self.high, lost = reference.two_sum(self.high, high)
            self.low = self.low + (lost + low)


def _sparse_gram(
    X: Any, Y: np.ndarray, weight: np.ndarray | None, centre: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """ZᵀWZ for a CSR matrix.

    Columns of X stay as they are (centre 0), so that zeros cost nothing; only where their means drown their
    deviations is a centre asked for, and rows are then made dense a few at a time.
    """
    n, p = X.shape
    if centre[:p].any():
        rows = max(1, (1 << 20) // max(p, 1))
        high, low = np.zeros((len(centre) + 1,) * 2), np.zeros((len(centre) + 1,) * 2)
        for a in range(0, n, rows):
            part = slice(a, a + rows)
            block, its_low = gram(
                X[part].toarray(), Y[part], None if weight is None else weight[part], centre
            )
            high, lost = reference.two_sum(high, block)
            low += lost + its_low
        return high, low
    rest = np.column_stack([Y - centre[p:], np.ones(n)])
    weighted = X if weight is None else X.multiply(weight[:, None]).tocsr()
    rest_weighted = rest if weight is None else rest * weight[:, None]
    cross = X.T @ rest_weighted
    high = np.block([[(weighted.T @ X).toarray(), cross], [cross.T, rest.T @ rest_weighted]])
    return high, np.zeros_like(high)


@final
class GradientStatistic(Statistic):
    """Σ w r x, Σ |w r x| and Σ w r² at one β, in double-double arithmetic."""

    def __init__(
        self,
        beta: np.ndarray,
        intercept: np.ndarray,
        beta_low: np.ndarray | None = None,
        intercept_low: np.ndarray | None = None,
        memo: dict[Any, Any] | None = None,
        precise: bool = True,
    ) -> None:
        self.beta, self.intercept, self._memo = beta, intercept, memo
        self._lows = beta_low, intercept_low
        self._precise = precise
        self.parts: list[Gradient] = []

    def update(self, block: Block) -> None:
        self.add(self.part(block))

    def part(self, block: Block) -> Gradient:
        """The sums of one block."""
        assert block.y is not None
        rows = block.X, block.y, self.beta, self.intercept, combined_weight(block)
        if block.X_low is not None or self._lows[0] is not None:
            return reference.gradient(*rows, True, self._memo, block.X_low, *self._lows)
        return gradient(*rows, self._precise, self._memo)

    def merge(self, other: Self) -> None:
        self.add(other.total())

    def add(self, part: Gradient) -> None:
        self.parts = [reference.add_gradients([*self.parts, part])] if self.parts else [part]

    def total(self) -> Gradient:
        return self.parts[0]


@final
class PilotStatistic(Statistic):
    """Second and first order in one reading, for rows that are costly to read again.

    Once `rows` rows are in, `pilot` turns their Gram matrix into a β near the solution; the gradient at that β is
    summed over all rows, those already read included.
    """

    searches = True

    def __init__(
        self, intercept: bool, rows: int, pilot: Callable[[GramStatistic], tuple[np.ndarray, np.ndarray]]
    ) -> None:
        self.second = GramStatistic(None, intercept)
        self.first: GradientStatistic | None = None
        self._rows, self._pilot = rows, pilot
        self._waiting: list[Block] = []

    def update(self, block: Block) -> None:
        first = self.first
        if first is None:
            if used := self.second.add_searched(block, self.second.sums):
                self._waiting.append(used[0])
            if self.second.counts.rows >= self._rows:
                self.finish()
            return

        def both(block: Block, centre: np.ndarray) -> Sums:
            if hasattr(block.X, "tocsr") or block.X_low is not None:
                return *self.second.sums(block, centre), first.part(block)
            assert block.y is not None
            return gram_and_gradient(
                block.X, block.y, first.beta, first.intercept, combined_weight(block), centre
            )

        if used := self.second.add_searched(block, both):
            first.add(used[1][2])

    def finish(self) -> GradientStatistic:
        """The gradient's statistic, begun if there were too few rows before."""
        if self.first is None:
            self.first = GradientStatistic(*self._pilot(self.second))
            for block in self._waiting:
                self.first.update(block)
            self._waiting = []
        return self.first

    def merge(self, other: Self) -> None:
        first, second = self.finish(), other.finish()
        if not (
            np.array_equal(first.beta, second.beta) and np.array_equal(first.intercept, second.intercept)
        ):
            raise ValueError("gradients at different β do not add; give all parts the same pilot")
        self.second.merge(other.second)
        first.merge(second)


@final
class TriangleStatistic(Statistic):
    """The triangular factor R of √W [1 | (X − c)/d | (Y − c)/d]; parts merge by another QR."""

    def __init__(self, centre: np.ndarray, scale: np.ndarray, columns: np.ndarray, intercept: bool) -> None:
        self.centre, self.scale, self.columns, self.intercept = centre, scale, columns, intercept
        self.R = np.zeros((0, int(intercept) + len(columns) + len(centre) - len(scale)))

    def update(self, block: Block) -> None:
        assert block.y is not None
        n = block.X.shape[0]
        k = len(self.columns)
        p = len(self.scale)
        rows = max(4096, 4 * self.R.shape[1])
        weight = combined_weight(block)
        for start in range(0, n, rows):
            part = slice(start, min(start + rows, n))
            X = dense(block.X[part])
            Z = np.ones((X.shape[0], self.R.shape[1]))
            first = int(self.intercept)
            Z[:, first : first + k] = (X[:, self.columns] - self.centre[self.columns]) / self.scale[
                self.columns
            ]
            Z[:, first + k :] = block.y[part] - self.centre[p:]
            if weight is not None:
                Z *= np.sqrt(weight[part])[:, None]
            self._reduce(Z)

    def merge(self, other: Self) -> None:
        self._reduce(other.R)

    def _reduce(self, rows: np.ndarray) -> None:
        self.R = np.asarray(np.linalg.qr(np.concatenate([self.R, rows]), mode="r"))


@final
class RangeStatistic(Statistic):
    """Largest magnitudes of each column of X and y, and where values are not finite."""

    def __init__(self, p: int, t: int) -> None:
        self.largest_x, self.largest_y = np.zeros(p), np.zeros(t)
        self.bad: dict[tuple[str, int], tuple[str, int]] = {}
        self.rows = 0

    def update(self, block: Block) -> None:
        assert block.y is not None
        X = block.X.toarray() if hasattr(block.X, "toarray") and min(block.X.shape) < 64 else block.X
        if hasattr(X, "tocsc"):
            X = X.tocsc()
            for j in range(X.shape[1]):
                column = X.data[X.indptr[j] : X.indptr[j + 1]]
                self._column("X", j, np.asarray(column, np.float64), self.largest_x)
        else:
            for j in range(X.shape[1]):
                self._column("X", j, np.asarray(X[:, j], np.float64), self.largest_x)
        for k in range(block.y.shape[1]):
            self._column("y", k, block.y[:, k], self.largest_y)
        self.rows += block.X.shape[0]

    def _column(self, where: str, j: int, values: np.ndarray, largest: np.ndarray) -> None:
        if not values.size:
            return
        top = float(np.max(np.abs(values)))
        if not np.isfinite(top):
            row = int(np.flatnonzero(~np.isfinite(values))[0])
            self.bad.setdefault(
                (where, j), ("NaN" if np.isnan(values).any() else "infinity", self.rows + row)
            )
            return
        largest[j] = max(largest[j], top)

    def merge(self, other: Self) -> None:
        for key, (what, row) in other.bad.items():
            self.bad.setdefault(key, (what, self.rows + row))
        self.largest_x = np.maximum(self.largest_x, other.largest_x)
        self.largest_y = np.maximum(self.largest_y, other.largest_y)
        self.rows += other.rows

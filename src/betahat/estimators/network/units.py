"""The units that columns are brought to: means and standard deviations, from rows that come part by part."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, final

import numpy as np

from betahat.errors import DataError

_CHUNK = 1 << 20  # numbers read at once
_SQUARES = 1e140  # numbers between it and its inverse have squares, and sums of them
_CONSTANT = 1e-14  # standard deviation, relative to the largest value, of a column that does not vary


@final
class Moments:
    """The weighted mean and variance of each column, as sums of squares about a running mean (Chan, Golub & LeVeque
    1983), so that a large mean costs no digits.

    >>> moments = Moments(1)
    >>> for part in ([[1e9], [1e9 + 2]], [[1e9 + 4]]):
    ...     moments.update(np.array(part), None)
    >>> moments.mean, moments.variance.round(12)
    (array([1.e+09]), array([2.66666667]))
    """

    def __init__(self, columns: int, *places: int) -> None:
        """places : how often a row has them, as the pixels of an image have channels."""
        self._mass, self._mean = 0.0, np.zeros(columns)
        self._squares, self._largest = np.zeros(columns), np.zeros(columns)
        self._waiting: list[tuple[np.ndarray, np.ndarray | None]] = []
        self._count, self._step = 0, rows_at_once((columns, *places))

    def update(self, X: Any, weight: np.ndarray | None) -> None:
        """Rows (k, …, columns) of any real type, of positive weight (k,). Sums do not depend on the parts they
        come in."""
        start, n = 0, X.shape[0]
        while start < n:
            part = slice(start, start + self._step - self._count)
            rows = np.array(X[part], np.float64)
            self._waiting.append((rows, None if weight is None else weight[part]))
            self._count, start = self._count + len(rows), part.stop
            if self._count == self._step:
                self._flush()

    def _flush(self) -> None:
        waiting, self._waiting, self._count = self._waiting, [], 0
        if waiting:
            rows, weights = zip(*waiting, strict=True)
            weight = None if weights[0] is None else np.concatenate(weights)
            self.add(np.concatenate(rows), weight)

    def add(self, rows: np.ndarray, weight: np.ndarray | None) -> None:
        """All at once."""
        if not len(rows):
            return
        part = rows.astype(np.float64).reshape(-1, len(self._mean))
        w = None if weight is None else np.repeat(weight, len(part) // len(rows))[:, None]
        own = float(len(part) if w is None else w.sum())
        here = _total(part, w) / own
        part -= here
        miss = (
            _total(part, w) / own
        )  # of the mean, which rounding makes where it is large beside the differences
        here, part = here + miss, part - miss
        shift = here - self._mean
        self._squares += _total(part * part, w) + shift * shift * (self._mass * own / (self._mass + own))
        self._mean += shift * (own / (self._mass + own))
        self._mass += own
        self._largest = np.maximum(self._largest, np.abs(here) + np.abs(part).max(axis=0))

    @property
    def mass(self) -> float:
        """Σ w."""
        self._flush()
        return self._mass

    @property
    def mean(self) -> np.ndarray:
        """Σ w x / Σ w."""
        self._flush()
        return self._mean

    @property
    def variance(self) -> np.ndarray:
        """Σ w (x − mean)² / Σ w."""
        self._flush()
        return self._squares / self._mass

    @property
    def largest(self) -> np.ndarray:
        """A bound on |x|, not far from the largest."""
        self._flush()
        return self._largest

    @property
    def units(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation, which is 0 for a column that does not vary."""
        deviation = np.sqrt(self.variance)
        return self.mean, np.where(deviation > _CONSTANT * self._largest, deviation, 0.0)


@final
class SparseMoments:
    """The same of CSR rows, whose means are left where they are, so that zeros stay unstored."""

    def __init__(self, columns: int) -> None:
        self.mass, self._sum, self._squares = 0.0, np.zeros(columns), np.zeros(columns)
        self.largest = np.zeros(columns)

    def update(self, X: Any, weight: np.ndarray | None) -> None:
        """Rows of positive weight (n,)."""
        part = X.astype(np.float64)
        w = np.ones(X.shape[0]) if weight is None else weight
        self.mass += float(w.sum())
        self._sum += part.T @ w
        self._squares += part.multiply(part).T @ w
        if part.shape[0]:
            self.largest = np.maximum(self.largest, abs(part).max(axis=0).toarray().ravel())

    @property
    def units(self) -> tuple[np.ndarray, np.ndarray]:
        """Zeros, and standard deviations."""
        mean, squares = self._sum / self.mass, self._squares / self.mass
        variance = np.maximum(squares - mean * mean, 0.0)
        return np.zeros(len(mean)), np.where(variance > 1e-12 * squares, np.sqrt(variance), 0.0)


def units_of(
    X: Any, which: np.ndarray, weight: np.ndarray | None, coded: tuple[int, ...] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """The weighted mean and 1 / standard deviation of each column (p,), over the rows `which`; 0 and 1 for columns
    of codes, and 1 for what does not vary. Rows of several axes have those of their last one, the channels.

    Of a sparse matrix the means are 0, so that it stays sparse. Raises DataError where differences leave the range of
    double precision.
    """
    with np.errstate(all="ignore"):
        moments, unit = _moments(X, which, weight, None), np.ones(X.shape[-1])
        size = moments.largest
        odd = ~((size == 0) | ((size > 1 / _SQUARES) & (size < _SQUARES)))
        if odd.any():  # by a power of two, which changes no digit
            power = np.frexp(_largest(X, which))[1]
            unit = np.where(odd, np.ldexp(1.0, -np.clip(power, -1020, 1020)), 1.0)
            moments = _moments(X, which, weight, unit)
        size = 2 * moments.largest / unit  # of differences
    return as_units(moments.units, coded, X.shape[1:], unit, size)


def _moments(
    X: Any, which: np.ndarray, weight: np.ndarray | None, unit: np.ndarray | None
) -> Moments | SparseMoments:
    """Of the rows `which`, times units where there are any."""
    if hasattr(X, "tocsr"):
        sparse, part = SparseMoments(X.shape[1]), X[which]
        part = part if unit is None else part.astype(np.float64).multiply(unit).tocsr()
        sparse.update(part, None if weight is None else weight[which])
        return sparse
    moments = Moments(X.shape[-1])
    for rows in _parts(X, which):
        part = X[rows] if unit is None else X[rows].astype(np.float64) * unit
        moments.add(part, None if weight is None else weight[rows])
    return moments


def _largest(X: Any, which: np.ndarray) -> np.ndarray:
    """max |x| of each column, over the rows."""
    if hasattr(X, "tocsr"):
        return abs(X[which]).max(axis=0).toarray().ravel().astype(np.float64)
    found = np.zeros(X.shape[-1])
    for rows in _parts(X, which):
        part = np.abs(X[rows].astype(np.float64)).reshape(-1, X.shape[-1])
        found = np.maximum(found, part.max(axis=0))
    return found


def _parts(X: Any, which: np.ndarray) -> Iterator[np.ndarray]:
    """Some rows at a time."""
    step = rows_at_once(X.shape[1:])
    for start in range(0, len(which), step):
        yield which[start : start + step]


def as_units(
    found: tuple[np.ndarray, np.ndarray],
    coded: tuple[int, ...],
    shape: tuple[int, ...],
    unit: np.ndarray | float = 1.0,
    size: np.ndarray | float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """What is subtracted, and what the difference is multiplied by, for rows of a shape.

    found : mean and standard deviation of columns that were multiplied by `unit`; size : of differences

    Raises DataError where these leave the range of double precision.
    """
    centre, deviation = found[0].copy(), found[1].copy()
    deviation[list(coded)] = 0.0
    centre[list(coded)] = 0.0
    with np.errstate(all="ignore"):
        scale = np.where(deviation > 0, unit / np.where(deviation > 0, deviation, 1.0), 1.0)
        centre = centre / unit
    lost = ~np.isfinite(centre + deviation + scale + size)
    if lost.any():
        raise DataError(
            f"column {int(np.flatnonzero(lost)[0])} of X (from 0) holds numbers near the end of what double precision "
            "has, whose differences or squares leave it; multiply it by a constant that brings it near 1"
        )
    return np.broadcast_to(centre, shape).copy(), np.broadcast_to(scale, shape).copy()


def rows_at_once(shape: tuple[int, ...]) -> int:
    """Rows of a shape that are few enough for temporary copies."""
    return max(1, _CHUNK // max(int(np.prod(shape)), 1))


def _total(part: np.ndarray, w: np.ndarray | None) -> np.ndarray:
    """Σ w x over rows."""
    return np.add.reduce(part if w is None else w * part, axis=0)

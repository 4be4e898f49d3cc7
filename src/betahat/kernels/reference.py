"""What each kernel must equal, in plain NumPy: the oracle of the tests, and what runs small problems.

Gradients are computed by splitting every number into slices of a few bits, so short that matrix products of slices
are exact in double precision; the exact products are then added in double-double (Ozaki, Ogita, Oishi & Rump 2012).
Works for dense arrays and scipy.sparse matrices alike.
"""

from __future__ import annotations

from typing import Any, NamedTuple, final

import numpy as np

_ROWS = 4096  # rows whose products are added exactly at a time


def two_sum(a: Any, b: Any) -> tuple[Any, Any]:
    """s + e = a + b exactly (Knuth 1969)."""
    s = a + b
    z = s - a
    return s, (a - (s - z)) + (b - z)


def two_product(a: Any, b: Any) -> tuple[Any, Any]:
    """p + e = a·b exactly, without a fused multiply–add (Dekker 1971)."""
    p = a * b
    t = a * 134217729.0
    ah = t - (t - a)
    al = a - ah
    t = b * 134217729.0
    bh = t - (t - b)
    bl = b - bh
    return p, ((ah * bh - p) + ah * bl + al * bh) + al * bl


def gram(
    X: np.ndarray, Y: np.ndarray, weight: np.ndarray | None, centre: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """ZᵀWZ of Z = [X − c | Y − c | 1]; the second part (what rounding lost) is zero here."""
    n, p = X.shape
    q = p + Y.shape[1] + 1
    Z = np.ones((n, q), centre.dtype)
    np.subtract(X, centre[:p], out=Z[:, :p])
    np.subtract(Y, centre[p:], out=Z[:, p : q - 1])
    product = Z.T @ (Z if weight is None else Z * weight[:, None])
    return product.astype(centre.dtype, copy=False), np.zeros((q, q), centre.dtype)


class Gradient(NamedTuple):
    """Σᵢ wᵢ rᵢ xᵢ with r = y − β₀ − Xβ, as `high` + `low` (t, p + 1), the intercept's first; Σᵢ |wᵢ rᵢ xᵢ|; Σ w r²."""

    high: np.ndarray
    low: np.ndarray
    magnitude: np.ndarray
    loss: np.ndarray


def slices(high: np.ndarray, low: np.ndarray | None, bits: int, most: int = 118) -> list[np.ndarray]:
    """high + low, all at most 1 in magnitude, as a sum of arrays of multiples of 2⁻ᵇ, 2⁻²ᵇ, … with b bits each.

    Stops where nothing is left or `most` bits are told.
    """
    parts, unit, rest = [], 1.0, high
    while True:
        shift = unit * (1.5 * 2.0 ** (52 - bits))
        part = (rest + shift) - shift
        parts.append(part)
        told = len(parts) * bits
        rest = rest - part
        if low is not None and told > 53:
            rest, low = rest + low, None
        if told >= most or (low is None and told >= 53 - bits and not rest.any()):
            return parts
        unit *= 2.0**-bits


def power_of_two(magnitude: np.ndarray) -> np.ndarray:
    """The power of two above each magnitude; 1 for zeros (whose exponent is 0)."""
    return np.ldexp(1.0, np.frexp(magnitude)[1])


def _add_groups(products: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sum products[i, j], exact and each i + j of one magnitude, into high + low.

    Only the first three magnitudes need an exact sum: the rest lie below their rounding errors' rounding.
    """
    first, second = products.shape[:2]
    groups = []
    for group in range(first + second - 1):
        start, stop = max(0, group - second + 1), min(first - 1, group)
        total = products[start, group - start]
        for i in range(start + 1, stop + 1):
            total = total + products[i, group - i]
        groups.append(total)
    low: Any = 0.0
    for total in reversed(groups[3:]):
        low = low + total
    high = groups[0]
    for total in groups[1:3]:
        high, lost = two_sum(high, total)
        low = low + lost
    return two_sum(high, low)


@final
class _DenseSlices:
    """X = Σ slices · scale, laid out so that Xβ and Xᵀu are one matrix product each."""

    def __init__(self, X: np.ndarray, scale: np.ndarray, bits: int, low: np.ndarray | None = None) -> None:
        self.scale, self.bits = scale, bits
        parts = slices(X / scale, None if low is None else low / scale, bits)
        self.count = len(parts)
        self.stack = np.stack(parts, axis=1) if len(parts) > 1 else parts[0][:, None, :]
        self.n, _, self.p = self.stack.shape
        self._absolute = np.abs(X)

    def times(self, B: np.ndarray) -> np.ndarray:
        """(p, k) → (slices, n, k)."""
        stacked = self.stack.reshape(self.n * self.count, self.p)
        return (stacked @ B).reshape(self.n, self.count, B.shape[1]).swapaxes(0, 1)

    def transposed_times(self, U: np.ndarray) -> np.ndarray:
        """(n, k) → (slices, p, k)."""
        stacked = self.stack.reshape(self.n, self.count * self.p)
        return (stacked.T @ U).reshape(self.count, self.p, U.shape[1])

    def magnitude(self, U: np.ndarray) -> np.ndarray:
        return self._absolute.T @ U


@final
class _SparseSlices:
    """The same for a scipy.sparse CSR matrix."""

    def __init__(self, X: Any, scale: np.ndarray, bits: int, low: None = None) -> None:
        self.scale, self.bits = scale, bits
        data = X.data / scale[X.indices]
        self.parts = [
            type(X)((part, X.indices, X.indptr), shape=X.shape) for part in slices(data, None, bits)
        ]
        self.count = len(self.parts)
        self._absolute = abs(X)

    def times(self, B: np.ndarray) -> np.ndarray:
        return np.stack([part @ B for part in self.parts])

    def transposed_times(self, U: np.ndarray) -> np.ndarray:
        return np.stack([part.T @ U for part in self.parts])

    def magnitude(self, U: np.ndarray) -> np.ndarray:
        return self._absolute.T @ U


def _split_columns(
    high: np.ndarray, low: np.ndarray | None, bits: int, most: int = 118
) -> tuple[np.ndarray, np.ndarray]:
    """(k, t) numbers as (k, slices · t) slices, and the power of two each column was divided by."""
    scale = power_of_two(np.abs(high).max(axis=0, initial=0.0))
    parts = slices(high / scale, None if low is None else low / scale, bits, most)
    return np.concatenate(parts, axis=1), scale


def _exact(products: np.ndarray, t: int) -> tuple[np.ndarray, np.ndarray]:
    count, rows, columns = products.shape
    return _add_groups(products.reshape(count, rows, columns // t, t).swapaxes(1, 2))


def column_scale(X: Any) -> np.ndarray:
    """A power of two above the largest magnitude in each column."""
    if X.shape[0] == 0:
        return np.ones(X.shape[1])
    if hasattr(X, "tocsr"):
        largest = abs(X).max(axis=0)
        return power_of_two(np.asarray(largest.toarray(), dtype=np.float64).ravel())
    return power_of_two(np.maximum(X.max(axis=0), -X.min(axis=0)))


def prepare(X: Any, X_low: Any = None) -> _DenseSlices | _SparseSlices:
    """The slices of a block of at most `_ROWS` rows, which every gradient at any β needs."""
    n, p = X.shape
    bits = (53 - int(np.ceil(np.log2(8 * max(n, p, 2))))) // 2
    kind = _SparseSlices if hasattr(X, "tocsr") else _DenseSlices
    return kind(X, column_scale(X), bits, X_low)


def gradient(
    X: Any, Y: np.ndarray, beta: np.ndarray, intercept: np.ndarray, weight: np.ndarray | None,
    precise: bool = True, memo: dict[Any, Any] | None = None, X_low: np.ndarray | None = None,
    beta_low: np.ndarray | None = None, intercept_low: np.ndarray | None = None,
) -> Gradient:  # fmt: skip
    """Σᵢ wᵢ (yᵢ − β₀ − xᵢᵀβ) xᵢ for every target, correct to about 100 bits of the largest product.

    X : (n, p) float64 array or CSR matrix; Y : (n, t); beta : (t, p); intercept : (t,); weight : (n,) or None.
    `memo`, a dictionary that belongs to this X, keeps its slices for the next call. The `…_low` are second halves of
    numbers given in two doubles.
    """
    n = X.shape[0]
    t = Y.shape[1]
    if n > _ROWS:
        parts = [
            gradient(X[a : a + _ROWS], Y[a : a + _ROWS], beta, intercept,
                     None if weight is None else weight[a : a + _ROWS], precise, None,
                     None if X_low is None else X_low[a : a + _ROWS], beta_low, intercept_low)
            for a in range(0, n, _ROWS)
        ]  # fmt: skip
        return add_gradients(parts)
    sliced = None if memo is None else memo.get("slices")
    if sliced is None:
        sliced = prepare(X, X_low)
        if memo is not None:
            memo["slices"] = sliced
    scale = sliced.scale[:, None]
    B, unit = _split_columns(beta.T * scale, None if beta_low is None else beta_low.T * scale, sliced.bits)
    fitted, error = _exact(sliced.times(B), t)
    total, lost = two_sum(Y, -intercept)
    if intercept_low is not None:
        lost = lost - intercept_low
    residual, more = two_sum(total, -fitted * unit)
    residual, lost = two_sum(residual, lost + (more - error * unit))
    high, low = residual, lost
    if weight is not None:
        column = weight[:, None]
        high, low = two_product(column, residual)
        high, low = two_sum(high, low + column * lost)
    U, unit = _split_columns(high, low, sliced.bits, 118 if precise else 80)
    g, e = _exact(sliced.transposed_times(U), t)
    sums = U.sum(axis=0).reshape(-1, t)  # exact: a slice has few bits
    first, first_error = sums[0], 0.0
    for piece in sums[1:]:
        first, lost = two_sum(first, piece)
        first_error = first_error + lost
    absolute = np.abs(high)
    highs, lows = np.empty((t, len(scale) + 1)), np.empty((t, len(scale) + 1))
    highs[:, 0], lows[:, 0] = first * unit, first_error * unit
    unit = unit * scale
    highs[:, 1:], lows[:, 1:] = (g * unit).T, (e * unit).T
    magnitudes = np.empty_like(highs)
    magnitudes[:, 0], magnitudes[:, 1:] = absolute.sum(axis=0), sliced.magnitude(absolute).T
    return Gradient(highs, lows, magnitudes, (high * residual).sum(axis=0))


def add_gradients(parts: list[Gradient]) -> Gradient:
    """Sums of sums, in the order given."""
    high, low, magnitude, loss = parts[0]
    lost_loss: Any = 0.0
    for part in parts[1:]:
        high, lost = two_sum(high, part.high)
        low = low + (lost + part.low)
        magnitude = magnitude + part.magnitude
        loss, lost = two_sum(loss, part.loss)
        lost_loss = lost_loss + lost
    return Gradient(high, low, magnitude, loss + lost_loss)


def exact_product(
    A: np.ndarray, A_low: np.ndarray | None, B: np.ndarray, B_low: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """(A + A_low)ᵀ (B + B_low) as high + low, to about 100 bits of each column's largest product.

    >>> import numpy as np
    >>> a = np.array([[1e16], [1.0], [-1e16]])
    >>> exact_product(a, None, np.ones((3, 1)), None)[0]
    array([[1.]])
    """
    n, p = A.shape
    q = B.shape[1]
    bits = (53 - int(np.ceil(np.log2(16 * max(n, 2))))) // 2
    left, left_scale = _split_columns(A, A_low, bits)
    right, right_scale = _split_columns(B, B_low, bits)
    products = (left.T @ right).reshape(-1, p, right.shape[1])
    high, low = _exact(products, q)
    unit = left_scale[:, None] * right_scale
    return high * unit, low * unit


def exact_gram(
    X: np.ndarray, weight: np.ndarray | None, centre: np.ndarray, scale: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """ZᵀWZ of Z = [(X − c) / scale | 1] as high + low, exact to about 100 bits; `scale` holds powers of two."""
    n, p = X.shape
    if n > _ROWS:
        high, low = np.zeros((p + 1, p + 1)), np.zeros((p + 1, p + 1))
        for a in range(0, n, _ROWS):
            part = exact_gram(
                X[a : a + _ROWS], None if weight is None else weight[a : a + _ROWS], centre, scale
            )
            high, lost = two_sum(high, part[0])
            low = low + (lost + part[1])
        return high, low
    Z, error = np.ones((n, p + 1)), np.zeros((n, p + 1))
    deviation, lost = two_sum(np.asarray(X, np.float64), -centre)
    Z[:, :p], error[:, :p] = deviation / scale, lost / scale
    if weight is None:
        return exact_product(Z, error, Z, error)
    W, W_low = two_product(weight[:, None], Z)
    return exact_product(Z, error, W, W_low + weight[:, None] * error)

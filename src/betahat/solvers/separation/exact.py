"""Signs of x·δ without a doubt, for rows of doubles and a rational δ.

Three steps, each for the rows that the one before leaves open: doubles with a bound on their rounding; sums whose
rounding errors are carried along, which are exact for most tables (error-free transforms: Dekker 1971; Ogita, Rump &
Oishi 2005); rational arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

EPS = float(np.finfo(float).eps)
_SPLITTER = 134217729.0  # 2²⁷ + 1
_LEAST, _MOST = 1e-250, 1e250  # sizes of products whose rounding errors are themselves doubles


def fractions(values: np.ndarray) -> np.ndarray:
    """Doubles as an array of Fractions, exactly."""
    flat = [Fraction(float(v)) for v in values.ravel()]
    found = np.empty(len(flat), object)
    found[:] = flat
    return found.reshape(values.shape)


def doubles(vector: np.ndarray) -> np.ndarray:
    """Fractions rounded to doubles; infinite beyond their range."""
    return np.array([_double(v) for v in vector.ravel()], float).reshape(vector.shape)


def _double(value: Fraction) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def short(values: np.ndarray, bits: int) -> np.ndarray:
    """Each double rounded to so many bits."""
    mantissa, exponent = np.frexp(values)
    return np.ldexp(np.round(np.ldexp(mantissa, bits)), exponent - bits)


def signs(X: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """The sign of each row of X (k, m) float64 times `direction`, (m,) Fractions: (k,) of −1, 0, 1."""
    used = np.flatnonzero(direction != 0)
    if not len(used):
        return np.zeros(len(X), np.int8)
    X, direction = X[:, used], direction[used]
    numbers = doubles(direction / max(abs(v) for v in direction))
    with np.errstate(all="ignore"):  # what is not finite is unsure
        value, size = X @ numbers, np.abs(X) @ np.abs(numbers)
    found = np.sign(np.nan_to_num(value)).astype(np.int8)
    # products below the smallest double lose all; `size` of such rows is no measure
    unsure = ~((np.abs(value) > (len(used) + 6) * EPS * size + _LEAST) & np.isfinite(size)) & (X != 0).any(1)
    found[~(X != 0).any(1)] = 0
    rows = np.flatnonzero(unsure)
    if len(rows):
        parts = _parts(direction)
        if parts is None:
            found[rows] = _rational(X[rows], direction)
            return found
        some, open_ = _carried(X[rows], parts)
        if open_.any():
            some[open_] = _rational(X[rows[open_]], direction)
        found[rows] = some
    return found


def _parts(direction: np.ndarray) -> list[np.ndarray] | None:
    """Doubles that add up to the direction exactly, up to a common positive factor; None where there are none."""
    common = 1
    for value in direction:
        common = common * value.denominator // _gcd(common, value.denominator)
    rest = [value.numerator * (common // value.denominator) for value in direction]
    shift = max(abs(v).bit_length() for v in rest)
    scale = Fraction(1, 2**shift)
    left = [v * scale for v in rest]
    parts: list[np.ndarray] = []
    for _ in range(4):
        part = np.array([float(v) for v in left])
        if (np.abs(part[part != 0]) < _LEAST).any():
            return None
        parts.append(part)
        left = [v - Fraction(p) for v, p in zip(left, part.tolist(), strict=True)]
        if not any(left):
            return parts
    return None


def _gcd(a: int, b: int) -> int:
    while b:
        a, b = b, a % b
    return a


def _two_sum(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    total = a + b
    back = total - a
    return total, (a - (total - back)) + (b - back)


def _split(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    c = _SPLITTER * a
    high = c - (c - a)
    return high, a - high


def _carried(X: np.ndarray, parts: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Signs, and which rows remain open."""
    high, low, lost = (np.zeros(len(X)) for _ in range(3))
    open_ = ~((np.abs(X) < _MOST) & ((np.abs(X) > _LEAST) | (X == 0))).all(1)
    with np.errstate(all="ignore"):  # rows beyond these sizes are open anyway
        for part in parts:
            for j, coefficient in enumerate(part.tolist()):
                if coefficient == 0:
                    continue
                x = X[:, j]
                product = x * coefficient
                open_ |= (np.abs(product) < _LEAST) & (x != 0)
                (x1, x2), (c1, c2) = _split(x), _split(np.array(coefficient))
                rounding = x2 * c2 - (((product - x1 * c1) - x2 * c1) - x1 * c2)
                high, error = _two_sum(high, product)
                for term in (error, rounding):
                    low, missed = _two_sum(low, term)
                    lost += np.abs(missed)
        total, rest = _two_sum(high, low)
        # the sign of a sum of two doubles is that of the rounded sum, exactly
        open_ |= ~((lost == 0) | (np.abs(total) - np.abs(rest) > 2 * lost))
    return np.sign(total).astype(np.int8), open_


def _rational(X: np.ndarray, direction: np.ndarray) -> np.ndarray:
    rows, which = np.unique(X, axis=0, return_inverse=True)
    coefficients = list(direction)
    found = []
    for row in rows.tolist():
        value = sum((Fraction(x) * c for x, c in zip(row, coefficients, strict=True) if x), Fraction(0))
        found.append((value > 0) - (value < 0))
    return np.array(found, np.int8)[which.ravel()]


def null_space(rows: np.ndarray) -> np.ndarray:
    """All v with row·v = 0, for (k, m) doubles: (m − rank, m) Fractions in reduced form.

    Later columns are the free ones: vector i is 1 in its own free column and 0 in the others'.
    """
    m = rows.shape[1]
    echelon: dict[int, dict[int, Fraction]] = {}
    for values in np.unique(rows, axis=0).tolist():
        row = {j: Fraction(v) for j, v in enumerate(values) if v}
        for j, other in echelon.items():  # the others are zero in each other's pivots
            if j in row:
                _subtract(row, other, row[j])
        if not row:
            continue
        pivot = min(row)
        inverse = 1 / row[pivot]
        row = {j: v * inverse for j, v in row.items()}
        for other in echelon.values():
            if pivot in other:
                _subtract(other, row, other[pivot])
        echelon[pivot] = row
        if len(echelon) == m:
            break
    free = [j for j in range(m) if j not in echelon]
    found = np.full((len(free), m), Fraction(0), object)
    for i, j in enumerate(free):
        found[i, j] = Fraction(1)
        for pivot, row in echelon.items():
            found[i, pivot] = -row.get(j, Fraction(0))
    return found


def _subtract(row: dict[int, Fraction], other: dict[int, Fraction], factor: Fraction) -> None:
    for j, v in other.items():
        value = row.get(j, Fraction(0)) - factor * v
        if value:
            row[j] = value
        else:
            row.pop(j, None)

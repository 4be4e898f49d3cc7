"""Rows that lie as columns in separate places: an Arrow batch without a copy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, final

import numpy as np


@final
class Columns:
    """A matrix (n, p) given by p contiguous float64 arrays of n values.

    >>> import numpy as np
    >>> X = Columns([np.array([1.0, 2.0]), np.array([3.0, 4.0])])
    >>> X.shape, np.asarray(X[1:]).tolist()
    ((2, 2), [[2.0, 4.0]])
    """

    dtype = np.dtype(np.float64)

    def __init__(self, arrays: Sequence[np.ndarray]) -> None:
        self.arrays = [np.ascontiguousarray(array, np.float64) for array in arrays]
        self.shape = (len(self.arrays[0]) if self.arrays else 0, len(self.arrays))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> Any:
        if isinstance(rows, slice):
            return Columns([array[rows] for array in self.arrays])
        if isinstance(rows, tuple):
            which, column = rows
            return self.arrays[column][which]
        return np.column_stack([array[rows] for array in self.arrays])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.column_stack(self.arrays).astype(dtype or np.float64, copy=False)

    def addresses(self) -> np.ndarray:
        """Where each column begins, (p,) int64."""
        return np.array([array.ctypes.data for array in self.arrays], dtype=np.int64)


_NONE = np.zeros(0, np.int64)


def layout(X: Any) -> tuple[int, int, int, bool, np.ndarray]:
    """How kernels read X: address, strides in bytes, whether float32, and the columns' addresses where each is
    contiguous (then the address is an offset, 0)."""
    if isinstance(X, Columns):
        return 0, 8, 0, False, X.addresses()
    rows, columns = X.strides
    if X.dtype == np.float64 and rows == 8 and columns != 8:
        return 0, 8, 0, False, X.ctypes.data + columns * np.arange(X.shape[1], dtype=np.int64)
    return X.ctypes.data, rows, columns, X.dtype == np.float32, _NONE


def rows_of(X: Any, Y: np.ndarray, weight: np.ndarray | None) -> Callable[[int, int], tuple[Any, ...]]:
    """What compiled kernels are told of rows start … stop − 1; Y (n, t) and weight (n,) contiguous float64."""
    (p, t), (at, row_stride, column_stride, single, table) = (X.shape[1], Y.shape[1]), layout(X)
    y, w = Y.ctypes.data, 0 if weight is None else weight.ctypes.data

    def between(start: int, stop: int) -> tuple[Any, ...]:
        return (
            at + start * row_stride, row_stride, column_stride, single, table,
            y + start * t * 8, w + start * 8 if w else 0, stop - start, p, t,
        )  # fmt: skip

    return between


def is_native_float(X: Any) -> bool:
    """Whether compiled kernels can read X where it lies."""
    if isinstance(X, Columns):
        return True
    dtype: np.dtype = X.dtype
    return dtype in (np.float64, np.float32) and bool(dtype.isnative) and bool(X.flags.aligned)

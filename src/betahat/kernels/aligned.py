"""Memory that begins with a cache line, so that no register is loaded across two."""

from __future__ import annotations

from typing import Any

import numpy as np

_LINE = 64  # bytes


def aligned(shape: int | tuple[int, ...], dtype: Any = np.float64) -> np.ndarray:
    """Zeros."""
    count, size = int(np.prod(shape)), np.dtype(dtype).itemsize
    whole = np.zeros(count + _LINE // size, dtype)
    skip = -whole.ctypes.data % _LINE // size
    return whole[skip : skip + count].reshape(shape)

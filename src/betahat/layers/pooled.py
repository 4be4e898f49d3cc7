"""The numbers of windows brought to one: the largest, or the sum; and where slopes go back to."""

from __future__ import annotations

from typing import Any

import numpy as np

from betahat.autodiff.rules.shapes import call_any
from betahat.autodiff.table import linear
from betahat.layers.windows import Windows

_EVERY = slice(None)


def largest(x: np.ndarray, windows: Windows) -> np.ndarray:
    """Which number of each window is the largest, the first of equal ones, (n, *output, C) of whole numbers; NaN is
    larger than any. Numbers beyond x do not count."""
    shape = (x.shape[0], *windows.output, x.shape[-1])
    which = np.zeros(shape, np.uint8 if windows.numbers <= 256 else np.int32)
    best, begun = np.full(shape, -np.inf, x.dtype), np.zeros((*windows.output, 1), bool)
    for number, where, within in windows.places():
        seen, most = x[(_EVERY, *within)], best[(_EVERY, *where)]
        better = (seen > most) | ~begun[where] | (np.isnan(seen) & ~np.isnan(most))
        np.copyto(most, seen, where=better)
        which[(_EVERY, *where)][better] = number
        begun[where] = True
    return which


def taken(x: Any, which: np.ndarray, windows: Windows) -> Any:
    """Of each window the number that `which` says, (n, *output, C)."""
    return call_any(take, x, which, windows)


def put(slope: Any, which: np.ndarray, windows: Windows) -> Any:
    """The transpose: zeros (n, *sizes, C) to which slopes are added where their numbers were taken."""
    return call_any(put_back, slope, which, windows)


def sums(x: Any, windows: Windows) -> Any:
    """The sum of each window, (n, *output, C); numbers beyond x are 0."""
    return call_any(add, x, windows)


def shared(slope: Any, windows: Windows) -> Any:
    """The transpose: each slope added to all places of its window, (n, *sizes, C)."""
    return call_any(add_back, slope, windows)


def take(x: Any, which: np.ndarray, windows: Windows) -> Any:
    """:func:`taken` of an array."""
    y = np.zeros(which.shape, x.dtype)
    for number, where, within in windows.places():
        hit = which[(_EVERY, *where)] == number
        np.copyto(y[(_EVERY, *where)], x[(_EVERY, *within)], where=hit)
    return y


def put_back(slope: Any, which: np.ndarray, windows: Windows) -> Any:
    """:func:`put` of an array."""
    dx = np.zeros((which.shape[0], *windows.sizes, which.shape[-1]), slope.dtype)
    for number, where, within in windows.places():
        hit = which[(_EVERY, *where)] == number
        dx[(_EVERY, *within)] += np.where(hit, slope[(_EVERY, *where)], 0.0)
    return dx


def add(x: Any, windows: Windows) -> Any:
    """:func:`sums` of an array."""
    y = np.zeros((x.shape[0], *windows.output, x.shape[-1]), x.dtype)
    for _, where, within in windows.places():
        y[(_EVERY, *where)] += x[(_EVERY, *within)]
    return y


def add_back(slope: Any, windows: Windows) -> Any:
    """:func:`shared` of an array."""
    dx = np.zeros((slope.shape[0], *windows.sizes, slope.shape[-1]), slope.dtype)
    for _, where, within in windows.places():
        dx[(_EVERY, *within)] += slope[(_EVERY, *where)]
    return dx


linear(take, lambda g, y, x, which, windows: put(g, which, windows))
linear(put_back, lambda g, y, slope, which, windows: taken(g, which, windows))
linear(add, lambda g, y, x, windows: shared(g, windows))
linear(add_back, lambda g, y, slope, windows: sums(g, windows))

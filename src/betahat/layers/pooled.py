"""The numbers of windows brought to one: the largest, or the sum; and where slopes go back to."""

from __future__ import annotations

from typing import Any

import numpy as np

from betahat.autodiff.primitive import dispatched
from betahat.autodiff.table import linear
from betahat.autodiff.trace import untraced
from betahat.layers.base import size_of, total
from betahat.layers.windows import Windows

_EVERY = slice(None)


def largest(x: Any, windows: Windows) -> tuple[Any, np.ndarray]:
    """The largest number of each window, (n, *output, C), and which of the window's numbers it is: the first of equal
    ones; NaN is larger than any. Numbers beyond x do not count."""
    plain = untraced(x)
    most, which = _largest(plain, windows)
    return (most if plain is x else taken(x, which, windows)), which


def _largest(x: np.ndarray, windows: Windows) -> tuple[np.ndarray, np.ndarray]:
    shape = (x.shape[0], *windows.output, x.shape[-1])
    most, which = np.full(shape, -np.inf, x.dtype), np.zeros(shape, _number_type(windows))
    which += _firsts(windows)
    holed = bool(np.isnan(x).any())
    for number, where, within in windows.places():
        seen, best = x[(_EVERY, *within)], most[(_EVERY, *where)]
        better = seen > best
        if holed:
            better |= np.isnan(seen) & ~np.isnan(best)
        np.maximum(best, seen, out=best)
        held = which[(_EVERY, *where)]
        held += better * (
            which.dtype.type(number) - held
        )  # without a branch for each number; whole numbers wrap
    return most, which


def _number_type(windows: Windows) -> Any:
    return np.uint8 if windows.numbers <= 256 else np.int32


def _firsts(windows: Windows) -> np.ndarray:
    """The first number of each window that lies within the array, (*output, 1)."""
    found = np.zeros((*windows.output, 1), _number_type(windows))
    for number, where, _ in reversed(list(windows.places())):
        found[where] = number
    return found


@dispatched
def taken(x: Any, which: np.ndarray, windows: Windows) -> Any:
    """Of each window the number that `which` says, (n, *output, C)."""
    y = np.zeros(which.shape, x.dtype)
    for number, where, within in windows.places():
        hit = which[(_EVERY, *where)] == number
        np.copyto(y[(_EVERY, *where)], x[(_EVERY, *within)], where=hit)
    return y


@dispatched
def put(slope: Any, which: np.ndarray, windows: Windows) -> Any:
    """The transpose: zeros (n, *sizes, C) to which slopes are added where their numbers were taken."""
    dx = np.zeros((which.shape[0], *windows.sizes, which.shape[-1]), slope.dtype)
    finite = bool(np.isfinite(slope).all())
    for number, where, within in windows.places():
        hit, part = which[(_EVERY, *where)] == number, slope[(_EVERY, *where)]
        dx[(_EVERY, *within)] += part * hit if finite else np.where(hit, part, 0.0)  # 0 · ∞ is no 0
    return dx


@dispatched
def sums(x: Any, windows: Windows) -> Any:
    """The sum of each window, (n, *output, C); numbers beyond x are 0."""
    y = np.zeros((x.shape[0], *windows.output, x.shape[-1]), x.dtype)
    for _, where, within in windows.places():
        y[(_EVERY, *where)] += x[(_EVERY, *within)]
    return y


@dispatched
def shared(slope: Any, windows: Windows) -> Any:
    """The transpose: each slope added to all places of its window, (n, *sizes, C)."""
    dx = np.zeros((slope.shape[0], *windows.sizes, slope.shape[-1]), slope.dtype)
    for _, where, within in windows.places():
        dx[(_EVERY, *within)] += slope[(_EVERY, *where)]
    return dx


linear(taken, lambda g, y, x, which, windows: put(g, which, windows))
linear(put, lambda g, y, slope, which, windows: taken(g, which, windows))
linear(sums, lambda g, y, x, windows: shared(g, windows))
linear(shared, lambda g, y, slope, windows: sums(g, windows))


def weights_of(windows: Windows, count_include_pad: bool, dtype: Any) -> np.ndarray:
    """1 / how many numbers each window counts, (*output, 1): those within the array, or all of it."""
    counts = np.full(windows.output, windows.numbers) if count_include_pad else windows.counts()
    return (1.0 / counts).astype(dtype)[..., None]


def mean_of_places(x: Any) -> Any:
    """The mean of each channel over all places of a row, (n, C)."""
    return total(x, tuple(range(1, len(x.shape) - 1))) / size_of(x.shape[1:-1])


def most_of_places(x: Any) -> tuple[Any, np.ndarray]:
    """The largest number of each channel over all places of a row, (n, C), and its place, (n, 1, C)."""
    n, channels = x.shape[0], x.shape[-1]
    flat = np.reshape(x, (n, size_of(x.shape[1:-1]), channels))
    which = np.argmax(untraced(flat), axis=1)[:, None, :]
    return np.reshape(np.take_along_axis(flat, which, axis=1), (n, channels)), which

"""Convolution as matrix products: y, and its derivatives in x and w, each bilinear, so that they are each other's.

⟨c, y(x, w)⟩ = ⟨input_slope(c, w), x⟩ = ⟨weight_slope(x, c), w⟩ for every c. So derivatives of any order, forwards and
backwards, need these three functions and no others.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from betahat.autodiff.primitive import dispatched
from betahat.autodiff.table import linear
from betahat.layers.windows import Windows

_NUMBERS = 1 << 22
"""So many numbers of all windows lie side by side at once."""


@dispatched
def convolve(x: Any, w: Any, windows: Windows, groups: int) -> Any:
    """yᵢ = Σₖ x[i · stride + k · dilation − before] wₖ: x (n, *sizes, C), w (*window, C/groups, K), y (n, *output, K).
    Numbers beyond x are 0. Group g of channels makes group g of the outputs.

    Each window of x is a row and all filters a matrix, for each group.
    """
    matrix = _matrix(w, groups)
    y = np.empty((x.shape[0], *windows.output, w.shape[-1]), np.result_type(x, w))
    for part in _parts(x.shape[0], windows, x.shape[-1]):
        y[part] = _joined(_rows(x[part], windows, groups) @ matrix, windows.output)
    return y


@dispatched
def input_slope(slope: Any, w: Any, windows: Windows, groups: int) -> Any:
    """∂⟨slope, y⟩/∂x (n, *sizes, C): each wₖ · slopeᵢ is added where its x was."""
    back = _matrix(w, groups).swapaxes(1, 2)
    n, channels = slope.shape[0], w.shape[-2] * groups
    dx = np.empty((n, *windows.sizes, channels), np.result_type(slope, w))
    for part in _parts(n, windows, channels):
        dx[part] = _laid_back(_grouped(slope[part], groups) @ back, len(dx[part]), windows, channels)
    return dx


@dispatched
def weight_slope(x: Any, slope: Any, windows: Windows, groups: int) -> Any:
    """∂⟨slope, y⟩/∂w (*window, C/groups, K): Σᵢ of the numbers of window i, times slopeᵢ, added up over parts of the
    batch in order."""
    channels, filters = x.shape[-1], slope.shape[-1]
    each = (groups, windows.numbers * (channels // groups), filters // groups)
    found = np.zeros(each, np.result_type(x, slope))
    for part in _parts(x.shape[0], windows, channels):
        found += _rows(x[part], windows, groups).swapaxes(1, 2) @ _grouped(slope[part], groups)
    return np.moveaxis(found, 0, 1).reshape(*windows.window, channels // groups, filters)


linear(
    convolve,
    lambda g, y, x, w, windows, groups: input_slope(g, w, windows, groups),
    lambda g, y, x, w, windows, groups: weight_slope(x, g, windows, groups),
)
linear(
    input_slope,
    lambda g, y, slope, w, windows, groups: convolve(g, w, windows, groups),
    lambda g, y, slope, w, windows, groups: weight_slope(g, slope, windows, groups),
)
linear(
    weight_slope,
    lambda g, y, x, slope, windows, groups: input_slope(slope, g, windows, groups),
    lambda g, y, x, slope, windows, groups: convolve(x, g, windows, groups),
)


def _parts(n: int, windows: Windows, channels: int) -> Iterator[slice]:
    """Parts of the batch whose windows fit into little memory."""
    each = int(np.prod(windows.output)) * windows.numbers * channels
    step = max(1, _NUMBERS // each)
    return (slice(start, start + step) for start in range(0, n, step))


def _matrix(w: np.ndarray, groups: int) -> np.ndarray:
    """w (*window, c, K) as (groups, window · c, K/groups)."""
    filters = w.shape[-1]
    split = w.reshape(-1, groups, filters // groups)
    return np.ascontiguousarray(np.moveaxis(split, 1, 0))


def _rows(x: np.ndarray, windows: Windows, groups: int) -> np.ndarray:
    """The numbers of each window side by side, (groups, n · output, window · C/groups)."""
    n, channels = x.shape[0], x.shape[-1]
    if windows.whole:
        return _grouped(x, groups)
    shape = (groups, n, *windows.output, windows.numbers, channels // groups)
    rows = (np.empty if windows.inside else np.zeros)(shape, x.dtype)
    split = np.moveaxis(x.reshape(*x.shape[:-1], groups, -1), -2, 0)
    every = slice(None)
    for number, where, within in windows.places():
        rows[(every, every, *where, number)] = split[(every, every, *within)]
    return rows.reshape(groups, -1, shape[-2] * shape[-1])


def _laid_back(rows: np.ndarray, n: int, windows: Windows, channels: int) -> np.ndarray:
    """The transpose of `_rows`: each number is added where it was taken."""
    groups = len(rows)
    if windows.whole:
        return _joined(rows, windows.sizes)
    rows = rows.reshape(groups, n, *windows.output, windows.numbers, channels // groups)
    found = np.zeros((groups, n, *windows.sizes, channels // groups), rows.dtype)
    every = slice(None)
    for number, where, within in windows.places():
        found[(every, every, *within)] += rows[(every, every, *where, number)]
    return np.moveaxis(found, 0, -2).reshape(n, *windows.sizes, channels)


def _grouped(a: np.ndarray, groups: int) -> np.ndarray:
    """(n, *places, K) as (groups, n · places, K/groups)."""
    flat = a.reshape(-1, groups, a.shape[-1] // groups)
    return np.ascontiguousarray(np.moveaxis(flat, 1, 0))


def _joined(a: np.ndarray, places: tuple[int, ...]) -> np.ndarray:
    """The way back."""
    return np.moveaxis(a, 0, 1).reshape(-1, *places, a.shape[0] * a.shape[-1])

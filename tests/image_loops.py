"""Convolution and pooling by the letter of their definitions: one sum at a time, in float64."""

from __future__ import annotations

from itertools import product

import numpy as np


def padded_sides(padding, sizes, window, stride, dilation):
    """((top, bottom), (left, right)) of what a layer may be given."""
    if padding == "same":
        sides = []
        for n, k, s, d in zip(sizes, window, stride, dilation, strict=True):
            windows = (n + s - 1) // s
            beyond = max(0, (windows - 1) * s + (k - 1) * d + 1 - n)
            sides.append((beyond // 2, beyond - beyond // 2))
        return tuple(sides)
    if padding == "valid":
        padding = 0
    return ((padding, padding),) * 2 if isinstance(padding, int) else padding


def pair(value):
    return (value, value) if isinstance(value, int) else tuple(value)


def visits(sizes, window, stride=1, padding=0, dilation=1):
    """Of every window (i, j) and number (k, l) in it: the place in the image, None beyond; and how many windows."""
    stride, dilation = pair(stride), pair(dilation)
    (top, bottom), (left, right) = padded_sides(padding, sizes, window, stride, dilation)
    height = (top + sizes[0] + bottom - (window[0] - 1) * dilation[0] - 1) // stride[0] + 1
    width = (left + sizes[1] + right - (window[1] - 1) * dilation[1] - 1) // stride[1] + 1
    found = []
    for i, j, k, m in product(range(height), range(width), range(window[0]), range(window[1])):
        a, b = i * stride[0] + k * dilation[0] - top, j * stride[1] + m * dilation[1] - left
        found.append((i, j, k, m, (a, b) if 0 <= a < sizes[0] and 0 <= b < sizes[1] else None))
    return found, (height, width)


def conv2d(x, w, u=None, *, groups=1, **how):
    """y, and for u = ∂J/∂y also ∂J/∂x and ∂J/∂w. u may be a function that makes it for a shape."""
    x, w = x.astype(np.float64), w.astype(np.float64)
    places, output = visits(x.shape[1:3], w.shape[:2], **how)
    each, filters = x.shape[-1] // groups, w.shape[-1] // groups
    y = np.zeros((len(x), *output, w.shape[-1]))
    u = u(y.shape) if callable(u) else np.zeros(y.shape) if u is None else u
    u = u.astype(np.float64)
    dx, dw = np.zeros(x.shape), np.zeros(w.shape)
    for (i, j, k, m, at), g in product(places, range(groups)):
        if at is None:
            continue
        ins, outs = slice(g * each, (g + 1) * each), slice(g * filters, (g + 1) * filters)
        for n in range(len(x)):
            y[n, i, j, outs] += x[n, *at, ins] @ w[k, m, :, outs]
            dx[n, *at, ins] += w[k, m, :, outs] @ u[n, i, j, outs]
            dw[k, m, :, outs] += np.outer(x[n, *at, ins], u[n, i, j, outs])
    return y, dx, dw


def pool2d(x, window, kind, u=None, **how):
    """y and ∂J/∂x of max ("max"), mean of what is there ("mean") or of all of a window ("all")."""
    x = x.astype(np.float64)
    places, output = visits(x.shape[1:3], window, **how)
    y = np.zeros((len(x), *output, x.shape[-1]))
    u, dx = (u(y.shape) if u is not None else np.zeros(y.shape)).astype(np.float64), np.zeros(x.shape)
    for n, i, j, c in product(range(len(x)), range(output[0]), range(output[1]), range(x.shape[-1])):
        inside = [at for a, b, _, _, at in places if (a, b) == (i, j) and at is not None]
        numbers = [x[n, *at, c] for at in inside]
        if kind == "max":
            y[n, i, j, c] = max(numbers)
            dx[n, *inside[numbers.index(max(numbers))], c] += u[n, i, j, c]
            continue
        count = len(inside) if kind == "mean" else window[0] * window[1]
        y[n, i, j, c] = sum(numbers) / count
        for at in inside:
            dx[n, *at, c] += u[n, i, j, c] / count
    return y, dx

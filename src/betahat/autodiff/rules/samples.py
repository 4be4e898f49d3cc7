"""Functions given by their values at points: differences, integrals, interpolation, polynomials, convolutions."""

from __future__ import annotations

from typing import Any

import numpy as np

from betahat.autodiff.table import composed, shape_of
from betahat.autodiff.trace import Variable
from betahat.errors import DerivativeError


@composed(np.diff)
def diff(a: Any, n: int = 1, axis: int = -1) -> Any:
    for _step in range(n):
        a = np.moveaxis(a, axis, -1)
        a = np.moveaxis(a[..., 1:] - a[..., :-1], -1, axis)
    return a


@composed(np.ediff1d)
def ediff1d(ary: Any) -> Any:
    return diff(np.ravel(ary))


@composed(np.trapezoid)
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    y = np.moveaxis(y, axis, -1)
    width = dx if x is None else diff(x) if np.ndim(x) == 1 else diff(np.moveaxis(x, axis, -1))
    return np.sum(width * (y[..., 1:] + y[..., :-1]), axis=-1) / 2


@composed(np.interp)
def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    """Straight lines between the points (xp, fp), constant outside."""
    if period is not None:
        raise DerivativeError(
            "np.interp(period=…) has no derivative rule; bring x into one period with np.remainder"
        )
    xp, fp = (points if type(points) is Variable else np.asarray(points) for points in (xp, fp))
    if np.size(xp) < 2:
        raise DerivativeError(
            "np.interp has a derivative where there are two points or more, and here are fewer"
        )
    k = np.clip(np.searchsorted(xp, x, side="right") - 1, 0, np.size(xp) - 2)
    share = np.clip((x - xp[k]) / (xp[k + 1] - xp[k]), 0.0, 1.0)
    value = fp[k] * (1 - share) + fp[k + 1] * share
    value = value if left is None else np.where(x < xp[0], left, value)
    return value if right is None else np.where(x > xp[-1], right, value)


@composed(np.linspace)
def linspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, *, axis: int = 0) -> Any:
    width = stop - start
    share = np.linspace(0.0, 1.0, num, endpoint, dtype=np.result_type(width, 0.5))
    return np.moveaxis(start + width * np.reshape(share, (-1, *(1,) * np.ndim(width))), 0, axis)


@composed(np.polyval)
def polyval(p: Any, x: Any) -> Any:
    """Horner's rule, the highest power first."""
    y: Any = p[0] + np.zeros(shape_of(x), np.result_type(x))[()]
    for coefficient in p[1:]:
        y = y * x + coefficient
    return y


@composed(np.vander)
def vander(x: Any, N: Any = None, increasing: bool = False) -> Any:
    powers = range(np.size(x) if N is None else N)
    return np.stack([x**k for k in (powers if increasing else reversed(powers))], -1)


@composed(np.convolve)
def convolve(a: Any, v: Any, mode: str = "full") -> Any:
    """Σⱼ aⱼ vₖ₋ⱼ: each k a product of a turned row of v with a window of a, zeros around it."""
    n, m = np.size(a), np.size(v)
    a = np.pad(np.ravel(a), m - 1)
    every = np.matmul(a[np.arange(n + m - 1)[:, None] + np.arange(m)], np.flip(np.ravel(v)))
    start = {"full": 0, "same": (min(n, m) - 1) // 2, "valid": min(n, m) - 1}
    size = {"full": n + m - 1, "same": max(n, m), "valid": abs(n - m) + 1}
    if mode not in start:
        raise ValueError(f"mode (={mode!r}) of np.convolve must be 'full', 'same' or 'valid'")
    return every[start[mode] : start[mode] + size[mode]]


@composed(np.correlate)
def correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    if np.size(a) < np.size(v):
        return np.flip(correlate(v, a, mode))
    return convolve(a, np.flip(v), mode)

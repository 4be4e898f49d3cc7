"""Sums, products and extremes along axes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from betahat.autodiff.table import composed, general, linear, shape_of
from betahat.errors import DerivativeError


def spread(g: Any, shape: tuple[int, ...], axis: Any, keepdims: Any) -> Any:
    """g of a reduction back over the axes that it removed."""
    return g if shape_of(g) == shape else np.broadcast_to(kept(g, axis, keepdims), shape)


def kept(g: Any, axis: Any, keepdims: Any) -> Any:
    """g of a reduction with the axes that it removed as axes of length 1."""
    if keepdims or axis is None:  # without axis g is one number
        return g
    return np.expand_dims(g, axis)


def _count(shape: tuple[int, ...], axis: Any) -> int:
    if axis is None:
        return math.prod(shape)
    return math.prod(shape[a] for a in ((axis,) if isinstance(axis, (int, np.integer)) else axis))


linear(np.sum, lambda g, y, x, axis=None, *, keepdims=False: spread(g, shape_of(x), axis, keepdims))
linear(
    np.mean,
    lambda g, y, x, axis=None, *, keepdims=False: spread(
        g / _count(shape_of(x), axis), shape_of(x), axis, keepdims
    ),
)
linear(np.cumsum, lambda g, y, x, axis=None: _from_behind(g, shape_of(x), axis))


def _from_behind(g: Any, shape: tuple[int, ...], axis: Any) -> Any:
    if axis is None:
        return np.reshape(np.flip(np.cumsum(np.flip(g))), shape)
    return np.flip(np.cumsum(np.flip(g, axis), axis), axis)


def _others(x: Any, axis: Any) -> Any:
    """For every number of x the product of all others along the axes, right also where some are 0."""
    if axis is None or isinstance(axis, tuple):
        shape = shape_of(x)
        axes = tuple(range(len(shape))) if axis is None else tuple(a % len(shape) for a in axis)
        kept = [a for a in range(len(shape)) if a not in axes]
        order = (*kept, *axes)
        flat = np.reshape(np.transpose(x, order), (*[shape[a] for a in kept], -1))
        back = np.reshape(_others(flat, -1), [shape[a] for a in order])
        return np.transpose(back, np.argsort(order))
    x = np.moveaxis(x, axis, -1)
    ones = np.ones((*shape_of(x)[:-1], 1), np.result_type(x))
    before = np.concatenate([ones, _running(x[..., :-1])], -1)
    behind = np.flip(np.concatenate([ones, _running(np.flip(x, -1)[..., :-1])], -1), -1)
    return np.moveaxis(before * behind, -1, axis)


def _running(x: Any) -> Any:
    """Running products along the last axis, one multiplication at a time, so that zeros divide nothing."""
    found: list[Any] = []
    for k in range(shape_of(x)[-1]):
        found.append(x[..., k] * found[-1] if found else x[..., k])
    return np.stack(found, -1) if found else x


general(
    np.prod,
    {
        0: lambda g, y, x, axis=None, *, keepdims=False: (
            spread(g, shape_of(x), axis, keepdims) * _others(x, axis)
        )
    },
    {
        0: lambda g, y, x, axis=None, *, keepdims=False: np.sum(
            g * _others(x, axis), axis=axis, keepdims=keepdims
        )
    },
)


@composed(np.cumprod)
def cumprod(a: Any, axis: Any = None) -> Any:
    a, axis = (np.ravel(a), -1) if axis is None else (a, axis)
    return np.moveaxis(_running(np.moveaxis(a, axis, -1)), -1, axis)


# y = max x: its slope goes to the number that is the extreme, in equal shares where several are
def _share(y: Any, x: Any, axis: Any, keepdims: Any) -> Any:
    hits = np.asarray(x == kept(y, axis, keepdims))
    share = hits.astype(np.result_type(x))
    if np.count_nonzero(hits) == np.count_nonzero(y == y) == np.size(y):  # one each, and no NaN
        return share
    count = np.sum(share, axis=axis, keepdims=True)
    return share / np.where(count == 0, np.nan, count)


def _extreme_back(g: Any, y: Any, x: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    return kept(g, axis, keepdims) * _share(y, x, axis, keepdims)


def _extreme_forth(g: Any, y: Any, x: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    return np.sum(g * _share(y, x, axis, keepdims), axis=axis, keepdims=keepdims)


for _extreme in {np.max, np.min, np.amax, np.amin}:
    general(_extreme, {0: _extreme_back}, {0: _extreme_forth})


@composed(np.average)
def average(a: Any, axis: Any = None, weights: Any = None, *, keepdims: Any = False) -> Any:
    if weights is None:
        return np.mean(a, axis=axis, keepdims=bool(keepdims))
    if shape_of(weights) != shape_of(a):
        weights = np.reshape(weights, [-1 if k == axis % np.ndim(a) else 1 for k in range(np.ndim(a))])
    total = np.sum(weights + np.zeros(shape_of(a)), axis=axis, keepdims=bool(keepdims))
    return np.sum(a * weights, axis=axis, keepdims=bool(keepdims)) / total


@composed(np.var)
def var(a: Any, axis: Any = None, *, ddof: float = 0, keepdims: Any = False) -> Any:
    deviation = a - np.mean(a, axis=axis, keepdims=True)
    return np.sum(deviation * deviation, axis=axis, keepdims=bool(keepdims)) / (
        _count(shape_of(a), axis) - ddof
    )


@composed(np.std)
def std(a: Any, axis: Any = None, *, ddof: float = 0, keepdims: Any = False) -> Any:
    return np.sqrt(var(a, axis, ddof=ddof, keepdims=keepdims))


@composed(np.ptp)
def ptp(a: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    keep = bool(keepdims)
    return np.max(a, axis=axis, keepdims=keep) - np.min(a, axis=axis, keepdims=keep)


@composed(np.median)
def median(a: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    return quantile(a, 0.5, axis, keepdims=keepdims)


@composed(np.quantile)
def quantile(a: Any, q: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    """Linear interpolation between order statistics, NumPy's default."""
    if np.ndim(q) or isinstance(axis, tuple):
        raise DerivativeError(
            "the derivative of np.quantile is there for one q and one axis; call it for each q"
        )
    if not 0 <= q <= 1:
        raise ValueError(f"q (={q!r}) of np.quantile must lie between 0 and 1")
    kept = np.ndim(a)
    a, axis = (np.ravel(a), 0) if axis is None else (a, axis)
    ordered = np.moveaxis(np.sort(a, axis=axis), axis, 0)
    place = q * (shape_of(ordered)[0] - 1)
    low = int(np.floor(place))
    high = min(low + 1, shape_of(ordered)[0] - 1)
    value = ordered[low] + (ordered[high] - ordered[low]) * (place - low)
    if not keepdims:
        return value
    return (
        np.expand_dims(value, axis)
        if kept == np.ndim(a) and np.ndim(value)
        else np.reshape(value, (1,) * kept)
    )


@composed(np.percentile)
def percentile(a: Any, q: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    return quantile(a, q / 100, axis, keepdims=keepdims)


@composed(np.nansum)
def nansum(a: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    return np.sum(np.where(np.isnan(a), 0.0, a), axis=axis, keepdims=bool(keepdims))


@composed(np.nanmean)
def nanmean(a: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    there = np.sum(~np.isnan(a), axis=axis, keepdims=bool(keepdims))
    return nansum(a, axis, keepdims=keepdims) / there


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
    k = np.clip(np.searchsorted(xp, x, side="right") - 1, 0, np.size(xp) - 2)
    share = np.clip((x - xp[k]) / (xp[k + 1] - xp[k]), 0.0, 1.0)
    value = fp[k] * (1 - share) + fp[k + 1] * share
    value = value if left is None else np.where(x < xp[0], left, value)
    return value if right is None else np.where(x > xp[-1], right, value)

"""Sums, products and extremes along axes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from betahat.autodiff.table import METHODS, composed, general, linear, shape_of
from betahat.autodiff.trace import untraced


def spread(g: Any, shape: tuple[int, ...], axis: Any, keepdims: Any) -> Any:
    """g of a reduction back over the axes that it removed."""
    if shape_of(g) == shape:
        return g
    if type(g) is np.float64:  # the same everywhere
        whole = np.empty(shape)
        whole.fill(g)
        return whole
    return np.broadcast_to(kept(g, axis, keepdims), shape)


def kept(g: Any, axis: Any, keepdims: Any) -> Any:
    """g of a reduction with the axes that it removed as axes of length 1."""
    if keepdims or axis is None:  # without axis g is one number
        return g
    return np.expand_dims(g, axis)


def count(shape: tuple[int, ...], axis: Any) -> int:
    if axis is None:
        return math.prod(shape)
    return math.prod(shape[a] for a in ((axis,) if isinstance(axis, (int, np.integer)) else axis))


linear(np.sum, lambda g, y, x, axis=None, *, keepdims=False: spread(g, shape_of(x), axis, keepdims))
linear(
    np.mean,
    lambda g, y, x, axis=None, *, keepdims=False: spread(
        g / count(shape_of(x), axis), shape_of(x), axis, keepdims
    ),
)
linear(np.cumsum, lambda g, y, x, axis=None: _from_behind(g, shape_of(x), axis))


def _from_behind(g: Any, shape: tuple[int, ...], axis: Any) -> Any:
    if axis is None:
        return np.reshape(np.flip(np.cumsum(np.flip(g))), shape)
    return np.flip(np.cumsum(np.flip(g, axis), axis), axis)


def _rest(y: Any, x: Any, axis: Any, keepdims: Any) -> Any:
    """∂y/∂x of a product y: that of all other numbers, y/x but where y has become 0 or infinite."""
    size = np.abs(untraced(y))
    if np.all((size >= _SMALLEST) & (size < np.inf)):
        return kept(y, axis, keepdims) / x
    return _others(x, axis)


_SMALLEST = float(np.finfo(np.float64).tiny)


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
            spread(g, shape_of(x), axis, keepdims) * _rest(y, x, axis, keepdims)
        )
    },
    {
        0: lambda g, y, x, axis=None, *, keepdims=False: np.sum(
            g * _rest(y, x, axis, keepdims), axis=axis, keepdims=keepdims
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


@composed(np.ptp)
def ptp(a: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    keep = bool(keepdims)
    return np.max(a, axis=axis, keepdims=keep) - np.min(a, axis=axis, keepdims=keep)


def log_sum_exp(x: Any, axis: Any = 0, *, keepdims: Any = False) -> Any:
    """log Σ exp x, without overflow: np.logaddexp.reduce."""
    most = np.max(x, axis=axis, keepdims=True)
    total = np.log(np.sum(np.exp(x - most), axis=axis, keepdims=True)) + most
    return total if keepdims else np.squeeze(total, axis)


composed(log_sum_exp)(log_sum_exp)


@composed(getattr(np, "cumulative_sum", None))
def cumulative_sum(x: Any, *, axis: Any = None) -> Any:
    return np.cumsum(x, axis=axis)


@composed(getattr(np, "cumulative_prod", None))
def cumulative_prod(x: Any, *, axis: Any = None) -> Any:
    return np.cumprod(x, axis=axis)


METHODS.update({
    (np.add, "reduce"): np.sum, (np.multiply, "reduce"): np.prod, (np.maximum, "reduce"): np.max,
    (np.minimum, "reduce"): np.min, (np.logaddexp, "reduce"): log_sum_exp,
    (np.add, "accumulate"): np.cumsum, (np.multiply, "accumulate"): np.cumprod,
})  # fmt: skip

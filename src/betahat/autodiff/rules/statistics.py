"""Means, spreads and order statistics."""

from __future__ import annotations

from typing import Any

import numpy as np

from betahat.autodiff.rules.reductions import count
from betahat.autodiff.table import composed, shape_of


@composed(np.average)
def average(a: Any, axis: Any = None, weights: Any = None, *, keepdims: Any = False) -> Any:
    if weights is None:
        return np.mean(a, axis=axis, keepdims=bool(keepdims))
    if shape_of(weights) != shape_of(a):
        weights = np.reshape(weights, [-1 if k == axis % np.ndim(a) else 1 for k in range(np.ndim(a))])
    total = np.sum(np.broadcast_to(weights, shape_of(a)), axis=axis, keepdims=bool(keepdims))
    return np.sum(a * weights, axis=axis, keepdims=bool(keepdims)) / total


@composed(np.var)
def var(a: Any, axis: Any = None, *, ddof: float = 0, keepdims: Any = False) -> Any:
    deviation = a - np.mean(a, axis=axis, keepdims=True)
    return np.sum(deviation * deviation, axis=axis, keepdims=bool(keepdims)) / (
        count(shape_of(a), axis) - ddof
    )


@composed(np.std)
def std(a: Any, axis: Any = None, *, ddof: float = 0, keepdims: Any = False) -> Any:
    return np.sqrt(var(a, axis, ddof=ddof, keepdims=keepdims))


@composed(np.median)
def median(a: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    return quantile(a, 0.5, axis, keepdims=keepdims)


@composed(np.quantile)
def quantile(a: Any, q: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    """Linear interpolation between order statistics, NumPy's default; NaN where one is among the numbers."""
    if np.ndim(q):
        return np.stack([quantile(a, one, axis, keepdims=keepdims) for one in q])
    if not 0 <= q <= 1:
        raise ValueError(f"q (={q!r}) of np.quantile must lie between 0 and 1")
    shape = shape_of(a)
    every = range(len(shape))
    axes = list(every) if axis is None else [k % len(shape) for k in np.atleast_1d(axis).tolist()]
    rest = [k for k in every if k not in axes]
    ordered = np.sort(np.reshape(np.transpose(a, axes + rest), (-1, *[shape[k] for k in rest])), axis=0)
    place = q * (shape_of(ordered)[0] - 1)
    low = int(np.floor(place))
    high = min(low + 1, shape_of(ordered)[0] - 1)
    value = ordered[low] + (ordered[high] - ordered[low]) * (place - low)
    value = np.where(np.isnan(ordered[-1]), np.nan, value)
    return np.reshape(value, [1 if k in axes else n for k, n in enumerate(shape)]) if keepdims else value


@composed(np.percentile)
def percentile(a: Any, q: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    return quantile(a, np.divide(q, 100).tolist(), axis, keepdims=keepdims)


@composed(np.nansum)
def nansum(a: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    return np.sum(np.where(np.isnan(a), 0.0, a), axis=axis, keepdims=bool(keepdims))


def _there(a: Any, axis: Any, keepdims: Any) -> Any:
    """How many are not NaN."""
    return np.sum(~np.isnan(a), axis=axis, keepdims=bool(keepdims), dtype=np.result_type(a))


@composed(np.nanmean)
def nanmean(a: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    return nansum(a, axis, keepdims=keepdims) / _there(a, axis, keepdims)


def _filled(a: Any, value: float) -> Any:
    return np.where(np.isnan(a), value, a)


def _nothing(a: Any, axis: Any, keepdims: Any) -> Any:
    """Where there are only NaNs."""
    return np.all(np.isnan(a), axis=axis, keepdims=bool(keepdims))


@composed(np.nanmax)
def nanmax(a: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    most = np.max(_filled(a, -np.inf), axis=axis, keepdims=bool(keepdims))
    return np.where(_nothing(a, axis, keepdims), np.nan, most)


@composed(np.nanmin)
def nanmin(a: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    least = np.min(_filled(a, np.inf), axis=axis, keepdims=bool(keepdims))
    return np.where(_nothing(a, axis, keepdims), np.nan, least)


@composed(np.nanprod)
def nanprod(a: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    return np.prod(_filled(a, 1.0), axis=axis, keepdims=bool(keepdims))


@composed(np.nanvar)
def nanvar(a: Any, axis: Any = None, *, ddof: float = 0, keepdims: Any = False) -> Any:
    deviation = _filled(a - nanmean(a, axis, keepdims=True), 0.0)
    return np.sum(deviation * deviation, axis=axis, keepdims=bool(keepdims)) / (
        _there(a, axis, keepdims) - ddof
    )


@composed(np.nanstd)
def nanstd(a: Any, axis: Any = None, *, ddof: float = 0, keepdims: Any = False) -> Any:
    return np.sqrt(nanvar(a, axis, ddof=ddof, keepdims=keepdims))


@composed(np.cov)
def cov(m: Any, *, rowvar: bool = True, ddof: int = 1) -> Any:
    m = np.atleast_2d(m) if rowvar or np.ndim(m) == 1 else np.transpose(m)
    centred = m - np.mean(m, axis=1, keepdims=True)
    return np.squeeze(np.matmul(centred, np.transpose(centred)) / (shape_of(m)[1] - ddof))


@composed(np.corrcoef)
def corrcoef(x: Any, *, rowvar: bool = True) -> Any:
    covariance = cov(x, rowvar=rowvar)
    if np.ndim(covariance) == 0:
        return covariance / covariance
    scale = np.sqrt(np.diagonal(covariance))
    return covariance / scale[:, None] / scale

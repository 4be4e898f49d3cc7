"""Taking numbers out of arrays and putting them in: reversed, each cotangent goes back to where its number was."""

from __future__ import annotations

from typing import Any

import numpy as np

from betahat.autodiff.table import composed, linear, shape_of
from betahat.autodiff.trace import Variable, call, take_item, untraced
from betahat.errors import DerivativeError


def put_items(g: Any, index: Any, shape: tuple[int, ...]) -> Any:
    """The transpose of x[index]: zeros of `shape` to which g is added at `index`."""
    if type(g) is Variable:
        return call(put_items, (g, index, shape), {})
    whole = np.zeros(shape, getattr(g, "dtype", np.float64))
    if _simple(index):
        whole[index] = g
    else:
        np.add.at(whole, index, g)
    return whole


def _simple(index: Any) -> bool:
    """Whether no number can be taken twice."""
    if isinstance(index, tuple):
        return all(isinstance(part, _SIMPLE) for part in index)
    return isinstance(index, _SIMPLE)


_SIMPLE = (int, slice, np.integer, type(None), type(...))


linear(take_item, lambda g, y, x, index: put_items(g, index, shape_of(x)))
linear(put_items, lambda g, y, x, index, shape: _taken(g, index))


def _taken(g: Any, index: Any) -> Any:
    """g[index]; None for a single 0, so that the rows of a Hessian need not be followed where they are empty."""
    part = g[index]
    return None if type(part) is np.float64 and part == 0 else part


@composed(np.take)
def take(a: Any, indices: Any, axis: Any = None) -> Any:
    if axis is None:
        return np.ravel(a)[indices]
    return a[(slice(None),) * (axis % np.ndim(a)) + (indices,)]


@composed(np.take_along_axis)
def take_along_axis(arr: Any, indices: Any, axis: int = -1) -> Any:
    axis = axis % np.ndim(arr)
    places = list(np.ix_(*(np.arange(n) for n in indices.shape)))
    places[axis] = indices
    return arr[tuple(places)]


@composed(np.diagonal)
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    a = np.moveaxis(a, (axis1, axis2), (-2, -1))
    rows = np.arange(max(0, min(a.shape[-2] + min(offset, 0), a.shape[-1] - max(offset, 0))))
    return a[..., rows + max(0, -offset), rows + max(0, offset)]


@composed(np.linalg.diagonal)
def last_diagonal(x: Any, *, offset: int = 0) -> Any:
    return diagonal(x, offset, -2, -1)


@composed(np.diag, np.diagflat)
def diag(v: Any, k: int = 0) -> Any:
    if np.ndim(v) == 2:
        return diagonal(v, k)
    n = np.size(v) + abs(k)
    places = np.arange(np.size(v))
    return put_items(np.ravel(v), (places + max(0, -k), places + max(0, k)), (n, n))


@composed(np.sort)
def sort(a: Any, axis: Any = -1, kind: Any = None, *, stable: Any = None) -> Any:
    if axis is None:
        a, axis = np.ravel(a), 0
    return take_along_axis(a, np.argsort(a, axis=axis, kind="stable"), axis)


@composed(np.partition)
def partition(a: Any, kth: Any, axis: int = -1, kind: Any = None) -> Any:
    return take_along_axis(a, np.argpartition(a, kth, axis=axis), axis)


@composed(np.compress)
def compress(condition: Any, a: Any, axis: Any = None) -> Any:
    return take(a, np.flatnonzero(condition), axis)


@composed(np.extract)
def extract(condition: Any, arr: Any) -> Any:
    return np.ravel(arr)[np.flatnonzero(condition)]


@composed(np.delete)
def delete(arr: Any, obj: Any, axis: Any = None) -> Any:
    n = np.size(arr) if axis is None else shape_of(arr)[axis]
    return take(arr, np.delete(np.arange(n), obj), axis)


@composed(np.insert)
def insert(arr: Any, obj: Any, values: Any, axis: Any = None) -> Any:
    if axis is not None and np.ndim(arr) > 1:
        raise DerivativeError(
            "the derivative of np.insert is there for flat arrays; join the parts with np.concatenate"
        )
    n, extra = np.size(arr), np.arange(np.size(values)).reshape(np.shape(values))
    return np.concatenate([np.ravel(arr), np.ravel(values)])[np.insert(np.arange(n), obj, n + extra)]


@composed(np.unique)
def unique(ar: Any) -> Any:
    return np.ravel(ar)[np.unique(untraced(ar), return_index=True)[1]]


@composed(np.bincount)
def bincount(x: Any, weights: Any = None, minlength: int = 0) -> Any:
    """Sums of the weights that fall into each place."""
    if weights is None:
        return np.bincount(untraced(x), minlength=minlength)
    places = np.asarray(untraced(x))
    return put_items(weights, places, (max(minlength, int(np.max(places, initial=-1)) + 1),))


@composed(np.select)
def select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    """The first choice whose condition holds."""
    y = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        y = np.where(untraced(condition), choice, y)
    return y


@composed(np.piecewise)
def piecewise(x: Any, condlist: Any, funclist: Any, *args: Any) -> Any:
    """Each function, or number, where its condition holds; one more than the conditions: where none does."""
    conditions = (
        [np.asarray(untraced(c), bool) for c in condlist] if np.ndim(condlist[0]) else [np.asarray(condlist)]
    )
    if len(funclist) == len(conditions) + 1:
        conditions.append(~np.any(conditions, axis=0))
    y: Any = np.zeros(shape_of(x), np.result_type(x))
    for condition, piece in zip(conditions, funclist, strict=True):
        value = put_items(piece(x[condition], *args), condition, shape_of(x)) if callable(piece) else piece
        y = np.where(condition, value, y)
    return y


@composed(np.full_like)
def full_like(a: Any, fill_value: Any) -> Any:
    plain = np.full_like(untraced(a), untraced(fill_value))
    return np.broadcast_to(fill_value, plain.shape) if type(fill_value) is Variable else plain

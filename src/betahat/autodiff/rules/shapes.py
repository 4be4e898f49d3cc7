"""Functions that move numbers about. They are linear; reversed, they put each cotangent where its number was."""

from __future__ import annotations

from typing import Any

import numpy as np

from betahat.autodiff.rules.indexing import put_items, take
from betahat.autodiff.table import composed, linear, shape_of, unbroadcast, variadic
from betahat.autodiff.trace import Variable, call
from betahat.errors import DerivativeError

linear(np.squeeze, lambda g, y, x, axis=None: np.reshape(g, shape_of(x)))
linear(np.expand_dims, lambda g, y, x, axis: np.reshape(g, shape_of(x)))
linear(
    np.transpose,
    lambda g, y, x, axes=None: np.transpose(g, None if axes is None else np.argsort(_positive(axes))),
)
linear(np.matrix_transpose, lambda g, y, x: np.swapaxes(g, -1, -2))
linear(np.swapaxes, lambda g, y, x, axis1, axis2: np.swapaxes(g, axis1, axis2))
linear(np.moveaxis, lambda g, y, x, source, destination: np.moveaxis(g, destination, source))
linear(np.broadcast_to, lambda g, y, x, shape: unbroadcast(g, shape_of(x)))
linear(np.flip, lambda g, y, x, axis=None: np.flip(g, axis))
linear(np.roll, lambda g, y, x, shift, axis=None: np.roll(g, np.negative(shift), axis))
linear(np.rot90, lambda g, y, x, k=1, axes=(0, 1): np.rot90(g, -k, axes))
linear(np.tril, lambda g, y, x, k=0: np.tril(g, k))
linear(np.triu, lambda g, y, x, k=0: np.triu(g, k))


linear(np.copy, lambda g, y, x, order="K": g)
linear(np.real, lambda g, y, x: g)


def reshaped(x: Any, shape: Any, order: Any) -> Any:
    """np.reshape in an order that does not depend on how x lies in memory."""
    return np.reshape(x, shape, order=order)


linear(reshaped, lambda g, y, x, shape, order: np.reshape(g, shape_of(x), order=order))


@composed(np.reshape)
def reshape(a: Any, shape: Any, order: Any = "C") -> Any:
    if order not in ("C", "F"):
        raise DerivativeError(
            f"order={order!r} depends on how an array lies in memory; the derivative is there for 'C' and 'F'"
        )
    return call_any(reshaped, a, shape, order)


@composed(np.ravel)
def ravel(a: Any, order: Any = "C") -> Any:
    return reshape(a, (-1,), order)


@composed(getattr(np, "astype", None))
def astype(x: Any, dtype: Any) -> Any:
    return x.astype(dtype)


def transposed(a: Any) -> Any:
    """aᵀ of a matrix, or of each in a stack."""
    return np.asarray(a).mT if isinstance(a, (list, tuple)) else a.mT


def _positive(axes: Any) -> Any:
    return [axis % len(axes) for axis in axes]


# joining and repeating -----------------------------------------------------------------------------------------------


def join(axis: int, *arrays: Any) -> Any:
    """np.concatenate with the arrays as arguments of their own."""
    return np.concatenate(arrays, axis)


def _piece(place: int, g: Any, y: Any, axis: int, *arrays: Any) -> Any:
    start = sum(shape_of(array)[axis] for array in arrays[: place - 1])
    stop = start + shape_of(arrays[place - 1])[axis]
    return g[(slice(None),) * (axis % np.ndim(y)) + (slice(start, stop),)]


def _placed(place: int, g: Any, y: Any, axis: int, *arrays: Any) -> Any:
    return np.concatenate(
        [g if k == place - 1 else np.zeros(shape_of(a), np.result_type(g)) for k, a in enumerate(arrays)],
        axis,
    )


variadic(join, _piece, _placed)


def _join(arrays: Any, axis: int) -> Any:
    return call_any(join, axis, *arrays)


def call_any(function: Any, *args: Any) -> Any:
    """function(*args), traced if any argument is: for our own functions, which NumPy does not dispatch."""
    return call(function, args, {}) if any(type(a) is Variable for a in args) else function(*args)


@composed(np.concatenate)
def concatenate(arrays: Any, axis: Any = 0) -> Any:
    if axis is None:
        return _join([np.ravel(a) for a in arrays], 0)
    return _join(list(arrays), axis)


@composed(np.stack)
def stack(arrays: Any, axis: int = 0) -> Any:
    return _join([np.expand_dims(a, axis) for a in arrays], axis)


@composed(np.vstack)
def vstack(tup: Any) -> Any:
    return _join([np.atleast_2d(a) for a in tup], 0)


@composed(np.hstack)
def hstack(tup: Any) -> Any:
    arrays = [np.atleast_1d(a) for a in tup]
    return _join(arrays, 0 if np.ndim(arrays[0]) == 1 else 1)


@composed(np.dstack)
def dstack(tup: Any) -> Any:
    return _join([np.atleast_3d(a) for a in tup], 2)


@composed(np.column_stack)
def column_stack(tup: Any) -> Any:
    return _join([a if np.ndim(a) > 1 else np.reshape(a, (-1, 1)) for a in tup], 1)


@composed(np.append)
def append(arr: Any, values: Any, axis: Any = None) -> Any:
    return concatenate((arr, values), axis)


@composed(np.atleast_1d)
def atleast_1d(*arrays: Any) -> Any:
    return _each(lambda a: np.reshape(a, (1,)) if np.ndim(a) == 0 else a, arrays)


@composed(np.atleast_2d)
def atleast_2d(*arrays: Any) -> Any:
    return _each(lambda a: np.reshape(a, (1, -1)) if np.ndim(a) < 2 else a, arrays)


@composed(np.atleast_3d)
def atleast_3d(*arrays: Any) -> Any:
    def lift(a: Any) -> Any:
        return np.reshape(a, (1, -1, 1)) if np.ndim(a) < 2 else a[:, :, None] if np.ndim(a) == 2 else a

    return _each(lift, arrays)


def _each(lift: Any, arrays: tuple[Any, ...]) -> Any:
    return lift(arrays[0]) if len(arrays) == 1 else tuple(map(lift, arrays))


@composed(np.broadcast_arrays)
def broadcast_arrays(*args: Any) -> Any:
    shape = np.broadcast_shapes(*map(np.shape, args))
    return tuple(np.broadcast_to(a, shape) for a in args)


@composed(np.split, np.array_split)
def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    n = shape_of(ary)[axis]
    parts = np.array_split(np.arange(n), indices_or_sections)
    before = (slice(None),) * (axis % np.ndim(ary))
    return [ary[(*before, slice(part[0], part[-1] + 1) if len(part) else slice(0, 0))] for part in parts]


@composed(np.vsplit)
def vsplit(ary: Any, indices_or_sections: Any) -> Any:
    return split(ary, indices_or_sections, 0)


@composed(np.hsplit)
def hsplit(ary: Any, indices_or_sections: Any) -> Any:
    return split(ary, indices_or_sections, 1 if np.ndim(ary) > 1 else 0)


@composed(np.dsplit)
def dsplit(ary: Any, indices_or_sections: Any) -> Any:
    return split(ary, indices_or_sections, 2)


@composed(getattr(np, "unstack", None))
def unstack(x: Any, *, axis: int = 0) -> Any:
    return tuple(np.moveaxis(x, axis, 0))


@composed(np.block)
def block(arrays: Any) -> Any:
    """Rows of rows, to any depth: the innermost are joined along the last axis."""

    def depth(part: Any) -> int:
        return 1 + max(map(depth, part), default=0) if isinstance(part, list) else 0

    def joined(part: Any, axis: int) -> Any:
        if not isinstance(part, list):
            return np.reshape(part, (1,) * (size - np.ndim(part)) + np.shape(part))
        return concatenate([joined(inner, axis + 1) for inner in part], axis)

    def most(part: Any) -> int:
        return max(map(most, part), default=0) if isinstance(part, list) else np.ndim(part)

    size = max(depth(arrays), most(arrays))
    return joined(arrays, size - depth(arrays))


@composed(np.repeat)
def repeat(a: Any, repeats: Any, axis: Any = None) -> Any:
    if axis is None:
        a, axis = np.ravel(a), 0
    return take(a, np.repeat(np.arange(shape_of(a)[axis]), repeats), axis)


@composed(np.tile)
def tile(A: Any, reps: Any) -> Any:
    reps = (reps,) if np.ndim(reps) == 0 else tuple(reps)
    A = np.reshape(A, (1,) * (len(reps) - np.ndim(A)) + shape_of(A))
    for axis, count in enumerate((1,) * (np.ndim(A) - len(reps)) + reps):
        A = _join([A] * count, axis) if count != 1 else A
    return A


@composed(np.fliplr)
def fliplr(m: Any) -> Any:
    return np.flip(m, 1)


@composed(np.flipud)
def flipud(m: Any) -> Any:
    return np.flip(m, 0)


@composed(np.pad)
def pad(array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Any:
    """By asking np.pad where each number comes from, so that every mode but the computed ones works."""
    shape = shape_of(array)
    if mode == "constant":
        inside = np.pad(np.ones(shape, bool), pad_width)
        values = np.pad(np.zeros(shape, np.result_type(array)), pad_width, mode, **kwargs)
        start = tuple(np.argwhere(inside)[0]) if inside.any() else (0,) * len(shape)
        where = tuple(slice(a, a + n) for a, n in zip(start, shape, strict=True))
        return put_items(array, where, values.shape) + values
    if mode not in ("edge", "reflect", "symmetric", "wrap"):
        raise DerivativeError(
            f"np.pad(mode={mode!r}) has no derivative rule; constant, edge, reflect, symmetric and wrap do"
        )
    places = np.pad(np.arange(int(np.prod(shape))).reshape(shape), pad_width, mode, **kwargs)
    return np.ravel(array)[places]


@composed(np.meshgrid)
def meshgrid(*xi: Any, indexing: str = "xy") -> Any:
    sizes = [np.size(x) for x in xi]
    order = list(range(len(xi)))
    if indexing == "xy" and len(xi) > 1:
        order[:2] = [1, 0]
    shape = tuple(sizes[k] for k in order)
    lifted = [np.reshape(x, tuple(-1 if k == i else 1 for k in order)) for i, x in enumerate(xi)]
    return tuple(np.broadcast_to(x, shape) for x in lifted)

"""Products of vectors, matrices and tensors: linear in each factor, so that a derivative replaces the factor."""

from __future__ import annotations

from typing import Any

import numpy as np

from betahat.autodiff.rules.indexing import put_items
from betahat.autodiff.rules.shapes import call_any, transposed
from betahat.autodiff.table import composed, linear, shape_of, unbroadcast, variadic
from betahat.errors import DerivativeError


# y = ab: with a alone a row and b alone a column, as np.matmul takes vectors, the transposes are g bᵀ and aᵀ g
def _matmul_left(g: Any, y: Any, a: Any, b: Any) -> Any:
    if np.ndim(b) == 1:
        return unbroadcast(g[..., None] * b, shape_of(a))
    if np.ndim(a) == 1:
        return unbroadcast(np.matmul(b, g[..., None])[..., 0], shape_of(a))
    return unbroadcast(np.matmul(g, transposed(b)), shape_of(a))


def _matmul_right(g: Any, y: Any, a: Any, b: Any) -> Any:
    if np.ndim(a) == 1:
        return unbroadcast(
            g[..., None, :] * np.expand_dims(a, -1) if np.ndim(b) > 1 else np.multiply(g, a), shape_of(b)
        )
    if np.ndim(b) == 1 and np.ndim(a) == 2:
        return np.matmul(g, a)
    if np.ndim(b) == 1:
        return unbroadcast(np.matmul(transposed(a), g[..., None])[..., 0], shape_of(b))
    return unbroadcast(np.matmul(transposed(a), g), shape_of(b))


linear(np.matmul, _matmul_left, _matmul_right)


@composed(np.dot)
def dot(a: Any, b: Any) -> Any:
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return a * b
    if np.ndim(b) <= 2:
        return np.matmul(a, b)
    return np.tensordot(a, b, axes=(-1, -2))


@composed(np.inner)
def inner(a: Any, b: Any) -> Any:
    return a * b if np.ndim(a) == 0 or np.ndim(b) == 0 else np.tensordot(a, b, axes=(-1, -1))


@composed(np.outer)
def outer(a: Any, b: Any) -> Any:
    return np.reshape(a, (-1, 1)) * np.reshape(b, (1, -1))


@composed(np.linalg.outer)
def linalg_outer(x1: Any, x2: Any) -> Any:
    return outer(x1, x2)


@composed(np.vdot)
def vdot(a: Any, b: Any) -> Any:
    return np.sum(np.ravel(a) * np.ravel(b))


@composed(np.vecdot, np.linalg.vecdot)
def vecdot(x1: Any, x2: Any, *, axis: int = -1) -> Any:
    return np.sum(x1 * x2, axis=axis)


@composed(getattr(np, "matvec", None))
def matvec(x1: Any, x2: Any) -> Any:
    return np.matmul(x1, np.expand_dims(x2, -1))[..., 0]


@composed(getattr(np, "vecmat", None))
def vecmat(x1: Any, x2: Any) -> Any:
    return np.matmul(np.expand_dims(x1, -2), x2)[..., 0, :]


@composed(np.linalg.matmul)
def linalg_matmul(x1: Any, x2: Any) -> Any:
    return np.matmul(x1, x2)


@composed(np.kron)
def kron(a: Any, b: Any) -> Any:
    size = max(np.ndim(a), np.ndim(b))
    a = np.reshape(a, (1,) * (size - np.ndim(a)) + shape_of(a))
    b = np.reshape(b, (1,) * (size - np.ndim(b)) + shape_of(b))
    for axis in range(size):
        a, b = np.expand_dims(a, 2 * axis + 1), np.expand_dims(b, 2 * axis)
    shape = [m * n for m, n in zip(shape_of(a)[::2], shape_of(b)[1::2], strict=True)]
    return np.reshape(a * b, shape)


@composed(np.cross, np.linalg.cross)
def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: Any = None) -> Any:
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = np.moveaxis(a, axisa, -1), np.moveaxis(b, axisb, -1)
    if shape_of(a)[-1] != 3 or shape_of(b)[-1] != 3:
        raise DerivativeError("the derivative of np.cross is there for vectors of three numbers")
    turned = [a[..., i] * b[..., j] - a[..., j] * b[..., i] for i, j in ((1, 2), (2, 0), (0, 1))]
    return np.moveaxis(np.stack(turned, -1), -1, axisc)


@composed(np.tensordot, np.linalg.tensordot)
def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    if isinstance(axes, (int, np.integer)):
        left, right = list(range(np.ndim(a) - axes, np.ndim(a))), list(range(axes))
    else:
        left, right = ([side] if np.ndim(side) == 0 else list(side) for side in axes)
    left, right = [k % np.ndim(a) for k in left], [k % np.ndim(b) for k in right]
    rows = [k for k in range(np.ndim(a)) if k not in left]
    columns = [k for k in range(np.ndim(b)) if k not in right]
    shape = [shape_of(a)[k] for k in rows] + [shape_of(b)[k] for k in columns]
    length, kept = int(np.prod([shape_of(a)[k] for k in left])), len(rows)
    first = np.reshape(np.transpose(a, rows + left), (int(np.prod(shape[:kept])), length))
    second = np.reshape(np.transpose(b, right + columns), (length, int(np.prod(shape[kept:]))))
    return np.reshape(np.matmul(first, second), shape)


# einsum -------------------------------------------------------------------------------------------------------------


def sum_products(letters: str, *arrays: Any) -> Any:
    """np.einsum with explicit output."""
    return np.einsum(letters, *arrays)


def _einsum_back(place: int, g: Any, y: Any, letters: str, *arrays: Any) -> Any:
    inputs, output = letters.split("->")
    parts = inputs.split(",")
    own, shape = parts[place - 1], shape_of(arrays[place - 1])
    others = [part for k, part in enumerate(parts) if k != place - 1]
    rest = [array for k, array in enumerate(arrays) if k != place - 1]
    available = set(output).union(*others)
    for letter, size in zip(own, shape, strict=True):
        if letter not in available:  # summed over alone: the cotangent is the same for each
            others, rest = [*others, letter], [*rest, np.ones(size, np.result_type(g))]
            available.add(letter)
    single = "".join(dict.fromkeys(own))
    found = np.einsum(",".join([output, *others]) + "->" + single, g, *rest)
    if single == own:
        return found
    sizes = dict(zip(own, shape, strict=True))
    on = np.ix_(*(np.arange(sizes[letter]) for letter in single))
    return put_items(found, tuple(on[single.index(letter)] for letter in own), shape)


variadic(sum_products, _einsum_back)


@composed(np.einsum)
def einsum(subscripts: Any, *operands: Any, optimize: Any = False) -> Any:
    if not isinstance(subscripts, str):
        raise DerivativeError(
            "the derivative of np.einsum is there for subscripts as text, such as 'ij,jk->ik'"
        )
    letters = subscripts.replace(" ", "")
    inputs, arrow, output = letters.partition("->")
    parts = inputs.split(",")
    if "." in letters:
        free = [chr(c) for c in range(ord("A"), ord("z") + 1) if chr(c).isalpha() and chr(c) not in letters]
        extra = [
            np.ndim(a) - len(p.replace("...", "")) if "..." in p else 0
            for p, a in zip(parts, operands, strict=True)
        ]
        most = max(extra)
        dots = "".join(free[:most])
        parts = [p.replace("...", dots[most - n :]) for p, n in zip(parts, extra, strict=True)]
        output = output.replace("...", dots) if arrow else dots + _implied(parts, dots)
    elif not arrow:
        output = _implied(parts, "")
    return call_any(sum_products, ",".join(parts) + "->" + output, *operands)


def _implied(parts: list[str], without: str) -> str:
    """NumPy's implicit output: letters that occur once, in order of the alphabet."""
    every = "".join(parts)
    return "".join(sorted(c for c in set(every) if every.count(c) == 1 and c not in without))

"""Norms of vectors and matrices. Where a norm is 0 its slope is taken as 0, the smallest of those that it has there, so
that a penalty can start from zeros."""

from __future__ import annotations

from typing import Any

import numpy as np

from betahat.autodiff.table import composed


def _root(total: Any, power: float) -> Any:
    """total^(1/power), flat at 0."""
    nothing = total == 0
    safe = np.where(nothing, 1.0, total)
    return np.where(nothing, 0.0, np.sqrt(safe) if power == 2 else safe ** (1 / power))


def _of_vectors(x: Any, ord: Any, axis: Any, keepdims: bool) -> Any:
    if ord is None or ord == 2:
        return _root(np.sum(x * x, axis=axis, keepdims=keepdims), 2)
    if ord == 0:
        return np.sum(x != 0, axis=axis, keepdims=keepdims).astype(x.dtype)
    size = np.abs(x)
    if ord == 1:
        return np.sum(size, axis=axis, keepdims=keepdims)
    if ord in (np.inf, -np.inf):
        return (np.max if ord > 0 else np.min)(size, axis=axis, keepdims=keepdims)
    return _root(np.sum(size**ord, axis=axis, keepdims=keepdims), ord)


def _of_matrices(x: Any, ord: Any) -> Any:
    """Of the last two axes."""
    if ord is None or ord == "fro":
        return _of_vectors(x, 2, (-2, -1), False)
    if ord in (1, -1, np.inf, -np.inf):
        sums = np.sum(np.abs(x), axis=-2 if abs(ord) == 1 else -1)
        return (np.max if ord > 0 else np.min)(sums, axis=-1)
    if ord not in (2, -2, "nuc"):
        raise ValueError(
            f"ord (={ord!r}) of a matrix's norm must be None, 'fro', 'nuc', 1, -1, 2, -2, inf or -inf"
        )
    values = np.linalg.svd(x, compute_uv=False)
    return np.sum(values, axis=-1) if ord == "nuc" else values[..., 0 if ord == 2 else -1]


@composed(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    if axis is None and (ord is None or np.ndim(x) < 2):
        return _of_vectors(x, ord, None, keepdims)
    axes = (-2, -1) if axis is None else tuple(np.atleast_1d(axis).tolist())
    if len(axes) == 1:
        return _of_vectors(x, ord, axes, keepdims)
    value = _of_matrices(np.moveaxis(x, axes, (-2, -1)), ord)
    return np.expand_dims(value, tuple(axis % np.ndim(x) for axis in axes)) if keepdims else value


@composed(np.linalg.vector_norm)
def vector_norm(x: Any, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    return _of_vectors(x, ord, axis, keepdims)


@composed(np.linalg.matrix_norm)
def matrix_norm(x: Any, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    return norm(x, ord, (-2, -1), keepdims)


@composed(np.linalg.cond)
def cond(x: Any) -> Any:
    """The largest singular value by the smallest."""
    values = np.linalg.svd(x, compute_uv=False)
    return values[..., 0] / values[..., -1]

"""Linear algebra (Giles 2008). Matrices may be stacked: all formulas hold for the last two axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from betahat.autodiff.rules.shapes import transposed as _t
from betahat.autodiff.table import composed, general, shape_of, unbroadcast
from betahat.autodiff.trace import Variable, call, untraced
from betahat.errors import DerivativeError


def _scalar(g: Any) -> Any:
    """A number for each matrix, as a 1 × 1 matrix."""
    return g[..., None, None]


# y = a⁻¹: dy = −y da y
general(
    np.linalg.inv,
    {0: lambda g, y, a: -np.matmul(np.matmul(_t(y), g), _t(y))},
    {0: lambda g, y, a: -np.matmul(np.matmul(y, g), y)},
)


# y = a⁻¹b: a dy = db − da y
def _columns(b: Any) -> bool:
    """Whether b is one vector, not a matrix of right sides."""
    return np.ndim(b) == 1


def _solved(a: Any, g: Any, b: Any) -> Any:
    """a⁻¹g for a g of the shape of a⁻¹b, where one b may serve a stack of a."""
    if _columns(b) and np.ndim(g) > 1:
        return np.linalg.solve(a, g[..., None])[..., 0]
    return np.linalg.solve(a, g)


def _solve_a_back(g: Any, y: Any, a: Any, b: Any) -> Any:
    back = _solved(_t(a), g, b)
    if _columns(b):
        return unbroadcast(-back[..., :, None] * y[..., None, :], shape_of(a))
    return unbroadcast(-np.matmul(back, _t(y)), shape_of(a))


def _solve_a_forth(g: Any, y: Any, a: Any, b: Any) -> Any:
    return -_solved(a, np.matmul(g, y[..., None])[..., 0] if _columns(b) else np.matmul(g, y), b)


general(
    np.linalg.solve,
    {0: _solve_a_back, 1: lambda g, y, a, b: unbroadcast(_solved(_t(a), g, b), shape_of(b))},
    {0: _solve_a_forth, 1: lambda g, y, a, b: np.linalg.solve(a, g)},
)

# y = det a: dy = y tr(a⁻¹da)
general(
    np.linalg.det,
    {0: lambda g, y, a: _scalar(g) * _cofactors(a)},
    {0: lambda g, y, a: np.sum(g * _cofactors(a), axis=(-1, -2))},
)


def _cofactors(a: Any) -> Any:
    """∂det/∂a, by minors where a is singular, since the inverse is not there."""
    plain = np.asarray(untraced(a))
    if plain.shape[-1] and (np.linalg.cond(plain) < 1e12).all():
        return _scalar(np.linalg.det(a)) * _t(np.linalg.inv(a))
    n = shape_of(a)[-1]
    rows = []
    for i in range(n):
        keep = [k for k in range(n) if k != i]
        rows.append(np.stack([
            (-1.0) ** (i + j) * np.linalg.det(a[..., keep, :][..., :, [k for k in range(n) if k != j]])
            for j in range(n)
        ], -1))  # fmt: skip
    return np.stack(rows, -2) if rows else a


def log_determinant(a: Any, found: Any) -> Any:
    """log |det a|, given what np.linalg.slogdet found of the plain a; its sign is constant."""
    return call(log_determinant, (a, found), {}) if type(a) is Variable else found[1]


general(
    log_determinant,
    {0: lambda g, y, a, found: _scalar(g) * _t(np.linalg.inv(a))},
    {0: lambda g, y, a, found: np.sum(g * _t(np.linalg.inv(a)), axis=(-1, -2))},
)


@composed(np.linalg.slogdet)
def slogdet(a: Any) -> Any:
    found = np.linalg.slogdet(untraced(a))
    return type(found)(found[0], log_determinant(a, found))


# a = y yᵀ: dy = y Φ(y⁻¹ da y⁻ᵀ) with Φ the lower triangle, its diagonal halved (Murray 2016)
def _half_lower(a: Any) -> Any:
    return np.tril(a) - 0.5 * a * np.eye(shape_of(a)[-1])


def _cholesky_back(g: Any, y: Any, a: Any) -> Any:
    inverse = np.linalg.inv(y)
    middle = np.matmul(np.matmul(_t(inverse), _half_lower(np.matmul(_t(y), g))), inverse)
    return (middle + _t(middle)) / 2


def _cholesky_forth(g: Any, y: Any, a: Any) -> Any:
    inverse = np.linalg.inv(y)
    symmetric = (g + _t(g)) / 2
    return np.matmul(y, _half_lower(np.matmul(np.matmul(inverse, symmetric), _t(inverse))))


general(np.linalg.cholesky, {0: _cholesky_back}, {0: _cholesky_forth})


@composed(np.trace)
def trace_of(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    return np.sum(np.diagonal(a, offset, axis1, axis2), axis=-1)


@composed(np.linalg.trace)
def trace(x: Any) -> Any:
    return np.sum(np.linalg.diagonal(x), axis=-1)


@composed(np.linalg.pinv)
def pinv(a: Any) -> Any:
    """(aᵀa)⁻¹aᵀ or aᵀ(aaᵀ)⁻¹: for matrices of full rank, where alone it is differentiable."""
    if (np.linalg.matrix_rank(untraced(a)) < min(shape_of(a)[-2:])).any():
        raise DerivativeError(
            "np.linalg.pinv has a derivative where the matrix has full rank, and this one has not"
        )
    if shape_of(a)[-2] >= shape_of(a)[-1]:
        return np.linalg.solve(np.matmul(_t(a), a), _t(a))
    return _t(np.linalg.solve(np.matmul(a, _t(a)), a))


@composed(np.linalg.matrix_power)
def matrix_power(a: Any, n: int) -> Any:
    if n < 0:
        a, n = np.linalg.inv(a), -n
    y: Any = np.eye(shape_of(a)[-1], dtype=np.result_type(a))
    for _ in range(n):
        y = np.matmul(y, a)
    return y


@composed(np.linalg.multi_dot)
def multi_dot(arrays: Any) -> Any:
    y = arrays[0]
    for a in arrays[1:]:
        y = np.matmul(y, a)
    return y

"""Linear algebra (Giles 2008). Matrices may be stacked: all formulas hold for the last two axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from betahat.autodiff.rules.shapes import call_any
from betahat.autodiff.rules.shapes import transposed as _t
from betahat.autodiff.table import composed, general, linear, shape_of, unbroadcast
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


def _solve_a_back(g: Any, y: Any, a: Any, b: Any) -> Any:
    back = np.linalg.solve(_t(a), g)
    if _columns(b):
        return unbroadcast(-back[..., :, None] * y[..., None, :], shape_of(a))
    return unbroadcast(-np.matmul(back, _t(y)), shape_of(a))


general(
    np.linalg.solve,
    {0: _solve_a_back, 1: lambda g, y, a, b: unbroadcast(np.linalg.solve(_t(a), g), shape_of(b))},
    {
        0: lambda g, y, a, b: -np.linalg.solve(a, np.matmul(g, y)),
        1: lambda g, y, a, b: np.linalg.solve(a, g + np.zeros(shape_of(y))),
    },
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


# the eigenvalues of a symmetric matrix: dλ = diag(vᵀ da v)
def eigenvalues(a: Any) -> Any:
    """Of symmetric matrices, ascending."""
    return np.linalg.eigvalsh(a)


general(
    eigenvalues,
    {0: lambda g, y, a: np.matmul(_vectors(a) * np.expand_dims(g, -2), _t(_vectors(a)))},
    {0: lambda g, y, a: np.sum(_vectors(a) * np.matmul((g + _t(g)) / 2, _vectors(a)), axis=-2)},
)


def _vectors(a: Any) -> Any:
    return np.linalg.eigh(a)[1]


# and its vectors: dv = v (F ∘ (vᵀ da v)), F_ij = 1/(λ_j − λ_i)
def eigenvectors(a: Any) -> Any:
    """Of symmetric matrices, as columns."""
    return np.linalg.eigh(a)[1]


def _gaps(a: Any) -> Any:
    values = np.linalg.eigvalsh(a)
    gaps = np.expand_dims(values, -2) - np.expand_dims(values, -1)
    equal = np.eye(shape_of(values)[-1]) > 0
    if ((untraced(gaps) == 0) & ~equal).any():
        raise DerivativeError(
            "eigenvectors have no derivative where eigenvalues are equal; use the eigenvalues alone"
        )
    return np.where(equal, 0.0, 1 / np.where(equal, 1.0, gaps))


def _eigenvectors_back(g: Any, y: Any, a: Any) -> Any:
    found = np.matmul(np.matmul(y, _gaps(a) * np.matmul(_t(y), g)), _t(y))
    return (found + _t(found)) / 2


general(
    eigenvectors,
    {0: _eigenvectors_back},
    {0: lambda g, y, a: np.matmul(y, _gaps(a) * np.matmul(np.matmul(_t(y), (g + _t(g)) / 2), y))},
)


@composed(np.linalg.eigvalsh)
def eigvalsh(a: Any) -> Any:
    return call_any(eigenvalues, a)


@composed(np.linalg.eigh)
def eigh(a: Any) -> Any:
    return call_any(eigenvalues, a), call_any(eigenvectors, a)


linear(np.trace, lambda g, y, a, offset=0: g * np.eye(*shape_of(a), k=offset))


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
    y: Any = np.eye(shape_of(a)[-1])
    for _ in range(n):
        y = np.matmul(y, a)
    return y


@composed(np.linalg.multi_dot)
def multi_dot(arrays: Any) -> Any:
    y = arrays[0]
    for a in arrays[1:]:
        y = np.matmul(y, a)
    return y


@composed(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """Of vectors: 1, 2, any p, ±∞; of matrices: Frobenius."""
    if axis is None and ord is None:
        root = np.sqrt(np.sum(x * x))
        return np.reshape(root, (1,) * np.ndim(x)) if keepdims else root
    both = axis is not None and np.ndim(axis) == 1 and len(axis) == 2
    if both or (axis is None and np.ndim(x) == 2):
        if ord not in (None, "fro"):
            raise DerivativeError(
                f"np.linalg.norm(ord={ord!r}) of matrices has no derivative rule; the Frobenius norm has"
            )
        return np.sqrt(np.sum(x * x, axis=axis if both else (-2, -1), keepdims=keepdims))
    axis = -1 if axis is None else axis
    size = np.abs(x)
    if ord in (None, 2):
        return np.sqrt(np.sum(x * x, axis=axis, keepdims=keepdims))
    if ord == 1:
        return np.sum(size, axis=axis, keepdims=keepdims)
    if ord in (np.inf, -np.inf):
        return (np.max if ord > 0 else np.min)(size, axis=axis, keepdims=keepdims)
    return np.sum(size**ord, axis=axis, keepdims=keepdims) ** (1 / ord)


@composed(np.linalg.vector_norm)
def vector_norm(x: Any, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    if axis is None:
        value = norm(np.ravel(x), ord, 0)
        return np.reshape(value, (1,) * np.ndim(x)) if keepdims else value
    return norm(x, ord, axis, keepdims)


@composed(np.linalg.matrix_norm)
def matrix_norm(x: Any, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    return norm(x, ord, (-2, -1), keepdims)


@composed(np.cov)
def cov(m: Any, *, rowvar: bool = True, ddof: int = 1) -> Any:
    m = np.atleast_2d(m) if rowvar or np.ndim(m) == 1 else np.transpose(m)
    centred = m - np.mean(m, axis=1, keepdims=True)
    return np.squeeze(np.matmul(centred, np.transpose(centred)) / (shape_of(m)[1] - ddof))

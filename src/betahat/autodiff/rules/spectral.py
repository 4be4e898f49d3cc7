"""Eigenvalues of symmetric matrices and singular values (Giles 2008; Townsend 2016). What np.linalg found of the plain
matrix goes with each call as `found`, so that one decomposition serves all its parts."""

from __future__ import annotations

from typing import Any

import numpy as np

from betahat.autodiff.rules.shapes import transposed as _t
from betahat.autodiff.table import composed, general, shape_of
from betahat.autodiff.trace import Variable, call, untraced
from betahat.errors import DerivativeError


def _part(function: Any, a: Any, found: Any, place: int) -> Any:
    return call(function, (a, found), {}) if type(a) is Variable else found[place]


def _symmetric(a: Any) -> Any:
    return (a + _t(a)) / 2


def _inverse_gaps(values: Any) -> Any:
    """1 / (λⱼ − λᵢ), and 0 on the diagonal."""
    gaps = np.expand_dims(values, -2) - np.expand_dims(values, -1)
    diagonal = np.eye(shape_of(values)[-1]) > 0
    if ((untraced(gaps) == 0) & ~diagonal).any():
        raise DerivativeError(
            "eigenvectors and singular vectors have no derivative where values are equal; use the values alone"
        )
    return np.where(diagonal, 0.0, 1 / np.where(diagonal, 1.0, gaps))


# a v = v λ for a symmetric a: dλ = diag(vᵀ da v)
def eigenvalues(a: Any, found: Any) -> Any:
    """Ascending."""
    return _part(eigenvalues, a, found, 0)


def _vectors(a: Any) -> Any:
    return np.linalg.eigh(a)[1]


def _eigenvalues_back(g: Any, y: Any, a: Any, found: Any) -> Any:
    v = _vectors(a)
    return np.matmul(v * g[..., None, :], _t(v))


def _eigenvalues_forth(g: Any, y: Any, a: Any, found: Any) -> Any:
    v = _vectors(a)
    return np.sum(v * np.matmul(_symmetric(g), v), axis=-2)


general(eigenvalues, {0: _eigenvalues_back}, {0: _eigenvalues_forth})


# dv = v (F ∘ (vᵀ da v)), F_ij = 1 / (λ_j − λ_i)
def eigenvectors(a: Any, found: Any) -> Any:
    """As columns."""
    return _part(eigenvectors, a, found, 1)


def _eigenvectors_back(g: Any, v: Any, a: Any, found: Any) -> Any:
    inner = _inverse_gaps(np.linalg.eigvalsh(a)) * np.matmul(_t(v), g)
    return _symmetric(np.matmul(np.matmul(v, inner), _t(v)))


def _eigenvectors_forth(g: Any, v: Any, a: Any, found: Any) -> Any:
    moved = np.matmul(np.matmul(_t(v), _symmetric(g)), v)
    return np.matmul(v, _inverse_gaps(np.linalg.eigvalsh(a)) * moved)


general(eigenvectors, {0: _eigenvectors_back}, {0: _eigenvectors_forth})


@composed(np.linalg.eigh)
def eigh(a: Any) -> Any:
    found = np.linalg.eigh(untraced(a))
    return type(found)(eigenvalues(a, found), eigenvectors(a, found))


@composed(np.linalg.eigvalsh)
def eigvalsh(a: Any) -> Any:
    return eigenvalues(a, (np.linalg.eigvalsh(untraced(a)),))


# a = u s vᵀ: ds = diag(uᵀ da v)
def singular_values(a: Any, found: Any) -> Any:
    """Descending."""
    return _part(singular_values, a, found, 0)


def _singular_values_back(g: Any, y: Any, a: Any, found: Any) -> Any:
    u, _, vt = np.linalg.svd(a, full_matrices=False)
    return np.matmul(u * g[..., None, :], vt)


def _singular_values_forth(g: Any, y: Any, a: Any, found: Any) -> Any:
    u, _, vt = np.linalg.svd(a, full_matrices=False)
    return np.sum(u * np.matmul(g, _t(vt)), axis=-2)


general(singular_values, {0: _singular_values_back}, {0: _singular_values_forth})


# du = u (F ∘ (p s + s pᵀ)) + (1 − uuᵀ) da v s⁻¹, with p = uᵀ da v and F_ij = 1 / (s_j² − s_i²)
def left_vectors(a: Any, found: Any) -> Any:
    """u of a; v is u of aᵀ."""
    return _part(left_vectors, a, found, 0)


def _around(u: Any, a: Any) -> tuple[Any, Any]:
    """The rows of s and v, from u, so that they depend on a as u does."""
    scaled = np.matmul(_t(a), u)
    s = np.sqrt(np.sum(scaled * scaled, axis=-2, keepdims=True))
    return s, scaled / s


def _beside(u: Any, g: Any) -> Any:
    """(1 − uuᵀ)g."""
    return g - np.matmul(u, np.matmul(_t(u), g))


def _left_back(g: Any, u: Any, a: Any, found: Any) -> Any:
    s, v = _around(u, a)
    inner = _inverse_gaps((s * s)[..., 0, :]) * np.matmul(_t(u), g)
    return np.matmul(np.matmul(u, (inner + _t(inner)) * s) + _beside(u, g) / s, _t(v))


def _left_forth(g: Any, u: Any, a: Any, found: Any) -> Any:
    s, v = _around(u, a)
    moved = np.matmul(g, v)
    p = np.matmul(_t(u), moved) * s
    return np.matmul(u, _inverse_gaps((s * s)[..., 0, :]) * (p + _t(p))) + _beside(u, moved) / s


general(left_vectors, {0: _left_back}, {0: _left_forth})


@composed(np.linalg.svd)
def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    rows, columns = shape_of(a)[-2:]
    if not compute_uv:
        return singular_values(a, (np.linalg.svd(untraced(a), compute_uv=False),))
    if full_matrices and rows != columns:
        raise DerivativeError(
            "np.linalg.svd fills up the vectors of a matrix that is not square in no particular way; give "
            "full_matrices=False"
        )
    found = np.linalg.svd(untraced(a), full_matrices=False)
    u, s, vt = found
    return type(found)(left_vectors(a, (u,)), singular_values(a, (s,)), _t(left_vectors(_t(a), (_t(vt),))))


@composed(np.linalg.svdvals)
def svdvals(x: Any) -> Any:
    return svd(x, compute_uv=False)

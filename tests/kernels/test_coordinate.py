"""Coordinate descent: compiled kernels against NumPy, and both against the equations of a minimum."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from betahat.kernels import coordinate_compiled, reference_coordinate
from betahat.kernels.coordinate import COMPILED_FROM, descend_columns, descend_gram


def problem(n: int, w: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    X = np.asfortranarray(rng.standard_normal((n, w)) * (rng.random((n, w)) < 0.4))
    h = rng.uniform(0.1, 1.0, n) / n
    q = rng.standard_normal(n) / n
    a, b = rng.uniform(0, 0.02, w), rng.uniform(0, 0.01, w)
    return X, h, q, a, b, rng.standard_normal(w) * (rng.random(w) < 0.5)


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("epochs", [1, 2, 7])
def test_gram_kernels_agree(epochs, positive):
    X, h, q, a, b, start = problem(40, 12)
    start = np.abs(start) if positive else start
    H, results = np.ascontiguousarray(X.T @ (X * h[:, None])), []
    for module in (reference_coordinate, coordinate_compiled):
        beta, g = start.copy(), X.T @ q
        total = module.descend_gram(H, g, beta, a, b, positive, epochs, 0.0)
        np.testing.assert_allclose(g, X.T @ q + H @ (beta - start), rtol=1e-11, atol=1e-14)
        results.append((beta, total))
    np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-10, atol=1e-13)
    assert results[0][1] == pytest.approx(results[1][1], rel=1e-8)


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_column_kernels_agree_with_gram(kind, dtype, centred):
    X, h, q, a, b, start = problem(40, 12)
    X = np.asfortranarray(X.astype(dtype))
    mean = np.asarray(h @ X / h.sum()) * centred
    q = q - h * (q.sum() / h.sum()) * centred
    Z = X - mean
    bend = np.asarray(h @ Z**2, np.float64)
    expected, g = start.copy(), X.T.astype(np.float64) @ q
    reference_coordinate.descend_gram(Z.T @ (Z * h[:, None]), g, expected, a, b, False, 5, 0.0)
    S = sp.csc_array(X)
    arrays = (S.data, S.indices, S.indptr) if kind == "sparse" else (X,)
    for module in (reference_coordinate, coordinate_compiled):
        function = module.descend_sparse if kind == "sparse" else module.descend_dense
        beta, rows = start.copy(), q.copy()
        function(*arrays, np.arange(12), h, mean, bend, rows, beta, a, b, False, 5, 0.0)
        np.testing.assert_allclose(beta, expected, rtol=1e-5 if dtype == np.float32 else 1e-9, atol=1e-7)
        np.testing.assert_allclose(rows, q + h * (Z @ (beta - start)), rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("w", [10, COMPILED_FROM + 5])
@pytest.mark.parametrize("way", ["gram", "dense", "sparse"])
def test_descends_to_where_subgradients_vanish(way, w):
    X, h, q, a, b, _ = problem(2 * w, w)
    a = a + 1e-3
    b = b + 1e-2
    beta = np.zeros(w)
    if way == "gram":
        g = X.T @ q
        descend_gram(np.ascontiguousarray(X.T @ (X * h[:, None])), g, beta, a, b, False, 2000, 0.0)
    else:
        rows = q.copy()
        matrix = sp.csc_array(X) if way == "sparse" else X
        bend = h @ X**2
        descend_columns(matrix, np.arange(w), h, np.zeros(w), bend, rows, beta, a, b, False, 2000, 0.0)
        g = X.T @ rows
    inside = np.abs(g + a * np.sign(beta) + b * beta)
    assert (np.where(beta == 0, np.maximum(np.abs(g) - a, 0), inside) <= 1e-12).all()
    assert 0 < (beta != 0).sum() < w

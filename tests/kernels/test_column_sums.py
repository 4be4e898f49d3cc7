"""Sums of columns, dense and sparse: against NumPy in doubles."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from betahat.kernels.column_sums import dense_moments, sparse_gram, sparse_moments, sparse_products

SHAPES = [(1, 1), (7, 3), (50, 12), (2500, 120)]


def table(n: int, p: int, density: float, dtype: type = np.float64):
    rng = np.random.default_rng(n + p)
    X = rng.standard_normal((n, p)) * (rng.random((n, p)) < density)
    X[:, p // 2] = 0.0
    return X.astype(dtype), rng.random(n), rng.standard_normal(n)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("kind", ["dense", "sparse"])
@pytest.mark.parametrize(("n", "p"), SHAPES)
def test_moments(n, p, kind, dtype):
    X, share, _ = table(n, p, 0.6, dtype)
    first, second = (
        dense_moments(np.asfortranarray(X), share)
        if kind == "dense"
        else sparse_moments(sp.csc_array(X), share)
    )
    wide = X.astype(np.float64)
    np.testing.assert_allclose(first, share @ wide, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(second, share @ wide**2, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("density", [0.0, 0.05, 1.0])
@pytest.mark.parametrize(("n", "p"), SHAPES)
def test_products(n, p, density, dtype):
    X, v, u = table(n, p, density, dtype)
    columns, wide = sp.csc_array(X), X.astype(np.float64)
    (alone,) = sparse_products(columns, v)
    for found, expected in zip((alone, *sparse_products(columns, v, u)), (v, v, u), strict=True):
        np.testing.assert_allclose(found, expected @ wide, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("density", [0.0, 0.05, 1.0])
@pytest.mark.parametrize(("n", "p"), SHAPES)
def test_gram(n, p, density):
    X, h, _ = table(n, p, density)
    found = sparse_gram(sp.csr_array(X), h)
    np.testing.assert_allclose(found, X.T @ (X * h[:, None]), rtol=1e-11, atol=1e-11)
    assert (found == found.T).all()


def test_same_bits_on_any_number_of_threads(monkeypatch: pytest.MonkeyPatch):
    rng = np.random.default_rng(0)
    X = sp.random_array((60_000, 40), density=0.3, format="csc", rng=rng, data_sampler=rng.standard_normal)
    h, seen = rng.random(60_000), []
    for threads in ("1", "3"):
        monkeypatch.setenv("BETAHAT_NUM_THREADS", threads)
        seen.append((sparse_gram(X.tocsr(), h), *sparse_products(X, h), *sparse_moments(X, h)))
    for one, other in zip(*seen, strict=True):
        assert (one == other).all()

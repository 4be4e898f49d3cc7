"""Gram matrix and gradient in one reading against the two kernels that make them one by one."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from kernels.layouts import LAYOUTS as IN_MEMORY

from betahat.kernels.gradient import gradient
from betahat.kernels.gram import COMPILED_FROM, gram
from betahat.kernels.newton import gram_and_gradient

LAYOUTS = ["C", "F", "columns", "float32", "reversed", "int16"]
SHAPES = [
    (COMPILED_FROM + 1, 1, 1),
    (30_000, 5, 1),
    (9_001, 37, 2),
    (300, 500, 1),
    (3_000, 383, 0),
    (40, 3, 1),
]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_equals_gram_and_gradient(shape, layout, weighted, rng):
    n, p, t = shape
    X = IN_MEMORY[layout](rng.standard_normal((n, p)))
    Y, centre = rng.standard_normal((n, t)), rng.standard_normal(p + t)
    beta, intercept = rng.standard_normal((t, p)), rng.standard_normal(t)
    weight = rng.random(n) if weighted else None
    high, low, found = gram_and_gradient(X, Y, beta, intercept, weight, centre)
    moments = sum(gram(X, Y, weight, centre))
    unit = np.sqrt(np.outer(moments.diagonal(), moments.diagonal()))
    assert np.abs((high + low - moments) / unit).max() < 1e-13
    expected = gradient(X, Y, beta, intercept, weight)
    difference = (found.high - expected.high) + (found.low - expected.low)
    assert np.abs(difference / expected.magnitude).max(initial=0) < 1e-26
    np.testing.assert_allclose(found.magnitude, expected.magnitude, rtol=1e-12)
    np.testing.assert_allclose(found.loss, expected.loss, rtol=1e-13)


@pytest.mark.parametrize("threads", ["1", "2", "5"])
def test_same_bits_for_any_number_of_threads(threads, rng, monkeypatch):
    X, Y = rng.standard_normal((50_000, 20)), rng.standard_normal((50_000, 1))
    arguments = X, Y, np.ones((1, 20)), np.ones(1)
    monkeypatch.setenv("BETAHAT_NUM_THREADS", "2")
    high, low, first = gram_and_gradient(*arguments)
    monkeypatch.setenv("BETAHAT_NUM_THREADS", threads)
    again = gram_and_gradient(*arguments)
    assert np.array_equal(high, again[0])
    assert np.array_equal(low, again[1])
    for one, two in zip(first, again[2], strict=True):
        assert np.array_equal(one, two)


def test_sparse_rows_have_their_own_way(rng):
    """The statistics sort sparse blocks out before this kernel; it says so rather than give a wrong sum."""
    with pytest.raises(TypeError, match="sparse"):
        gram_and_gradient(sp.csr_array(np.eye(3)), np.ones((3, 1)), np.ones((1, 3)), np.zeros(1))

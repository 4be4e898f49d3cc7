"""Eigenvalues of small symmetric matrices against LAPACK's, and against ones that are known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from betahat.kernels.eigen_compiled import eigen


def symmetric(p, kind):
    rng = np.random.default_rng(p)
    A = rng.normal(size=(p, p))
    A = (A + A.T) / 2
    return {
        "any": A,
        "positive": A @ A.T,
        "alike": np.eye(p) + 1e-13 * A,
        "diagonal": np.diag(np.diag(A)),
        "one": np.ones((p, p)),
        "zero": np.zeros((p, p)),
        "tiny": 1e-200 * A,
        "huge": 1e150 * A,
        "hollow": A - np.diag(np.diag(A)),
    }[kind]


@pytest.mark.parametrize(
    "kind", ["any", "positive", "alike", "diagonal", "one", "zero", "tiny", "huge", "hollow"]
)
@pytest.mark.parametrize("p", [1, 2, 3, 7, 12, 13])
def test_against_lapack(p, kind):
    A = symmetric(p, kind)
    values, V = eigen(A.copy())
    size = np.abs(A).max() * p + 1e-300
    assert_allclose(values / size, np.linalg.eigvalsh(A) / size, atol=1e-14)
    assert (np.diff(values) >= 0).all()
    assert_allclose(V.T @ V, np.eye(p), atol=1e-13)
    assert_allclose(A / size @ V, V * (values / size), atol=1e-13)


def test_small_eigenvalues_keep_their_digits():
    """Of a positive definite matrix of unit diagonal: 1 ± (1 − 2⁻³⁰), known exactly."""
    c = 1 - 2.0**-30
    values, _ = eigen(np.array([[1.0, c], [c, 1.0]]))
    assert_allclose(values, [2.0**-30, 2 - 2.0**-30], rtol=1e-15 * 2**5)

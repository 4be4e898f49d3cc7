"""What the Hessian says of a point, from itself and from the columns whose squares it holds."""

from __future__ import annotations

import numpy as np
import pytest

from betahat.certificate import curvature, curvature_of_squares


def hilbert(n, m):
    return 1.0 / (np.arange(n)[:, None] + np.arange(m) + 1.0)


@pytest.mark.parametrize("m", [2, 4, 6, 8])
def test_columns_keep_the_digits_that_squares_lose(m):
    columns, second = hilbert(15, m), np.zeros((m, m))
    found = curvature_of_squares(columns, second)
    assert found is not None
    exact = np.linalg.svd(columns / np.sqrt((columns**2).sum(axis=0)), compute_uv=False)[::-1] ** 2
    np.testing.assert_allclose(found.values, exact, rtol=1e-5)
    assert found.status == "local minimum"
    assert found.condition_number == pytest.approx(np.sqrt(exact[-1] / exact[0]), rel=1e-5)


def test_both_ways_agree():
    rng = np.random.default_rng(0)
    C = rng.standard_normal((12, 4)) * [1e-8, 1.0, 1e6, 3.0]
    S = 0.1 * np.diag((C**2).sum(axis=0))
    one, two = curvature(C.T @ C + S), curvature_of_squares(C, S)
    assert two is not None
    z = rng.standard_normal(4)
    np.testing.assert_allclose(one.solve(z), two.solve(z), rtol=1e-9)
    np.testing.assert_allclose(
        one.condition_number, two.condition_number, rtol=0.2
    )  # scaled by C's lengths, not H's


@pytest.mark.parametrize(
    ("columns", "second"),
    [
        (np.ones((5, 2)), np.zeros((2, 2))),
        (np.eye(2), -2 * np.eye(2)),
        (np.ones((1, 2)), np.zeros((2, 2))),
        (np.array([[1.0, np.nan], [0.0, 1.0]]), np.zeros((2, 2))),
        (np.array([[1.0, 0.0], [1.0, 0.0]]), np.zeros((2, 2))),
    ],
    ids=["open", "saddle", "few rows", "nan", "zero column"],
)
def test_nothing_is_said_without_proof(columns, second):
    assert curvature_of_squares(columns, second) is None

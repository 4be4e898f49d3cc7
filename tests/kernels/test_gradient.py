"""Σ w r x in double-double: against rational arithmetic, and the compiled loops against the NumPy reference."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernels.layouts import LAYOUTS as IN_MEMORY

from betahat.kernels import gradient as dispatch
from betahat.kernels import reference
from betahat.kernels.gram import COMPILED_FROM

KERNELS = {"compiled": dispatch._compiled, "reference": reference.gradient}


def exact(X, Y, beta, intercept, weight):
    """Σ w r (1, x) and Σ |w r (1, x)|, for one target, as fractions."""
    n, p = X.shape
    rows = [[Fraction(1), *(Fraction(float(v)) for v in X[i])] for i in range(n)]
    b = [Fraction(float(intercept[0])), *(Fraction(float(v)) for v in beta[0])]
    w = [Fraction(1)] * n if weight is None else [Fraction(float(v)) for v in weight]
    u = [
        w[i] * (Fraction(float(Y[i, 0])) - sum(x * c for x, c in zip(rows[i], b, strict=True)))
        for i in range(n)
    ]
    sums = [sum(u[i] * rows[i][j] for i in range(n)) for j in range(p + 1)]
    sizes = [sum(abs(u[i] * rows[i][j]) for i in range(n)) for j in range(p + 1)]
    return sums, sizes


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", [(1, 1), (7, 3), (8, 8), (21, 5), (50, 17), (70, 75), (9, 33)], ids=str)
def test_against_rational_arithmetic(kernel, weighted, shape, rng):
    n, p = shape
    X = rng.standard_normal((n, p)) * 10.0 ** rng.integers(-3, 4, p)
    Y, beta, intercept = rng.standard_normal((n, 1)), rng.standard_normal((1, p)), rng.standard_normal(1)
    weight = rng.random(n) if weighted else None
    found = KERNELS[kernel](X, Y, beta, intercept, weight)
    sums, sizes = exact(X, Y, beta, intercept, weight)
    for j in range(p + 1):
        error = abs(Fraction(float(found.high[0, j])) + Fraction(float(found.low[0, j])) - sums[j])
        assert error <= sizes[j] * Fraction(2) ** -90
        assert found.magnitude[0, j] == pytest.approx(float(sizes[j]), rel=1e-13)


@pytest.mark.parametrize("kernel", KERNELS)
def test_cancellation_to_the_last_bit(kernel):
    """Residuals of 1e-17 of predictions of 1e8: a double would see none of it."""
    X = np.array([[1e8, -1e8], [1e8, 1.0], [3.0, 1e-8]])
    beta, intercept = np.array([[1.0, 1.0]]), np.array([1e-9])
    Y = np.array([[1e-9], [1e8 + 1], [3.0]])
    found = KERNELS[kernel](X, Y, beta, intercept, None)
    sums, _ = exact(X, Y, beta, intercept, None)
    for j in range(3):
        assert found.high[0, j] + found.low[0, j] == pytest.approx(float(sums[j]), rel=1e-13)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12), st.integers(1, 4), st.randoms(use_true_random=False), st.integers(0, 30))
def test_reference_over_wide_ranges(n, p, random, spread):
    value = lambda: random.randint(-(2**53), 2**53) * 2.0 ** (random.randint(-spread, spread) - 53)  # noqa: E731
    X = np.array([[value() for _ in range(p)] for _ in range(n)])
    Y = np.array([[value()] for _ in range(n)])
    beta, intercept = np.array([[value() for _ in range(p)]]), np.array([value()])
    found = reference.gradient(X, Y, beta, intercept, None)
    sums, _ = exact(X, Y, beta, intercept, None)
    reach = np.abs(X) @ np.abs(beta[0]) + np.abs(Y[:, 0]) + abs(intercept[0])
    for j in range(p + 1):
        column = np.ones(n) if j == 0 else np.abs(X[:, j - 1])
        error = abs(Fraction(float(found.high[0, j])) + Fraction(float(found.low[0, j])) - sums[j])
        assert error <= Fraction(float(column.max() * reach.max())) * n * Fraction(2) ** -90


LAYOUTS = ["C", "F", "columns", "float32", "reversed", "uint8", "sparse"]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    "shape", [(30_000, 5, 1), (4_001, 37, 2), (300, 500, 1), (COMPILED_FROM + 1, 1, 1)], ids=str
)
@pytest.mark.parametrize("weighted", [False, True])
def test_large_equals_reference(layout, shape, weighted, rng):
    n, p, t = shape
    X = IN_MEMORY[layout](rng.standard_normal((n, p)))
    Y, beta, intercept = rng.standard_normal((n, t)), rng.standard_normal((t, p)), rng.standard_normal(t)
    weight = rng.random(n) if weighted else None
    found = dispatch.gradient(X, Y, beta, intercept, weight)
    dense = X.toarray() if layout == "sparse" else np.asarray(X, np.float64)
    expected = reference.gradient(dense, Y, beta, intercept, weight)
    difference = (found.high - expected.high) + (found.low - expected.low)
    assert np.abs(difference / expected.magnitude).max() < 1e-26
    np.testing.assert_allclose(found.magnitude, expected.magnitude, rtol=1e-12)
    np.testing.assert_allclose(found.loss, expected.loss, rtol=1e-13)


def test_second_halves_count(rng):
    """X, β and the intercept given in two doubles."""
    X, X_low = rng.standard_normal((20, 3)), rng.standard_normal((20, 3)) * 2.0**-55
    beta, beta_low = rng.standard_normal((1, 3)), rng.standard_normal((1, 3)) * 2.0**-55
    Y = X @ beta.T
    found = reference.gradient(
        X, Y, beta, np.array([0.5]), None, X_low=X_low, beta_low=beta_low, intercept_low=np.array([2.0**-60])
    )
    F = lambda v: Fraction(float(v))  # noqa: E731
    total = Fraction(0)
    for i in range(20):
        prediction = F(0.5) + Fraction(2) ** -60
        for j in range(3):
            prediction += (F(X[i, j]) + F(X_low[i, j])) * (F(beta[0, j]) + F(beta_low[0, j]))
        total += F(Y[i, 0]) - prediction
    assert abs(F(found.high[0, 0]) + F(found.low[0, 0]) - total) < Fraction(2) ** -90


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 40), st.integers(1, 4), st.integers(1, 4), st.randoms(use_true_random=False))
def test_exact_product(n, p, q, random):
    value = lambda: random.randint(-(2**53), 2**53) * 2.0 ** random.randint(-73, -33)  # noqa: E731
    A = np.array([[value() for _ in range(p)] for _ in range(n)])
    B = np.array([[value() for _ in range(q)] for _ in range(n)])
    high, low = reference.exact_product(A, None, B, None)
    for j in range(p):
        for k in range(q):
            truth = sum(Fraction(A[i, j]) * Fraction(B[i, k]) for i in range(n))
            reach = Fraction(np.abs(A[:, j]).max() * np.abs(B[:, k]).max()) * n
            assert abs(Fraction(high[j, k]) + Fraction(low[j, k]) - truth) <= reach * Fraction(2) ** -95


@given(st.floats(-1e150, 1e150), st.floats(-1e150, 1e150))
def test_two_sum_and_two_product_are_exact(a, b):
    s, e = reference.two_sum(np.float64(a), np.float64(b))
    assert Fraction(float(s)) + Fraction(float(e)) == Fraction(a) + Fraction(b)
    if abs(a * b) > 1e-250:
        p, e = reference.two_product(np.float64(a), np.float64(b))
        assert Fraction(float(p)) + Fraction(float(e)) == Fraction(a) * Fraction(b)

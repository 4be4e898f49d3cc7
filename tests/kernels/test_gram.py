"""ZᵀWZ by the register tile: every layout, type and shape against plain NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from kernels.layouts import LAYOUTS as IN_MEMORY

from betahat.kernels import reference
from betahat.kernels.gram import COMPILED_FROM, gram, mirror_upper

SHAPES = [
    (COMPILED_FROM, 1, 1),
    (30_000, 5, 1),
    (4_001, 37, 2),
    (2_800, 47, 3),
    (300, 500, 1),
    (3_000, 391, 0),
]
LAYOUTS = sorted(IN_MEMORY.keys() - {"uint8", "uint8 F", "reversed", "sparse"})


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("weighted", [False, True])
def test_equals_numpy(shape, layout, weighted, rng):
    n, p, t = shape
    X = IN_MEMORY[layout](rng.standard_normal((n, p)))
    Y, centre = rng.standard_normal((n, t)), rng.standard_normal(p + t)
    weight = rng.random(n) if weighted else None
    high, low = gram(X, Y, weight, centre)
    expected, _ = reference.gram(np.asarray(X, np.float64), Y, weight, centre)
    unit = np.sqrt(np.outer(expected.diagonal(), expected.diagonal()))
    assert np.abs((high + low - expected) / unit).max() < 1e-13
    assert np.array_equal(high, high.T)


@pytest.mark.parametrize("layout", ["C", "F", "columns", "float32", "every other column"])
def test_single_precision(layout, rng):
    X, Y = IN_MEMORY[layout](rng.standard_normal((30_000, 20))), rng.standard_normal((30_000, 1))
    high, low = gram(X, Y, dtype=np.float32)
    expected, _ = reference.gram(np.asarray(X, np.float64), Y, None, np.zeros(21))
    assert high.dtype == np.float32
    unit = np.sqrt(np.outer(expected.diagonal(), expected.diagonal()))
    assert np.abs((high.astype(np.float64) + low - expected) / unit).max() < 2e-6


def test_compensated_sums_are_better_than_numpy(rng):
    """Adding 4000 blocks loses nothing: the sum is within one rounding of the exact one."""
    X = rng.random((500_000, 3)) + 1
    high, low = gram(X, np.zeros((500_000, 0)))
    exact = reference.exact_product(X[:, :1], None, X[:, :1], None)[0][0, 0]
    assert abs(high[0, 0] + low[0, 0] - exact) <= 4e-16 * exact


def test_centre_keeps_the_digits_of_large_means(rng):
    deviations = rng.integers(-1000, 1000, (40_000, 4)) / 1024
    X = deviations + 1e8  # exact: both parts are multiples of 2⁻¹⁰
    high, low = gram(X, np.zeros((40_000, 0)), centre=np.full(4, 1e8))
    assert np.array_equal((high + low)[:4, :4], deviations.T @ deviations)


@pytest.mark.parametrize("layout", ["C", "F", "float32"])
def test_nothing_beyond_the_array_is_read(layout):
    """NaN around a window must not leak into its products."""
    whole = np.full((9_003, 19), np.nan)
    whole[1:-1, 2:-2] = 1.0
    X = IN_MEMORY[layout](whole)[1:-1, 2:-2]
    high, low = gram(X, np.zeros((9_001, 0)))
    assert np.array_equal(high + low, np.full((16, 16), 9_001.0))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_show(value, rng):
    X = rng.standard_normal((30_000, 6))
    X[12_345, 4] = value
    high, low = gram(X, np.zeros((30_000, 0)))
    assert not np.isfinite((high + low)[4, 4])
    assert np.isfinite((high + low)[:4, :4]).all()


@pytest.mark.parametrize("n", [0, 1, 2, 127, 128, 129, 300])
def test_mirror_upper(n, rng):
    A = rng.standard_normal((n, n))
    expected = np.triu(A) + np.triu(A, 1).T
    assert np.array_equal(mirror_upper(A.copy()), expected)

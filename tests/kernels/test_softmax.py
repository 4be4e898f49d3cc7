"""The multinomial loss in one reading: compiled against NumPy, and NumPy against 50-digit arithmetic."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
from kernels.layouts import LAYOUTS as IN_MEMORY

from betahat.kernels import reference_softmax
from betahat.kernels.gram import COMPILED_FROM
from betahat.kernels.irls import irls
from betahat.kernels.softmax import EVERYTHING, GRADIENT, HESSIAN, VALUE, softmax

LAYOUTS = ["C", "F", "columns", "float32", "uint8", "reversed", "int16"]
SHAPES = [(COMPILED_FROM + 1, 1), (9_001, 17), (1_100, 129), (401, 400), (40, 3), (1, 2), (0, 2), (30, 0)]


def problem(rng, shape, classes, weighted=True, offsets=True, largest=1.0):
    """y, weight (some 0), offset, centre, slopes, level, and a direction."""
    n, p = shape
    weight = rng.random(n) * (rng.random(n) > 0.1) if weighted else None
    offset = 0.3 * rng.standard_normal((n, classes)) if offsets else None
    slopes = rng.standard_normal((classes, p)) / (np.sqrt(p + 1) * largest)
    settings = rng.integers(0, classes, n), weight, offset, largest * rng.standard_normal(p), slopes
    return *settings, rng.standard_normal(classes), rng.standard_normal((classes, 1 + p)) / largest


def run(kernel, X, settings, much, directed=True):
    return kernel(X, *settings[:-1], much, settings[-1] if directed else None)


def agree(found, wanted):
    for name, one, two in zip(found._fields, found, wanted, strict=True):
        assert np.shape(one) == np.shape(two), name
        scale = (
            wanted.magnitude if name == "gradient" and wanted.magnitude.any() else np.abs(two).max(initial=0)
        )
        assert (np.abs(np.asarray(one) - two) <= 2e-12 * scale + 1e-300).all(), name


@pytest.mark.parametrize("directed", [False, True])
@pytest.mark.parametrize("classes", [1, 2, 3, 4, 10, 17])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_equals_numpy(layout, classes, directed, rng):
    X = IN_MEMORY[layout](rng.standard_normal((9_001, 17)))
    settings = problem(rng, X.shape, classes, largest=50.0 if X.dtype.kind in "iu" else 1.0)
    dense = np.asarray(X, np.float64)
    agree(
        run(softmax, X, settings, EVERYTHING, directed),
        run(reference_softmax.softmax, dense, settings, EVERYTHING, directed),
    )


@pytest.mark.parametrize("much", [VALUE, GRADIENT, HESSIAN])
@pytest.mark.parametrize("offsets", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_shape(shape, weighted, offsets, much, rng):
    if much == HESSIAN and shape[1] > 200:
        pytest.skip("Hessians are for few columns")
    X = rng.standard_normal(shape)
    settings = problem(rng, shape, 3, weighted, offsets)
    agree(run(softmax, X, settings, much), run(reference_softmax.softmax, X, settings, much))


@pytest.mark.parametrize("p", [1, 7, 8, 23, 24, 63, 191, 192, 200, 215, 216, 784])
@pytest.mark.parametrize("n", [2, 16, 17, 255, 257, 600])
def test_rows_and_columns_across_the_edges_of_blocks(n, p, rng, monkeypatch):
    monkeypatch.setattr("betahat.kernels.softmax.COMPILED_FROM", 0)
    X = rng.standard_normal((n, p))
    settings = problem(rng, X.shape, 5)
    agree(run(softmax, X, settings, GRADIENT), run(reference_softmax.softmax, X, settings, GRADIENT))


@pytest.mark.parametrize("much", [HESSIAN, EVERYTHING])
def test_two_classes_are_the_logit(much, rng):
    """With scores 0 and η, the second class is Bernoulli's."""
    X = rng.standard_normal((20_000, 8))
    y, weight, _, centre, slopes, level, _ = problem(rng, X.shape, 2, offsets=False)
    slopes[0], level[0] = 0.0, 0.0
    found = softmax(X, y, weight, None, centre, slopes, level, much)
    wanted = irls(X, y, weight, None, centre, slopes[1], level[1], 1, 0.0, much)
    np.testing.assert_allclose(found.value, wanted.value, rtol=1e-13)
    np.testing.assert_allclose(found.gradient[1], wanted.gradient, atol=1e-13 * wanted.magnitude.max())
    np.testing.assert_allclose(found.hessian[9:, 9:], wanted.hessian, atol=1e-13 * wanted.hessian.max())
    np.testing.assert_allclose(found.hessian[:9, 9:], -wanted.hessian, atol=1e-13 * wanted.hessian.max())


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("level", [0.0, 30.0, 700.0, 1e4])
def test_against_50_digits(level, compiled, rng, monkeypatch):
    """Three rows, of classes likely and not; nothing may be lost by subtraction from 1."""
    monkeypatch.setattr("betahat.kernels.softmax.COMPILED_FROM", 0 if compiled else 1 << 30)
    X, y, w = (
        np.array([[0.5, -1.0], [2.0, 0.25], [-1.0, 1.5]]),
        np.array([0, 2, 0]),
        np.array([1.0, 0.5, 2.0]),
    )
    B, levels = np.array([[0.5, 1.0], [-0.25, 2.0], [1.0, -1.5]]), np.array([level, 0.0, -1.0])
    V = rng.standard_normal((3, 3))
    found = softmax(X, y, w, None, np.zeros(2), B, levels, HESSIAN, V)
    with mp.workdps(50):
        value, gradient = mp.mpf(0), mp.zeros(3, 3)
        hessian, sizes = mp.zeros(9, 9), mp.zeros(9, 9)
        for i in range(3):
            z = [mp.mpf(1), *map(mp.mpf, X[i].tolist())]
            eta = [levels[k] + mp.fdot(z[1:], map(mp.mpf, B[k].tolist())) for k in range(3)]
            total = mp.fsum(map(mp.exp, eta))
            share = [mp.exp(e) / total for e in eta]
            value += w[i] * (mp.log(total) - eta[y[i]])
            for k in range(3):
                for j in range(3):
                    gradient[k, j] += w[i] * (share[k] - (y[i] == k)) * z[j]
                    for m in range(3):
                        for h in range(3):
                            bent = w[i] * ((k == m) * share[k] - share[k] * share[m]) * z[j] * z[h]
                            hessian[3 * k + j, 3 * m + h] += bent
                            sizes[3 * k + j, 3 * m + h] += abs(bent)
        assert abs(found.value - value) <= 1e-14 * abs(value)
        allowed = 1e-14 * (1 + level)  # η is rounded, which P feels in proportion
        for k in range(3):
            for j in range(3):
                assert abs(found.gradient[k, j] - gradient[k, j]) <= allowed * max(
                    abs(gradient[k, j]), mp.mpf("1e-300")
                )
                row = mp.fsum(hessian[3 * k + j, q] * V.ravel()[q] for q in range(9))
                bound = mp.fsum(sizes[3 * k + j, q] * abs(V.ravel()[q]) for q in range(9))
                assert abs(found.product[k, j] - row) <= allowed * bound + mp.mpf("1e-300")
                for q in range(9):
                    bent = found.hessian[3 * k + j, q] - hessian[3 * k + j, q]
                    assert abs(bent) <= allowed * sizes[3 * k + j, q] + mp.mpf("1e-300")


def test_product_is_that_with_the_hessian(rng):
    X = rng.standard_normal((10_000, 14))
    settings = problem(rng, X.shape, 4)
    found = run(softmax, X, settings, HESSIAN)
    assert np.array_equal(found.hessian, found.hessian.T)
    wanted = found.hessian @ settings[-1].ravel()
    np.testing.assert_allclose(found.product.ravel(), wanted, atol=1e-12 * np.abs(wanted).max())


@pytest.mark.parametrize("shape", [(50, 3), (20_000, 10)], ids=str)
@pytest.mark.parametrize("layout", ["C", "F", "float32"])
def test_rows_of_no_weight_may_hold_anything(shape, layout, rng):
    X = rng.standard_normal(shape)
    y, weight, offset, *rest = problem(rng, shape, 3)
    dead = weight == 0
    assert dead.any()
    y, X[dead], offset[dead] = np.where(dead, 0.0, y), 0.0, 0.0
    expected = run(softmax, IN_MEMORY[layout](X), (y, weight, offset, *rest), EVERYTHING)
    for bad in (np.nan, np.inf):
        y[dead], X[dead], offset[dead] = bad, bad, bad
        found = run(softmax, IN_MEMORY[layout](X), (y, weight, offset, *rest), EVERYTHING)
        for one, two in zip(found, expected, strict=True):
            assert np.isfinite(one).all()
            assert np.array_equal(one, two)


@pytest.mark.parametrize("shape", [(50, 3), (20_000, 10)], ids=str)
@pytest.mark.parametrize("where", ["X", "y", "offset"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_show(bad, where, shape, rng):
    X = rng.standard_normal(shape)
    y, weight, offset, *rest = problem(rng, shape, 3)
    y, i = y.astype(np.float64), int(np.flatnonzero(weight)[len(y) // 2])
    if where == "offset":
        offset[i, int(y[i])] = bad
    else:
        {"X": X[:, 1], "y": y}[where][i] = bad
    for much in (VALUE, GRADIENT):
        found = run(softmax, X, (y, weight, offset, *rest), much)
        assert not np.isfinite(found.value)
        assert where != "X" or much < GRADIENT or not np.isfinite(found.gradient[:, 2]).any()


@pytest.mark.parametrize("shape", [(50, 3), (20_000, 10)], ids=str)
@pytest.mark.parametrize("label", [-1.0, 0.5, 3.0])
def test_what_is_no_class_shows(label, shape, rng):
    X = rng.standard_normal(shape)
    y, *rest = problem(rng, shape, 3, weighted=False)
    y = y.astype(np.float64)
    y[7] = label
    assert np.isnan(run(softmax, X, (y, *rest), GRADIENT).value)


@pytest.mark.parametrize("shape", [(50_000, 20), (2_000, 420)], ids=str)
@pytest.mark.parametrize("layout", ["C", "F", "uint8", "int16"])
def test_same_bits_for_any_number_of_threads(layout, shape, rng, monkeypatch):
    X = IN_MEMORY[layout](rng.standard_normal(shape))
    settings = problem(rng, shape, 3, largest=50.0)
    much = EVERYTHING if shape[1] < 100 else GRADIENT
    monkeypatch.setenv("BETAHAT_NUM_THREADS", "1")
    first = run(softmax, X, settings, much)
    for threads in ("2", "5"):
        monkeypatch.setenv("BETAHAT_NUM_THREADS", threads)
        for one, two in zip(first, run(softmax, X, settings, much), strict=True):
            assert np.array_equal(one, two)

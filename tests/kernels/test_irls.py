"""Loss, gradient and Hessian in one reading: compiled against NumPy, and NumPy against exact sums."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from kernels.layouts import LAYOUTS as IN_MEMORY

from betahat.kernels import reference_irls
from betahat.kernels.gram import COMPILED_FROM
from betahat.kernels.irls import EVERYTHING, GRADIENT, HESSIAN, ROUGH, VALUE, irls

POWER = {4: 1.5, 8: 1.0}
CODES = range(9)
LAYOUTS = sorted(IN_MEMORY.keys() - {"longdouble", "reversed rows", "reversed columns", "sparse"})
SHAPES = [
    (COMPILED_FROM + 1, 1),
    (COMPILED_FROM // 3 + 1, 3),
    (9_001, 50),
    (1_100, 129),
    (401, 400),
    (40, 3),
    (1, 2),
    (0, 2),
]


def problem(rng, shape, code, weighted=True, offsets=True):
    """y, weight (some 0), offset, centre, slopes of reasonable size, level, code, power."""
    n, p = shape
    y = (rng.random(n) < 0.4) * 1.0 if code in (1, 6, 7) else rng.gamma(2.0, 1.0, n) + 0.1
    weight = rng.random(n) * (rng.random(n) > 0.1) if weighted else None
    offset = 0.3 * rng.standard_normal(n) if offsets else None
    slopes = rng.standard_normal(p) / np.sqrt(p)
    return y, weight, offset, rng.standard_normal(p), slopes, 0.25, code, POWER.get(code, 0.0)


def agree(found, wanted, much):
    """`wanted` are the sums of everything."""
    if much >= EVERYTHING:
        np.testing.assert_allclose(found.magnitude, wanted.magnitude, rtol=1e-11, atol=1e-300)
        np.testing.assert_allclose(found.rounding, wanted.rounding, rtol=1e-11, atol=1e-300)
        np.testing.assert_allclose(found.radius, wanted.radius, rtol=1e-13)
    else:
        assert not found.magnitude.any()
        assert not found.rounding.any()
        assert found.radius == 0.0
    np.testing.assert_allclose(found.weight, wanted.weight, rtol=1e-14)
    np.testing.assert_allclose(found.value, wanted.value, rtol=1e-11, atol=1e-300)
    difference = np.abs(found.gradient - (wanted.gradient if much >= GRADIENT else 0.0))
    assert (difference <= 1e-12 * wanted.magnitude).all()
    if much < ROUGH:
        assert not found.hessian.any()
        return
    assert np.array_equal(found.hessian, found.hessian.T)
    diagonal = np.sqrt(np.abs(wanted.hessian.diagonal())) + 1e-300
    rounding = 1e-6 if much == ROUGH else 1e-12
    assert (np.abs(found.hessian - wanted.hessian) <= rounding * np.outer(diagonal, diagonal)).all()


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_equals_numpy(layout, code, rng):
    """Every layout and type with every loss, with weights and offsets."""
    X = IN_MEMORY[layout](rng.standard_normal((9_001, 17)))
    settings = problem(rng, X.shape, code)
    if X.dtype.kind in "iub" and X.dtype != bool:
        settings = (*settings[:4], settings[4] / 50, *settings[5:])
    unit = rng.random(17)
    found = irls(X, *settings, EVERYTHING, unit)
    agree(found, reference_irls.irls(np.asarray(X, np.float64), *settings, EVERYTHING, unit), EVERYTHING)


@pytest.mark.parametrize("much", [VALUE, GRADIENT, ROUGH, HESSIAN, EVERYTHING])
@pytest.mark.parametrize("offsets", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("layout", ["C", "F", "uint8", "int16"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_shape(shape, layout, weighted, offsets, much, rng):
    X = IN_MEMORY[layout](rng.standard_normal(shape))
    settings = problem(rng, shape, 1, weighted, offsets)
    wanted = reference_irls.irls(np.asarray(X, np.float64), *settings, EVERYTHING)
    agree(irls(X, *settings, much), wanted, much)


@pytest.mark.parametrize("n", [2, 15, 16, 17, 31, 32, 33, 511, 512, 513, 543, 16_383, 16_384, 16_385, 32_769])
def test_rows_across_the_edges_of_blocks_and_slabs(n, rng, monkeypatch):
    monkeypatch.setattr("betahat.kernels.irls.COMPILED_FROM", 0)
    X = rng.standard_normal((n, 5))
    settings = problem(rng, X.shape, 2)
    agree(irls(X, *settings, EVERYTHING), reference_irls.irls(X, *settings, EVERYTHING), EVERYTHING)


@pytest.mark.parametrize("p", [1, 7, 8, 15, 16, 22, 23, 24, 25, 47, 48, 63, 383, 384, 385])
@pytest.mark.parametrize("much", [ROUGH, EVERYTHING])
def test_columns_across_the_edges_of_panels(much, p, rng, monkeypatch):
    monkeypatch.setattr("betahat.kernels.irls.COMPILED_FROM", 0)
    X = rng.standard_normal((77, p))
    settings = problem(rng, X.shape, 1)
    agree(irls(X, *settings, much), reference_irls.irls(X, *settings, EVERYTHING), much)


@pytest.mark.parametrize("expected", [False, True])
@pytest.mark.parametrize("code", CODES)
def test_rough_products_of_every_loss(code, expected, rng):
    X = rng.standard_normal((9_001, 17))
    settings = problem(rng, X.shape, code)
    if expected and code not in (1, 2, 3, 5, 6, 7):
        settings = (*settings[:-2], 1, 0.0)
        settings = ((settings[0] > 1.0) * 1.0, *settings[1:])
    found = irls(X, *settings, ROUGH, None, expected)
    agree(found, reference_irls.irls(X, *settings, EVERYTHING, None, expected), ROUGH)


@pytest.mark.parametrize("told", [False, True], ids=["units not told", "units told"])
@pytest.mark.parametrize("weight", [1e-100, 1e-30, 1.0, 1e30, 1e100])
@pytest.mark.parametrize("scale", [1e-100, 1e-15, 1.0, 1e15, 1e100])
def test_rough_products_never_leave_what_single_precision_holds(scale, weight, told, rng):
    """Beyond, products are those of double precision."""
    X = rng.standard_normal((9_001, 17)) * np.where(np.arange(17) % 2, scale, 1.0)
    settings = (
        (rng.random(9_001) < 0.4) * 1.0,
        rng.random(9_001) * weight,
        None,
        np.zeros(17),
        np.zeros(17),
        0.25,
        1,
        0.0,
    )
    unit = 1 / X.std(axis=0) if told else None
    exact, found = irls(X, *settings, HESSIAN, unit), irls(X, *settings, ROUGH, unit)
    assert found.gradient.tobytes() == exact.gradient.tobytes()
    diagonal = np.sqrt(exact.hessian.diagonal())
    assert (np.abs(found.hessian - exact.hessian) <= 1e-6 * diagonal[:, None] * diagonal).all()
    inside = 1e-9 < weight < 1e9 and (told or 1e-2 < scale < 1e2)
    assert inside == (found.hessian.tobytes() != exact.hessian.tobytes())


@pytest.mark.parametrize("much", [VALUE, HESSIAN, EVERYTHING])
def test_no_columns(much, rng):
    """The mean alone: z = 1."""
    y, weight, offset, *_ = problem(rng, (1_000, 0), 0)
    found = irls(np.zeros((1_000, 0)), y, weight, offset, np.zeros(0), np.zeros(0), 0.5, 0, 0.0, much)
    np.testing.assert_allclose(found.value, 0.5 * weight @ (0.5 + offset - y) ** 2, rtol=1e-13)
    if much >= HESSIAN:
        np.testing.assert_allclose(found.gradient, [weight @ (0.5 + offset - y)], rtol=1e-12)
        np.testing.assert_allclose(found.hessian, [[weight.sum()]], rtol=1e-13)
    assert found.radius == 0.0


def test_reference_against_exact_fractions():
    """Squared error of whole numbers, so that every sum is exact: ½, (x − c), the residuals and their products."""
    X, y = np.array([[1.0, 4.0], [2.0, -3.0], [5.0, 0.0]]), np.array([3.0, -1.0, 2.0])
    weight, offset = np.array([1.0, 2.0, 0.5]), np.array([0.5, 0.0, -1.0])
    centre, slopes, level, unit = np.array([2.0, 1.0]), np.array([0.5, -0.25]), 1.5, np.array([2.0, 0.5])
    gradient, magnitude, moved, rounding = ([Fraction(0)] * 3 for _ in range(4))
    length = sum((Fraction(a) / Fraction(b)) ** 2 for a, b in zip(slopes, unit, strict=True))
    hessian, value, radius = [[Fraction(0)] * 3 for _ in range(3)], Fraction(0), Fraction(0)
    for i in range(3):
        z = [Fraction(1)] + [Fraction(X[i, j]) - Fraction(centre[j]) for j in range(2)]
        terms = [Fraction(level), *map(Fraction, slopes)]
        r = sum(a * b for a, b in zip(z, terms, strict=True)) + Fraction(offset[i]) - Fraction(y[i])
        size = sum(abs(a * b) for a, b in zip(z, terms, strict=True)) + abs(Fraction(offset[i]))
        w = Fraction(weight[i])
        value += w * r * r / 2
        square = sum((z[j + 1] * Fraction(unit[j])) ** 2 for j in range(2))
        radius = max(radius, square)
        bound = Fraction(math.sqrt(square * length)) + abs(Fraction(level)) + abs(Fraction(offset[i]))
        for j in range(3):
            gradient[j] += w * r * z[j]
            magnitude[j] += abs(w * r * z[j])
            moved[j] += abs(w * z[j]) * size
            rounding[j] += abs(w * z[j]) * bound
            for k in range(3):
                hessian[j][k] += w * z[j] * z[k]
    found = irls(X, y, weight, offset, centre, slopes, level, 0, 0.0, EVERYTHING, unit)
    assert (Fraction(found.value), Fraction(found.weight), Fraction(found.radius)) == (
        value,
        Fraction(7, 2),
        radius,
    )
    for array, exact in ((found.gradient, gradient), (found.magnitude, magnitude)):
        assert [Fraction(a) for a in array] == exact
    np.testing.assert_allclose(found.rounding, np.array(rounding, float), rtol=1e-15)
    assert all(least <= a for least, a in zip(moved, found.rounding, strict=True))
    assert [[Fraction(a) for a in row] for row in found.hessian] == hessian


@pytest.mark.parametrize("code", CODES)
def test_gradient_and_hessian_are_derivatives(code, rng):
    """Central differences of value and gradient along a direction."""
    X = rng.standard_normal((200, 4))
    y, weight, offset, centre, slopes, level, _, power = problem(rng, X.shape, code)
    direction, h = rng.standard_normal(5), 1e-5

    def at(t, much):
        moved = slopes + t * direction[1:], level + t * direction[0]
        return irls(X, y, weight, offset, centre, *moved, code, power, much)

    found, ahead, behind = at(0.0, EVERYTHING), at(h, GRADIENT), at(-h, GRADIENT)
    slope = (ahead.value - behind.value) / (2 * h)
    assert abs(slope - found.gradient @ direction) <= 1e-7 * (found.magnitude @ np.abs(direction))
    if code != 8:  # whose second derivative jumps
        bend = (ahead.gradient - behind.gradient) / (2 * h)
        np.testing.assert_allclose(bend, found.hessian @ direction, rtol=1e-6, atol=1e-6 * np.abs(bend).max())


@pytest.mark.parametrize("shape", [(50, 3), (20_000, 10), (500, 400)], ids=str)
@pytest.mark.parametrize("layout", ["C", "F", "columns", "float32"])
@pytest.mark.parametrize("much", [VALUE, GRADIENT, HESSIAN, EVERYTHING])
def test_rows_of_no_weight_may_hold_anything(shape, layout, much, rng):
    X = rng.standard_normal(shape)
    y, weight, offset, *rest = problem(rng, shape, 1)
    dead = weight == 0
    assert dead.any()
    X[dead], y[dead], offset[dead] = 0.0, 0.0, 0.0
    expected = irls(IN_MEMORY[layout](X), y, weight, offset, *rest, much)
    for bad in (np.nan, np.inf):
        X[dead], y[dead], offset[dead] = bad, bad, bad
        found = irls(IN_MEMORY[layout](X), y, weight, offset, *rest, much)
        for one, two in zip(found, expected, strict=True):
            assert np.isfinite(one).all()
            assert np.array_equal(one, two)


@pytest.mark.parametrize("shape", [(50, 3), (20_000, 10), (500, 400)], ids=str)
@pytest.mark.parametrize("where", ["X", "y", "offset"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("code", CODES)
def test_values_that_are_not_finite_show(code, bad, where, shape, rng):
    X = rng.standard_normal(shape)
    y, weight, offset, centre, slopes, *rest = problem(rng, shape, code)
    i = int(np.flatnonzero(weight)[len(y) // 2])
    if where == "X":
        X[i, 2], slopes[2] = bad, 0.0  # 0 · inf is NaN, not 0
    else:
        {"y": y, "offset": offset}[where][i] = bad
    for much in (VALUE, GRADIENT, HESSIAN):
        found = irls(X, y, weight, offset, centre, slopes, *rest, much)
        assert not np.isfinite(found.value)
        if where == "X":
            assert much < GRADIENT or not np.isfinite(found.gradient[3])
            assert much < HESSIAN or not np.isfinite(found.hessian[3, 3])


def test_nothing_beyond_the_array_is_read(rng):
    """NaN around a window must not leak into its sums."""
    whole = np.full((9_003, 23), np.nan)
    whole[1:-1, 2:-2] = rng.standard_normal((9_001, 19))
    for array in (whole, np.asfortranarray(whole), whole.astype(np.float32)):
        X = array[1:-1, 2:-2]
        settings = problem(rng, X.shape, 1)
        dense = np.ascontiguousarray(X, np.float64)
        agree(irls(X, *settings, EVERYTHING), reference_irls.irls(dense, *settings, EVERYTHING), EVERYTHING)


@pytest.mark.parametrize("shape", [(50_000, 20), (2_000, 420)], ids=str)
@pytest.mark.parametrize("layout", ["C", "F", "uint8", "int16"])
def test_same_bits_for_any_number_of_threads(layout, shape, rng, monkeypatch):
    X = IN_MEMORY[layout](rng.standard_normal(shape))
    settings = problem(rng, shape, 1)
    monkeypatch.setenv("BETAHAT_NUM_THREADS", "1")
    first = irls(X, *settings, EVERYTHING)
    for threads in ("2", "5"):
        monkeypatch.setenv("BETAHAT_NUM_THREADS", threads)
        for one, two in zip(first, irls(X, *settings, EVERYTHING), strict=True):
            assert np.array_equal(one, two)


def test_centre_keeps_the_digits_of_large_means(rng):
    """Deviations are exact where x − c is, whatever the mean."""
    deviations = rng.integers(-1000, 1000, (40_000, 4)) / 1024
    y, weight, offset, _, slopes, *rest = problem(rng, deviations.shape, 1)
    near = irls(deviations, y, weight, offset, np.zeros(4), slopes, *rest, HESSIAN)
    far = irls(deviations + 1e8, y, weight, offset, np.full(4, 1e8), slopes, *rest, HESSIAN)
    for one, two in zip(near, far, strict=True):
        assert np.array_equal(one, two)


def test_read_only_rows_and_other_types_of_vectors(rng):
    X = rng.standard_normal((20_000, 10))
    y, weight, offset, centre, slopes, *rest = problem(rng, X.shape, 1)
    expected = irls(X, y, weight, offset, centre, slopes, *rest, EVERYTHING)
    X.flags.writeable = False
    wide = np.repeat(offset, 2)[::2]
    found = irls(X, y.astype(bool), weight, wide, centre, list(slopes), *rest, EVERYTHING)
    for one, two in zip(found, expected, strict=True):
        assert np.array_equal(one, two)


def test_inf_where_the_sum_overflows():
    X = np.ones((COMPILED_FROM, 1))
    found = irls(X, np.zeros(len(X)), None, None, np.zeros(1), np.array([800.0]), 0.0, 2, 0.0, GRADIENT)
    assert found.value == np.inf
    assert (found.gradient == np.inf).all()


@pytest.mark.parametrize("code", [-1, 9])
@pytest.mark.parametrize("n", [3, COMPILED_FROM])
def test_unknown_losses_are_refused(code, n):
    with pytest.raises(ValueError, match=f"code \\(={code}\\) must be one of 0 … 8"):
        irls(np.ones((n, 1)), np.ones(n), None, None, np.zeros(1), np.zeros(1), 0.0, code, 0.0, VALUE)


@pytest.mark.parametrize("code", range(8))
@pytest.mark.parametrize("shape", [(9_001, 17), (401, 400)])
def test_expected_curvature_equals_numpy(shape, code, rng):
    """E L'' in the place of L'', and Pearson's χ², of every likelihood."""
    X = rng.standard_normal(shape)
    settings = problem(rng, shape, code)
    found = irls(X, *settings, HESSIAN, expected=True)
    wanted = reference_irls.irls(X, *settings, EVERYTHING, expected=True)
    agree(found, wanted, HESSIAN)
    np.testing.assert_allclose(found.pearson, wanted.pearson, rtol=1e-11)
    assert wanted.pearson > 0


@pytest.mark.parametrize(
    ("code", "family"),
    [(0, "gaussian"), (1, "binomial"), (2, "poisson"), (3, "gamma"), (5, "inverse_gaussian"),
     (6, "probit"), (7, "cloglog")],
)  # fmt: skip
def test_expected_curvature_is_the_families(code, family, rng):
    """The reference against (dμ/dη)²/V(μ) of statsmodels' families, and Pearson's χ² against its definition."""
    import statsmodels.api as sm

    families = sm.families
    links = families.links
    known = {
        "gaussian": families.Gaussian(), "binomial": families.Binomial(), "poisson": families.Poisson(),
        "gamma": families.Gamma(links.Log()), "inverse_gaussian": families.InverseGaussian(links.Log()),
        "probit": families.Binomial(links.Probit()), "cloglog": families.Binomial(links.CLogLog()),
    }[family]  # fmt: skip
    X = rng.standard_normal((50, 2))
    settings = problem(rng, X.shape, code)
    y, weight, offset, centre, slopes, level, *_ = settings
    eta = level + offset + (X - centre) @ slopes
    mu = known.link.inverse(eta)
    variance = known.variance(mu)
    expected = weight * known.link.inverse_deriv(eta) ** 2 / variance
    found = irls(X, *settings, HESSIAN, expected=True)
    np.testing.assert_allclose(found.hessian[0, 0], expected.sum(), rtol=1e-10)
    np.testing.assert_allclose(found.pearson, (weight * (y - mu) ** 2 / variance).sum(), rtol=1e-10)

"""Correct digits: against NIST's certified values, rational arithmetic, and the certificate's own bound."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from estimators.exact import assert_bound_holds, errors, estimates, truth, truth_of_rows
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reference_data import correct_digits, nist_linear

from betahat import DataError, LinearRegression, PolynomialRegression
from betahat.models.polynomial import exponents

EPS = np.finfo(np.float64).eps
POWERS = {"Norris": 1, "Pontius": 2, "Wampler1": 5, "Wampler2": 5, "Wampler3": 5, "Filip": 10}
DIGITS = {
    "Norris": 13,
    "Pontius": 13,
    "NoInt1": 14,
    "Longley": 13,
    "Wampler1": 13,
    "Wampler2": 13,
    "Wampler3": 13,
}


def design(reference):
    """The columns of a reference set as a user would form them in doubles: x, x², … or as given."""
    y, x = reference.data[:, 0], reference.data[:, 1:]
    degree = POWERS.get(reference.name)
    return (x if degree is None else x ** np.arange(1, degree + 1)), y


def fewest_digits(found, certified):
    return min(correct_digits(float(f), float(c)) for f, c in zip(found, certified, strict=True))


def check_reference(model, reference, y, digits, error_digits):
    inference = model.inference_
    assert fewest_digits(inference.estimate, reference.estimates) >= digits
    if reference.residual_sd == 0:
        assert inference.std_err.max() < 1e-9 * y.std()
        assert np.sqrt(inference.scale) < 1e-9 * y.std()
    else:
        assert fewest_digits(inference.std_err, reference.std_errors) >= error_digits
        assert correct_digits(float(np.sqrt(inference.scale)), reference.residual_sd) >= error_digits
    assert correct_digits(inference.r_squared, reference.r_squared) >= error_digits
    assert model.certificate_.status == "global minimum"
    assert model.certificate_.converged


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("name", DIGITS)
def test_nist(name, order):
    reference = nist_linear(name)
    X, y = design(reference)
    model = LinearRegression(fit_intercept=name != "NoInt1").fit(np.asarray(X, order=order), y)
    check_reference(model, reference, y, DIGITS[name], 12)


def test_nist_filip_with_powers_rounded_to_double():
    """What is left when x^10 is rounded before the fit: the rounding itself costs the rest."""
    reference = nist_linear("Filip")
    X, y = design(reference)
    check_reference(LinearRegression().fit(X, y), reference, y, 7.5, 7)


@pytest.mark.parametrize(("name", "digits", "error_digits"), [
    ("Norris", 13, 12), ("Pontius", 13, 12), ("Wampler1", 13, 12), ("Wampler2", 13, 12), ("Wampler3", 13, 12),
    ("Filip", 12, 10),
])  # fmt: skip
def test_nist_as_polynomial(name, digits, error_digits):
    reference = nist_linear(name)
    y, x = reference.data[:, 0], reference.data[:, 1:]
    model = PolynomialRegression(POWERS[name]).fit(x, y)
    check_reference(model, reference, y, digits, error_digits)


# --- against rational arithmetic ----------------------------------------------------------------------------

WAMPLER = np.array([759, -2048, 2048, -2048, 2523, -2048, 2048, -2048, 1838, -2048, 2048, -2048, 1838, -2048, 2048,
                    -2048, 2523, -2048, 2048, -2048, 759.0])  # fmt: skip


def wampler(factor):
    """Wampler's (1970) data 3, 4 and 5: an exact polynomial and a pattern of deviations times 1, 100 or 10000."""
    x = np.arange(21.0)
    return x, (x[:, None] ** np.arange(6)).sum(axis=1) + factor * WAMPLER


@pytest.mark.parametrize("kind", [LinearRegression, PolynomialRegression])
@pytest.mark.parametrize("factor", [0, 1, 100, 10_000])
def test_wampler(kind, factor):
    x, y = wampler(factor)
    X = x[:, None] ** np.arange(1, 6)
    exact = truth(X, y)
    assert [float(b) for b in exact.beta[0]] == pytest.approx([1.0] * 6, rel=1e-12)
    model = (
        LinearRegression().fit(X, y)
        if kind is LinearRegression
        else PolynomialRegression(5).fit(x[:, None], y)
    )
    assert fewest_digits(model.inference_.estimate, exact.coefficients[0]) >= (13 if factor <= 1 else 9)
    assert_bound_holds(model, exact)
    if factor:
        np.testing.assert_allclose(model.inference_.std_err, exact.std_err(15)[0], rtol=1e-12)
        assert model.inference_.scale == pytest.approx(float(exact.rss[0] / 15), rel=1e-13)


def hilbert(n, p):
    return 1.0 / (np.arange(n)[:, None] + np.arange(p) + 1.0)


def vandermonde(n, p):
    return np.linspace(0.1, 1.0, n)[:, None] ** np.arange(1, p + 1)


def unlike_deviations(n, p):
    rng = np.random.default_rng(p)
    return rng.normal(size=(n, p)) * np.where(np.arange(p) % 2, 1.0, 1e7)


def large_means(n, p):
    return 1e8 + np.random.default_rng(p).normal(size=(n, p))


def nearly_equal(n, p):
    rng = np.random.default_rng(p)
    return rng.normal(size=(n, 1)) + 1e-7 * rng.normal(size=(n, p))


@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize("intercept", [True, False], ids=["intercept", "origin"])
@pytest.mark.parametrize(
    ("make", "n", "p"),
    [
        (hilbert, 12, 3), (hilbert, 12, 5), (hilbert, 14, 6),
        (vandermonde, 20, 4), (vandermonde, 20, 7),
        (unlike_deviations, 30, 2), (unlike_deviations, 30, 5),
        (large_means, 30, 1), (large_means, 30, 4),
        (nearly_equal, 30, 2), (nearly_equal, 30, 4),
    ],
)  # fmt: skip
def test_rational(make, n, p, intercept, weighted):
    rng = np.random.default_rng(n)
    X = make(n, p)
    Y = np.column_stack([rng.normal(size=n), (X / X.std(axis=0)).sum(axis=1) + rng.normal(size=n)])
    weight = rng.uniform(0.1, 4.0, n) if weighted else None
    exact = truth(X, Y, weight, intercept)
    model = LinearRegression(fit_intercept=intercept).fit(X, Y, sample_weight=weight)
    rtol = max(4 * EPS, 4 * EPS**2 * model.certificate_.condition_number**2 * 1e3)
    np.testing.assert_allclose(estimates(model), exact.coefficients, rtol=max(rtol, 1e-14))
    np.testing.assert_allclose(model.inference_.std_err, exact.std_err(n - p - intercept), rtol=1e-11)
    np.testing.assert_allclose(
        model.inference_.scale, [float(r / (n - p - intercept)) for r in exact.rss], rtol=1e-13
    )
    assert_bound_holds(model, exact)
    assert model.certificate_.converged


@pytest.mark.parametrize("rows", [2_000, 50_000], ids=["numpy", "compiled"])
@pytest.mark.parametrize("intercept", [True, False], ids=["intercept", "origin"])
@pytest.mark.parametrize("mean", [0, 10**8])
@pytest.mark.parametrize("unit", [1, 10**6])
def test_many_rows(rows, intercept, mean, unit):
    """Both paths of the kernels, against rational arithmetic."""
    rng = np.random.default_rng(rows)
    X = rng.integers(-100, 101, (rows, 4)) * np.array([1, unit, 1, 1]) + np.array([mean, 0, 0, mean // 10])
    y = X[:, 0] - mean + X[:, 2] + rng.integers(-50, 51, rows)
    exact = truth(X, y, None, intercept)
    model = LinearRegression(fit_intercept=intercept).fit(X.astype(np.float64), y.astype(np.float64))
    np.testing.assert_allclose(estimates(model), exact.coefficients, rtol=2e-14)
    np.testing.assert_allclose(model.inference_.std_err, exact.std_err(rows - 4 - intercept)[0], rtol=1e-11)
    assert model.inference_.scale == pytest.approx(float(exact.rss[0] / (rows - 4 - intercept)), rel=1e-13)
    assert_bound_holds(model, exact)


# --- the certificate's bound --------------------------------------------------------------------------------


@st.composite
def problems(draw, closest=9):
    """Designs of all conditions: columns of unlike units and means, nearly collinear; weights; several targets."""
    n, p, t = draw(st.integers(7, 14)), draw(st.integers(1, 4)), draw(st.integers(1, 2))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    X = rng.normal(size=(n, p))
    if p > 1:
        X[:, -1] = X[:, 0] + 10.0 ** -draw(st.integers(0, closest)) * X[:, -1]
    X = X * 10.0 ** draw(st.lists(st.integers(-7, 7), min_size=p, max_size=p).map(np.array))
    X = X + X.std(axis=0) * 10.0 ** draw(st.lists(st.integers(-2, 7), min_size=p, max_size=p).map(np.array))
    Y = rng.normal(size=(n, t)) * 10.0 ** draw(st.integers(-5, 5))
    if draw(st.booleans()):
        Y = Y + (X / X.std(axis=0)).sum(axis=1)[:, None] * 10.0 ** draw(st.integers(-5, 5))
    weight = rng.uniform(0.0, 1.0, n) ** 4 if draw(st.booleans()) else None
    return X, Y, weight, draw(st.booleans())


@pytest.mark.filterwarnings("ignore::betahat.CollinearityWarning")
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(problems())
def test_error_bound_holds(problem):
    X, Y, weight, intercept = problem
    model = LinearRegression(fit_intercept=intercept).fit(X, Y, sample_weight=weight)
    certificate = model.certificate_
    assert np.isfinite(certificate.error_bound).all()
    if certificate.error_bound_kind == "bound":
        assert_bound_holds(model, truth(X, Y, weight, intercept))
    else:
        assert model.rank_ < X.shape[1] or certificate.condition_number > 1e7


@settings(max_examples=60, deadline=None)
@given(problems(closest=1))
def test_error_bound_is_tight_where_columns_are_far_from_collinear(problem):
    X, Y, weight, _ = problem
    X = X - X.mean(axis=0)
    model = LinearRegression().fit(X, Y, sample_weight=weight)
    certificate = model.certificate_
    assert certificate.error_bound_kind == "bound"
    unit = np.sqrt((X**2).mean(axis=0))
    size = np.abs(np.atleast_2d(model.coef_)) * unit
    bound = np.atleast_2d(certificate.error_bound)[:, 1:] * unit
    level = size.max(axis=1) + np.abs(Y).max(axis=0)
    assert (bound <= 64 * EPS * level[:, None] * certificate.condition_number**2).all()


# --- polynomials --------------------------------------------------------------------------------------------


def monomials(X, degree, interaction_only, intercept):
    """Rows of the raw powers, exact."""
    powers = exponents(X.shape[1], degree, interaction_only)
    rows = []
    for x in X:
        row = [Fraction(1)] if intercept else []
        for e in powers:
            value = Fraction(1)
            for v, k in zip(x, e, strict=True):
                value *= Fraction(float(v)) ** k
            row.append(value)
        rows.append(row)
    return rows


def check_polynomial(model, X, y, weight, rtol, error_rtol):
    rows = monomials(X, model.degree, model.interaction_only, model.fit_intercept)
    exact = truth_of_rows(rows, y, weight)
    for row, true in zip(errors(model, exact), exact.beta, strict=True):
        for j, (error, b) in enumerate(zip(row, true, strict=True)):
            assert error <= Fraction(rtol) * abs(b), (j, float(error / abs(b)))
    assert_bound_holds(model, exact)
    df = len(X) - len(rows[0])
    np.testing.assert_allclose(np.atleast_2d(model.inference_.std_err), exact.std_err(df), rtol=error_rtol)


@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize("intercept", [True, False], ids=["intercept", "origin"])
@pytest.mark.parametrize("degree", [1, 2, 5, 10, 15, 20])
@pytest.mark.parametrize("where", [(-1.0, 1.0), (0.5, 3.0), (900.0, 901.0)], ids=["centred", "aside", "far"])
def test_polynomial(where, degree, intercept, weighted):
    if where[0] == 900 and degree > 10:
        where = (90.0, 110.0)
    n = 2 * degree + 8
    rng = np.random.default_rng(degree)
    X = np.round(np.sort(rng.uniform(*where, (n, 1)), axis=0) * 2**16) / 2**16  # few bits: a quick truth
    y = np.cos(3 * X[:, 0]) + 0.1 * rng.normal(size=n)
    weight = rng.integers(1, 9, n) / 4 if weighted else None
    model = PolynomialRegression(degree, fit_intercept=intercept).fit(X, y, sample_weight=weight)
    check_polynomial(model, X, y, weight, 1e-14, 1e-9)


@pytest.mark.parametrize("intercept", [True, False], ids=["intercept", "origin"])
@pytest.mark.parametrize("interaction_only", [False, True], ids=["", "interactions"])
@pytest.mark.parametrize(("inputs", "degree"), [(2, 2), (2, 4), (3, 2), (3, 3)])
def test_polynomial_of_several_inputs(inputs, degree, interaction_only, intercept):
    rng = np.random.default_rng(inputs)
    X = rng.uniform(1, 3, (40, inputs)) * 10.0 ** np.arange(inputs) + 5
    Y = np.column_stack([np.log(X).sum(axis=1), rng.normal(size=40)])
    model = PolynomialRegression(degree, interaction_only=interaction_only, fit_intercept=intercept).fit(X, Y)
    check_polynomial(model, X, Y, None, 1e-14, 1e-9)


@pytest.mark.parametrize("degree", [3, 7, 12])
@pytest.mark.parametrize("shift", [0.0, 1e3])
def test_polynomial_found_again(degree, shift):
    """A polynomial with exact values is predicted between its points."""
    x = np.arange(40.0) / 4
    f = [Fraction((-1) ** k, k + 1) for k in range(degree + 1)]

    def value(v):
        return float(sum(c * Fraction(v) ** k for k, c in enumerate(f)))

    y = np.array([value(v) for v in x])
    model = PolynomialRegression(degree).fit(x[:, None] + shift, y)
    between = x[:-1] + 0.125
    expected = np.array([value(v) for v in between])
    np.testing.assert_allclose(
        model.predict(between[:, None] + shift), expected, rtol=0, atol=1e-13 * np.abs(y).max()
    )


@pytest.mark.parametrize(("size", "degree"), [(1e-20, 8), (1e20, 8), (1e-100, 2), (1e60, 3)])
def test_powers_beyond_double_precision_are_refused(size, degree):
    x = size * np.linspace(0.1, 1, 30)[:, None]
    with pytest.raises(DataError, match=f"'x1'.*power {degree}"):
        PolynomialRegression(degree).fit(x, np.arange(30.0))


@pytest.mark.parametrize("size", [1e-18, 1e-6, 1e6, 1e18])
def test_polynomial_of_large_and_small_variables(size):
    rng = np.random.default_rng(0)
    x = np.round(rng.uniform(0.5, 2, (24, 1)) * 2**10) * 2.0 ** np.round(np.log2(size))
    y = rng.normal(size=24)
    check_polynomial(PolynomialRegression(6).fit(x, y), x, y, None, 1e-14, 1e-9)

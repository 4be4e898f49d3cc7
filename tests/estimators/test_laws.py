"""Laws of least squares, for whatever data: units, origins, orders and repetitions change what they must, no more."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from betahat import LinearRegression, PolynomialRegression, Ridge

COVARIANCES = ["nonrobust", "HC0", "HC1", "HC2", "HC3"]
several = settings(max_examples=25, deadline=None)


@st.composite
def samples(draw, powers_of_two=False):
    """X (n, p) far from collinear with unlike units, y, a positive weight for each row, p factors, p shifts."""
    n, p = draw(st.integers(12, 40)), draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    X = rng.normal(size=(n, p)) * 10.0 ** draw(
        st.lists(st.integers(-4, 4), min_size=p, max_size=p).map(np.array)
    )
    y = (X / X.std(axis=0)).sum(axis=1) + rng.normal(size=n)
    exponents = draw(st.lists(st.integers(-20, 20), min_size=p + 1, max_size=p + 1).map(np.array))
    factors = 2.0**exponents if powers_of_two else rng.uniform(1, 2, p + 1) * 2.0**exponents
    factors = factors * np.where(rng.uniform(size=p + 1) < 0.5, -1, 1)
    return X, y, rng.uniform(0.2, 3.0, n), factors, rng


def close(found, expected, rtol=1e-9):
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol * 1e-3 * np.abs(expected).max(initial=0))


@several
@given(samples(), st.sampled_from(COVARIANCES), st.booleans())
def test_units(sample, cov_type, intercept):
    """Columns times d and y times s: coefficients and their errors times s/d; t and R² stay."""
    X, y, weight, factors, _ = sample
    d, s = factors[:-1], factors[-1]
    first = [1.0] if intercept else []
    one = (
        LinearRegression(fit_intercept=intercept, cov_type=cov_type)
        .fit(X, y, sample_weight=weight)
        .inference_
    )
    two = LinearRegression(fit_intercept=intercept, cov_type=cov_type).fit(X * d, y * s, sample_weight=weight)
    units = s / np.array([*first, *d])
    close(two.inference_.estimate / units, one.estimate)
    close(two.inference_.std_err / np.abs(units), one.std_err)
    close(two.inference_.r_squared, one.r_squared)
    assert two.certificate_.converged


@several
@given(samples(powers_of_two=True), st.booleans())
def test_powers_of_two_change_no_bit(sample, intercept):
    X, y, weight, factors, _ = sample
    d, s = factors[:-1], factors[-1]
    one = LinearRegression(fit_intercept=intercept).fit(X, y, sample_weight=weight)
    two = LinearRegression(fit_intercept=intercept).fit(X * d, y * s, sample_weight=weight)
    np.testing.assert_array_max_ulp(two.coef_ / s * d, one.coef_, 1)


@several
@given(samples(), st.sampled_from(COVARIANCES), st.sampled_from([1.0, 1e3, 1e6]))
def test_origins(sample, cov_type, far):
    """Columns moved by c and y by a: slopes, their errors, R² and predictions' intervals stay."""
    X, y, weight, factors, rng = sample
    shift = np.round(far * rng.normal(size=X.shape[1])) * 2.0 ** np.round(np.log2(X.std(axis=0)))
    moved = X + shift
    X = moved - shift  # exactly what `moved` holds
    one = LinearRegression(cov_type=cov_type).fit(X, y, sample_weight=weight)
    two = LinearRegression(cov_type=cov_type).fit(moved, y, sample_weight=weight)
    close(two.coef_, one.coef_)
    close(two.inference_.std_err[1:], one.inference_.std_err[1:])
    close(two.inference_.r_squared, one.inference_.r_squared)
    expected = one.prediction_interval(X)
    rounding = (1e-14 * far + 1e-8) * np.abs(expected).max()
    np.testing.assert_allclose(two.prediction_interval(moved), expected, atol=rounding)
    raised = LinearRegression(cov_type=cov_type).fit(X, y + factors[-1], sample_weight=weight)
    close(raised.coef_, one.coef_, 1e-7 if abs(factors[-1]) > 1e3 else 1e-9)
    close(raised.intercept_ - factors[-1], one.intercept_, 1e-4)


@several
@given(samples(), st.sampled_from(COVARIANCES), st.booleans())
def test_orders(sample, cov_type, intercept):
    X, y, weight, _, rng = sample
    rows, columns = rng.permutation(len(X)), rng.permutation(X.shape[1])
    one = LinearRegression(fit_intercept=intercept, cov_type=cov_type).fit(X, y, sample_weight=weight)
    two = LinearRegression(fit_intercept=intercept, cov_type=cov_type)
    two.fit(X[rows][:, columns], y[rows], sample_weight=weight[rows])
    first = int(intercept)
    close(two.coef_, one.coef_[columns], 1e-12)
    close(two.inference_.std_err[first:], one.inference_.std_err[first:][columns])
    close(two.inference_.log_likelihood, one.inference_.log_likelihood)


@several
@given(samples(), st.booleans(), st.integers(2, 4))
def test_a_row_split_by_weight(sample, intercept, parts):
    """k rows of weight w/k say the same about β as one of weight w."""
    X, y, weight, _, rng = sample
    share = rng.dirichlet(np.ones(parts), len(X)) * weight[:, None]
    one = LinearRegression(fit_intercept=intercept).fit(X, y, sample_weight=weight)
    two = LinearRegression(fit_intercept=intercept)
    two.fit(np.tile(X, (parts, 1)), np.tile(y, parts), sample_weight=share.T.ravel())
    close(two.coef_, one.coef_, 1e-12)
    close(two.inference_.r_squared, one.inference_.r_squared)


@several
@given(samples(), st.booleans())
def test_residuals_are_orthogonal_to_the_columns(sample, intercept):
    X, y, weight, _, _ = sample
    model = LinearRegression(fit_intercept=intercept).fit(X, y, sample_weight=weight)
    scores = weight * (y - model.predict(X))
    Z = np.column_stack([np.ones(len(X)), X]) if intercept else X
    assert (np.abs(scores @ Z) <= 1e-12 * (np.abs(scores) @ np.abs(Z))).all()


@several
@given(samples(), st.floats(-3, 3))
def test_linear_in_y(sample, a):
    X, y, weight, _, rng = sample
    z = rng.normal(size=len(y))
    both = LinearRegression().fit(X, np.column_stack([y, z, y + a * z]), sample_weight=weight)
    close(both.coef_[0] + a * both.coef_[1], both.coef_[2], 1e-10)


@several
@given(samples(), st.sampled_from([0.01, 1.0, 100.0]))
def test_ridge_shrinks(sample, alpha):
    """‖β‖ falls and the residual sum rises with α."""
    X, y, weight, _, _ = sample
    X = X / X.std(axis=0)
    less, more = (Ridge(a).fit(X, y, sample_weight=weight) for a in (alpha, 2 * alpha))
    assert np.linalg.norm(more.coef_) < np.linalg.norm(less.coef_)
    rss = [weight @ (y - m.predict(X)) ** 2 for m in (less, more)]
    assert rss[1] > rss[0]


@several
@given(
    st.integers(0, 2**32 - 1), st.integers(1, 6), st.sampled_from([0.0, 10.0, 1000.0]), st.floats(0.01, 100)
)
def test_polynomial_of_a_moved_variable(seed, degree, shift, unit):
    """The same polynomials are there whatever the origin and unit of x."""
    rng = np.random.default_rng(seed)
    x = np.round(rng.uniform(-1, 1, (30, 1)) * 2**20) / 2**20
    y = np.exp(x[:, 0]) + 0.1 * rng.normal(size=30)
    one = PolynomialRegression(degree).fit(x, y)
    two = PolynomialRegression(degree).fit(x + shift, y)
    three = PolynomialRegression(degree).fit(x * unit, y)
    close(two.predict(x + shift), one.predict(x), 1e-11)
    close(three.predict(x * unit), one.predict(x), 1e-11)
    close(three.inference_.statistic, one.inference_.statistic, 1e-7)
    assert two.inference_.r_squared == pytest.approx(one.inference_.r_squared, rel=1e-11)

"""Weights: a frequency is so many rows, an importance weight is statsmodels' WLS, zero is no row."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from estimators.exact import truth

from betahat import LinearRegression, PolynomialRegression, Ridge

ROBUST = ["nonrobust", "HC0", "HC1", "HC2", "HC3", "cluster"]
SHAPES = [pytest.param(60, 3, id="numpy"), pytest.param(30_000, 5, id="compiled")]


def sample(n, p, targets=1):
    rng = np.random.default_rng(n + p)
    X = rng.normal(size=(n, p)) * 10.0 ** rng.integers(-2, 3, p) + 5
    Y = (X / X.std(axis=0)).sum(axis=1)[:, None] + rng.normal(size=(n, targets)) * (
        1 + rng.uniform(size=(n, 1))
    )
    return X, Y[:, 0] if targets == 1 else Y, rng


def assert_same(one, other, rtol=1e-10, kind=None):
    np.testing.assert_allclose(one.coef_, other.coef_, rtol=rtol)
    np.testing.assert_allclose(one.intercept_, other.intercept_, rtol=rtol, atol=1e-14)
    a, b = one.inference_, other.inference_
    assert (a.n_obs, a.df_resid, a.df_model) == (b.n_obs, b.df_resid, b.df_model)
    for name in (
        "std_err",
        "r_squared",
        "adj_r_squared",
        "scale",
        "log_likelihood",
        "aic",
        "bic",
        "f_statistic",
    ):
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=10 * rtol, err_msg=name)


@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize("intercept", [True, False], ids=["intercept", "origin"])
@pytest.mark.parametrize("cov_type", ROBUST)
@pytest.mark.parametrize(("n", "p"), SHAPES)
def test_frequency_is_repeated_rows(n, p, cov_type, intercept, weighted):
    X, y, rng = sample(n, p)
    frequency = rng.integers(0, 4, n)
    groups = rng.integers(0, 12, n) if cov_type == "cluster" else None
    weight = rng.uniform(0.5, 2.0, n) if weighted else None
    again = np.repeat(np.arange(n), frequency)
    model = LinearRegression(fit_intercept=intercept, cov_type=cov_type)
    short = model.fit(X, y, sample_weight=weight, frequency_weight=frequency, groups=groups)
    long = LinearRegression(fit_intercept=intercept, cov_type=cov_type).fit(
        X[again], y[again], sample_weight=None if weight is None else weight[again],
        groups=None if groups is None else groups[again],
    )  # fmt: skip
    assert_same(short, long)


@pytest.mark.parametrize("kind", [Ridge, PolynomialRegression])
def test_frequency_is_repeated_rows_for_others(kind):
    X, y, rng = sample(60, 2)
    frequency = rng.integers(0, 4, 60)
    again = np.repeat(np.arange(60), frequency)
    short, long = kind().fit(X, y, frequency_weight=frequency), kind().fit(X[again], y[again])
    np.testing.assert_allclose(short.coef_, long.coef_, rtol=1e-11)
    np.testing.assert_allclose(short.intercept_, long.intercept_, rtol=1e-11)


@pytest.mark.parametrize("intercept", [True, False], ids=["intercept", "origin"])
@pytest.mark.parametrize("cov_type", ["nonrobust", "HC0", "HC1", "HC2", "HC3", "cluster", "HAC"])
@pytest.mark.parametrize(("n", "p"), SHAPES)
def test_sample_weight_is_weighted_least_squares(n, p, cov_type, intercept):
    X, y, rng = sample(n, p)
    weight = rng.uniform(0.2, 3.0, n)
    groups = rng.integers(0, 12, n)
    ours = LinearRegression(
        fit_intercept=intercept, cov_type=cov_type, maxlags=3 if cov_type == "HAC" else None
    )
    ours.fit(X, y, sample_weight=weight, groups=groups if cov_type == "cluster" else None)
    theirs = sm.WLS(y, sm.add_constant(X) if intercept else X, weights=weight).fit()
    options = {"cluster": {"groups": groups}, "HAC": {"maxlags": 3}}.get(cov_type, {})
    if cov_type != "nonrobust":
        theirs = theirs.get_robustcov_results(cov_type, use_t=True, **options)
    inference = ours.inference_
    np.testing.assert_allclose(inference.estimate, theirs.params, rtol=1e-9)
    np.testing.assert_allclose(inference.std_err, theirs.bse, rtol=1e-8)
    np.testing.assert_allclose(inference.p_value, theirs.pvalues, rtol=1e-5, atol=1e-300)
    np.testing.assert_allclose(inference.log_likelihood, theirs.llf, rtol=1e-10)
    np.testing.assert_allclose(inference.r_squared, theirs.rsquared, rtol=1e-10)
    assert inference.df_resid == theirs.df_resid


@pytest.mark.parametrize("cov_type", ROBUST)
@pytest.mark.parametrize("which", ["sample_weight", "frequency_weight"])
@pytest.mark.parametrize(("n", "p"), SHAPES)
def test_zero_weight_is_no_row(n, p, which, cov_type):
    """Whatever finite values stand in such rows."""
    X, y, rng = sample(n, p, targets=2)
    X, y = X.copy(), y.copy()
    weight = rng.integers(0, 3, n)
    gone = weight == 0
    X[gone], y[gone] = 1e3 * rng.normal(size=(gone.sum(), p)), -77.0
    groups = rng.integers(0, 12, n) if cov_type == "cluster" else None
    model = LinearRegression(cov_type=cov_type).fit(X, y, groups=groups, **{which: weight})
    less = LinearRegression(cov_type=cov_type).fit(
        X[~gone], y[~gone], groups=None if groups is None else groups[~gone], **{which: weight[~gone]}
    )
    assert_same(model, less)


@pytest.mark.parametrize("factor", [1e-100, 1e-12, 3.0, 1e12, 1e100])
@pytest.mark.parametrize("cov_type", ROBUST[:5])
def test_scale_of_importance_does_not_matter(cov_type, factor):
    X, y, rng = sample(60, 3)
    weight = rng.uniform(0.2, 3.0, 60)
    one = LinearRegression(cov_type=cov_type).fit(X, y, sample_weight=weight)
    other = LinearRegression(cov_type=cov_type).fit(X, y, sample_weight=weight * factor)
    np.testing.assert_allclose(other.coef_, one.coef_, rtol=1e-12)
    np.testing.assert_allclose(other.inference_.std_err, one.inference_.std_err, rtol=1e-11)


@pytest.mark.parametrize("ratio", [1e6, 1e12])
def test_weights_of_unlike_size(ratio):
    X, y, rng = sample(14, 2)
    weight = np.where(rng.uniform(size=14) < 0.5, 1.0, ratio)
    model = LinearRegression().fit(X, y, sample_weight=weight)
    exact = truth(X, y, weight)
    np.testing.assert_allclose(model.inference_.estimate, exact.coefficients[0], rtol=1e-13)
    np.testing.assert_allclose(model.inference_.std_err, exact.std_err(11)[0], rtol=1e-10)


def test_one_number_is_a_weight_for_every_row():
    X, y, _ = sample(60, 3)
    one, plain = LinearRegression().fit(X, y, sample_weight=2.0), LinearRegression().fit(X, y)
    np.testing.assert_allclose(one.coef_, plain.coef_, rtol=1e-14)

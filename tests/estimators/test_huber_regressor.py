"""Huber's regression with its scale: against scikit-learn, the equations themselves, and the joint sandwich."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse as sp
from scipy.optimize import root
from sklearn.linear_model import HuberRegressor as Theirs
from sklearn.utils.estimator_checks import parametrize_with_checks

import betahat as bh
from betahat.errors import InferenceError


def rows(n=300, p=4, share=0.1, size=20.0, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p))
    y = X @ rng.normal(size=p) + 0.5 + rng.normal(size=n)
    bad = int(share * n)
    y[:bad] += size * (1 + rng.normal(size=bad))
    return X, y, rng.uniform(0.2, 3.0, size=n)


def criterion(parameters, X, y, w, epsilon, alpha, intercept=True):
    """scikit-learn's criterion and its derivatives by β, β₀ and σ."""
    beta, level, sigma = parameters[: X.shape[1]], parameters[-2] * intercept, parameters[-1]
    z = (y - X @ beta - level) / sigma
    near = np.minimum(np.abs(z), epsilon)
    value = w @ (sigma + sigma * near * (2 * np.abs(z) - near)) + alpha * beta @ beta
    pull = 2 * w * np.clip(z, -epsilon, epsilon)
    slopes = -X.T @ pull + 2 * alpha * beta
    return value, np.concatenate([slopes, [-pull.sum() * intercept, w @ (1 - near**2)]])


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("alpha", [0.0, 1e-4, 30.0])
@pytest.mark.parametrize("epsilon", [1.05, 1.35, 4.0])
def test_minimum_of_scikit_learns_criterion(epsilon, alpha, weighted, intercept) -> None:
    X, y, w = rows()
    given = w if weighted else np.ones(len(y))
    m = bh.HuberRegressor(epsilon=epsilon, alpha=alpha, fit_intercept=intercept)
    m.fit(X, y, sample_weight=w if weighted else None)
    assert m.certificate_.status == "global minimum"
    assert m.stop_reason_ == "converged"
    here = np.concatenate([m.coef_, [m.intercept_, m.scale_]])
    value, gradient = criterion(here, X, y, given, epsilon, alpha, intercept)
    assert np.abs(gradient).max() <= 1e-10 * given.sum()
    np.testing.assert_allclose(m.certificate_.loss, value / (2 * given.sum()), rtol=1e-13)
    theirs = Theirs(epsilon=epsilon, alpha=alpha, fit_intercept=intercept, tol=1e-12, max_iter=5000)
    theirs.fit(X, y, sample_weight=given)
    also = np.concatenate([theirs.coef_, [theirs.intercept_, theirs.scale_]])
    assert value <= criterion(also, X, y, given, epsilon, alpha, intercept)[0] * (1 + 1e-15)
    np.testing.assert_allclose(here, also, rtol=0, atol=1e-3 * np.abs(here).max())  # its solver stops early


@pytest.mark.parametrize("alpha", [0.0, 1e-4, 30.0])
def test_digits_beyond_scikit_learns_solver(alpha) -> None:
    """Its solver stops at five digits; begun there, a general root finder goes on to the zero of the derivatives."""
    X, y, _ = rows(seed=3)
    w = np.ones(len(y))
    theirs = Theirs(alpha=alpha, tol=1e-12, max_iter=5000).fit(X, y)
    start = np.concatenate([theirs.coef_, [theirs.intercept_, theirs.scale_]])
    best = root(lambda at: criterion(at, X, y, w, 1.35, alpha)[1], start, tol=1e-14)
    m = bh.HuberRegressor(alpha=alpha).fit(X, y)
    np.testing.assert_allclose(np.concatenate([m.coef_, [m.intercept_, m.scale_]]), best.x, rtol=1e-10)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3, 0.45])
@pytest.mark.parametrize("size", [1.0, 1e3, 1e8])
def test_wild_outliers(share, size) -> None:
    X, y, _ = rows(share=share, size=size)
    m = bh.HuberRegressor(alpha=0.0).fit(X, y)
    assert m.certificate_.status == "global minimum"
    gradient = criterion(
        np.concatenate([m.coef_, [m.intercept_, m.scale_]]), X, y, np.ones(len(y)), 1.35, 0.0
    )[1]
    assert np.abs(gradient).max() <= 1e-8 * len(y)
    far = np.abs(y - m.predict(X)) > 1.35 * m.scale_
    np.testing.assert_array_equal(m.outliers_, far)


@pytest.mark.parametrize("unit", [1e-60, 1e-8, 1e8, 1e60])
def test_unit_of_y_multiplies_everything(unit) -> None:
    X, y, _ = rows()
    one, other = (bh.HuberRegressor(alpha=0.0).fit(X, scaled) for scaled in (y, unit * y))
    np.testing.assert_allclose(other.coef_, unit * one.coef_, rtol=1e-9)
    np.testing.assert_allclose(other.scale_, unit * one.scale_, rtol=1e-9)
    np.testing.assert_allclose(other.inference_.std_err, unit * one.inference_.std_err, rtol=1e-7)


@pytest.mark.parametrize("scales", [(1e-8, 1.0, 1e8, 1.0), (1.0, 1e4, 1e-4, 1e8)])
def test_units_of_columns_divide_coefficients(scales) -> None:
    X, y, _ = rows()
    one, other = (bh.HuberRegressor(alpha=0.0).fit(each, y) for each in (X, X * scales))
    np.testing.assert_allclose(other.coef_ * scales, one.coef_, rtol=1e-9)


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("intercept", [True, False])
def test_joint_sandwich(intercept, weighted) -> None:
    """A⁻¹BA⁻¹ of all parameters, the scale among them, by differences of the derivatives."""
    X, y, w = rows()
    w = w if weighted else np.ones(len(y))
    y = y + 0.3 * np.abs(X[:, 0]) * np.exp(y / 10)  # not symmetric, so that the scale matters
    m = bh.HuberRegressor(alpha=0.0, fit_intercept=intercept).fit(X, y, sample_weight=w)
    at = np.concatenate([m.coef_, [m.intercept_, m.scale_]])
    size = len(at)
    keep = np.arange(size) if intercept else np.delete(np.arange(size), -2)
    step = 1e-6
    A = np.column_stack([
        (criterion(at + step * e, X, y, w, 1.35, 0.0, intercept)[1]
         - criterion(at - step * e, X, y, w, 1.35, 0.0, intercept)[1]) / (2 * step)
        for e in np.eye(size)
    ])[np.ix_(keep, keep)]  # fmt: skip
    scores = np.array([
        criterion(at, X[i : i + 1], y[i : i + 1], w[i : i + 1], 1.35, 0.0, intercept)[1] for i in range(len(y))
    ])[:, keep]  # fmt: skip
    V = np.linalg.inv(A) @ (scores.T @ scores) @ np.linalg.inv(A).T
    expected = np.sqrt(np.diag(V))[:-1]
    if intercept:
        expected = np.append(expected[-1], expected[:-1])
    np.testing.assert_allclose(m.inference_.std_err, expected, rtol=1e-5)


def test_standard_errors_cover() -> None:
    rng = np.random.default_rng(5)
    inside = 0
    for _ in range(200):
        X = rng.normal(size=(150, 2))
        y = X @ [1.0, -2.0] + rng.standard_t(3, size=150)
        low, high = bh.HuberRegressor(alpha=0.0).fit(X, y).inference_.conf_int(0.9)[1]
        inside += low <= 1.0 <= high
    assert 165 <= inside <= 194  # 180 expected, with a standard deviation of 4.2


@pytest.mark.parametrize("cov_type", ["nonrobust", "HC0", "HC1", "cluster", "HAC"])
def test_covariances_and_words(cov_type) -> None:
    X, y, _ = rows()
    m = bh.HuberRegressor(alpha=0.0, cov_type=cov_type)
    m.fit(X, y, groups=np.arange(len(y)) // 5 if cov_type == "cluster" else None)
    assert (m.inference_.std_err > 0).all()
    assert "sandwich" in str(m.summary())
    assert "2.7 |z|" in m.explain()


@pytest.mark.parametrize("cov_type", ["HC2", "HC3"])
def test_leverages_are_refused(cov_type) -> None:
    X, y, _ = rows()
    with pytest.raises(InferenceError, match="leverages"):
        _ = bh.HuberRegressor(alpha=0.0, cov_type=cov_type).fit(X, y).inference_


def test_penalised_fits_refuse_standard_errors() -> None:
    X, y, _ = rows()
    inference = bh.HuberRegressor().fit(X, y).inference_
    with pytest.raises(InferenceError, match="penal"):
        _ = inference.std_err


@pytest.mark.parametrize("form", [pd.DataFrame, pl.DataFrame, pa.table, sp.csr_matrix, sp.csc_matrix])
def test_tables_and_sparse(form) -> None:
    X, y, w = rows()
    names = [f"c{j}" for j in range(X.shape[1])]
    given = form(X) if form in (sp.csr_matrix, sp.csc_matrix) else form(dict(zip(names, X.T, strict=True)))
    one, other = (bh.HuberRegressor(alpha=0.0).fit(each, y, sample_weight=w) for each in (X, given))
    np.testing.assert_allclose(other.coef_, one.coef_, rtol=1e-12)
    np.testing.assert_allclose(other.inference_.std_err, one.inference_.std_err, rtol=1e-9)
    np.testing.assert_allclose(other.predict(given), one.predict(X), rtol=1e-12)


def test_frequencies_are_repetitions() -> None:
    X, y, _ = rows(n=80)
    times = np.random.default_rng(1).integers(0, 4, size=80)
    one = bh.HuberRegressor(alpha=0.0).fit(X, y, frequency_weight=times)
    other = bh.HuberRegressor(alpha=0.0).fit(np.repeat(X, times, axis=0), np.repeat(y, times))
    np.testing.assert_allclose(one.coef_, other.coef_, rtol=1e-10)
    np.testing.assert_allclose(one.inference_.std_err, other.inference_.std_err, rtol=1e-8)


def test_exact_fit_of_most_rows_is_found() -> None:
    X = np.arange(20.0)[:, None]
    y = 3 * X[:, 0] - 1
    y[[3, 11]] += [40.0, -7.0]
    m = bh.HuberRegressor(alpha=0.0).fit(X, y)
    np.testing.assert_allclose([m.coef_[0], m.intercept_], [3.0, -1.0], rtol=1e-12)
    assert m.scale_ < 1e-12
    assert m.outliers_[[3, 11]].all()
    with pytest.raises(InferenceError, match="zero"):
        _ = m.inference_


@pytest.mark.parametrize("level", [0.0, 3.0, -1e9])
def test_constant_target(level) -> None:
    X, _, _ = rows(n=30)
    m = bh.HuberRegressor(alpha=0.0).fit(X, np.full(30, level))
    np.testing.assert_allclose(m.predict(X), level, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("collinear", ["minimum_norm", "drop"])
def test_collinear_columns(collinear) -> None:
    X, y, _ = rows()
    twice = np.column_stack([X, X[:, 0]])
    with pytest.warns(bh.CollinearityWarning):
        m = bh.HuberRegressor(alpha=0.0, collinear=collinear).fit(twice, y)
    one = bh.HuberRegressor(alpha=0.0).fit(X, y)
    np.testing.assert_allclose(m.predict(twice), one.predict(X), rtol=1e-9, atol=1e-9)
    expected = one.coef_[0] / 2 if collinear == "minimum_norm" else 0.0
    np.testing.assert_allclose(m.coef_[-1], expected, atol=1e-9)


def test_warm_start_needs_no_steps() -> None:
    X, y, _ = rows()
    m = bh.HuberRegressor(warm_start=True).fit(X, y)
    steps, coef = m.n_iter_, m.coef_.copy()
    m.fit(X, y)
    assert m.n_iter_ < steps
    np.testing.assert_allclose(m.coef_, coef, rtol=1e-12)


def test_budget_is_told() -> None:
    X, y, _ = rows(share=0.3, size=1e4)
    with pytest.warns(bh.CertificateWarning):
        m = bh.HuberRegressor(alpha=0.0, max_iter=1).fit(X, y)
    assert m.stop_reason_ == "budget spent"
    with pytest.raises(InferenceError, match="not a minimum"):
        _ = m.inference_


def test_saved_and_loaded(tmp_path) -> None:
    X, y, _ = rows()
    m = bh.HuberRegressor(alpha=0.0).fit(X, y)
    m.save(tmp_path / "m")
    again = bh.load(tmp_path / "m")
    np.testing.assert_array_equal(again.predict(X), m.predict(X))
    np.testing.assert_array_equal(again.outliers_, m.outliers_)
    assert again.scale_ == m.scale_
    assert str(again.summary()) == str(m.summary())
    assert again.explain() == m.explain()


def test_objective_is_lowest_at_the_estimate() -> None:
    X, y, w = rows()
    m = bh.HuberRegressor(alpha=3.0).fit(X, y, sample_weight=w)
    J = m.objective(X, y, w)
    assert np.abs(J.gradient(J.estimate)).max() < 1e-10


def test_source_larger_than_a_block(tmp_path) -> None:
    X, y, _ = rows(n=2000)
    pd.DataFrame({"y": y, **{f"c{j}": X[:, j] for j in range(4)}}).to_parquet(tmp_path / "rows.parquet")
    source = bh.data.query(str(tmp_path / "rows.parquet"), target="y")
    m, one = bh.HuberRegressor(alpha=0.0).fit(source), bh.HuberRegressor(alpha=0.0).fit(X, y)
    np.testing.assert_allclose(m.coef_, one.coef_, rtol=1e-10)
    assert m.outliers_.sum() == one.outliers_.sum()


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"epsilon": 1.0}, ValueError, "above 1"),
        ({"epsilon": "a"}, TypeError, "epsilon"),
        ({"alpha": -1.0}, ValueError, "alpha"),
        ({"max_iter": 0}, ValueError, "max_iter"),
        ({"max_iter": None}, TypeError, "max_iter"),
        ({"tol": 2.0}, ValueError, "tol"),
        ({"warm_start": 1}, TypeError, "warm_start"),
    ],
)
def test_refusals(given, error, words) -> None:
    X, y, _ = rows(n=20)
    with pytest.raises(error, match=words):
        bh.HuberRegressor(**given).fit(X, y)


@pytest.mark.filterwarnings("ignore::betahat.CollinearityWarning", "ignore::betahat.CertificateWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks([bh.HuberRegressor(), bh.HuberRegressor(alpha=0.1, fit_intercept=False)])
def test_scikit_learns_checks(estimator, check) -> None:
    check(estimator)

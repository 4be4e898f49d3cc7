"""Ridge regression: against its closed form in rational arithmetic and against scikit-learn."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn.linear_model
from estimators.exact import Truth, assert_bound_holds, estimates, truth_of_rows
from reference_data import fractions

from betahat import DataError, InferenceError, LinearRegression, Ridge


def ridge_truth(X, Y, alpha, weight, intercept):
    """min Σ w (y − β₀ − xβ)² + α ‖β‖² as least squares of further rows √α eⱼ with y = 0; √α must be rational."""
    p = X.shape[1]
    root = Fraction(np.sqrt(alpha))
    assert root**2 == Fraction(alpha)
    rows = fractions(X, intercept)
    rows += [[Fraction(0)] * intercept + [root * (i == j) for i in range(p)] for j in range(p)]
    targets = np.concatenate([Y, np.zeros((p, Y.shape[1]))])
    w = np.concatenate([np.ones(len(X)) if weight is None else weight, np.ones(p)])
    return truth_of_rows(rows, targets, w)


@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize("intercept", [True, False], ids=["intercept", "origin"])
@pytest.mark.parametrize("alpha", [2.0**-40, 2.0**-10, 1.0, 4.0, 2.0**20])
@pytest.mark.parametrize(("n", "p", "kind"), [
    (20, 3, "plain"), (20, 3, "means of 1e6"), (20, 3, "unlike"), (20, 4, "nearly equal"), (6, 9, "plain"),
])  # fmt: skip
def test_closed_form(n, p, kind, alpha, intercept, weighted):
    rng = np.random.default_rng(p)
    X = rng.normal(size=(n, p))
    if kind == "means of 1e6":
        X = X + 1e6
    if kind == "unlike":
        X = X * 10.0 ** np.arange(-3, p - 3)
    if kind == "nearly equal":
        X[:, 1:] = X[:, :1] + 1e-4 * X[:, 1:]
    Y = rng.normal(size=(n, 2)) + 3
    weight = rng.uniform(0.1, 2.0, n) if weighted else None
    exact: Truth = ridge_truth(X, Y, alpha, weight, intercept)
    model = Ridge(alpha, fit_intercept=intercept).fit(X, Y, sample_weight=weight)
    size = np.abs(exact.coefficients).max(axis=1, keepdims=True)
    np.testing.assert_allclose(estimates(model), exact.coefficients, rtol=1e-12, atol=1e-13 * size.max())
    assert model.certificate_.converged
    assert model.certificate_.status == "global minimum"
    if model.certificate_.error_bound_kind == "bound":
        assert_bound_holds(model, exact)
    total = n if weight is None else weight.sum()
    same = LinearRegression(alpha / total, fit_intercept=intercept).fit(X, Y, sample_weight=weight)
    np.testing.assert_allclose(estimates(same), estimates(model), rtol=1e-9, atol=1e-13 * size.max())


@pytest.mark.parametrize("form", ["dense", "csr", "csc"])
@pytest.mark.parametrize("targets", [1, 3])
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize("intercept", [True, False], ids=["intercept", "origin"])
@pytest.mark.parametrize(("n", "p"), [(60, 4), (20, 40), (30, 350), (400, 350), (40_000, 5)])
def test_as_scikit_learn(n, p, intercept, weighted, targets, form):
    """Primal and dual, NumPy and compiled, dense and sparse."""
    rng = np.random.default_rng(n + p)
    X = rng.normal(size=(n, p)) * (rng.uniform(size=(n, p)) < 0.4) + (0.5 if form == "dense" else 0.0)
    Y = X[:, :3].sum(axis=1)[:, None] + rng.normal(size=(n, targets)) + 5
    y = Y[:, 0] if targets == 1 else Y
    weight = rng.uniform(0.1, 2.0, n) if weighted else None
    theirs = sklearn.linear_model.Ridge(2.5, fit_intercept=intercept, solver="cholesky" if n > p else "svd")
    theirs.fit(X, y, sample_weight=weight)
    given = X if form == "dense" else sp.csr_array(X) if form == "csr" else sp.csc_matrix(X)
    ours = Ridge(2.5, fit_intercept=intercept).fit(given, y, sample_weight=weight)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-7, atol=1e-10)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(ours.predict(given), theirs.predict(X), rtol=1e-7, atol=1e-9)
    assert ours.coef_.shape == theirs.coef_.shape
    assert ours.certificate_.converged


@pytest.mark.parametrize("model", [Ridge(1.0), LinearRegression(0.1), LinearRegression(0.1, cov_type="HC1")])
@pytest.mark.parametrize("ask", [
    lambda m: m.inference_.std_err, lambda m: m.inference_.p_value, lambda m: m.inference_.conf_int(),
    lambda m: m.inference_.covariance, lambda m: m.inference_.test("x1 = 0"),
    lambda m: m.prediction_interval([[0.0, 1.0]]),
])  # fmt: skip
def test_inference_is_refused_with_the_reason(model, ask):
    rng = np.random.default_rng(0)
    fitted = model.fit(rng.normal(size=(20, 2)), rng.normal(size=20))
    with pytest.raises(InferenceError, match=r"penalised fit: the penalty shrinks.*alpha=0"):
        ask(fitted)


def test_alpha_zero_is_least_squares():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 2)), rng.normal(size=20)
    ridge, plain = Ridge(0).fit(X, y), LinearRegression().fit(X, y)
    np.testing.assert_allclose(ridge.coef_, plain.coef_, rtol=1e-13)
    np.testing.assert_array_equal(ridge.inference_.std_err, plain.inference_.std_err)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("intercept", [True, False])
def test_penalty_determines_collinear_columns(intercept):
    """Equal columns share a coefficient, and nothing is warned of: the minimum is unique."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 1))
    y = 3 * x[:, 0] + rng.normal(size=30)
    X = np.column_stack([x, x, np.zeros(30)])
    model = Ridge(1.0, fit_intercept=intercept).fit(X, y)
    exact = ridge_truth(X, y[:, None], 1.0, None, intercept)
    np.testing.assert_allclose(estimates(model), exact.coefficients, rtol=1e-13, atol=0)
    assert model.coef_[2] == 0


@pytest.mark.parametrize("scale", [1e200, 1e-200])
def test_scales_beyond_squares_are_refused(scale):
    """No column scaling leaves a penalised fit the same, so nothing is done behind the user's back."""
    rng = np.random.default_rng(0)
    with pytest.raises(DataError, match="alpha is not 0"):
        Ridge(1.0).fit(rng.normal(size=(20, 2)) * scale, rng.normal(size=20))


@pytest.mark.parametrize("kind", [Ridge, LinearRegression])
@pytest.mark.parametrize(("alpha", "error"), [
    (-1.0, ValueError), (np.nan, ValueError), (np.inf, ValueError), ("1", TypeError), (None, TypeError),
    (True, TypeError), ([1.0], TypeError), (1j, TypeError),
])  # fmt: skip
def test_wrong_alpha(kind, alpha, error):
    with pytest.raises(error, match="alpha"):
        kind(alpha).fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 3.0])

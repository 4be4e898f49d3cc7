"""Intervals around predictions, against statsmodels and rational arithmetic."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import scipy.sparse as sp
import scipy.stats
import statsmodels.api as sm
from estimators.exact import truth

from betahat import InferenceError, LinearRegression, PolynomialRegression

COVARIANCES = ["nonrobust", "HC0", "HC1", "HC2", "HC3"]


def sample(n, p, targets=1):
    rng = np.random.default_rng(n * p)
    X = rng.normal(size=(n, p)) * 10.0 ** np.arange(p) + 3
    Y = X[:, :1] + rng.normal(size=(n, targets)) * (1 + np.abs(X[:, :1]))
    return X, Y[:, 0] if targets == 1 else Y, X[:7] + rng.normal(size=(7, p))


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.999])
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize("intercept", [True, False], ids=["intercept", "origin"])
@pytest.mark.parametrize("cov_type", COVARIANCES)
@pytest.mark.parametrize("n", [40, 30_000], ids=["numpy", "compiled"])
def test_as_statsmodels(n, cov_type, intercept, weighted, level):
    X, y, new = sample(n, 5 if n > 1000 else 3)
    weight = np.random.default_rng(1).uniform(0.3, 2.0, n) if weighted else np.ones(n)
    ours = LinearRegression(fit_intercept=intercept, cov_type=cov_type)
    ours.fit(X, y, sample_weight=weight if weighted else None)

    def columns(Z):
        return sm.add_constant(Z, has_constant="add") if intercept else Z

    theirs = sm.WLS(y, columns(X), weights=weight).fit()
    if cov_type != "nonrobust":
        theirs = theirs.get_robustcov_results(cov_type, use_t=True)
    expected = theirs.get_prediction(columns(new), weights=1.0)
    np.testing.assert_allclose(ours.predict(new), expected.predicted_mean, rtol=1e-9)
    for kind, observation in (("prediction", True), ("confidence", False)):
        np.testing.assert_allclose(
            ours.prediction_interval(new, level, kind),
            expected.conf_int(observation, 1 - level),
            rtol=1e-7,
            atol=1e-8,
        )


@pytest.mark.parametrize("cov_type", COVARIANCES)
@pytest.mark.parametrize("kind", ["prediction", "confidence"])
def test_each_target_as_by_itself(cov_type, kind):
    X, Y, new = sample(40, 3, targets=3)
    both = LinearRegression(cov_type=cov_type).fit(X, Y).prediction_interval(new, kind=kind)
    assert both.shape == (7, 3, 2)
    for k in range(3):
        one = LinearRegression(cov_type=cov_type).fit(X, Y[:, k]).prediction_interval(new, kind=kind)
        np.testing.assert_allclose(both[:, k], one, rtol=1e-11)


@pytest.mark.parametrize("kind", ["prediction", "confidence"])
def test_means_of_1e8_cost_nothing(kind):
    rng = np.random.default_rng(0)
    X = 1e8 + np.round(rng.normal(size=(25, 2)) * 2**10) / 2**10
    y = np.round(rng.normal(size=25) * 2**10) / 2**10
    new = X[:5] + 0.5
    exact = truth(X, y)
    s2 = exact.rss[0] / 22
    expected = []
    for x in new:
        row = [Fraction(1), *(Fraction(float(v)) for v in x)]
        centre = sum((a * b for a, b in zip(row, exact.beta[0], strict=True)), Fraction(0))
        variance = sum(row[i] * exact.inverse[i][j] * row[j] for i in range(3) for j in range(3)) * s2
        half = scipy.stats.t.ppf(0.975, 22) * np.sqrt(float(variance + s2 * (kind == "prediction")))
        expected.append((float(centre), half))
    bounds = LinearRegression().fit(X, y).prediction_interval(new, kind=kind)
    np.testing.assert_allclose((bounds[:, 1] - bounds[:, 0]) / 2, [half for _, half in expected], rtol=1e-7)
    np.testing.assert_allclose(bounds.mean(axis=1), [centre for centre, _ in expected], atol=1e-7)


@pytest.mark.parametrize("degree", [1, 3, 8])
@pytest.mark.parametrize("cov_type", COVARIANCES)
def test_polynomial_as_its_powers(degree, cov_type):
    rng = np.random.default_rng(degree)
    x = rng.uniform(-1, 1, (60, 1))
    y = np.sin(3 * x[:, 0]) + 0.1 * rng.normal(size=60)
    new = np.linspace(-0.9, 0.9, 5)[:, None]
    powers = np.arange(1, degree + 1)
    ours = PolynomialRegression(degree, cov_type=cov_type).fit(x, y)
    plain = LinearRegression(cov_type=cov_type).fit(x**powers, y)
    for kind in ("prediction", "confidence"):
        np.testing.assert_allclose(
            ours.prediction_interval(new, kind=kind),
            plain.prediction_interval(new**powers, kind=kind),
            rtol=1e-8,
        )


@pytest.mark.filterwarnings("ignore::betahat.CollinearityWarning")
def test_rows_the_data_say_nothing_about_are_refused():
    """With two equal columns only rows where they are equal too have an interval."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 1))
    y = x[:, 0] + rng.normal(size=20)
    model, plain = LinearRegression().fit(np.hstack([x, x]), y), LinearRegression().fit(x, y)
    np.testing.assert_allclose(
        model.prediction_interval([[2.0, 2.0]]), plain.prediction_interval([[2.0]]), rtol=1e-10
    )
    with pytest.raises(InferenceError, match=r"1 of 2 rows \(first: row 1\)"):
        model.prediction_interval([[2.0, 2.0], [2.0, 3.0]])


def test_sparse_rows():
    X, y, new = sample(40, 3)
    model = LinearRegression().fit(X, y)
    np.testing.assert_allclose(
        model.prediction_interval(sp.csr_array(new)), model.prediction_interval(new), rtol=1e-13
    )


@pytest.mark.parametrize("level", [0, 1, -0.1, 95, np.nan])
def test_wrong_level(level):
    X, y, new = sample(40, 3)
    with pytest.raises(ValueError, match="level"):
        LinearRegression().fit(X, y).prediction_interval(new, level)


def test_wrong_kind():
    X, y, new = sample(40, 3)
    with pytest.raises(ValueError, match=r"kind.*'mean'.*'prediction', 'confidence'"):
        LinearRegression().fit(X, y).prediction_interval(new, kind="mean")

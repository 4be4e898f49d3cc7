"""Comparison of nested fits: statsmodels' numbers, and refusal of what cannot be compared."""

from __future__ import annotations

import json
from dataclasses import replace

import narwhals as nw
import numpy as np
import pytest
import statsmodels.api as sm
from inference import likelihood_fits as fits

import betahat as bh
from betahat.errors import InferenceError
from betahat.inference import Inference, LikelihoodInference


def pair(load, family=None, kept=2):
    X, y, names = load()
    if family is None:
        return [fits.fit_multinomial(X[:, :k], y, names=names[:k]) for k in (kept, X.shape[1])]
    return [fits.fit(X[:, :k], y, family, names=names[:k]) for k in (kept, X.shape[1])]


def both(load, family=None):
    return [LikelihoodInference(s) for s in pair(load, family)]


@pytest.mark.parametrize("swap", [False, True])
def test_likelihood_ratio_as_statsmodels(swap):
    X, y, _ = fits.spector()
    models = both(fits.spector, fits.LOGIT)
    found = bh.compare(*models[::-1] if swap else models)
    larger, smaller = (
        sm.GLM(y, sm.add_constant(X[:, :k]), sm.families.Binomial()).fit(tol=1e-14) for k in (3, 2)
    )
    np.testing.assert_allclose(found.statistic, 2 * (larger.llf - smaller.llf), rtol=1e-9)
    q = larger.df_model - smaller.df_model
    from scipy.stats import chi2

    np.testing.assert_allclose(found.p_value, chi2.sf(found.statistic, q), rtol=1e-9)
    assert (found.df_num, found.df_denom, found.names) == (1, np.inf, ("PSI",))
    assert f"Without PSI: χ²(1) = {found.statistic:.6g}" in str(found)


def test_linear_as_statsmodels():
    X, y, names = fits.scotland()
    small = bh.LinearRegression().fit(X[:, :3], y)
    large = bh.LinearRegression().fit(X, y)
    found = bh.compare(small, large)
    F, p, q = sm.OLS(y, sm.add_constant(X)).fit().compare_f_test(sm.OLS(y, sm.add_constant(X[:, :3])).fit())
    np.testing.assert_allclose((found.statistic, found.p_value, found.df_num), (F, p, q), rtol=1e-7)
    assert found.df_denom == 24
    # The same of the Gaussian family, whose dispersion is estimated.
    family = [LikelihoodInference(fits.fit(X[:, :k], y, fits.GAUSSIAN, names=names[:k])) for k in (3, 7)]
    again = bh.compare(*family)
    np.testing.assert_allclose((again.statistic, again.p_value), (F, p), rtol=1e-7)
    # Of one column F is t².
    one = bh.compare(bh.LinearRegression().fit(X[:, :6], y), large)
    np.testing.assert_allclose(one.p_value, large.inference_.p_value[-1], rtol=1e-7)


def test_multinomial_as_statsmodels():
    X, y, _ = fits.anes96()
    found = bh.compare(*both(fits.anes96))
    larger, smaller = (
        sm.MNLogit(y, sm.add_constant(X[:, :k])).fit(disp=0, tol=1e-14, maxiter=100) for k in (4, 2)
    )
    np.testing.assert_allclose(found.statistic, 2 * (larger.llf - smaller.llf), rtol=1e-8)
    assert found.df_num == 12


def test_against_the_null_model_it_is_the_test_in_the_summary():
    X, y, names = fits.scotland()
    for family in (fits.GAMMA, fits.GAUSSIAN):
        null = LikelihoodInference(fits.fit(X[:, :0], y, family))
        full = LikelihoodInference(fits.fit(X, y, family, names=names))
        found = bh.compare(null, full)
        np.testing.assert_allclose(
            (found.statistic, found.p_value), (full.lr_statistic, full.lr_p_value), rtol=1e-8
        )


def test_frame_json_and_html():
    found = bh.compare(*both(fits.spector, fits.LOGIT))
    frame = nw.from_native(found.frame("polars"), eager_only=True)
    assert frame.columns == ["model", "parameters", "df_resid", "deviance", "log_likelihood", "aic"]
    content = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert (content["statistic"], content["df_denom"]) == (found.statistic, None)
    assert content["models"][1]["parameters"] == 4
    assert "Likelihood-ratio test" in found._repr_html_()


LINEAR = {"X": np.arange(24.0).reshape(8, 3) ** 2 % 7, "y": np.array([1.0, 4, 2, 8, 5, 7, 3, 6])}


def changed(which, **changes):
    models = pair(fits.spector, fits.LOGIT)
    models[which] = replace(models[which], **changes)
    return [LikelihoodInference(s) for s in models]


@pytest.mark.parametrize(
    ("models", "match"),
    [
        (lambda: changed(1, penalised=True), "penalised fit maximises no likelihood"),
        (lambda: changed(0, cov_type="HC1", meat=np.eye(3)), "cov_type='HC1'"),
        (lambda: changed(0, bias_reduced=True), "firth=True"),
        (lambda: changed(0, family="poisson"), "their family differs, 'poisson' and 'binomial'"),
        (lambda: changed(0, link="probit"), "their link differs"),
        (lambda: changed(0, classes=("no", "yes")), "their classes differs"),
        (lambda: changed(0, fingerprint={"n": 32.0, "w": 32.0, "wy": 11.5, "wyy": 11.0}), "wy is 11.5 in one and 11"),
        (lambda: changed(0, fingerprint={"n": 32.0}), "only one of them tells"),
        (lambda: changed(0, n_obs=31.0), "different rows"),
        (lambda: changed(0, names=("Intercept", "a", "b")), "neither holds all coefficients"),
        (lambda: changed(0, deviance=20.0), "the larger model fits worse"),
        (lambda: [both(fits.spector, fits.LOGIT)[0]] * 2, "both have the same coefficients"),
        (lambda: [both(fits.spector, fits.LOGIT)[0], bh.LinearRegression().fit(**LINEAR)], "one is a least-squares"),
        (lambda: [bh.Ridge().fit(**LINEAR), bh.LinearRegression().fit(**LINEAR)], "penalised fit"),
    ],
)  # fmt: skip
def test_refusals_say_why(models, match):
    with pytest.raises(InferenceError, match=match):
        bh.compare(*models())


def linear(X, y, **options):
    return bh.LinearRegression(**options).fit(X, y)


@pytest.mark.parametrize(
    ("small", "match"),
    [
        (lambda X, y: linear(X[:6, :2], y[:6]), "different rows"),
        (lambda X, y: linear(X[:, :2], y + np.arange(8)), "different rows"),
        (lambda X, y: linear(X[:, :2], y, cov_type="HC3"), "cov_type='HC3'"),
        (lambda X, y: linear(X[:, :2], np.column_stack([y, y])), "2 targets"),
    ],
)
def test_linear_refusals(small, match):
    with pytest.raises(InferenceError, match=match):
        bh.compare(small(**LINEAR), linear(**LINEAR))


def test_columns_that_only_share_a_name_are_found_by_a_worse_fit():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 2)), rng.normal(size=30)
    y += 3 * X[:, 0]
    with pytest.raises(InferenceError, match="fits worse"):
        bh.compare(linear(X[:, :1], y), linear(rng.normal(size=(30, 2)), y))


def test_dependent_columns_add_nothing():
    X, y = LINEAR["X"][:, :2], LINEAR["y"]
    with pytest.warns(bh.CollinearityWarning):
        large = linear(np.column_stack([X, X[:, 0] - X[:, 1]]), y)
    with pytest.raises(InferenceError, match="depend linearly"):
        bh.compare(linear(X, y), large)


@pytest.mark.parametrize("wrong", [3, "model", None])
def test_what_is_no_model(wrong):
    with pytest.raises(TypeError, match="m2"):
        bh.compare(linear(**LINEAR), wrong)


def test_unfitted_model_says_that_it_is_not_fitted():
    with pytest.raises(ValueError, match="not fitted"):
        bh.compare(bh.LinearRegression(), linear(**LINEAR))


def test_exact_fit_gives_an_infinite_f():
    X = LINEAR["X"]
    y = X @ [1.0, 2.0, 4.0]
    small = Inference(replace(linear(X[:, :2], y).inference_.statistics))
    large = linear(X, y).inference_
    exact = Inference(replace(large.statistics, residual_ss=np.zeros(1)))
    found = bh.compare(small, exact)
    assert found.statistic == np.inf
    assert found.p_value == 0


def test_infinite_estimates_are_remarked():
    small, large = pair(fits.spector, fits.LOGIT)
    large = replace(large, infinite=np.array([[False, False, False, True]]))
    assert "rough approximation" in str(bh.compare(*map(LikelihoodInference, (small, large))))

"""Inference of likelihood fits in closed form, and where numbers are withheld or refused."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
from inference import likelihood_fits as fits
from scipy import stats

from betahat.errors import FormulaError, InferenceError, StorageError
from betahat.inference import LikelihoodInference, LikelihoodStatistics
from betahat.inference.distributions import f_tail, t_quantile, two_sided_p

SPECTOR = fits.spector()


def spector(**changes):
    X, y, names = SPECTOR
    return LikelihoodInference(fits.fit(X, y, names=names, **changes))


def anes(**changes):
    X, y, names = fits.anes96()
    return LikelihoodInference(replace(fits.fit_multinomial(X[:, :2], y % 3, names=names[:2]), **changes))


# --- distributions ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("q", [1, 2, 7, 300])
@pytest.mark.parametrize("chi2", [0.0, 1e-12, 0.3, 2.0, 50.0, 1300.0])
def test_infinite_degrees_of_freedom_are_chi_square(q, chi2):
    np.testing.assert_allclose(f_tail(chi2 / q, q, np.inf), stats.chi2.sf(chi2, q), rtol=1e-12)


@pytest.mark.parametrize("z", [0.0, 1e-9, 1.0, -2.5, 30.0, np.inf])
def test_infinite_degrees_of_freedom_are_normal(z):
    np.testing.assert_allclose(two_sided_p(z, np.inf), 2 * stats.norm.sf(abs(z)), rtol=1e-12)
    assert np.isnan(two_sided_p(np.nan, np.inf))


@pytest.mark.parametrize("level", [1e-9, 0.3, 0.5, 0.95, 0.9999999])
def test_normal_quantile(level):
    q = t_quantile(level, np.inf)
    np.testing.assert_allclose(1 - two_sided_p(q, np.inf), level, rtol=1e-7)
    np.testing.assert_allclose(q, t_quantile(level, 1e12), rtol=1e-6)


# --- closed forms -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", [(3, 7, 6, 4), (1, 20, 12, 5), (40, 2, 3, 31)])
def test_log_odds_ratio_of_a_two_by_two_table(table):
    """β = log(ad/bc), its variance 1/a + 1/b + 1/c + 1/d (Woolf, 1955); ratios and likelihood by hand."""
    a, b, c, d = table
    x = np.repeat([0.0, 0, 1, 1], table)
    y = np.repeat([1.0, 0, 1, 0], table)
    inference = LikelihoodInference(fits.fit(x[:, None], y))
    np.testing.assert_allclose(inference.estimate[1], np.log(c * b / (d * a)), rtol=1e-10)
    error = np.sqrt(1 / a + 1 / b + 1 / c + 1 / d)
    np.testing.assert_allclose(inference.std_err[1], error, rtol=1e-10)
    np.testing.assert_allclose(inference.std_err[0], np.sqrt(1 / a + 1 / b), rtol=1e-10)
    ratios = inference.odds_ratios(0.9)
    np.testing.assert_allclose(ratios["ratio"][1], c * b / (d * a), rtol=1e-10)
    ends = np.log(c * b / (d * a)) + np.array([-1, 1]) * stats.norm.ppf(0.95) * error
    np.testing.assert_allclose((ratios["conf_low"][1], ratios["conf_high"][1]), np.exp(ends), rtol=1e-9)
    G2 = stats.chi2_contingency([[a, b], [c, d]], correction=False, lambda_="log-likelihood")
    np.testing.assert_allclose(inference.lr_statistic, G2.statistic, rtol=1e-9)
    np.testing.assert_allclose(inference.lr_p_value, G2.pvalue, rtol=1e-9)
    np.testing.assert_allclose(inference.wald_statistic, inference.statistic[1] ** 2, rtol=1e-12)
    np.testing.assert_allclose(inference.wald_p_value, inference.p_value[1], rtol=1e-9)
    null = inference.null_log_likelihood / inference.n_obs
    np.testing.assert_allclose(inference.nagelkerke * (1 - np.exp(2 * null)), inference.cox_snell, rtol=1e-12)


def test_multinomial_against_constant_is_the_contingency_table():
    level, y = np.repeat([0, 1], [60, 40]), np.resize([0, 1, 2, 1, 0], 100)
    inference = LikelihoodInference(fits.fit_multinomial(level[:, None].astype(float), y))
    n = np.array([np.bincount(y[level == k], minlength=3) for k in (0, 1)])
    G2 = stats.chi2_contingency(n, correction=False, lambda_="log-likelihood")
    np.testing.assert_allclose(inference.lr_statistic, G2.statistic, atol=1e-10)
    errors = np.sqrt([(1 / n[:, [0, k]]).sum() for k in (1, 2)])
    np.testing.assert_allclose(inference.std_err[:, 1], errors, rtol=1e-9)
    shared = inference.covariance[1, 3]  # of the two log odds ratios, through the reference class
    np.testing.assert_allclose(shared, (1 / n[:, 0]).sum(), rtol=1e-9)


def test_predictor_covariance():
    X = SPECTOR[0]
    new = X[:5] + 0.25
    for centre in (False, True):
        inference = spector(centre=centre)
        A = np.column_stack([np.ones(5), new])
        expected = np.einsum("ij,jk,ik->i", A, inference.covariance, A)
        np.testing.assert_allclose(inference.predictor_covariance(new)[:, 0, 0], expected, rtol=1e-8)
    multi = anes()
    A = np.column_stack([np.ones(4), np.arange(8.0).reshape(4, 2)])
    V = multi.covariance.reshape(2, 3, 2, 3)
    found = multi.predictor_covariance(A[:, 1:])
    for s in range(2):
        for t in range(2):
            np.testing.assert_allclose(found[:, s, t], [a @ V[s, :, t] @ a for a in A], rtol=1e-9)


def test_slopes_of_far_columns_keep_their_digits():
    X, y, names = SPECTOR
    far = np.array([0.0, 1e8, 0.0])
    near = fits.fit(X, y, names=names, centre=True)
    moved = LikelihoodInference(replace(near, centre=near.centre + far))
    here = LikelihoodInference(near)
    np.testing.assert_allclose(moved.std_err[1:], here.std_err[1:], rtol=1e-14)
    np.testing.assert_allclose(moved.predictor_covariance(X + far), here.predictor_covariance(X), rtol=1e-9)


# --- hypotheses of classes ----------------------------------------------------------------------------------


def test_a_bare_name_means_every_class():
    inference = anes()
    name = inference.names[1]
    every = inference.test(name)
    assert every.hypothesis == (f"b: {name}", f"c: {name}")
    single = inference.test(f"b:{name} = 0, c:{name} = 0")
    np.testing.assert_allclose(every.statistic, single.statistic, rtol=1e-13)
    matrix = inference.test(np.array([[0.0, 1.0, 0.0]]))
    np.testing.assert_allclose(matrix.statistic, single.statistic, rtol=1e-13)
    R = np.zeros((2, 6))
    R[0, 1] = R[1, 4] = 1.0
    np.testing.assert_allclose(inference.test(R).statistic, single.statistic, rtol=1e-13)
    valued = inference.test((np.array([[0.0, 1.0, 0.0]]), 0.5))
    np.testing.assert_allclose(
        valued.t_statistic * valued.std_err, inference.estimate[:, 1] - 0.5, rtol=1e-12
    )


def test_the_reference_class_is_zero():
    inference = anes()
    name = inference.names[1]
    against = inference.test(f"b:{name} = a:{name}")
    np.testing.assert_allclose(against.estimate, inference.estimate[:1, 1])
    with pytest.raises(InferenceError, match="says nothing"):
        inference.test(f"a:{name} = 0")


def test_class_names_that_are_numbers_stand_in_backquotes():
    inference = anes(classes=("0", "1", "2"), target_names=("1", "2"))
    name = inference.names[1]
    found = inference.test(f"`1:{name}` = `2:{name}`")
    np.testing.assert_allclose(found.estimate, inference.estimate[0, 1] - inference.estimate[1, 1])
    with pytest.raises(FormulaError, match="no coefficient"):
        inference.test("`3:x` = 0")


def test_a_name_that_could_be_two_things_is_refused():
    inference = anes(names=("Intercept", "x", "b:x"))
    with pytest.raises(FormulaError, match="several"):
        inference.test("b:x = 0")


# --- what is withheld ---------------------------------------------------------------------------------------


def separated():
    """x2 infinite: rows and columns of the inverse are NaN, as a solver leaves them."""
    s = fits.fit(SPECTOR[0], SPECTOR[1], names=SPECTOR[2])
    inverse = s.inverse.copy()
    inverse[3], inverse[:, 3] = np.nan, np.nan
    return replace(s, inverse=inverse, infinite=np.array([[False, False, False, True]]))


@pytest.mark.parametrize("cov_type", ["nonrobust", "HC0"])
def test_infinite_estimates_have_no_statistics_and_others_keep_theirs(cov_type):
    s = separated()
    if cov_type == "HC0":
        s = replace(s, cov_type="HC0", meat=np.eye(4))
    inference = LikelihoodInference(s)
    for values in (inference.std_err, inference.statistic, inference.p_value, inference.conf_int()[:, 0]):
        assert np.isnan(values).tolist() == [False, False, False, True]
    assert np.isnan(inference.covariance[3]).all()
    assert np.isfinite(inference.covariance[:3, :3]).all()
    assert inference.infinite.tolist() == [False, False, False, True]
    assert np.isnan(inference.wald_statistic)
    assert np.isfinite(inference.lr_statistic)
    assert "PSI (∞)" in inference.message
    assert "firth=True" in inference.message
    assert np.isfinite(inference.test("GPA = TUCE").statistic)
    with pytest.raises(InferenceError, match="'PSI' is infinite"):
        inference.test("GPA = PSI")
    rows = np.array([[3.0, 20.0, 0.0], [3.0, 20.0, 1.0]])
    assert np.isnan(inference.predictor_covariance(rows)[:, 0, 0]).tolist() == [False, True]
    assert inference.odds_ratios()["ratio"][3] == np.inf


def test_dependent_columns():
    X, y, _ = SPECTOR
    doubled = np.column_stack([X, X[:, 0] + X[:, 1]])
    names = ("GPA", "TUCE", "PSI", "sum")
    inference = LikelihoodInference(fits.fit(doubled, y, names=names))
    assert inference.rank == 4
    assert np.isnan(inference.std_err).tolist() == [False, True, True, False, True]
    assert "GPA, TUCE, sum" in inference.message
    plain = spector()
    np.testing.assert_allclose(inference.std_err[[0, 3]], plain.std_err[[0, 3]], rtol=1e-7)
    np.testing.assert_allclose(inference.wald_statistic, plain.wald_statistic, rtol=1e-7)
    assert (inference.df_model, inference.df_resid) == (3, 28)
    np.testing.assert_allclose(inference.aic, plain.aic, rtol=1e-10)
    with pytest.raises(InferenceError, match="GPA take"):
        inference.test("GPA")
    np.testing.assert_allclose(
        inference.test("GPA = TUCE").statistic, plain.test("GPA = TUCE").statistic, rtol=1e-7
    )
    with pytest.raises(InferenceError, match="break a relation"):
        inference.predictor_covariance(np.array([[1.0, 2.0, 3.0, 4.0]]))


@pytest.mark.parametrize(
    "ask",
    [
        "std_err", "statistic", "p_value", "covariance", "aic", "bic", "df_model", "df_resid", "df_inference",
        "lr_statistic", "lr_p_value", "wald_statistic", "correlation",
    ],
)  # fmt: skip
def test_penalised_fits_refuse_by_name(ask):
    inference = LikelihoodInference(replace(spector().statistics, penalised=True))
    with pytest.raises(InferenceError, match="penalised fit"):
        getattr(inference, ask)
    assert np.isfinite([inference.deviance, inference.mcfadden, inference.log_likelihood]).all()
    for call in (inference.conf_int, inference.ratios, lambda: inference.test("GPA")):
        with pytest.raises(InferenceError, match="penalised fit"):
            call()


def test_bias_reduced_fits_have_wald_tests_only():
    inference = LikelihoodInference(replace(spector().statistics, bias_reduced=True))
    assert np.isfinite(inference.std_err).all()
    assert np.isfinite(inference.wald_p_value)
    assert np.isnan(inference.lr_statistic)
    assert np.isnan(inference.lr_p_value)
    assert "Firth" in inference.message


@pytest.mark.parametrize(("load", "said"), [(fits.randhie, True), (None, False)])
def test_overdispersion_is_said_where_there_is_any(load, said):
    if load is None:
        rng = np.random.default_rng(0)
        X = rng.normal(size=(500, 2))
        y = rng.poisson(np.exp(0.3 * X[:, 0] + 1)).astype(float)
    else:
        X, y, _ = load()
    inference = LikelihoodInference(fits.fit(X, y, fits.POISSON))
    assert ("Overdispersion" in inference.message) == said
    robust = LikelihoodInference(fits.fit(X, y, fits.POISSON, cov_type="HC1"))
    assert "Overdispersion" not in robust.message


def test_no_information_no_statistics():
    inference = LikelihoodInference(replace(spector().statistics, inverse=None))
    assert np.isnan(inference.std_err).all()
    assert np.isnan(inference.wald_statistic)
    with pytest.raises(InferenceError, match="no information matrix"):
        inference.test("GPA")


def test_no_degrees_of_freedom_with_estimated_dispersion():
    s = fits.fit(fits.scotland()[0], fits.scotland()[1], fits.GAMMA)
    inference = LikelihoodInference(replace(s, n_obs=8.0, dispersion=np.nan))
    assert np.isnan(inference.std_err).all()
    assert np.isnan(inference.p_value).all()
    assert np.isnan(inference.lr_p_value)
    assert "No residual degrees of freedom (8 rows, rank 8)" in inference.message
    known = LikelihoodInference(replace(spector().statistics, n_obs=4.0))
    assert np.isfinite(known.p_value).all()
    with pytest.raises(InferenceError, match="degrees of freedom"):
        inference.test("x1")


def test_a_missing_meat_is_named():
    with pytest.raises(InferenceError, match="needs the meat"):
        _ = LikelihoodInference(replace(spector().statistics, cov_type="HC0")).std_err


def test_too_few_groups_for_a_joint_test():
    groups = np.arange(32) % 3
    inference = spector(cov_type="cluster", groups=groups[:, None])
    assert np.isinf(inference.df_inference)
    assert np.isnan(inference.wald_statistic)
    with pytest.raises(InferenceError, match="3 groups leave"):
        inference.test("GPA, TUCE, PSI")


def test_two_way_clusters_are_made_definite():
    rng = np.random.default_rng(1)
    groups = np.column_stack([rng.integers(0, 4, 32), rng.integers(0, 3, 32)])
    inference = spector(cov_type="cluster", groups=groups)
    V = inference.covariance
    assert "negative eigenvalues" in inference.message
    assert np.linalg.eigvalsh(V / np.sqrt(np.outer(np.diag(V), np.diag(V))))[0] > -1e-8
    assert inference.statistics.cov_options["n_groups"] == (4, 3)


@pytest.mark.parametrize(
    ("link", "title"), [("logit", "Odds"), ("log", "Ratios of means"), ("cloglog", "Hazard")]
)
def test_ratios_have_their_name(link, title):
    inference = LikelihoodInference(replace(spector().statistics, link=link))
    assert inference.ratios().title.startswith(title)
    np.testing.assert_allclose(inference.ratios()["ratio"], np.exp(inference.estimate))
    if link != "logit":
        with pytest.raises(InferenceError, match="see ratios"):
            inference.odds_ratios()


def test_ratios_of_a_link_that_gives_none():
    with pytest.raises(InferenceError, match="not for 'probit'"):
        LikelihoodInference(replace(spector().statistics, link="probit")).ratios()


def test_ratios_by_class():
    table = anes().odds_ratios()
    assert table["class"] == ("b",) * 3 + ("c",) * 3
    assert len(table) == 6
    with pytest.raises(KeyError, match="no column 'odds'"):
        table["odds"]


def test_null_model():
    X, y, _ = SPECTOR
    inference = LikelihoodInference(fits.fit(X[:, :0], y))
    assert inference.df_model == 0
    assert np.isnan([inference.lr_statistic, inference.lr_p_value, inference.wald_statistic]).all()
    assert inference.mcfadden == pytest.approx(0, abs=1e-12)


def test_storage_pickle_and_repr():
    inference = anes()
    plain = inference.to_dict()
    lists = json.loads(
        json.dumps({k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in plain.items()})
    )
    for again in (
        LikelihoodInference.from_dict(plain),
        LikelihoodInference.from_dict(lists),
        pickle.loads(pickle.dumps(inference)),
    ):
        np.testing.assert_array_equal(again.std_err, inference.std_err)
        assert again.message == inference.message
    assert "LikelihoodInference: 3 parameters" in repr(inference)
    with pytest.raises(StorageError, match="missing"):
        LikelihoodStatistics.from_dict({})

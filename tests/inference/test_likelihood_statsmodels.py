"""Parity with statsmodels on real tables: family × covariance × centring."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
import statsmodels.api as sm
from inference import likelihood_fits as fits

from betahat.inference import LikelihoodInference

TABLES = {
    "spector logit": (fits.spector, fits.LOGIT, sm.families.Binomial()),
    "breast cancer logit": (fits.breast_cancer, fits.LOGIT, sm.families.Binomial()),
    "randhie poisson": (fits.randhie, fits.POISSON, sm.families.Poisson()),
    "scotland gamma": (fits.scotland, fits.GAMMA, sm.families.Gamma(sm.families.links.Log())),
    "scotland gaussian": (fits.scotland, fits.GAUSSIAN, sm.families.Gaussian()),
}


def same(a, b, rtol=1e-8, atol=0.0):
    np.testing.assert_allclose(a, b, rtol=rtol, atol=atol)


def peer(X, y, family, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return sm.GLM(y, sm.add_constant(X), family, **options.pop("model", {})).fit(
            tol=1e-14, maxiter=200, **options
        )


@pytest.fixture(params=TABLES)
def table(request):
    load, ours, theirs = TABLES[request.param]
    return (*load(), ours, theirs)


@pytest.mark.parametrize("centre", [False, True])
def test_as_glm(table, centre):
    X, y, names, family, theirs = table
    inference = LikelihoodInference(fits.fit(X, y, family, names=names, centre=centre))
    known = inference.statistics.dispersion_known
    result = peer(X, y, theirs, use_t=not known)
    same(inference.estimate, result.params, 1e-9)
    same(inference.std_err, result.bse)
    same(inference.statistic, result.tvalues)
    same(inference.p_value, result.pvalues, 1e-6)
    same(inference.conf_int(0.9), result.conf_int(0.1), 1e-7)
    V = inference.covariance
    unit = np.sqrt(np.outer(np.diag(V), np.diag(V)))
    same(V / unit, result.cov_params() / unit, atol=1e-8)
    same(inference.correlation, V / unit, atol=1e-14)
    same(inference.deviance, result.deviance, 1e-10)
    same(inference.null_deviance, result.null_deviance, 1e-10)
    same(inference.pearson_chi2, result.pearson_chi2, 1e-9)
    same(inference.dispersion, result.scale, 1e-9)
    same(inference.log_likelihood, result.llf, 1e-10)
    same(inference.aic, result.aic, 1e-10)
    same(inference.bic, result.bic_llf, 1e-10)
    same(inference.deviance_explained, 1 - result.deviance / result.null_deviance)
    assert (inference.df_model, inference.df_resid) == (result.df_model, result.df_resid)
    if known:
        assert inference.df_inference == np.inf
        same(inference.cox_snell, result.pseudo_rsquared("cs"))
        same(inference.mcfadden, result.pseudo_rsquared("mcf"))
    else:
        assert inference.df_inference == result.df_resid
        assert np.isnan(inference.mcfadden)
        assert np.isnan(inference.nagelkerke)


@pytest.mark.parametrize("cov_type", ["nonrobust", "HC0", "HC1", "cluster"])
@pytest.mark.parametrize("centre", [False, True])
def test_covariances_and_wald_as_glm(table, cov_type, centre):
    X, y, names, family, theirs = table
    """statsmodels' bread is the observed information for sandwiches, its HC1 lacks the factor n/(n − rank)."""
    groups = np.arange(len(y)) % 13
    observed = family is fits.GAMMA and cov_type != "nonrobust"
    s = fits.fit(
        X, y, family, names=names, cov_type=cov_type, groups=groups[:, None], centre=centre,
        information="observed" if observed else "expected",
    )  # fmt: skip
    inference = LikelihoodInference(s)
    if cov_type == "HC1":
        same(
            inference.covariance,
            s.n_obs / s.df_resid * LikelihoodInference(replace(s, cov_type="HC0")).covariance,
        )
        inference = LikelihoodInference(replace(s, cov_type="HC0"))
    known, m = inference.statistics.dispersion_known, X.shape[1] + 1
    result = peer(
        X, y, theirs, use_t=not known, cov_type=cov_type,
        cov_kwds={"groups": groups} if cov_type == "cluster" else None,
    )  # fmt: skip
    same(inference.std_err, result.bse, 1e-7)
    if cov_type != "cluster":  # there statsmodels' GLM keeps n − rank
        same(inference.p_value, result.pvalues, 1e-6)
    assert inference.df_inference == (
        np.inf if known else 12 if cov_type == "cluster" else inference.df_resid
    )
    R = np.vstack([np.eye(m)[1] - np.eye(m)[2], 2 * np.eye(m)[3 % m] + np.eye(m)[1]])
    for matrix, value in ((R, [0.0, 0.1]), (R[:1], [0.0])):
        test = inference.test((matrix, np.array(value)))
        chi2 = result.wald_test((matrix, np.array(value)), use_f=False, scalar=True)
        F = result.wald_test((matrix, np.array(value)), use_f=True, scalar=True)
        same(test.statistic, (chi2 if known else F).statistic, 1e-6)
        if known or cov_type != "cluster":
            same(test.p_value, (chi2 if known else F).pvalue, 1e-5)
        assert test.df_num == len(matrix)
        assert np.isinf(test.df_denom) == known
        each = result.t_test((matrix, np.array(value)))
        same(test.estimate, np.atleast_1d(each.effect), 1e-7)
        same(test.std_err, np.atleast_1d(each.sd).ravel(), 1e-7)
        same(test.t_statistic, np.atleast_1d(each.tvalue).ravel(), 1e-6)
    overall = result.wald_test(np.eye(m)[1:], use_f=not known, scalar=True)
    same(inference.wald_statistic, overall.statistic, 1e-6)
    text = f"{names[0]} = {names[1]}, 2*{names[2 % len(names)]} + {names[0]} = 0.1"
    same(inference.test(text).statistic, inference.test((R, [0.0, 0.1])).statistic, 1e-9)


@pytest.mark.parametrize("table_name", ["spector logit", "breast cancer logit"])
@pytest.mark.parametrize(("ours", "theirs"), [(fits.LOGIT, sm.Logit), (fits.PROBIT, sm.Probit)])
def test_as_discrete_models(table_name, ours, theirs):
    """Logit and Probit take the observed information."""
    X, y, names = TABLES[table_name][0]()
    kept = slice(0, 2) if table_name.startswith("breast") else slice(None)
    X, names = X[:, kept], names[kept]
    s = fits.fit(X, y, ours, names=names, information="expected" if ours is fits.LOGIT else "observed")
    inference = LikelihoodInference(s)
    result = theirs(y, sm.add_constant(X)).fit(disp=0, method="newton", tol=1e-14, maxiter=100)
    same(inference.std_err, result.bse)
    same(inference.conf_int(), result.conf_int(), 1e-7)
    same(inference.log_likelihood, result.llf, 1e-10)
    same(inference.null_log_likelihood, result.llnull, 1e-9)
    same(inference.mcfadden, result.prsquared, 1e-8)
    same(inference.lr_statistic, result.llr, 1e-8)
    same(inference.lr_p_value, result.llr_pvalue, 1e-6)
    same(inference.aic, result.aic, 1e-10)
    same(inference.bic, result.bic, 1e-10)


@pytest.mark.parametrize("centre", [False, True])
def test_as_mnlogit(centre):
    X, y, names = fits.anes96()
    inference = LikelihoodInference(fits.fit_multinomial(X, y, names=names, centre=centre))
    result = sm.MNLogit(y, sm.add_constant(X)).fit(disp=0, method="newton", tol=1e-14, maxiter=100)
    same(inference.estimate, result.params.T, 1e-8)
    same(inference.std_err, result.bse.T)
    same(inference.statistic, result.tvalues.T, 1e-7)
    same(inference.p_value, result.pvalues.T, 1e-6)
    interval = result.conf_int()
    same(inference.conf_int(), np.asarray(interval).reshape((*inference.estimate.shape, 2)), 1e-7)
    same(inference.covariance, result.cov_params(), 1e-6, 1e-14)
    same(inference.log_likelihood, result.llf, 1e-10)
    same(inference.mcfadden, result.prsquared, 1e-8)
    same(inference.aic, result.aic, 1e-10)
    same(inference.bic, result.bic, 1e-10)
    same((inference.lr_statistic, inference.df_model), (result.llr, result.df_model), 1e-8)
    same(inference.lr_p_value, result.llr_pvalue, 1e-6)
    t, m = inference.estimate.shape
    R = np.zeros((t, t * m))
    for k in range(t):
        R[k, k * m + 2] = 1.0
    for hypothesis in ("logpopul = 0".replace("logpopul", names[1]), np.eye(m)[2]):
        every = inference.test(hypothesis)
        theirs = result.wald_test(R, scalar=True)
        same(every.statistic, theirs.statistic, 1e-7)
        same(every.p_value, theirs.pvalue, 1e-6)
        assert every.df_num == t
    one = inference.test(f"b:{names[0]} = c:{names[0]}")
    row = np.zeros((1, t * m))
    row[0, 1], row[0, m + 1] = 1.0, -1.0
    same(one.statistic, result.wald_test(row, scalar=True).statistic, 1e-7)


@pytest.mark.parametrize("family", [fits.LOGIT, fits.POISSON, fits.GAMMA])
@pytest.mark.parametrize("intercept", [False, True])
def test_weights_offset_and_intercept_as_glm(family, intercept):
    rng = np.random.default_rng(4)
    n = 300
    X, offset = rng.normal(size=(n, 3)), 0.3 * rng.normal(size=n)
    f, w = rng.integers(1, 4, n).astype(float), rng.uniform(0.5, 2.0, n)
    eta = 0.3 + X @ [0.4, -0.2, 0.1] + offset
    y = {
        "binomial": lambda: (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(float),
        "poisson": lambda: rng.poisson(np.exp(eta)).astype(float),
        "gamma": lambda: rng.gamma(2.0, np.exp(eta) / 2),
    }[family.name]()
    theirs = {
        "binomial": sm.families.Binomial(), "poisson": sm.families.Poisson(),
        "gamma": sm.families.Gamma(sm.families.links.Log()),
    }[family.name]  # fmt: skip
    s = fits.fit(X, y, family, weight=w, frequency=f, offset=offset, intercept=intercept)
    inference = LikelihoodInference(s)
    A = sm.add_constant(X) if intercept else X
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = sm.GLM(y, A, theirs, freq_weights=f, var_weights=w, offset=offset).fit(
            tol=1e-14, use_t=not family.known
        )
    same(inference.std_err, result.bse)
    same(inference.p_value, result.pvalues, 1e-6)
    same(inference.deviance, result.deviance)
    assert inference.df_resid == result.df_resid
    assert inference.df_model == A.shape[1] - int(intercept)
    assert inference.n_obs == f.sum()

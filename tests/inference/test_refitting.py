"""Likelihood-ratio and score tests, and profile intervals, against statsmodels and against roots found otherwise."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
import statsmodels.api as sm
from inference import likelihood_fits as fits
from scipy import optimize, special, stats

from betahat.errors import InferenceError
from betahat.inference import LikelihoodInference
from betahat.inference.likelihood import likelihood_ratio_test, profile_interval, restriction, score_test

TABLES = {
    "spector": (fits.spector, fits.LOGIT, sm.families.Binomial()),
    "randhie": (fits.randhie, fits.POISSON, sm.families.Poisson()),
    "scotland": (fits.scotland, fits.GAMMA, sm.families.Gamma(sm.families.links.Log())),
}


@pytest.fixture(params=TABLES)
def table(request):
    load, family, theirs = TABLES[request.param]
    return (*load(), family, theirs)


def design(X):
    return np.column_stack([np.ones(len(X)), X])


def refitter(X, y, family):
    """Deviance under a restriction: the design and the offset that it gives."""

    def refit(found):
        A = design(X)
        return fits.fit(A @ found.basis, y, family, offset=A @ found.particular, intercept=False).deviance

    return refit


# --- restrictions -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("q", "m"), [(1, 2), (2, 5), (4, 5), (3, 3)])
def test_a_restriction_is_all_solutions(seed, q, m):
    rng = np.random.default_rng(seed)
    R, r = rng.integers(-2, 3, (q, m)).astype(float), rng.normal(size=q)
    if np.linalg.matrix_rank(R) < q:
        R += rng.normal(size=R.shape)
    found = restriction(R, r, keep=(0,))
    np.testing.assert_allclose(R @ found.particular, r, atol=1e-11)
    np.testing.assert_allclose(R @ found.basis, 0, atol=1e-11)
    np.testing.assert_array_equal(found.basis[found.free], np.eye(m - q))


def test_intercepts_stay_free_where_something_else_can_be_solved_for():
    found = restriction(np.array([[5.0, 1.0, 0.0]]), np.array([3.0]), keep=(0,))
    assert found.free.tolist() == [0, 2]
    alone = restriction(np.array([[5.0, 0.0, 0.0]]), np.array([3.0]), keep=(0,))
    assert alone.free.tolist() == [1, 2]
    assert alone.particular[0] == 0.6


# --- likelihood ratio ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2])
def test_likelihood_ratio_as_statsmodels_constrained_fit(table, count):
    X, y, names, family, theirs = table
    s = fits.fit(X, y, family, names=names)
    texts = [f"{names[0]} = {names[1]}", f"2*{names[2]} + {names[0]} = 0.1"][:count]
    found = likelihood_ratio_test(s, texts, refitter(X, y, family))
    R = np.zeros((2, X.shape[1] + 1))
    R[0, 1:3], R[1, [1, 3]] = (1, -1), (1, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = sm.GLM(y, design(X), theirs)
        free = model.fit(tol=1e-14)
        bound = model.fit_constrained((R[:count], np.array([0.0, 0.1])[:count]), tol=1e-14)
    gain = bound.deviance - free.deviance
    if s.dispersion_known:
        np.testing.assert_allclose(found.statistic, gain, rtol=1e-6)
        np.testing.assert_allclose(found.p_value, stats.chi2.sf(gain, count), rtol=1e-5)
    else:
        F = gain / count / free.scale
        np.testing.assert_allclose(found.statistic, F, rtol=1e-6)
        np.testing.assert_allclose(found.p_value, stats.f.sf(F, count, free.df_resid), rtol=1e-5)
    assert found.hypothesis == tuple(texts)
    assert found.to_dict()["df_num"] == count


def test_all_slopes_zero_is_the_null_model(table):
    X, y, names, family, _ = table
    s = fits.fit(X, y, family, names=names)
    found = likelihood_ratio_test(s, list(names), refitter(X, y, family))
    inference = LikelihoodInference(s)
    np.testing.assert_allclose(
        (found.statistic, found.p_value), (inference.lr_statistic, inference.lr_p_value), rtol=1e-7
    )


def test_likelihood_ratio_refuses_what_has_none():
    X, y, names = fits.spector()
    s = fits.fit(X, y, names=names)
    refit = refitter(X, y, fits.LOGIT)
    with pytest.raises(InferenceError, match="penalty shrinks"):
        likelihood_ratio_test(replace(s, penalised=True), "GPA", refit)
    with pytest.raises(InferenceError, match="not maximised"):
        likelihood_ratio_test(replace(s, bias_reduced=True), "GPA", refit)
    with pytest.raises(InferenceError, match="not its minimum"):
        likelihood_ratio_test(replace(s, deviance=s.deviance + 20), "TUCE", refit)


def test_infinite_estimates_can_be_tested_by_their_deviance_only():
    X, y, names = fits.spector()
    s = replace(fits.fit(X, y, names=names), infinite=np.array([[False, True, False, False]]))
    with pytest.raises(InferenceError, match="infinite"):
        LikelihoodInference(s).test("GPA")
    assert likelihood_ratio_test(s, "GPA", refitter(X, y, fits.LOGIT)).p_value < 0.05


# --- scores -------------------------------------------------------------------------------------------------


def pieces(X, y, family, k, parts=1, observed=False):
    """Blocks for the score test of the columns from k on, in the model of those before."""
    s = fits.fit(X[:, :k], y, family)
    eta = design(X[:, :k]) @ s.estimate[0]
    mu, slope = family.mean(eta), family.slope(eta)
    score = slope / family.variance(mu) * (y - mu)
    curvature = family.observed(y, eta) if observed else slope**2 / family.variance(mu)
    rows = np.array_split(np.arange(len(y)), parts)
    return [(X[i, :k], X[i, k:], score[i], curvature[i]) for i in rows], s


@pytest.mark.parametrize("parts", [1, 5])
@pytest.mark.parametrize("shift", [0.0, 1e7])
def test_score_test_as_statsmodels(table, parts, shift):
    X, y, _, family, theirs = table
    X = X - X.mean(axis=0)
    k = 2
    blocks, s = pieces(X, y, family, k, parts)
    blocks = [(A, E + shift * X.std(axis=0)[k:], u, c) for A, E, u, c in blocks]
    found = score_test(
        blocks, [f"e{j}" for j in range(X.shape[1] - k)], has_intercept=True, dispersion=s.dispersion
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        small = sm.GLM(y, design(X[:, :k]), theirs).fit(tol=1e-14)
        chi2, p, df = small.model.score_test(small.params, exog_extra=X[:, k:], observed=False)
    chi2, p, df = float(np.squeeze(chi2)), float(np.squeeze(p)), int(df)
    np.testing.assert_allclose(found.statistic, chi2, rtol=1e-8 if shift == 0 else 1e-4)
    assert found.df_num == df
    if shift == 0:
        np.testing.assert_allclose(found.p_value, p, rtol=1e-6)


def test_score_test_of_a_multinomial_model_is_that_of_independence():
    """Against the intercepts alone, a two-level column gives Pearson's χ² of the contingency table."""
    X, y, _ = fits.anes96()
    e = (X[:, 1] > 45).astype(float)
    K = y.max() + 1
    share = np.bincount(y) / len(y)
    P = np.broadcast_to(share[1:], (len(y), K - 1))
    curvature = np.einsum("ij,jk->ijk", P, np.eye(K - 1)) - P[:, :, None] * P[:, None, :]
    found = score_test(
        [(np.zeros((len(y), 0)), e[:, None], np.eye(K)[y][:, 1:] - P, curvature)], ["old"], has_intercept=True
    )
    table = np.array([np.bincount(y[e == level], minlength=K) for level in (0, 1)])
    expected = stats.chi2_contingency(table, correction=False)
    np.testing.assert_allclose(found.statistic, expected.statistic, rtol=1e-10)
    assert found.df_num == expected.dof


@pytest.mark.parametrize("extra", ["one of the model's", "twice the same", "constant"])
def test_dependent_new_columns_are_refused_by_name(extra):
    X, y, _ = fits.spector()
    blocks, _ = pieces(X, y, fits.LOGIT, 2)
    A, E, u, c = blocks[0]
    wrong = {
        "one of the model's": A[:, :1],
        "twice the same": np.column_stack([E, E]),
        "constant": np.ones((32, 1)),
    }[extra]
    with pytest.raises(InferenceError, match="e0"):
        score_test([(A, wrong, u, c)], ["e0", "e1"][: wrong.shape[1]], has_intercept=True)


def test_score_test_without_rows():
    with pytest.raises(InferenceError, match="needs rows"):
        score_test([], ["e"], has_intercept=True)


# --- profiles -----------------------------------------------------------------------------------------------


def profiled(X, y, j):
    """The deviance of a logistic model minimised over all coefficients but one, by scipy."""
    A, fixed = np.delete(design(X), j, axis=1), design(X)[:, j]
    unit = np.linalg.norm(A, axis=0)
    Q = A / unit

    def minimised(value, state):
        def deviance(b):
            eta = Q @ b + value * fixed
            p = special.expit(eta)
            return 2 * (np.logaddexp(0, eta) - y * eta).sum(), 2 * Q.T @ (p - y)

        def hessian(b):
            p = special.expit(Q @ b + value * fixed)
            return 2 * (Q.T * (p * (1 - p))) @ Q

        found = optimize.minimize(
            deviance,
            state,
            jac=True,
            hess=hessian,
            method="trust-exact",
            options={"gtol": 1e-9, "maxiter": 500},
        )
        return float(found.fun), found.x

    return minimised


@pytest.mark.parametrize("level", [0.8, 0.95])
@pytest.mark.parametrize("guess", [1.0, 1e-3, 1e3])
def test_profile_interval_of_a_real_table(level, guess):
    X, y, names = fits.spector()
    s = fits.fit(X, y, names=names)
    inference = LikelihoodInference(s)
    minimised, begin = profiled(X, y, 3), np.zeros(3)
    found = profile_interval(
        minimised, begin, inference.estimate[3], guess * inference.std_err[3], s.deviance, level
    )
    limit = s.deviance + stats.chi2.ppf(level, 1)
    for end, bracket in ((found.low, (-3.0, s.estimate[0, 3])), (found.high, (s.estimate[0, 3], 12.0))):
        root = optimize.brentq(lambda b: minimised(b, begin)[0] - limit, *bracket, xtol=1e-13)
        np.testing.assert_allclose(end, root, rtol=1e-7)
    assert found.message == ""


@pytest.mark.parametrize(("k", "n", "sign"), [(0, 10, -1), (10, 10, 1)])
def test_an_infinite_estimate_has_one_end(k, n, sign):
    """Nothing of n: the upper end of p is 1 − exp(−q²/2n), in closed form."""

    def deviance(b, state):
        return 2 * (k * np.logaddexp(0, -b) + (n - k) * np.logaddexp(0, b)), state

    estimate = sign * 30.0
    found = profile_interval(deviance, None, estimate, np.nan, deviance(estimate, None)[0], infinite=True)
    p = np.exp(-stats.chi2.ppf(0.95, 1) / 2 / n)  # of the outcome seen n times
    closed = sign * np.log(p / (1 - p))
    ends = (found.low, found.high)[:: int(sign)]
    np.testing.assert_allclose(ends, (closed, sign * np.inf), rtol=1e-8)
    assert "∞" in found.message


def test_a_likelihood_that_levels_off_has_no_end():
    """Both classes at x = 0 and one at x = 1: the slope is infinite, whether marked so or not."""

    def deviance(b, state):
        return 2 * (2 * np.log(2) + 3 * np.logaddexp(0, -b)), state

    found = profile_interval(deviance, None, 25.0, 1.0, deviance(25.0, None)[0])
    assert found.high == np.inf
    assert "never falls far enough" in found.message
    assert np.isfinite(found.low)


def test_estimated_dispersion_takes_students_quantile():
    """Of a mean: x̄ ± t·s/√n, exactly."""
    y = np.array([1.0, 2.0, 4.0, 8.0, 3.5])
    s2 = y.var(ddof=1)
    found = profile_interval(
        lambda b, _: (float(((y - b) ** 2).sum()), None),
        None,
        y.mean(),
        1.0,
        4 * s2,
        0.9,
        dispersion=s2,
        df=4,
    )
    expected = stats.t.interval(0.9, 4, y.mean(), np.sqrt(s2 / 5))
    np.testing.assert_allclose((found.low, found.high), expected, rtol=1e-8)
    none = profile_interval(lambda b, _: (0.0, None), None, 1.0, 1.0, 0.0, df=0.0)
    assert np.isnan(none.low)
    assert "degrees of freedom" in none.message


def test_a_fit_that_is_no_minimum_is_found_out():
    with pytest.raises(ValueError, match="not its minimum"):
        profile_interval(lambda b, _: ((b - 3.0) ** 2, None), None, 0.0, 1.0, 9.0)

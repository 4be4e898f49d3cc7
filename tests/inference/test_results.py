"""Inference at its edges: exact fits, no degrees of freedom, collinear columns, penalties, tails, storage."""

from __future__ import annotations

import json
import math
import pickle
from fractions import Fraction

import numpy as np
import pytest
import statsmodels.api as sm

from betahat.errors import FormulaError, InferenceError, StorageError
from betahat.inference import Inference, LinearStatistics, Summary, check_cov_type
from betahat.inference.distributions import f_tail, t_quantile, two_sided_p

ROBUST = ("HC0", "HC1", "HC2", "HC3", "cluster", "HAC")


# --- distributions: closed forms for 1 and 2 degrees of freedom ---------------------------------------------


@pytest.mark.parametrize("t", [1e-9, 1e-3, 0.5, 1.0, 3.0, 1e3, 1e8, 1e100])
def test_tails_of_t_in_closed_form(t):
    np.testing.assert_allclose(two_sided_p(-t, 1), 2 / math.pi * math.atan(1 / t), rtol=1e-13)
    root = math.sqrt(2 + t * t)
    np.testing.assert_allclose(two_sided_p(t, 2), 2 / (root * (root + t)), rtol=1e-13)


@pytest.mark.parametrize("F", [1e-9, 0.3, 2.0, 1e3, 1e30])
@pytest.mark.parametrize("df", [1, 4, 31])
def test_tails_of_f_in_closed_form(F, df):
    np.testing.assert_allclose(f_tail(F, 2, df), (1 + 2 * F / df) ** (-df / 2), rtol=1e-12)


@pytest.mark.parametrize("level", [0.1, 0.5, 0.9, 0.95, 0.999])
def test_quantiles_in_closed_form(level):
    np.testing.assert_allclose(t_quantile(level, 1), math.tan(math.pi * level / 2), rtol=1e-13)
    np.testing.assert_allclose(t_quantile(level, 2), level * math.sqrt(2 / (1 - level**2)), rtol=1e-13)


def test_limits_of_the_tails():
    np.testing.assert_array_equal(two_sided_p([np.inf, -np.inf, 0.0, np.nan], 5), [0, 0, 1, np.nan])
    np.testing.assert_array_equal(f_tail([np.inf, 0.0], 3, 5), [0, 1])
    assert np.isnan(two_sided_p(1.0, 0))
    assert np.isnan(t_quantile(0.9, 0))


# --- exact arithmetic ---------------------------------------------------------------------------------------


def test_line_in_rational_arithmetic(build):
    x, y = [1, 2, 3, 4, 7], [2, 1, 5, 3, 9]
    n, mx, my = 5, Fraction(sum(x), 5), Fraction(sum(y), 5)
    sxx = sum((a - mx) ** 2 for a in x)
    slope = sum((a - mx) * (b - my) for a, b in zip(x, y, strict=True)) / sxx
    start = my - slope * mx
    rss = sum((b - start - slope * a) ** 2 for a, b in zip(x, y, strict=True))
    tss = sum((b - my) ** 2 for b in y)
    s2 = rss / (n - 2)
    variances = [s2 * (Fraction(1, n) + mx**2 / sxx), s2 / sxx]
    inference = Inference(build(np.array(x, float)[:, None], np.array(y, float)))
    np.testing.assert_allclose(inference.std_err, [math.sqrt(v) for v in variances], rtol=1e-13)
    np.testing.assert_allclose(inference.r_squared, float(1 - rss / tss), rtol=1e-14)
    np.testing.assert_allclose(inference.f_statistic, float((tss - rss) / s2), rtol=1e-13)
    np.testing.assert_allclose(inference.covariance[0, 1], float(-s2 * mx / sxx), rtol=1e-13)
    np.testing.assert_allclose(inference.statistic[1] ** 2, inference.f_statistic, rtol=1e-12)
    np.testing.assert_allclose(inference.p_value[1], inference.f_p_value, rtol=1e-11)


def test_f_and_r_squared_do_not_cancel_when_the_slopes_explain_almost_nothing(build):
    # y = 1, −1, … around x = −1, −1, 1, 1 …: orthogonal; a slope of 2⁻³⁰ is all that x explains.
    x = np.tile([-1.0, -1.0, 1.0, 1.0], 8)
    y = np.tile([1.0, -1.0], 16) + 2.0**-30 * x
    inference = Inference(build(x[:, None], y))
    np.testing.assert_allclose(inference.r_squared, 2.0**-60 / (1 + 2.0**-60), rtol=2e-6)
    np.testing.assert_allclose(inference.f_statistic, 30 * 2.0**-60, rtol=2e-6)


def test_far_tails_keep_their_digits(build):
    x = np.arange(60.0)
    y = 3 * x + np.tile([1e-2, -1e-2], 30)
    inference = Inference(build(x[:, None], y))
    t = abs(inference.statistic[1])
    df = 58
    # P(|t| > T) → 2 Γ((df+1)/2) df^(df/2−1) / (√π Γ(df/2) T^df), but for O(df²/T²)
    log_p = (
        math.lgamma((df + 1) / 2) - math.lgamma(df / 2) - 0.5 * math.log(math.pi)
        + (df / 2 - 1) * math.log(df) + math.log(2) - df * math.log(t)
    )  # fmt: skip
    assert inference.p_value[1] < 1e-200
    np.testing.assert_allclose(math.log(inference.p_value[1]), log_p, atol=1e-6)


# --- exact fits, no degrees of freedom, constant targets ----------------------------------------------------


@pytest.mark.parametrize("cov_type", ["nonrobust", *ROBUST])
def test_exact_fit(build, cov_type):
    x = np.arange(8.0)
    groups = (np.arange(8) % 4)[:, None]
    s = build(x[:, None], 2 * x, cov_type=cov_type, groups=groups)
    meat = None if s.meat is None else np.zeros((1, 2, 2))
    exact = {**s.to_dict(), "residual_ss": np.zeros(1), "estimate": np.array([[0.0, 2.0]]), "meat": meat}
    inference = Inference(LinearStatistics.from_dict(exact))
    np.testing.assert_array_equal(inference.std_err, [0, 0])
    np.testing.assert_array_equal(inference.statistic, [np.nan, np.inf])
    np.testing.assert_array_equal(inference.p_value, [np.nan, 0])
    np.testing.assert_array_equal(inference.conf_int(), [[0, 0], [2, 2]])
    assert (inference.f_statistic, inference.f_p_value, inference.r_squared) == (np.inf, 0, 1)
    assert (inference.log_likelihood, inference.aic, inference.bic) == (np.inf, -np.inf, -np.inf)
    assert "exactly zero" in inference.message
    test = inference.test("x1 = 1")
    assert (test.statistic, test.p_value, test.std_err.tolist()) == (np.inf, 0, [0])
    true = inference.test("x1 = 2")
    assert np.isnan(true.statistic)
    assert np.isnan(true.p_value)
    near = inference.test(([0, 0.1], 0.2 * (1 + 1e-16)))
    assert np.isnan(near.statistic)


@pytest.mark.parametrize("summed", [True, False])
@pytest.mark.parametrize("cov_type", ["nonrobust", *ROBUST])
def test_no_degrees_of_freedom(build, cov_type, summed):
    """Whether or not the scores were summed all the same."""
    s = build(np.array([[1.0], [2.0]]), np.array([1.0, 5.0]))
    sums = {"cov_options": {"n_groups": [2]}, "meat": np.zeros((1, 2, 2))}
    values = {**s.to_dict(), "cov_type": cov_type, **(sums if summed else {})}
    inference = Inference(LinearStatistics.from_dict(values))
    for name in (
        "std_err",
        "statistic",
        "p_value",
        "covariance",
        "scale",
        "adj_r_squared",
        "f_statistic",
        "f_p_value",
    ):
        assert np.isnan(getattr(inference, name)).all(), name
    assert np.isnan(inference.conf_int()).all()
    assert inference.df_resid == 0
    assert "No residual degrees of freedom (2 rows, rank 2)" in inference.message
    with pytest.raises(InferenceError, match="degrees of freedom"):
        inference.test("x1 = 0")
    assert "nan" in str(Summary(inference))


@pytest.mark.parametrize("spare_rows", [0, 2])
def test_more_coefficients_than_rows(build, spare_rows):
    """A solver then has no inverse and no basis of the null space to give."""
    X = np.random.default_rng(0).normal(size=(4, 8))
    X, y = np.vstack([X, X[:spare_rows]]), np.arange(4.0 + spare_rows) ** 2
    s = build(X, y, inverse=None, estimable=np.r_[True, np.zeros(8, bool)], null_space=np.zeros((9, 0)))
    inference = Inference(LinearStatistics.from_dict(s.to_dict()))
    for name in ("std_err", "statistic", "p_value", "covariance", "f_statistic", "f_p_value"):
        assert np.isnan(getattr(inference, name)).all(), name
    np.testing.assert_allclose(inference.r_squared, 1 - s.residual_ss[0] / s.total_ss[0], rtol=1e-12)
    assert ("more than the data determine" if spare_rows else "No residual degrees") in inference.message
    with pytest.raises(InferenceError, match=r"more than the data determine|degrees of freedom"):
        inference.test("Intercept = 0")
    assert "nan" in str(Summary(inference))


def test_constant_target(build, sample):
    s = build(sample(20, 2)["X"], np.full(20, 3.0), residual_ss=np.zeros(1), total_ss=np.zeros(1))
    inference = Inference(s)
    assert np.isnan(
        [inference.r_squared, inference.adj_r_squared, inference.f_statistic, inference.f_p_value]
    ).all()
    assert "constant" in inference.message


def test_intercept_alone(build):
    y = np.array([1.0, 2.0, 4.0, 7.0])
    inference = Inference(build(np.empty((4, 0)), y))
    theirs = sm.OLS(y, np.ones(4)).fit()
    np.testing.assert_allclose(inference.std_err, theirs.bse)
    assert (inference.df_model, inference.r_squared) == (0, 0)
    assert np.isnan(inference.f_statistic)
    assert np.isnan(inference.f_p_value)
    np.testing.assert_allclose(inference.aic, theirs.aic)


# --- collinear columns --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def collinear(build, sample):
    def make(unit=1.0, cov_type="nonrobust", trap=False):
        d = sample(60, 2)
        kind = np.arange(60) % 3
        third = (kind == 2).astype(float) if trap else 2 * d["X"][:, 0] - d["X"][:, 1]
        more = np.column_stack([kind == 0, kind == 1, third]) if trap else third[:, None] * unit
        X = np.column_stack([d["X"], more])
        return d, X, build(X, d["y"], cov_type=cov_type, groups=d["groups"][:, :1], maxlags=2)

    return make


@pytest.mark.parametrize("cov_type", ["nonrobust", *ROBUST])
@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
def test_collinear_columns(build, collinear, cov_type, unit):
    d, _, s = collinear(unit, cov_type)
    inference = Inference(s)
    full = Inference(build(d["X"], d["y"], cov_type=cov_type, groups=d["groups"][:, :1], maxlags=2))
    assert s.rank == 3
    np.testing.assert_array_equal(np.isnan(inference.std_err), [False, True, True, True])
    assert np.isnan(inference.covariance[:, 1]).all()
    for name in (
        "f_statistic",
        "f_p_value",
        "r_squared",
        "adj_r_squared",
        "aic",
        "df_resid",
        "df_model",
        "log_likelihood",
    ):
        np.testing.assert_allclose(getattr(inference, name), getattr(full, name), rtol=1e-6, err_msg=name)
    np.testing.assert_allclose(inference.std_err[0], full.std_err[0], rtol=1e-7)
    assert "Not determined by the data" in inference.message
    assert "x1, x2, x3" in inference.message
    for text in ("x1 = 0", "x3 = 0", "Intercept = x2", "x1 + x2 = 0"):
        with pytest.raises(InferenceError, match=r"do not determine it.*x"):
            inference.test(text)
    # Xβ with x3 = unit·(2 x1 − x2): β1 + 2 unit β3 and β2 − unit β3 are what the data determine.
    R = [[0, 1, 0, 2 * unit], [0, 0, 1, -unit]]
    ours, theirs = inference.test(R), full.test("x1 = 0, x2 = 0")
    np.testing.assert_allclose(ours.statistic, theirs.statistic, rtol=1e-6)
    np.testing.assert_allclose(ours.std_err, theirs.std_err, rtol=1e-6)


@pytest.mark.parametrize("cov_type", ["nonrobust", "HC3"])
def test_dummy_trap(build, collinear, cov_type):
    d, X, s = collinear(cov_type=cov_type, trap=True)
    inference = Inference(s)
    full = Inference(build(X[:, :4], d["y"], cov_type=cov_type))
    np.testing.assert_array_equal(np.isnan(inference.std_err), [True, False, False, True, True, True])
    np.testing.assert_allclose(inference.std_err[1:3], full.std_err[1:3], rtol=1e-7)
    np.testing.assert_allclose(inference.f_statistic, full.f_statistic, rtol=1e-7)
    np.testing.assert_allclose(inference.test("x3 = x5").p_value, full.p_value[3], rtol=1e-6)
    np.testing.assert_allclose(inference.test("x3 = x4").statistic, full.test("x3 = x4").statistic, rtol=1e-6)


# --- two-way repair, too few groups -------------------------------------------------------------------------


def test_two_way_covariance_is_repaired_as_published(build, sample):
    d = sample(200, 4)
    groups = d["groups"]
    inference = Inference(build(d["X"], d["y"], cov_type="cluster", groups=groups))
    theirs = (
        sm.OLS(d["y"], sm.add_constant(d["X"]))
        .fit()
        .get_robustcov_results("cluster", groups=groups, use_t=True)
    )
    lam, vectors = np.linalg.eigh(theirs.cov_params())
    assert lam[0] < 0
    repaired = (vectors * np.maximum(lam, 0)) @ vectors.T
    np.testing.assert_allclose(inference.std_err, np.sqrt(np.diag(repaired)), rtol=1e-5)
    assert "Cameron" in inference.message


def test_a_negative_variance_alone_is_nan_not_zero(build):
    # One coefficient: M₁ = M₂ = 0 while each pair has a sum of its own, so V < 0.
    X, y = np.ones((8, 1)), np.array([1.0, -1.0, -1.0, 1.0] * 2)
    groups = np.array([[0, 0], [0, 1], [1, 0], [1, 1]] * 2)
    inference = Inference(build(X, y, intercept=False, cov_type="cluster", groups=groups))
    assert np.isnan(inference.std_err).all()
    assert np.isnan(inference.p_value).all()
    assert "negative" in inference.message
    with pytest.raises(InferenceError, match="singular"):
        inference.test("x1 = 0")


def test_joint_tests_beyond_the_number_of_groups_are_refused(build, sample):
    d = sample(100, 5)
    groups = (np.arange(100) % 4)[:, None]
    inference = Inference(build(d["X"], d["y"], cov_type="cluster", groups=groups))
    assert np.isnan(inference.f_statistic)
    assert "No overall F: 4 groups" in inference.message
    with pytest.raises(InferenceError, match="4 groups leave the clustered covariance"):
        inference.test(np.eye(6)[1:])
    assert inference.test("x1 = x2, x3 = 0").df_denom == 3


# --- penalties ----------------------------------------------------------------------------------------------


def test_penalised(build, sample):
    d = sample(30, 2)
    s = build(d["X"], d["y"], penalised=True)
    inference = Inference(s)
    np.testing.assert_allclose(inference.r_squared, 1 - s.residual_ss[0] / s.total_ss[0])
    assert (inference.n_obs, inference.rank, inference.names) == (30, 3, ("Intercept", "x1", "x2"))
    for name in (
        "std_err", "statistic", "p_value", "covariance", "df_resid", "df_model", "df_inference", "scale",
        "residual_variance", "log_likelihood", "aic", "bic", "adj_r_squared", "f_statistic", "f_p_value",
    ):  # fmt: skip
        with pytest.raises(InferenceError, match=r"shrinks.*alpha=0"):
            getattr(inference, name)
    with pytest.raises(InferenceError, match="conf_int cannot"):
        inference.conf_int()
    with pytest.raises(InferenceError, match="test cannot"):
        inference.test("x1 = 0")
    assert "penalty shrinks" in inference.message


# --- arguments, storage -------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [0, 1, -0.1, 95, np.nan])
def test_wrong_level(build, sample, level):
    d = sample(20, 1)
    with pytest.raises(ValueError, match="level"):
        Inference(build(d["X"], d["y"])).conf_int(level)


@pytest.mark.parametrize("level", ["0.95", None, True])
def test_level_of_a_wrong_type(build, sample, level):
    d = sample(20, 1)
    with pytest.raises(TypeError, match="level"):
        Inference(build(d["X"], d["y"])).conf_int(level)


@pytest.mark.parametrize(
    ("given", "meant"), [("hc3", "HC3"), ("Cluster", "cluster"), (" NONROBUST ", "nonrobust")]
)
def test_cov_type_in_any_case(given, meant):
    assert check_cov_type(given) == meant


def test_cov_type_near_match():
    with pytest.raises(ValueError, match=r"cov_type \(='HC4'\).*Did you mean"):
        check_cov_type("HC4")
    with pytest.raises(ValueError, match="'cluster'"):
        check_cov_type("clustered")
    with pytest.raises(TypeError, match="cov_type"):
        check_cov_type(3)


@pytest.mark.parametrize("cov_type", ["nonrobust", "HC3", "cluster", "HAC"])
def test_storage_and_pickle(build, collinear, sample, cov_type):
    d = sample(40, 2)
    fits = [
        build(d["X"], d["y"], cov_type=cov_type, groups=d["groups"], maxlags=1),
        collinear(cov_type=cov_type)[2],
    ]
    for s in fits:
        inference = Inference(s)
        plain = {
            key: v.tolist() if isinstance(v, np.ndarray) else v for key, v in inference.to_dict().items()
        }
        copies = (
            Inference.from_dict(inference.to_dict()),
            Inference.from_dict(json.loads(json.dumps(plain))),
            pickle.loads(pickle.dumps(inference)),
        )
        for copy in copies:
            for name in ("std_err", "p_value", "covariance", "f_statistic", "aic"):
                np.testing.assert_array_equal(getattr(copy, name), getattr(inference, name))
            assert copy.message == inference.message
            assert copy.statistics.cov_options == s.cov_options


def test_damaged_storage_is_refused(build, sample):
    d = sample(20, 2)
    good = Inference(build(d["X"], d["y"])).to_dict()
    for change, match in (
        ({"estimate": np.zeros((1, 2))}, "estimate has shape"),
        ({"inverse": np.zeros((2, 2))}, "inverse has shape"),
        ({"rank": 7}, "rank 7"),
        ({"rank": "a"}, "cannot be read"),
        ({"surprise": 1}, "surprise"),
    ):
        with pytest.raises(StorageError, match=match):
            Inference.from_dict({**good, **change})
    good.pop("inverse")
    with pytest.raises(StorageError, match="inverse"):
        Inference.from_dict(good)


def test_a_robust_fit_without_meat_is_refused(build, sample):
    d = sample(20, 2)
    values = {**build(d["X"], d["y"]).to_dict(), "cov_type": "HC1"}
    with pytest.raises(InferenceError, match="needs the meat"):
        _ = Inference.from_dict(values).std_err


def test_unknown_name_is_a_formula_error(build, sample):
    d = sample(20, 2)
    with pytest.raises(FormulaError, match=r"no coefficient 'x9'.*`x"):
        Inference(build(d["X"], d["y"])).test("x9 = 0")

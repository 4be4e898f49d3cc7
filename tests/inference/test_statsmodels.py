"""Parity with statsmodels as a product: covariance × weights × intercept × shape."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm

from betahat.inference import COV_TYPES, Inference

CASES = (*COV_TYPES, "cluster2")


def peer(A, y, weight, cov_type, groups, maxlags):
    model = sm.OLS(y, A) if weight is None else sm.WLS(y, A, weights=weight)
    fit = model.fit()
    if cov_type == "nonrobust":
        return fit
    options = {
        "cluster": {"groups": groups[:, 0]},
        "cluster2": {"groups": groups},
        "HAC": {"maxlags": maxlags},
    }
    kind = "cluster" if cov_type == "cluster2" else cov_type
    return fit.get_robustcov_results(kind, use_t=True, **options.get(cov_type, {}))


@pytest.mark.parametrize("cov_type", CASES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize(("n", "p"), [(60, 1), (60, 3), (400, 5)])
def test_as_statsmodels(build, sample, cov_type, weighted, intercept, n, p):
    d = sample(n, p, seed=n + p)
    weight = d["weight"] if weighted else None
    A = np.column_stack([np.ones(n), d["X"]]) if intercept else d["X"]
    kind = "cluster" if cov_type == "cluster2" else cov_type
    groups = d["groups"] if cov_type == "cluster2" else d["groups"][:, :1]
    ours = Inference(
        build(d["X"], d["y"], weight, intercept=intercept, cov_type=kind, groups=groups, maxlags=3, blocks=3)
    )
    theirs = peer(A, d["y"], weight, cov_type, d["groups"], 3)

    def same(a, b, rtol=1e-8):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=0)

    if np.linalg.eigvalsh(theirs.cov_params())[0] > 0:
        assert ours.message == ""
        same(ours.std_err, theirs.bse)
        same(ours.statistic, theirs.tvalues)
        same(ours.p_value, theirs.pvalues, 1e-6)
        same(ours.conf_int(0.9), theirs.conf_int(0.1), 1e-7)
        scale = np.sqrt(np.outer(np.diag(ours.covariance), np.diag(ours.covariance)))
        np.testing.assert_allclose(ours.covariance / scale, theirs.cov_params() / scale, atol=1e-8)
        same(ours.f_statistic, theirs.fvalue, 1e-7)
        same(ours.f_p_value, theirs.f_pvalue, 1e-6)
    else:
        assert "negative eigenvalues" in ours.message
    same(ours.r_squared, theirs.rsquared)
    same(ours.adj_r_squared, theirs.rsquared_adj)
    same(ours.log_likelihood, theirs.llf)
    same(ours.aic, theirs.aic)
    same(ours.bic, theirs.bic)
    same(ours.scale, theirs.mse_resid)
    assert (ours.df_resid, ours.df_model) == (theirs.df_resid, theirs.df_model)
    assert ours.residual_variance == ours.scale
    expected_df = {"cluster": 8, "cluster2": 6}.get(cov_type, n - A.shape[1])
    assert ours.df_inference == expected_df


@pytest.mark.parametrize("cov_type", CASES)
@pytest.mark.parametrize("weighted", [False, True])
def test_wald_as_statsmodels(build, sample, cov_type, weighted):
    d = sample(200, 4)
    d["groups"] = np.random.default_rng(3).integers(
        0, 25, (200, 2)
    )  # enough for a two-way V that is definite
    weight = d["weight"] if weighted else None
    kind = "cluster" if cov_type == "cluster2" else cov_type
    groups = d["groups"] if cov_type == "cluster2" else d["groups"][:, :1]
    ours = Inference(build(d["X"], d["y"], weight, cov_type=kind, groups=groups, maxlags=2))
    theirs = peer(np.column_stack([np.ones(200), d["X"]]), d["y"], weight, cov_type, d["groups"], 2)
    assert ours.message == ""
    R = np.array([[0, 1.0, -1.0, 0, 0], [0, 0, 2.0, 3.0, 0]])
    for matrix, value in ((R, [0.0, 1.0]), (R[:1], [0.0]), (np.eye(5)[3:], [0.2, -0.1])):
        f = theirs.f_test((matrix, np.array(value)))
        t = theirs.t_test((matrix, np.array(value)))
        test = ours.test((matrix, value))
        np.testing.assert_allclose(test.statistic, float(f.fvalue), rtol=1e-7)
        np.testing.assert_allclose(test.p_value, float(f.pvalue), rtol=1e-6)
        assert (test.df_num, test.df_denom) == (len(matrix), f.df_denom)
        np.testing.assert_allclose(test.estimate, np.atleast_1d(t.effect), rtol=1e-7)
        np.testing.assert_allclose(test.std_err, np.atleast_1d(t.sd).ravel(), rtol=1e-7)
        np.testing.assert_allclose(test.t_statistic, np.atleast_1d(t.tvalue).ravel(), rtol=1e-7)
        np.testing.assert_allclose(test.t_p_value, np.atleast_1d(t.pvalue).ravel(), rtol=1e-6)
        np.testing.assert_allclose(test.conf_int(0.8), t.conf_int(0.2), rtol=1e-6)


@pytest.mark.parametrize("cov_type", [kind for kind in CASES if kind != "HAC"])
@pytest.mark.parametrize("weighted", [False, True])
def test_frequency_is_repeated_rows(build, sample, cov_type, weighted):
    d = sample(50, 2)
    weight = d["weight"] if weighted else None
    kind = "cluster" if cov_type == "cluster2" else cov_type
    groups = d["groups"] if cov_type == "cluster2" else d["groups"][:, :1]
    times = d["frequency"].astype(int)
    short = Inference(build(d["X"], d["y"], weight, d["frequency"], cov_type=kind, groups=groups))
    longer = {key: np.repeat(value, times, axis=0) for key, value in d.items()}
    full = Inference(
        build(
            longer["X"],
            longer["y"],
            longer["weight"] if weighted else None,
            cov_type=kind,
            groups=np.repeat(groups, times, axis=0),
        )
    )
    theirs = peer(
        np.column_stack([np.ones(times.sum()), longer["X"]]),
        longer["y"],
        longer["weight"] if weighted else None,
        cov_type,
        longer["groups"],
        None,
    )
    for name in (
        "std_err",
        "p_value",
        "log_likelihood",
        "aic",
        "bic",
        "r_squared",
        "adj_r_squared",
        "f_statistic",
    ):
        np.testing.assert_allclose(getattr(short, name), getattr(full, name), rtol=1e-8, err_msg=name)
    assert short.n_obs == full.n_obs == times.sum()
    np.testing.assert_allclose(short.log_likelihood, theirs.llf, rtol=1e-10)
    if not short.message:
        np.testing.assert_allclose(short.std_err, theirs.bse, rtol=1e-8)


@pytest.mark.parametrize("cov_type", ["HC0", "HC1", "HC2", "HC3", "cluster", "nonrobust"])
def test_rows_of_weight_zero_do_not_count(build, sample, cov_type):
    d = sample(60, 2)
    weight = d["weight"].copy()
    weight[::4] = 0.0
    keep = weight > 0
    groups = d["groups"][:, :1].copy()
    groups[0] = 99  # a group of one row without weight
    zero = Inference(build(d["X"], d["y"], weight, cov_type=cov_type, groups=groups))
    cut = Inference(build(d["X"][keep], d["y"][keep], weight[keep], cov_type=cov_type, groups=groups[keep]))
    for name in ("std_err", "p_value", "log_likelihood", "n_obs", "df_inference", "f_statistic"):
        np.testing.assert_allclose(getattr(zero, name), getattr(cut, name), rtol=1e-9, err_msg=name)


@pytest.mark.parametrize("cov_type", CASES)
def test_several_targets_are_single_fits(build, sample, cov_type):
    d = sample(120, 2)
    Y = np.column_stack([d["y"], d["y"] ** 2, d["X"][:, 0] + d["y"]])
    kind = "cluster" if cov_type == "cluster2" else cov_type
    options = {
        "cov_type": kind,
        "groups": d["groups"] if cov_type == "cluster2" else d["groups"][:, :1],
        "maxlags": 2,
    }
    together = Inference(build(d["X"], Y, d["weight"], **options))
    assert together.covariance.shape == (3, 3, 3)
    assert together.conf_int().shape == (3, 3, 2)
    test = together.test("x1 = x2, Intercept = 1")
    assert test.estimate.shape == (3, 2)
    for k in range(3):
        alone = Inference(build(d["X"], Y[:, k], d["weight"], **options))
        for name in (
            "estimate", "std_err", "statistic", "p_value", "covariance", "log_likelihood", "aic", "bic",
            "r_squared", "adj_r_squared", "f_statistic", "f_p_value", "scale",
        ):  # fmt: skip
            np.testing.assert_allclose(
                getattr(together, name)[k], getattr(alone, name), rtol=1e-9, err_msg=name
            )
        single = alone.test("x1 = x2, Intercept = 1")
        np.testing.assert_allclose(test.statistic[k], single.statistic, rtol=1e-9)
        np.testing.assert_allclose(test.conf_int()[k], single.conf_int(), rtol=1e-9)

"""Standard errors, tests, intervals and fit statistics of nonlinear models: statsmodels on the Jacobian, formulas."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from estimators.nonlinear_data import TEXT, decay, decay_jacobian, x, y
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from scipy.optimize import curve_fit

import betahat as bh
from betahat.errors import FormulaError, InferenceError

START = [1.0, 1.0, 1.0]
RNG = np.random.default_rng(11)
WEIGHT = RNG.uniform(0.3, 2, 40)
FREQUENCY = RNG.integers(0, 4, 40)
GROUPS = RNG.integers(0, 7, 40)
KINDS = ["nonrobust", "HC0", "HC1", "HC2", "HC3", "cluster", "HAC"]


def fitted(cov_type="nonrobust", X=x, target=y, **kw):
    lags = {"maxlags": 3} if cov_type == "HAC" else {}
    return bh.NonlinearRegression(decay, START, cov_type=cov_type, **lags).fit(X, target, **kw)


def groups_for(cov_type):
    return {"groups": GROUPS} if cov_type == "cluster" else {}


@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize("cov_type", KINDS)
def test_covariances_are_those_of_the_linearised_model(cov_type, weighted):
    weight = WEIGHT if weighted else None
    model = fitted(cov_type, sample_weight=weight, **groups_for(cov_type))
    J = decay_jacobian(model.coef_)
    working = J @ model.coef_ + y - decay(x, *model.coef_)
    theirs = sm.WLS(working, J, weights=1.0 if weight is None else weight).fit()
    if cov_type != "nonrobust":
        options = {"cluster": {"groups": GROUPS}, "HAC": {"maxlags": 3}}.get(cov_type, {})
        theirs = theirs.get_robustcov_results(cov_type, use_t=True, **options)
    ours = model.inference_
    assert_allclose(ours.covariance, theirs.cov_params(), rtol=1e-10)
    assert_allclose(ours.std_err, theirs.bse, rtol=1e-11)
    assert_allclose(ours.p_value, theirs.pvalues, rtol=1e-8)
    assert_allclose(ours.conf_int(0.9), theirs.conf_int(0.1), rtol=1e-10)
    assert_allclose(
        [ours.log_likelihood, ours.aic, ours.bic], [theirs.llf, theirs.aic, theirs.bic], rtol=1e-11
    )
    assert_allclose(ours.scale, theirs.mse_resid, rtol=1e-12)
    assert (ours.df_resid, ours.n_obs, ours.rank) == (theirs.df_resid, 40, 3)


@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize("cov_type", KINDS[:-1])
def test_frequency_is_repeated_rows_in_everything(cov_type, weighted):
    again = np.repeat(np.arange(40), FREQUENCY)
    weight = WEIGHT if weighted else None
    short = fitted(cov_type, sample_weight=weight, frequency_weight=FREQUENCY, **groups_for(cov_type))
    long = fitted(
        cov_type, x[again], y[again], sample_weight=None if weight is None else weight[again],
        **({"groups": GROUPS[again]} if cov_type == "cluster" else {}),
    )  # fmt: skip
    assert_allclose(short.coef_, long.coef_, rtol=1e-12)
    assert_allclose(short.certificate_.loss, long.certificate_.loss, rtol=1e-12)
    one, other = short.inference_, long.inference_
    assert (one.n_obs, one.df_resid) == (other.n_obs, other.df_resid)
    for name in (
        "covariance",
        "correlation",
        "r_squared",
        "adj_r_squared",
        "scale",
        "log_likelihood",
        "aic",
        "bic",
    ):
        assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-11, err_msg=name)
    assert_allclose(short.prediction_interval(x), long.prediction_interval(x), rtol=1e-11)


@pytest.mark.parametrize("cov_type", KINDS)
def test_rows_of_weight_zero_are_no_rows(cov_type):
    """Not even where f is NaN in them."""
    rows, weight = np.r_[x, -1.0, -5.0, 0.0], np.r_[WEIGHT, 0.0, 0.0, 0.0]
    groups = {"groups": np.r_[GROUPS, 8, 8, 9]} if cov_type == "cluster" else {}
    lags = {"maxlags": 3} if cov_type == "HAC" else {}
    text = "a * log(x) + b"
    more = bh.NonlinearRegression(text, cov_type=cov_type, **lags)
    more.fit(rows, np.r_[y, 7.0, -9.0, 1e9], sample_weight=weight, **groups)
    less = bh.NonlinearRegression(text, cov_type=cov_type, **lags)
    less.fit(x, y, sample_weight=WEIGHT, **groups_for(cov_type))
    assert_allclose(more.coef_, less.coef_, rtol=1e-13)
    assert_array_equal(more.inference_.covariance, less.inference_.covariance)
    assert more.inference_.n_obs == 40


@pytest.mark.parametrize("factor", [1e-100, 1e-12, 3.0, 1e12, 1e100])
def test_the_scale_of_importance_does_not_matter(factor):
    one, other = fitted(sample_weight=WEIGHT), fitted(sample_weight=WEIGHT * factor)
    assert_allclose(other.coef_, one.coef_, rtol=1e-12)
    assert_allclose(other.inference_.std_err, one.inference_.std_err, rtol=1e-11)


def test_known_variances_are_weights():
    """curve_fit's absolute_sigma: divide by the scale."""
    sigma = RNG.uniform(0.01, 0.03, 40)
    beta, V = curve_fit(decay, x, y, START, sigma=sigma, absolute_sigma=True, xtol=1e-15, ftol=1e-15)
    model = fitted(sample_weight=1 / sigma**2)
    assert_allclose(model.coef_, beta, rtol=1e-7)
    assert_allclose(model.inference_.covariance / model.inference_.scale, V, rtol=1e-5)


def test_correlation_and_tests():
    inference = fitted().inference_
    V = inference.covariance
    size = np.sqrt(np.diag(V))
    assert_allclose(inference.correlation, V / np.outer(size, size), rtol=1e-13)
    beta = inference.estimate
    single = inference.test("a = 2")
    assert_allclose(single.statistic, (beta[0] - 2) ** 2 / V[0, 0], rtol=1e-12)
    assert_allclose(single.p_value, 2 * stats.t.sf(abs(beta[0] - 2) / size[0], 37), rtol=1e-9)
    R, r = np.array([[1.0, 0, 1], [0, 2, 0]]), np.array([3, 1.0])
    F = (R @ beta - r) @ np.linalg.solve(R @ V @ R.T, R @ beta - r) / 2
    joint = inference.test("a + c = 3, 2*b = 1")
    assert_allclose([joint.statistic, joint.p_value], [F, stats.f.sf(F, 2, 37)], rtol=1e-9)
    with pytest.raises(FormulaError, match="there are a, b, c"):
        inference.test("q = 1")
    array = bh.NonlinearRegression(lambda X, b: decay(X, *b), START).fit(x, y).inference_
    assert_allclose(array.test("`b[0]` = 2").p_value, single.p_value, rtol=1e-9)


@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
@pytest.mark.parametrize("cov_type", ["nonrobust", "HC1"])
@pytest.mark.parametrize("kind", ["prediction", "confidence"])
def test_prediction_intervals_are_the_delta_method(kind, cov_type, level):
    model = fitted(cov_type, sample_weight=WEIGHT)
    new = np.array([0.0, 1.234, 10.0])
    J, V = decay_jacobian(model.coef_, new), model.inference_.covariance
    variance = np.einsum("ij,jk,ik->i", J, V, J) + model.inference_.scale * (kind == "prediction")
    half = stats.t.ppf((1 + level) / 2, 37) * np.sqrt(variance)
    centre = decay(new, *model.coef_)
    assert_allclose(
        model.prediction_interval(new, level, kind),
        np.column_stack([centre - half, centre + half]),
        rtol=1e-9,
    )


def test_prediction_intervals_of_functions_that_mix_rows():
    """A model loaded or fitted on other rows looks anew at what depends on what."""
    model = bh.NonlinearRegression(lambda X, a, b: a * np.cumsum(np.exp(-b * X)), [1.0, 1.0])
    model.fit(x, 2 * np.cumsum(np.exp(-0.5 * x)) + 0.02 * RNG.normal(size=40))
    a, b = model.coef_
    for rows in (x[:1], x, x[:7]):
        J = np.column_stack([np.cumsum(np.exp(-b * rows)), -a * np.cumsum(rows * np.exp(-b * rows))])
        half = stats.t.ppf(0.975, 38) * np.sqrt(np.einsum("ij,jk,ik->i", J, model.inference_.covariance, J))
        found = model.prediction_interval(rows, kind="confidence")
        assert_allclose(found[:, 1] - found[:, 0], 2 * half, rtol=1e-9)


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda m: m.prediction_interval(x, 95), "write level=0.95"),
        (lambda m: m.prediction_interval(x, 0), "strictly between 0 and 1"),
        (lambda m: m.prediction_interval(x, kind="both"), "'prediction', 'confidence'"),
        (lambda m: m.summary(level=1), "strictly between 0 and 1"),
    ],
)
def test_questions_that_make_no_sense(ask, words):
    with pytest.raises(ValueError, match=words):
        ask(fitted())


def test_coverage():
    """Of 300 simulated fits the 90 % intervals cover their truths about 270 times (σ = 5)."""
    rng, truth = np.random.default_rng(5), np.array([2.0, 0.5, 1.0])
    covered = np.zeros(4)
    for _ in range(300):
        target = decay(x, *truth) + 0.05 * rng.normal(size=40)
        model = bh.NonlinearRegression(TEXT, truth).fit(x, target)
        low, high = model.inference_.conf_int(0.9).T
        new = decay(1.0, *truth) + 0.05 * rng.normal()
        ((below, above),) = model.prediction_interval([1.0], 0.9)
        covered += [*((low <= truth) & (truth <= high)), below <= new <= above]
    assert (np.abs(covered - 270) < 4 * 5.2).all()


# --- degrees of freedom, summaries ----------------------------------------------------------------------------------


@pytest.mark.parametrize("cov_type", ["nonrobust", "HC1"])
def test_as_many_rows_as_parameters(cov_type):
    model = fitted(cov_type, x[::16], y[::16])
    assert_allclose(model.predict(x[::16]), y[::16], rtol=1e-12)
    inference = model.inference_
    assert inference.df_resid == 0
    assert np.isnan(inference.std_err).all()
    assert np.isnan(model.prediction_interval(x)).all()
    assert np.isnan(model.profile_interval(x[::16], y[::16])).all()
    assert "No residual degrees of freedom" in str(model.summary())
    assert "leave no degrees of freedom" in model.explain()


@pytest.mark.parametrize("rows", [1, 2])
def test_fewer_rows_than_parameters(rows):
    with pytest.warns(
        bh.CertificateWarning, match=f"{rows} rows? cannot determine 3 parameters \\(a, b and c\\)"
    ):
        model = fitted(X=x[:rows], target=y[:rows])
    with pytest.raises(InferenceError, match="cannot determine 3 parameters"):
        _ = model.inference_
    assert_allclose(model.predict(x[:rows]), y[:rows], rtol=1e-6)
    assert "cannot determine" in str(model.summary())


def test_repeated_rows_shrink_errors():
    one, three = fitted(), fitted(X=np.tile(x, 3), target=np.tile(y, 3))
    assert_allclose(one.coef_, three.coef_, rtol=1e-11)
    assert_allclose(one.inference_.std_err * np.sqrt(37 / 117), three.inference_.std_err, rtol=1e-10)


def test_a_perfect_fit_says_that_its_errors_are_rounding():
    model = fitted(target=decay(x, 2.0, 0.5, 1.0))
    assert_allclose(model.coef_, [2, 0.5, 1], rtol=1e-14)
    assert model.certificate_.status == "local minimum"
    assert "rounding errors of f" in model.inference_.message
    assert model.inference_.std_err.max() < 1e-14


@pytest.mark.parametrize("count", [1, 2, 12])
def test_summary_and_explanation_hold_every_parameter(count):
    names = [f"a_parameter_with_quite_a_long_name_{k}" for k in range(count)]
    text = " + ".join(f"{name} * cos({k} * x)" for k, name in enumerate(names))
    model = bh.NonlinearRegression(text, [0.5] * count).fit(x, y)
    summary = model.summary(0.9)
    lines, html = str(summary), summary._repr_html_()
    assert lines.startswith("Nonlinear regression")
    for name, value in zip(names, model.coef_, strict=True):
        assert f"{value:.6g}" in lines
        assert f"{value:.6g}" in html
        assert name in html
    assert "R²" in lines
    assert "uncentred" not in lines
    assert "nan" not in lines
    frame = summary.frame("pandas")
    assert_array_equal(frame["coefficient"], model.coef_)
    assert list(frame["name"]) == names
    assert summary.to_dict()["targets"][0]["coefficients"][0]["std_err"] == model.inference_.std_err[0]
    told = model.explain()
    assert max(map(len, told.splitlines())) <= 110
    assert "∂J/∂β" in told
    assert f"p = {count} parameter" in told
    assert ("more" in told) == (count > 12)


def test_names_that_are_html_are_escaped():
    import pandas as pd

    model = bh.NonlinearRegression("a * `<b>` + c", [1.0, 1.0])
    html = model.fit(pd.DataFrame({"<b>": x}), pd.Series(y, name="<script>")).summary()._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html

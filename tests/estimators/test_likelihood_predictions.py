"""Predictions of likelihood models: means, probabilities and their intervals, against statsmodels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose

import betahat as bh

RNG = np.random.default_rng(4)
N = 300
X = RNG.normal(size=(N, 2)) + np.array([0.0, 50.0])
T = RNG.uniform(1, 3, N)
ETA = 0.4 * X[:, 0] - 0.3 * (X[:, 1] - 50)
Y: dict[str, np.ndarray] = {
    "binomial": (RNG.random(N) < 1 / (1 + np.exp(-ETA))).astype(float),
    "poisson": RNG.poisson(T * np.exp(ETA)).astype(float),
    "gamma": RNG.gamma(2.0, np.exp(ETA) / 2),
    "gaussian": ETA + RNG.normal(size=N),
}
FAMILIES: dict[str, Any] = {
    "binomial": sm.families.Binomial(),
    "poisson": sm.families.Poisson(),
    "gamma": sm.families.Gamma(sm.families.links.Log()),
    "gaussian": sm.families.Gaussian(),
}


@pytest.mark.parametrize("with_offset", [False, True])
@pytest.mark.parametrize("level", [0.9, 0.95])
@pytest.mark.parametrize("family", FAMILIES)
def test_means_and_their_intervals_are_those_of_statsmodels(
    family: str, level: float, with_offset: bool
) -> None:
    offset = np.log(T) if with_offset else None
    theirs = sm.GLM(Y[family], sm.add_constant(X), family=FAMILIES[family], offset=offset).fit(tol=1e-14)
    new, added = X[:7] + 0.1, None if offset is None else offset[:7]
    # φ estimated: statsmodels takes the normal distribution for it too, unless told
    frame = theirs.get_prediction(sm.add_constant(new), offset=added).summary_frame(1 - level)
    m = bh.GeneralizedLinearModel(family).fit(X, Y[family], offset=offset)
    found = m.prediction_interval(new, level, offset=added)
    assert_allclose(m.predict(new, offset=added), frame["mean"], rtol=1e-9)
    if m.inference_.df_inference == np.inf:
        assert_allclose(found, frame[["mean_ci_lower", "mean_ci_upper"]], rtol=1e-7)
    else:
        link = FAMILIES[family].link
        reach = np.diff(link(frame[["mean_ci_lower", "mean_ci_upper"]].to_numpy()), axis=1)[:, 0] / 2
        from scipy.stats import norm, t

        wider = t.ppf((1 + level) / 2, N - 3) / norm.ppf((1 + level) / 2)
        ends = link(frame["mean"].to_numpy())[:, None] + np.outer(reach * wider, [-1, 1])
        assert_allclose(found, link.inverse(ends), rtol=1e-7)


@pytest.mark.parametrize("labels", [[0, 1], ["no", "yes"], [False, True]])
def test_intervals_of_probabilities(labels: list[Any]) -> None:
    codes = Y["binomial"].astype(int)
    m = bh.LogisticRegression().fit(X, np.array(labels)[codes])
    theirs = sm.GLM(codes, sm.add_constant(X), family=FAMILIES["binomial"]).fit(tol=1e-14)
    frame = theirs.get_prediction(sm.add_constant(X)).summary_frame()
    assert_allclose(m.predict_proba(X)[:, 1], frame["mean"], rtol=1e-9)
    assert_allclose(m.probability_interval(X), frame[["mean_ci_lower", "mean_ci_upper"]], rtol=1e-7)
    assert m.predict(X).tolist() == [labels[int(p > 0.5)] for p in frame["mean"]]


def test_intervals_of_three_classes_are_refused() -> None:
    m = bh.LogisticRegression().fit(X, np.arange(N) % 3)
    with pytest.raises(bh.InferenceError, match="for two classes; there are 3"):
        m.probability_interval(X)


def test_intervals_where_classes_are_separated() -> None:
    """Rows that an infinite coefficient takes part in have none; the others have theirs."""
    rows = pd.DataFrame({"x": [1.0, 2, 3, 4, 5, 6, 1, 2], "kind": list("aaaaaabb")})
    y = np.array([0, 1, 0, 1, 0, 1, 1, 1])
    with pytest.warns(bh.SeparationWarning):
        m = bh.LogisticRegression().fit(rows, y)
    found = m.probability_interval(rows)
    alone = bh.LogisticRegression().fit(rows[["x"]][:6], y[:6])
    assert_allclose(found[:6], alone.probability_interval(rows[["x"]][:6]), rtol=1e-6)
    assert np.isnan(found[6:]).all()


@pytest.mark.parametrize("model", ["logistic", "binomial", "gamma"])
def test_exposures_multiply_means_with_a_logarithmic_link_only(model: str) -> None:
    rows = pd.DataFrame({"x": X[:, 0], "t": T, "y": Y["gamma" if model == "gamma" else "binomial"]})
    link = {"link": "inverse"} if model == "gamma" else {}
    with pytest.raises(ValueError, match="exposure multiplies the mean"):
        bh.fit("y ~ x", rows, model=model, exposure="t", **link)
    if model != "logistic":
        fitted = bh.GeneralizedLinearModel(model, **link).fit(rows[["x"]], rows["y"])
        with pytest.raises(ValueError, match="exposure multiplies the mean"):
            fitted.predict(rows, exposure=T)


@pytest.mark.parametrize(
    ("model", "title"),
    [
        (bh.LogisticRegression(), "Logistic regression"),
        (bh.PoissonRegressor(), "Poisson regression"),
        (bh.GammaRegressor(), "Gamma regression"),
        (bh.TweedieRegressor(1.5), "Tweedie regression"),
        (bh.GeneralizedLinearModel("poisson"), "Generalized linear model"),
    ],
)
def test_summaries_say_what_they_are_of(model: Any, title: str) -> None:
    name = {"Logistic regression": "binomial", "Gamma regression": "gamma"}.get(title, "poisson")
    text = str(model.fit(X[:, :1], Y[name]).summary())
    assert text.splitlines()[0] == title


def test_odds_ratios_of_several_classes_are_against_the_first() -> None:
    codes = np.digitize(X[:, 0] + RNG.normal(size=N), [-0.5, 0.5])
    m = bh.LogisticRegression().fit(X, codes)
    theirs = sm.MNLogit(codes, sm.add_constant(X)).fit(disp=False, maxiter=200)
    table = m.inference_.odds_ratios()
    assert table.title == "Odds ratios"
    assert_allclose(table["ratio"], np.exp(theirs.params).T.ravel(), rtol=1e-6)


def test_the_title_of_several_classes() -> None:
    m = bh.LogisticRegression().fit(X, np.arange(N) % 3)
    assert str(m.summary()).startswith("Multinomial logistic regression\n")


def test_a_link_makes_a_generalized_linear_model_of_poisson_regression() -> None:
    rows = pd.DataFrame({"x": X[:, 0], "y": Y["poisson"]})
    m = bh.fit("y ~ x", rows, model="poisson", link="sqrt")
    expected = bh.GeneralizedLinearModel("poisson", "sqrt").fit(rows[["x"]], rows["y"])
    assert_allclose(m.coef_, expected.coef_, rtol=1e-12)

"""Explanations: the right equations and this fit's numbers, in 80 columns."""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np
import pytest

import betahat as bh

RNG = np.random.default_rng(1)
N = 40
X = RNG.normal(size=(N, 3))
Y = X @ [1.0, 2.0, -1.0] + RNG.normal(size=N)
GROUPS = RNG.integers(0, 8, N)


def explained(model: Any, X: Any = X, y: Any = Y, **options: Any) -> tuple[Any, str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", bh.CollinearityWarning)
        fitted = model.fit(X, y, **options)
    return fitted, fitted.explain()


def words(text: str) -> str:
    return re.sub(r"\s+", " ", text)


MODELS = {
    "ols": bh.LinearRegression(),
    "no intercept": bh.LinearRegression(fit_intercept=False),
    "penalised": bh.LinearRegression(alpha=0.5),
    "ridge": bh.Ridge(2.0),
    "polynomial": bh.PolynomialRegression(2),
    **{kind: bh.LinearRegression(cov_type=kind) for kind in ("HC0", "HC1", "HC2", "HC3", "HAC", "cluster")},
}


@pytest.mark.parametrize("targets", [1, 2])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_every_fit_is_explained_within_80_columns(name: str, weighted: bool, targets: int) -> None:
    weight = RNG.uniform(0.5, 2, N) if weighted else None
    y = Y if targets == 1 else np.column_stack([Y, 2 * Y])
    model, text = explained(MODELS[name], y=y, sample_weight=weight, groups=GROUPS)
    assert max(map(len, text.splitlines())) <= 80
    plain = words(text)
    p = model._result.coef.shape[1]
    assert f"n = {N} rows, p = {p} columns" in plain
    assert ("Every row has the weight wᵢ = 1" in plain) == (not weighted)
    if weighted:
        assert weight is not None
        assert f"The weights wᵢ sum to {weight.sum():.6g}" in plain
    assert ("an intercept" in plain) == model.fit_intercept or name == "no intercept"
    assert f"{targets} target" in plain
    assert model._result.why in plain
    assert f"|∂J/∂β| = {model.certificate_.gradient_norm:.2g}," in plain
    assert f"{model.certificate_.error_bound.max():.2g} for every coefficient" in plain
    assert model.certificate_.message in plain
    assert f"{model.certificate_.condition_number:.3g}" in plain


@pytest.mark.parametrize(("alpha", "equation"), [(0.0, "XᵀWX β = XᵀWy"), (0.5, "(XᵀWX + αΣw I) β = XᵀWy")])
@pytest.mark.parametrize("intercept", [True, False])
def test_the_equation_shown_is_the_one_solved(alpha: float, equation: str, intercept: bool) -> None:
    """The normal equations as the text writes them hold at the coefficients, the intercept unpenalised."""
    w = RNG.uniform(0.5, 2, N)
    model, text = explained(bh.LinearRegression(alpha, fit_intercept=intercept), sample_weight=w)
    assert f"\n      {equation}\n" in text
    Z = np.column_stack([np.ones(N), X]) if intercept else X
    beta = np.concatenate([[model.intercept_], model.coef_]) if intercept else model.coef_
    penalty = alpha * w.sum() * np.eye(len(beta))
    if intercept:
        penalty[0, 0] = 0
    assert ("the intercept is not penalised" in words(text)) == (intercept and alpha > 0)
    np.testing.assert_allclose((Z.T * w) @ Z @ beta + penalty @ beta, (Z.T * w) @ Y, rtol=1e-12)
    J = 0.5 * (w * (Y - Z @ beta) ** 2).sum() / w.sum() + alpha / 2 * (model.coef_**2).sum()
    assert f"J is {J:.6g}." in words(text)


def test_refinements_are_listed_one_by_one() -> None:
    model, text = explained(bh.LinearRegression())
    steps = re.findall(r"^ +(\d+) +(\S+) +(\S+) +(\S+)$", text, re.MULTILINE)
    trace = model.trace_
    assert [int(step[0]) for step in steps] == list(range(1, len(trace) + 1))
    np.testing.assert_allclose([float(step[2]) for step in steps], trace.gradient_norm, rtol=0.01)
    np.testing.assert_allclose([float(step[3]) for step in steps], trace.step, rtol=0.01)


def test_collinear_columns_are_named() -> None:
    _, text = explained(bh.LinearRegression(), np.column_stack([X, 2 * X[:, 1] + 1]))
    assert "'x4' is a multiple of 'x2' (up to a constant)" in text
    assert "rank is 4 with 5 coefficients, so the data leave 1 of their combinations open" in words(text)
    assert "Collinear columns" not in explained(bh.LinearRegression())[1]


@pytest.mark.parametrize(
    ("cov_type", "said"),
    [
        ("nonrobust", "V = s² (XᵀWX)⁻¹"),
        ("HC1", "times n/(n − rank)"),
        ("HC3", "(1 − leverage)²"),
        ("HAC", "3 lags"),
        ("cluster", "8 clusters"),
    ],
)
def test_the_standard_errors_are_explained(cov_type: str, said: str) -> None:
    lags = 3 if cov_type == "HAC" else None
    _, text = explained(bh.LinearRegression(cov_type=cov_type, maxlags=lags), groups=GROUPS)
    assert said in words(text)


def test_why_there_are_no_standard_errors() -> None:
    assert "penalised fit" in words(explained(bh.LinearRegression(1.0))[1])
    _, text = explained(bh.LinearRegression(), X[:4], Y[:4])
    assert "leave no degrees of freedom" in words(text)


def test_long_names_do_not_break_the_width() -> None:
    import pandas as pd

    frame = pd.DataFrame(X, columns=[f"{'very ' * 30}long name {j}" for j in range(3)])
    frame["twice"] = 2 * frame.iloc[:, 0]
    _, text = explained(bh.LinearRegression(), frame, pd.Series(Y, name="a target " * 20))
    assert max(map(len, text.splitlines())) <= 80

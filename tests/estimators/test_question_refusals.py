"""Questions to fitted likelihoods that mean nothing: refused, and the argument named."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from estimators.likelihood_data import COUNTS, LABELS, POSITIVE, X, put
from sklearn.exceptions import NotFittedError

import betahat as bh

Logistic, GLM = bh.LogisticRegression, bh.GeneralizedLinearModel
NAN, INF, ONES = np.nan, np.inf, np.ones(60)
FITTED = {
    "logistic": (Logistic, LABELS), "three classes": (Logistic, np.arange(60) % 3),
    "firth": (lambda: Logistic(firth=True), LABELS), "poisson": (bh.PoissonRegressor, COUNTS),
    "gamma": (bh.GammaRegressor, POSITIVE), "probit": (lambda: GLM("binomial", "probit"), LABELS),
}  # fmt: skip
ONE_PREDICTOR = [name for name in FITTED if name != "three classes"]
MEANS = ["poisson", "gamma", "probit"]


def fitted(name):
    made, y = FITTED[name]
    return made().fit(X, y), y


ROWS = {
    "fewer columns": (X[:, :2], "2 (features|columns)"),
    "more columns": (np.column_stack([X, X]), "6 (features|columns)"),
    "NaN": (put(X, NAN), "X contains NaN"),
    "infinity": (put(X, INF), "X contains infinity"),
    "text": (X.astype(str), "strings|numbers"),
    "a word": ([["a", "b", "c"]], "strings|numbers"),
    "a word among numbers": ([[1.0, "q", 2.0]], "numbers|strings"),
    "ragged": ([[1.0, 2.0, 3.0], [1.0]], "X.* numbers"),
    "no rows": (X[:0], "0 sample"),
    "one dimension": (X[0], "2D array"),
    "None": (None, "2D array"),
    "complex": (X * 1j, "Complex"),
    "dates": (np.full((60, 3), np.datetime64("2026-01-01")), "dates"),
}  # fmt: skip


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("question", [
    "predict", "predict_proba", "decision_function", "linear_predictor", "prediction_interval", "probability_interval",
    "marginal_effects",
])  # fmt: skip
@pytest.mark.parametrize("name", FITTED)
def test_new_rows_that_mean_nothing(name, question, rows):
    model, _ = fitted(name)
    if not hasattr(model, question):
        return
    given_, words = ROWS[rows]
    with pytest.raises((ValueError, TypeError), match=words):
        getattr(model, question)(given_)


@pytest.mark.parametrize("name", FITTED)
def test_questions_before_a_fit(name):
    model = FITTED[name][0]()
    for question in ("predict", "marginal_effects"):
        with pytest.raises(NotFittedError):
            getattr(model, question)(X)
    for question in (lambda: model.inference_, model.summary, model.explain, lambda: model.save("model")):
        with pytest.raises(NotFittedError):
            question()


OTHER_ROWS = {
    "fewer rows": (X[:50], slice(50), "number of rows is 50"),
    "fewer columns": (X[:, :2], slice(None), "2 columns, and the fit's had 3: x1, x2, x3"),
    "other columns": (X[:, [1, 0, 2]], slice(None), "deviance at"),
    "the rows in another order": (X[::-1], slice(None), "deviance at"),
    "the target in another order": (X, slice(None, None, -1), "deviance at"),
    "NaN": (put(X, NAN), slice(None), "NaN.*'x2' first in row 7"),
    "infinity": (put(X, INF), slice(None), "infinity.*'x2' first in row 7"),
}


@pytest.mark.parametrize("rows", OTHER_ROWS)
@pytest.mark.parametrize("name", ONE_PREDICTOR)
def test_questions_with_other_rows_than_those_of_the_fit(name, rows):
    """Their answers would be those of another model."""
    model, y = fitted(name)
    Z, order, words = OTHER_ROWS[rows]
    asked = [
        lambda: model.profile_interval(Z, y[order], parameters="x1"),
        lambda: model.score_test(Z[:, 0] ** 2, Z, y[order]),
    ]
    if name != "firth":
        asked.append(lambda: model.likelihood_ratio_test("x1 = 0", Z, y[order]))
    for question in asked:
        with pytest.raises((bh.DataError, bh.MissingValueError), match=words):
            question()


NEW_COLUMNS = {
    "NaN": put(ONES, NAN), "text": ["a"] * 60, "complex": ONES * 1j, "short": ONES[:-1], "none": None,
    "no columns": np.zeros((60, 0)), "three dimensions": np.zeros((60, 1, 1)),
    "text of a table": pd.DataFrame({"k": ["a", "b"] * 30}),
}  # fmt: skip


@pytest.mark.parametrize("column", NEW_COLUMNS)
@pytest.mark.parametrize("name", ONE_PREDICTOR)
def test_new_columns_that_cannot_be_tested(name, column):
    model, y = fitted(name)
    with pytest.raises((bh.DataError, TypeError), match=r"columns (has shape|must hold numbers)"):
        model.score_test(NEW_COLUMNS[column], X, y)


@pytest.mark.parametrize("unit", [1e-300, 1e-150, 1e150, 1e300])
@pytest.mark.parametrize("name", ONE_PREDICTOR)
def test_score_tests_know_no_units(name, unit):
    model, y = fitted(name)
    new = np.cos(np.arange(60.0))
    one, other = (model.score_test(column, X, y) for column in (new, new * unit))
    assert other.statistic == pytest.approx(one.statistic, rel=1e-10)


LEVELS = [0, 1, -1, 95, NAN, INF, "a", None, True, [0.9]]


@pytest.mark.parametrize("level", LEVELS, ids=str)
@pytest.mark.parametrize("name", FITTED)
def test_levels_of_confidence(name, level):
    model, y = fitted(name)
    asked = [model.summary, model.inference_.conf_int]
    if name in ("logistic", "firth"):
        asked += [model.inference_.odds_ratios, lambda given_: model.probability_interval(X, given_)]
    if name in ONE_PREDICTOR:
        asked.append(lambda given_: model.profile_interval(X, y, level=given_, parameters="x1"))
    if name in MEANS:
        asked.append(lambda given_: model.prediction_interval(X, given_))
    for question in asked:
        with pytest.raises((ValueError, TypeError), match="level"):
            question(level)


HYPOTHESES = {
    "": "missing", "x9 = 0": "no coefficient 'x9'", "x1 = 0, x1 = 0": "redundant", "x1 = 0, x1 = 1": "contradicts",
    "x1*x2 = 0": "multiplies", "x1/0 = 1": "divides by zero", "x1 = nan": "nan", "0 = 0": "nothing about",
    "x1 = 1e308": "holds 1e[+]308", "1e308*x1 = 1": "holds 1e[+]308",
}  # fmt: skip


@pytest.mark.parametrize("hypothesis", HYPOTHESES)
@pytest.mark.parametrize("name", ["logistic", "three classes", "poisson"])
def test_hypotheses_that_mean_nothing(name, hypothesis):
    model, y = fitted(name)
    with pytest.raises(ValueError, match=HYPOTHESES[hypothesis]):
        model.inference_.test(hypothesis)
    if name in ONE_PREDICTOR:
        with pytest.raises(ValueError, match=HYPOTHESES[hypothesis]):
            model.likelihood_ratio_test(hypothesis, X, y)

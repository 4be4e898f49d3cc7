"""Inputs, parameters and questions that mean nothing: refused, and the argument named."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from estimators.likelihood_data import COUNTS, LABELS, POSITIVE, X, put

import betahat as bh

Logistic, GLM = bh.LogisticRegression, bh.GeneralizedLinearModel
NAN, INF = np.nan, np.inf


ONES = np.ones(60)
REFUSED = {
    "NaN in X": ({"X": put(X, NAN)}, bh.MissingValueError, "NaN.*x2"),
    "infinity in X": ({"X": put(X, INF)}, bh.DataError, "infinity.*x2"),
    "None in X": ({"X": put(X, NAN).astype(object)}, ValueError, "NaN"),
    "text in X": ({"X": X.astype(str)}, (TypeError, ValueError), "number|numeric|text"),
    "one dimension": ({"X": X[:, 0]}, ValueError, "2D array"),
    "three dimensions": ({"X": X[:, :, None]}, ValueError, "dim"),
    "complex X": ({"X": X * 1j}, ValueError, "Complex"),
    "no rows": ({"X": X[:0], "y": []}, ValueError, "0 sample"),
    "no columns": ({"X": X[:, :0]}, ValueError, "0 feature"),
    "short y": ({"y": COUNTS[:-1]}, ValueError, "inconsistent|59|60"),
    "two columns of y": ({"y": np.column_stack([COUNTS] * 3)}, ValueError, "shape|1d|columns|targets|multi|label"),
    "no y": ({"y": None}, ValueError, "requires y"),
    "NaN in y": ({"y": put(COUNTS, NAN)}, ValueError, "NaN"),
    "infinity in y": ({"y": put(COUNTS, INF)}, ValueError, "infinit"),
    "None in y": ({"y": [None, *COUNTS[1:]]}, (TypeError, ValueError), "NaN|None|number"),
    "NaN in weights": ({"sample_weight": put(ONES, NAN)}, bh.DataError, "sample_weight.*NaN"),
    "infinity in weights": ({"sample_weight": put(ONES, INF)}, bh.DataError, "sample_weight.*infinity"),
    "negative weight": ({"sample_weight": put(ONES, -1)}, bh.DataError, "negative value .*row 7"),
    "no weight": ({"sample_weight": 0 * ONES}, bh.DataError, "zero in every row"),
    "short weights": ({"sample_weight": ONES[:-1]}, bh.DataError, "sample_weight has shape"),
    "text weights": ({"sample_weight": ["a"] * 60}, TypeError, "sample_weight must hold numbers"),
    "parts of rows": ({"frequency_weight": put(ONES, 0.5)}, bh.DataError, "whole numbers"),
    "weights never both": (
        {"sample_weight": np.arange(60) % 2, "frequency_weight": 1 - np.arange(60) % 2}, bh.DataError, "no row counts",
    ),
    "NaN in offset": ({"offset": put(ONES, NAN)}, ValueError, "missing values in .offset"),
    "infinity in offset": ({"offset": put(ONES, INF)}, ValueError, "offset.*infinit|infinit.*offset"),
    "short offset": ({"offset": ONES[:-1]}, ValueError, "offset.*59"),
    "text offset": ({"offset": ["a"] * 60}, (TypeError, ValueError), "offset"),
}  # fmt: skip


@pytest.mark.parametrize(
    "made", [bh.PoissonRegressor, Logistic, bh.GammaRegressor, GLM], ids=lambda m: m.__name__
)
@pytest.mark.parametrize("case", REFUSED)
def test_refused_by_name(case, made):
    changes, error, words = REFUSED[case]
    y = {Logistic: LABELS, bh.GammaRegressor: POSITIVE}.get(made, COUNTS)
    inputs = {"X": X, "y": y, **changes}
    if "y" in changes and made is Logistic and case in ("short y",):
        inputs["y"] = LABELS[:-1]
    with pytest.raises(error, match=f"(?i){words}"):
        made().fit(**inputs)


OUTSIDE = {
    "a negative count": (bh.PoissonRegressor(), -1.0, "poisson target is not negative"),
    "no duration": (bh.GammaRegressor(), 0.0, "gamma target is positive"),
    "a negative claim": (bh.TweedieRegressor(power=1.5), -0.1, "tweedie"),
    "no claim at p > 2": (bh.TweedieRegressor(power=2.5), 0.0, "tweedie"),
    "zero": (GLM("inverse_gaussian"), 0.0, "inverse_gaussian|inverse Gaussian"),
    "beyond one": (GLM("binomial"), 1.5, "binomial target is 0, 1 or a proportion"),
    "below zero": (GLM("binomial", "probit"), -0.5, "binomial"),
}


AT_AN_END = [
    ("poisson", "identity", 0),
    ("poisson", "sqrt", 0),
    ("binomial", "log", 1),
    ("binomial", "identity", 0),
]


@pytest.mark.parametrize(("family", "link", "value"), AT_AN_END)
def test_targets_that_all_lie_at_an_end_of_the_link(family, link, value):
    with pytest.raises(bh.DataError, match=f"every y is {value}, an end of the means that the {link} link"):
        GLM(family, link).fit(X, np.full(60, float(value)))


@pytest.mark.parametrize("case", OUTSIDE)
def test_targets_that_a_family_cannot_give(case):
    made, value, words = OUTSIDE[case]
    y = np.full(60, 0.5) + 0.4 * np.sin(np.arange(60))
    with pytest.raises(ValueError, match=words):
        made.fit(X, put(y, value))


PARAMETERS = {
    "alpha": [({"alpha": -1}, ValueError), ({"alpha": NAN}, ValueError), ({"alpha": "1"}, TypeError)],
    "C": [({"C": 0}, ValueError), ({"C": "a"}, TypeError), ({"C": 1.0, "alpha": 1.0}, ValueError)],
    "class_weight": [
        ({"class_weight": "equal"}, ValueError), ({"class_weight": 3}, TypeError),
        ({"class_weight": {0: -1}}, ValueError), ({"class_weight": {5: 1.0}}, ValueError),
    ],
    "separation": [({"separation": "ignore"}, ValueError)],
    "collinear": [({"collinear": "keep"}, ValueError)],
    "cov_type": [({"cov_type": "HC9"}, ValueError), ({"cov_type": "HC3"}, bh.InferenceError)],
    "missing": [({"missing": "fill"}, ValueError)],
    "solver": [({"solver": "direct"}, ValueError), ({"solver": "adam"}, ValueError), ({"solver": "nwton"}, ValueError)],
    "max_iter": [({"max_iter": 0}, ValueError), ({"max_iter": 1.5}, TypeError)],
    "tol": [({"tol": -1}, ValueError), ({"tol": "a"}, TypeError)],
    "fit_intercept": [({"fit_intercept": "no"}, TypeError)],
    "warm_start": [({"warm_start": 1}, TypeError)],
}  # fmt: skip


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_are_checked_by_name(name):
    for given_, error in PARAMETERS[name]:
        with pytest.raises(error, match=name):
            Logistic(**given_).fit(X, LABELS)


@pytest.mark.parametrize(
    ("parameters", "error", "words"),
    [
        ({"family": "poison"}, ValueError, "poisson"), ({"family": 3}, TypeError, "family"),
        ({"family": "poisson", "link": "logg"}, ValueError, "log"), ({"link": 3}, TypeError, "link"),
        ({"information": "fisher"}, ValueError, "information"),
    ],
)  # fmt: skip
def test_families_are_checked_by_name(parameters, error, words):
    with pytest.raises(error, match=words):
        GLM(**parameters).fit(X, COUNTS)


def test_one_class_only():
    with pytest.raises(bh.DataError, match=r"one class only \(0\)"):
        Logistic().fit(X, np.zeros(60, int))
    with pytest.raises(bh.DataError, match=r"one class only \('a'\)"):
        Logistic().fit(X, ["a"] * 60)
    with pytest.raises(bh.DataError, match="class '2' has a positive weight"):
        Logistic().fit(X, np.arange(60) % 3, sample_weight=np.arange(60) % 3 < 2)


def test_one_row():
    with pytest.raises(bh.DataError, match="one class only"):
        Logistic().fit(X[:1], LABELS[:1])
    with pytest.warns(bh.CollinearityWarning, match="constant"):
        model = bh.PoissonRegressor().fit(X[:1], [3.0])
    assert model.predict(X[:1])[0] == pytest.approx(3.0)


@pytest.mark.parametrize("labels", [
    np.array(["no", "yes"]), np.array(["no", "yes"], object), np.array([False, True]), np.array([0, 1], np.int8),
    np.array([3, 7], np.uint64), np.array([-1, 1]), np.array([1.0, 2.0]), np.array([0, 1], np.float32),
    np.array([10**15, 10**15 + 1]), np.array(["ä", "Ω"]),
], ids=lambda v: f"{v.dtype} {v[0]}")  # fmt: skip
@pytest.mark.parametrize("holder", ["array", "list", "series", "categories"])
def test_labels_of_every_kind(labels, holder):
    y = labels[LABELS]
    hold = {
        "array": np.asarray, "list": lambda v: v.tolist(), "series": pd.Series,
        "categories": lambda v: pd.Series(v).astype("category"),
    }[holder]  # fmt: skip
    model = Logistic().fit(X, hold(y))
    expected = Logistic().fit(X, LABELS)
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-13)
    np.testing.assert_array_equal(model.classes_, np.sort(labels))
    np.testing.assert_array_equal(model.predict(X), labels[expected.predict(X)])
    assert model.score(X, y) == expected.score(X, LABELS)


@pytest.mark.parametrize(
    ("labels", "error", "words"),
    [
        (np.linspace(0, 1, 60), ValueError, "Unknown label type: continuous"),
        ([1, "a"] * 30, TypeError, "kinds int, str"), (np.array([b"a", b"b"] * 30), TypeError, "bytes"),
        (np.array([1, 2] * 30, "datetime64[D]"), TypeError, "datetime"),
        (np.array([1j, 2] * 30), ValueError, "Complex"),
        ([["a"], ["b", "c"]] * 30, ValueError, "one label a row"), (np.eye(2)[LABELS], ValueError, "shape"),
        (["a", None] * 30, ValueError, "NaN or None in 30"), (5, ValueError, "one label for each row"),
        (pd.Series([1, pd.NA] * 30, dtype="Int64"), ValueError, "NaN or None in 30"),
    ],
)  # fmt: skip
def test_what_are_no_labels(labels, error, words):
    with pytest.raises(error, match=words):
        Logistic().fit(X, labels)


# --- scales, weights and folds ------------------------------------------------------------------------------------

ROBUST = ["HC0", "HC1", "cluster", "HAC"]
ESTIMATORS = {
    "linear": (bh.LinearRegression, POSITIVE), "logistic": (Logistic, LABELS), "poisson": (bh.PoissonRegressor, COUNTS),
    "gamma": (bh.GammaRegressor, POSITIVE), "huber": (lambda **k: bh.HuberRegressor(alpha=0.0, **k), POSITIVE),
}  # fmt: skip


@pytest.mark.parametrize("unit", [1e-200, 1e-160, 1e-100, 1e-40, 1e40, 1e100, 1e160, 1e200])
@pytest.mark.parametrize("cov_type", ROBUST)
@pytest.mark.parametrize("name", ESTIMATORS)
def test_robust_errors_under_huge_and_tiny_weights(name, cov_type, unit):
    """Squares of weights are summed: standard errors that know no unit, or none at all; never 0 or NaN."""
    made, y = ESTIMATORS[name]
    w, groups = np.random.default_rng(2).uniform(0.5, 2, 60), np.arange(60) % 9
    plain, model = (
        made(cov_type=cov_type).fit(X, y, sample_weight=w * k, groups=groups) for k in (1.0, unit)
    )
    np.testing.assert_allclose(model.coef_, plain.coef_, rtol=1e-9)
    if 1e-120 < unit < 1e120:
        np.testing.assert_allclose(model.inference_.std_err, plain.inference_.std_err, rtol=1e-7)
        return
    with pytest.raises(bh.InferenceError, match=r"weights are .* on average"):
        _ = model.inference_.std_err


@pytest.mark.parametrize("lags", [60, 61, 10**30])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_more_lags_than_rows(name, lags):
    """With every lag the scores add up to zero, and standard errors would be rounding."""
    made, y = ESTIMATORS[name]
    with pytest.raises(ValueError, match=rf"maxlags \(={lags}\) must be below the number of rows \(60\)"):
        made(cov_type="HAC", maxlags=lags).fit(X, y)


@pytest.mark.parametrize("weights", [np.full(60, 1e-310), np.full(60, 5e-324)], ids=["1e-310", "5e-324"])
@pytest.mark.parametrize("argument", ["sample_weight", "frequency_weight"])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_weights_without_digits(name, argument, weights):
    made, y = ESTIMATORS[name]
    with pytest.raises(bh.DataError, match=f"{argument} adds up to"):
        made().fit(X, y, **{argument: weights})


CHOSEN = {
    "lasso": (bh.LassoCV, POSITIVE), "elastic net": (bh.ElasticNetCV, POSITIVE), "ridge": (bh.RidgeCV, POSITIVE),
    "logistic": (bh.LogisticRegressionCV, LABELS),
}  # fmt: skip
FOLDS = {
    "none": ([], "cv .* has no folds"),
    "beyond the rows": ([(range(50), [60])], r"left out in fold 0 \[60\].*below 60"),
    "nothing to fit to": ([([], range(60))], "fitted to in fold 0, at least one"),
    "nothing left out": ([(range(60), [])], "left out in fold 0, at least one"),
    "no numbers": ([(["a"], [0])], "fitted to in fold 0"),
    "a number": (1, "n_splits=1|k-fold"),
    "too many": (61, "n_splits=61|members"),
    "text": ("a", "cv|Expected"),
}


@pytest.mark.parametrize("folds", FOLDS)
@pytest.mark.parametrize("name", CHOSEN)
def test_folds_that_are_none(name, folds):
    made, y = CHOSEN[name]
    cv, words = FOLDS[folds]
    with pytest.raises(ValueError, match=words):
        made(cv=cv).fit(X, y)


@pytest.mark.parametrize("name", CHOSEN)
def test_folds_in_which_no_row_counts(name):
    made, y = CHOSEN[name]
    with pytest.raises(bh.DataError, match=r"fold 0 of cv is .* weight zero"):
        made(cv=[(np.arange(30), np.arange(30, 60))]).fit(X, y, sample_weight=np.arange(60) < 30)


@pytest.mark.parametrize(("made", "y", "name"), [
    (bh.RidgeCV, POSITIVE, "alphas"), (bh.LassoCV, POSITIVE, "alphas"), (bh.ElasticNetCV, POSITIVE, "alphas"),
    (bh.LogisticRegressionCV, LABELS, "Cs"), (bh.LogisticRegressionCV, LABELS, "l1_ratios"),
])  # fmt: skip
@pytest.mark.parametrize("values", [[], [NAN], [-1.0], ["a"], [1.0, INF]], ids=str)
def test_grids_that_are_none(made, y, name, values):
    with pytest.raises((ValueError, TypeError), match=name):
        made(**{name: values}).fit(X, y)


# --- batches ------------------------------------------------------------------------------------------------------

BATCHES = {
    "text in a table": (pd.DataFrame(X).astype({0: str}).set_axis(list("abc"), axis=1), "column 'a' of X"),
    "categories": (pd.DataFrame(X, columns=list("abc")).assign(c=pd.Categorical(["x", "y"] * 30)), "column 'c' of X"),
    "dates": (pd.DataFrame(X, columns=list("abc")).assign(b=pd.Timestamp("2026-01-01")), "column 'b' of X"),
    "a name twice": (pd.DataFrame(X, columns=list("aab")), "more than one column named 'a'"),
    "NaN": (put(X, NAN), "X contains NaN"),
    "huge": (X * 1e300, "beyond 1e90"),
    "a word": ([*X.tolist()[:-1], ["q", 1.0, 2.0]], "X and y must hold numbers"),
}  # fmt: skip
BEGINNERS = {
    "logistic": (Logistic, LABELS), "poisson": (bh.PoissonRegressor, COUNTS), "gamma": (bh.GammaRegressor, POSITIVE),
}  # fmt: skip


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("name", BEGINNERS)
def test_batches_that_are_none(name, batch):
    made, y = BEGINNERS[name]
    rows, words = BATCHES[batch]
    given_ = {"classes": [0, 1]} if made is Logistic else {}
    with pytest.raises((ValueError, TypeError), match=words):
        made().partial_fit(rows, y, **given_)


@pytest.mark.parametrize("holder", [
    lambda y: pd.Series([pd.NA, *y[1:]]), lambda y: [pd.NA, *y[1:]], lambda y: np.array([pd.NA, *y[1:]], object),
], ids=["series", "list", "objects"])  # fmt: skip
@pytest.mark.parametrize("name", ESTIMATORS)
def test_na_among_targets(name, holder):
    made, y = ESTIMATORS[name]
    with pytest.raises(ValueError, match="Input y contains NaN"):
        made().fit(X, holder(y))


# --- means that a link does not give ------------------------------------------------------------------------------


@pytest.mark.parametrize("link", ["identity", "sqrt"])
def test_rows_without_a_mean(link):
    """Of counts a negative mean is none; intervals end where the link does."""
    model = GLM("poisson", link).fit(X, COUNTS)
    far = -20 * np.sign(model.coef_)[None, :]
    with pytest.warns(
        bh.MissingRowsWarning, match=rf"1 of 3 rows have no mean .* first row 1 .*the {link} link"
    ):
        found = model.predict(np.vstack([X[:1], far, X[1:2]]))
    np.testing.assert_array_equal(np.isnan(found), [False, True, False])
    huge = GLM("gaussian").fit(X * 1e-3, POSITIVE)  # η = ∞ − ∞
    with pytest.raises(bh.DataError, match="row 0 has no η"):
        huge.predict(np.array([[1.7e308, 1.7e308, 1.7e308]]) * np.sign(huge.coef_) * [1, 1, -1])
    near = far * 0.07
    assert (model.predict(near) > 0).all()
    low, high = model.prediction_interval(near, 0.999)[0]
    assert 0 <= low < model.predict(near)[0] < high


@pytest.mark.parametrize(
    ("family", "y"), [("gamma", POSITIVE[:4]), ("gaussian", np.zeros(60))], ids=["n = p", "φ = 0"]
)
def test_fits_without_a_dispersion(family, y):
    """What divides by φ is not defined, and said to be so; the means are right."""
    model = GLM(family, "log" if family == "gamma" else None).fit(X[: len(y)], y)
    np.testing.assert_allclose(model.predict(X[: len(y)]), y, rtol=1e-10)
    assert "there is no log-likelihood" in model.explain()
    assert np.isnan(model.inference_.p_value).all()
    assert "nan" in str(model.summary())


@pytest.mark.parametrize("power", [np.array([1.5, 1.6]), [1.5], {}, "1.5", None, True, 1j])
def test_powers_that_are_no_number(power):
    with pytest.raises(TypeError, match="power"):
        bh.TweedieRegressor(power=power).fit(X, COUNTS)

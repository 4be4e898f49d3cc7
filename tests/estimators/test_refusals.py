"""What cannot be fitted is refused by name, whatever kind of array or table it comes in."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse as sp
from input_forms import MODELS, frame_of, models, put, sample, sizes
from sklearn.exceptions import NotFittedError

from betahat import (
    CollinearityWarning,
    DataError,
    InferenceError,
    LinearRegression,
    PolynomialRegression,
    Ridge,
)
from betahat.errors import MissingValueError


def forms_of(forms=("array", "csr", "pandas")):
    """Each form of X with each model that takes it."""
    return pytest.mark.parametrize(
        ("form", "model"),
        [(f, m) for f in forms for m in MODELS if not (m == "polynomial" and f in ("csr", "csc"))],
    )


FORMS = {
    "array": np.asarray, "F": np.asfortranarray, "float32": lambda X: X.astype(np.float32), "csr": sp.csr_array,
    "csc": sp.csc_array, "pandas": lambda X: frame_of(X, "pandas"), "polars": lambda X: frame_of(X, "polars"),
    "arrow": lambda X: frame_of(X, "arrow"), "list": lambda X: X.tolist(),
}  # fmt: skip


@sizes
@forms_of(forms=FORMS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_in_columns(value, form, size, model):
    X, y = sample(size)
    given = FORMS[form](put(X, value, row=len(X) - 3))
    with pytest.raises(DataError, match=r"NaN|missing|infinit") as caught:
        MODELS[model]().fit(given, y)
    assert isinstance(caught.value, MissingValueError) == bool(np.isnan(value))
    assert "'x2'" in str(caught.value) or "'b'" in str(caught.value)


@sizes
@forms_of()
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_in_y(value, form, size, model):
    X, y = sample(size)
    for target in (put(y, value), np.column_stack([y, put(y, value)])):
        with pytest.raises(
            ValueError, match=r"Input y contains (NaN|infinity)|(missing|infinite) values in 'y"
        ):
            MODELS[model]().fit(FORMS[form](X), target)


@sizes
@forms_of()
@pytest.mark.parametrize("which", ["sample_weight", "frequency_weight"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0])
def test_weights_that_are_no_weights(value, which, form, size, model):
    X, y = sample(size)
    weight = put(np.ones(len(y)), value)
    with pytest.raises(DataError, match=which):
        MODELS[model]().fit(FORMS[form](X), y, **{which: weight})


X60, Y60 = sample("numpy")
ONES = np.ones(60)
REFUSED = {
    # name: (X, y, further arguments, kinds of error, what the message says)
    "no rows": (np.zeros((0, 3)), np.zeros(0), {}, ValueError, r"0 sample"),
    "no columns": (np.zeros((60, 0)), Y60, {}, ValueError, r"0 feature"),
    "one dimension": (X60[:, 0], Y60, {}, ValueError, r"Expected 2D array, got 1D"),
    "three dimensions": (X60[:, :, None], Y60, {}, ValueError, r"dim 3|Expected 2D|<= 2 expected"),
    "no dimension": (3.0, Y60, {}, ValueError, r"Expected 2D array, got scalar"),
    "y too short": (X60, Y60[:-1], {}, ValueError, r"(?i)inconsistent|y.*59"),
    "y too long": (X60, np.append(Y60, 1.0), {}, ValueError, r"(?i)inconsistent|y.*61"),
    "y with three dimensions": (X60, Y60[:, None, None], {}, ValueError, r"y|dim 3"),
    "no y": (X60, None, {}, ValueError, r"requires y.*y is None"),
    "text": ([["a", "b"], ["c", "d"]] * 30, Y60, {}, ValueError, r"(?i)X|string|numeric"),
    "objects": (np.array([[{}, 1.0]] * 60, dtype=object), Y60, {}, (TypeError, ValueError), r"(?i)X|float|argument"),
    "ragged": ([[1.0, 2.0], [1.0]] * 30, Y60, {}, ValueError, r"(?i)X|inhomogeneous|sequence"),
    "complex X": (X60 * 1j, Y60, {}, ValueError, r"(?i)complex data not supported"),
    "complex y": (X60, Y60 * 1j, {}, (ValueError, TypeError), r"(?i)complex"),
    "text y": (X60, np.array(["1"] * 59 + ["b"]), {}, (ValueError, TypeError), r"(?i)y|numeric|string"),
    "weight too short": (X60, Y60, {"sample_weight": ONES[:-1]}, DataError, r"sample_weight.*59"),
    "weight of two columns": (X60, Y60, {"sample_weight": np.ones((60, 2))}, DataError, r"sample_weight.*\(60, 2\)"),
    "weight of text": (X60, Y60, {"sample_weight": ["a"] * 60}, TypeError, r"sample_weight"),
    "weight of zeros": (X60, Y60, {"sample_weight": 0 * ONES}, DataError, r"sample_weight is zero in every row"),
    "complex weight": (X60, Y60, {"sample_weight": ONES * 1j}, (TypeError, ValueError), r"sample_weight"),
    "frequency too short": (X60, Y60, {"frequency_weight": ONES[:-1]}, DataError, r"frequency_weight.*59"),
    "masked weight": (X60, Y60, {"sample_weight": np.ma.masked_equal(ONES, 1)}, DataError, r"sample_weight.*"),
    "weight of numerals": (X60, Y60, {"sample_weight": ["1"] * 60}, TypeError, r"sample_weight"),
    "weight of dates": (X60, Y60, {"sample_weight": ONES.astype("M8[D]")}, TypeError, r"sample_weight"),
    "weights of no size": (X60, Y60, {"sample_weight": 1e-300 * ONES}, DataError, r"sample_weight.*too large"),
    "huge weights": (X60, Y60, {"sample_weight": 1e300 * ONES}, DataError, r"weights.*sample_weight.*too large"),
    "masked y": (X60, np.ma.masked_less(Y60, 1), {}, ValueError, r"y"),
    "numerals as y": (X60, np.array(["1"] * 60), {}, TypeError, r"y"),
    "y of dates": (X60, Y60.astype("M8[D]"), {}, TypeError, r"y"),
    "sparse y": (X60, sp.csr_array(Y60[:, None]), {}, TypeError, r"(?s)y is a sparse matrix.*toarray"),
    "y that float64 rounds": (X60, np.arange(60) + 2**60, {}, DataError, r"'y'.*2\*\*53"),
    "masked X": (np.ma.masked_equal(X60, X60[3, 1]), Y60, {}, MissingValueError, r"'x2'.*row 3|row 3.*'x2'|x2"),
    "X of dates": (np.arange(120).reshape(60, 2).astype("M8[D]"), Y60, {}, TypeError, r"X is an array of datetime64"),
    "X of durations": (np.arange(120).reshape(60, 2).astype("m8[D]"), Y60, {}, TypeError, r"X is an array of time"),
    "X that float64 rounds": (
        np.add(np.arange(120).reshape(60, 2), [[0, 2**60]]), Y60, {}, DataError, r"'x2'.*2\*\*53",
    ),
    "X beyond float64": (np.ones((60, 2), np.longdouble) * [[1, np.longdouble("1e400")]], Y60, {}, DataError, r"'x2'"),
    "repeated names": (pd.DataFrame(X60[:, [0, 0]], columns=["x", "x"]), Y60, {}, DataError, r"column named 'x'"),
    "repeated Arrow names": (pa.table([Y60, Y60], names=["x", "x"]), Y60, {}, DataError, r"column named 'x'"),
    "fraction of a row": (X60, Y60, {"frequency_weight": ONES / 2}, DataError, r"frequency_weight.*whole numbers"),
    "frequency of zeros": (X60, Y60, {"frequency_weight": 0 * ONES}, DataError, r"frequency_weight is zero"),
    "weights never both positive": (
        X60, Y60, {"sample_weight": np.arange(60) % 2, "frequency_weight": (np.arange(60) + 1) % 2}, DataError,
        r"sample_weight.*frequency_weight|weight",
    ),
    "groups too short": (X60, Y60, {"groups": np.zeros(59)}, DataError, r"groups.*59"),
    "groups of three columns": (X60, Y60, {"groups": np.zeros((60, 3))}, DataError, r"groups.*3 columns"),
    "groups missing": (X60, Y60, {"groups": [None] + [1] * 59}, DataError, r"groups.*missing"),
}  # fmt: skip


@models
@pytest.mark.parametrize("case", REFUSED)
def test_refused_by_name(case, model):
    X, y, further, kinds, words = REFUSED[case]
    with pytest.raises(kinds, match=words):
        MODELS[model]().fit(X, y, **further)


FRAME_REFUSED = ["y too short", "y too long", "y with three dimensions", "no y", "complex y", "text y",
                 "weight too short", "weight of two columns", "weight of text", "weight of zeros", "complex weight",
                 "frequency too short", "fraction of a row", "frequency of zeros", "weights never both positive",
                 "groups too short", "groups of three columns", "groups missing", "masked weight", "weight of dates",
                 "weight of numerals", "weights of no size", "huge weights", "masked y", "numerals as y", "y of dates",
                 "sparse y"]  # fmt: skip


@models
@pytest.mark.parametrize("case", FRAME_REFUSED)
def test_refused_by_name_beside_a_table(case, model):
    _, y, further, kinds, _ = REFUSED[case]
    argument = next(iter(further), "y").split("_")[0]
    with pytest.raises(
        (*((kinds,) if isinstance(kinds, type) else kinds), TypeError, ValueError), match=argument
    ):
        MODELS[model]().fit(frame_of(X60, "pandas"), y, **further)


PARAMETERS = {
    "fit_intercept": ["yes", 2, None, np.array([True])],
    "cov_type": ["HC9", "robust", None, 3],
    "collinear": ["ignore", None, 1],
    "missing": ["skip", None, 0],
    "maxlags": [-1, 1.5, "3"],
}


@pytest.mark.parametrize("kind", [LinearRegression, Ridge, PolynomialRegression])
@pytest.mark.parametrize(("name", "value"), [(k, v) for k, values in PARAMETERS.items() for v in values])
def test_wrong_parameter(kind, name, value):
    further = {"cov_type": "HAC"} if name == "maxlags" else {}
    if name == "maxlags" and kind is Ridge:
        pytest.skip("a penalised fit has no covariance")
    with pytest.raises((ValueError, TypeError), match=name):
        kind(**{name: value}, **further).fit(X60, Y60)


@pytest.mark.parametrize(("degree", "error"), [(0, ValueError), (-1, ValueError), (1.5, TypeError), ("2", TypeError),
                                               (None, TypeError), (True, TypeError)])  # fmt: skip
def test_wrong_degree(degree, error):
    with pytest.raises(error, match="degree"):
        PolynomialRegression(degree).fit(X60, Y60)


@models
def test_cluster_needs_groups(model):
    if model == "ridge":
        return
    with pytest.raises(DataError, match="groups"):
        MODELS[model]().set_params(cov_type="cluster").fit(X60, Y60)


# --- predict ------------------------------------------------------------------------------------------------

PREDICTING = ["predict", "prediction_interval"]


@models
@pytest.mark.parametrize("method", PREDICTING)
def test_not_fitted(method, model):
    with pytest.raises(NotFittedError, match="not fitted yet"):
        getattr(MODELS[model](), method)(X60)
    for name in ("inference_",):
        with pytest.raises(NotFittedError):
            getattr(MODELS[model](), name)
    for name in ("summary", "explain"):
        with pytest.raises(NotFittedError):
            getattr(MODELS[model](), name)()


@models
@pytest.mark.parametrize("method", PREDICTING)
@pytest.mark.parametrize(("X", "words"), [
    (X60[:, :2], "2 features.*expecting 3"), (X60[:, 0], "Expected 2D"), (put(X60, np.nan), "NaN"),
    (put(X60, np.inf), "infinity"), (X60 * 1j, "(?i)complex"), (X60[:0], "0 sample"),
    ([["a", "b", "c"]], "(?i)string|numeric"),
    (sp.csr_array(X60[:, :2]), "2 features.*expecting 3|Sparse data was passed"),
])  # fmt: skip
def test_wrong_rows_to_predict(method, model, X, words):
    fitted = MODELS[model]().fit(X60, Y60)
    if model == "ridge" and method == "prediction_interval":
        with pytest.raises((InferenceError, ValueError)):
            fitted.prediction_interval(X)
        return
    with pytest.raises((ValueError, TypeError), match=words):
        getattr(fitted, method)(X)


@models
@pytest.mark.parametrize("kind", ["pandas", "polars", "arrow"])
def test_columns_are_found_by_name(kind, model):
    fitted = MODELS[model]().fit(frame_of(X60, kind), Y60)
    assert list(fitted.feature_names_in_) == ["a", "b", "c"]
    expected = fitted.predict(frame_of(X60, kind))
    turned = {"c": X60[:, 2], "extra": Y60, "a": X60[:, 0], "b": X60[:, 1]}
    other = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "arrow": pa.table}[kind](turned)
    np.testing.assert_array_equal(fitted.predict(other), expected)
    with pytest.raises(ValueError, match=r"\bb\b|'b'"):
        fitted.predict(pd.DataFrame({"a": X60[:, 0], "c": X60[:, 2]}))


# --- edges that have an answer ------------------------------------------------------------------------------


@models
def test_one_row_or_one_column(model):
    one = MODELS[model]().fit(X60[:, :1], Y60)
    assert one.coef_.shape == (1,)
    assert one.certificate_.converged
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CollinearityWarning)
        row = MODELS[model]().fit(X60[:1], Y60[:1])
    np.testing.assert_allclose(row.predict(X60[:1]), Y60[:1], rtol=1e-3 if model == "ridge" else 1e-12)


@pytest.mark.parametrize("model", ["ols", "origin", "polynomial"])
@pytest.mark.parametrize("frame", [False, True], ids=["array", "frame"])
def test_warnings_point_at_the_line_of_the_user(model, frame):
    X = np.column_stack([X60, X60[:, 0]])
    if model == "polynomial":
        X[:, 3] = 0.0
    given = pd.DataFrame(X, columns=list("abcd")) if frame else X
    with pytest.warns(CollinearityWarning, match=r"'x4'|'d'") as caught:
        MODELS[model]().fit(given, Y60)
    assert [w.filename for w in caught] == [__file__]


@models
@pytest.mark.parametrize("rows", [100_000, 200_000])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_large_arrays_are_searched_too(rows, value, model):
    X = np.random.default_rng(0).normal(size=(rows, 5))
    y = X[:, 0].copy()
    X[rows - 1, 4] = value
    with pytest.raises(DataError, match=f"'x5'.*row {rows - 1}"):
        MODELS[model]().fit(X, y)


@pytest.mark.filterwarnings("ignore::betahat.CollinearityWarning")
@pytest.mark.parametrize("model", ["ols", "origin", "ridge"])
@pytest.mark.parametrize(
    "form", [np.asarray, np.asfortranarray, sp.csr_array, sp.csc_array, lambda X: X.astype(np.float32)]
)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_wide_arrays_are_searched_too(value, form, model):
    """More columns than rows are solved by other equations."""
    X = np.random.default_rng(0).normal(size=(20, 400))
    y = X[:, 0].copy()
    with pytest.raises(DataError, match=r"'x301'.*row 11"):
        MODELS[model]().fit(form(put(X, value, 11, 300)), y)
    with pytest.raises(ValueError, match=r"y.*(NaN|infinity)"):
        MODELS[model]().fit(form(X), put(y, value))
    weight = np.ones(20)
    expected = MODELS[model]().fit(X, y).predict(X)
    np.testing.assert_allclose(
        MODELS[model]().fit(form(X), y, sample_weight=weight).predict(X), expected, rtol=1e-5
    )

"""What nonlinear regression reads: every kind of rows gives the same fit, every wrong one an error that says so."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse as sparse
from estimators.nonlinear_data import TEXT, decay, decay_of_column, x, y
from numpy.testing import assert_allclose, assert_array_equal

import betahat as bh
from betahat.errors import DataError, MissingValueError

START = [1.0, 1.0, 1.0]
TRUTH = bh.NonlinearRegression(decay, START).fit(x, y).coef_


def fitted(X=x, target=y, f=TEXT, start=START, **kw):
    return bh.NonlinearRegression(f, start).fit(X, target, **kw)


# --- kinds of rows --------------------------------------------------------------------------------------------------

ROWS = {
    "array": x, "list": x.tolist(), "tuple": tuple(x.tolist()), "column": x[:, None], "rows": [[v] for v in x],
    "objects": x.astype(object), "long doubles": x.astype(np.longdouble),
    "not contiguous": np.column_stack([x, x])[:, 0], "big endian": x.astype(">f8"), "masked, none": np.ma.array(x),
    "pandas series": pd.Series(x, name="t"),
    "polars series": pl.Series("t", x), "arrow array": pa.array(x), "pandas": pd.DataFrame({"x": x}),
    "polars": pl.DataFrame({"x": x}), "lazy": pl.DataFrame({"x": x}).lazy(), "arrow": pa.table({"x": x}),
    "named otherwise": pd.DataFrame({"time": x}),
}  # fmt: skip
TARGETS = {
    "array": y, "list": y.tolist(), "objects": y.astype(object), "pandas series": pd.Series(y, name="rate"),
    "polars series": pl.Series("rate", y), "arrow array": pa.array(y), "chunked": pa.chunked_array([y[:9], y[9:]]),
    "pandas table": pd.DataFrame({"rate": y}), "polars table": pl.DataFrame({"rate": y}),
    "arrow table": pa.table({"rate": y}),
}  # fmt: skip


@pytest.mark.parametrize("rows", ROWS)
def test_kinds_of_rows(rows):
    model = fitted(ROWS[rows])
    assert_allclose(model.coef_, TRUTH, rtol=1e-13)
    assert model.n_features_in_ == 1
    assert_allclose(model.predict(ROWS[rows]), decay(x, *model.coef_), rtol=1e-14)
    assert model.prediction_interval(ROWS[rows]).shape == (40, 2)
    assert model.profile_interval(ROWS[rows], y, parameters="a").shape == (1, 2)


@pytest.mark.parametrize("target", TARGETS)
def test_kinds_of_targets(target):
    model = fitted(target=TARGETS[target])
    assert_allclose(model.coef_, TRUTH, rtol=1e-13)  # BLAS rounds by where memory lies
    named = target in ("pandas series", "polars series") or "table" in target
    assert model.inference_.target_names == ("rate" if named else "y",)


def test_a_table_of_one_column_is_a_matrix_for_functions():
    for rows in (pd.DataFrame({"x": x}), pl.DataFrame({"x": x}), pa.table({"x": x}), x[:, None]):
        assert_allclose(fitted(rows, f=decay_of_column).coef_, TRUTH, rtol=1e-13)
        assert_allclose(fitted(rows, f=decay).coef_, TRUTH, rtol=1e-13)  # (n, 1) predictions are (n,)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int8, np.int64, np.uint16, bool])
def test_other_numbers_are_computed_with_as_doubles(dtype):
    values, target = x > 2 if dtype is bool else (10 * x).astype(dtype), y.astype(np.float32)
    model = fitted(values, target, f="a * exp(-b * x)", start=[1.0, 0.1])
    again = fitted(
        values.astype(np.float64), target.astype(np.float64), f="a * exp(-b * x)", start=[1.0, 0.1]
    )
    assert_allclose(model.coef_, again.coef_, rtol=1e-13)


KINDS = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "arrow": pa.table}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("other", KINDS)
def test_columns_are_taken_by_name(kind, other):
    columns = {"x": x, "dose (mg)": x**2, "true": x > 2}
    text = "a * exp(-b * x) + c * `dose (mg)` + d * true"
    model = bh.NonlinearRegression(text, [1.0] * 4).fit(KINDS[kind](columns), y)
    swapped = KINDS[other]({"more": ["text"] * 40, **dict(reversed(columns.items()))})
    assert_array_equal(model.predict(swapped), model.predict(KINDS[kind](columns)))
    assert list(model.feature_names_in_) == list(columns)
    with pytest.raises(ValueError, match=r"X has no column 'dose \(mg\)'; the fit had x, dose \(mg\), true"):
        model.predict(KINDS[other]({"x": x, "true": x > 2}))


def test_number_of_columns():
    model = fitted(np.column_stack([x, x**2]), f="a * x1 + b * x2", start=[1.0, 1.0])
    with pytest.raises(ValueError, match="2D array, got 1D"):
        model.predict(x)
    with pytest.raises(ValueError, match="features"):
        model.predict(x[:, None])
    plain = fitted()
    assert_array_equal(plain.predict(x[:, None]), plain.predict(x))
    with pytest.raises(ValueError, match="features"):
        plain.predict(np.column_stack([x, x]))


def test_one_row_to_predict():
    model = fitted()
    assert model.predict([1.0]) == decay(1.0, *model.coef_)
    assert model.prediction_interval([1.0]).shape == (1, 2)


# --- refused --------------------------------------------------------------------------------------------------------


def spoilt(value, where=7):
    values = x.copy()
    values[where] = value
    return values


@pytest.mark.parametrize(
    ("rows", "error", "words"),
    [
        (spoilt(np.nan), MissingValueError, "Input X contains NaN: 'x' first in row 7"),
        (pd.DataFrame({"t": spoilt(np.nan)}), MissingValueError, "'t' first in row 7"),
        (pl.DataFrame({"t": spoilt(np.nan)}), MissingValueError, "'t' first in row 7"),
        (pl.DataFrame({"t": [None, *x[1:]]}), MissingValueError, "'t' first in row 0"),
        (pl.DataFrame({"t": [None, *x[1:]]}).lazy(), MissingValueError, "'t' first in row 0"),
        (np.ma.array(x, mask=x > 3), MissingValueError, "Input X contains NaN"),
        (spoilt(np.inf), DataError, "Input X contains infinity: 'x' first in row 7"),
        (np.column_stack([x, spoilt(-np.inf)]), DataError, "infinity: 'x2' first in row 7"),
        (pd.DataFrame({"x": x, "k": ["u"] * 40}), TypeError, "column 'k' of X holds String"),
        (
            pd.DataFrame({"x": x, "k": pd.Categorical(["u"] * 40)}),
            TypeError,
            "column 'k' of X holds Categorical",
        ),
        (
            pl.DataFrame({"x": x, "t": pd.date_range("2020", periods=40)}),
            TypeError,
            "column 't' of X holds Date",
        ),
        (
            pd.DataFrame(np.column_stack([x, x]), columns=["x", "x"]),
            DataError,
            "more than one column named 'x'",
        ),
        (["a"] * 40, ValueError, "numeric"),
        (np.arange(40).astype("M8[D]"), TypeError, "X is an array of datetime64"),
        (x + 0j, ValueError, "Complex"),
        (np.ones((40, 2, 2)), ValueError, "dim 3"),
        (np.zeros((40, 0)), ValueError, "0 feature"),
        (np.zeros(0), ValueError, "0 sample"),
        (np.zeros((0, 1)), ValueError, "0 sample"),
        (1.0, (TypeError, ValueError), "scalar"),
        (sparse.csr_array(x[:, None]), TypeError, r"pass X.toarray\(\)"),
        (np.arange(40) + 2**60, DataError, r"2\*\*53"),
        (pd.DataFrame({"x": np.arange(40) + 2**60}), DataError, r"'x' holds integers of 2\*\*53"),
        (x[:-1], ValueError, "inconsistent numbers of samples"),
    ],
)
def test_rows_that_cannot_be_fitted(rows, error, words):
    with pytest.raises(error, match=words):
        bh.NonlinearRegression(lambda X, a: a * np.sum(np.reshape(X, (len(X), -1)), 1), 1.0).fit(rows, y)


@pytest.mark.parametrize(
    ("target", "error", "words"),
    [
        (None, ValueError, "target y is None"),
        (spoilt(np.nan), MissingValueError, "Input y contains NaN: 'y' first in row 7"),
        (pd.Series(spoilt(np.nan), name="rate"), MissingValueError, "'rate' first in row 7"),
        (np.ma.array(y, mask=x > 3), MissingValueError, "Input y contains NaN"),
        (spoilt(np.inf), DataError, "Input y contains infinity"),
        (np.column_stack([y, y]), ValueError, "1d array"),
        (pd.DataFrame({"a": y, "b": y}), ValueError, "1d array"),
        (y.astype(str), ValueError, "numeric"),
        (y + 0j, ValueError, "Complex"),
        (sparse.csr_array(y[:, None]), TypeError, "y is a sparse matrix"),
        (y * 1e160, DataError, "y is as large as 2.9e.160, so that its squares.*other units"),
        (y * 1e-160, DataError, "y is as small as 2.9e-160"),
    ],
)
def test_targets_that_cannot_be_fitted(target, error, words):
    with pytest.raises(error, match=words):
        fitted(target=target)


def test_a_column_as_target_is_taken_with_scikit_learns_warning():
    from sklearn.exceptions import DataConversionWarning

    with pytest.warns(DataConversionWarning):
        assert_allclose(fitted(target=y[:, None]).coef_, TRUTH, rtol=1e-13)


@pytest.mark.parametrize("which", ["sample_weight", "frequency_weight"])
@pytest.mark.parametrize(
    ("weight", "error", "words"),
    [
        (np.where(x > 3, np.nan, 1), DataError, "contains NaN or infinity"),
        (np.where(x > 3, np.inf, 1), DataError, "contains NaN or infinity"),
        (np.where(x > 3, -1, 1), DataError, "negative value"),
        (np.zeros(40), DataError, "zero in every row"),
        (np.ones(39), DataError, r"shape \(39,\), expected \(40,\)"),
        (["a"] * 40, TypeError, "must hold numbers"),
    ],
)
def test_weights_that_are_none(which, weight, error, words):
    with pytest.raises(error, match=words):
        fitted(**{which: weight})


def test_other_refusals():
    with pytest.raises(DataError, match="whole numbers"):
        fitted(frequency_weight=np.full(40, 1.5))
    with pytest.raises(DataError, match="no row counts"):
        fitted(sample_weight=np.arange(40) < 20, frequency_weight=np.arange(40) >= 20)
    with pytest.raises(DataError, match="39 labels"):
        fitted(groups=np.arange(39))
    with pytest.raises(DataError, match="needs groups"):
        bh.NonlinearRegression(TEXT, START, cov_type="cluster").fit(x, y)


def test_the_data_are_left_alone():
    X, target, weight = x[:, None].copy(), y.copy(), np.ones(40)
    before = [part.copy() for part in (X, target, weight)]
    model = fitted(X, target, f=decay_of_column, sample_weight=weight)
    model.predict(X)
    model.profile_interval(X, target, weight)
    for part, old in zip((X, target, weight), before, strict=True):
        assert part.flags.writeable
        assert_array_equal(part, old)


@pytest.mark.parametrize("what", ["X", "y"])
def test_a_function_that_gives_starts_cannot_write_into_the_data(what):
    def start(X, y):
        (X if what == "X" else y)[0] = 7.0
        return START

    X, target = x.copy(), y.copy()
    with pytest.raises(ValueError, match=r"start\(X, y\) fails.*read-only"):
        fitted(X, target, start=start)
    assert_array_equal(X, x)
    assert_array_equal(target, y)


@pytest.mark.parametrize("start", [[1.0, 1.0, 0.0], [2.0, 0.6, 1.0]])
@pytest.mark.parametrize("offset", [0.0, 1e6, 1e8, 1e10])
def test_a_large_level_costs_no_parameters(offset, start):
    """Difference quotients of f say nothing at 1e10; the solver must notice."""
    times = np.linspace(0, 5, 30)
    values = 2.5 * np.exp(-0.7 * times) + 1 + 0.05 * np.cos(9 * times)

    def fit(level):
        begin = [start[0], start[1], start[2] + level]
        f = bh.NonlinearRegression(
            lambda X, a, b, c: a * np.exp(-b * X) + c, begin, solver="levenberg_marquardt"
        )
        return f.fit(times, values + level)

    m = fit(offset)
    assert m.certificate_.status == "local minimum"
    rounding = 1e-12 + 1e-15 * offset
    np.testing.assert_allclose(m.coef_[:2], fit(0.0).coef_[:2], rtol=10 * rounding)

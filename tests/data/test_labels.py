"""Class labels become codes in the order of numpy.unique, whatever table, file or formula they come from."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from data.files import written
from hypothesis import given
from hypothesis import strategies as st

from betahat.data import (
    ArraySource,
    QuerySource,
    design_from_dict,
    query,
    read_formula,
    read_inputs,
    read_labels,
)
from betahat.data.source import ScaledSource
from betahat.errors import (
    DataError,
    FormulaError,
    MissingRowsWarning,
    MissingValueError,
    StorageError,
    UnseenLevelError,
)

LABELS: dict[str, list[Any]] = {
    "text": ["spam", "ham", "eggs", "ham", "spam", "eggs", "ham", "it's"],
    "two texts": ["yes", "no", "no", "yes", "yes", "no", "yes", "yes"],
    "booleans": [True, False, False, True, True, True, False, True],
    "0 and 1": [0, 1, 1, 0, 1, 1, 0, 0],
    "numbers": [3, -1, 7, 3, 3, -1, 7, 7],
    "far apart": [10**15, 1, 5, 1, 5, 10**15, 1, 1],
    "floats": [1.0, 2.0, 1.0, 2.0, 4.0, 1.0, 1.0, 2.0],
    "one": ["a"] * 8,
}
X = [0.5, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 9.0]


def agrees(found: Any, labels: list[Any]) -> None:
    """The codes and classes numpy.unique gives; whole numbers may come as floats or the other way round."""
    codes, classes = found
    expected, inverse = np.unique(np.asarray(labels), return_inverse=True)
    np.testing.assert_array_equal(classes, expected)
    kinds = {"U": "UO", "i": "iuf", "f": "if"}
    assert classes.dtype.kind in kinds.get(expected.dtype.kind, expected.dtype.kind)
    np.testing.assert_array_equal(np.asarray(codes).reshape(-1), inverse)
    assert np.asarray(codes).dtype == np.float64


ARRAYS = {
    "list": list,
    "array": np.asarray,
    "objects": lambda v: np.array(v, dtype=object),
    "one column": lambda v: np.asarray(v).reshape(-1, 1),
    "pandas": lambda v: pd.Series(v, name="y"),
    "pandas objects": lambda v: pd.Series(v, dtype=object),
    "pandas nullable": lambda v: pd.Series(v).convert_dtypes(),
    "pandas arrow": lambda v: pd.Series(v).convert_dtypes(dtype_backend="pyarrow"),
    "pandas categories": lambda v: pd.Series(v, dtype="category"),
    "pandas table": lambda v: pd.DataFrame({"y": v}),
    "polars": lambda v: pl.Series("y", v),
    "polars table": lambda v: pl.DataFrame({"y": v}),
    "pyarrow": lambda v: pa.chunked_array([v]),
    "pyarrow dictionary": lambda v: pa.chunked_array([pa.array(v).dictionary_encode()]),
}


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("kind", ARRAYS)
def test_labels_of_every_kind(kind, labels):
    name, codes, classes = read_labels(ARRAYS[kind](LABELS[labels]), 8)
    agrees((codes, classes), LABELS[labels])
    assert name == "y"
    _, source = read_inputs(pl.DataFrame({"x": X}), ARRAYS[kind](LABELS[labels]), labels=True)
    agrees((next(source.blocks()).y, source.classes), LABELS[labels])
    assert source.target_names == ("y",)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.uint64, np.float16, np.float32, np.longdouble, bool])
def test_dtypes_are_kept(dtype):
    y = np.array([1, 0, 1, 1], dtype=dtype)
    _, codes, classes = read_labels(y, 4)
    agrees((codes, classes), y.tolist())
    assert classes.dtype == dtype


@pytest.mark.parametrize("kind", ARRAYS)
@pytest.mark.parametrize(("labels", "dtype"), [("booleans", bool), ("numbers", np.int64)])
def test_classes_have_their_kind(kind, labels, dtype):
    assert read_labels(ARRAYS[kind](LABELS[labels]), 8)[2].dtype == dtype


@pytest.mark.parametrize(
    "order", [["spam", "it's", "ham", "eggs", "unused"], ["eggs", "ham", "it's", "spam"]]
)
def test_categories_are_sorted_and_only_those_that_occur(order):
    """As scikit-learn does, whatever order the type declares."""
    labels = LABELS["text"]
    enums = [
        pd.Series(pd.Categorical(labels, categories=order, ordered=True)),
        pl.Series(labels, dtype=pl.Enum(order)),
    ]
    for series in enums:
        agrees(read_labels(series, 8)[1:], labels)
        agrees(read_labels(series.to_frame(), 8)[1:], labels)
    sql = f"SELECT v::ENUM({', '.join(repr(o) for o in order)}) AS y, 1.0 AS x FROM (VALUES "
    sql = sql.replace('"it\'s"', "'it''s'")
    values = ", ".join("('" + label.replace("'", "''") + "')" for label in labels)
    source = query(f"{sql}{values}) AS t(v)", target="y", labels=True)
    (block,) = source.blocks()
    agrees((block.y, source.classes), labels)


@pytest.mark.parametrize("labels", LABELS)
def test_formulas(make, labels):
    table = make({"y": LABELS[labels], "x": X})
    design, source = read_formula("y ~ x", table, labels=True)
    agrees((next(source.blocks()).y, source.classes), LABELS[labels])
    assert design.classes == tuple(source.classes.tolist())
    stored = design_from_dict(json.loads(json.dumps(design.to_dict())))
    assert stored.classes == design.classes
    some = make({"y": LABELS[labels][2:5], "x": X[2:5]})
    np.testing.assert_array_equal(stored.targets(some), next(source.blocks()).y[2:5])


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("how", ["target", "formula"])
@pytest.mark.parametrize("kind", ["parquet", "csv", "json", "duckdb", "sql"])
def test_files(tmp_path, kind, how, labels):
    what = written(tmp_path, kind, {"y": LABELS[labels], "x": X})
    arguments = {"target": "y"} if how == "target" else {"formula": "y ~ x"}
    source = query(what, **arguments, labels=True, block_rows=3)
    blocks = list(source.blocks())
    assert source.readings == 1
    assert source.target_names == ("y",)
    expected = LABELS[labels]
    if kind == "csv" and labels == "two texts":
        expected = [label == "yes" for label in expected]  # as DuckDB reads them
    agrees((np.concatenate([b.y for b in blocks]), source.classes), expected)
    np.testing.assert_array_equal(np.concatenate([np.asarray(b.X) for b in blocks])[:, 0], X)
    sample = source.sample(8)
    assert sample is not None
    np.testing.assert_array_equal(sample.y, np.concatenate([b.y for b in blocks]))
    if how == "formula":
        assert source.design.classes == tuple(source.classes.tolist())


@pytest.mark.parametrize("formula", ["I(x > 2) ~ x", "np.floor(x / 2) ~ x", "I(kind == 'b') ~ x"])
def test_computed_labels(make, tmp_path, formula):
    columns = {"x": X, "kind": list("abcabcab")}
    left = {"I(x > 2)": np.array(X) > 2, "np.floor(x / 2)": np.floor(np.array(X) / 2)}
    expected = left.get(formula.split(" ~ ")[0], np.array(columns["kind"]) == "b")
    if "kind" in formula:
        with pytest.raises(TypeError, match="'kind' holds text"):
            read_formula(formula, make(columns), labels=True)
        with pytest.raises(TypeError, match="'kind' holds text"):
            query(written(tmp_path, "parquet", columns), formula=formula, labels=True)
        return
    classes, codes = np.unique(expected, return_inverse=True)
    design, source = read_formula(formula, make(columns), labels=True)
    np.testing.assert_array_equal(source.classes, classes)
    np.testing.assert_array_equal(next(source.blocks()).y[:, 0], codes)
    np.testing.assert_array_equal(design.targets(make(columns))[:, 0], codes)
    streamed = query(written(tmp_path, "parquet", columns), formula=formula, labels=True)
    (block,) = streamed.blocks()
    np.testing.assert_array_equal(streamed.classes, classes)
    np.testing.assert_array_equal(block.y[:, 0], codes)


# --- missing labels -----------------------------------------------------------------------------------------

GAPS = {
    "text": ["b", None, "a", "b", "only here", "a"],
    "booleans": [True, None, False, True, True, False],
    "numbers": [3, None, 1, 3, 9, 1],
}
X_GAPS = [1.0, 2.0, 3.0, 4.0, None, 6.0]
"""Row 1 has no label, row 4 no x: under "drop" its class is none."""


def check_gaps(read: Callable[[], ArraySource | QuerySource], labels: str, missing: str) -> None:
    """Without the rows 1 and 4 where they are dropped, else an error that names y."""
    if missing == "drop":
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            source = read()
            (block,) = source.blocks()
        assert [(w.category, str(w.message)[:11]) for w in caught] == [(MissingRowsWarning, "2 of 6 rows")]
        agrees((block.y, source.classes), [GAPS[labels][i] for i in (0, 2, 3, 5)])
        return
    with pytest.raises(MissingValueError, match=r"'y' \(1\)"):
        list(read().blocks())


@pytest.mark.parametrize("missing", ["error", "drop", "mean"])
@pytest.mark.parametrize("labels", ["text", "booleans", "numbers"])
@pytest.mark.parametrize("way", ["list", "column", "formula"])
def test_missing_labels_of_tables(make, way, labels, missing):
    columns = {"y": GAPS[labels], "x": X_GAPS}

    def read() -> ArraySource:
        if way == "formula":
            return read_formula("y ~ x", make(columns), missing=missing, labels=True)[1]
        y = columns["y"] if way == "list" else pl.Series("y", columns["y"])
        return read_inputs(make({"x": X_GAPS}), y, missing=missing, labels=True)[1]

    check_gaps(read, labels, missing)


@pytest.mark.parametrize("missing", ["error", "drop", "mean"])
@pytest.mark.parametrize("way", ["column", "formula"])
def test_missing_categories(way, missing):
    table = pd.DataFrame({"y": pd.Categorical(GAPS["text"]), "x": X_GAPS})

    def read() -> ArraySource:
        if way == "formula":
            return read_formula("y ~ x", table, missing=missing, labels=True)[1]
        return read_inputs(table[["x"]], table["y"], missing=missing, labels=True)[1]

    check_gaps(read, "text", missing)


@pytest.mark.parametrize("missing", ["error", "drop", "mean"])
@pytest.mark.parametrize("labels", ["text", "booleans", "numbers"])
@pytest.mark.parametrize("arguments", [{"target": "y"}, {"formula": "y ~ x"}], ids=["target", "formula"])
@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_missing_labels_of_files(tmp_path, kind, arguments, labels, missing):
    what = written(tmp_path, kind, {"y": GAPS[labels], "x": X_GAPS})
    check_gaps(lambda: query(what, **arguments, missing=missing, labels=True), labels, missing)


@pytest.mark.parametrize(
    "kind", ["list", "objects", "pandas", "pandas nullable", "pandas categories", "polars", "pyarrow"]
)
def test_all_missing(kind):
    with pytest.raises(MissingValueError, match="'y'"):
        read_inputs(pl.DataFrame({"x": [1.0, 2.0]}), ARRAYS[kind]([None, None]), labels=True)


def test_kinds_of_missing():
    _, codes, classes = read_labels(np.array(["b", None, "a", np.nan, pd.NA, pd.NaT], dtype=object), 6)
    np.testing.assert_array_equal(codes, [1, np.nan, 0, np.nan, np.nan, np.nan])
    assert classes.tolist() == ["a", "b"]
    _, codes, classes = read_labels(np.ma.masked_equal([3, 9, 4], 9), 3)
    np.testing.assert_array_equal(codes, [0, np.nan, 1])
    np.testing.assert_array_equal(classes, [3, 4])


# --- what is no label ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("y", "error", "word"),
    [
        ([0.5, 1.0], DataError, "Unknown label type: continuous.*`y` holds 0.5"),
        (pl.Series([0.5, 1.0]), DataError, "Unknown label type"),
        ([np.inf, 1.0], DataError, "infinite"),
        (["a", 1], TypeError, "int, str"),
        ([1, "a"], TypeError, "int, str"),
        ([b"a", b"b"], TypeError, "bytes"),
        ([["a"], ["b", "c"]], (TypeError, DataError), "`y`"),
        ([{}, {}], TypeError, "dict"),
        (np.array(["2020-01-01", "2021-01-01"], dtype="datetime64[ns]"), TypeError, "`y`"),
        (pd.Series(pd.to_datetime(["2020-01-01", "2021-01-01"])), TypeError, "`y`"),
        (pl.Series([[1], [2]]), TypeError, "'y'"),
        ([1j, 2j], TypeError, "complex"),
        (["a", "b", "c"], DataError, "3 rows and X has 2"),
        (np.ones((2, 2)), DataError, "shape"),
        (pd.DataFrame({"a": [1, 2], "b": [1, 2]}), DataError, "2 columns"),
        (pd.Series([2**60, 1], dtype="Int64"), DataError, "integers"),
    ],
    ids=str,
)
def test_what_is_no_label_is_named(y, error, word):
    with pytest.raises(error, match=word):
        read_inputs(pd.DataFrame({"x": [1.0, 2.0]}), y, labels=True)


@pytest.mark.parametrize(
    ("what", "arguments", "error", "words"),
    [
        ("SELECT i / 2.0 AS y, i AS x FROM range(5) AS t(i)", {"target": "y"}, DataError, "continuous"),
        ("SELECT i / 2.0 AS y, i AS x FROM range(5) AS t(i)", {"formula": "y ~ x"}, DataError, "continuous"),
        ("SELECT i AS y, i AS x FROM range(5) AS t(i)", {"formula": "I(y / 2) ~ x"}, DataError, "continuous"),
        ("SELECT i AS y, i AS x FROM range(5) AS t(i)", {"target": ["y", "x"]}, TypeError, "2 columns"),
        ("SELECT i AS y, i AS x FROM range(5) AS t(i)", {"formula": "I(y) + x ~ 1"}, TypeError, "2 targets"),
        (
            "SELECT 'r' || i AS y, i AS x FROM range(3000) AS t(i)",
            {"target": "y"},
            DataError,
            "3,000 classes",
        ),
        ("SELECT i AS y, i AS x FROM range(3000) AS t(i)", {"target": "y"}, DataError, "3,000 classes"),
        ("SELECT DATE '2020-01-01' AS y, 1 AS x", {"target": "y"}, TypeError, "'y'.*DATE"),
        ("SELECT 'a' AS y, 1 AS x", {"formula": "y ~ x + y"}, FormulaError, "both sides"),
        ("SELECT 9007199254740993::BIGINT AS y, 1 AS x", {"target": "y"}, DataError, "2\\*\\*53"),
    ],
    ids=str,
)
def test_targets_of_files_that_are_no_labels(what, arguments, error, words):
    with pytest.raises(error, match=words):
        query(what, **arguments, labels=True)


def test_text_without_labels_says_what_to_do():
    with pytest.raises(TypeError, match="labels=True"):
        query("SELECT 'a' AS y, 1 AS x", target="y")


@pytest.mark.parametrize("formula", ["y + x ~ 1", "y + kind ~ x", "I(y / 3) + x ~ 1"])
def test_several_targets_are_no_labels(make, formula):
    with pytest.raises(TypeError, match=r"one column|whole left side"):
        read_formula(formula, make({"y": [0.0, 3.0], "x": [3.0, 6.0], "kind": ["a", "b"]}), labels=True)


@pytest.mark.parametrize("labels", ["text", "booleans", "numbers"])
def test_labels_training_did_not_have(make, labels):
    design, _ = read_formula("y ~ x", make({"y": LABELS[labels][1:3], "x": X[1:3]}), labels=True)
    if labels == "booleans":
        design, _ = read_formula("y ~ x", make({"y": [False, False], "x": X[1:3]}), labels=True)
    with pytest.raises(UnseenLevelError, match="'y' has"):
        design.targets(make({"y": LABELS[labels], "x": X}))
    with pytest.raises(MissingValueError, match="'y'"):
        design.targets(make({"y": [None, LABELS[labels][1]], "x": X[:2]}))


def test_labels_that_change_between_query_and_reading(tmp_path):
    for kind, before, after in (("text", "'a'", "'z'"), ("number", "3", "8")):
        path = tmp_path / f"{kind}.parquet"
        rows = "COPY (SELECT 1.0 AS x, {} AS y UNION ALL SELECT 2.0, {}) TO '{}'"
        duckdb.sql(rows.format(before, before, path))
        source = query(path, target="y", labels=True)
        duckdb.sql(rows.format(before, after, path))
        with pytest.raises(UnseenLevelError, match="'y' has"):
            list(source.blocks())


def test_sources_say_their_classes():
    classes = np.array(["a", "b"])
    source = ArraySource(np.ones((2, 1)), np.array([0.0, 1.0]), classes=classes)
    assert ScaledSource(source, np.ones(1), np.ones(1)).classes is classes
    for numbers in (
        ArraySource(np.ones((2, 1)), np.ones(2)),
        read_inputs(pd.DataFrame({"x": [1.0, 2.0]}), [0, 1])[1],
        read_formula("y ~ x", pd.DataFrame({"x": [1.0, 2.0], "y": [0, 1]}))[1],
        query("SELECT 1 AS x, 1 AS y", target="y"),
    ):
        assert numbers.classes is None


@pytest.mark.parametrize("classes", [3, [None], [["a"]]])
def test_damaged_classes_are_refused(classes):
    design, _ = read_formula("y ~ x", pd.DataFrame({"y": ["a", "b"], "x": [1.0, 2.0]}), labels=True)
    with pytest.raises(StorageError, match="classes"):
        design_from_dict({**design.to_dict(), "classes": classes})


@given(
    st.one_of(
        st.lists(st.integers(-(2**53) + 1, 2**53 - 1), min_size=1),
        st.lists(st.integers(-3, 3), min_size=1),
        st.lists(st.text(max_size=3).filter(lambda t: "\0" not in t), min_size=1),
        st.lists(st.booleans(), min_size=1),
    )
)
def test_as_numpy_unique(labels):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, codes, classes = read_labels(labels, len(labels))
    agrees((codes, classes), labels)
    np.testing.assert_array_equal(classes[codes.astype(int)], np.asarray(labels))

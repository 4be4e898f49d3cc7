"""TableDesign: every kind of table gives the same X, and what cannot be used is refused by name."""

from __future__ import annotations

import datetime
import decimal
import json

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from betahat.data import TableDesign, design_from_dict, learn_table
from betahat.errors import (
    CollinearityWarning,
    DataError,
    MissingRowsWarning,
    MissingValueError,
    StorageError,
    UnseenLevelError,
)

COLUMNS = {
    "x": [0.5, 1.5, -2.0, 4.0],
    "flag": [True, False, True, True],
    "count": [3, 1, 4, 1],
    "kind": ["b", "a", "c", "a"],
}
NAMES = ("x", "flag", "count", "kind[b]", "kind[c]")
X = np.array([[0.5, 1, 3, 1, 0], [1.5, 0, 1, 0, 0], [-2, 1, 4, 0, 1], [4, 1, 1, 0, 0]])


def test_every_kind_of_table_gives_the_same_matrix(make):
    design, matrix, keep = learn_table(make(COLUMNS))
    assert design.names == NAMES
    assert keep is None
    assert matrix.dtype == np.float64
    np.testing.assert_array_equal(matrix, X)


def test_a_stored_design_predicts_the_same_from_other_columns_and_order(make):
    design = design_from_dict(json.loads(json.dumps(TableDesign.learn(make(COLUMNS)).to_dict())))
    other = {"extra": ["z"] * 2, **{name: COLUMNS[name][2:] for name in reversed(COLUMNS)}}
    np.testing.assert_array_equal(design.matrix(make(other)), X[2:])


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"kind": ["z", "a", "y", "q"]}, UnseenLevelError, ["'kind'", "'q', 'y', 'z'", "3 rows"]),
        ({"x": [1.0, None, 2.0, None]}, MissingValueError, ["'x' (2)", "mean"]),
        ({"kind": ["a", None, "b", "c"]}, MissingValueError, ["'kind' (1)"]),
        ({"x": [1.0, float("inf"), 2.0, 3.0]}, DataError, ["infinite", "'x' (1)"]),
        ({"x": None}, DataError, ["no column 'x'"]),
        ({"x": ["one", "two", "three", "four"]}, TypeError, ["'x'", "number in training"]),
        ({"count": [1, 2, 3, 2**53]}, DataError, ["'count'", "2**53"]),
    ],
)
def test_prediction_refuses_by_name(make, change, error, words):
    design = TableDesign.learn(make(COLUMNS))
    columns = {name: values for name, values in {**COLUMNS, **change}.items() if values is not None}
    with pytest.raises(error) as caught:
        design.matrix(make(columns))
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("column", ["x", "flag", "kind"])
@pytest.mark.parametrize("missing", ["error", "drop", "mean"])
def test_missing_values_under_each_policy(make, column, missing):
    columns = {**COLUMNS, column: [*COLUMNS[column][:3], None]}
    table = make(columns)
    if missing == "drop":
        with pytest.warns(MissingRowsWarning, match=r"1 of 4 rows .*" + column):
            design, matrix, keep = learn_table(table, missing)
        np.testing.assert_array_equal(keep, [True, True, True, False])
        np.testing.assert_array_equal(matrix, X[:3])
    elif missing == "mean" and column != "kind":
        design, matrix, keep = learn_table(table, missing)
        mean = np.mean([float(value) for value in COLUMNS[column][:3]])
        place = NAMES.index(column)
        assert matrix[3, place] == mean
        np.testing.assert_array_equal(np.delete(matrix, place, axis=1), np.delete(X, place, axis=1))
        np.testing.assert_array_equal(design_from_dict(design.to_dict()).matrix(table), matrix)
    else:
        with pytest.raises(MissingValueError, match=rf"'{column}' \(1\).*'drop'"):
            learn_table(table, missing)


def test_a_level_of_dropped_rows_alone_is_no_level(make):
    columns = {"x": [1.0, 2.0, None, 4.0], "kind": ["a", "b", "c", "a"]}
    with pytest.warns(MissingRowsWarning):
        design, matrix, _ = learn_table(make(columns), "drop")
    assert design.names == ("x", "kind[b]")
    np.testing.assert_array_equal(matrix, [[1, 0], [2, 1], [4, 0]])


def test_all_rows_dropped_is_an_error(make):
    with pytest.raises(DataError, match="no row is complete"):
        learn_table(make({"x": [1.0, None], "z": [None, 1.0]}), "drop")


def test_infinity_is_never_missing(make):
    columns = {"x": [1.0, float("inf"), 3.0], "z": [1.0, 2.0, 3.0]}
    for missing in ("error", "drop", "mean"):
        with pytest.raises(DataError, match=r"infinite values in 'x' \(1\)"):
            learn_table(make(columns), missing)


@pytest.mark.parametrize("missing", ["error", "drop", "mean"])
def test_values_whose_sum_overflows_are_finite(make, missing):
    columns = {"x": [1.7e308, 1.7e308, 1.0]}
    np.testing.assert_array_equal(learn_table(make(columns), missing)[1][:, 0], columns["x"])


@pytest.mark.parametrize(
    ("values", "order"),
    [
        (pd.Series(pd.Categorical(["a", "b", "z"], categories=["z", "unused", "b", "a"])), ("z", "b", "a")),
        (pd.Series(["a", "b", "z"], dtype="category"), ("a", "b", "z")),
        (pd.Series([10, 9, 10], dtype="category"), ("9", "10")),
        (pd.Series(pd.cut([1, 5, 5], [0, 3, 6])), ("(0, 3]", "(3, 6]")),
        (pl.Series(["a", "b", "z"], dtype=pl.Enum(["z", "unused", "b", "a"])), ("z", "b", "a")),
        (pl.Series(["z", "a", "b"], dtype=pl.Categorical), ("a", "b", "z")),
        (pa.chunked_array([pa.array(["z", "a", "b"]).dictionary_encode()]), ("a", "b", "z")),
    ],
    ids=str,
)
def test_order_of_levels(values, order):
    frame = {pd.Series: pd.DataFrame, pl.Series: pl.DataFrame}.get(type(values), pa.table)({"k": values})
    design, matrix, _ = learn_table(frame)
    assert design.columns[0].levels == order
    texts = [str(value) for value in values.to_pylist()] if frame is None else None
    texts = texts or [
        str(value) for value in (values.to_pylist() if hasattr(values, "to_pylist") else values)
    ]
    np.testing.assert_array_equal(matrix, [[float(text == level) for level in order[1:]] for text in texts])


def test_decimals_are_numbers():
    values = [decimal.Decimal("1.5"), decimal.Decimal("-2.25")]
    for table in (pd.DataFrame({"d": values}), pl.DataFrame({"d": values}), pa.table({"d": values})):
        np.testing.assert_array_equal(learn_table(table)[1][:, 0], [1.5, -2.25])


@pytest.mark.parametrize(
    ("table", "names", "matrix"),
    [
        (
            pd.DataFrame({"x": pd.arrays.SparseArray([0.0, 3.0, 0.0]), "z": [1, 2, 3]}),
            ("x", "z"),
            [[0, 1], [3, 2], [0, 3]],
        ),
        (pd.get_dummies(pd.Series(list("aba")), sparse=True), ("a", "b"), [[1, 0], [0, 1], [1, 0]]),
        (pd.DataFrame({"x": np.array([1, 2, 4], np.longdouble)}), ("x",), [[1], [2], [4]]),
        (pa.table({"k": pa.array(["a", "b", None], pa.string_view())}).slice(0, 2), ("k[b]",), [[0], [1]]),
    ],
    ids=["sparse", "sparse dummies", "long double", "string views"],
)
def test_unusual_columns_are_read(table, names, matrix):
    design, found, _ = learn_table(table)
    assert design.names == names
    np.testing.assert_array_equal(found, matrix)
    np.testing.assert_array_equal(design.matrix(table), matrix)


def test_categories_that_read_alike_are_refused():
    table = pd.DataFrame({"k": pd.Categorical([1, "1", 2])})
    with pytest.raises(DataError, match="'k' has several categories that read '1'"):
        learn_table(table)


@pytest.mark.parametrize(
    "values",
    [
        [datetime.date(2020, 1, 1), datetime.date(2020, 1, 2)],
        [datetime.datetime(2020, 1, 1), datetime.datetime(2020, 1, 2)],
        [datetime.timedelta(1), datetime.timedelta(2)],
        [[1], [2]],
        [{"a": 1}, {"a": 2}],
    ],
    ids=["date", "datetime", "duration", "list", "struct"],
)
@pytest.mark.parametrize("kind", [pd.DataFrame, pl.DataFrame, pa.table])
def test_other_dtypes_are_refused_by_name(kind, values):
    with pytest.raises(TypeError, match=r"column 'when'.*leave the column out"):
        learn_table(kind({"x": [1.0, 2.0], "when": values}))


@pytest.mark.parametrize("values", [[1, "a"], [1j, 2j], [1, "2"]], ids=str)
def test_mixed_and_complex_columns_are_refused(values):
    with pytest.raises(TypeError, match="column 'm'"):
        learn_table(pd.DataFrame({"m": pd.Series(values, dtype=object)}))


def test_repeated_names_are_refused():
    twice = pd.DataFrame([[1.0, 2.0]], columns=["x", "x"])
    arrow = pa.table([pa.array([1.0]), pa.array([2.0])], names=["x", "x"])
    for table in (twice, arrow):
        with pytest.raises(DataError, match="more than one column named 'x'"):
            learn_table(table)
    with pytest.raises(DataError, match=r"'k\[b\]'"):
        learn_table(pd.DataFrame({"k": ["a", "b"], "k[b]": [1.0, 2.0]}))


def test_identifiers_are_refused(make):
    with pytest.raises(DataError, match="'id' has 1,500 levels in 2,000 rows"):
        learn_table(make({"id": [f"r{i % 1500}" for i in range(2000)]}))
    design = TableDesign.learn(make({"id": [f"r{i % 900}" for i in range(1000)]}))
    assert len(design.names) == 899


def test_one_level_contributes_nothing_and_is_named(make):
    table = make({"x": [1.0, 2.0], "kind": ["a", "a"]})
    with pytest.warns(CollinearityWarning, match=r"'kind' has one level only \('a'\)"):
        design, matrix, _ = learn_table(table)
    assert design.names == ("x",)
    np.testing.assert_array_equal(matrix, [[1.0], [2.0]])


@pytest.mark.parametrize("table", [[[1.0]], np.ones((2, 2)), None, "x", pd.Series([1.0])], ids=str)
def test_what_is_no_table_is_refused(table):
    with pytest.raises(TypeError, match="pandas, polars or pyarrow"):
        learn_table(table)


@pytest.mark.parametrize("table", [pd.DataFrame(), pl.DataFrame({"x": []}), pa.table({})], ids=repr)
def test_nothing_to_fit(table):
    with pytest.raises(DataError, match="nothing to fit"):
        learn_table(table)


def test_a_plain_float_table_is_not_copied():
    table = pd.DataFrame(np.arange(12.0).reshape(4, 3), columns=list("abc"))
    assert np.shares_memory(learn_table(table)[1], table.to_numpy())


def test_integer_column_labels_become_names():
    design, matrix, _ = learn_table(pd.DataFrame(np.arange(4).reshape(2, 2)))
    assert design.names == ("0", "1")
    np.testing.assert_array_equal(matrix, [[0, 1], [2, 3]])


@given(
    st.lists(
        st.tuples(st.floats(-1e300, 1e300), st.sampled_from("abcdé"), st.booleans()), min_size=2, max_size=30
    ).filter(lambda rows: len({row[1] for row in rows}) > 1)
)
def test_coding_can_be_undone(rows):
    numbers, letters, flags = map(list, zip(*rows, strict=True))
    columns = {"x": numbers, "k": letters, "f": flags}
    made = [learn_table(kind(columns)) for kind in (pd.DataFrame, pl.DataFrame, pa.table)]
    design, matrix, _ = made[0]
    assert all(other.names == design.names for other, _, _ in made)
    for _, other, _ in made:
        np.testing.assert_array_equal(other, matrix)
    levels = design.columns[1].levels
    assert levels is not None
    dummies = matrix[:, 1:-1]
    assert dummies.sum(axis=1).max() <= 1
    decoded = [levels[int(np.argmax(row)) + 1] if row.any() else levels[0] for row in dummies]
    assert decoded == letters
    np.testing.assert_array_equal(matrix[:, [0, -1]], np.column_stack([numbers, flags]))


@pytest.mark.parametrize(
    "stored",
    [
        None,
        {},
        {"kind": "pickle"},
        {"kind": "columns"},
        {"kind": "columns", "missing": "error", "columns": [{"name": 3}]},
        {"kind": "columns", "missing": "perhaps", "columns": []},
        {"kind": "columns", "missing": "error", "columns": [{"name": "a"}, {"name": "a"}]},
        {"kind": "columns", "missing": "error", "columns": [{"name": "a", "levels": [1, 2]}]},
        {"kind": "formula", "missing": "error", "columns": []},
    ],
    ids=str,
)
def test_damaged_designs_are_refused(stored):
    with pytest.raises(StorageError):
        design_from_dict(stored)

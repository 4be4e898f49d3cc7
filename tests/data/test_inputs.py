"""What fit() is given: lengths, kinds, weights, groups."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from betahat.data import group_codes, read_formula, read_inputs
from betahat.errors import DataError, MissingRowsWarning, MissingValueError

TABLE = {"x": [1.0, 2.0, 3.0, 4.0], "kind": ["a", "b", "a", "b"]}
Y = [1.0, 2.0, 4.0, 8.0]


@pytest.mark.parametrize(
    ("y", "names"),
    [
        (Y, ("y",)),
        (np.array(Y, dtype=np.float32), ("y",)),
        (np.array(Y).reshape(-1, 1), ("y",)),
        (np.column_stack([Y, Y]), ("y1", "y2")),
        (pd.Series(Y, name="price"), ("price",)),
        (pd.Series([1, 2, 4, 8], dtype="Int64"), ("y",)),
        (pl.Series("price", Y), ("price",)),
        (pa.chunked_array([Y]), ("y",)),
        (pd.DataFrame({"a": Y}), ("a",)),
        (pl.DataFrame({"a": Y, "b": Y}), ("a", "b")),
        (pa.table({"a": Y}), ("a",)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_targets_of_every_kind(make, y, names):
    design, source = read_inputs(make(TABLE), y)
    block = next(source.blocks())
    assert source.names == design.names == ("x", "kind[b]")
    assert source.target_names == names
    np.testing.assert_array_equal(block.y, np.column_stack([Y] * len(names)))
    np.testing.assert_array_equal(block.X, [[1, 0], [2, 1], [3, 0], [4, 1]])


@pytest.mark.parametrize("argument", ["y", "sample_weight", "frequency_weight", "groups"])
def test_lengths_are_named(make, argument):
    arguments = {"y": Y, argument: [1, 2, 3]}
    with pytest.raises(DataError, match=rf"`{argument}` has 3 .* 4"):
        read_inputs(make(TABLE), **arguments)


def test_rows_drop_for_target_and_weights_too(make):
    table = {"x": [1.0, 2.0, 3.0, 4.0], "y": [None, 1.0, 1.0, 1.0]}
    weights, frequencies = [1.0, np.nan, 2.0, 3.0], [1, 1, 2, 3]
    with pytest.warns(MissingRowsWarning, match="2 of 4 rows"):
        design, source = read_inputs(make(table), Y, weights, frequencies, list("ppqr"), missing="drop")
    block = next(source.blocks())
    np.testing.assert_array_equal(block.X, [[3, 1], [4, 1]])
    np.testing.assert_array_equal(block.y, [[4], [8]])
    np.testing.assert_array_equal(block.weight, [2, 3])
    np.testing.assert_array_equal(block.frequency, [2, 3])
    np.testing.assert_array_equal(block.groups, [[1], [2]])
    assert design.names == ("x", "y")


def test_a_missing_target_is_seen_behind_a_column_of_its_name(make):
    with pytest.raises(MissingValueError, match="y"):
        read_inputs(make({"y": [1.0, 2.0]}), [1.0, None])


@pytest.mark.parametrize("missing", ["error", "mean"])
@pytest.mark.parametrize("argument", ["y", "sample_weight"])
def test_targets_and_weights_are_never_filled(make, missing, argument):
    with pytest.raises(MissingValueError, match=rf"'{argument}' \(1\)"):
        read_inputs(make(TABLE), **{"y": Y, argument: [1.0, None, 1.0, 1.0]}, missing=missing)


@pytest.mark.parametrize(
    ("arguments", "error", "word"),
    [
        ({"y": list("abcd")}, TypeError, "numbers are expected"),
        ({"y": pl.Series(list("abcd"))}, TypeError, "numbers are expected"),
        ({"y": np.ones((4, 1, 1))}, DataError, "shape"),
        ({"y": [1.0, np.inf, 1.0, 1.0]}, DataError, "infinite"),
        ({"y": Y, "sample_weight": [1.0, -1.0, 1.0, 1.0]}, DataError, "negative"),
        ({"y": Y, "frequency_weight": [1.0, 1.5, 1.0, 1.0]}, DataError, "1.5 is not a whole number"),
        ({"y": pd.Series([2**60, 1, 2, 3])}, DataError, "column 'y' holds integers"),
        ({"y": pd.Series([None] * 4)}, MissingValueError, "'y'"),
        ({"y": np.ma.masked_equal(Y, Y[1])}, MissingValueError, "'y'"),
        (
            {"y": Y, "sample_weight": np.ma.masked_equal([1.0, 2.0, 3.0, 4.0], 2.0)},
            MissingValueError,
            "weight",
        ),
        ({"y": Y, "sample_weight": -1.0}, DataError, "negative"),
        ({"y": Y, "sample_weight": np.ones((4, 2))}, DataError, "2 columns"),
        ({"y": Y, "missing": "ignore"}, ValueError, "'error', 'drop', 'mean'"),
    ],
    ids=str,
)
def test_wrong_inputs_are_named(arguments, error, word):
    with pytest.raises(error, match=word):
        read_inputs(pd.DataFrame(TABLE), **arguments)


def test_one_number_weighs_every_row(make):
    source = read_inputs(make(TABLE), Y, sample_weight=2, frequency_weight=np.int64(3))[1]
    block = next(source.blocks())
    np.testing.assert_array_equal(block.weight, [2.0] * 4)
    np.testing.assert_array_equal(block.frequency, [3.0] * 4)


@pytest.mark.parametrize(
    ("groups", "codes"),
    [
        (["b", "a", "b"], [[0], [1], [0]]),
        ([3, 1, 3], [[1], [0], [1]]),
        ([(1, "p"), (1, "q"), (2, "p")], [[0, 0], [0, 1], [1, 0]]),
        ([1, "1", 1], [[0], [1], [0]]),
        (np.array([[7, 1], [8, 1], [7, 2]]), [[0, 0], [1, 0], [0, 1]]),
        (pd.Series(["b", "a", "b"], dtype="category"), [[0], [1], [0]]),
        (pd.Series(pd.to_datetime(["2020-01-01", "2021-01-01", "2020-01-01"])), [[0], [1], [0]]),
        (pl.DataFrame({"firm": ["u", "v", "u"], "year": [1, 1, 2]}), [[0, 0], [1, 0], [0, 1]]),
        (pa.table({"firm": ["u", "v", "u"]}), [[0], [1], [0]]),
        (pl.Series([9, 2**100, 9], dtype=pl.Int128), [[0], [1], [0]]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_group_codes(groups, codes):
    found = group_codes(groups, 3)
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, codes)


@pytest.mark.parametrize(
    ("groups", "error"),
    [
        (["a", None, "b"], MissingValueError),
        ([1.0, np.nan, 2.0], MissingValueError),
        (pd.Series([1, None, 2], dtype="Int64"), MissingValueError),
        (pl.Series(["a", None, "b"]), MissingValueError),
        (pd.Series([pd.Timestamp("2020-01-01"), pd.NaT, pd.NaT]), MissingValueError),
        (np.ones((3, 3)), DataError),
        (np.ma.masked_equal(["a", "b", "c"], "b"), MissingValueError),
        (np.ma.masked_equal([1, 2, 3], 2), MissingValueError),
        (pl.Series([[1, 2], [3, 4], [1, 2]], dtype=pl.Array(pl.Int64, 2)), TypeError),
        (["a", "b"], DataError),
        ([[1], [1, 2], [3]], (DataError, TypeError)),
        (3, DataError),
    ],
    ids=str,
)
def test_groups_are_refused(groups, error):
    with pytest.raises(error, match="`groups`"):
        group_codes(groups, 3)


def test_formula_takes_weights_and_groups_by_name(make):
    data = {"y": Y, "x": [1.0, 2.0, 3.0, 4.0], "w": [1, 2, 3, 4], "f": [1, 1, 2, 2], "g": list("abab")}
    design, source = read_formula("y ~ .", make(data), sample_weight="w", frequency_weight="f", groups="g")
    block = next(source.blocks())
    assert design.names == ("x",)
    np.testing.assert_array_equal(block.weight, data["w"])
    np.testing.assert_array_equal(block.frequency, data["f"])
    np.testing.assert_array_equal(block.groups, [[0], [1], [0], [1]])

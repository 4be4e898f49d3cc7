"""Predictions of files: in the order of the rows, beside all given columns, whole or not at all."""

from __future__ import annotations

import duckdb
import numpy as np
import pytest

from betahat.data import Block, iter_design_blocks, query, write_predictions
from betahat.errors import DataError, MissingValueError, UnseenLevelError

ROWS = 30_000
SQL = f"SELECT i AS id, i / 7.0 AS x, 'k' || (i % 3) AS kind, 3.0 * i AS y FROM range({ROWS}) AS t(i)"


@pytest.fixture(scope="module")
def design():
    return query(SQL, target="y", columns=["x", "kind"]).design


def twice(rows: Block) -> dict[str, np.ndarray]:
    X = rows.X
    return {"prediction": 2 * X[:, 0], "class": np.where(X[:, 1] > 0, "one", "other")}


@pytest.mark.parametrize("given", ["parquet", "csv", "sql"])
@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_rows_columns_and_order(tmp_path, design, given, suffix):
    what = SQL
    if given != "sql":
        what = tmp_path / f"in.{given}"
        duckdb.sql(f"COPY ({SQL}) TO '{what}'")
    out = tmp_path / f"out{suffix}"
    out.write_text("the old one")
    assert write_predictions(what, design, twice, out, block_rows=1000) == ROWS
    rows = duckdb.sql(f"SELECT id, x, kind, y, prediction, class FROM '{out}'").fetchnumpy()
    np.testing.assert_array_equal(rows["id"], np.arange(ROWS))
    np.testing.assert_allclose(rows["x"], np.arange(ROWS) / 7, rtol=1e-14)
    np.testing.assert_array_equal(rows["prediction"], 2 * rows["x"])
    np.testing.assert_array_equal(rows["class"], np.where(rows["kind"] == "k1", "one", "other"))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        {out.name} | ({f"in.{given}"} if given != "sql" else set())
    )


def test_csv_fields_stay_what_they_are(tmp_path, design):
    path, out = tmp_path / "in.csv", tmp_path / "out.csv"
    path.write_text("zip,x,kind,note\n007,1.50,k0,NA\n01234,2.00,k1,a b\n")
    write_predictions(path, design, twice, out)
    assert out.read_text() == (
        "zip,x,kind,note,prediction,class\n007,1.50,k0,NA,3.0,other\n01234,2.00,k1,a b,4.0,one\n"
    )


@pytest.mark.parametrize(
    ("what", "predict", "name", "error", "words"),
    [
        ("SELECT NULL::DOUBLE AS x, 'k0' AS kind", twice, "o.csv", MissingValueError, r"'x' \(1\)"),
        ("SELECT 1 AS x, 'k9' AS kind", twice, "o.csv", UnseenLevelError, r"'kind' has 'k9'"),
        ("SELECT 1 AS x", twice, "o.csv", DataError, "no column 'kind'"),
        ("SELECT 'a' AS x, 'k0' AS kind", twice, "o.csv", TypeError, "'x' must be a number"),
        ("SELECT 1 AS x, 'k0' AS kind WHERE false", twice, "o.csv", DataError, "no rows"),
        (f"SELECT *, 1 AS Prediction FROM ({SQL})", twice, "o.csv", DataError, "'prediction' already"),
        (SQL, lambda rows: {"p": rows.X}, "o.csv", DataError, "'p' of shape"),
        (SQL, lambda rows: {}, "o.csv", DataError, "no columns"),
        (SQL, twice, "o.xlsx", ValueError, r"\.parquet or \.pq or \.csv"),
        (SQL, twice, "nowhere/o.csv", ValueError, "not there"),
    ],
)
def test_refusals_leave_the_old_file(tmp_path, design, what, predict, name, error, words):
    old = tmp_path / "o.csv"
    old.write_text("the old one")
    with pytest.raises(error, match=words):
        write_predictions(what, design, predict, tmp_path / name)
    assert old.read_text() == "the old one"
    assert [path.name for path in tmp_path.iterdir()] == ["o.csv"]


def test_blocks_equal_the_design(design):
    X = np.concatenate([rows.X for rows in iter_design_blocks(SQL, design, block_rows=1234)])
    i = np.arange(ROWS)
    np.testing.assert_allclose(X, np.column_stack([i / 7, i % 3 == 1, i % 3 == 2]), rtol=1e-14)


@pytest.mark.parametrize("formula", ["y ~ 1", "y ~ log1p(x) * C(kind)"])
def test_formula_designs(formula):
    source = query(SQL, formula=formula)
    expected = np.concatenate([block.X for block in source.blocks()])
    np.testing.assert_array_equal(
        np.concatenate([rows.X for rows in iter_design_blocks(SQL, source.design)]), expected
    )
    assert expected.shape == (ROWS, len(source.names))


def test_means_fill_in_predictions():
    source = query("SELECT i AS x, i AS y FROM range(5) AS t(i)", target="y", missing="mean")
    blocks = list(iter_design_blocks("SELECT unnest([NULL, 7.0]) AS x", source.design))
    np.testing.assert_array_equal(np.concatenate([rows.X for rows in blocks]), [[2.0], [7.0]])

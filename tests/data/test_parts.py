"""Parts of files and tables that are read in any order: together they are all rows."""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd
import pytest

from betahat.data import ArraySource, query
from betahat.data.source import ScaledSource
from betahat.errors import DataError, MissingRowsWarning

N = 100_000


def table(n=N, first=0):
    i = np.arange(first, first + n)
    return pd.DataFrame({"x": i.astype(float), "kind": np.where(i % 3, "a", "b"), "y": 2.0 * i, "w": i + 1.0})


def parquet(folder):
    path = folder / "rows.parquet"
    table().to_parquet(path, row_group_size=7000)
    return str(path), 3


def files(folder):
    """Of many rows, few and one, some in several row groups; one name has a quote."""
    first = 0
    for name, n in (("a", 40_000), ("b'c", 10), ("d", 1), ("e", N - 40_011)):
        table(n, first).to_parquet(folder / f"{name}.parquet", row_group_size=9000)
        first += n
    return str(folder / "*.parquet"), 6


def database(folder):
    path = folder / "rows.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.register(
            "given", pd.concat([table(2 * N, -2 * N), table()])
        )  # of which the first are deleted
        connection.execute("CREATE TABLE rows AS FROM given")
        connection.execute("CREATE VIEW seen AS FROM rows")
        connection.execute("DELETE FROM rows WHERE x < 0")
        connection.execute("CREATE TABLE named AS SELECT *, 1.0 AS rowid FROM rows")
    return f"{path}::rows", None


@pytest.mark.parametrize("made", [parquet, files, database])
@pytest.mark.parametrize("backwards", [False, True])
def test_all_rows_once(made, backwards, tmp_path):
    what, parts = made(tmp_path)
    source = query(what, target="y", weights="w")
    assert source.parts == parts or (parts is None and source.parts > 1)
    order = range(source.parts)[::-1] if backwards else range(source.parts)
    seen: dict[int, list[np.ndarray]] = {}
    for part, block in source.read_parts(order):
        X = np.asarray(block.X)
        np.testing.assert_array_equal(X[:, 1], X[:, 0] % 3 == 0)
        np.testing.assert_array_equal(block.y[:, 0], 2 * X[:, 0])
        np.testing.assert_array_equal(block.weight, X[:, 0] + 1)
        seen.setdefault(part, []).append(X[:, 0])
    assert list(seen) == [k for k in order if k in seen]
    rows = np.concatenate([np.concatenate(seen[k]) for k in sorted(seen)])
    np.testing.assert_array_equal(rows, np.arange(N))
    whole = np.concatenate([np.asarray(block.X)[:, 0] for block in source.blocks()])
    np.testing.assert_array_equal(whole, rows)
    assert source.n_rows == N
    assert source.readings == 2


def test_one_part_where_rows_come_in_one_order_only(tmp_path):
    path, _ = parquet(tmp_path)
    table(100).to_csv(tmp_path / "rows.csv", index=False)
    table(100).assign(file_row_number=1.0).to_parquet(tmp_path / "named.parquet")
    base = database(tmp_path)[0].removesuffix("::rows")
    for what in (
        f"SELECT * FROM '{path}'", str(tmp_path / "rows.csv"), str(tmp_path / "named.parquet"), f"{base}::seen",
        f"{base}::named",
    ):  # fmt: skip
        source = query(what, target="y")
        assert source.parts == 1
        assert sum(len(block.X) for part, block in source.read_parts([0]) if part == 0) == (
            N if "duckdb" in what or "SELECT" in what else 100
        )
    memory = ArraySource(np.eye(3), np.arange(3.0))
    assert memory.parts == ScaledSource(memory, np.ones(3), np.ones(1)).parts == 1


def test_rows_left_out_are_told_once(tmp_path):
    frame = table()
    frame.loc[::10, "x"] = np.nan
    frame.to_parquet(tmp_path / "rows.parquet", row_group_size=7000)
    source = query(str(tmp_path / "rows.parquet"), target="y")
    with pytest.warns(MissingRowsWarning, match=r"10,000 of 100,000 rows"):
        first = sum(len(block.X) for _, block in source.read_parts([2, 0, 1]))
    assert first == source.n_rows == sum(len(block.X) for _, block in source.read_parts([0, 1, 2])) == 90_000


def test_a_missing_value_is_named_by_its_rows(tmp_path):
    frame = table()
    frame.loc[80_000, "x"] = np.nan
    frame.to_parquet(tmp_path / "rows.parquet", row_group_size=10_000)
    source = query(str(tmp_path / "rows.parquet"), target="y", missing="error")
    with pytest.raises(DataError, match=r"Counted in rows 80,001 to"):
        list(source.read_parts([0, 2, 1]))


def test_a_derived_source_has_the_same_parts(tmp_path):
    source = query(parquet(tmp_path)[0], target="y", columns=["x"])
    derived = ScaledSource(source, np.array([2.0]), np.ones(1))
    rows = np.concatenate([np.asarray(block.X)[:, 0] for _, block in derived.read_parts([2, 1, 0])])
    assert derived.parts == 3
    np.testing.assert_array_equal(np.sort(rows), 2.0 * np.arange(N))
    assert rows[0] > rows[-1]

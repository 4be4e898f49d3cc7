"""Files and SQL give the same numbers as the same table in memory."""

from __future__ import annotations

import threading
import warnings
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from betahat.data import Block, QuerySource, query, read_formula, read_inputs
from betahat.errors import (
    CollinearityWarning,
    DataError,
    FormulaError,
    MissingRowsWarning,
    MissingValueError,
)

ROWS = 3000


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    return pd.DataFrame(
        {
            "x": rng.normal(size=ROWS),
            "n": rng.integers(0, 50, ROWS),
            "flag": rng.integers(0, 2, ROWS).astype(bool),
            "kind": rng.choice(["b", "a", "it's", "ü"], ROWS),
            "cyl": rng.choice([4, 6, 8], ROWS),
            "y": rng.normal(size=ROWS),
            "w": rng.uniform(0.5, 2.0, ROWS),
            "f": rng.integers(1, 4, ROWS),
            "firm": rng.choice(["p", "q", "r"], ROWS),
        }
    )


@pytest.fixture(scope="module", params=["parquet", "csv", "csv.gz", "json", "duckdb", "glob", "sql"])
def what(
    request: pytest.FixtureRequest, table: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> str:
    folder = tmp_path_factory.mktemp("files")
    connection = duckdb.connect()
    connection.register("t", table)
    kind = request.param
    if kind == "duckdb":
        path = folder / "it's a file.duckdb"
        with duckdb.connect(path) as database:
            database.register("t", table)
            database.execute(
                'CREATE TABLE "my table" AS SELECT * FROM t; CREATE TABLE other AS SELECT 1 AS a'
            )
        return f"{path}::my table"
    if kind == "glob":
        for part in range(3):
            rows = f"SELECT * FROM t LIMIT 1000 OFFSET {1000 * part}"
            connection.execute(f"COPY ({rows}) TO '{folder}/part{part}.parquet'")
        return f"{folder}/part*.parquet"
    path = folder / f"data [1].{'parquet' if kind == 'sql' else kind}"
    connection.execute(f"COPY t TO '{path}'")
    return f"SELECT * FROM '{folder}/data*.parquet' ; " if kind == "sql" else str(path)


def joined(blocks: list[Block]) -> tuple[np.ndarray, ...]:
    parts = ((b.X, b.y, b.weight, b.frequency, b.groups) for b in blocks)
    return tuple(np.concatenate(values) for values in zip(*parts, strict=True) if values[0] is not None)


def test_same_numbers_as_in_memory(what, table):
    roles = {"weights": "w", "frequency": "f", "groups": "firm"}
    source = query(what, target="y", **roles, block_rows=700)
    assert source.n_rows is None
    first = list(source.blocks())
    assert len(first) > 3
    assert max(len(block.X) for block in first) <= 700
    design, memory = read_inputs(
        table[["x", "n", "flag", "kind", "cyl"]], table["y"], table["w"], table["f"], table["firm"]
    )
    expected = next(memory.blocks())
    assert source.names == design.names == source.design.names
    assert source.target_names == ("y",)
    X, y, w, f, groups = joined(first)
    np.testing.assert_array_equal(X, expected.X)
    np.testing.assert_array_equal(y, expected.y)
    np.testing.assert_array_equal(w, expected.weight)
    np.testing.assert_array_equal(f, expected.frequency)
    assert expected.groups is not None
    pairs = set(zip(groups[:, 0].tolist(), expected.groups[:, 0].tolist(), strict=True))
    assert len(pairs) == 3  # the same clusters, however they are numbered
    assert source.n_rows == ROWS
    for one, two in zip(joined(first), joined(list(source.blocks())), strict=True):
        np.testing.assert_array_equal(one, two)
    assert source.readings == 2
    assert not source.in_memory


@pytest.mark.parametrize(
    "formula",
    [
        "y ~ x",
        "y ~ x + kind",
        "y ~ 0 + kind",
        "y ~ kind*x + C(cyl)",
        "y ~ C(cyl, contr.sum):flag",
        "np.exp(y) + w ~ log1p(n) + x**2",
        "y ~ 1",
        "y ~ . - firm",
    ],
)
def test_formulas_as_in_memory(what, table, formula):
    design, memory = read_formula(formula, table)
    expected = next(memory.blocks())
    source = query(what, formula=formula, block_rows=1000)
    X, y = joined(list(source.blocks()))
    assert (source.names, source.target_names) == (design.names, design.target_names)
    np.testing.assert_allclose(X, expected.X, rtol=1e-15)
    np.testing.assert_allclose(y, expected.y, rtol=1e-15)
    assert source.design.has_intercept is design.has_intercept
    np.testing.assert_allclose(source.design.matrix(table), expected.X, rtol=1e-15)


@pytest.mark.parametrize("formula", ["y ~ center(x)", "y ~ poly(x, 2)", "y ~ bs(x, df=4)", "y ~ C(x > 0)"])
def test_functions_of_all_rows_are_refused_on_streams(what, formula):
    with pytest.raises(FormulaError, match="must see all rows"):
        query(what, formula=formula)


GAPS = (
    "SELECT CASE WHEN i % 4 = 0 THEN NULL WHEN i % 4 = 1 THEN 'nan'::DOUBLE ELSE i END AS x, "
    "CASE WHEN i % 10 = 2 THEN NULL WHEN i % 4 = 0 THEN 'only dropped' ELSE 'k' || (i % 3) END AS kind, "
    "2.0 * i AS y FROM range(100) AS t(i)"
)
KEPT = [i for i in range(100) if i % 4 > 1 and i % 10 != 2]


def test_drop_warns_once_and_only_kept_rows_give_levels():
    source = query(GAPS, target="y", block_rows=10)
    with pytest.warns(MissingRowsWarning, match=r"55 of 100 rows .*'x' \(50\).*'kind' \(10\)"):
        X, y = joined(list(source.blocks()))
    assert source.names == ("x", "kind[k1]", "kind[k2]")
    np.testing.assert_array_equal(X[:, 0], KEPT)
    np.testing.assert_array_equal(y[:, 0], 2.0 * np.array(KEPT))
    np.testing.assert_array_equal(X[:, 1:], [[i % 3 == 1, i % 3 == 2] for i in KEPT])
    assert source.n_rows == len(KEPT)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(joined(list(source.blocks()))[0], X)


def test_error_names_columns():
    source = query(GAPS, target="y", missing="error")
    with pytest.raises(MissingValueError, match=r"'x' \(50\), 'kind' \(10\).*rows 1 to 100"):
        list(source.blocks())


def test_mean_fills_numbers_with_their_mean():
    source = query(GAPS, target="y", columns=["x"], missing="mean", block_rows=30)
    X = joined(list(source.blocks()))[0][:, 0]
    there = np.array([i for i in range(100) if i % 4 > 1], dtype=float)
    np.testing.assert_allclose(X, [i if i % 4 > 1 else there.mean() for i in range(100)], rtol=1e-15)
    table = pd.DataFrame({"x": [np.nan]})
    np.testing.assert_allclose(source.design.matrix(table), [[there.mean()]], rtol=1e-15)
    with pytest.raises(MissingValueError, match=r"'kind' \(10\)"):
        list(query(GAPS, target="y", missing="mean").blocks())


def test_csv_words_for_missing(tmp_path):
    path = tmp_path / "r.csv"
    path.write_text("x,y\n1,2\nNA,3\n,4\n5,6\n")
    source = query(path, target="y")
    with pytest.warns(MissingRowsWarning, match="2 of 4 rows"):
        X, y = joined(list(source.blocks()))
    np.testing.assert_array_equal(np.hstack([X, y]), [[1, 2], [5, 6]])


def test_enum_levels_keep_their_order():
    sql = (
        "SELECT CAST(v AS ENUM ('z', 'unused', 'a')) AS k, 1.0 AS y FROM (VALUES ('a'), ('z'), ('a')) AS t(v)"
    )
    source = query(sql, target="y")
    assert source.names == ("k[a]",)
    np.testing.assert_array_equal(joined(list(source.blocks()))[0], [[1], [0], [1]])


def test_one_level_is_named():
    with pytest.warns(CollinearityWarning, match="'k' has one level"):
        source = query("SELECT 'a' AS k, 1.0 AS x, 2.0 AS y", target="y")
    assert source.names == ("x",)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"what": "nowhere.csv", "target": "y"}, DataError, ["'nowhere.csv'", "current folder"]),
        ({"what": "nowhere.duckdb::t", "target": "y"}, DataError, ["database 'nowhere.duckdb'"]),
        ({"what": "SELECT 1 AS x", "target": "X1"}, DataError, ["no column 'X1'"]),
        ({"what": "SELECT 1 AS price, 2 AS y", "target": "pricee"}, DataError, ["did you mean 'price'"]),
        ({"what": "SELECT 1 AS x, 2 AS y", "target": "y", "columns": ["xx"]}, DataError, ["no column 'xx'"]),
        ({"what": "SELECT 1 AS x, 2 AS y", "target": "y", "columns": ["y"]}, ValueError, ["'y'"]),
        ({"what": "SELECT 1 AS x, 'a' AS y", "target": "y"}, TypeError, ["target 'y' is VARCHAR"]),
        ({"what": "SELECT 1 AS x, 'a' AS y", "formula": "y ~ x"}, TypeError, ["target 'y'"]),
        ({"what": "SELECT 1 AS x, 2 AS y"}, ValueError, ["`target`"]),
        ({"what": "SELECT 1 AS x, 2 AS y", "target": "y", "formula": "y ~ x"}, ValueError, ["not both"]),
        ({"what": "SELECT 1 AS y", "target": "y"}, DataError, ["nothing to fit with"]),
        ({"what": "SELECT * FROM nowhere", "target": "y"}, DataError, ["DuckDB says", "nowhere"]),
        ({"what": "SELECT 1 AS x; SELECT 2", "target": "x"}, DataError, ["DuckDB says"]),
        ({"what": "SELECT DATE '2020-01-01' AS d, 1 AS y", "target": "y"}, TypeError, ["'d'", "DATE"]),
        ({"what": "SELECT [1] AS d, 1 AS y", "target": "y"}, TypeError, ["'d'", "INTEGER[]"]),
        ({"what": "SELECT 1 AS x, 2 AS y", "target": "y", "memory_limit": "much"}, ValueError, ["'much'"]),
        (
            {"what": "SELECT 1 AS x, 2 AS y", "target": "y", "block_rows": 0},
            ValueError,
            ["`block_rows` (=0)"],
        ),
        ({"what": "SELECT 1 AS x, 2 AS y", "target": "y", "missing": "skip"}, ValueError, ["'skip'"]),
        ({"what": "SELECT 1 AS x, 2 AS y, 'a' AS w", "target": "y", "weights": "w"}, TypeError, ["'w'"]),
        ({"what": pd.DataFrame({"x": [1]}), "target": "x"}, TypeError, ["DataFrame", "fit()"]),
        ({"what": ".", "target": "x"}, DataError, ["folder"]),
        (
            {"what": "SELECT 'r' || i AS id, 1 AS y FROM range(2000) AS t(i)", "target": "y"},
            DataError,
            ["'id' has 2,000 levels"],
        ),
        ({"what": "SELECT 1 AS x, 2 AS y", "formula": "y ~ xx"}, FormulaError, ["no column 'xx'"]),
    ],
    ids=lambda value: str(value)[:60],
)
def test_refusals_before_reading(arguments, error, words):
    with pytest.raises(error) as caught:
        query(**arguments)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("sql", "error", "words"),
    [
        ("SELECT 1 AS x, 2 AS y WHERE false", DataError, ["no rows"]),
        ("SELECT NULL::INT AS x, 2 AS y", DataError, ["no row is complete"]),
        ("SELECT 1 / 0.0 AS x, 2 AS y", DataError, ["infinite", "'x'"]),
        ("SELECT 9007199254740993::BIGINT AS x, 2 AS y", DataError, ["'x'", "2**53"]),
        ("SELECT error('boom')::INT AS x, 2 AS y FROM range(3)", DataError, ["boom"]),
    ],
)
def test_refusals_while_reading(sql, error, words):
    with pytest.raises(error) as caught:
        list(query(sql, target="y").blocks())
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("column", "arguments", "word"),
    [
        ("-1.0", {"weights": "w"}, "negative"),
        ("0.5", {"frequency": "w"}, "not a whole number"),
        ("CASE WHEN i > 3 THEN i END", {"groups": "w"}, "missing"),
    ],
)
def test_weights_and_groups_are_checked(column, arguments, word):
    source = query(f"SELECT i AS x, i AS y, {column} AS w FROM range(9) AS t(i)", target="y", **arguments)
    with pytest.raises(DataError, match=word):
        list(source.blocks())


def test_malformed_csv_says_where(tmp_path):
    path = tmp_path / "bad.csv"
    path.write_text("x,y\n" + "1,2\n" * 30000 + "one,2\n")
    with pytest.raises(DataError, match=r"bad\.csv.*DuckDB says"):
        list(query(path, target="y").blocks())


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "is empty"), ("y,x\n", "has no rows"), ("y,x\n1,2", None), ("y,x\na,b", "VARCHAR")],
)
@pytest.mark.parametrize("how", [{"target": "y"}, {"formula": "y ~ x"}])
def test_files_without_rows_are_called_so(tmp_path, text, words, how):
    path = tmp_path / "data.csv"
    path.write_text(text)
    if words is None:
        assert len(list(query(path, **how).blocks())) == 1
        return
    with pytest.raises(
        (DataError, TypeError), match=words if "formula" not in how or text != "y,x\na,b" else "text"
    ):
        query(path, **how)


def test_sql_may_be_longer_than_a_file_name():
    terms = " + ".join(f"{k} * i" for k in range(300))
    (block,) = query(f"SELECT {terms} AS x, i AS y FROM range(3) AS t(i)", target="y").blocks()
    np.testing.assert_array_equal(np.asarray(block.X)[:, 0], [0, 44850, 89700])


def test_a_database_of_several_tables_needs_a_name(tmp_path):
    path = tmp_path / "d.duckdb"
    with duckdb.connect(path) as database:
        database.execute("CREATE TABLE sales AS SELECT 1 AS x, 2 AS y; CREATE TABLE costs AS SELECT 1 AS x")
    with pytest.raises(DataError, match=r"'costs', 'sales'"):
        query(path, target="y")
    with pytest.raises(DataError, match="did you mean 'sales'"):
        query(path, target="y", table="sale")
    assert query(path, target="y", table="sales").names == ("x",)
    before = path.read_bytes()
    list(query(f"{path}::sales", target="y").blocks())
    assert path.read_bytes() == before


def working() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "betahat-prefetch"]


def test_leaving_early_leaves_no_thread():
    source = query("SELECT i AS x, i AS y FROM range(300000) AS t(i)", target="y", block_rows=1000)
    blocks = source.blocks()
    next(blocks)
    assert working() == ["betahat-prefetch"]
    blocks.close()  # pyright: ignore[reportAttributeAccessIssue]
    assert working() == []
    with pytest.raises(ZeroDivisionError):
        sum(1 // (len(block.X) - len(block.X)) for block in source.blocks())
    assert working() == []
    assert source.n_rows is None
    assert sum(len(block.X) for block in source.blocks()) == 300_000
    assert working() == []


def test_order_is_that_of_the_file(tmp_path):
    path = tmp_path / "long.parquet"
    duckdb.sql(f"COPY (SELECT i AS x, i AS y FROM range(500000) AS t(i)) TO '{path}' (ROW_GROUP_SIZE 20000)")
    X = joined(list(query(path, target="y").blocks()))[0][:, 0]
    np.testing.assert_array_equal(X, np.arange(500_000))


def test_two_passes_at_once(tmp_path):
    source: QuerySource = query(
        "SELECT i AS x, i AS y FROM range(50000) AS t(i)", target="y", block_rows=9000
    )
    for one, two in zip(source.blocks(), source.blocks(), strict=True):
        np.testing.assert_array_equal(one.X, two.X)


def test_sql_does_not_see_python_variables():
    text = pd.DataFrame({"x": [1.0], "y": [2.0]})
    assert len(text)
    with pytest.raises(DataError, match="text"):
        query("SELECT * FROM text", target="y")


def test_no_files_are_left_in_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    list(query("SELECT i AS x, i AS y FROM range(5) AS t(i)", target="y").blocks())
    assert list(Path.cwd().iterdir()) == []

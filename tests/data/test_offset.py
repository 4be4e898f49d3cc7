"""Offsets and exposures: the same numbers from every kind of table, file and formula, and again for new rows."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from betahat.data import (
    Block,
    Design,
    Source,
    design_from_dict,
    iter_design_blocks,
    query,
    read_formula,
    read_inputs,
    read_offset,
    write_predictions,
)
from betahat.errors import DataError, FormulaError, MissingRowsWarning, MissingValueError, StorageError

N = 40
I = np.arange(N)  # noqa: E741
COLUMNS: dict[str, Any] = {
    "y": (I % 5).astype(float).tolist(),
    "x": (I / 7).tolist(),
    "kind": ["ab"[i % 2] for i in range(N)],
    "z": (I / 10 - 1).tolist(),
    "n": (I % 6 + 0.5).tolist(),
}
Z, T = np.array(COLUMNS["z"]), np.array(COLUMNS["n"])
EXPECTED = {(False, False): None, (True, False): Z, (False, True): np.log(T), (True, True): Z + np.log(T)}
ROLES = [(True, False), (False, True), (True, True)]


def with_gap(column: str, values: tuple[Any, ...] = (None, None)) -> dict[str, Any]:
    """Rows 3 and 20 of a column replaced."""
    changed = list(COLUMNS[column])
    changed[3], changed[20] = values
    return {**COLUMNS, column: changed}


def frame_source(make, columns: dict[str, Any], names: dict[str, str], missing: Any) -> tuple[Design, Source]:
    """Offsets as arrays of their own beside a table."""
    given = {role: np.array(columns[name], dtype=float) for role, name in names.items()}
    return read_inputs(make({k: columns[k] for k in ("x", "kind")}), columns["y"], missing=missing, **given)


def series_source(
    make, columns: dict[str, Any], names: dict[str, str], missing: Any
) -> tuple[Design, Source]:
    """Offsets as columns of the same library."""
    given = {role: make({name: columns[name]}) for role, name in names.items()}
    given = {
        role: table.collect() if isinstance(table, pl.LazyFrame) else table for role, table in given.items()
    }
    return read_inputs(make({k: columns[k] for k in ("x", "kind")}), columns["y"], missing=missing, **given)


def named_source(make, columns: dict[str, Any], names: dict[str, str], missing: Any) -> tuple[Design, Source]:
    return read_formula("y ~ x + kind", make(columns), missing=missing, **names)


def term_source(make, columns: dict[str, Any], names: dict[str, str], missing: Any) -> tuple[Design, Source]:
    terms = {"offset": "offset(z)", "exposure": "offset(log(n))"}
    return read_formula(
        " + ".join(["y ~ x + kind", *(terms[r] for r in names)]), make(columns), missing=missing
    )


WAYS = {"arrays": frame_source, "columns": series_source, "names": named_source, "terms": term_source}


def roles_of(both: tuple[bool, bool]) -> dict[str, str]:
    return {role: name for role, name, on in zip(("offset", "exposure"), ("z", "n"), both, strict=True) if on}


@pytest.mark.parametrize("both", [(False, False), *ROLES])
@pytest.mark.parametrize("way", WAYS)
def test_tables(make, way, both):
    _, source = WAYS[way](make, COLUMNS, roles_of(both), "error")
    block = next(source.blocks())
    assert source.has_offset == any(both)
    assert source.names == ("x", "kind[b]")
    if not any(both):
        assert block.offset is None
        return
    assert block.offset is not None
    assert block.offset.dtype == np.float64
    np.testing.assert_allclose(block.offset, EXPECTED[both], rtol=1e-15)


KINDS = ["parquet", "csv", "json", "sql", "duckdb"]


def written(folder: Path, kind: str, columns: dict[str, Any]) -> str:
    path = folder / f"rows.{kind}"
    if kind == "sql":
        written(folder, "parquet", columns)
        return f"SELECT * FROM '{folder}/rows.parquet'"
    connection = duckdb.connect(path if kind == "duckdb" else ":memory:")
    with connection:
        connection.register("t", pa.table(columns))
        connection.execute("CREATE TABLE r AS FROM t" if kind == "duckdb" else f"COPY t TO '{path}'")
    return str(path)


def query_of(what: str, way: str, both: tuple[bool, bool], missing: Any = "drop", block_rows: int = 7) -> Any:
    if way == "terms":
        terms = [t for t, on in zip(("offset(z)", "offset(log(n))"), both, strict=True) if on]
        return query(
            what, formula=" + ".join(["y ~ x + kind", *terms]), missing=missing, block_rows=block_rows
        )
    how = {"formula": "y ~ x + kind"} if way == "names" else {"target": "y", "columns": ["x", "kind"]}
    return query(what, **how, **roles_of(both), missing=missing, block_rows=block_rows)


@pytest.mark.parametrize("both", ROLES)
@pytest.mark.parametrize("way", ["columns", "names", "terms"])
@pytest.mark.parametrize("kind", KINDS)
def test_files(tmp_path, kind, way, both):
    source = query_of(written(tmp_path, kind, COLUMNS), way, both)
    assert source.has_offset
    assert source.names == ("x", "kind[b]")
    blocks = list(source.blocks())
    assert len(blocks) > 3
    np.testing.assert_allclose(np.concatenate([b.offset for b in blocks]), EXPECTED[both], rtol=1e-15)
    sample = source.sample(N)
    np.testing.assert_allclose(sample.offset, EXPECTED[both], rtol=1e-15)


def test_columns_with_a_role_are_not_features(tmp_path):
    what = written(tmp_path, "parquet", COLUMNS)
    assert query(what, target="y", offset="z", exposure="n").names == ("x", "kind[b]")
    assert query(what, formula="y ~ .", offset="z", exposure="n").names == ("x", "kind[b]")
    assert read_formula("y ~ .", pd.DataFrame(COLUMNS), offset="z", exposure="n")[0].names == ("x", "kind[b]")
    assert read_formula("y ~ . + offset(log(n)) - n", pd.DataFrame(COLUMNS))[0].names == ("x", "kind[b]", "z")


# --- missing and unusable values ----------------------------------------------------------------------------


@pytest.mark.parametrize("missing", ["error", "drop", "mean"])
@pytest.mark.parametrize("role", ["offset", "exposure"])
@pytest.mark.parametrize("way", WAYS)
def test_missing_values_of_tables(make, way, role, missing):
    column = {"offset": "z", "exposure": "n"}[role]
    columns, both = with_gap(column), (role == "offset", role == "exposure")
    if missing != "drop":
        name = column if way == "terms" else role
        with pytest.raises(MissingValueError, match=rf"'{name}' \(2\)"):
            WAYS[way](make, columns, roles_of(both), missing)
        return
    with pytest.warns(MissingRowsWarning, match="2 of 40 rows"):
        _, source = WAYS[way](make, columns, roles_of(both), missing)
    keep = np.delete(I, [3, 20])
    block = next(source.blocks())
    np.testing.assert_allclose(block.offset, EXPECTED[both][keep], rtol=1e-15)
    np.testing.assert_array_equal(block.X[:, 0], np.array(COLUMNS["x"])[keep])


@pytest.mark.parametrize("missing", ["error", "drop", "mean"])
@pytest.mark.parametrize("role", ["offset", "exposure"])
@pytest.mark.parametrize("way", ["columns", "names", "terms"])
@pytest.mark.parametrize("kind", ["parquet", "csv", "sql"])
def test_missing_values_of_files(tmp_path, kind, way, role, missing):
    column = {"offset": "z", "exposure": "n"}[role]
    both = (role == "offset", role == "exposure")
    source = query_of(written(tmp_path, kind, with_gap(column)), way, both, missing, block_rows=50)
    if missing != "drop":
        with pytest.raises(MissingValueError, match=rf"'{column}' \(2\)"):
            list(source.blocks())
        return
    with pytest.warns(MissingRowsWarning, match=rf"2 of 40 rows .*'{column}' \(2\)"):
        (block,) = source.blocks()
    np.testing.assert_allclose(block.offset, EXPECTED[both][np.delete(I, [3, 20])], rtol=1e-15)


def test_a_level_of_dropped_rows_alone_is_none(make):
    """Where the offset is missing; and the formula's offset may use the same category."""
    kinds = ["c" if i in (3, 20) else kind for i, kind in enumerate(COLUMNS["kind"])]
    columns = {**with_gap("z"), "kind": kinds}
    formula = "y ~ x + kind + offset(z) + offset(np.where(kind == 'b', 1, 0))"
    with pytest.warns(MissingRowsWarning):
        design, source = read_formula(formula, make(columns), missing="drop")
    assert design.names == ("x", "kind[b]")
    keep = np.delete(I, [3, 20])
    expected = Z[keep] + keep % 2
    np.testing.assert_allclose(next(source.blocks()).offset, expected, rtol=1e-15)
    whole = pd.DataFrame({**COLUMNS, "kind": ["ab"[i % 2] for i in I]})
    np.testing.assert_allclose(design.offset(whole), Z + I % 2, rtol=1e-15)
    (rows,) = iter_design_blocks("SELECT 'b' AS kind, 1.0 AS x, 2.0 AS z", design)
    np.testing.assert_array_equal(rows.offset, [3.0])
    with pytest.warns(MissingRowsWarning):
        blocks = list(query("SELECT * FROM (VALUES (1.0, 'a', 1.0, 1.0), (2, 'b', 2, 3), (3, 'c', NULL, 1)) "
                            "AS t(x, kind, z, y)", formula=formula).blocks())  # fmt: skip
    np.testing.assert_array_equal(blocks[0].offset, [1.0, 3.0])


@pytest.mark.parametrize("way", ["columns", "names", "terms"])
def test_a_mean_is_put_into_columns_and_never_into_an_offset(tmp_path, way):
    """A column that is both: X's gaps are filled, the offset's refused."""
    columns = with_gap("n")
    formula = "y ~ n + offset(log(n))" if way == "terms" else "y ~ n"
    roles: dict[str, Any] = {} if way == "terms" else {"exposure": "n"}
    with pytest.raises(MissingValueError, match=r"'(n|exposure)( \(beside X\))?' \(2\)"):
        read_formula(formula, pd.DataFrame(columns), missing="mean", **roles)
    with pytest.raises(MissingValueError, match=r"'n' \(2\)"):
        list(query(written(tmp_path, "parquet", columns), formula=formula, missing="mean", **roles).blocks())


BROKEN = {
    "negative": ("n", (-1.0, -2.0), DataError, r"rows it is not .the smallest is -[12]\)"),
    "zero": ("n", (0.0, 1.0), DataError, r"must be positive.* 1 of \d+ rows"),
    "infinite exposure": ("n", (np.inf, 1.0), DataError, "infinite"),
    "infinite offset": ("z", (-np.inf, 1.0), DataError, "infinite"),
}


@pytest.mark.parametrize("missing", ["error", "drop", "mean"])
@pytest.mark.parametrize("case", BROKEN)
@pytest.mark.parametrize("way", [*WAYS, "file", "file formula"])
def test_unusable_values(tmp_path, way, case, missing):
    column, values, error, words = BROKEN[case]
    columns, both = with_gap(column, values), (column == "z", column == "n")
    if way == "terms" and column == "n":
        words = "infinite"  # a logarithm like any other, or of an infinite column
        if case == "negative":
            words = "null values|not a number"

    def read() -> None:
        if way in WAYS:
            WAYS[way](pd.DataFrame, columns, roles_of(both), missing)
        else:
            how = "names" if way == "file formula" else "columns"
            list(query_of(written(tmp_path, "parquet", columns), how, both, missing).blocks())

    with pytest.raises(error, match=words) as caught:
        read()
    assert any(f"{mark}{column}{mark}" in str(caught.value) for mark in "'`") or any(
        name in str(caught.value) for name in (*roles_of(both), "log(n)")
    )


@pytest.mark.parametrize("argument", ["offset", "exposure"])
@pytest.mark.parametrize(
    ("values", "error", "word"),
    [
        ([1.0, 2.0], DataError, "2 .* 40"),
        (np.ones((N, 2)), DataError, "2 columns"),
        (["a"] * N, TypeError, "numbers are expected$"),
        (pl.Series(["a"] * N), TypeError, "numbers are expected"),
        (np.ones((N, 1, 1)), DataError, "shape"),
        (pd.Series([2**60] * N), DataError, "integers"),
    ],
    ids=["short", "two columns", "text", "text column", "cube", "identifiers"],
)
def test_wrong_arguments_are_named(argument, values, error, word):
    with pytest.raises(error, match=word):
        read_inputs(pd.DataFrame({"x": COLUMNS["x"]}), COLUMNS["y"], **{argument: values})
    with pytest.raises(error, match=word):
        read_offset(**{"offset": None, "exposure": None, "n": N, argument: values})


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"offset": "zz"}, DataError, "no column 'zz'; did you mean 'z'"),
        ({"exposure": "kind"}, TypeError, "the exposure 'kind' is VARCHAR"),
        ({"offset": "kind"}, TypeError, "the offset 'kind' is VARCHAR"),
        ({"offset": ["z"]}, TypeError, "named by strings"),
        ({"offset": "z", "columns": ["z"]}, ValueError, "'z'"),
    ],
    ids=str,
)
def test_wrong_columns_are_named(tmp_path, arguments, error, words):
    with pytest.raises(error, match=words):
        query(written(tmp_path, "parquet", COLUMNS), target="y", **arguments)


def test_one_number_is_every_rows(make):
    for offset, exposure in ((0.5, None), (None, 2), (np.float32(0.5), np.int64(2))):
        _, source = read_inputs(make({"x": COLUMNS["x"]}), COLUMNS["y"], offset=offset, exposure=exposure)
        expected = (offset or 0.0) + np.log(exposure or 1.0)
        np.testing.assert_allclose(next(source.blocks()).offset, np.full(N, expected), rtol=1e-15)


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        ("y ~ x * offset(n)", "by itself"),
        ("y ~ x:offset(n)", "by itself"),
        ("offset(n) ~ x", "by itself"),
        ("y ~ log(offset(n))", "by itself"),
        ("y ~ x + offset(n, z)", "one expression"),
        ("y ~ x - offset(n)", "take nothing away"),
        ("y ~ x + offset(3)", "no column"),
        ("y ~ offset(n) - 1", "nothing on its right side"),
        ("y ~ x + offset(kind)", "`offset\\(kind\\)` is text"),
        ("y ~ x + offset(C(n))", "is text or categories"),
        ("y ~ x + offset(nn)", "no column 'nn'"),
        ("y ~ x + offset(__import__('os'))", "not a function"),
    ],
)
def test_offsets_in_formulas_that_mean_nothing(tmp_path, formula, words):
    with pytest.raises(FormulaError, match=words):
        read_formula(formula, pd.DataFrame(COLUMNS))
    with pytest.raises(FormulaError, match=words):
        query(written(tmp_path, "parquet", COLUMNS), formula=formula)


def test_several_offsets_add_up(make):
    formula = "y ~ x + offset(z) + offset(log(n)) + offset(I(x > 3))"
    design, source = read_formula(formula, make(COLUMNS), offset="z", exposure="n")
    expected = 2 * (Z + np.log(T)) + (np.array(COLUMNS["x"]) > 3)
    np.testing.assert_allclose(next(source.blocks()).offset, expected, rtol=1e-14)
    np.testing.assert_allclose(design.offset(make(COLUMNS)), expected, rtol=1e-14)


def test_a_column_named_offset_is_a_column():
    data = pd.DataFrame({"y": [1.0, 2.0, 4.0], "offset": [3.0, 5.0, 4.0]})
    design, source = read_formula("y ~ offset", data)
    assert design.names == ("offset",)
    assert not source.has_offset


# --- new rows -----------------------------------------------------------------------------------------------

NEW = {
    "x": [1.0, 2.0, 3.0],
    "kind": ["b", "a", "b"],
    "z": [0.1, 0.2, 0.3],
    "n": [1.0, 2.0, 4.0],
    "m": [3.0, 5.0, 7.0],
}
ADDED = {"offset": np.array(NEW["z"]), "exposure": np.log(NEW["n"])}


LEARNED = {
    "names": lambda folder, both: named_source(pl.DataFrame, COLUMNS, roles_of(both), "error")[0],
    "terms": lambda folder, both: term_source(pl.DataFrame, COLUMNS, roles_of(both), "error")[0],
    **{
        f"file {way}": lambda folder, both, way=way: (
            query_of(written(folder, "parquet", COLUMNS), way, both).design
        )
        for way in ("columns", "names", "terms")
    },
}


@pytest.mark.parametrize("both", ROLES)
@pytest.mark.parametrize("learned", ["names", "terms", "file columns"])
def test_new_rows_of_tables(make, tmp_path, learned, both):
    design = LEARNED[learned](tmp_path, both)
    expected = sum(ADDED[role] for role in roles_of(both))
    np.testing.assert_allclose(design.offset(make(NEW)), expected, rtol=1e-15)
    column = next(iter(roles_of(both).values()))
    with pytest.raises(DataError, match=f"no column '{column}'"):
        design.offset(make({name: values for name, values in NEW.items() if name != column}))
    with pytest.raises(MissingValueError, match=rf"'{column}' \(1\).*neither an offset"):
        design.offset(make({**NEW, column: [1.0, None, 2.0]}))


@pytest.mark.parametrize("both", ROLES)
@pytest.mark.parametrize("learned", LEARNED)
def test_new_rows_of_files(tmp_path, learned, both):
    make, design = pd.DataFrame, LEARNED[learned](tmp_path, both)
    expected = sum(ADDED[role] for role in roles_of(both))
    for each in (design, design_from_dict(json.loads(json.dumps(design.to_dict())))):
        np.testing.assert_allclose(each.offset(make(NEW)), expected, rtol=1e-15)
        blocks = list(iter_design_blocks(written(tmp_path, "csv", NEW), each, block_rows=2))
        np.testing.assert_allclose(np.concatenate([b.offset for b in blocks]), expected, rtol=1e-15)
        np.testing.assert_array_equal(np.concatenate([b.X for b in blocks]), each.matrix(make(NEW)))
        empty = each.offset(make({name: values[:0] for name, values in NEW.items()}))
        assert empty is not None
        assert empty.shape == (0,)
    column = next(iter(roles_of(both).values()))
    without = {name: values for name, values in NEW.items() if name != column}
    with pytest.raises(DataError, match=f"no column '{column}'"):
        list(iter_design_blocks(written(tmp_path, "csv", without), design))


@pytest.mark.parametrize("given", ["array", "number", "name"])
def test_what_is_given_takes_the_place_of_the_column(make, given):
    design, _ = read_formula("y ~ x + offset(z)", make(COLUMNS), exposure="n")
    value: Any = {"array": NEW["m"], "number": 6, "name": "m"}[given]
    expected = np.array(NEW["z"]) + np.log(6.0 if given == "number" else np.array(NEW["m"]))
    rows = make({name: NEW[name] for name in ("x", "kind", "z", "m")})  # without n
    np.testing.assert_allclose(design.offset(rows, exposure=value), expected, rtol=1e-15)
    np.testing.assert_allclose(design.offset(rows, 1.0, value), expected + 1, rtol=1e-15)
    plain, _ = read_formula("y ~ x", make(COLUMNS))
    assert plain.offset(rows) is None
    np.testing.assert_allclose(plain.offset(rows, exposure=value), expected - NEW["z"], rtol=1e-15)


def test_predictions_of_files(tmp_path):
    design = query(written(tmp_path, "parquet", COLUMNS), target="y", exposure="n", columns=["x"]).design

    def rate(rows: Block) -> dict[str, np.ndarray]:
        assert rows.offset is not None
        return {"p": rows.X[:, 0] + np.exp(rows.offset)}

    out, what = tmp_path / "out.parquet", written(tmp_path, "csv", NEW)
    for how, column in (({}, "n"), ({"exposure": "m"}, "m")):
        assert write_predictions(what, design, rate, out, **how) == 3
        found = duckdb.sql(f"SELECT p FROM '{out}'").fetchnumpy()["p"]
        np.testing.assert_allclose(found, np.array(NEW["x"]) + NEW[column], rtol=1e-15)
    with pytest.raises(DataError, match="must be positive"):
        write_predictions("SELECT 1.0 AS x, 0 AS n", design, rate, out)


@pytest.mark.parametrize("offset", [3, {"column": 3}, {"column": "a", "exposure": ["b"]}, []])
def test_damaged_offsets_are_refused(offset):
    design, _ = read_formula("y ~ x", pd.DataFrame(COLUMNS), offset="z")
    with pytest.raises(StorageError, match="offset"):
        design_from_dict({**design.to_dict(), "offset": offset})


@given(st.lists(st.floats(1e-300, 1e300), min_size=1, max_size=20), st.floats(-1e10, 1e10))
def test_exposure_is_an_offset_of_its_logarithm(exposure, shift):
    n = len(exposure)
    both = read_offset(np.full(n, shift), exposure, n)
    np.testing.assert_array_equal(both, read_offset(shift + np.log(exposure), None, n))
    assert read_offset(None, None, n) is None


def test_rows_of_two_counts():
    """Successes and failures of a binomial: two targets, with an offset beside them."""
    data = {"won": [1.0, 2.0, 3.0], "lost": [4.0, 0.0, 1.0], "x": [0.0, 1.0, 3.0], "z": [1.0, 2.0, 3.0]}
    expected = np.column_stack([data["won"], data["lost"]])
    rows = "SELECT * FROM (VALUES (1, 4, 0, 1), (2, 0, 1, 2), (3, 1, 3, 3)) AS t(won, lost, x, z)"
    sources = [
        read_formula("won + lost ~ x + offset(z)", pl.DataFrame(data))[1],
        read_inputs(pl.DataFrame({"x": data["x"]}), expected, offset=data["z"])[1],
        query(rows, target=["won", "lost"], offset="z"),
        query(rows, formula="won + lost ~ x + offset(z)"),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for source in sources:
            (block,) = source.blocks()
            np.testing.assert_array_equal(block.y, expected)
            np.testing.assert_array_equal(block.offset, data["z"])

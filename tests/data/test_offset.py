"""Offsets and exposures: the same numbers from every kind of table, file and formula."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from data.files import written
from data.offset_tables import (
    COLUMNS,
    EXPECTED,
    ROLES,
    WAYS,
    I,
    N,
    T,
    Z,
    query_of,
    roles_of,
)

from betahat.data import (
    iter_design_blocks,
    query,
    read_formula,
    read_inputs,
    read_offset,
)
from betahat.errors import DataError, FormulaError, MissingRowsWarning, MissingValueError


def with_gap(column: str, values: tuple[Any, ...] = (None, None)) -> dict[str, Any]:
    """Rows 3 and 20 of a column replaced."""
    changed = list(COLUMNS[column])
    changed[3], changed[20] = values
    return {**COLUMNS, column: changed}


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

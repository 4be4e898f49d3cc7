"""Offsets and exposures of new rows: from tables and files, given again, stored, and damaged."""

from __future__ import annotations

import json
import warnings
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest
from data.files import written
from data.offset_tables import (
    COLUMNS,
    ROLES,
    named_source,
    query_of,
    roles_of,
    term_source,
)
from hypothesis import given
from hypothesis import strategies as st

from betahat.data import (
    Block,
    design_from_dict,
    iter_design_blocks,
    query,
    read_formula,
    read_inputs,
    read_offset,
    write_predictions,
)
from betahat.errors import DataError, MissingValueError, StorageError

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

"""A first look at a source: the same rows each time, from everywhere, with all that belongs to them."""

from __future__ import annotations

import tracemalloc
import warnings

import duckdb
import numpy as np
import pytest
import scipy.sparse as sparse
from hypothesis import given
from hypothesis import strategies as st

from betahat.data import ArraySource, Block, Source, query
from betahat.data.source import ScaledSource, spread
from betahat.errors import MissingValueError

FORMS = {
    "C": np.ascontiguousarray,
    "F": np.asfortranarray,
    "csr": sparse.csr_array,
    "csc": sparse.csc_matrix,
    "coo": sparse.coo_matrix,
}


def block_of(i: np.ndarray, form=np.asarray) -> Block:
    """Row i: all that a block may hold tells the row."""
    X = np.column_stack([i + 1.0, -i])
    return Block(form(X), i[:, None] ** 2.0, i + 0.5, i + 1.0, i[:, None], X * 1e-20, offset=i / 7)


class Parts(Source):
    """Rows in blocks of 30, in memory or not."""

    names, target_names = ("x1", "x2"), ("y",)

    def __init__(self, n: int, form, in_memory: bool) -> None:
        self.n_rows, self.in_memory, self.form = n, in_memory, form
        self.made = 0

    def _blocks(self, unsearched):
        for start in range(0, self.n_rows or 0, 30):
            self.made += 1
            yield block_of(np.arange(start, min(start + 30, self.n_rows or 0)), self.form)


def whole(n: int, form) -> ArraySource:
    b = block_of(np.arange(n), form)
    return ArraySource(b.X, b.y, b.weight, b.frequency, b.groups, X_low=b.X_low, offset=b.offset)


SOURCES = {
    "whole": whole,
    "scaled": lambda n, form: ScaledSource(whole(n, form), np.ones(2), np.ones(1)),
    "parts": lambda n, form: Parts(n, form, True),
    "stream": lambda n, form: Parts(n, form, False),
}


def dense(X) -> np.ndarray:
    return X.toarray() if sparse.issparse(X) else np.asarray(X)


def rows_of(block: Block | None) -> np.ndarray:
    """The rows' numbers, having checked that all that belongs to a row came with it."""
    assert block is not None
    i = dense(block.X)[:, 0].astype(int) - 1
    expected = block_of(i)
    np.testing.assert_array_equal(dense(block.X), expected.X)
    for name in ("y", "weight", "frequency", "groups", "X_low", "offset"):
        np.testing.assert_array_equal(getattr(block, name), getattr(expected, name))
    return i


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize(
    ("n", "rows"), [(1, 1), (1, 5), (100, 7), (100, 99), (100, 100), (100, 1000), (31, 30)]
)
def test_rows_come_from_everywhere_with_all_they_have(n, rows, kind, form):
    source = SOURCES[kind](n, FORMS[form])
    block = source.sample(rows)
    i = rows_of(block)
    assert source.readings == 0
    assert len(i) == min(n, rows)
    assert sparse.issparse(block.X) == (form[0] == "c" and form != "C")
    if kind == "stream" or rows >= n:
        np.testing.assert_array_equal(i, np.arange(min(n, rows)))
    else:
        edges = np.arange(rows + 1) * n // rows
        assert (i >= edges[:-1]).all()
        assert (i < edges[1:]).all()
    np.testing.assert_array_equal(rows_of(source.sample(rows)), i)
    if 2 * rows < n and kind != "stream":
        assert not np.array_equal(rows_of(source.sample(rows, seed=1)), i)


def test_a_stream_is_read_no_further_than_asked():
    source = Parts(3000, np.asarray, False)
    rows_of(source.sample(60))
    assert source.made == 2


@given(st.integers(1, 10_000), st.integers(1, 400), st.integers(1, 20), st.integers(0, 2**64 - 1))
def test_runs_lie_within_the_rows_and_do_not_overlap(n, parts, length, seed):
    if parts * length > n:
        return
    starts = spread(n, parts, seed, length)
    assert starts[0] >= 0
    assert starts[-1] + length <= n
    assert (np.diff(starts) >= length).all()


def test_a_table_with_a_period_is_not_seen_in_one_phase():
    """Of a column that repeats 0 … 9, every tenth row would show one number only."""
    source = ArraySource(np.arange(10_000.0)[:, None], np.arange(10_000.0) % 10)
    block = source.sample(1000)
    assert block is not None
    counts = np.bincount(block.y[:, 0].astype(int), minlength=10)
    assert ((counts - 100) ** 2 / 100).sum() < 27.9  # the 99.9 % point of χ² with 9 degrees


@pytest.mark.parametrize("form", ["C", "F", "csr"])
def test_the_rows_are_not_copied(form):
    X = FORMS[form](np.ones((50_000, 20)))
    source = ArraySource(X, np.ones(50_000))
    source.sample(10)
    tracemalloc.start()
    try:
        source.sample(1000)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


ROWS = "SELECT i + 1.0 AS x, if(i % 2 = 0, 'a', 'b') AS kind, 2.0 * i AS y, i + 0.5 AS w FROM range(20000) AS t(i)"


@pytest.mark.parametrize("threads", ["1", "2"])
@pytest.mark.parametrize("kind", ["parquet", "duckdb", "csv", "sql"])
def test_files(tmp_path, monkeypatch, kind, threads):
    monkeypatch.setenv("BETAHAT_NUM_THREADS", threads)
    path = tmp_path / f"rows.{kind}"
    if kind == "duckdb":
        with duckdb.connect(path) as database:
            database.execute(f"CREATE TABLE t AS {ROWS}")
    elif kind != "sql":
        duckdb.sql(f"COPY ({ROWS}) TO '{path}' {'(ROW_GROUP_SIZE 2048)' if kind == 'parquet' else ''}")
    source = query(ROWS if kind == "sql" else path, target="y", weights="w", block_rows=300)
    block = source.sample(1000)
    assert block is not None
    assert source.readings == 0
    assert source.n_rows is None
    X = np.asarray(block.X)
    i = X[:, 0] - 1
    np.testing.assert_array_equal(X[:, 1], i % 2)
    np.testing.assert_array_equal(block.y[:, 0], 2 * i)
    np.testing.assert_array_equal(block.weight, i + 0.5)
    assert len(np.unique(i)) == len(i)
    if kind in ("parquet", "duckdb"):
        assert np.bincount((i // 5000).astype(int), minlength=4).tolist() == [250] * 4
    else:
        np.testing.assert_array_equal(i, np.arange(1000))
    again = source.sample(1000)
    assert again is not None
    np.testing.assert_array_equal(np.asarray(again.X), X)
    everything = source.sample(30_000)
    assert everything is not None
    assert len(np.asarray(everything.X)) == 20_000
    assert sum(len(b.X) for b in source.blocks()) == 20_000  # a reading afterwards is whole


@pytest.mark.parametrize("missing", ["drop", "error", "mean"])
def test_missing_values_as_in_a_reading(missing):
    source = query(
        "SELECT CASE WHEN i % 3 > 0 THEN i END AS x, i AS y FROM range(90) AS t(i)",
        target="y",
        missing=missing,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if missing == "error":
            with pytest.raises(MissingValueError, match=r"'x' \(30\)"):
                source.sample(90)
            return
        block = source.sample(90)
    assert block is not None
    assert len(np.asarray(block.X)) == (60 if missing == "drop" else 90)


def test_nothing_left():
    assert query("SELECT NULL::DOUBLE AS x, 1 AS y", target="y").sample(5) is None
    assert query("SELECT 1 AS x, 1 AS y WHERE false", target="y").sample(5) is None


@pytest.mark.parametrize("rows", [0, -1, 2.0, True, None])
def test_rows_must_be_a_number(rows):
    with pytest.raises(ValueError, match="`rows`"):
        whole(5, np.asarray).sample(rows)

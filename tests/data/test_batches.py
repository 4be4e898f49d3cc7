"""Mini-batches: every row once, with what belongs to it, in an order that only seed and epoch decide."""

from __future__ import annotations

import itertools
import tracemalloc

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sparse
from hypothesis import given, settings
from hypothesis import strategies as st

from betahat.data import ArraySource, Block, Source, query
from betahat.data.batches import batches
from betahat.data.source import ScaledSource


class Stream(Source):
    """Rows in blocks of given sizes, as a file would give them."""

    in_memory = False

    def __init__(self, rows, sizes, form=np.asarray):
        self.rows, self.sizes, self.form = rows, sizes, form

    names, target_names = ("x1", "x2"), ("y",)

    def _blocks(self, unsearched):
        start = 0
        for size in itertools.cycle(self.sizes):
            if start >= self.rows:
                return
            part = slice(start, min(start + size, self.rows))
            yield block_of(np.arange(part.start, part.stop), self.form)
            start = part.stop


def block_of(i, form=np.asarray):
    """Row i: X = (i, −i), y = i², weight, frequency, groups and offset that tell the row too."""
    i = np.asarray(i)
    return Block(
        form(np.column_stack([i, -i]).astype(float)),
        (i[:, None] ** 2).astype(float), i + 0.5, i + 1.0, np.column_stack([i, 2 * i]), np.column_stack([i, i]) * 1e-20,
        offset=i / 7,
    )  # fmt: skip


def in_memory(n, form=np.asarray):
    block = block_of(np.arange(n), form)
    return ArraySource(
        block.X, block.y, block.weight, block.frequency, block.groups, X_low=block.X_low, offset=block.offset
    )


FORMS = {
    "C": np.ascontiguousarray,
    "F": np.asfortranarray,
    "float32": lambda X: X.astype(np.float32),
    "int": lambda X: X.astype(np.int64),
    "csr": sparse.csr_array,
    "csc": sparse.csc_matrix,
    "coo": sparse.coo_matrix,
}
SOURCES = {
    **{f"memory {name}": lambda n, form=form: in_memory(n, form) for name, form in FORMS.items()},
    **{f"stream {name}": lambda n, form=form: Stream(n, (7, 1, 40), form) for name, form in FORMS.items()},
    "scaled": lambda n: ScaledSource(in_memory(n), np.ones(2), np.ones(1)),
}


def order_of(blocks):
    """The rows' numbers in the order they come, having checked that all that belongs to a row came with it."""
    seen = []
    for block in blocks:
        X = block.X.toarray() if sparse.issparse(block.X) else np.asarray(block.X)
        i = X[:, 0].astype(int)
        expected = block_of(i)
        np.testing.assert_array_equal(X, expected.X)
        for name in ("y", "weight", "frequency", "groups", "X_low", "offset"):
            np.testing.assert_array_equal(getattr(block, name), getattr(expected, name))
        seen.append(i)
    return seen


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize(("n", "size"), [(1, 1), (10, 3), (100, 32), (100, 100), (50, 1000), (1000, 64)])
def test_every_row_once(n, size, shuffle, kind):
    seen = order_of(batches(SOURCES[kind](n), size, 3, 1, shuffle=shuffle, buffer_rows=100))
    assert [len(i) for i in seen] == [size] * (n // size) + [n % size] * bool(n % size)
    rows = np.concatenate(seen)
    np.testing.assert_array_equal(np.sort(rows), np.arange(n))
    if not shuffle:
        np.testing.assert_array_equal(rows, np.arange(n))
    elif n >= 50:
        assert not np.array_equal(rows, np.arange(n))


@given(
    st.integers(1, 300), st.integers(1, 60), st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1),
    st.integers(1, 200), st.lists(st.integers(1, 50), min_size=1, max_size=4), st.booleans(),
)  # fmt: skip
@settings(deadline=None, max_examples=60)
def test_how_rows_arrive_does_not_matter(n, size, seed, epoch, buffer_rows, sizes, shuffle):
    """The same rows in other blocks make the same batches."""
    one, other = (
        order_of(batches(Stream(n, blocks), size, seed, epoch, shuffle=shuffle, buffer_rows=buffer_rows))
        for blocks in (sizes, (n,))
    )
    assert [i.tolist() for i in one] == [i.tolist() for i in other]
    np.testing.assert_array_equal(np.sort(np.concatenate(one)), np.arange(n))


@pytest.mark.parametrize("kind", ["memory C", "memory csr", "stream C"])
def test_seed_and_epoch_decide(kind):
    def rows(seed, epoch):
        return tuple(np.concatenate(order_of(batches(SOURCES[kind](200), 16, seed, epoch))))

    orders = {(seed, epoch): rows(seed, epoch) for seed in range(4) for epoch in range(4)}
    assert len(set(orders.values())) == 16
    assert all(rows(*key) == value for key, value in orders.items())


def test_permutations_are_uniform():
    """Each of the 24 orders of 4 rows comes about as often as the others: χ² on 2400 epochs."""
    source = in_memory(4)
    counts: dict[tuple[int, ...], int] = {}
    for epoch in range(2400):
        order = tuple(np.concatenate([b.X[:, 0] for b in batches(source, 2, 5, epoch)]).astype(int))
        counts[order] = counts.get(order, 0) + 1
    assert len(counts) == 24
    assert sum((c - 100) ** 2 / 100 for c in counts.values()) < 49.7  # the 99.9 % point for 23 degrees


@pytest.mark.parametrize(("buffer_rows", "most"), [(1000, 0.6), (10_000, 0.06)])
def test_a_larger_buffer_mixes_more(buffer_rows, most):
    """Rows of a stream keep some of their order; with a buffer that holds them all, none."""
    rows = np.concatenate([b.X[:, 0] for b in batches(Stream(4000, (512,)), 50, 0, buffer_rows=buffer_rows)])
    kept = abs(np.corrcoef(rows, np.arange(4000))[0, 1])
    assert kept < (1.0 if buffer_rows < 4000 else most)
    near = np.abs(rows - np.arange(4000))
    assert near.mean() > 0.3 * min(buffer_rows, 4000)


@pytest.mark.parametrize("form", ["C", "F", "csr"])
def test_the_set_is_not_copied(form):
    X = FORMS[form](np.ones((20_000, 50)))
    source = ArraySource(X, np.ones(20_000))
    size = X.data.nbytes if form == "csr" else X.nbytes
    for _ in batches(source, 64):
        break
    tracemalloc.start()
    try:
        for _ in batches(source, 64):
            pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < size / 10


@pytest.mark.parametrize("threads", ["1", "4"])
def test_a_file(tmp_path, monkeypatch, threads):
    """Through DuckDB, with categories, in the order that the file has, whatever its threads and blocks."""
    n = 5000
    i = np.arange(n)
    path = tmp_path / "rows.parquet"
    kinds = np.where(i % 2, "odd", "even")
    table = pd.DataFrame({"a": i.astype(float), "kind": kinds, "y": 2.0 * i, "w": i + 1.0})
    table.to_parquet(path, row_group_size=700)
    monkeypatch.setenv("BETAHAT_NUM_THREADS", threads)
    seen = []
    for block in batches(query(str(path), target="y", weights="w"), 128, 1, 2, buffer_rows=1000):
        X = np.asarray(block.X)
        np.testing.assert_array_equal(X[:, 1], X[:, 0] % 2)
        np.testing.assert_array_equal(block.y[:, 0], 2 * X[:, 0])
        np.testing.assert_array_equal(block.weight, X[:, 0] + 1)
        seen.append(X[:, 0])
    rows = np.concatenate(seen)
    np.testing.assert_array_equal(np.sort(rows), i)
    expected = np.concatenate([b.X[:, 0] for b in batches(Stream(n, (n,)), 128, 1, 2, buffer_rows=1000)])
    np.testing.assert_array_equal(rows, expected)


def test_no_rows():
    assert list(batches(Stream(0, (5,)), 4)) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"batch_size": 0}, "batch_size.*=0"),
        ({"batch_size": 2.5}, "batch_size.*whole"),
        ({"seed": -1}, "seed.*=-1"),
        ({"seed": 2**64}, "seed"),
        ({"seed": None}, "seed.*whole number"),
        ({"epoch": -1}, "epoch"),
        ({"buffer_rows": 0}, "buffer_rows"),
    ],
)
def test_refusals(arguments, words):
    with pytest.raises(ValueError, match=words):  # at once, not at the first batch
        batches(in_memory(5), **{"batch_size": 2, **arguments})

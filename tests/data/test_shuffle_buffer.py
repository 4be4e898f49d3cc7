"""Rows that pass through a buffer: each once, in an order that numbers decide and blocks do not."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sparse
from hypothesis import given, settings
from hypothesis import strategies as st

from betahat.data.shuffle_buffer import through_buffer
from betahat.data.source import Block
from betahat.errors import DataError
from betahat.kernels.columns import Columns

FORMS = {
    "array": np.asarray,
    "float32": lambda X: X.astype(np.float32),
    "uint8": lambda X: X.astype(np.uint8),
    "columns": lambda X: Columns(list(X.T)),
    "csr": sparse.csr_array,
    "csc": sparse.csc_array,
}


def blocks_of(n, sizes, form=np.asarray):
    start = k = 0
    while start < n:
        i = np.arange(start, min(start + sizes[k % len(sizes)], n))
        yield Block(form(np.column_stack([i, i + 1.0])), i[:, None] * 2.0, i * 3.0)
        start, k = i[-1] + 1, k + 1


def rows_of(parts):
    """Their numbers by part, having checked that what belongs to them came with them."""
    found = []
    for part in parts:
        X = part.X.toarray() if sparse.issparse(part.X) else np.asarray(part.X)
        i = X[:, 0].astype(int)
        np.testing.assert_array_equal(X[:, 1], i + 1)
        np.testing.assert_array_equal(part.y[:, 0], 2 * i)
        np.testing.assert_array_equal(part.weight, 3 * i)
        found.append(i.tolist())
    return found


@given(
    st.integers(1, 250), st.integers(2, 60), st.data(), st.lists(st.integers(1, 50), min_size=1, max_size=4),
    st.sampled_from(sorted(FORMS)), st.booleans(),
)  # fmt: skip
@settings(deadline=None, max_examples=150)
def test_every_row_once_whatever_the_blocks(n, room, data, sizes, form, shuffle):
    leaving = data.draw(st.integers(1, room // 2))

    def passed(sizes):
        numbers = np.random.default_rng(3) if shuffle else None
        return rows_of(through_buffer(blocks_of(n, sizes, FORMS[form]), room, leaving, numbers))

    parts = passed(sizes)
    rows = [i for part in parts for i in part]
    assert rows == list(range(n)) if not shuffle else sorted(rows) == list(range(n))
    assert all(len(part) == leaving for part in parts[:-1])
    assert len(parts) == 1 or leaving <= len(parts[-1]) < 2 * leaving
    assert parts == passed((n,))


def test_a_row_leaves_after_as_many_as_the_buffer_holds_on_average():
    numbers = np.random.default_rng(0)
    rows = np.concatenate(rows_of(through_buffer(blocks_of(20_000, (512,)), 2000, 250, numbers)))
    late = np.arange(20_000) - rows
    assert 0.8 * 2000 < late[4000:-4000].std() < 1.3 * 2000
    assert late.min() >= -2000


def test_wider_numbers_are_not_cut():
    whole, fractions = Block(np.array([[1], [2]])), Block(np.array([[0.5], [2.5]]))
    parts = list(through_buffer([whole, fractions], 4, 2, None))
    assert np.concatenate([part.X[:, 0] for part in parts]).tolist() == [1.0, 2.0, 0.5, 2.5]


@pytest.mark.parametrize(
    "other",
    [
        Block(np.ones((2, 2)), np.ones((2, 1))),
        Block(np.ones((2, 3)), np.ones((2, 1)), np.ones(2)),
        Block(np.ones((2, 2)), np.ones((2, 1)), np.ones(2), offset=np.ones(2)),
    ],
)
def test_blocks_of_other_things_are_refused(other):
    first = Block(np.ones((2, 2)), np.ones((2, 1)), np.ones(2))
    with pytest.raises(DataError, match="all must hold the same"):
        list(through_buffer([first, other], 4, 2, None))


def test_dense_among_sparse_is_refused():
    with pytest.raises(DataError, match="not sparse"):
        list(through_buffer([Block(sparse.eye_array(3, format="csr")), Block(np.eye(3))], 6, 2, None))

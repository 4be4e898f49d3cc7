"""The sample that a likelihood's fit begins with: how large it is."""

from __future__ import annotations

import numpy as np
import pytest

from betahat.data import ArraySource, Block, Source
from betahat.solvers.likelihood.solve import few_of


class Stream(Source):
    """So many rows and columns of ones, made when they are read."""

    in_memory = False

    def __init__(self, n: int, p: int, counted: bool = True) -> None:
        self.total, self.n_rows = n, n if counted else None
        self._columns = tuple(f"x{j}" for j in range(p))

    @property
    def names(self):
        return self._columns

    @property
    def target_names(self):
        return ("y",)

    def _blocks(self, unsearched):
        for start in range(0, self.total, 4096):
            rows = min(4096, self.total - start)
            yield Block(np.ones((rows, len(self._columns))), np.ones((rows, 1)))


@pytest.mark.parametrize(("n", "p", "counted", "rows"), [
    (10**7, 20, True, 2**23 // 21), (10**9, 20, True, 2**23 // 21), (10**9, 20, False, 100_000),
    (10**7, 200, True, 2**23 // 201), (10**7, 500, True, 60 * 501),
])  # fmt: skip
def test_of_a_file_it_does_not_grow_with_the_file(n, p, counted, rows):
    few = few_of(Stream(n, p, counted))
    assert few is not None
    assert few.X.shape == (rows, p)


@pytest.mark.parametrize(("n", "p", "rows"), [
    (160_000, 20, 10_000), (160_000, 1000, None), (20_000, 50, None),
])  # fmt: skip
def test_of_few_rows_it_is_a_share(n, p, rows):
    few = few_of(Stream(n, p))
    assert rows == (None if few is None else few.X.shape[0])


def test_of_rows_in_memory_it_is_no_copy():
    X = np.ones((200_000, 10))
    few = few_of(ArraySource(X, np.ones(200_000)))
    assert few is not None
    assert np.shares_memory(few.X, X)
    assert 200_000 // 18 <= len(few.X) <= 200_000 // 16

"""Mini-batches: the rows of a source in random order, a few at a time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import numpy as np

from betahat.data.shuffle_buffer import through_buffer
from betahat.data.source import Block, Source, by_rows, joined

_BUFFER_ROWS, _BUFFER_BYTES = 65_536, 256_000_000


def random_numbers(seed: int, epoch: int) -> np.random.Generator:
    """The random numbers of an epoch: Philox's, functions of (seed, epoch) and a counter (Salmon et al. 2011)."""
    for name, value in (("seed", seed), ("epoch", epoch)):
        if not (isinstance(value, (int, np.integer)) and 0 <= value < 2**64):
            raise ValueError(f"{name} (={value!r}) must be a whole number from 0 to 2⁶⁴ − 1")
    return np.random.Generator(np.random.Philox(key=np.array([seed, epoch], np.uint64)))


def batches(
    source: Source,
    batch_size: int,
    seed: int = 0,
    epoch: int = 0,
    *,
    shuffle: bool = True,
    buffer_rows: int | None = None,
) -> Iterator[Block]:
    """All rows once, as blocks of `batch_size` rows (the last may have fewer), weights and groups with them.

    Rows in memory come in the order of a random permutation and are gathered by index, so that the set is not copied
    (a sparse matrix kept by columns is turned into one kept by rows first). Rows that are read from a file go through a
    buffer of `buffer_rows` (by default 65,536, or 256 MB if that is fewer): when it is full, one half, drawn at random,
    leaves, and the rows that follow fill it again; rows that lie far apart in the file hardly meet in a batch, so a
    file that is sorted by the target should be shuffled once, when it is written.

    The order depends on `seed` and `epoch` and on nothing else, such as threads or how rows arrive in blocks. Without
    `shuffle` rows keep theirs.

    Raises ValueError for a batch size below 1 or a seed that is not a whole number from 0.

    >>> import numpy as np
    >>> from betahat.data import ArraySource
    >>> source = ArraySource(np.arange(5.0)[:, None], np.arange(5.0))
    >>> [batch.y.ravel().tolist() for batch in batches(source, 2, seed=1, shuffle=False)]
    [[0.0, 1.0], [2.0, 3.0], [4.0]]
    >>> sorted(value for batch in batches(source, 2, seed=1) for value in batch.y.ravel().tolist())
    [0.0, 1.0, 2.0, 3.0, 4.0]
    """
    for name, value in (("batch_size", batch_size), ("buffer_rows", buffer_rows)):
        if value is not None and not (isinstance(value, (int, np.integer)) and value >= 1):
            raise ValueError(f"{name} (={value!r}) must be a whole number of rows, 1 or more")
    numbers = random_numbers(seed, epoch) if shuffle else None
    if source.in_memory:
        return _gathered(source, batch_size, numbers)
    return _streamed(source, batch_size, numbers, buffer_rows)


def _gathered(source: Source, size: int, numbers: np.random.Generator | None) -> Iterator[Block]:
    blocks = [by_rows(block) for block in source.blocks()]
    if not blocks:
        return
    whole = joined(blocks)
    n = whole.X.shape[0]
    order = None if numbers is None else numbers.permutation(n)
    for start in range(0, n, size):
        yield whole.take(slice(start, start + size) if order is None else order[start : start + size])


def _streamed(
    source: Source, size: int, numbers: np.random.Generator | None, buffer_rows: int | None
) -> Iterator[Block]:
    """Rows in order, or shuffled by a buffer half of which leaves again and again, whatever blocks rows arrive in."""
    blocks = source.blocks()
    first = next(blocks, None)
    if first is None:
        return
    room = 2 * size if numbers is None else max(2 * size, _room(first, buffer_rows))
    for part in through_buffer(chain([first], blocks), room, room // 2 // size * size, numbers):
        for start in range(0, part.X.shape[0], size):
            yield part.take(slice(start, start + size))


def _room(block: Block, buffer_rows: int | None) -> int:
    if buffer_rows is not None:
        return buffer_rows
    a_row = 8 * (block.X.shape[1] + 4)
    return min(_BUFFER_ROWS, max(1, _BUFFER_BYTES // a_row))

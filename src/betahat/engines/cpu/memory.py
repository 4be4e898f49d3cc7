"""Memory of rows, whose place is found once all operations are known: what is not needed at the same time shares it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from betahat.kernels.network.operations import BARRIER, FIRST, SHARDED

_FROM, _BITS = 1 << 62, 40  # addresses that nothing has: where they begin, and bits of those of one memory
_LINE = 64  # bytes that places are multiples of


@final
@dataclass(frozen=True, eq=False)
class Memory:
    """Numbers (rows, numbers), at addresses that only tell which memory of a program it is until it has a place.

    kept : whether what is never written must stay 0, so that nothing else may lie there.
    """

    number: int
    shape: tuple[int, int]
    itemsize: int
    kept: bool

    @property
    def at(self) -> int:
        """The address."""
        return _FROM + (self.number << _BITS)

    @property
    def row(self) -> int:
        """Bytes from row to row."""
        return self.shape[1] * self.itemsize

    @property
    def nbytes(self) -> int:
        """Of all rows."""
        return self.shape[0] * self.row


@final
@dataclass(frozen=True)
class Life:
    """When so many bytes are needed: from one operation to another, and of the stretches between barriers from one to
    another.

    Threads are within one stretch at different operations, but each at rows of its own: two memories may then take
    turns, at one place, if a row lies in both alike. row : its bytes; 0 where an operation takes all rows at once.
    """

    size: int
    first: int
    last: int
    begin: int
    end: int
    row: int = 0

    def meets(self, other: Life) -> bool:
        """Whether both are needed in one stretch."""
        return self.begin <= other.end and other.begin <= self.end

    def takes_turns(self, other: Life) -> bool:
        """Whether no row of the one is needed when that of the other is."""
        apart = self.last < other.first or other.last < self.first
        return apart and self.row == other.row > 0 and self.size == other.size


def placed(lives: list[Life]) -> tuple[list[int], int]:
    """The place of each, in bytes, and how many there are in all: the largest first, each at the lowest place that is
    free as long as it lives."""
    found = [0] * len(lives)
    done: list[int] = []
    for k in sorted(range(len(lives)), key=lambda k: (-lives[k].size, lives[k].first)):
        life = lives[k]
        beside = [j for j in done if lives[j].meets(life)]
        beside.sort(key=lambda j: found[j])
        turns = {found[j] for j in beside if lives[j].takes_turns(life)}
        found[k] = min(
            [_gap(life.size, [(found[j], lives[j].size) for j in beside])]
            + [at for at in turns if _has_room(at, life, [(found[j], lives[j]) for j in beside])]
        )
        done.append(k)
    return found, max((at + life.size for at, life in zip(found, lives, strict=True)), default=0)


def _gap(size: int, beside: list[tuple[int, int]]) -> int:
    """The lowest place between others, which come in their order."""
    at = 0
    for begin, length in beside:
        if at + size <= begin:
            break
        at = max(at, begin + length)
    return at


def _has_room(at: int, life: Life, beside: list[tuple[int, Life]]) -> bool:
    """Whether all that lie there take turns with it."""
    return all(
        begin + other.size <= at or at + life.size <= begin or (begin == at and other.takes_turns(life))
        for begin, other in beside
    )


def lives_of(memories: list[Memory], ops: np.ndarray) -> list[Life]:
    """When the operations of a program, (·, WIDTH), need each of its memories; size 0 where they do not."""
    barriers = ops[:, BARRIER] != 0
    # without a barrier at its beginning a step follows the one before while other threads are still in that
    stretch = np.cumsum(barriers) if len(ops) and barriers[0] else np.zeros(len(ops), np.int64)
    row, column = np.nonzero(ops[:, FIRST:] >= _FROM)
    which = (ops[row, FIRST + column] - _FROM) >> _BITS
    first, last = np.full(len(memories), len(ops)), np.full(len(memories), -1)
    np.minimum.at(first, which, row)
    np.maximum.at(last, which, row)
    whole = np.zeros(len(memories), bool)
    whole[which[ops[row, SHARDED] == 0]] = True
    found = []
    for memory, a, b, shared in zip(memories, first, last, whole, strict=True):
        if b < 0:
            found.append(Life(0, 0, 0, 0, 0))
        elif memory.kept:
            found.append(Life(_rounded(memory.nbytes), 0, len(ops) - 1, 0, int(stretch[-1])))
        else:
            begin, end = int(stretch[a]), int(stretch[b])
            row_bytes = 0 if shared else memory.row
            found.append(Life(_rounded(memory.nbytes), int(a), int(b), begin, end, row_bytes))
    return found


def resolved(ops: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The operations with the addresses (·,) of memories in the place of what stood for them."""
    stands = ops >= _FROM
    stands[:, :FIRST] = False
    apart = ops - _FROM
    number = np.where(stands, apart >> _BITS, 0)
    inside = apart & ((1 << _BITS) - 1)
    return np.where(stands, places[number] + inside, ops) if len(places) else ops


def _rounded(size: int) -> int:
    return -(-size // _LINE) * _LINE

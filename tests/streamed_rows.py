"""Sources for tests of networks that are trained on more rows than they may hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

import betahat as bh
from betahat.data.source import Block, Source

RNG = np.random.default_rng(11)
N, BUFFER, BATCH = 1003, 260, 32


def frame(n: int = N) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    found = pd.DataFrame({"a": rng.normal(size=n), "b": 5 + 2 * rng.normal(size=n)})
    found["kind"] = rng.choice(["u", "v", "w"], n)
    found["r"] = found.a**2 + found.b * (found.kind == "u")
    found["s"] = found.a - found.b
    found["c"] = np.where(found.a * (found.b - 5) > 0.3, "yes", np.where(found.kind == "w", "perhaps", "no"))
    found["q"] = (found.r > 5).astype(int)
    found["z"] = (found.s > -5).astype(int)
    found["w"] = rng.integers(0, 4, n) / 2
    return found


FRAME = frame()
X = ["a", "b", "kind"]


def assert_same(a: Any, b: Any) -> None:
    """Two networks were trained alike, to the bit."""
    assert a.parameters_.keys() == b.parameters_.keys()
    for name, value in a.parameters_.items():
        np.testing.assert_array_equal(value, b.parameters_[name], strict=True)
    np.testing.assert_array_equal(a._state.chain.memory, b._state.chain.memory)
    np.testing.assert_array_equal(a._state.buffers, b._state.buffers)
    assert a.loss_curve_ == b.loss_curve_
    assert a.validation_scores_ == b.validation_scores_
    assert (a.n_iter_, a.t_, a.stop_reason_, a._dead) == (b.n_iter_, b.t_, b.stop_reason_, b._dead)


class Blocks(Source):
    """Rows in parts, each in blocks, as they are given by a function of the number of the reading."""

    in_memory = False
    names, target_names = ("x1", "x2", "x3"), ("y",)

    def __init__(
        self, made: Callable[[int], Sequence[Sequence[Block]]], classes: Any = None, targets: int = 1
    ) -> None:
        self._made, self.classes = made, classes
        self.target_names = ("y",) if targets == 1 else tuple(f"y{k}" for k in range(targets))

    @property
    def parts(self) -> int:
        return len(self._made(0))

    def _blocks(self, unsearched: bool) -> Iterator[Block]:
        return (block for _, block in self._read_parts(range(self.parts)))

    def _read_parts(self, order: Sequence[int]) -> Iterator[tuple[int, Block]]:
        made = self._made(self.readings)
        return ((part, block) for part in order for block in made[part])


def in_parts(block: Block, parts: int = 4, sizes: int = 3) -> list[list[Block]]:
    """A block cut into parts of blocks."""
    cut = np.array_split(np.arange(block.X.shape[0]), parts)
    return [[block.take(some) for some in np.array_split(rows, sizes)] for rows in cut]


def numbers(n: int = N, p: int = 3) -> np.ndarray:
    return np.random.default_rng(5).normal(size=(n, p))


def source_of(block: Block, classes: Any = None, parts: int = 4) -> Blocks:
    """A source that gives the same rows each time."""
    assert block.y is not None
    return Blocks(lambda reading: in_parts(block, parts), classes, block.y.shape[1])


def query(path: Any, target: Any, **more: Any) -> Any:
    return bh.data.query(str(path), target=target, columns=X, **more)

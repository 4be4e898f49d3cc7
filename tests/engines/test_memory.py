"""Memories of a program share places: never two that are needed at the same time, whatever threads do meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from betahat.engines import Task
from betahat.engines.cpu.layout import Layout
from betahat.engines.cpu.memory import Life, Memory, lives_of, placed, resolved
from betahat.engines.cpu.step import training
from betahat.kernels.aligned import aligned
from betahat.kernels.network.operations import BARRIER, COUNT, FIRST, SHARDED, WIDTH
from betahat.layers import BatchNorm, Conv2d, Dense, GlobalMaxPool, Layer, MaxPool2d, ReLU, Residual
from betahat.losses.multinomial import Multinomial
from betahat.models.network import Network
from betahat.solvers.stochastic.named import Adam

LINE, ROWS, THREADS = 64, 4, 2
INTEGERS = st.integers


@st.composite
def any_lives(draw: st.DrawFn) -> list[Life]:
    """Of a program of ten operations with barriers between some."""
    stretch = np.cumsum(draw(st.lists(st.booleans(), min_size=10, max_size=10)))
    found = []
    for _ in range(draw(INTEGERS(0, 12))):
        row = draw(INTEGERS(1, 4)) * LINE
        first, last = sorted(draw(st.tuples(INTEGERS(0, 9), INTEGERS(0, 9))))
        turns = draw(st.booleans())
        found.append(
            Life(ROWS * row, first, last, int(stretch[first]), int(stretch[last]), row if turns else 0)
        )
    return found


@given(any_lives())
def test_nothing_lies_where_something_else_is_needed(lives: list[Life]) -> None:
    places, size = placed(lives)
    for k, (at, life) in enumerate(zip(places, lives, strict=True)):
        assert 0 <= at <= at + life.size <= size
        for other_at, other in zip(places[:k], lives, strict=False):
            overlap = at < other_at + other.size and other_at < at + life.size
            if overlap and life.begin <= other.end and other.begin <= life.end:
                assert at == other_at
                assert life.row == other.row > 0
                assert life.last < other.first or other.last < life.first


@given(any_lives())
def test_the_sum_lies_between_the_largest_live_set_and_all(lives: list[Life]) -> None:
    _, size = placed(lives)
    least = max(sum(life.size for life in lives if life.first <= op <= life.last) for op in range(10))
    assert least <= size <= sum(life.size for life in lives)


def test_lives_one_after_the_other_need_no_more_than_the_largest() -> None:
    lives = [Life(size * LINE, k, k, k, k) for k, size in enumerate((3, 7, 2, 5))]
    assert placed(lives) == ([0, 0, 0, 0], 7 * LINE)


def test_within_a_stretch_only_rows_that_lie_alike_take_turns() -> None:
    one, alike, other = Life(256, 0, 1, 0, 0, 64), Life(256, 2, 3, 0, 0, 64), Life(256, 2, 3, 0, 0, 128)
    assert placed([one, alike]) == ([0, 0], 256)
    assert placed([one, other])[1] == 512
    assert placed([one, Life(256, 1, 3, 0, 0, 64)])[1] == 512  # both are needed by operation 1


# --- programs, run by threads in any order ---------------------------------------------------------------------------


@st.composite
def any_program(draw: st.DrawFn) -> tuple[list[Memory], np.ndarray]:
    """Operations on shards, and some on all rows with barriers around them."""
    count = draw(INTEGERS(1, 8))
    memories = [
        Memory(k, (ROWS, draw(INTEGERS(1, 3)) * LINE // 4), 4, draw(INTEGERS(0, 9)) == 0)
        for k in range(count)
    ]
    ops, wait = [], draw(st.booleans())
    for k in range(draw(INTEGERS(1, 10))):
        whole = draw(INTEGERS(0, 4)) == 0
        row = [0] * WIDTH
        alone = whole or (k > 0 and not ops[-1][SHARDED])
        row[BARRIER] = int(alone or (wait if k == 0 else draw(INTEGERS(0, 2)) == 0))
        row[SHARDED], row[COUNT] = (0, 1) if whole else (1, 0)
        used = draw(st.lists(INTEGERS(0, count - 1), max_size=3, unique=True))
        row[FIRST : FIRST + len(used)] = [memories[j].at for j in used]
        ops.append(row)
    ops[0][BARRIER] |= int(not ops[-1][SHARDED])  # which the next step would otherwise not wait for
    return memories, np.array(ops, np.int64)


@settings(deadline=None)
@given(any_program(), st.randoms(use_true_random=False))
def test_threads_find_what_they_wrote(program: tuple[list[Memory], np.ndarray], random: Random) -> None:
    memories, ops = program
    lives = lives_of(memories, ops)
    places, _ = placed(lives)
    ops = resolved(ops, (1 << 20) + np.array(places, np.int64))
    used = {k: (1 << 20) + place for k, place in enumerate(places) if lives[k].size}
    # an address stands for a memory where several share it: each operation's own numbers say which
    names = [[int(a - (1 << 62)) >> 40 for a in row if a >= 1 << 62] for row in program[1][:, FIRST:]]
    defining = {k: min(op for op, its in enumerate(names) if k in its) for k in used}
    lines: dict[int, tuple[int, int]] = {}

    def does(op: int, row: int, step: int) -> None:
        for number, address in zip(names[op], ops[op, FIRST:], strict=False):
            assert used[number] == address
            memory = memories[number]
            for at in range(address + row * memory.row, address + (row + 1) * memory.row, LINE):
                if defining[number] == op:
                    lines[at] = (number, row + ROWS * step)
                assert lines[at] == (number, row + ROWS * step)

    def thread(k: int) -> Iterator[tuple[int, int, int] | None]:
        """Its rows, operation by operation; what takes all rows is done by the first."""
        for step in range(2):
            for op in range(len(ops)):
                if ops[op, BARRIER]:
                    yield None
                mine = range(ROWS) if not ops[op, SHARDED] else range(k * 2, k * 2 + 2)
                if ops[op, SHARDED] or k == 0:
                    for row in mine:
                        yield op, row, step

    running, waiting = {k: thread(k) for k in range(THREADS)}, set()
    while running:
        k = random.choice([k for k in running if k not in waiting])
        try:
            task = next(running[k])
        except StopIteration:
            del running[k]
        else:
            if task is None:
                waiting.add(k)
            else:
                does(*task)
        if waiting == set(running):
            waiting = set()


# --- networks --------------------------------------------------------------------------------------------------------


def test_residual_networks_keep_less_than_half_of_what_they_compute() -> None:
    block: list[Layer] = [Conv2d(32, 3, padding=1, bias=False), BatchNorm(), ReLU()]
    deep = (Residual(*block, *block), Residual(*block, *block))
    layers = [*block, MaxPool2d(2), *deep, *block, GlobalMaxPool(), Dense(3)]
    network = Network(layers, (16, 16, 3))
    task = Task(network, Multinomial(3), Adam().chain, dtype=np.float32)
    layout = Layout(network, np.float32)
    beta = aligned((layout.size,), np.float32)
    program = training(task, layout, beta, aligned((network.buffer_size,), np.float32), 32).program
    before = sum(memory.nbytes for memory in program.memories)
    program.tables  # noqa: B018  places are found
    assert max(array.nbytes for array in program.held) < before / 2


@pytest.mark.parametrize("kept", [False, True])
def test_memory_whose_zeros_must_stay_is_shared_with_nobody(kept: bool) -> None:
    memories = [Memory(0, (ROWS, 16), 4, kept), Memory(1, (ROWS, 16), 4, False)]
    ops = np.zeros((2, WIDTH), np.int64)
    ops[:, BARRIER] = ops[:, SHARDED] = 1
    ops[0, FIRST], ops[1, FIRST] = memories[0].at, memories[1].at
    places, size = placed(lives_of(memories, ops))
    assert (len(set(places)), size) == ((2, 512) if kept else (1, 256))


@pytest.mark.parametrize("waits", [False, True])
def test_a_step_that_waits_for_nobody_shares_nothing_with_the_end_of_the_last(waits: bool) -> None:
    memories = [Memory(0, (ROWS, 16), 4, False), Memory(1, (ROWS, 32), 4, False)]
    ops = np.zeros((2, WIDTH), np.int64)
    ops[:, SHARDED], ops[:, BARRIER] = 1, (waits, True)
    ops[0, FIRST], ops[1, FIRST] = memories[0].at, memories[1].at
    assert placed(lives_of(memories, ops))[1] == (512 if waits else 768)


SHARED = """
import hashlib
import numpy as np
from betahat.engines import Rows, Task, TrainingState, engine_for
from betahat.layers import BatchNorm, Conv2d, Dense, GlobalMaxPool, MaxPool2d, ReLU, Residual
from betahat.losses.multinomial import Multinomial
from betahat.models.network import Network
from betahat.solvers.stochastic.named import Adam
rng = np.random.default_rng(0)
rows = Rows(rng.standard_normal((300, 8, 8, 2)).astype(np.float32), rng.integers(0, 3, 300).astype(float))
for norm in ([], [BatchNorm()]):
    block = [Conv2d(24, 3, padding=1), *norm, ReLU()]
    deep = [Conv2d(256, 7, padding="same"), *norm, ReLU()]  # whose gradient threads share out
    layers = [*block, MaxPool2d(2), Residual(*block, *block), *deep, GlobalMaxPool(), Dense(3)]
    task = Task(Network(layers, (8, 8, 2)), Multinomial(3), Adam().chain, dtype=np.float32)
    state, engine = TrainingState.begin(task), engine_for(task)
    for _ in range(4):
        engine.train(state, rows, rng.permutation(300), 100)
    print(hashlib.sha256(state.chain.x.tobytes()).hexdigest())
    print(hashlib.sha256(engine.predict(state.chain.x, state.buffers, rows).tobytes()).hexdigest())
"""


def test_shared_memory_gives_the_same_bits_on_any_number_of_threads() -> None:
    found = []
    for threads in ("1", "2", "3", "5"):
        environment = {**os.environ, "BETAHAT_NUM_THREADS": threads}
        done = subprocess.run(
            [sys.executable, "-c", SHARED], env=environment, capture_output=True, text=True, timeout=300, check=True
        )  # fmt: skip
        found.append(done.stdout)
    assert len(found[0].split()) == 4
    assert len(set(found)) == 1

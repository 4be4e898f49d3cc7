"""What compiled code would trust is looked at first; threads never wait for one that will not come; rows are let go."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import weakref

import numpy as np
import pytest
import scipy.sparse as sp

from betahat.engines import ReferenceEngine, Rows, Task, TrainingState
from betahat.engines.cpu import CpuEngine
from betahat.engines.cpu.members import together
from betahat.kernels.network.barrier import new_state, wait_for_all
from betahat.layers import Dense, Tanh
from betahat.losses import SquaredError
from betahat.losses.multinomial import Multinomial
from betahat.models.network import Network
from betahat.solvers.stochastic.named import SGD

CLASSES = Task(Network([Dense(4), Tanh(), Dense(3)], 2), Multinomial(3), SGD(0.1).chain, dtype=np.float64)
NUMBERS = Task(Network([Dense(4), Tanh(), Dense(3)], 2), SquaredError(), SGD(0.1).chain, dtype=np.float64)
X, CODES = np.zeros((10, 2)), np.zeros(10)


@pytest.mark.parametrize(("task", "rows", "order", "match"), [
    (CLASSES, Rows(X, np.full(10, 3.0)), [0], "y holds 3 in row 0; expected codes of classes, 0 to 2"),
    (CLASSES, Rows(X, np.full(10, -1.0)), [0], "y holds -1 in row 0"),
    (CLASSES, Rows(X, np.full(10, 0.5)), [0], "y holds 0.5 in row 0"),
    (CLASSES, Rows(X, np.full(10, np.nan)), [0], "y holds nan in row 0"),
    (CLASSES, Rows(X, CODES[:9]), [0], r"y has shape \(9, 1\); expected \(10, 1\)"),
    (CLASSES, Rows(X, np.zeros((10, 3))), [0], r"y has shape \(10, 3\)"),
    (NUMBERS, Rows(X, np.zeros((10, 1))), [0], r"y has shape \(10, 1\); expected \(10, 3\)"),
    (CLASSES, Rows(X[:, :1], CODES), [0], r"X has rows of shape \(1,\); expected \(2,\)"),
    (CLASSES, Rows(sp.csr_array((10, 5)), CODES), [0], r"X has rows of shape \(5,\)"),
    (CLASSES, Rows(X, CODES, np.ones(9)), [0], "weight has 9 numbers; expected 10"),
    (CLASSES, Rows(X, CODES, None, np.zeros(3), np.ones(3)), [0], "centre has 3 numbers; expected 2"),
    (CLASSES, Rows(X, CODES), [0, 10], "order holds 0 to 10; expected numbers of rows, 0 to 9"),
    (CLASSES, Rows(X, CODES), [-1], "order holds -1 to -1"),
])  # fmt: skip
def test_what_does_not_fit(task, rows, order, match):
    engine, state = CpuEngine(task), TrainingState.begin(task)
    before = state.chain.x.copy()
    with pytest.raises(ValueError, match=match):
        engine.train(state, rows, np.array(order), 5)
    np.testing.assert_array_equal(state.chain.x, before)


def test_places_named_twice_add_up():
    twice = sp.csr_array((np.ones(30), np.tile([0, 1, 1], 10), np.arange(0, 31, 3)), shape=(10, 2))
    rows = Rows(twice, np.arange(10.0) % 3)
    states = [TrainingState.begin(CLASSES) for _ in range(2)]
    for engine, state in zip((ReferenceEngine(CLASSES), CpuEngine(CLASSES)), states, strict=True):
        engine.train(state, rows, np.arange(10), 5)
    np.testing.assert_allclose(states[1].chain.x, states[0].chain.x, rtol=1e-12)


@pytest.mark.parametrize("form", ["float64", "int64", "csr"])
def test_an_engine_keeps_no_rows(form):
    matrix = sp.csr_array(X + 1) if form == "csr" else X.astype(form)
    rows, seen = Rows(matrix, CODES), weakref.ref(matrix)
    engine, state = CpuEngine(CLASSES), TrainingState.begin(CLASSES)
    engine.train(state, rows, np.arange(10), 5)
    reading = weakref.ref(engine._read(rows))
    assert reading() is not None
    del rows, matrix
    gc.collect()
    assert seen() is None
    assert reading() is None


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_one_that_fails_lets_the_others_go(failing):
    state = new_state()

    def member(k, _):
        if k == failing:
            raise MemoryError(k)
        wait_for_all(state, 3)

    with pytest.raises(MemoryError, match=str(failing)):
        together(member, 3, state, None)


INTERRUPTED = """
import signal, threading, time
import numpy as np
from betahat.engines import Rows, Task, TrainingState, engine_for
from betahat.engines.cpu.members import helpers
from betahat.layers import Dense, ReLU
from betahat.losses.multinomial import Multinomial
from betahat.models.network import Network
from betahat.solvers.stochastic.named import SGD

rng = np.random.default_rng(0)
rows = Rows(rng.standard_normal((4000, 60)), rng.integers(0, 5, 4000).astype(float))
task = Task(Network([Dense(200), ReLU(), Dense(100), ReLU(), Dense(5)], 60), Multinomial(5), SGD(0.01).chain)

def running():  # Python counts for ever what was interrupted before it began
    return sum(thread.ident is not None for thread in threading.enumerate()) - helpers.waiting

engine, state, order, broken = engine_for(task), TrainingState.begin(task), rng.permutation(4000), 0
engine.train(state, rows, order, 256)
for k in range(60):
    step, x = state.chain.step, state.chain.x.copy()
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, rng.uniform(0.0002, 0.004))
            for _ in range(5):
                engine.train(state, rows, order, 256)
                step, x = state.chain.step, state.chain.x.copy()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        broken += 1
    wait = time.perf_counter() + 30
    while running() > 1 and time.perf_counter() < wait:  # one that came late ends by itself
        time.sleep(0.001)
    assert running() == 1
assert helpers.waiting <= 6  # two for each of a team, and two that came late
again, fresh = TrainingState.begin(task), TrainingState.begin(task)
engine.train(again, rows, order, 256)
engine_for(task).train(fresh, rows, order, 256)
assert (again.chain.x == fresh.chain.x).all()
print(broken)
"""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there are no timers of signals here")
def test_interrupts_leave_no_thread_behind():
    script = f"import signal\nsignal.signal(signal.SIGALRM, signal.default_int_handler)\n{INTERRUPTED}"
    environment = {**os.environ, "BETAHAT_NUM_THREADS": "3"}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=120
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 10

"""Helping threads run on other cores than the thread that wakes them, and nobody else's cores are changed."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from threading import Event, Thread

import numpy as np
import pytest

import betahat as bh
from betahat.kernels import placing

pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="cores are chosen on Linux only, where a process has two or more",
)


def _core():
    return ctypes.CDLL(None).sched_getcpu()


def _placed(thread):
    """The caller's core and the helper's cores, of a moment in which the caller did not move."""
    for _ in range(100):
        before = _core()
        placing.make_way()
        found = os.sched_getaffinity(thread.native_id)
        if _core() == before:
            return before, found
    raise AssertionError("this thread moves from core to core all the time")


@pytest.fixture
def helper():
    """A thread that waits, known as a helper."""
    begun, end = Event(), Event()

    def wait():
        placing.is_helper()
        begun.set()
        end.wait()

    thread = Thread(target=wait)
    thread.start()
    begun.wait()
    yield thread
    end.set()
    thread.join()


def test_helpers_leave_the_callers_core(helper):
    allowed = os.sched_getaffinity(0)
    core, cores = _placed(helper)
    assert cores == allowed - {core}
    assert os.sched_getaffinity(0) == allowed


def test_helpers_follow_the_callers_core(helper):
    """Callers on two cores, one after the other, each send them off their own."""
    allowed, found = os.sched_getaffinity(0), {}

    def call(core):
        os.sched_setaffinity(0, {core})  # moves this thread there
        os.sched_setaffinity(0, allowed)
        found[core] = _placed(helper)

    for core in sorted(allowed)[:2]:
        caller = Thread(target=call, args=(core,))
        caller.start()
        caller.join()
    assert len(found) == 2
    assert all(cores == allowed - {core} for core, cores in found.values())


def test_a_caller_of_one_core_moves_nobody(helper):
    before = _placed(helper)[1]
    alone: list[set[int]] = []

    def call():
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        placing.make_way()
        alone.append(os.sched_getaffinity(helper.native_id))

    caller = Thread(target=call)
    caller.start()
    caller.join()
    assert alone == [before]


def test_a_thread_that_ended_is_forgotten():
    thread = Thread(target=placing.is_helper)
    thread.start()
    thread.join()
    for _ in range(100):
        placing.make_way()
        if thread not in placing._helpers:
            return
    raise AssertionError("an ended thread is still known, whose number another may have by now")


def test_fits_are_the_same_on_fewer_cores():
    """In a process that is given one core before or after its helpers began."""
    code = """
import os, sys, numpy as np, betahat as bh
rng = np.random.default_rng(0)
X = rng.standard_normal((200_000, 6)); y = X.sum(1) + rng.standard_normal(len(X))
bits = []
for cores in {sets}:
    os.sched_setaffinity(0, cores)
    bits.append(bh.LinearRegression().fit(X, y).coef_.tobytes())
assert len(set(bits)) == 1
sys.stdout.write(bits[0].hex())
"""
    allowed = os.sched_getaffinity(0)
    one, rest = {min(allowed)}, allowed - {min(allowed)}
    for sets in ([one], [allowed, one, allowed], [one, allowed, rest]):
        done = subprocess.run(
            [sys.executable, "-c", code.format(sets=repr(sets))], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert len(done.stdout) == 6 * 16


def test_helpers_of_estimators_are_known(rng):
    X = rng.standard_normal((200_000, 6))
    bh.LinearRegression().fit(X, np.round(X[:, 0], 3))
    assert any(thread.is_alive() and thread.name.startswith("betahat") for thread in placing._helpers)

"""Threads that meet at barriers: each member has one to itself, whoever else wants some."""

from __future__ import annotations

import os
import signal
import threading

import numpy as np
import pytest

from betahat.engines.cpu import members
from betahat.engines.cpu.members import Helpers, together
from betahat.kernels.network.barrier import new_state, wait_for_all


def meet(count: int, times: int) -> np.ndarray:
    """How often each member came, all of them meeting each time."""
    state, came = new_state(), np.zeros(count, np.int64)

    def member(k, _):
        for _ in range(times):
            came[k] += 1
            assert wait_for_all(state, count)

    together(member, count, state, None)
    return came


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_all_meet(count):
    assert meet(count, 7).tolist() == [7] * count


def test_teams_at_once_do_not_wait_for_each_other():
    done: list[int] = []
    gate = threading.Barrier(6)

    def run(k: int) -> None:
        gate.wait()
        for _ in range(40):
            done.append(int(meet(2 + k % 3, 3).sum()))

    threads = [threading.Thread(target=run, args=(k,), daemon=True) for k in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not any(thread.is_alive() for thread in threads)
    assert sorted(done) == sorted(3 * (2 + k % 3) for k in range(6) for _ in range(40))


def test_threads_are_used_again():
    seen: list[set[int | None]] = []
    for _ in range(20):
        names: set[int | None] = set()
        state = new_state()

        def member(k, _, names=names, state=state):
            names.add(threading.get_ident())
            wait_for_all(state, 2)

        together(member, 2, state, None)
        seen.append(names - {threading.get_ident()})
    assert len(set.union(*seen)) <= members.helpers.waiting + 1


def test_one_for_whom_there_is_no_thread_lets_the_others_go(monkeypatch):
    def refused(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(members, "helpers", Helpers())
    monkeypatch.setattr(threading.Thread, "start", refused)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        meet(3, 1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_has_threads_of_its_own():
    assert meet(3, 2).tolist() == [2, 2, 2]
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        os._exit(0 if meet(3, 2).tolist() == [2, 2, 2] else 1)
    assert os.waitpid(child, 0)[1] == 0

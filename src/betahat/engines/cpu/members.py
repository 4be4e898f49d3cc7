"""Threads that meet at barriers: all of them run, or none goes on waiting."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Condition, Lock, Thread
from typing import Any, final

import numpy as np

from betahat.kernels.network.barrier import STOP
from betahat.kernels.placing import is_helper, make_way


def together(member: Callable[[int, Any], None], members: int, state: np.ndarray, held: Any) -> None:
    """Call member(k, held) for k = 0, 1, … on a thread each, the first on the caller's, and return when all are done.

    state : of their barrier (`betahat.kernels.network.barrier.new_state`), by which they are let go where one of them
    fails or Ctrl-C comes; that is raised once none of them runs any more.
    """
    team = _Team(member, state, held)
    try:
        helpers.run(team, members - 1)
        member(0, held)
        team.wait_for(members - 1)
    except BaseException:  # Ctrl-C between any two lines, perhaps while a thread is being started
        while not team.is_over:
            try:
                team.end()
            except KeyboardInterrupt:
                continue
        raise
    if team.failed:
        raise team.failed[0]


@final
class _Team:
    """Who runs and who is done. Once it is over, a thread that comes late does nothing."""

    def __init__(self, member: Callable[[int, Any], None], state: np.ndarray, held: Any) -> None:
        self._member, self._state, self._held = member, state, held
        self._changed, self._running, self._done = Condition(), 0, 0
        self.is_over = self._is_closed = False
        self.failed: list[BaseException] = []

    def run(self, k: int) -> None:
        with self._changed:
            if self._is_closed:
                return
            self._running += 1
        try:
            self._member(k, self._held)
        except BaseException as error:
            self._break(error)
        with self._changed:
            self._running -= 1
            self._done += 1
            self._changed.notify()

    def fail(self, error: BaseException) -> None:
        """There is no thread for one of them."""
        self._break(error)
        with self._changed:
            self._done += 1
            self._changed.notify()

    def _break(self, error: BaseException) -> None:
        self._state[STOP] = 1
        self.failed.append(error)

    def wait_for(self, count: int) -> None:
        """Until so many are done."""
        with self._changed:
            self._changed.wait_for(lambda: self._done == count)

    def end(self) -> None:
        """Let those that wait at a barrier go, and wait until nobody runs."""
        self._state[STOP] = 1
        with self._changed:
            self._is_closed = True
            self._changed.wait_for(lambda: not self._running)
        self.is_over = True


@final
class Helpers:
    """Threads that wait between calls: to start one takes longer than a small prediction.

    Each job has a thread to itself, however many teams there are, since its team's barriers wait for it. waiting : how
    many threads have no job.
    """

    def __init__(self) -> None:
        self.waiting, self._lock = 0, Lock()
        self._jobs: SimpleQueue[tuple[_Team, int]] = SimpleQueue()

    def run(self, team: _Team, count: int) -> None:
        """Have team.run(1), …, team.run(count) run. It may be broken off by Ctrl-C between any two lines."""
        for _ in range(count - self.waiting):
            self._start()
        if count:
            make_way()
        for k in range(1, count + 1):
            self._jobs.put((team, k))
        for _ in range(self._jobs.qsize() - self.waiting):  # other teams counted on the same threads
            self._start()

    def _start(self) -> None:
        Thread(target=self._serve, name="betahat", daemon=True).start()

    def _serve(self) -> None:
        is_helper()
        with self._lock:
            self.waiting += 1
        while True:
            self._one(*self._jobs.get())

    def _one(self, team: _Team, k: int) -> None:
        with self._lock:
            self.waiting -= 1
            short = self._jobs.qsize() > self.waiting  # another team counted on this thread too
        if short:
            try:
                self._start()
            except RuntimeError as error:  # the system has no more
                with suppress(Empty):
                    self._jobs.get_nowait()[0].fail(error)
        team.run(k)
        with self._lock:
            self.waiting += 1


helpers = Helpers()


def _forget() -> None:
    """A forked child has none of its parent's threads."""
    global helpers
    helpers = Helpers()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)

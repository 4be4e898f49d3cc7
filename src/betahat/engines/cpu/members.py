"""Threads that meet at barriers: all of them run, or none goes on waiting."""

from __future__ import annotations

from collections.abc import Callable
from threading import Condition, Thread
from typing import Any, final

import numpy as np

from betahat.kernels.network.barrier import STOP


def together(member: Callable[[int, Any], None], members: int, state: np.ndarray, held: Any) -> None:
    """Call member(k, held) for k = 0, 1, … on a thread each, the first on the caller's, and return when all are done.

    state : of their barrier (`betahat.kernels.network.barrier.new_state`), by which they are let go where one of them
    fails or Ctrl-C comes; that is raised once none of them runs any more.
    """
    team = _Team(member, state, held)
    try:
        for k in range(1, members):
            Thread(target=team.run, args=(k,), daemon=True).start()
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
            self._state[STOP] = 1
            self.failed.append(error)
        with self._changed:
            self._running -= 1
            self._done += 1
            self._changed.notify()

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

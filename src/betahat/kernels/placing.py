"""Which cores helping threads run on: not that of the thread that wakes them.

Linux may put a thread on the core of whoever wakes it, to wait there for milliseconds while another core idles, which
is longer than many calls take. Elsewhere nothing is done.
"""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from functools import lru_cache
from threading import Thread, current_thread
from typing import Any

_helpers: list[Thread] = []
_placed: tuple[Any, ...] = ()
"""As helpers were placed last: who they were, the caller's core, and what it may use."""


def is_helper() -> None:
    """Called by a thread of this package when it begins."""
    _helpers.append(current_thread())


@lru_cache(maxsize=1)
def _current_core() -> Any:
    """What tells the core that it is called on, or None where that cannot be told."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    return getattr(ctypes.CDLL(None), "sched_getcpu", None)


def make_way() -> None:
    """Keep helpers off the core of this thread, on others that it may use; called before they are woken."""
    global _placed
    where = _current_core()
    if where is None:
        return
    here, allowed = where(), os.sched_getaffinity(0)
    others = allowed - {here}
    if (tuple(_helpers), here, allowed) == _placed or here < 0 or not others:
        return
    for helper in tuple(_helpers):
        # it, or these cores, have just been taken from the process, or another caller forgot it
        with suppress(OSError, ValueError):
            if not helper.is_alive():  # or it was the parent's, before a fork
                _helpers.remove(helper)
            elif helper.native_id is not None:
                os.sched_setaffinity(helper.native_id, others)
    _placed = tuple(_helpers), here, allowed

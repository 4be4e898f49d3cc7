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
_placed: tuple[Any, ...] = ()  # as helpers were placed last: their number, the caller's core, and what it may use


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
    wanted, others = (len(_helpers), here, allowed), allowed - {here}
    if wanted == _placed or here < 0 or not others:
        return
    for helper in list(_helpers):
        if not helper.is_alive():  # or it was the parent's, before a fork
            _helpers.remove(helper)
        elif helper.native_id is not None:
            with suppress(OSError):  # it has just ended, or these cores have just been taken from the process
                os.sched_setaffinity(helper.native_id, others)
    _placed = wanted

"""Property tests draw the same examples in every CI run, so that a change is judged by what it changes; elsewhere new
ones each time. Ctrl-C is Python's own, also where a shell started the run in the background and ignores it."""

from __future__ import annotations

import os
import signal

from hypothesis import settings

signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")

"""Property tests draw the same examples in every CI run, so that a change is judged by what it changes; elsewhere new
ones each time."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")

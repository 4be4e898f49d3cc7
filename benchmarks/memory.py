"""Honest memory: the peak of a process of its own, and what a fit adds to it once code and libraries are loaded."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

Rows = TypeVar("Rows")


def peak_bytes() -> int:
    """Of this process. (getrusage would count that of the process which started this one.)"""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # macOS counts bytes


def print_extra(fit: Callable[[Rows], object], small: Rows, large: Callable[[], Rows]) -> None:
    """Bytes by which a fit to `large` raises this process's peak, after one to `small`."""
    fit(small)
    rows = large()
    if (forget := Path("/proc/self/clear_refs")).exists():
        forget.write_text("5")  # the peak so far, of making the rows, would hide a smaller one
    before = peak_bytes()
    fit(rows)
    print(peak_bytes() - before)


def extra_memory(module: str, of: int) -> str:
    """What `python -m module` prints by `print_extra`, as a sentence, beside the `of` bytes of X."""
    extra = int(subprocess.check_output([sys.executable, "-m", module], text=True))
    return f"Extra memory: {extra / 1e6:.1f} MB, {100 * extra / of:.2f} % of X."

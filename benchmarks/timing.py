"""Honest timing: contestants in turn, one after the other, round after round; medians and ratios of the same run."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

_SHORT = 1.0  # seconds of what is done once more before it is timed
_LEAST_REST, _MOST_REST = (
    0.15,
    0.3,
)  # seconds between calls, which is a call's own length if that lies between


@dataclass(frozen=True)
class Timing:
    name: str
    seconds: list[float]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def best(self) -> float:
        return min(self.seconds)


def alternate(
    contestants: dict[str, Callable[[], object]], rounds: int, inner: int = 1, warm: bool = False
) -> list[Timing]:
    """Each contestant once to warm up, unless all are `warm`, then `rounds` rounds of all in turn; seconds a call.

    After each there is a rest: threads of OpenMP, onnxruntime (50 ms) and OpenBLAS (100 ms) go on spinning for a while,
    on the cores of the next one.
    A processor that rested is slow at first, and so what is short is done once more before it is timed.
    """
    for run in () if warm else contestants.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    gc.collect()
    gc.freeze()  # what libraries hold is not looked through between timings, which would empty the processor's caches
    for _ in range(rounds):
        for name, run in contestants.items():
            gc.collect()
            gc.disable()
            if seconds[name] and inner * seconds[name][-1] < _SHORT:
                for _ in range(inner):
                    run()
            start = time.perf_counter()
            for _ in range(inner):
                run()
            taken = time.perf_counter() - start
            seconds[name].append(taken / inner)
            gc.enable()
            time.sleep(min(max(_LEAST_REST, taken), _MOST_REST))
    gc.unfreeze()
    return [Timing(name, taken) for name, taken in seconds.items()]


def readable(seconds: float) -> str:
    return f"{seconds * 1e3:.2f} ms" if seconds < 1 else f"{seconds:.2f} s"


def table(timings: list[Timing], ours: str = "betahat") -> str:
    """A Markdown table; the ratio says how many times as long as ours each takes."""
    reference = next(timing for timing in timings if timing.name == ours).median
    lines = ["| contestant | median | best | ratio to betahat |", "|---|---|---|---|"]
    lines += [
        f"| {t.name} | {readable(t.median)} | {readable(t.best)} | {t.median / reference:.2f} |"
        for t in timings
    ]
    return "\n".join(lines)

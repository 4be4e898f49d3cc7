"""Nonlinear regression beside scipy's curve_fit and lmfit: the 27 NIST StRD sets, each from both starting points."""

from __future__ import annotations

import functools
import os
import sys
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.timing import alternate, readable

_DIGITS = (4, 6, 9)
_ROUNDS, _IN_A_ROW = 5, 10
_TESTS = str(Path(__file__).resolve().parents[1] / "tests")


@dataclass(frozen=True)
class Outcome:
    """Correct digits of the worst parameter, −1 where the contestant gave up, and evaluations of f."""

    digits: float
    evaluations: int


def contestants() -> dict[str, Callable[[Any, Any, Any, Any], tuple[Any, int | None]]]:
    """name → (f, start, x, y) to the parameters found and, where the contestant counts them itself, evaluations."""
    import lmfit
    from scipy.optimize import curve_fit

    import betahat as bh

    def ours(f: Any, start: Any, x: Any, y: Any) -> tuple[Any, int | None]:
        m = bh.NonlinearRegression(f, start).fit(x, y)
        return m.coef_, m.n_evaluations_

    def scipys(f: Any, start: Any, x: Any, y: Any) -> tuple[Any, int | None]:
        return curve_fit(f, x, y, start)[0], None

    def lmfits(f: Any, start: Any, x: Any, y: Any) -> tuple[Any, int | None]:
        model = lmfit.Model(f)
        names = {name: float(value) for name, value in zip(model.param_names, start, strict=True)}
        found = model.fit(y, model.make_params(**names), x=x)
        return [found.params[name].value for name in names], None

    return {"betahat": ours, "scipy curve_fit": scipys, "lmfit": lmfits}


def counted(f: Callable[..., Any]) -> tuple[Callable[..., Any], list[None]]:
    """f, and a list that grows by one at each call."""
    calls: list[None] = []

    @functools.wraps(f)
    def counting(*arguments: Any, **named: Any) -> Any:
        calls.append(None)
        return f(*arguments, **named)

    return counting, calls


def _load() -> str:
    """How busy the machine was, which medians of turns taken bear and times do not."""
    if not hasattr(os, "getloadavg"):
        return "How busy the machine was is not known"
    return f"Load of the machine at the end: {os.getloadavg()[1]:.1f} on {os.cpu_count()} cores"


def seconds_once(chosen: list[int]) -> dict[str, float]:
    """The sum of seconds of the chosen runs, each once, in a process that has done one fit (which imports modules)."""
    ways, runs = contestants(), nist_runs()
    seconds = dict.fromkeys(ways, 0.0)
    for way in ways.values():
        way(
            runs[chosen[0]][0].model, runs[chosen[0]][0].starts[0], runs[chosen[0]][0].x, runs[chosen[0]][0].y
        )
    for reference, k in (runs[i] for i in chosen):
        for name, way in ways.items():
            start = time.perf_counter()
            way(reference.model, reference.starts[k], reference.x, reference.y)
            seconds[name] += time.perf_counter() - start
    return seconds


def nist_runs() -> list[tuple[Any, int]]:
    """Each set and the number of a starting point."""
    sys.path.insert(0, _TESTS)
    from nist_nonlinear import MODELS, nist_nonlinear

    return [(nist_nonlinear(name), k) for name in MODELS for k in (0, 1)]


def _before(seconds: dict[str, float]) -> str:
    """What the first fits of a process take."""
    ours, peer = seconds["betahat"], seconds["scipy curve_fit"]
    return (
        f"Each run once in a process that has begun, where fits run in NumPy: {readable(ours)} beside curve_fit's "
        f"{readable(peer)} ({peer / ours:.2f}). "
    )


def run() -> str:
    from betahat.kernels.running import load

    sys.path.insert(0, _TESTS)
    from reference_data import FOLDER, correct_digits

    if not FOLDER.is_dir():
        return "The NIST files are not beside this checkout."
    warnings.simplefilter("ignore")
    ways = contestants()
    runs = nist_runs()
    outcomes: dict[str, list[Outcome]] = {name: [] for name in ways}
    for reference, k in runs:
        for name, way in ways.items():
            f, calls = counted(reference.model)
            try:
                found, own = way(f, reference.starts[k], reference.x, reference.y)
                digits = min(map(correct_digits, np.asarray(found, np.float64), reference.estimates))
            except (RuntimeError, ValueError, TypeError):
                digits, own = -1.0, None
            outcomes[name].append(Outcome(digits, len(calls) if own is None else own))
    load()
    shared = [i for i in range(len(runs)) if all(done[i].digits >= _DIGITS[0] for done in outcomes.values())]
    with ProcessPoolExecutor(1, get_context("spawn")) as fresh:
        first = fresh.submit(seconds_once, shared).result()
    row, alone = dict.fromkeys(ways, 0.0), dict.fromkeys(ways, 0.0)
    for i in shared:
        reference, k = runs[i]
        arguments = (reference.model, reference.starts[k], reference.x, reference.y)
        turns = {name: functools.partial(way, *arguments) for name, way in ways.items()}
        for timing in alternate(turns, _ROUNDS, _IN_A_ROW):
            row[timing.name] += timing.median
        for timing in alternate(turns, _ROUNDS):
            alone[timing.name] += timing.median
    lines = [
        f"Runs of {len(runs)} whose worst parameter is right to so many digits, each library with its defaults. "
        f"Evaluations of f and seconds are summed over the {len(shared)} runs that all solve to {_DIGITS[0]} digits; "
        "evaluations that give all derivatives count as one; betahat's time includes the certificate and "
        "(JᵀWJ)⁻¹, of which inference is made when asked for. "
        f"Time is that of a fit among {_IN_A_ROW} in a row, in a process that has its kernels (compiled once by "
        "`betahat warmup`, or by a process that fits for some ten seconds; read by one that fits for half a second); "
        "'alone' is one fit after those of the others. "
        f"{_before(first)}"
        f"{_load()}.",
        "",
        f"| | {' | '.join(f'{d} digits' for d in _DIGITS)} | evaluations | time | ratio to betahat | alone | ratio |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, done in outcomes.items():
        solved = [str(sum(o.digits >= d for o in done)) for d in _DIGITS]
        evaluations = sum(done[i].evaluations for i in shared)
        ratio = row[name] / row["betahat"]
        lines.append(
            f"| {name} | {' | '.join(solved)} | {evaluations:,} | {readable(row[name])} | {ratio:.2f} | "
            f"{readable(alone[name])} | {alone[name] / alone['betahat']:.2f} |"
        )
    lines += ["", "Not solved to 4 digits:"]
    for name, done in outcomes.items():
        lost = [f"{r.name} ({k + 1})" for (r, k), o in zip(runs, done, strict=True) if o.digits < _DIGITS[0]]
        lines.append(f"\n- {name}: {', '.join(lost) or 'none'}")
    return "\n".join(lines)

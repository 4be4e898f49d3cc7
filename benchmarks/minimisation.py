"""bh.minimize beside scipy.optimize.minimize on the functions of Moré, Garbow & Hillstrom, in 2 to 1000 dimensions."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.timing import readable

ROUNDS = 9
TOLERANCE = 1e-9
PAIRS = {
    "bfgs": "BFGS",
    "lbfgs": "L-BFGS-B",
    "conjugate_gradient": "CG",
    "newton_cg": "trust-ncg",
    "trust_region": "trust-exact",
}
DENSE = {
    "bfgs",
    "trust_region",
    "BFGS",
    "trust-exact",
}  # work with n × n matrices: not tried in 1000 dimensions
PRECISE = {"L-BFGS-B": {"ftol": 0.0, "maxiter": 20_000, "maxfun": 10_000_000}, "BFGS": {}, "CG": {}}


@dataclass(frozen=True)
class Run:
    solved: bool
    seconds: float
    calls: int
    proof: float = 0.0


class Counted:
    """A function that counts its runs, on numbers or on traced values."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function, self.calls = function, 0

    def __call__(self, x: Any) -> Any:
        self.calls += 1
        return self.function(x)


def solved(value: float, minima: tuple[float, ...]) -> bool:
    return any(abs(value - low) <= max(1e-5 * low, 1e-8) for low in minima)


def ours(problem: Any, solver: str | None) -> Run:
    import betahat as bh

    function, start, minima = problem
    counted = Counted(function)
    begun, spent = time.perf_counter(), time.process_time()
    found = bh.minimize(counted, start, solver=solver, tol=TOLERANCE)
    wall, spent = time.perf_counter() - begun, time.process_time() - spent
    proof = spent * (1 - float(found.trace.seconds[-1]) / wall)
    return Run(solved(found.value, minima), spent, counted.calls, proof)


def scipys(problem: Any, method: str, gradients: bool) -> Run:
    """Stopped by the gradient that bh.minimize stops at, where it has gradients; else by its own rule."""
    from scipy.optimize import minimize

    import betahat as bh
    from betahat.solvers.descent.base import typical_value

    function, start, minima = problem
    counted = Counted(function)
    options: dict[str, Any] = {}
    given: dict[str, Any] = {}
    if gradients:
        at_start = bh.value_and_grad(function)(start)
        options = {
            "gtol": TOLERANCE * max(min(minima), typical_value(start, *at_start)),
            **PRECISE.get(method, {}),
        }
        given = {"jac": True}
        if method == "trust-ncg":
            given["hessp"] = lambda x, v: bh.hvp(counted, x, v)
        if method == "trust-exact":
            given["hess"] = bh.hessian(counted)
    elif method == "L-BFGS-B":
        options = {"maxfun": 10_000_000}
    called = bh.value_and_grad(counted) if gradients else counted
    begun = time.process_time()
    with np.errstate(all="ignore"):
        found = minimize(called, start, method=method, options=options, **given)
    return Run(solved(found.fun, minima), time.process_time() - begun, counted.calls)


def quickest(runs: list[Run]) -> Run:
    return min(runs, key=lambda run: run.seconds)


def evaluations(problems: dict[str, Any]) -> list[str]:
    lines = [
        "| | problems | betahat solves | its runs of the function | scipy solves | its runs |",
        "|---|---|---|---|---|---|",
    ]
    for solver, method in [
        (None, "BFGS"),
        (None, "L-BFGS-B"),
        *((name, PAIRS[name]) for name in list(PAIRS)[:3]),
    ]:
        names = [name for name, (_, start, _) in problems.items() if len(start) < 500 or method not in DENSE]
        mine = [ours(problems[name], solver) for name in names]
        theirs = [scipys(problems[name], method, gradients=False) for name in names]
        lines.append(
            f"| {solver or 'automatic'} · {method} | {len(names)} | {sum(run.solved for run in mine)} | "
            f"{sum(run.calls for run in mine):,} | {sum(run.solved for run in theirs)} | "
            f"{sum(run.calls for run in theirs):,} |"
        )
    return lines


def times(problems: dict[str, Any]) -> list[str]:
    lines = [
        "| | problems | betahat solves | scipy solves | betahat | of it the certificate | scipy | ratio "
        "| median ratio |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    automatic = [(None, method) for method in ("BFGS", "trust-exact", "trust-ncg")]
    for solver, method in [*automatic, *PAIRS.items()]:
        names = [name for name, (_, start, _) in problems.items() if len(start) < 500 or method not in DENSE]
        mine, theirs = {}, {}
        for name in names:
            turns = [
                (ours(problems[name], solver), scipys(problems[name], method, True)) for _ in range(ROUNDS)
            ]
            mine[name], theirs[name] = (quickest([turn[side] for turn in turns]) for side in (0, 1))
        both = [name for name in names if mine[name].solved and theirs[name].solved]
        total = [sum(runs[name].seconds for name in both) for runs in (mine, theirs)]
        proof = sum(mine[name].proof for name in both)
        ratios = [theirs[name].seconds / mine[name].seconds for name in both]
        lines.append(
            f"| {solver or 'automatic'} · {method} | {len(names)} | {sum(run.solved for run in mine.values())} | "
            f"{sum(run.solved for run in theirs.values())} | {readable(total[0])} | {readable(proof)} | "
            f"{readable(total[1])} | {total[1] / total[0]:.2f} | {np.median(ratios):.2f} |"
        )
    return lines


def run() -> str:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
    import scipy.optimize  # noqa: F401 - its threads can be limited only once it is here
    from optimisation_problems import PROBLEMS
    from threadpoolctl import threadpool_limits

    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        counted, timed = evaluations(PROBLEMS), times(PROBLEMS)
    return "\n".join([
        f"{len(PROBLEMS)} functions in 2 to 1000 dimensions. Solved: the value of a known minimum to five digits. "
        "betahat stops at a relative gradient of 1e-9 and certifies what it found. Methods that keep a matrix are not "
        "tried in 1000 dimensions, where scipy's take minutes.",
        "",
        "**Evaluations**, scipy with its finite differences and its own stopping rule. A run is one call of the "
        "function: on numbers, or on traced values for a value with its gradient, for a product with the Hessian or "
        "for all of its rows. The arithmetic of a traced run is at most five times a plain one's for a gradient, and "
        "as much again for every row of a Hessian. The certificate's runs are counted.",
        "",
        *counted,
        "",
        "**Time**, both with gradients by bh.value_and_grad (and Hessians or products by bh.hessian and bh.hvp where a "
        "method takes them), both stopped at the same gradient, on one thread, processor time of the quickest of "
        f"{ROUNDS} turns, summed over the functions that both solve. Ratio: how many times as long scipy takes; "
        "median: over functions. scipy's L-BFGS-B is compiled, the other methods are Python in both.",
        "",
        *timed,
    ])  # fmt: skip

"""One descent from a problem and a solver to the `Minimum` that users see."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from betahat.solvers.assess import assess
from betahat.solvers.checks import check_count, is_real
from betahat.solvers.descent.base import Limits, Solver, State, typical_value
from betahat.solvers.descent.box import free_gradient
from betahat.solvers.descent.problem import Problem
from betahat.solvers.minimum import Minimum
from betahat.solvers.trace import Trace


def descend(
    problem: Problem, way: Solver, tolerance: float, max_iter: int | None,
    callback: Callable[[Any, float], Any] | None,
) -> Minimum:  # fmt: skip
    """Where the solver ends, certified; after Ctrl-C, divergence or an exhausted budget the best point met."""
    trace = Trace()

    def each(x: np.ndarray, value: float) -> Any:
        try:
            return callback(problem.form(x.copy()), value) if callback is not None else None
        except StopIteration:
            return True

    with np.errstate(all="ignore"):  # steps may overshoot to where J overflows; they are not taken
        value, slope = problem.both(problem.start)
        typical = typical_value(problem.start, value, free_gradient(problem.box, problem.start, slope))
        budget = int(max_iter) if max_iter is not None else 1000 + 20 * problem.n
        limits = Limits(tolerance, budget, typical)
        try:
            state = way.run(problem, limits, trace, each)
            hurried = False
        except KeyboardInterrupt:
            state, hurried = State(problem.start, np.inf, slope, "interrupted"), True
        best = problem.best
        if best is not None and state.stop_reason != "converged" and best[0] < state.value:
            state = State(best[1], best[0], best[2], state.stop_reason, state.remark)
        found = assess(problem, state, limits, hurried)
    return Minimum(
        problem.form(state.x.copy()), found.value, problem.form(found.gradient), found.certificate, found.least,
        found.relative, problem.form(found.held), found.stop_reason, way.name, trace, problem.evaluations,
        problem.gradients, problem.products,
    )  # fmt: skip


def check_descent(tol: Any, max_iter: Any, **functions: Any) -> None:
    """Raise unless these are a number between 0 and 1, a count or None, and functions (None for all but the first)."""
    for place, (name, value) in enumerate(functions.items()):
        if not (callable(value) or (value is None and place)):
            raise TypeError(f"{name} (={value!r}) must be a function")
    if not (is_real(tol) and 0 < tol < 1):
        raise ValueError(f"tol (={tol!r}) must be a number between 0 and 1")
    if max_iter is not None:
        check_count("max_iter", max_iter)

"""One way down after another: a cheap one to the neighbourhood of a minimum, a precise one from there."""

from __future__ import annotations

from dataclasses import replace
from typing import final

from betahat.solvers.descent.base import Callback, Limits, Solver, State
from betahat.solvers.descent.problem import Problem
from betahat.solvers.trace import Trace

_FINER = 1e-3  # the second's tolerance, as a part of the first's


@final
class InTurn(Solver):
    """The first solver, for as many iterations as it deserves; from where it ends the second, to the last digits.

    What the first takes for a minimum, a saddle or flat land in awkward units for example, the second leaves; and if
    nothing is left to do it costs one step.
    """

    def __init__(self, first: Solver, second: Solver) -> None:
        self.first, self.second = first, second
        self.name = f"{first.name}, {second.name}"
        self.bounded = first.bounded and second.bounded

    def run(self, problem: Problem, limits: Limits, trace: Trace, callback: Callback | None) -> State:
        start, budget = problem.start, limits.max_iter
        near = self.first.run(
            problem, replace(limits, max_iter=min(budget, 100 + 10 * problem.n)), trace, callback
        )
        left = budget - len(trace)
        if near.stop_reason in ("diverged", "interrupted") or left <= 0:
            return near
        problem.start = near.x
        try:
            end = self.second.run(
                problem, Limits(_FINER * limits.tolerance, left, limits.typical), trace, callback
            )
        finally:
            problem.start = start
        if end.stop_reason != "converged" and near.stop_reason == "converged" and end.value >= near.value:
            end.stop_reason = "converged"  # nothing was left to win
        return end

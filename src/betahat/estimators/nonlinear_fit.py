"""One nonlinear fit from rows and starting values to everything the estimator shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import final

import numpy as np

from betahat.certificate import Certificate
from betahat.estimators.nonlinear_descent import Goal, descend
from betahat.estimators.nonlinear_statistics import summarise
from betahat.inference import Inference, LinearStatistics
from betahat.solvers.descent.base import Solver
from betahat.solvers.trace import Trace


@final
@dataclass
class NonlinearResult:
    """A fitted nonlinear model without its rows. starts (k, p), losses (k,) : where descents began, J where they ended;
    summed : its statistics, or what makes them when asked for; refusal : why there are no standard errors, or None;
    interruption : what Ctrl-C left undone, or None."""

    coef: np.ndarray
    certificate: Certificate
    trace: Trace
    stop_reason: str
    solver: str
    why: str
    summed: LinearStatistics | Callable[[], LinearStatistics]
    refusal: str | None
    starts: np.ndarray
    losses: np.ndarray
    evaluations: int
    interruption: str | None
    inference: Inference | None = field(default=None)

    @property
    def statistics(self) -> LinearStatistics:
        """The model linearised at β̂."""
        if not isinstance(self.summed, LinearStatistics):
            self.summed = self.summed()
        return self.summed


def fit_nonlinear(
    goal: Goal, starts: Sequence[np.ndarray], cov_type: str, maxlags: int | None, solver: Solver | None,
    max_iter: int | None,
) -> NonlinearResult:  # fmt: skip
    """Descend from every start, keep the lowest end, certify it, and sum what the covariance needs."""
    model = goal.model
    search = descend(goal, starts, solver, max_iter)
    end, interrupted = search.end, search.interruption is not None
    if not (interrupted or model.check(goal.rows.X, end.state.x, end.J)):  # rows do depend on one another
        return fit_nonlinear(goal, starts, cov_type, maxlags, solver, max_iter)
    summed, refusal = summarise(goal, end, cov_type, maxlags)
    model.tell(goal.rows.X)
    model.forget()
    return NonlinearResult(
        end.state.x, end.certificate, end.trace, end.state.stop_reason, end.solver, search.why, summed,
        refusal, np.array(starts), np.array(search.losses), model.evaluations + model.jacobians, search.interruption,
    )  # fmt: skip

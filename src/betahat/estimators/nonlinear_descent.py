"""The descents of a nonlinear fit: which solvers are tried, from which starts, and what their ends are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from betahat.certificate import (
    EPS,
    Certificate,
    Curvature,
    Proof,
    certificate_of,
    certify_smooth,
    curvature,
    curvature_of_squares,
)
from betahat.estimators.nonlinear_rows import Rows
from betahat.kernels.finite import all_finite
from betahat.losses import Loss
from betahat.models.nonlinear import NonlinearModel
from betahat.penalties import NoPenalty, Penalty
from betahat.solvers.descent.base import Limits, Solver, State, largest, typical_value
from betahat.solvers.descent.box import Box, free_gradient, held_by
from betahat.solvers.descent.trust_region import TrustRegion
from betahat.solvers.finish import finish
from betahat.solvers.least_squares.gauss_newton import GaussNewton
from betahat.solvers.least_squares.levenberg_marquardt import LevenbergMarquardt
from betahat.solvers.nonlinear import VANISHING, NonlinearLeastSquares, NonlinearObjective, rounded
from betahat.solvers.trace import Trace

ITERATIONS = 50
"""Of one descent, for each parameter and two more."""
_TOLERANCE = 1e-10  # of solvers that look at the gradient
_SAME = 1e-9  # relative difference of J up to which two descents ended alike
_STEEP = 1e5  # condition number from which that of J decides, since JᵀJ squares it
_REMARKS = {
    "interrupted": "the descent was interrupted; this is the best point so far",
    "diverged": "J, or f, ceased to be finite",
    "no progress": "no step lowered J any more: is f smooth there?",
}


@final
@dataclass(frozen=True)
class Goal:
    """J: a model over rows with its loss, penalty and bounds."""

    model: NonlinearModel
    rows: Rows
    box: Box | None
    loss: Loss
    penalty: Penalty

    @property
    def quadratic(self) -> bool:
        """Whether J is a sum of squares."""
        return self.loss.quadratic and isinstance(self.penalty, NoPenalty)

    def problem(self, start: np.ndarray) -> NonlinearLeastSquares | NonlinearObjective:
        """What a solver descends on."""
        model, rows = self.model, self.rows
        if self.quadratic:
            return NonlinearLeastSquares(model, rows.X, rows.y, rows.total, start, self.box)
        return NonlinearObjective(model, rows.X, rows.y, rows.total, start, self.box, self.loss, self.penalty)


@final
@dataclass(frozen=True)
class End:
    """Where one descent ended: f's Jacobian and residuals y − f there, and what the point is."""

    state: State
    trace: Trace
    solver: str
    J: np.ndarray
    residual: np.ndarray
    hessian: np.ndarray
    held: np.ndarray
    certificate: Certificate
    inverse: np.ndarray | None = None
    """(Jᵀ diag(wᵢ/Σw) J)⁻¹, where that is known."""

    @property
    def is_minimum(self) -> bool:
        return self.certificate.status == "local minimum"

    @property
    def interrupted(self) -> bool:
        return self.state.stop_reason == "interrupted"

    @property
    def value(self) -> float:
        """J, infinite where it is not finite."""
        loss = self.certificate.loss
        return loss if np.isfinite(loss) else np.inf

    def better(self, other: End | None) -> bool:
        """Lower, or as low and a minimum where the other is none."""
        if other is None or not np.isfinite(other.value):
            return True
        gap = self.value - other.value
        if abs(gap) <= _SAME * abs(other.value):
            return self.is_minimum and not other.is_minimum
        return gap < 0


@final
@dataclass(frozen=True)
class Search:
    """The lowest end of the descents from every start, why its solver was taken, J where each descent ended, and, where
    Ctrl-C came, what was left undone."""

    end: End
    why: str
    losses: list[float]
    interruption: str | None


def descend(goal: Goal, starts: Sequence[np.ndarray], solver: Solver | None, max_iter: int | None) -> Search:
    """Solvers are tried in turn, each from every start, until one ends at a minimum; Ctrl-C ends it all, once there is
    a point to keep."""
    budget = max_iter or ITERATIONS * (goal.model.taken.size + 2)
    best: End | None = None
    ends: list[float] = []
    why, interruption = "", None
    for way, reason in _ways(goal, starts, solver):
        ends = []
        for start in starts:
            try:
                found = _arrive(goal, start, way, budget)
            except KeyboardInterrupt:
                if best is None:
                    raise
                interruption = _undone(len(ends), len(starts), way)
                break
            ends.append(found.value)
            if found.better(best):
                best, why = found, reason
            if found.interrupted:
                interruption = _undone(len(ends) - 1, len(starts), way)
                break
        assert best is not None
        if best.is_minimum or interruption is not None:
            break
    assert best is not None
    ends += [np.inf] * (len(starts) - len(ends))
    return Search(_told(best, budget), why, ends, interruption)


def _undone(done: int, starts: int, way: Solver) -> str:
    """What Ctrl-C left undone."""
    if starts == 1:
        return f"the search was interrupted during the descent by {way.name}"
    return (
        f"the search was interrupted after {done} of {starts} starts, during the descent by {way.name} from the next; "
        "a lower minimum may be found from there"
    )


def _ways(goal: Goal, starts: Sequence[np.ndarray], solver: Solver | None) -> Iterator[tuple[Solver, str]]:
    """Solvers in the order in which they are tried, and why each."""
    if solver is not None:
        yield solver, "it was asked for"
        return
    if goal.quadratic:
        yield LevenbergMarquardt(), "the objective is a sum of squares"
        with np.errstate(all="ignore"):
            linear = goal.model.linear_parameters(goal.rows.X, starts[0])
        if goal.box is not None:
            linear = tuple(k for k in linear if np.isinf(goal.box.lower[k]) and np.isinf(goal.box.upper[k]))
        if linear and len(linear) < goal.model.taken.size:
            yield (
                LevenbergMarquardt(linear=linear),
                "steps in all parameters found no minimum, so those that f is linear in were solved for at each point",
            )
    yield (
        TrustRegion(),
        "Levenberg–Marquardt ended at no minimum, so all second derivatives were used"
        if goal.quadratic
        else "the loss is no sum of squares, and its Hessian is known",
    )


def _arrive(goal: Goal, start: np.ndarray, way: Solver, budget: int) -> End:
    """One descent, its last digits, and what the point is; after Ctrl-C the best point so far."""
    problem, trace = goal.problem(start), Trace()
    best = State(problem.start, np.inf, np.full(problem.n, np.nan), "interrupted")

    def keep(x: np.ndarray, value: float) -> None:
        if value <= best.value:
            best.x, best.value = x.copy(), value

    with np.errstate(all="ignore"):
        try:
            state = way.run(problem, _limits(problem, way, budget), trace, keep)
        except KeyboardInterrupt:
            return examine(goal, problem, best, trace, way.name)
        try:
            end = examine(goal, problem, state, trace, way.name)
            if not end.certificate.converged and state.stop_reason in ("converged", "no progress"):
                finished = finish(problem, state)
                if finished is not state:
                    end = examine(goal, problem, finished, trace, way.name)
        except KeyboardInterrupt:  # the point is found: only what it is remains to be said
            end = examine(goal, problem, replace(state, stop_reason="interrupted"), trace, way.name)
    return end


def _limits(problem: NonlinearLeastSquares | NonlinearObjective, way: Solver, budget: int) -> Limits:
    """When to stop; solvers that look at the gradient are told what J in its units is small beside."""
    if isinstance(way, (LevenbergMarquardt, GaussNewton)):
        return Limits(_TOLERANCE, budget)
    value, slope = problem.both(problem.start)
    return Limits(
        _TOLERANCE,
        budget,
        typical_value(problem.start, value, free_gradient(problem.box, problem.start, slope)),
    )


def _told(end: End, budget: int) -> End:
    """The end with a stop reason that agrees with what was proved, and the reason why nothing was."""
    state, certificate = end.state, end.certificate
    if certificate.converged:
        reason = "converged" if state.stop_reason == "no progress" else state.stop_reason
        return end if reason == state.stop_reason else replace(end, state=replace(state, stop_reason=reason))
    reason = "no progress" if state.stop_reason == "converged" else state.stop_reason
    remark = f"max_iter (={budget}) are spent" if reason == "budget spent" else _REMARKS.get(reason, reason)
    told = replace(certificate, message=f"{certificate.message}; {remark}")
    return replace(end, state=replace(state, stop_reason=reason), certificate=told)


def examine(
    goal: Goal, problem: NonlinearLeastSquares | NonlinearObjective, state: State, trace: Trace, solver: str
) -> End:
    """The derivatives anew where a descent ended, from residuals in the widest floats there are."""
    arrival = problem.arrival(state.x) if isinstance(problem, NonlinearLeastSquares) else None
    if arrival is None or not arrival.known.clean:
        return _examined(goal, state, trace, solver)
    found, model = arrival.known, goal.model
    bend = Curvature(found.eigenvalues, found.vectors, found.scale)
    readings = model.evaluations + model.jacobians
    if bend.condition_number < _STEEP:  # so that all are positive
        proof = Proof(found.stationary, found.worst, found.tolerances, found.bound)
        certificate = certificate_of(
            found.loss, found.gradient, largest(found.gradient), proof, bend, False, readings
        )
    else:
        certificate = certify_smooth(
            loss=found.loss, gradient=found.gradient, magnitude=found.magnitude, rounding=found.rounding,
            hessian=found.hessian, convex=False, readings=readings,
            bend=curvature_of_squares(np.sqrt(arrival.share)[:, None] * found.J, found.bent),
        )  # fmt: skip
    free = np.zeros(len(state.x), bool)
    return End(
        state, trace, solver, found.J, arrival.residual, found.hessian, free, certificate, found.inverse
    )


def _finite(rounding: np.ndarray) -> np.ndarray:
    """Nothing, where what rounding can change is not known."""
    return rounding if all_finite(rounding) else np.zeros(len(rounding))


def _examined(goal: Goal, state: State, trace: Trace, solver: str) -> End:
    """The same for any loss, penalty and bounds."""
    model, rows, loss, penalty, beta = goal.model, goal.rows, goal.loss, goal.penalty, state.x
    total = rows.total
    share = np.full(len(rows.y), 1 / len(rows.y)) if total is None else total / total.sum()
    f, residual, digits = rounded(rows.y, model.extended(rows.X, beta))
    _, J = model.jacobian(rows.X, beta)
    slope, sizes, vanishing = penalty.gradient(beta), np.abs(J), 0.0
    if loss.quadratic:
        first, second, value, vanishing = (
            -share * residual,
            share,
            0.5 * float(share @ residual**2),
            VANISHING,
        )
    else:
        digits = EPS
        first = share * loss.first_derivative(rows.y, f)
        second = share * loss.second_derivative(rows.y, f)
        value = float(share @ loss.value(rows.y, f))
    gradient = first @ J + slope
    bent = model.curvature(rows.X, beta, first)
    H = (J.T * second) @ J + bent + penalty.hessian(beta)
    rounding = (4 * digits * np.abs(second * f) + vanishing * share) @ sizes + 2 * EPS * (
        np.abs(H) @ np.abs(beta)
    )
    held, known = held_by(goal.box, beta, gradient), None
    if goal.quadratic and np.isfinite(H).all():
        known = curvature(H[np.ix_(~held, ~held)])
        if not known.condition_number < _STEEP:
            known = curvature_of_squares(np.sqrt(share)[:, None] * J[:, ~held], bent[np.ix_(~held, ~held)])
    certificate = certify_smooth(
        loss=value + penalty.value(beta), gradient=gradient, magnitude=np.abs(first) @ sizes + np.abs(slope),
        rounding=_finite(rounding), hessian=H, convex=False, readings=model.evaluations + model.jacobians,
        held=None if goal.box is None else held, bend=known,
    )  # fmt: skip
    return End(state, trace, solver, J, residual, H, held, certificate)

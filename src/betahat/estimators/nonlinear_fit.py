"""One nonlinear fit from rows and starting values to everything the estimator shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import final

import numpy as np

from betahat.certificate import EPS, Certificate, certify_smooth
from betahat.data.source import ArraySource
from betahat.errors import InferenceError
from betahat.inference import Inference, LinearStatistics, check_cov_type, meat_for
from betahat.inference.scores import sum_scores
from betahat.losses import Loss
from betahat.models.nonlinear import NonlinearModel
from betahat.penalties import NoPenalty, Penalty
from betahat.solvers.descent.base import Limits, Solver, State
from betahat.solvers.descent.box import Box
from betahat.solvers.descent.trust_region import TrustRegion
from betahat.solvers.least_squares.levenberg_marquardt import LevenbergMarquardt
from betahat.solvers.least_squares.steps import column_lengths, held_by
from betahat.solvers.nonlinear import NonlinearLeastSquares, NonlinearObjective
from betahat.solvers.trace import Trace

_ITERATIONS = 50  # for each parameter and two more, in one descent
_SAME = 1e-9  # relative difference of J up to which two descents ended alike
_RANK = 1e-12  # relative singular value of the scaled Jacobian below which a direction is not determined
_SHARE = 1e-3  # of a direction that the data leave open, from which a parameter counts as part of it
_WIDE = float(np.finfo(np.longdouble).eps)


@final
@dataclass(frozen=True)
class Rows:
    """What is fitted to: X as f takes it, y (n,), weights with their frequencies or None, and codes of groups."""

    X: np.ndarray
    y: np.ndarray
    weight: np.ndarray | None
    frequency: np.ndarray | None
    groups: np.ndarray | None
    names: tuple[str, ...]
    target_name: str

    @property
    def total(self) -> np.ndarray | None:
        """Weight times frequency of each row."""
        if self.weight is None or self.frequency is None:
            return self.frequency if self.weight is None else self.weight
        return self.weight * self.frequency

    def counting(self) -> Rows:
        """Rows of positive weight only: what f is elsewhere does not matter, not even whether it is finite."""
        total = self.total
        if total is None or (total > 0).all():
            return self
        keep = total > 0

        def kept(part: np.ndarray | None) -> np.ndarray | None:
            return None if part is None else part[keep]

        return replace(
            self, X=self.X[keep], y=self.y[keep], weight=kept(self.weight), frequency=kept(self.frequency),
            groups=kept(self.groups),
        )  # fmt: skip


@final
@dataclass
class NonlinearResult:
    """A fitted nonlinear model without its rows. descents : (start, J at its end, status there) of each start."""

    coef: np.ndarray
    certificate: Certificate
    trace: Trace
    stop_reason: str
    solver: str
    why: str
    statistics: LinearStatistics
    refusal: str | None
    starts: np.ndarray
    losses: np.ndarray
    evaluations: int
    inference: Inference | None = field(default=None)


@final
@dataclass(frozen=True)
class _End:
    """Where one descent ended: f's Jacobian and residuals y − f there, and what the point is."""

    state: State
    trace: Trace
    solver: str
    J: np.ndarray
    residual: np.ndarray
    hessian: np.ndarray
    held: np.ndarray
    certificate: Certificate

    @property
    def is_minimum(self) -> bool:
        return self.certificate.status == "local minimum"

    def better(self, other: _End | None) -> bool:
        """Lower, or as low and a minimum where the other is none."""
        if other is None:
            return True
        gap = self.certificate.loss - other.certificate.loss
        if np.isfinite(gap) and abs(gap) <= _SAME * abs(other.certificate.loss):
            return self.is_minimum and not other.is_minimum
        return gap < 0


def fit_nonlinear(
    model: NonlinearModel, rows: Rows, starts: Sequence[np.ndarray], box: Box | None, loss: Loss,
    penalty: Penalty, cov_type: str, maxlags: int | None, solver: Solver | None,
    max_iterations: int | None,
) -> NonlinearResult:  # fmt: skip
    """Descend from every start, keep the lowest end, certify it, and sum what the covariance needs."""
    quadratic = loss.quadratic and isinstance(penalty, NoPenalty)
    limits = Limits(1e-10, max_iterations or _ITERATIONS * (model.taken.size + 2))
    best: _End | None = None
    ends: list[float] = []
    why = ""
    for way, reason in _ways(model, rows, starts, box, quadratic, solver):
        ends = []
        for start in starts:
            state, trace = _descend(_problem(model, rows, start, box, loss, penalty, quadratic), way, limits)
            found = _examine(model, rows, box, state, trace, way.name, loss, penalty)
            ends.append(found.certificate.loss)
            if found.better(best):
                best, why = found, reason
        assert best is not None
        if best.is_minimum:
            break
    assert best is not None
    if not model.check(rows.X, best.state.x, best.J):  # rows do depend on one another
        return fit_nonlinear(
            model, rows, starts, box, loss, penalty, cov_type, maxlags, solver, max_iterations
        )
    statistics, refusal = _statistics(model, rows, best, loss, penalty, cov_type, maxlags)
    return NonlinearResult(
        best.state.x, best.certificate, best.trace, best.state.stop_reason, best.solver, why, statistics, refusal,
        np.array(starts), np.array(ends), model.evaluations + model.jacobians,
    )  # fmt: skip


def _problem(
    model: NonlinearModel, rows: Rows, start: np.ndarray, box: Box | None, loss: Loss,
    penalty: Penalty, quadratic: bool,
) -> NonlinearLeastSquares | NonlinearObjective:  # fmt: skip
    if quadratic:
        return NonlinearLeastSquares(model, rows.X, rows.y, rows.total, start, box)
    return NonlinearObjective(model, rows.X, rows.y, rows.total, start, box, loss, penalty)


def _ways(
    model: NonlinearModel, rows: Rows, starts: Sequence[np.ndarray], box: Box | None,
    quadratic: bool, solver: Solver | None,
) -> Iterator[tuple[Solver, str]]:  # fmt: skip
    """Solvers in the order in which they are tried, until one ends at a minimum, and why each."""
    if solver is not None:
        yield solver, "it was asked for"
        return
    if quadratic:
        yield LevenbergMarquardt(), "the objective is a sum of squares"
        with np.errstate(all="ignore"):
            linear = model.linear_parameters(rows.X, starts[0])
        if box is not None:
            linear = tuple(k for k in linear if np.isinf(box.lower[k]) and np.isinf(box.upper[k]))
        if linear and len(linear) < model.taken.size:
            yield (
                LevenbergMarquardt(linear=linear),
                "steps in all parameters found no minimum, so those that f is linear in were solved for at each point",
            )
    yield (
        TrustRegion(),
        "Levenberg–Marquardt ended at no minimum, so all second derivatives were used"
        if quadratic
        else "the loss is no sum of squares, and its Hessian is known",
    )


def _descend(
    problem: NonlinearLeastSquares | NonlinearObjective, way: Solver, limits: Limits
) -> tuple[State, Trace]:
    """One descent; after Ctrl-C the best point so far."""
    trace = Trace()
    best = State(problem.start, np.inf, np.full(problem.n, np.nan), "interrupted")

    def keep(x: np.ndarray, value: float) -> None:
        if value <= best.value:
            best.x, best.value = x.copy(), value

    with np.errstate(all="ignore"):
        try:
            return way.run(problem, limits, trace, keep), trace
        except KeyboardInterrupt:
            return best, trace


def _examine(
    model: NonlinearModel, rows: Rows, box: Box | None, state: State, trace: Trace, solver: str, loss: Loss,
    penalty: Penalty,
) -> _End:  # fmt: skip
    """The derivatives anew where a descent ended, from residuals in the widest floats there are."""
    beta, total = state.x, rows.total
    share = np.full(len(rows.y), 1 / len(rows.y)) if total is None else total / total.sum()
    with np.errstate(all="ignore"):
        _, J = model.jacobian(rows.X, beta)
        wide = model.extended(rows.X, beta)
        f, residual = np.asarray(wide, np.float64), np.asarray(rows.y - wide, np.float64)
        digits = EPS
        if loss.quadratic:
            first, second, value = -share * residual, share, 0.5 * float(share @ residual**2)
            digits = _WIDE if wide.dtype == np.longdouble else EPS
        else:
            first, second = (
                share * loss.first_derivative(rows.y, f),
                share * loss.second_derivative(rows.y, f),
            )
            value = float(share @ loss.value(rows.y, f))
        slope, sizes = penalty.gradient(beta), np.abs(J)
        gradient = first @ J + slope
        H = (J.T * second) @ J + model.curvature(rows.X, beta, first) + penalty.hessian(beta)
        rounding = 4 * digits * (np.abs(second * f) @ sizes) + 2 * EPS * (np.abs(H) @ np.abs(beta))
        held = held_by(box, beta, gradient)
        certificate = certify_smooth(
            loss=value + penalty.value(beta), gradient=gradient, magnitude=np.abs(first) @ sizes + np.abs(slope),
            rounding=rounding if np.isfinite(rounding).all() else np.zeros(len(beta)), hessian=H, convex=False,
            readings=model.evaluations + model.jacobians, held=None if box is None else held,
        )  # fmt: skip
    return _End(state, trace, solver, J, residual, H, held, certificate)


def _statistics(
    model: NonlinearModel,
    rows: Rows,
    end: _End,
    loss: Loss,
    penalty: Penalty,
    cov_type: str,
    maxlags: int | None,
) -> tuple[LinearStatistics, str | None]:
    """The model linearised at β̂, its Jacobian as the design; why there are no standard errors, if there are none."""
    beta, J, residual, held, certificate = end.state.x, end.J, end.residual, end.held, end.certificate
    weight = np.ones(len(rows.y)) if rows.total is None else rows.total
    free = np.flatnonzero(~held)
    n_obs = float(len(rows.y) if rows.frequency is None else rows.frequency.sum())
    inverse, open_names = _inverse(J, weight, free, model.names)
    refusal, remarks = None, []
    if open_names:
        refusal = (
            f"the Jacobian at β̂ is singular: the data cannot tell {_listed(open_names)} apart (other values of them "
            "fit as well), so there are no standard errors. Fix one of them, or take a model without it"
        )
    if certificate.status in ("saddle", "not stationary") and refusal is None:
        refusal = f"β̂ is no minimum ({certificate.message}), and only a minimum has standard errors"
    if held.any():
        remarks.append(
            f"On a bound, so without standard error: {_listed([model.names[k] for k in np.flatnonzero(held)])}. The "
            "others' hold for these fixed there."
        )
    kind = check_cov_type(cov_type)
    options: dict[str, object] = {}
    meat = None
    if not loss.quadratic and refusal is None:
        kind = "HC0" if kind == "nonrobust" else kind
        remarks.append(
            "The covariance is the M-estimator's sandwich (Huber 1967): the loss is not squared error."
        )
        H = end.hessian[np.ix_(free, free)] * weight.sum()
        inverse = np.zeros_like(inverse)
        try:
            inverse[np.ix_(free, free)] = np.linalg.inv(H)
        except np.linalg.LinAlgError:
            refusal = "the Hessian at β̂ is singular, so that there are no standard errors"
    if kind != "nonrobust" and refusal is None and n_obs > len(free):
        try:
            meat, options = _meat(rows, J, residual, kind, maxlags, inverse, loss)
        except InferenceError as error:
            refusal = str(error)
    mean = float(weight @ rows.y) / float(weight.sum())
    w = np.ones(len(rows.y)) if rows.weight is None else rows.weight
    frequency = np.ones(len(rows.y)) if rows.frequency is None else rows.frequency
    statistics = LinearStatistics(
        names=model.names, target_names=(rows.target_name,), estimate=beta[None], inverse=inverse,
        estimable=~held if refusal is None else np.zeros(len(beta), bool), null_space=np.zeros((len(beta), 0)),
        rank=len(free), n_obs=n_obs, residual_ss=np.array([float(weight @ residual**2)]),
        total_ss=np.array([float(weight @ (rows.y - mean) ** 2)]), sum_log_weight=float(frequency @ np.log(w)),
        has_intercept=False, meat=meat, cov_type=kind, cov_options=options,
        condition_number=certificate.condition_number, certificate_line=certificate.line(), method=end.solver,
        penalised=not isinstance(penalty, NoPenalty), weight=float(weight.sum()), nonlinear=True,
        remarks=tuple(remarks),
    )  # fmt: skip
    return statistics, refusal


def _inverse(
    J: np.ndarray, weight: np.ndarray, free: np.ndarray, names: tuple[str, ...]
) -> tuple[np.ndarray, list[str]]:
    """(JᵀWJ)⁻¹ with zeros for parameters that are held, and the names in directions that J leaves open."""
    p = J.shape[1]
    inverse = np.zeros((p, p))
    columns = np.sqrt(weight)[:, None] * J[:, free]
    if not np.isfinite(columns).all() or not len(free):
        return inverse, [names[k] for k in free]
    scale = column_lengths(columns)
    _, values, Vt = np.linalg.svd(np.linalg.qr(columns / scale, mode="r"), full_matrices=True)
    values = np.concatenate([values, np.zeros(len(free) - len(values))])
    lost = values <= _RANK * max(values[0], 1e-300)
    if lost.any():
        part = np.sqrt((Vt[lost] ** 2).sum(axis=0))
        return inverse, [names[k] for k in free[part > _SHARE]]
    root = (Vt.T / values) / scale[:, None]
    inverse[np.ix_(free, free)] = root @ root.T
    return inverse, []


def _meat(
    rows: Rows,
    J: np.ndarray,
    residual: np.ndarray,
    kind: str,
    maxlags: int | None,
    inverse: np.ndarray,
    loss: Loss,
) -> tuple[np.ndarray, dict[str, object]]:
    """Σ of the scores' squares: J for the design, −L' for the residual."""
    ways = 1 if rows.groups is None else rows.groups.shape[1]
    if kind == "cluster" and rows.groups is None:
        raise InferenceError(
            'cov_type="cluster" needs groups: pass fit(..., groups=labels), one label for each row'
        )
    score = residual if loss.quadratic else -loss.first_derivative(rows.y, rows.y - residual)
    n_obs = float(len(rows.y) if rows.frequency is None else rows.frequency.sum())
    meat = meat_for(kind, {"maxlags": maxlags}, n_obs=n_obs, n_ways=ways)
    assert meat is not None
    source = ArraySource(J, score, rows.weight, rows.frequency, rows.groups)
    p = J.shape[1]
    sum_scores(meat, source, np.zeros((1, p)), np.zeros(1), np.zeros(p), inverse, False)
    return meat.result(), meat.options


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)

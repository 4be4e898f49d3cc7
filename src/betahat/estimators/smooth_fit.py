"""One linear fit with any smooth loss and penalty: from a source to everything an estimator shows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from betahat.certificate import RELATIVE_TOLERANCE, Certificate, Distance, certify_smooth, distance
from betahat.data.source import Source
from betahat.errors import DataError, InferenceError
from betahat.estimators.linear_fit import (
    LinearResult,
    blas_for,
    open_directions,
    refuse_unrepresentable,
    sum_meat,
)
from betahat.inference import LinearStatistics, check_cov_type
from betahat.inference.statistics import centred_inverse
from betahat.losses import Loss, SquaredError
from betahat.objective import LinearObjective
from betahat.objective.scores import ScoreSource
from betahat.objective.smooth import Coordinates
from betahat.penalties import NoPenalty, Penalty
from betahat.solvers.direct import solve
from betahat.solvers.fit import LinearFit
from betahat.solvers.inverse import with_intercept
from betahat.solvers.linear_descent import Method, unfinished
from betahat.solvers.smooth import SmoothFit, solve_smooth

_SANDWICH = "The covariance is the M-estimator's sandwich (Huber 1967): the loss is not squared error."


def fit_smooth(
    source: Source, loss: Loss, penalty: Penalty, fit_intercept: bool, collinear: str, cov_type: str,
    maxlags: int | None, method: Method | None,
) -> LinearResult:  # fmt: skip
    """Begin at least squares, descend, certify at β̂ from the rows, and sum what the covariance needs."""
    with blas_for(source):
        return _fit(source, loss, penalty, fit_intercept, collinear, cov_type, maxlags, method)


def _fit(
    source: Source, loss: Loss, penalty: Penalty, fit_intercept: bool, collinear: str, cov_type: str,
    maxlags: int | None, method: Method | None,
) -> LinearResult:  # fmt: skip
    p, free = len(source.names), isinstance(penalty, NoPenalty)
    if len(source.target_names) != 1:
        raise ValueError(
            f"y has {len(source.target_names)} targets; with a loss or penalty of its own a model is fitted to one: "
            "fit a model for each"
        )
    start = solve(
        LinearObjective(source, SquaredError(), lambda weight: NoPenalty(), fit_intercept), p, 1, source.names,
        collinear if free else "minimum_norm",
    )  # fmt: skip
    if start.units is not None:
        raise DataError(
            "X or y holds numbers beyond 1e±110, whose squares cannot be represented; rescale the columns (a loss or "
            "penalty of your own is not free of scale, so this cannot be done for you)"
        )
    if free and start.inverse is None:
        raise DataError(
            f"{start.counts.rows} rows cannot determine {p} coefficients under a loss of your own; give a penalty "
            "(alpha > 0), or leave columns out"
        )
    found = solve_smooth(start, source, loss, penalty, fit_intercept, collinear, method)
    at = found.objective.at
    coef, intercept = smallest_norm(at, found.theta, start, collinear) if free else at.raw(found.theta)
    asked = None if method is None else method.tolerance
    certificate = certify_fit(found, source, max(asked or 0.0, RELATIVE_TOLERANCE))
    stop_reason = "converged" if certificate.converged else found.stop_reason
    statistics, refusal = _statistics(
        source, start, found, certificate, coef, intercept, free, collinear, cov_type, maxlags
    )
    return LinearResult(
        coef[None, :], np.array([intercept]), certificate, found.trace, stop_reason, found.solver, found.why,
        start.remarks if free else [], statistics, penalty.curvature, refusal, smooth=True,
    )  # fmt: skip


def smallest_norm(
    at: Coordinates, theta: np.ndarray, start: LinearFit, collinear: str
) -> tuple[np.ndarray, float]:
    """Coefficients in units of the data; of smallest norm where several fit alike."""
    coef, intercept = at.raw(theta)
    if collinear != "drop" and start.null_space.size:
        basis = np.linalg.qr(start.null_space / np.sqrt((start.null_space**2).sum(axis=0)))[0]
        for _ in range(2):  # once more for what the first projection rounds
            coef = coef - basis @ (basis.T @ coef)
        intercept = at.level(theta) - float(coef @ at.mean)
    return coef, intercept


def certify_fit(found: SmoothFit, source: Source, tolerance: float) -> Certificate:
    """Judged in centred columns, whose Hessian large means do not spoil; told of the columns as they are."""
    objective, sums, at = found.objective, found.sums, found.objective.at
    first, t = int(at.intercept), objective.t
    unit = np.tile(np.concatenate([np.ones(first), at.scale]), t)
    g = objective.whole_gradient(sums, found.theta) * unit
    certificate = certify_smooth(
        loss=objective.whole_value(sums, found.theta),
        gradient=g,
        magnitude=objective.term_size(sums, found.theta) * unit,
        rounding=objective.unavoidable(sums, found.theta) * unit,
        hessian=objective.whole_hessian(sums, found.theta) * np.outer(unit, unit)
        if sums.hessian.size
        else None,
        convex=objective.convex,
        readings=source.readings,
        tolerance=tolerance,
    )
    tolerances, bound, g = (
        part.reshape(t, -1).copy() for part in (certificate.tolerances, certificate.error_bound, g)
    )
    if first:
        shift = np.append(0.0, at.mean)
        g = g + shift * g[:, :1]
        tolerances = tolerances + np.abs(shift) * tolerances[:, :1]
        bound[:, 0] += bound[:, 1:] @ np.abs(at.mean)
    kind, decrement = certificate.error_bound_kind, None
    if certificate.converged and (far := _distance(found)) is not None:
        decrement = far.decrement
        if far.proven:
            bound, kind = far.bounds.reshape(t, -1), "bound"
    g, tolerances, bound = (part[0] if t == 1 else part for part in (g, tolerances, bound))
    message, status = certificate.message, certificate.status
    if found.unbounded:
        status, message = "no minimum exists", "J falls without bound: there is no lowest point"
    elif not certificate.converged and status == "not stationary" and found.stop_reason != "converged":
        message = unfinished(found.solver, found.iterations, found.stop_reason, found.remark)
        if found.stop_reason == "at the edge":  # Newton's step leads beyond it
            bound = np.full_like(bound, np.nan)
    return replace(
        certificate, status=status, converged=certificate.converged and not found.unbounded, message=message,
        gradient=g, tolerances=tolerances, gradient_norm=float(np.abs(g).max(initial=0)), error_bound=bound,
        error_bound_kind=kind, newton_decrement=decrement,
    )  # fmt: skip


def _distance(found: SmoothFit) -> Distance | None:
    """Rigorous bounds on the coefficients in units of the data, where the loss allows them."""
    objective, at = found.objective, found.objective.at
    concordance = objective.self_concordance
    if concordance is None or not objective.convex or at.basis is not None or not found.sums.hessian.size:
        return None
    if not objective.penalty.quadratic:
        return None
    first = int(at.intercept)
    raw = np.diag(np.concatenate([np.ones(first), 1 / at.scale]))
    if first:
        raw[0, 1:] = -at.mean / at.scale
    return distance(
        objective.whole_hessian(found.sums, found.theta), objective.whole_gradient(found.sums, found.theta),
        objective.unavoidable(found.sums, found.theta), concordance, found.sums.radius,
        np.kron(np.eye(objective.t), raw) if objective.t > 1 else raw,
    )  # fmt: skip


def _statistics(
    source: Source, start: LinearFit, found: SmoothFit, certificate: Certificate, coef: np.ndarray, intercept: float,
    free: bool, collinear: str, cov_type: str, maxlags: int | None,
) -> tuple[LinearStatistics, str | None]:  # fmt: skip
    at, sums, first = found.objective.at, found.sums, int(found.objective.at.intercept)
    kind, refusal = check_cov_type(cov_type), None
    options: dict[str, object] = {}
    inverse, meat, centre = None, None, None
    weight = start.counts.weight
    rank = start.rank + first
    if free and not certificate.converged:
        refusal = f"the fit is not a minimum, so that there are no standard errors: {certificate.message}"
    elif free:
        try:
            refuse_unrepresentable(at.scale, float(sums.magnitude.max(initial=0)) / sums.weight)
            inverse, centre, weight = inverse_hessian(sums.hessian, at)
            kind = "HC0" if kind == "nonrobust" else kind
            refuse_leverages(kind)
            if start.counts.observations > rank:
                meat, options = sum_meat(
                    source, ScoreSource(source, found.objective.loss, coef, intercept), kind, maxlags,
                    start.counts.observations, start.counts.weight, np.zeros((1, len(coef))), np.zeros(1), centre,
                    centred_inverse(inverse, weight, bool(first)), bool(first),
                )  # fmt: skip
        except InferenceError as error:
            inverse, centre, weight, refusal = None, None, start.counts.weight, str(error)
    estimable, null = (
        open_directions(start, bool(first), collinear)
        if free
        else (np.ones(len(coef) + first, bool), np.zeros((len(coef) + first, 0)))
    )
    estimate = np.append(intercept, coef) if first else coef
    statistics = LinearStatistics(
        names=("Intercept", *source.names) if first else source.names, target_names=source.target_names,
        estimate=estimate[None, :], inverse=inverse, centre=centre, weight=weight, estimable=estimable,
        null_space=null, rank=rank, n_obs=start.counts.observations, residual_ss=np.array([sums.residual_ss]),
        total_ss=start.total_ss, sum_log_weight=start.counts.log_weight, has_intercept=bool(first), meat=meat,
        cov_type=kind, cov_options=options, condition_number=certificate.condition_number,
        certificate_line=certificate.line(), method=found.solver, penalised=not free, nonlinear=True,
        gaussian=False,
        remarks=(_SANDWICH,) if free else (),
    )  # fmt: skip
    return statistics, refusal


def refuse_leverages(kind: str) -> None:
    """InferenceError for covariances that are made of the leverages of least squares."""
    if kind in ("HC2", "HC3"):
        raise InferenceError(
            f"cov_type={kind!r} corrects for leverages, which belong to least squares; with another loss take 'HC0', "
            "'HC1', 'cluster' or 'HAC'"
        )


def inverse_hessian(H: np.ndarray, at: Coordinates) -> tuple[np.ndarray, np.ndarray, float]:
    """(Σ w L'' x xᵀ)⁻¹ in the directions that are determined, the intercept first; the columns' means by the weights
    w L'', about which intercept and slopes are uncorrelated; and the sum of these weights.

    H : Σ w L'' z zᵀ of standardised columns.
    """
    p, first = len(at.mean), int(at.intercept)
    slopes, centre, weight = H[first:, first:], np.zeros(p), 1.0
    if first:
        weight = float(H[0, 0])
        if not weight > 0:
            raise InferenceError("Σ w L'' is not positive at β̂, so that there are no standard errors")
        shift = H[0, 1:] / weight
        centre = at.mean + shift * at.scale
        slopes = slopes - weight * np.outer(shift, shift)
    inside = slopes if at.basis is None else at.basis.T @ slopes @ at.basis
    values, vectors = np.linalg.eigh(inside)
    if len(values) and not values[0] > 1e-13 * values[-1]:
        raise InferenceError(
            "the Hessian at β̂ is singular, so that there are no standard errors: too few rows lie where L'' is positive"
        )
    back = vectors if at.basis is None else at.basis @ vectors
    small = (back / values) @ back.T / np.outer(at.scale, at.scale)
    return (with_intercept(small, centre, weight) if first else small), centre, weight

"""One fit of a likelihood with one linear predictor: from a source to everything an estimator shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np

from betahat.certificate import RELATIVE_TOLERANCE, Certificate
from betahat.data.source import Source
from betahat.errors import InferenceError
from betahat.estimators.linear_fit import blas_for, open_directions, refuse_unrepresentable, sum_meat
from betahat.estimators.separated import Detector, kind_of, limit_inverse, one_sided, without_maximum, words
from betahat.estimators.smooth_fit import certify_fit, refuse_leverages, smallest_norm
from betahat.inference import check_cov_type
from betahat.inference.likelihood import LikelihoodStatistics
from betahat.losses.family import Family
from betahat.objective.scores import ScoreSource
from betahat.objective.smooth import Coordinates
from betahat.objective.targets import (
    TargetSums,
    likelihood_constant,
    null_level,
    null_value,
    target_sums,
)
from betahat.penalties import NoPenalty, Penalty
from betahat.solvers.likelihood.by_newton import TOWARDS_INFINITY, LikelihoodFit
from betahat.solvers.likelihood.solve import (
    NEWTON_UP_TO,
    refuse_not_finite,
    solve_likelihood,
)
from betahat.solvers.linear_descent import Method
from betahat.solvers.separation import Separation
from betahat.solvers.sparse.fit import SparseDetails
from betahat.solvers.trace import Trace


@final
@dataclass(frozen=True)
class Settings:
    """How a likelihood is to be fitted, as the user said: `alpha` for words only; `separated` whether to look for
    separation."""

    fit_intercept: bool
    collinear: str
    cov_type: str
    maxlags: int | None
    information: str
    method: Method | None
    alpha: float = 0.0
    classes: tuple[str, ...] = ()


@final
@dataclass
class LikelihoodResult:
    """A fitted likelihood without its rows: t predictors, coef (t, p), intercept (t,)."""

    coef: np.ndarray
    intercept: np.ndarray
    certificate: Certificate
    trace: Trace
    stop_reason: str
    solver: str
    why: str
    iterations: int
    remarks: list[str]
    statistics: LikelihoodStatistics
    alpha: float
    refusal: str | None = None
    """Why there are no standard errors."""
    separation: str | None = None
    """What separates the classes, in words, where no maximum exists."""
    sparse: SparseDetails | None = None
    """How many coefficients are not zero, where a penalty sets them to zero."""
    inference: Any = field(default=None)


def fit_likelihood(
    source: Source, family: Family, penalty: Callable[[float], Penalty], settings: Settings,
    warm: tuple[np.ndarray, float] | None = None,
) -> LikelihoodResult:  # fmt: skip
    """Descend, certify at β̂ from the rows, and sum what inference needs. `penalty` is called with Σw."""
    with blas_for(source):
        return _fit(source, family, penalty, settings, warm)


def _fit(
    source: Source, family: Family, penalty: Callable[[float], Penalty], settings: Settings,
    warm: tuple[np.ndarray, float] | None,
) -> LikelihoodResult:  # fmt: skip
    sums = check_targets(source, family)
    R = penalty(sums.counts.weight)
    level = null_level(source, family, sums, settings.fit_intercept)
    free, kind = isinstance(R, NoPenalty), kind_of(family)
    detector = (
        Detector(source, kind, settings.fit_intercept, settings.classes or None, settings.collinear)
        if free and kind
        else None
    )
    size = int(settings.fit_intercept) + len(source.names)
    edge = one_sided(sums, kind, settings.classes, size) if settings.fit_intercept else None
    fit = solve_likelihood(
        source, family, R, settings.fit_intercept, settings.collinear, level,
        settings.method if edge is None else _towards_infinity(size),
        None if detector is None else detector.look, warm,
    )  # fmt: skip
    found, at = fit.found, fit.found.objective.at
    coef, intercept = at.raw(found.theta)
    if fit.start is not None and isinstance(R, NoPenalty):
        coef, intercept = smallest_norm(at, found.theta, fit.start, settings.collinear)
    asked = None if settings.method is None else settings.method.tolerance
    certificate = certify_fit(found, source, max(asked or 0.0, RELATIVE_TOLERANCE))
    separation = None
    if detector is not None:
        certificate, separation = detector.judged(certificate, coef, intercept)
    if separation is None and edge is not None:
        certificate, separation = without_maximum(certificate, edge, edge.infinite), edge
    statistics, refusal = _statistics(
        source, family, R, settings, sums, level, fit, certificate, coef, intercept, separation
    )
    return LikelihoodResult(
        coef[None, :], np.array([intercept]), certificate, found.trace,
        "converged" if certificate.converged else found.stop_reason, found.solver, found.why, found.iterations,
        fit.start.remarks if fit.start is not None and isinstance(R, NoPenalty) else [], statistics, settings.alpha,
        refusal, None if separation is None else words(separation, family.name, edge is not None),
    )  # fmt: skip


def check_targets(source: Source, family: Family) -> TargetSums:
    """What the targets say; raises where nothing can be fitted to them."""
    if len(source.target_names) != 1:
        raise ValueError(
            f"y has {len(source.target_names)} targets; this model is fitted to one: fit a model for each"
        )
    sums = target_sums(source, family)
    sums.counts.check()
    if not sums.finite:
        refuse_not_finite(source, family.name)
    return sums


def _towards_infinity(size: int) -> Method:
    """A few steps, where the intercept has no maximum."""
    return Method("newton" if size <= NEWTON_UP_TO else "lbfgs", TOWARDS_INFINITY)


def _statistics(
    source: Source, family: Family, penalty: Penalty, settings: Settings, sums: TargetSums, level: float,
    fit: LikelihoodFit, certificate: Certificate, coef: np.ndarray, intercept: float, separation: Separation | None,
) -> tuple[LikelihoodStatistics, str | None]:  # fmt: skip
    found, first = fit.found, int(settings.fit_intercept)
    at, at_end, free = found.objective.at, found.sums, isinstance(penalty, NoPenalty)
    m = first + len(coef)
    estimable, null = np.ones(m, bool), np.zeros((m, 0))
    if fit.start is not None and free:
        estimable, null = open_directions(fit.start, bool(first), settings.collinear)
    rank = m - null.shape[1]
    null_sum = null_value(source, family, sums, level)
    null_deviance = 2 * (null_sum - sums.saturated)
    deviance = max(2 * (at_end.value - sums.saturated), 0.0)
    df = sums.counts.observations - rank
    mean_sums = at_end if family.canonical else found.objective.information(found.theta)
    dispersion = 1.0 if family.dispersion_known else mean_sums.pearson / df if df > 0 else np.nan
    profiled = (family.name, family.link) == (
        "gaussian",
        "identity",
    )  # where φ has its maximum likelihood too
    phi = deviance / sums.counts.observations if profiled else dispersion
    phi = phi if phi > 0 else np.nan
    constant = likelihood_constant(source, family, sums, phi) if phi > 0 else np.nan
    refusal, inverse, observed, meat, options = None, None, None, None, {}
    kind, centre, infinite = check_cov_type(settings.cov_type), at.mean, np.zeros(m, bool)
    if separation is not None and free:
        infinite = separation.infinite
        inverse, centre = limit_inverse(fit, at_end.hessian, at, separation.span, null)
        observed = inverse
        if not family.canonical:
            inverse, _ = limit_inverse(fit, mean_sums.hessian, at, separation.span, null)
        kind = "nonrobust"
    elif free and not certificate.converged:
        why = "" if found.stop_reason == "at the edge" else "the fit is not a minimum, so that "
        refusal = f"{why}there are no standard errors: {certificate.message}"
    elif free:
        try:
            refuse_unrepresentable(at.scale, float(at_end.magnitude.max(initial=0)) / at_end.weight)
            observed = inverse_information(at_end.hessian, at)
            inverse = observed if family.canonical else inverse_information(mean_sums.hessian, at)
            refuse_leverages(kind)
            if kind != "nonrobust" and df > 0:
                meat, options = sum_meat(
                    source, ScoreSource(source, family, coef, intercept), kind, settings.maxlags,
                    sums.counts.observations, sums.counts.weight, np.zeros((1, len(coef))), np.zeros(1), at.mean,
                    inverse if settings.information == "expected" else observed, bool(first),
                )  # fmt: skip
        except InferenceError as error:
            inverse, observed, meat, refusal = None, None, None, str(error)
    estimate = np.append(intercept, coef) if first else coef
    return LikelihoodStatistics(
        names=("Intercept", *source.names) if first else tuple(source.names),
        target_names=(source.target_names[0],), response=source.target_names[0], classes=settings.classes,
        estimate=estimate[None, :], inverse=inverse, estimable=estimable[None, :],
        infinite=infinite[None, :], null_space=null, rank=rank, n_obs=sums.counts.observations,
        weight=sums.counts.weight, family=family.name, link=family.link, deviance=deviance,
        null_deviance=null_deviance, pearson=mean_sums.pearson,
        log_likelihood=constant - at_end.value / phi,
        null_log_likelihood=(
            null_of_gaussian(source, family, sums, null_deviance)
            if profiled
            else constant - null_sum / phi
        ),
        dispersion=dispersion, dispersion_known=family.dispersion_known, has_intercept=bool(first),
        condition_number=certificate.condition_number, certificate_line=certificate.line(), method=found.solver,
        penalised=not free, fingerprint=sums.fingerprint, meat=None if meat is None else meat[0],
        centre=centre if first else None, cov_type=kind, cov_options=options,
        observed_inverse=observed, information=settings.information,
    ), refusal  # fmt: skip


def null_of_gaussian(source: Source, family: Family, sums: TargetSums, null_deviance: float) -> float:
    """The log-likelihood of the model without columns, with its own φ."""
    phi = null_deviance / sums.counts.observations
    if not phi > 0:
        return np.nan
    return likelihood_constant(source, family, sums, phi) - 0.5 * null_deviance / phi


def inverse_information(H: np.ndarray, at: Coordinates, t: int = 1) -> np.ndarray:
    """(Σ w L'' x xᵀ)⁻¹ of the design [1 | X − mean] of t predictors, in the directions that the data determine.

    H : the sum for standardised columns, the 1-column first where there is an intercept.
    """
    first = int(at.intercept)
    basis = np.eye(first + len(at.mean))
    if at.basis is not None:
        basis = np.zeros((first + len(at.mean), at.size))
        basis[:first, :first] = np.eye(first)
        basis[first:, first:] = at.basis
    all_of = np.kron(np.eye(t), basis) if t > 1 or at.basis is not None else None
    inside = H if all_of is None else all_of.T @ H @ all_of
    scale = np.sqrt(np.abs(inside.diagonal()))
    scale[scale == 0] = 1.0
    values, vectors = np.linalg.eigh(inside / scale[:, None] / scale)
    if len(values) and not values[0] > 1e-13 * values[-1]:
        raise InferenceError(
            "the information at β̂ is singular, so that there are no standard errors: too few rows lie where the "
            "likelihood is curved"
        )
    back = vectors / scale[:, None]
    back = back if all_of is None else all_of @ back
    back = back / np.tile(np.concatenate([np.ones(first), at.scale]), t)[:, None]
    return (back / values) @ back.T

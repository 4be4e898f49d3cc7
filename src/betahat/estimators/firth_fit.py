"""One bias-reduced logistic fit: from a source to everything an estimator shows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from betahat.certificate import certify_smooth
from betahat.data.source import Source
from betahat.errors import DataError, InferenceError
from betahat.estimators.likelihood_fit import LikelihoodResult, Settings, inverse_information
from betahat.estimators.linear_fit import blas_for
from betahat.inference import check_cov_type
from betahat.inference.likelihood import LikelihoodStatistics, ProfileInterval, profile_interval
from betahat.losses import Bernoulli
from betahat.objective.smooth import Coordinates, SmoothObjective
from betahat.objective.targets import null_level, target_sums
from betahat.penalties import NoPenalty
from betahat.solvers.likelihood.firth import FirthPoint, firth, firth_hessian
from betahat.solvers.likelihood.solve import begin, least_squares, refuse_not_finite
from betahat.solvers.trace import Trace

_REMARK = (
    "Bias-reduced (Firth 1993): the log-likelihoods are penalised ones, l + ½ log |I|, that of the null model with the "
    "information of all columns."
)


def fit_firth(source: Source, settings: Settings) -> LikelihoodResult:
    """Maximise l + ½ log |I| by Fisher scoring, certify, and sum what inference needs.

    Raises DataError where columns are collinear, InferenceError for covariances other than the nonrobust one.
    """
    with blas_for(source):
        return _fit(source, settings)


def _prepared(source: Source, settings: Settings) -> tuple[SmoothObjective, np.ndarray, float]:
    """The objective, where the null model is, and Σ log scale."""
    family = Bernoulli()
    sums = target_sums(source, family)
    if not sums.finite:
        refuse_not_finite(source, family.name)
    at = begin(source, settings.fit_intercept, None)
    objective = SmoothObjective(source, family, NoPenalty(), at)
    theta = np.zeros(at.size)
    theta[: int(at.intercept)] = null_level(source, family, sums, settings.fit_intercept)
    return objective, theta, float(np.log(at.scale).sum())


def _fit(source: Source, settings: Settings) -> LikelihoodResult:
    kind = check_cov_type(settings.cov_type)
    if kind != "nonrobust":
        raise InferenceError(
            f"cov_type={kind!r} is not defined for firth=True, which penalises the likelihood by its information; use "
            '"nonrobust"'
        )
    objective, null, log_scale = _prepared(source, settings)
    at, first = objective.at, int(objective.at.intercept)
    p = len(at.mean)
    start = least_squares(source, NoPenalty(), settings.fit_intercept, settings.collinear)
    if start.remarks:
        raise DataError(
            f"{'; '.join(start.remarks[:8])}: the information matrix is singular, so that bias reduction (firth=True) "
            "is not defined; leave these columns out"
        )
    trace = Trace()
    asked = None if settings.method is None else settings.method.tolerance
    budget = None if settings.method is None else settings.method.max_iter
    point, reason, steps = firth(objective, null, trace, budget, tolerance=asked)
    kept = np.eye(first + p)[:, :first]
    nothing = firth(objective, null, Trace(), free=kept)[0] if first else firth_null(objective, null)
    coef, intercept = at.raw(point.theta)
    certificate = _certify(objective, point, source, asked)
    sums = target_sums(source, Bernoulli())
    m = first + p
    refusal = (
        None
        if certificate.converged
        else (f"the fit is not a minimum, so that there are no standard errors: {certificate.message}")
    )
    inverse = inverse_information(point.information, at) if refusal is None else None
    statistics = LikelihoodStatistics(
        names=("Intercept", *source.names) if first else tuple(source.names),
        target_names=(source.target_names[0],), response=source.target_names[0], classes=settings.classes,
        estimate=(np.append(intercept, coef) if first else coef)[None, :], inverse=inverse,
        estimable=np.ones((1, m), bool), infinite=np.zeros((1, m), bool), null_space=np.zeros((m, 0)), rank=m,
        n_obs=sums.counts.observations, weight=sums.counts.weight, family="binomial", link="logit",
        deviance=2 * (point.sums.value - sums.saturated), null_deviance=2 * (nothing.sums.value - sums.saturated),
        pearson=point.sums.pearson, log_likelihood=_penalised(point, log_scale),
        null_log_likelihood=_penalised(nothing, log_scale), dispersion=1.0, dispersion_known=True,
        has_intercept=bool(first), condition_number=certificate.condition_number,
        certificate_line=certificate.line(), method="fisher_scoring", penalised=False,
        fingerprint=sums.fingerprint, centre=at.mean if first else None, observed_inverse=inverse,
        bias_reduced=True, remarks=(_REMARK,),
    )  # fmt: skip
    return LikelihoodResult(
        coef[None, :], np.array([intercept]), certificate, trace,
        "converged" if certificate.converged else reason, "fisher_scoring",
        "the exact Hessian of log |I| would cost more than the few more steps that scoring takes", steps, [],
        statistics, 0.0, refusal,
    )  # fmt: skip


def firth_null(objective: SmoothObjective, theta: np.ndarray) -> FirthPoint:
    """The point where no coefficient is free."""
    return firth(objective, theta, Trace(), budget=0)[0]


def _penalised(point: FirthPoint, log_scale: float) -> float:
    """l + ½ log |I|, of columns in units of the data."""
    return -point.sums.value + 0.5 * point.log_determinant + log_scale


def _certify(objective: SmoothObjective, point: FirthPoint, source: Source, asked: float | None):
    from dataclasses import replace

    at, first = objective.at, int(objective.at.intercept)
    unit = np.concatenate([np.ones(first), at.scale])
    rounding = objective.unavoidable(point.sums, point.theta) + 64 * np.finfo(float).eps * point.magnitude
    H = firth_hessian(objective, point)
    certificate = certify_smooth(
        loss=point.value, gradient=point.gradient * unit, magnitude=point.magnitude * unit, rounding=rounding * unit,
        hessian=H * np.outer(unit, unit), convex=False, readings=source.readings, tolerance=max(asked or 0.0, 1e-10),
    )  # fmt: skip
    g, tolerances, bound = certificate.gradient, certificate.tolerances, certificate.error_bound.copy()
    if first:
        shift = np.append(0.0, at.mean)
        g, tolerances = g + shift * g[0], tolerances + np.abs(shift) * tolerances[0]
        bound[0] += np.abs(at.mean) @ bound[1:]
    return replace(
        certificate, gradient=g, tolerances=tolerances, gradient_norm=float(np.abs(g).max(initial=0)),
        error_bound=bound,
    )  # fmt: skip


def firth_profiles(
    source: Source,
    settings: Settings,
    estimate: np.ndarray,
    std_err: np.ndarray,
    places: Sequence[int],
    level: float,
) -> list[ProfileInterval]:
    """Where 2 (l*(β̂) − max{l*(β): βⱼ = b}) = z², below and above β̂ⱼ (Heinze & Schemper 2002)."""
    objective = _prepared(source, settings)[0]
    at, first = objective.at, int(objective.at.intercept)
    origin = at.theta(estimate[first:], float(estimate[0]) if first else 0.0)
    best = firth(objective, origin, Trace())[0]
    W = best.sums.weight
    found = []
    for place in places:
        functional = _functional(at, place)
        free = np.linalg.svd(functional[None, :])[2][1:].T
        along = functional / float(functional @ functional)

        def minimised(
            value: float, theta: np.ndarray, functional: np.ndarray = functional, free: np.ndarray = free,
            along: np.ndarray = along,
        ) -> tuple[float, np.ndarray]:  # fmt: skip
            moved = theta + along * (value - float(functional @ theta))
            there = firth(objective, moved, Trace(), free=free, tolerance=1e-9)[0]
            return 2 * W * there.value, there.theta

        found.append(
            profile_interval(
                minimised,
                best.theta,
                float(estimate[place]),
                float(std_err[place]),
                2 * W * best.value,
                level,
            )
        )
    return found


def _functional(at: Coordinates, place: int) -> np.ndarray:
    """The coefficient as cᵀθ."""
    first = int(at.intercept)
    c = np.zeros(first + len(at.mean))
    if first and place == 0:
        c[0], c[1:] = 1.0, -at.mean / at.scale
    else:
        c[place] = 1 / at.scale[place - first]
    return c

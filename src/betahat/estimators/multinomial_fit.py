"""One multinomial fit: from a source of class codes to everything an estimator shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import numpy as np

from betahat.certificate import RELATIVE_TOLERANCE, Certificate
from betahat.data.passes import Statistic, combined_weight, fold
from betahat.data.source import Block, Source
from betahat.errors import DataError, InferenceError
from betahat.estimators.likelihood_fit import LikelihoodResult, Settings, inverse_information
from betahat.estimators.linear_fit import blas_for, open_directions
from betahat.estimators.separated import Detector, against_first, limit_inverse, words
from betahat.estimators.smooth_fit import certify_fit
from betahat.inference import check_cov_type
from betahat.inference.likelihood import LikelihoodStatistics
from betahat.models.linear import Counts
from betahat.penalties import NoPenalty, Penalty
from betahat.solvers.likelihood.by_newton import LikelihoodFit
from betahat.solvers.likelihood.softmax import solve_softmax
from betahat.solvers.separation import Separation


@final
class ClassSums(Statistic):
    """Weights (K,) of the classes, and how many rows count."""

    def __init__(self, classes: int) -> None:
        self.counts, self.weights, self.squares = Counts(), np.zeros(classes), 0.0

    def update(self, block: Block) -> None:
        assert block.y is not None
        if block.offset is not None:
            raise ValueError("offset is for two classes; with more, each class would need its own")
        self.counts.update(block)
        codes = block.y[:, 0].astype(np.intp)
        self.weights += np.bincount(codes, combined_weight(block), len(self.weights))

    def merge(self, other: ClassSums) -> None:
        self.counts.merge(other.counts)
        self.weights += other.weights


def fit_multinomial(
    source: Source, penalty: Callable[[float], Penalty], settings: Settings,
    warm: tuple[np.ndarray, np.ndarray] | None = None,
) -> LikelihoodResult:  # fmt: skip
    """Descend, certify at β̂ from the rows, and sum what inference needs; coefficients (K, p) that add up to zero."""
    with blas_for(source):
        return _fit(source, penalty, settings, warm)


def _fit(
    source: Source, penalty: Callable[[float], Penalty], settings: Settings,
    warm: tuple[np.ndarray, np.ndarray] | None,
) -> LikelihoodResult:  # fmt: skip
    K = len(settings.classes)
    sums = class_sums(source, settings)
    weight = float(sums.weights.sum())
    R = penalty(weight)
    levels = np.log(sums.weights / weight)
    free = isinstance(R, NoPenalty)
    detector = (
        Detector(source, "multinomial", settings.fit_intercept, settings.classes, settings.collinear)
        if free
        else None
    )
    fit = solve_softmax(
        source, K, R, settings.fit_intercept, settings.collinear, levels, settings.method,
        None if detector is None else detector.look, warm,
    )  # fmt: skip
    found = fit.found
    beta, level = found.objective.raw(found.theta)
    if free and fit.start is not None:
        beta, level = _smallest_norms(fit, settings.collinear)
    asked = None if settings.method is None else settings.method.tolerance
    certificate = certify_fit(found, source, max(asked or 0.0, RELATIVE_TOLERANCE))
    separation = None
    if detector is not None:
        certificate, separation = detector.judged(certificate, beta, level)
    if free:  # the reference's coefficients are zero; shown are those of smallest norm, which sum to zero
        beta = np.concatenate([np.zeros((1, beta.shape[1])), beta])
        level = np.append(0.0, level)
    statistics, refusal = multinomial_statistics(
        source, settings, sums, fit, certificate, beta, level, free, separation
    )
    return LikelihoodResult(
        beta - beta.mean(axis=0), level - level.mean(), certificate, found.trace,
        "converged" if certificate.converged else found.stop_reason, found.solver, found.why, found.iterations,
        fit.start.remarks if fit.start is not None and free else [], statistics, settings.alpha, refusal,
        None if separation is None else words(separation, "multinomial"),
    )  # fmt: skip


def class_sums(source: Source, settings: Settings) -> ClassSums:
    """What the targets say; DataError where a class has no weight."""
    sums = fold(source, ClassSums(len(settings.classes)))
    if source.in_memory:
        source.readings -= 1  # only targets were looked at
    if not (sums.weights > 0).all():
        absent = settings.classes[int(np.argmin(sums.weights))]
        raise DataError(f"no row of class {absent!r} has a positive weight; leave the class out of y")
    return sums


def _smallest_norms(fit: LikelihoodFit, collinear: str) -> tuple[np.ndarray, np.ndarray]:
    from betahat.estimators.smooth_fit import smallest_norm

    assert fit.start is not None
    objective = fit.found.objective
    pairs = [
        smallest_norm(objective.at, part, fit.start, collinear) for part in objective.parts(fit.found.theta)
    ]
    return np.array([beta for beta, _ in pairs]), np.array([level for _, level in pairs])


def multinomial_statistics(
    source: Source, settings: Settings, sums: ClassSums, fit: LikelihoodFit, certificate: Certificate,
    beta: np.ndarray, level: np.ndarray, free: bool, separation: Separation | None,
) -> tuple[LikelihoodStatistics, str | None]:  # fmt: skip
    """In terms of the classes but the first, which is the reference."""
    found, first, K = fit.found, int(settings.fit_intercept), len(settings.classes)
    at, t = found.objective.at, len(settings.classes) - 1
    m = first + beta.shape[1]
    estimable, null = np.ones(m, bool), np.zeros((m, 0))
    if fit.start is not None and free:
        estimable, null = open_directions(fit.start, bool(first), settings.collinear)
    rank = m - null.shape[1]
    n = sums.counts.observations
    kind, refusal, inverse = check_cov_type(settings.cov_type), None, None
    centre, infinite = at.mean, np.zeros((t, m), bool)
    if separation is not None and found.sums.hessian.size:
        span = against_first(separation.span)
        infinite = np.asarray(span.any(axis=0))
        inverse, centre = limit_inverse(fit, found.sums.hessian, at, span.reshape(len(span), -1), null, t)
        kind = "nonrobust"
    elif free and not certificate.converged:
        refusal = f"the fit is not a minimum, so that there are no standard errors: {certificate.message}"
    elif free:
        try:
            if not found.sums.hessian.size:
                raise InferenceError(
                    f"{t * m} coefficients have a covariance matrix of {t * m} × {t * m}, which was not made"
                )
            if kind != "nonrobust":
                raise InferenceError(
                    f"cov_type={kind!r} is for two classes; with more, take 'nonrobust' or fit pairs of classes"
                )
            inverse = inverse_information(found.sums.hessian, at, t)
        except InferenceError as error:
            refusal = str(error)
    estimate = np.column_stack([level, beta]) if first else beta
    shares = sums.weights / sums.weights.sum()
    weight = float(sums.weights.sum())
    null_log = weight * float(shares @ np.log(shares)) if first else -weight * float(np.log(K))
    return LikelihoodStatistics(
        names=("Intercept", *source.names) if first else tuple(source.names),
        target_names=settings.classes[1:], response=source.target_names[0], classes=settings.classes,
        estimate=estimate[1:] - estimate[:1], inverse=inverse, estimable=np.tile(estimable, (t, 1)),
        infinite=infinite, null_space=null, rank=rank, n_obs=n, weight=weight, family="multinomial",
        link="softmax", deviance=2 * found.sums.value, null_deviance=-2 * null_log, pearson=np.nan,
        log_likelihood=-found.sums.value, null_log_likelihood=null_log, dispersion=1.0, dispersion_known=True,
        has_intercept=bool(first), condition_number=certificate.condition_number,
        certificate_line=certificate.line(), method=found.solver, penalised=not free,
        fingerprint={"n": n, "w": weight, **{f"w{k}": float(w) for k, w in enumerate(sums.weights)}},
        centre=centre if first else None, cov_type=kind, observed_inverse=inverse,
    ), refusal  # fmt: skip

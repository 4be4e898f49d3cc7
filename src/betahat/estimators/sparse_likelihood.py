"""One fit of a likelihood with an L1 penalty: from a source to everything an estimator shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import final

import numpy as np

from betahat.certificate import Certificate
from betahat.data.passes import Statistic, counting, fold
from betahat.data.source import Block, Source
from betahat.estimators.likelihood_fit import (
    LikelihoodResult,
    Settings,
    check_targets,
    null_of_gaussian,
)
from betahat.estimators.linear_fit import blas_for
from betahat.estimators.separated import kind_of, one_sided, without_maximum, words
from betahat.inference import check_cov_type
from betahat.inference.likelihood import LikelihoodStatistics
from betahat.losses.family import Family
from betahat.models.linear import predict
from betahat.objective.smooth import pearson
from betahat.objective.targets import (
    TargetSums,
    counting_targets,
    likelihood_constant,
    null_level,
    null_value,
)
from betahat.penalties import SparsePenalty
from betahat.solvers.sparse.fit import SparseDetails, SparseFit
from betahat.solvers.sparse.solve import ITERATIONS, TOLERANCE, SparseProblem

_LEAST_GAP = 1e-15  # relative to J


@final
class _FittedSums(Statistic):
    """Σ w L and Pearson's χ² at coefficients given."""

    def __init__(self, family: Family, coef: np.ndarray, intercept: float) -> None:
        self._family, self._coef, self._intercept = family, coef, np.array([intercept])
        self.value, self.pearson = 0.0, 0.0

    def update(self, block: Block) -> None:
        block = counting(block)
        y, w, _, offset = counting_targets(block)
        X = block.X if hasattr(block.X, "tocsr") else np.asarray(block.X, np.float64)
        eta = predict(X, self._coef[None, :], self._intercept)[:, 0]
        eta = eta if offset is None else eta + offset
        self.value += float(w @ self._family.value(y, eta))
        self.pearson += pearson(self._family, w * self._family.first_derivative(y, eta), w, eta)

    def merge(self, other: _FittedSums) -> None:
        self.value += other.value
        self.pearson += other.pearson


def fit_sparse_likelihood(
    source: Source, family: Family, penalty: Callable[[float], SparsePenalty], settings: Settings,
    warm: tuple[np.ndarray, float] | None = None,
) -> LikelihoodResult:  # fmt: skip
    """β̂ of a convex likelihood, certified by the duality gap where the family has a conjugate. `penalty` is called with
    Σw."""
    with blas_for(source):
        sums = check_targets(source, family)
        R = penalty(sums.counts.weight)
        method = settings.method
        tolerance = TOLERANCE if method is None or method.tolerance is None else method.tolerance
        budget = ITERATIONS if method is None or method.max_iter is None else method.max_iter
        problem = SparseProblem(source, family, settings.fit_intercept)
        (fit,) = problem.solve(R, tol=tolerance, max_iter=budget, start=None if warm is None else [warm])
        if method is None or method.tolerance is None:
            fit = _polished(problem, R, fit, budget)
        return _result(source, family, settings, sums, fit, tolerance)


def _polished(problem: SparseProblem, penalty: SparsePenalty, fit: SparseFit, budget: int) -> SparseFit:
    """The same with a gap at the level of rounding, where it can be reached: a gap is the square of an error."""
    (last,) = problem.solve(penalty, tol=_LEAST_GAP, max_iter=budget, start=[(fit.coef, fit.intercept)])
    if not last.certificate.converged:
        return fit
    fit.trace.extend(last.trace, 1, 0.0, 1.0, 1.0)
    return replace(last, trace=fit.trace, iterations=fit.iterations + last.iterations - 1)


def _result(
    source: Source, family: Family, settings: Settings, sums: TargetSums, fit: SparseFit, tolerance: float
) -> LikelihoodResult:
    certificate, size = fit.certificate, int(settings.fit_intercept) + len(fit.coef)
    edge = one_sided(sums, kind_of(family), settings.classes, size) if settings.fit_intercept else None
    if edge is not None:
        certificate = without_maximum(certificate, edge, edge.infinite)
    statistics = _statistics(source, family, settings, sums, fit, certificate)
    details = SparseDetails(
        fit.iterations, (len(fit.active),), (int(fit.zeros[fit.coef == 0].sum()),), tolerance
    )
    return LikelihoodResult(
        fit.coef[None, :], np.array([fit.intercept]), certificate, fit.trace, fit.stop_reason, fit.solver, fit.why,
        fit.iterations, [], statistics, settings.alpha,
        separation=None if edge is None else words(edge, family.name, True), sparse=details,
    )  # fmt: skip


def _statistics(
    source: Source,
    family: Family,
    settings: Settings,
    sums: TargetSums,
    fit: SparseFit,
    certificate: Certificate,
) -> LikelihoodStatistics:
    """Without covariances, which a penalty leaves undefined; the rank counts the coefficients that are not zero."""
    first, m = settings.fit_intercept, int(settings.fit_intercept) + len(fit.coef)
    ended = fold(source, _FittedSums(family, fit.coef, fit.intercept))
    source.readings -= int(source.in_memory)  # the columns in use alone are looked at
    level = null_level(source, family, sums, first)
    null_sum = null_value(source, family, sums, level)
    null_deviance, deviance = 2 * (null_sum - sums.saturated), max(2 * (ended.value - sums.saturated), 0.0)
    n, rank = sums.counts.observations, min(len(fit.active) + int(first), m)
    dispersion = 1.0 if family.dispersion_known else ended.pearson / (n - rank) if n > rank else np.nan
    profiled = (family.name, family.link) == ("gaussian", "identity")
    phi = deviance / n if profiled else dispersion
    phi = phi if phi > 0 else np.nan
    constant = likelihood_constant(source, family, sums, phi) if phi > 0 else np.nan
    estimate = np.append(fit.intercept, fit.coef) if first else fit.coef
    return LikelihoodStatistics(
        names=("Intercept", *source.names) if first else tuple(source.names), target_names=(source.target_names[0],),
        response=source.target_names[0], classes=settings.classes, estimate=estimate[None, :], inverse=None,
        estimable=np.ones((1, m), bool), infinite=np.zeros((1, m), bool), null_space=np.zeros((m, 0)), rank=rank,
        n_obs=n, weight=sums.counts.weight, family=family.name, link=family.link, deviance=deviance,
        null_deviance=null_deviance, pearson=ended.pearson, log_likelihood=constant - ended.value / phi,
        null_log_likelihood=(
            null_of_gaussian(source, family, sums, null_deviance) if profiled else constant - null_sum / phi
        ),
        dispersion=dispersion, dispersion_known=family.dispersion_known, has_intercept=first,
        condition_number=certificate.condition_number, certificate_line=certificate.line(), method=fit.solver,
        penalised=True, fingerprint=sums.fingerprint, cov_type=check_cov_type(settings.cov_type),
        information=settings.information,
    )  # fmt: skip

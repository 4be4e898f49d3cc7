"""One linear fit from a source to everything an estimator shows: solver, certificate, covariance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import final

import numpy as np

from betahat.certificate import Certificate, certify_linear
from betahat.data.source import Source
from betahat.errors import DataError
from betahat.inference import Inference, LinearStatistics, check_cov_type, meat_for
from betahat.inference.statistics import centred_inverse
from betahat.inference.scores import sum_scores
from betahat.losses.squared import SquaredError
from betahat.objective import LinearObjective
from betahat.penalties import Penalty
from betahat.solvers.direct import solve
from betahat.solvers.fit import LinearFit
from betahat.solvers.trace import Trace


@final
@dataclass
class LinearResult:
    """A fitted linear model without its rows."""

    coef: np.ndarray
    intercept: np.ndarray
    certificate: Certificate
    trace: Trace
    stop_reason: str
    solver: str
    why: str
    remarks: list[str]
    statistics: LinearStatistics
    alpha: float
    inference: Inference | None = field(default=None)


def fit_linear(
    source: Source, penalty: Callable[[float], Penalty], fit_intercept: bool, collinear: str, cov_type: str,
    maxlags: int | None,
) -> LinearResult:  # fmt: skip
    """Solve, certify, and sum what the covariance needs. `penalty` is called with Σw, see :class:`DeferredPenalty`."""
    p, t = len(source.names), len(source.target_names)
    objective = LinearObjective(source, SquaredError(), penalty, fit_intercept)
    fit = solve(objective, p, t, source.names, collinear)
    penalised = fit.curvature > 0
    certificate = certify_linear(
        gradient=fit.gradient, coef=fit.coef, intercept=fit.intercept, weight=fit.counts.weight, squares=fit.squares,
        mean=fit.mean, curvature=fit.curvature, scale=fit.scale, active=fit.active,
        contraction=fit.factor.contraction, condition_number=fit.factor.condition_number, correction=fit.correction,
        correction_intercept=fit.correction_intercept, unique=penalised or fit.rank == p,
        fit_intercept=fit_intercept, readings=source.readings,
    )  # fmt: skip
    statistics = _statistics(source, fit, certificate, fit_intercept, penalised, cov_type, maxlags)
    return LinearResult(
        fit.coef, fit.intercept, certificate, fit.trace, fit.stop_reason, fit.solver, fit.why, fit.remarks, statistics,
        fit.curvature,
    )  # fmt: skip


def _statistics(
    source: Source, fit: LinearFit, certificate: Certificate, fit_intercept: bool, penalised: bool, cov_type: str,
    maxlags: int | None,
) -> LinearStatistics:  # fmt: skip
    p, first = len(fit.mean), int(fit_intercept)
    kind = check_cov_type(cov_type)
    rank = fit.rank + first
    options: dict[str, object] = {}
    meat = None
    if kind != "nonrobust" and not penalised and fit.inverse is not None and fit.counts.observations > rank:
        meat, options = _meat(source, fit, kind, maxlags, fit_intercept)
    estimable = np.concatenate([np.ones(first, bool), fit.estimable])
    if fit_intercept and not fit.estimable.all():
        spread = np.abs(fit.null_space.T @ fit.mean) if fit.null_space.size else np.zeros(1)
        constant = fit.mean[~fit.estimable & ~fit.null_space.any(axis=1)]
        estimable[0] = not (constant.any() or (spread > 1e-7 * np.abs(fit.mean).max(initial=0)).any())
    null = fit.null_space
    if null.size:
        null = np.concatenate([-(fit.mean @ null)[None, :], null]) if fit_intercept else null
    return LinearStatistics(
        names=("Intercept", *source.names) if fit_intercept else source.names,
        target_names=source.target_names,
        estimate=np.column_stack([fit.intercept, fit.coef]) if fit_intercept else fit.coef,
        inverse=fit.inverse,
        centre=fit.mean,
        weight=fit.counts.weight,
        estimable=estimable,
        null_space=null,
        rank=rank,
        n_obs=fit.counts.observations,
        residual_ss=fit.gradient.loss,
        total_ss=fit.total_ss,
        sum_log_weight=fit.counts.log_weight,
        has_intercept=fit_intercept,
        meat=meat,
        cov_type=kind,
        cov_options=options,
        condition_number=certificate.condition_number,
        certificate_line=certificate.line(),
        method=fit.solver,
        penalised=penalised,
    )


def _meat(
    source: Source, fit: LinearFit, kind: str, maxlags: int | None, fit_intercept: bool
) -> tuple[np.ndarray, dict[str, object]]:
    ways = 1
    if kind == "cluster":
        groups = next(iter(source.blocks())).groups
        source.readings -= 1  # a look at the first block is not a reading
        if groups is None:
            raise DataError(
                'cov_type="cluster" needs groups: pass fit(..., groups=labels), one or two labels for each row'
            )
        ways = groups.shape[1]
    meat = meat_for(kind, {"maxlags": maxlags}, n_obs=fit.counts.observations, n_ways=ways)
    assert meat is not None
    assert fit.inverse is not None
    inverse = centred_inverse(fit.inverse, fit.counts.weight, fit_intercept)
    level = fit.intercept + fit.coef @ fit.mean if fit_intercept else fit.intercept
    sum_scores(meat, source, fit.coef, level, fit.mean * fit_intercept, inverse, fit_intercept)
    return meat.result(), meat.options

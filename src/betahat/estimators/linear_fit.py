"""One linear fit from a source to everything an estimator shows: solver, certificate, covariance."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, final

import numpy as np

from betahat.certificate import RELATIVE_TOLERANCE, Certificate, certify_linear
from betahat.data.source import Source
from betahat.errors import DataError, InferenceError
from betahat.inference import Inference, LinearStatistics, check_cov_type, meat_for
from betahat.inference.scores import sum_scores
from betahat.inference.statistics import centred_inverse
from betahat.kernels.team import steady_blas
from betahat.losses.squared import SquaredError
from betahat.objective import LinearObjective
from betahat.penalties import Penalty
from betahat.solvers.direct import solve
from betahat.solvers.fit import LinearFit
from betahat.solvers.linear_descent import Descended, Method, unfinished
from betahat.solvers.refine import Correction
from betahat.solvers.sparse.fit import SparseDetails
from betahat.solvers.trace import Trace

_LARGE_WEIGHT = 30  # power of ten of w from which such squares are looked at
_SMALL_SUM = 1e-280  # below it they have lost digits
_LARGEST_SCORE = 120  # power of ten of x·r, whose square is summed over the rows and divided again
_FAR_OFF = 1e-6  # relative correction that an unfinished descent may leave
_ONE_THREAD_ANYWAY = 2000  # numbers up to which BLAS uses no second thread


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
    refusal: str | None = None
    """Why there are no standard errors although the covariance type was asked for."""
    lows: Correction | None = None
    """Second halves of the coefficients, where they are kept in two doubles."""
    descended: Descended | None = None
    """How β̂ was descended to, where the equations were not solved."""
    smooth: bool = False
    """Whether J is not the quadratic of least squares."""
    sparse: SparseDetails | None = None
    """How many coefficients are not zero, where a penalty sets them to zero."""
    inference: Inference | None = field(default=None)

    @property
    def iterations(self) -> int:
        """Iterations of a descent, or refinements of a solution; at least 1."""
        if self.descended is not None:
            return max(self.descended.iterations, 1)
        if self.sparse is not None:
            return max(self.sparse.iterations, 1)
        return max(len(self.trace) - int(self.smooth), 1)


def fit_linear(
    source: Source, penalty: Callable[[float], Penalty], fit_intercept: bool, collinear: str, cov_type: str,
    maxlags: int | None, extended: bool = False, method: Method | None = None,
) -> LinearResult:  # fmt: skip
    """Solve, certify, and sum what the covariance needs. `penalty` is called with Σw once that is known."""
    if source.has_offset:
        raise ValueError(
            "least squares takes no offset: subtract it from the target, which is the same model, such as "
            "I(y - offset) ~ x"
        )
    with blas_for(source):
        return _fit(source, penalty, fit_intercept, collinear, cov_type, maxlags, extended, method)


def blas_for(source: Source) -> AbstractContextManager[Any]:
    """BLAS on steady threads, unless the rows are so few that it uses one anyway."""
    small = source.n_rows is not None and source.n_rows * len(source.names) <= _ONE_THREAD_ANYWAY
    return nullcontext() if small else steady_blas()


def _fit(
    source: Source, penalty: Callable[[float], Penalty], fit_intercept: bool, collinear: str, cov_type: str,
    maxlags: int | None, extended: bool, method: Method | None,
) -> LinearResult:  # fmt: skip
    p, t = len(source.names), len(source.target_names)
    objective = LinearObjective(source, SquaredError(), penalty, fit_intercept)
    fit = solve(objective, p, t, source.names, collinear, extended, method)
    penalised = fit.curvature > 0
    tolerance = None if method is None else method.tolerance
    certificate = certify_linear(
        gradient=fit.gradient, coef=fit.coef, intercept=fit.intercept, weight=fit.counts.weight, squares=fit.squares,
        mean=fit.mean, curvature=fit.curvature, scale=fit.scale, active=fit.active,
        contraction=fit.contraction, condition_number=fit.condition_number, correction=fit.refined.correction.coef,
        correction_intercept=fit.refined.correction.intercept, unique=penalised or fit.rank == p,
        fit_intercept=fit_intercept, readings=source.readings, rows=fit.counts.rows, precise=fit.refined.precise,
        carried=fit.refined.carried, tolerance=max(tolerance or 0.0, RELATIVE_TOLERANCE),
        unfinished=_unfinished(fit),
    )  # fmt: skip
    if certificate.converged and (words := _unfinished(fit)) and _misses(fit):
        certificate = replace(certificate, status="not stationary", converged=False, message=words)
    statistics, refusal = _statistics(
        source, fit, certificate, fit_intercept, penalised, cov_type, maxlags, collinear
    )
    if fit.descended is not None and not certificate.converged:
        refusal = f"the fit is not a minimum, so that there are no standard errors: {certificate.message}"
    coef, intercept = fit.coef, fit.intercept
    if fit.units is not None:
        coef, intercept = fit.units.coefficients(coef, intercept)
        certificate = fit.units.certificate(certificate)
        refusal = (
            "X or y holds numbers beyond 1e±110: the coefficients are right, but their variances leave double "
            "precision; rescale the columns to have standard errors"
        )
    return LinearResult(
        coef, intercept, certificate, fit.trace, fit.refined.stop_reason,
        fit.solver if fit.descended is None else fit.descended.solver, fit.why, fit.remarks, statistics, fit.curvature,
        refusal, fit.refined.lows, fit.descended,
    )  # fmt: skip


def _statistics(
    source: Source, fit: LinearFit, certificate: Certificate, fit_intercept: bool, penalised: bool, cov_type: str,
    maxlags: int | None, collinear: str,
) -> tuple[LinearStatistics, str | None]:  # fmt: skip
    first = int(fit_intercept)
    kind = check_cov_type(cov_type)
    rank = fit.rank + first
    options: dict[str, object] = {}
    meat, refusal = None, None
    if kind != "nonrobust" and not penalised and fit.inverse is not None and fit.counts.observations > rank:
        try:
            refuse_unrepresentable(
                fit.scale / np.sqrt(fit.counts.weight),
                float(np.sqrt(fit.gradient.loss.max() / fit.counts.weight)),
            )
            inverse = centred_inverse(fit.inverse, fit.counts.weight, fit_intercept)
            meat, options = sum_meat(
                source, source, kind, maxlags, fit.counts.observations, fit.counts.weight, fit.coef,
                fit.level * fit_intercept, fit.mean * fit_intercept, inverse, fit_intercept,
            )  # fmt: skip
        except (
            InferenceError
        ) as error:  # the coefficients are right; asking for standard errors will say why not
            refusal = str(error)
    estimable, null = open_directions(fit, fit_intercept, collinear)
    statistics = LinearStatistics(
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
        method=fit.solver if fit.descended is None else fit.descended.solver,
        penalised=penalised,
    )
    return statistics, refusal


def open_directions(fit: LinearFit, fit_intercept: bool, collinear: str) -> tuple[np.ndarray, np.ndarray]:
    """Which coefficients (m,) the data determine, and a basis (m, q) of what they leave open, the intercept first."""
    first = int(fit_intercept)
    estimable = np.concatenate([np.ones(first, bool), fit.estimable])
    null = fit.null_space
    if fit_intercept:
        moved = -(fit.mean @ null)  # how far the intercept goes along each open direction
        terms = np.abs(fit.mean) @ np.abs(null)
        if collinear != "drop":
            estimable[0] = (
                bool(fit.estimable.any() or not len(fit.mean)) and not (np.abs(moved) > 1e-7 * terms).any()
            )
            null = np.concatenate([moved[None, :], null])
        else:
            null = np.concatenate([np.zeros((1, null.shape[1])), null])
    return estimable, null


def refuse_unrepresentable(sizes: np.ndarray, residual: float) -> None:
    """InferenceError where squares of the scores w x r, or of r/x, leave double precision; r and x of these sizes."""
    sizes = sizes[sizes > 0]
    if not (sizes.size and residual > 0):
        return
    scores, ratios = np.log10(sizes) + np.log10(residual), np.log10(residual) - np.log10(sizes)
    if np.abs(scores).max() > _LARGEST_SCORE or np.abs(ratios).max() > _LARGEST_SCORE:
        raise InferenceError(
            "X and y hold numbers so large or small that the products of four of them which a robust covariance sums "
            "leave double precision: the coefficients are right; rescale the columns to have standard errors"
        )


def _misses(fit: LinearFit) -> bool:
    """Whether a Newton step would still change the coefficients: along nearly collinear columns derivatives may be tiny
    far from the minimum."""
    step, coef = (np.abs(part[:, fit.active] * fit.scale) for part in (fit.refined.correction.coef, fit.coef))
    return bool(step.max(initial=0) > _FAR_OFF * coef.max(initial=0))


def _unfinished(fit: LinearFit) -> str:
    how, reason = fit.descended, fit.refined.stop_reason
    if how is None or reason == "converged":
        return ""
    return unfinished(how.solver, how.iterations, reason, how.remark)


def sum_meat(
    rows: Source, source: Source, kind: str, maxlags: int | None, n_obs: float, weight: float, coef: np.ndarray,
    level: np.ndarray, centre: np.ndarray, inverse: np.ndarray, has_intercept: bool,
) -> tuple[np.ndarray, dict[str, object]]:  # fmt: skip
    """The meat of a sandwich and its options, from `source`, whose groups those of `rows` are; `inverse` is that of
    the design [1 | X − centre], `weight` Σw.

    Raises InferenceError for weights whose squares, which are summed, leave double precision.
    """
    ways = 1
    if kind == "cluster":
        groups = next(iter(rows.blocks())).groups
        rows.readings -= 1  # a look at the first block is not a reading
        if groups is None:
            raise DataError(
                'cov_type="cluster" needs groups: pass fit(..., groups=labels), one or two labels for each row'
            )
        ways = groups.shape[1]
    meat = meat_for(kind, {"maxlags": maxlags}, n_obs=n_obs, n_ways=ways)
    assert meat is not None
    with np.errstate(over="ignore", invalid="ignore"):
        sum_scores(meat, source, coef, level, centre, inverse, has_intercept)
        made, typical = meat.result(), weight / n_obs
    lost = abs(np.log10(typical)) > _LARGE_WEIGHT and (np.diagonal(made, axis1=1, axis2=2) < _SMALL_SUM).any()
    if lost or not np.isfinite(made).all():
        raise InferenceError(
            f"weights are {typical:.3g} on average, and their squares, which a robust covariance sums, leave double "
            "precision: the coefficients are right; multiply all weights by one number to have standard errors"
        )
    return made, meat.options

"""One fit of Huber's criterion: coefficients and scale together, certified, with their sandwich covariance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, final

import numpy as np

from betahat.certificate import RELATIVE_TOLERANCE, Certificate, certify_smooth
from betahat.data.source import Block, DerivedSource, Source
from betahat.errors import InferenceError
from betahat.estimators.linear_fit import LinearResult, blas_for, open_directions, sum_meat
from betahat.estimators.smooth_fit import inverse_hessian, refuse_leverages, smallest_norm
from betahat.inference import LinearStatistics, check_cov_type
from betahat.models.linear import predict
from betahat.penalties import NoPenalty, Penalty
from betahat.solvers.concomitant import ConcomitantFit, solve_concomitant
from betahat.solvers.linear_descent import unfinished

_SANDWICH = (
    "The covariance is the M-estimator's sandwich (Huber 1967), in which the scale σ is estimated along with the "
    "coefficients."
)
_HELD = (
    "so many residuals are zero that J falls with σ to its floor, the rounding of y: the fit passes through these "
    "rows"
)


def fit_huber(
    source: Source, epsilon: float, penalty: Callable[[float], Penalty], fit_intercept: bool, collinear: str,
    cov_type: str, maxlags: int | None, budget: int, tolerance: float | None,
    warm: tuple[np.ndarray, float, float] | None,
) -> tuple[LinearResult, float]:  # fmt: skip
    """The fit, and its scale σ̂. `penalty` is called with Σw."""
    if len(source.target_names) != 1:
        raise ValueError(
            f"y has {len(source.target_names)} targets; each has a scale of its own: fit a model for each"
        )
    if source.has_offset:
        raise ValueError(
            "a linear model takes no offset: subtract it from the target, which is the same model"
        )
    with blas_for(source):
        return _fit(
            source, epsilon, penalty, fit_intercept, collinear, cov_type, maxlags, budget, tolerance, warm
        )


def _fit(
    source: Source, epsilon: float, penalty: Callable[[float], Penalty], fit_intercept: bool, collinear: str,
    cov_type: str, maxlags: int | None, budget: int, tolerance: float | None,
    warm: tuple[np.ndarray, float, float] | None,
) -> tuple[LinearResult, float]:  # fmt: skip
    found = solve_concomitant(source, epsilon, penalty, fit_intercept, collinear, budget, tolerance, warm)
    R = found.objective.penalty
    at, theta, sigma = found.objective.at, found.theta[:-1], float(found.theta[-1])
    free = isinstance(R, NoPenalty)
    coef, intercept = smallest_norm(at, theta, found.start, collinear) if free else at.raw(theta)
    certificate = _certify(found, source, max(tolerance or 0.0, RELATIVE_TOLERANCE))
    statistics, refusal = _statistics(
        source, found, certificate, coef, intercept, collinear if free else None, cov_type, maxlags
    )
    size = at.size + 1
    result = LinearResult(
        coef[None, :], np.array([intercept]), certificate, found.trace,
        "converged" if certificate.converged else found.stop_reason, "newton",
        f"with {size} numbers, σ among them, Newton's equations are cheap, and its steps are few",
        found.start.remarks if free else [], statistics, R.curvature, refusal, smooth=True,
    )  # fmt: skip
    return result, sigma


def _certify(found: ConcomitantFit, source: Source, tolerance: float) -> Certificate:
    """Judged in centred columns, σ's derivative included; told of the coefficients as they are."""
    objective, sums, at = found.objective, found.sums, found.objective.at
    first = int(at.intercept)
    unit = np.concatenate([np.ones(first), at.scale, [1.0]])
    held = np.zeros(len(unit), bool)
    held[-1] = found.held
    g = objective.whole_gradient(sums, found.theta) * unit
    certificate = certify_smooth(
        loss=objective.whole_value(sums, found.theta), gradient=g,
        magnitude=objective.term_size(sums, found.theta) * unit,
        rounding=objective.unavoidable(sums, found.theta) * unit,
        hessian=objective.whole_hessian(sums, found.theta) * np.outer(unit, unit), convex=True,
        readings=source.readings, tolerance=tolerance, held=held if found.held else None,
        remark=_HELD if found.held else f"so does that by the scale, {abs(g[-1]):.2g}",
    )  # fmt: skip
    message = certificate.message
    if not certificate.converged and found.stop_reason != "converged":
        message = unfinished("newton", found.iterations, found.stop_reason, "")
    tolerances, bound, g = certificate.tolerances[:-1].copy(), certificate.error_bound[:-1].copy(), g[:-1]
    if first:
        shift = np.append(0.0, at.mean)
        g, tolerances = g + shift * g[0], tolerances + np.abs(shift) * tolerances[0]
        bound[0] += bound[1:] @ np.abs(at.mean)
    return replace(
        certificate, message=message, gradient=g, tolerances=tolerances, error_bound=bound,
        gradient_norm=float(np.abs(g).max(initial=0)),
    )  # fmt: skip


def _statistics(
    source: Source, found: ConcomitantFit, certificate: Certificate, coef: np.ndarray, intercept: float,
    collinear: str | None, cov_type: str, maxlags: int | None,
) -> tuple[LinearStatistics, str | None]:  # fmt: skip
    """collinear : None where there is a penalty, and so no standard errors."""
    at, sums, start = found.objective.at, found.sums, found.start
    first, kind, refusal = int(at.intercept), check_cov_type(cov_type), None
    rank = start.rank + first
    inverse, meat, centre, weight, options = None, None, None, start.counts.weight, {}
    if collinear is not None and not certificate.converged:
        refusal = f"the fit is not a minimum, so that there are no standard errors: {certificate.message}"
    elif collinear is not None:
        try:
            if found.held:
                raise InferenceError(f"there are no standard errors: {_HELD}")
            refuse_leverages(kind)
            kind = "HC0" if kind == "nonrobust" else kind
            H = sums.hessian
            shared = H[:-1, -1] / H[-1, -1]
            inverse, centre, weight = inverse_hessian(H[:-1, :-1] - np.outer(shared, H[-1, :-1]), at)
            if start.counts.observations > rank:
                m = first + len(coef)
                meat, options = sum_meat(
                    source, _Scores(source, found, coef, intercept, centre, shared), kind, maxlags,
                    start.counts.observations, start.counts.weight, np.zeros((1, m)), np.zeros(1), np.zeros(m),
                    inverse, False,
                )  # fmt: skip
        except InferenceError as error:
            inverse, centre, weight, refusal = None, None, start.counts.weight, str(error)
    m = first + len(coef)
    estimable, null = (
        (np.ones(m, bool), np.zeros((m, 0)))
        if collinear is None
        else open_directions(start, bool(first), collinear)
    )
    statistics = LinearStatistics(
        names=("Intercept", *source.names) if first else source.names, target_names=source.target_names,
        estimate=(np.append(intercept, coef) if first else coef)[None, :], inverse=inverse, centre=centre,
        weight=weight, estimable=estimable, null_space=null, rank=rank, n_obs=start.counts.observations,
        residual_ss=np.array([sums.residual_ss]), total_ss=start.total_ss, sum_log_weight=start.counts.log_weight,
        has_intercept=bool(first), meat=meat, cov_type=kind, cov_options=options,
        condition_number=certificate.condition_number, certificate_line=certificate.line(), method="newton",
        penalised=collinear is None, nonlinear=True, gaussian=False,
        remarks=(_SANDWICH,) if collinear is not None else (),
    )  # fmt: skip
    return statistics, refusal


@final
class _Scores(DerivedSource):
    """The scores of [1 | X − centre] as columns, each less what the estimated scale takes up of it, and ones as y.

    With sᵢ = clip(zᵢ, ±ε) [1, xᵢ − centre] of the coefficients and uᵢ = ½ (min(zᵢ², ε²) − 1) of σ, these are sᵢ − h uᵢ
    with h = H_βσ / H_σσ: the sandwich of all of them is the block of β of the joint one.
    """

    def __init__(
        self, source: Source, found: ConcomitantFit, coef: np.ndarray, intercept: float, centre: np.ndarray,
        shared: np.ndarray,
    ) -> None:  # fmt: skip
        super().__init__(source)
        at, first = found.objective.at, int(found.objective.at.intercept)
        self._coef, self._intercept, self._centre, self._first = (
            coef[None, :],
            np.array([intercept]),
            centre,
            first,
        )
        self._epsilon, self._sigma = found.objective.epsilon, float(found.theta[-1])
        self._shared = np.concatenate([shared[:first], shared[first:] * at.scale])
        if first:
            self._shared[1:] -= shared[0] * (centre - at.mean)

    @property
    def names(self) -> tuple[str, ...]:
        return ("Intercept",) * self._first + tuple(self._source.names)

    def _derive(self, block: Block) -> Block:
        assert block.y is not None
        X: Any = block.X if hasattr(block.X, "tocsr") else np.asarray(block.X, np.float64)
        z = (block.y - predict(X, self._coef, self._intercept)) / self._sigma
        clipped = np.clip(z, -self._epsilon, self._epsilon)
        dense = X.toarray() if hasattr(X, "toarray") else X
        design = np.column_stack([np.ones((len(z), self._first)), dense - self._centre])
        scores = clipped * design - 0.5 * (clipped**2 - 1.0) * self._shared
        return replace(block, X=scores, y=np.ones((len(z), 1)))

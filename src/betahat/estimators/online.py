"""Likelihoods of rows that come in batches and are not kept: Newton's method on each, with what came before as a
quadratic form."""

from __future__ import annotations

from typing import Any, final

import numpy as np

from betahat.certificate import Certificate
from betahat.data.source import ArraySource
from betahat.errors import InferenceError
from betahat.estimators.likelihood_fit import LikelihoodResult, Settings, inverse_information
from betahat.inference import check_cov_type
from betahat.inference.likelihood import LikelihoodStatistics
from betahat.losses.family import Family
from betahat.models.linear import Counts
from betahat.objective.smooth import Coordinates, SmoothObjective
from betahat.objective.softmax import SoftmaxObjective
from betahat.objective.targets import null_level, target_sums
from betahat.penalties import Penalty
from betahat.solvers.likelihood.newton import newton, start_at
from betahat.solvers.likelihood.solve import begin, refuse_not_finite
from betahat.solvers.trace import Trace
from betahat.storage import Fields

_STEPS, _TOLERANCE = 50, 1e-8
_PRIOR = (
    1e-3  # of the information in one row of the first batch: what holds coefficients no row has spoken of
)
_REMARK = (
    "Estimates and standard errors are approximate: the rows came in batches (partial_fit), of which each but the last "
    "is remembered as a quadratic about where the coefficients then were. They end near those of fit."
)
_WORDS = (
    "of the rows given so far only quadratic approximations are kept, so that the derivatives at β̂ cannot be summed "
    "over them; fit to all rows has a certificate"
)


@final
class Online:
    """θ, and the information about it from the batches so far, in coordinates fixed at the first (online Laplace
    approximation: Opper 1998; Spokoiny & Panov 2019).

    theta (t·m,); information (t·m, t·m) Σ w L'' zzᵀ, each batch's where its own fit ended; counts; pearson.
    """

    def __init__(self, at: Coordinates, theta: np.ndarray, information: np.ndarray, t: int) -> None:
        self.at, self.theta, self.information, self.t = at, theta, information, t
        self.counts, self.pearson, self.batches = Counts(), 0.0, 0

    def to_dict(self) -> dict[str, Any]:
        return {
            "mean": self.at.mean, "scale": self.at.scale, "intercept": self.at.intercept, "theta": self.theta,
            "information": self.information, "predictors": self.t, "batches": self.batches, "pearson": self.pearson,
            "rows": self.counts.rows, "observations": self.counts.observations, "weight": self.counts.weight,
        }  # fmt: skip

    @classmethod
    def from_fields(cls, stored: Fields, p: int) -> Online:
        """What `to_dict` wrote, each value checked."""
        first, t = stored.flag("intercept"), stored.whole("predictors")
        at = Coordinates(
            stored.array("mean", (p,), finite=True), stored.array("scale", (p,), finite=True), None, first
        )
        m = t * at.size
        online = cls(at, stored.array("theta", (m,), finite=True), np.zeros((0, 0)), t)
        online.information = stored.array("information", (m, m), finite=True)
        online.batches, online.counts.rows = stored.whole("batches"), stored.whole("rows")
        online.pearson = stored.number("pearson", finite=True)
        online.counts.observations = stored.number("observations", finite=True)
        online.counts.weight = stored.number("weight", finite=True)
        return online


@final
class _Batch:
    """J of a batch and ½ (θ − θ₀)ᵀ A (θ − θ₀) / Σw: what Newton's method asks of an objective."""

    def __init__(self, inner: Any, origin: np.ndarray, information: np.ndarray, weight: float) -> None:
        self._inner, self._origin, self._held = inner, origin, information / weight
        self.unit, self.has_edge = inner.unit, inner.has_edge

    def sums(self, theta: np.ndarray, much: int) -> Any:
        return self._inner.sums(theta, much)

    def whole_value(self, found: Any, theta: np.ndarray) -> float:
        away = theta - self._origin
        return self._inner.whole_value(found, theta) + 0.5 * float(away @ self._held @ away)

    def whole_gradient(self, found: Any, theta: np.ndarray) -> np.ndarray:
        return self._inner.whole_gradient(found, theta) + self._held @ (theta - self._origin)

    def whole_hessian(self, found: Any, theta: np.ndarray) -> np.ndarray:
        return self._inner.whole_hessian(found, theta) + self._held

    def term_size(self, found: Any, theta: np.ndarray) -> np.ndarray:
        return self._inner.term_size(found, theta) + np.abs(self._held) @ np.abs(theta - self._origin)

    def unavoidable(self, found: Any, theta: np.ndarray) -> np.ndarray:
        return self._inner.unavoidable(found, theta)

    def pulled(self, gradient: np.ndarray) -> np.ndarray:
        return gradient

    def pulled_twice(self, H: np.ndarray) -> np.ndarray:
        return H


def add_batch(
    online: Online | None,
    source: ArraySource,
    family: Family | None,
    classes: int,
    penalty: Penalty,
    intercept: bool,
) -> tuple[Online, Trace, int]:
    """Go on to the minimum of the batch's loss and the quadratic form of those before; family : None for softmax."""
    t = 1 if family is not None else classes
    (block,) = source.blocks()
    at = begin(source, intercept, None) if online is None else online.at
    if family is None:
        inner: Any = SoftmaxObjective(source, classes, penalty, at, False)
    else:
        inner = SmoothObjective(source, family, penalty, at)
    origin = _start(source, family, at, classes) if online is None else online.theta
    point = start_at(inner, origin)
    H = inner.whole_hessian(point.sums, origin)
    if not (np.isfinite(point.value) and np.isfinite(H).all()):
        refuse_not_finite(source, "multinomial" if family is None else family.name)
    weight = float(point.sums.weight)
    if online is None:
        least = _PRIOR * max(float(np.abs(H.diagonal()).max(initial=0)), float(np.finfo(float).tiny))
        online = Online(at, origin, least * np.eye(len(origin)), t)
    objective = _Batch(inner, online.theta, online.information, weight)
    trace = Trace()
    point = newton(objective, start_at(objective, origin), _STEPS, _TOLERANCE, trace)
    online.theta = point.theta
    bent = point.sums if family is None or family.convex else inner.information(point.theta)
    online.information = online.information + weight * inner.whole_hessian(bent, point.theta)
    online.pearson += 0.0 if family is None else float(point.sums.pearson)
    online.counts.update(block)
    online.batches += 1
    return online, trace, point.iterations


def _start(source: ArraySource, family: Family | None, at: Coordinates, classes: int) -> np.ndarray:
    if family is None:
        return np.zeros(at.size * classes)
    theta = np.zeros(at.size)
    if at.intercept:
        theta[0] = null_level(source, family, target_sums(source, family), True)
    return theta


def online_result(
    online: Online, source: ArraySource, family: Family | None, settings: Settings, penalised: bool, trace: Trace,
    iterations: int,
) -> LikelihoodResult:  # fmt: skip
    """What an estimator shows of the batches so far; `source` is the last one."""
    at, t, first = online.at, online.t, int(online.at.intercept)
    pairs = [at.raw(part) for part in online.theta.reshape(t, at.size)]
    coef, level = np.array([beta for beta, _ in pairs]), np.array([intercept for _, intercept in pairs])
    estimate = np.column_stack([level, coef]) if first else coef
    nothing = np.full(estimate.shape if t > 1 else estimate.shape[1], np.nan)
    certificate = Certificate(
        "not assessed", False, np.nan, nothing, nothing, np.nan, np.nan, np.nan, nothing, "estimate", online.batches,
        _WORDS,
    )  # fmt: skip
    statistics, refusal = _statistics(online, source, family, settings, penalised, certificate, estimate)
    return LikelihoodResult(
        coef, level, certificate, trace, "converged", "online_newton", "the rows come in batches and are not kept",
        iterations, [], statistics, settings.alpha, refusal,
    )  # fmt: skip


def _fingerprint(online: Online) -> dict[str, float]:
    """One that equals none: likelihoods of rows that were not kept can be compared with no other."""
    return {"n": online.counts.observations, "w": online.counts.weight, "wy": np.nan, "wyy": np.nan}


def _statistics(
    online: Online, source: ArraySource, family: Family | None, settings: Settings, penalised: bool,
    certificate: Certificate, estimate: np.ndarray,
) -> tuple[LikelihoodStatistics, str | None]:  # fmt: skip
    at, first, m = online.at, online.at.intercept, estimate.shape[1]
    inverse, refusal, kind = None, None, check_cov_type(settings.cov_type)
    if not penalised:
        try:
            if kind != "nonrobust":
                raise InferenceError(
                    f"cov_type={kind!r} needs every row's score, and partial_fit keeps no rows: use fit, or "
                    'cov_type="nonrobust"'
                )
            inverse = inverse_information(online.information, at, online.t)
            if family is None:  # of the classes but the first, less that of the first
                against = np.hstack([-np.tile(np.eye(m), (online.t - 1, 1)), np.eye((online.t - 1) * m)])
                inverse = against @ inverse @ against.T
        except InferenceError as error:
            refusal = str(error)
    shown = estimate if family is not None else estimate[1:] - estimate[:1]
    df = online.counts.observations - m
    known = family is None or family.dispersion_known
    return LikelihoodStatistics(
        names=("Intercept", *source.names) if first else tuple(source.names),
        target_names=source.target_names if family is not None else settings.classes[1:],
        response=source.target_names[0], classes=settings.classes, estimate=shown, inverse=inverse,
        estimable=np.ones(shown.shape, bool), infinite=np.zeros(shown.shape, bool), null_space=np.zeros((m, 0)),
        rank=m, n_obs=online.counts.observations, weight=online.counts.weight,
        family="multinomial" if family is None else family.name, link="softmax" if family is None else family.link,
        deviance=np.nan, null_deviance=np.nan, pearson=online.pearson if family is not None else np.nan,
        log_likelihood=np.nan, null_log_likelihood=np.nan,
        dispersion=1.0 if known else online.pearson / df if df > 0 else np.nan, dispersion_known=known,
        has_intercept=first, condition_number=np.nan, certificate_line=certificate.line(), method="online_newton",
        penalised=penalised, fingerprint=_fingerprint(online), centre=at.mean if first else None,
        cov_type=kind, observed_inverse=inverse, information=settings.information,
        remarks=() if penalised else (_REMARK,),
    ), refusal  # fmt: skip

"""Questions to a fitted likelihood that need its rows again: tests by refitting, scores, profiles, marginal effects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from betahat.data.passes import combined_weight, dense
from betahat.data.restricted import RestrictedSource
from betahat.data.source import Source
from betahat.errors import DataError, InferenceError
from betahat.estimators.likelihood_fit import LikelihoodResult, Settings, fit_likelihood
from betahat.inference.base import some_names
from betahat.inference.likelihood import LikelihoodStatistics, ProfileInterval, profile_interval
from betahat.inference.likelihood.refitting import Restriction, likelihood_ratio_test, score_test
from betahat.losses.family import Family
from betahat.models.linear import predict
from betahat.objective.targets import target_sums
from betahat.penalties import NoPenalty
from betahat.solvers.likelihood.solve import refuse_not_finite

_SAME = 1e-9  # relative difference of sums up to which rows are those of the fit
_ALIKE = 1e-6  # and of deviances, which a fit that stopped early has less exactly


def check_same(source: Source, family: Family, s: LikelihoodStatistics) -> None:
    """DataError for other rows than those of the fit, as far as sums tell: of y and weights, and the deviance at β̂."""
    columns = s.names[int(s.has_intercept) :]
    if len(source.names) != len(columns):
        raise DataError(
            f"X has {len(source.names)} columns, and the fit's had {len(columns)}: {some_names(columns)}"
        )
    for name, value in target_sums(source, family).fingerprint.items():
        stored = s.fingerprint[name]
        if value != stored and not abs(value - stored) <= _SAME * max(abs(value), abs(stored)):
            raise _not_same(_WORDS[name], value, stored)
    deviance = _deviance_at(source, family, s.estimate[0], s.has_intercept)
    if not np.isfinite(deviance):
        refuse_not_finite(source, family.name)
    apart = abs(deviance - s.deviance)
    if not s.infinite.any() and apart > _ALIKE * max(deviance, s.deviance) + _SAME * abs(s.null_deviance):
        raise _not_same("the deviance at β̂", deviance, s.deviance)


def _not_same(what: str, here: float, stored: float) -> DataError:
    return DataError(
        f"these are not the rows of the fit: {what} is {here:.10g} here and was {stored:.10g}; give X, y, weights and "
        "offset as they were given to fit"
    )


def _deviance_at(source: Source, family: Family, estimate: np.ndarray, has_intercept: bool) -> float:
    first, total = int(has_intercept), 0.0
    with np.errstate(all="ignore"):
        for block in source.blocks():
            assert block.y is not None
            weight, level = combined_weight(block), float(estimate[0]) if first else 0.0
            eta = predict(block.X, estimate[None, first:], np.array([level]))[:, 0]
            eta = eta if block.offset is None else eta + block.offset
            counts = slice(None) if weight is None else weight > 0
            each = np.where(np.isfinite(eta), family.deviance(block.y[:, 0], eta), np.nan)[counts]
            total += float(each.sum() if weight is None else each @ weight[counts])
    return total


_WORDS = {
    "n": "the number of rows",
    "w": "the sum of weights",
    "wy": "the weighted sum of y",
    "wyy": "the weighted sum of y²",
}


def _single(s: LikelihoodStatistics, what: str) -> None:
    if len(s.target_names) > 1:
        raise InferenceError(
            f"{what} is for models with one linear predictor, and this has {len(s.target_names)}; use "
            "inference_.test (Wald), or betahat.compare of nested fits"
        )


def restricted_deviance(
    source: Source, family: Family, settings: Settings, found: Restriction
) -> tuple[float, LikelihoodResult]:
    """The deviance of the fit under a restriction, and that fit."""
    first = int(settings.fit_intercept)
    basis, particular, names = found.basis, found.particular, source.names
    keeps = bool(first) and 0 in found.free
    if keeps:  # the intercept stays one: its column is the identity's, and the others may shift it
        column = int(np.flatnonzero(found.free == 0)[0])
        others = np.delete(np.arange(basis.shape[1]), column)
        start, inner = basis[0, others], basis[1:][:, others]
    elif first:
        start, inner = basis[0], basis[1:]
    else:
        start, inner = np.zeros(basis.shape[1]), basis
    shift, level = (particular[1:], float(particular[0])) if first else (particular, 0.0)
    its_names = tuple(names[j - first] for j in found.free if j >= first)
    restricted = RestrictedSource(source, its_names, inner, start, shift, level)
    result = fit_likelihood(
        restricted, family, lambda weight: NoPenalty(),
        replace(settings, fit_intercept=keeps, cov_type="nonrobust", collinear="minimum_norm"),
    )  # fmt: skip
    return result.statistics.deviance, result


def ratio_test(
    source: Source, family: Family, settings: Settings, s: LikelihoodStatistics, hypothesis: Any
) -> Any:
    """The likelihood-ratio test of a linear hypothesis, by a fit under it."""
    _single(s, "a likelihood-ratio test by refitting")
    check_same(source, family, s)
    return likelihood_ratio_test(
        s, hypothesis, lambda found: restricted_deviance(source, family, settings, found)[0]
    )


def profiles(
    source: Source, family: Family, settings: Settings, s: LikelihoodStatistics, std_err: np.ndarray,
    places: Sequence[int], level: float,
) -> list[ProfileInterval]:  # fmt: skip
    """Profile-likelihood intervals of coefficients: where the deviance rises by the quantile's square times φ."""
    _single(s, "a profile interval")
    check_same(source, family, s)
    m = len(s.names)
    intervals = []
    for place in places:
        unit = np.delete(np.eye(m), place, axis=1)
        free = np.delete(np.arange(m), place)

        def minimised(
            value: float, state: None, place: int = place, unit: np.ndarray = unit, free: np.ndarray = free
        ) -> tuple[float, None]:
            particular = np.zeros(m)
            particular[place] = value
            return restricted_deviance(source, family, settings, Restriction(particular, unit, free))[0], None

        intervals.append(
            profile_interval(
                minimised, None, float(s.estimate[0, place]), float(std_err[place]), s.deviance, level,
                dispersion=s.dispersion, df=np.inf if s.dispersion_known else s.df_resid,
                infinite=bool(s.infinite[0, place]),
            )
        )  # fmt: skip
    return intervals


def scores(
    source: Source,
    family: Family,
    s: LikelihoodStatistics,
    coef: np.ndarray,
    intercept: float,
    new: np.ndarray,
    names: Sequence[str],
) -> Any:
    """Rao's score test of new columns (n, q), in the order of the source's rows."""
    _single(s, "a score test")
    check_same(source, family, s)

    def blocks() -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
        at = 0
        for block in source.blocks():
            assert block.y is not None
            X = dense(block.X)
            E = new[at : at + len(X)]
            at += len(X)
            weight = combined_weight(block)
            w = np.ones(len(X)) if weight is None else weight
            y, offset = block.y[:, 0], block.offset
            keep = w > 0
            if not keep.all():
                X, E, w, y = X[keep], E[keep], w[keep], y[keep]
                offset = None if offset is None else offset[keep]
            eta = X @ coef + intercept + (0.0 if offset is None else offset)
            yield X, E, -w * family.first_derivative(y, eta), w * family.expected_curvature(eta)

    return score_test(blocks(), names, has_intercept=s.has_intercept, dispersion=s.dispersion)

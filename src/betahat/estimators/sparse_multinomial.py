"""One multinomial fit with an L1 penalty: from a source of class codes to everything an estimator shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from betahat.data.source import Source
from betahat.estimators.likelihood_fit import LikelihoodResult, Settings
from betahat.estimators.linear_fit import blas_for
from betahat.estimators.multinomial_fit import class_sums, multinomial_statistics
from betahat.penalties import SparsePenalty
from betahat.solvers.likelihood.by_newton import LikelihoodFit
from betahat.solvers.smooth import SmoothFit
from betahat.solvers.sparse.fit import SparseDetails
from betahat.solvers.sparse.softmax import solve_sparse_softmax
from betahat.solvers.sparse.solve import ITERATIONS, TOLERANCE

_WHY = "the classes' coefficients are found together, and each step reads the rows once"


def fit_sparse_multinomial(
    source: Source, penalty: Callable[[float], SparsePenalty], settings: Settings,
    warm: tuple[np.ndarray, np.ndarray] | None = None,
) -> LikelihoodResult:  # fmt: skip
    """β̂ (K, p) of all classes, certified by the duality gap. `penalty` is called with Σw."""
    with blas_for(source):
        sums = class_sums(source, settings)
        weight = float(sums.weights.sum())
        method = settings.method
        tolerance = TOLERANCE if method is None or method.tolerance is None else method.tolerance
        budget = ITERATIONS if method is None or method.max_iter is None else method.max_iter
        found = solve_sparse_softmax(
            source, len(settings.classes), penalty(weight), settings.fit_intercept, np.log(sums.weights / weight),
            tolerance, budget, warm,
        )  # fmt: skip
        fit = LikelihoodFit(
            SmoothFit(
                found.objective, found.theta, found.sums, "proximal Newton", _WHY, found.iterations,  # pyright: ignore[reportArgumentType]
                found.stop_reason, "", found.trace,
            ), None, np.zeros_like(found.theta),
        )  # fmt: skip
        statistics, refusal = multinomial_statistics(
            source, settings, sums, fit, found.certificate, found.coef, found.intercept, False, None
        )
        details = SparseDetails(
            found.iterations, tuple(int(n) for n in (found.coef != 0).sum(axis=1)),
            tuple(int(n) for n in (found.zeros & (found.coef == 0)).sum(axis=1)), tolerance,
        )  # fmt: skip
        return LikelihoodResult(
            found.coef, found.intercept - found.intercept.mean(), found.certificate, found.trace, found.stop_reason,
            "proximal Newton", _WHY, found.iterations, [], replace(statistics, penalised=True), settings.alpha, refusal,
            sparse=details,
        )  # fmt: skip

"""The stored form of polynomial models: a linear model in a basis, the basis, and what is told of raw powers."""

from __future__ import annotations

from typing import Any

import numpy as np

from betahat.errors import StorageError
from betahat.estimators import storing_linear
from betahat.estimators.polynomial_regression import PolynomialRegression
from betahat.models.polynomial import PolynomialBasis
from betahat.storage import Fields


def to_dict(estimator: PolynomialRegression) -> dict[str, Any]:
    """Everything fitted; no rows."""
    return {
        **storing_linear.to_dict(estimator),
        "polynomial": {
            "basis": estimator._basis.to_dict(),
            "term_names": list(estimator.term_names_),
            "powers": estimator.powers_.astype(np.float64),
            "statistics": estimator._raw_statistics.to_dict(),
        },
    }


def restore(estimator: PolynomialRegression, model: Fields) -> None:
    """Put what `to_dict` told into an estimator that has its parameters; raises where it does not fit together."""
    storing_linear.restore_result(estimator, model)
    _restore_basis(estimator, model.inner("polynomial"))
    storing_linear.check_widths(estimator, estimator._result)


def _restore_basis(estimator: PolynomialRegression, stored: Fields) -> None:
    p, n = estimator._result.coef.shape[1], estimator.n_features_in_
    raw = storing_linear.read_statistics(stored.inner("statistics"))
    names, powers = stored.texts("term_names"), stored.array("powers", (p, n), finite=True)
    basis = PolynomialBasis.from_dict(dict(stored.inner("basis").values))
    for input_ in basis.recurrences:
        numbers = np.array([input_.middle, input_.half, *input_.a, *input_.b, *input_.s])
        if not (np.isfinite(numbers).all() and input_.half > 0):
            raise StorageError(
                f"`{stored.where}.basis` holds a recurrence that is not finite, or divides by half = {input_.half:g}"
            )
    if raw.estimate.shape != estimator._result.statistics.estimate.shape or len(names) != p:
        raise StorageError(f"`{stored.where}` does not speak of {p} terms")
    if len(basis.recurrences) != n or not np.array_equal(powers, np.array(basis.exponents)):
        raise StorageError(f"`{stored.where}.basis` does not belong to {n} inputs and these powers")
    estimator._basis, estimator._raw_statistics = basis, raw
    estimator.term_names_, estimator.powers_ = tuple(names), np.array(basis.exponents)
    first = int(raw.has_intercept)
    coef, intercept = raw.estimate[:, first:], raw.estimate[:, 0] * first
    estimator.coef_ = coef[0] if estimator._single_target else coef
    estimator.intercept_ = float(intercept[0]) if estimator._single_target else intercept

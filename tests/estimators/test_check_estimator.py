"""scikit-learn's own checks of what an estimator is, nothing expected to fail."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from betahat import LinearRegression, PolynomialRegression, Ridge

pytestmark = pytest.mark.filterwarnings(
    # the checks fit rows that repeat or are too few, and say so themselves where an array backend is absent
    "ignore::betahat.CollinearityWarning",
    "ignore::sklearn.exceptions.SkipTestWarning",
)


def _quartic(beta):
    return 0.001 * np.sum(beta**4)


@parametrize_with_checks(
    [
        LinearRegression(),
        LinearRegression(fit_intercept=False),
        LinearRegression(alpha=0.5),
        LinearRegression(cov_type="HC3", collinear="drop"),
        LinearRegression(missing="drop"),
        LinearRegression(solver="lbfgs"),
        LinearRegression(solver="gradient_descent", max_iter=50_000, tol=1e-4),
        LinearRegression(solver="nesterov", alpha=0.1),
        LinearRegression(solver="sgd", alpha=0.1),
        LinearRegression(loss="huber", alpha=0.01),
        LinearRegression(loss="pseudo_huber", penalty=_quartic, collinear="drop"),
        Ridge(),
        Ridge(alpha=0.0),
        Ridge(alpha=3.0, fit_intercept=False),
        PolynomialRegression(),
        PolynomialRegression(degree=1, cov_type="HC1"),
        PolynomialRegression(degree=3, fit_intercept=False),
        PolynomialRegression(degree=2, interaction_only=True),
    ]
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)

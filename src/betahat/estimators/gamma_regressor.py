"""Gamma regression, with the logarithmic link."""

from __future__ import annotations

from typing import Any, final

from betahat.estimators.likelihood_regressor import LikelihoodRegressor
from betahat.losses.family import Family
from betahat.losses.gamma import Gamma


@final
class GammaRegressor(LikelihoodRegressor):
    """Positive y with mean μ = exp(η) and variance φ μ²: the β̂ where the derivatives of J(β) vanish, certified,

        J(β) = (1/Σw) Σᵢ wᵢ L(yᵢ, ηᵢ) + α/2 ‖β‖²,   η = offset + β₀ + xᵀβ,   L = y e⁻ᶯ + η.

    scikit-learn's objective, unpenalised unless asked (its alpha is 1 by default). Parameters and attributes are those
    of `GeneralizedLinearModel`, which has other links too.

    Examples
    --------
    >>> import numpy as np, betahat as bh
    >>> X, y = np.array([[0.0], [1.0], [2.0], [3.0]]), [1.0, 2.0, 6.0, 11.0]
    >>> bh.GammaRegressor().fit(X, y).coef_.round(6)
    array([0.830496])
    """

    def __init__(
        self,
        alpha: float = 0.0,
        *,
        l1_ratio: float = 0.0,
        fit_intercept: bool = True,
        cov_type: str = "nonrobust",
        maxlags: int | None = None,
        information: str = "expected",
        collinear: str = "minimum_norm",
        separation: str = "warn",
        missing: str = "error",
        solver: Any = None,
        max_iter: int | None = None,
        tol: float | None = None,
        warm_start: bool = False,
    ) -> None:
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.cov_type = cov_type
        self.maxlags = maxlags
        self.information = information
        self.collinear = collinear
        self.separation = separation
        self.missing = missing
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start

    def _family(self) -> Family:
        return Gamma()

    def _title(self) -> str:
        return "Gamma regression"

"""Tweedie regression: distributions between Poisson and Gamma, and beyond."""

from __future__ import annotations

from typing import Any, final

from betahat.estimators.likelihood_regressor import LikelihoodRegressor
from betahat.losses.choose_family import as_family, tweedie
from betahat.losses.family import Family


@final
class TweedieRegressor(LikelihoodRegressor):
    """y with mean μ and variance φ μᵖ (Tweedie 1984; Jørgensen 1987): the β̂ where the derivatives of J(β) vanish,
    certified,

        J(β) = (1/Σw) Σᵢ wᵢ L(yᵢ, ηᵢ) + α/2 ‖β‖²,   η = offset + β₀ + xᵀβ.

    power : p; 0 is Gaussian, 1 Poisson, between 1 and 2 a Poisson number of Gamma variables (so that 0 has a
    probability), 2 Gamma, 3 inverse Gaussian. link : "auto" is the identity for p = 0, else the logarithm; "identity",
    "log", and the links of `GeneralizedLinearModel`, whose parameters and attributes the others are. Unpenalised unless
    asked (scikit-learn's alpha is 1 by default).

    Examples
    --------
    >>> import numpy as np, betahat as bh
    >>> X, y = np.array([[0.0], [1.0], [2.0], [3.0]]), [0.0, 2.0, 6.0, 11.0]
    >>> bh.TweedieRegressor(power=1.5).fit(X, y).coef_.round(6)
    array([1.160914])
    """

    def __init__(
        self,
        power: float = 0.0,
        link: Any = "auto",
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
        self.power = power
        self.link = link
        super().__init__(
            alpha, l1_ratio=l1_ratio, fit_intercept=fit_intercept, cov_type=cov_type, maxlags=maxlags,
            information=information, collinear=collinear, separation=separation, missing=missing, solver=solver,
            max_iter=max_iter, tol=tol, warm_start=warm_start,
        )  # fmt: skip

    def _family(self) -> Family:
        return as_family(tweedie(self.power), None if self.link == "auto" else self.link)

    def _title(self) -> str:
        return "Tweedie regression"

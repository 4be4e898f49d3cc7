"""Poisson regression, with the logarithmic link."""

from __future__ import annotations

from typing import final

from betahat.estimators.likelihood_regressor import LikelihoodRegressor
from betahat.losses.family import Family
from betahat.losses.poisson import Poisson


@final
class PoissonRegressor(LikelihoodRegressor):
    """Counts y with mean μ = exp(η): the β̂ where the derivatives of J(β) vanish, certified,

        J(β) = (1/Σw) Σᵢ wᵢ L(yᵢ, ηᵢ) + α/2 ‖β‖²,   η = offset + β₀ + xᵀβ,   L = eᶯ − y η.

    scikit-learn's objective, unpenalised unless asked (its alpha is 1 by default). Parameters and attributes are those
    of `GeneralizedLinearModel`, which has other links too.

    Examples
    --------
    >>> import numpy as np, betahat as bh
    >>> X, y = np.array([[0.0], [1.0], [2.0], [3.0]]), [1, 2, 6, 11]
    >>> bh.PoissonRegressor().fit(X, y).coef_.round(6)
    array([0.794825])
    """

    def _family(self) -> Family:
        return Poisson()

    def _title(self) -> str:
        return "Poisson regression"

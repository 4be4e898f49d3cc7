"""Ridge regression with scikit-learn's scaling of alpha."""

from __future__ import annotations

from typing import final

from betahat.estimators.base import BaseLinear
from betahat.estimators.checks import check_number
from betahat.penalties import L2, NoPenalty, Penalty


@final
class Ridge(BaseLinear):
    """Ridge regression in scikit-learn's scaling: minimises Σᵢ wᵢ (yᵢ − β₀ − xᵢᵀβ)² + α ‖β‖² (Hoerl & Kennard 1970).

    The same as ``LinearRegression(alpha / Σw)``. Parameters and attributes are those of
    :class:`betahat.LinearRegression`; alpha = 0 is ordinary least squares.

    Examples
    --------
    >>> import numpy as np, betahat as bh
    >>> bh.Ridge(alpha=1.0).fit(np.array([[0.0], [1.0], [2.0]]), [0.0, 1.0, 2.0]).coef_
    array([0.66666667])
    """

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        fit_intercept: bool = True,
        cov_type: str = "nonrobust",
        maxlags: int | None = None,
        collinear: str = "minimum_norm",
        missing: str = "error",
    ) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.cov_type = cov_type
        self.maxlags = maxlags
        self.collinear = collinear
        self.missing = missing

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_number("alpha", self.alpha, 0.0, "a negative penalty has no minimum")

    def _penalty(self, weight: float) -> Penalty:
        return L2(float(self.alpha) / weight) if self.alpha else NoPenalty()

    def _objective_words(self) -> str:
        level = "β₀ − " if self._result.statistics.has_intercept else ""
        return f"J(β) ∝ Σ wᵢ (yᵢ − {level}xᵢᵀβ)² + {self.alpha:g} ‖β‖²"

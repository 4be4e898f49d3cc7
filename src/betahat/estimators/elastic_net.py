"""The elastic net with scikit-learn's scaling of alpha."""

from __future__ import annotations

from typing import Any, final

from betahat.estimators.checks import check_ratio
from betahat.estimators.sparse_base import BaseSparse
from betahat.solvers.sparse.solve import ITERATIONS, TOLERANCE


@final
class ElasticNet(BaseSparse):
    """The elastic net (Zou & Hastie 2005), certified by its duality gap: minimises

        J(β) = (1/2Σw) Σᵢ wᵢ (yᵢ − β₀ − xᵢᵀβ)² + α (ρ ‖β‖₁ + (1 − ρ)/2 ‖β‖²),   ρ = l1_ratio.

    l1_ratio = 0 is ridge regression, solved exactly. Other parameters and all attributes are those of
    :class:`betahat.Lasso`.

    Examples
    --------
    >>> import numpy as np, betahat as bh
    >>> X = np.array([[1.0, 1.0], [2.0, -1.0], [3.0, -1.0], [4.0, 1.0]])
    >>> bh.ElasticNet(alpha=0.5, l1_ratio=0.5).fit(X, [3.0, 5.1, 6.9, 9.0]).coef_.round(3)
    array([1.483, 0.   ])
    """

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        l1_ratio: float = 0.5,
        fit_intercept: bool = True,
        precompute: Any = False,
        max_iter: int = ITERATIONS,
        copy_X: bool = True,
        tol: float = TOLERANCE,
        warm_start: bool = False,
        positive: bool = False,
        random_state: Any = None,
        selection: str = "cyclic",
        missing: str = "error",
    ) -> None:
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.precompute = precompute
        self.max_iter = max_iter
        self.copy_X = copy_X
        self.tol = tol
        self.warm_start = warm_start
        self.positive = positive
        self.random_state = random_state
        self.selection = selection
        self.missing = missing

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_ratio(self.l1_ratio)

    def _ratio(self) -> float:
        return float(self.l1_ratio)

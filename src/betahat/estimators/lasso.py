"""The lasso with scikit-learn's scaling of alpha."""

from __future__ import annotations

from typing import Any, final

from betahat.estimators.sparse_base import BaseSparse
from betahat.solvers.sparse.solve import ITERATIONS, TOLERANCE


@final
class Lasso(BaseSparse):
    """The lasso (Tibshirani 1996), certified by its duality gap: minimises

        J(β) = (1/2Σw) Σᵢ wᵢ (yᵢ − β₀ − xᵢᵀβ)² + α ‖β‖₁.

    Several targets are fitted each by itself. alpha = 0 is ordinary least squares.

    Parameters
    ----------
    alpha : float ≥ 0
        Weight of ‖β‖₁; from max |(1/Σw) Σ wᵢ (xᵢⱼ − x̄ⱼ) yᵢ| on all coefficients are zero.
    fit_intercept : bool
        Whether there is a β₀, which is not penalised.
    precompute, copy_X, random_state, selection
        Taken as scikit-learn's are, and without effect: the Gram matrix is made where it pays, X is never written to,
        and neither order nor chance decides anything.
    max_iter : int
        Most iterations, each of which reads X about once (few are needed).
    tol : float
        What the duality gap may be, relative to J: J(β̂) ≤ min J + tol · J(β̂). (scikit-learn's default is 1e-4 of Σ y².)
    warm_start : bool
        Begin at the coefficients of the fit before.
    positive : bool
        Only coefficients ≥ 0.
    missing : {"error", "drop", "mean"}
        What is done about missing values in tables.

    Attributes
    ----------
    coef_, intercept_, certificate_, trace_, stop_reason_, n_iter_, solver_, rank_, design_
        As of :class:`betahat.LinearRegression`; rank_ counts coefficients that are not zero. `inference_` refuses
        standard errors: the estimates are biased, and the zeros were chosen by the same data.
    dual_gap_ : float
        How far J(β̂) may be above the minimum, as `certificate_.duality_gap`.
    sparse_coef_ : scipy.sparse matrix
        `coef_`.

    Examples
    --------
    >>> import numpy as np, betahat as bh
    >>> X = np.array([[1.0, 1.0], [2.0, -1.0], [3.0, -1.0], [4.0, 1.0]])
    >>> m = bh.Lasso(alpha=0.5).fit(X, [3.0, 5.1, 6.9, 9.0])
    >>> m.coef_.round(3), m.certificate_.status
    (array([1.58, 0.  ]), 'global minimum')
    """

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        fit_intercept: bool = True,
        precompute: Any = False,
        copy_X: bool = True,
        max_iter: int = ITERATIONS,
        tol: float = TOLERANCE,
        warm_start: bool = False,
        positive: bool = False,
        random_state: Any = None,
        selection: str = "cyclic",
        missing: str = "error",
    ) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.precompute = precompute
        self.copy_X = copy_X
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.positive = positive
        self.random_state = random_state
        self.selection = selection
        self.missing = missing

    def _ratio(self) -> float:
        return 1.0

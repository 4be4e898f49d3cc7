"""Linear regression: ordinary least squares, weighted, and ridge in the package's own scaling."""

from __future__ import annotations

from typing import Any, final

from betahat.data.source import Source
from betahat.estimators.base import BaseLinear, check_number
from betahat.estimators.choices import check_budget, check_solver, check_tolerance, method_of
from betahat.estimators.linear_fit import LinearResult
from betahat.losses import as_loss
from betahat.penalties import L2, NoPenalty, Penalty, Sum, as_penalty
from betahat.solvers.linear_descent import Method


@final
class LinearRegression(BaseLinear):
    """Least squares: the β̂ where the derivatives of J(β) vanish, solved exactly and certified,

        J(β) = (1/Σw) Σᵢ wᵢ ½ (yᵢ − β₀ − xᵢᵀβ)² + α/2 ‖β‖².

    Everything is computed in float64, whatever the input's type. Columns are centred and scaled before any decision;
    the solution is refined with residuals in double-double arithmetic until the correction is at rounding level.

    Parameters
    ----------
    alpha : float ≥ 0
        Weight of the ridge penalty on the *mean* loss (`Ridge` has scikit-learn's scaling). With alpha > 0 there are
        no standard errors: the estimates are biased.
    fit_intercept : bool
        Whether there is a β₀. A formula says so itself.
    cov_type : {"nonrobust", "HC0", "HC1", "HC2", "HC3", "cluster", "HAC"}
        The covariance behind standard errors (White 1980; MacKinnon & White 1985; Newey & West 1987; Cameron,
        Gelbach & Miller 2011). "cluster" needs `groups` in fit.
    maxlags : int or None
        Lags of "HAC", by default ⌊4 (n/100)^(2/9)⌋.
    collinear : {"minimum_norm", "drop", "error"}
        What is done where columns are combinations of others: of all solutions the one of smallest norm; later columns
        dropped (coefficient 0); or a CollinearityError. Either way a CollinearityWarning names them, and coefficients
        that the data do not determine have no standard error.
    missing : {"error", "drop", "mean"}
        What is done about missing values in tables.

    Attributes
    ----------
    coef_ : float64 array of shape (p,), or (t, p) for t targets
        Slopes.
    intercept_ : float, or float64 array of shape (t,)
        β₀; 0.0 without an intercept.
    certificate_ : betahat.certificate.Certificate
        Whether it is a minimum, recomputed from the data, with a bound on the error of each coefficient.
    inference_ : betahat.inference.Inference
        Standard errors, tests, intervals, R², AIC, ...
    solver_ : {"Cholesky", "QR", "SVD", "dual"}
        The factorisation that was safe for these columns.
    rank_ : int
        Of the centred columns, without the intercept.
    trace_ : betahat.solvers.trace.Trace
        The refinements made.
    stop_reason_ : str
        Why refinement ended.
    n_features_in_ : int
        Columns of the input.
    feature_names_in_ : array of str
        Their names, where the input was a table.
    design_ : betahat.data.design.Design or None
        How a table became X.

    Examples
    --------
    >>> import numpy as np, betahat as bh
    >>> X = np.array([[1.0], [2.0], [3.0], [4.0]])
    >>> m = bh.LinearRegression().fit(X, [3.0, 5.0, 7.0, 9.5])
    >>> m.coef_, m.intercept_
    (array([2.15]), 0.75)
    >>> m.certificate_.status
    'global minimum'
    >>> m.inference_.std_err.round(4)
    array([0.2372, 0.0866])
    """

    def __init__(
        self,
        alpha: float = 0.0,
        *,
        fit_intercept: bool = True,
        cov_type: str = "nonrobust",
        maxlags: int | None = None,
        collinear: str = "minimum_norm",
        missing: str = "error",
        loss: Any = "squared_error",
        penalty: Any = None,
        solver: Any = None,
        max_iter: int | None = None,
        tol: float | None = None,
    ) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.cov_type = cov_type
        self.maxlags = maxlags
        self.collinear = collinear
        self.missing = missing
        self.loss = loss
        self.penalty = penalty
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_number("alpha", self.alpha, 0.0, "a negative penalty has no minimum")
        as_loss(self.loss)
        as_penalty(self.penalty)
        check_solver(self.solver)
        check_budget(self.max_iter)
        check_tolerance(self.tol)

    def _solve(self, source: Source, has_intercept: bool) -> LinearResult:
        loss, own = as_loss(self.loss), as_penalty(self.penalty)
        if loss.quadratic and own.quadratic:
            return super()._solve(source, has_intercept)
        method = self._method()
        if self.solver == "direct":
            raise ValueError(
                'solver (="direct") solves the equations of squared error and ridge penalties; with another loss or '
                "penalty they are not linear: leave solver=None, or choose a descent"
            )
        from betahat.estimators.smooth_fit import fit_smooth

        ridge = L2(float(self.alpha)) if self.alpha else None
        penalty = own if ridge is None else ridge if isinstance(own, NoPenalty) else Sum((own, ridge))
        return fit_smooth(
            source, loss, penalty, has_intercept, self.collinear, self.cov_type, self.maxlags, method
        )

    def _method(self) -> Method | None:
        return method_of(self.solver, self.max_iter, self.tol)

    def _penalty(self, weight: float) -> Penalty:
        curvature = float(self.alpha) + as_penalty(self.penalty).curvature
        return L2(curvature) if curvature else NoPenalty()

    def _objective_words(self) -> str:
        loss, own = as_loss(self.loss), as_penalty(self.penalty)
        level = "β₀ + " if self._result.statistics.has_intercept else ""
        ridge = f" + {self.alpha:g}/2 ‖β‖²" if self.alpha else ""
        penalty = f"{ridge} + {own.formula}" if own.formula else ridge
        if loss.quadratic:
            return f"J(β) = (1/Σw) Σ wᵢ ½ (yᵢ − {level.replace('+', '−')}xᵢᵀβ)²{penalty}"
        return f"J(β) = (1/Σw) Σ wᵢ L(yᵢ, {level}xᵢᵀβ){penalty},   L = {loss.formula}"

"""Huber's robust regression, its scale estimated along with the coefficients."""

from __future__ import annotations

from typing import Any, final

import numpy as np

from betahat.data.passes import combined_weight
from betahat.data.source import Source
from betahat.estimators.base import BaseLinear
from betahat.estimators.checks import check_number
from betahat.estimators.choices import check_budget, check_tolerance
from betahat.estimators.huber_fit import fit_huber
from betahat.estimators.linear_fit import LinearResult
from betahat.losses import Huber
from betahat.models.linear import predict
from betahat.penalties import L2, NoPenalty, Penalty
from betahat.solvers.concomitant import MOST_STEPS


@final
class HuberRegressor(BaseLinear):
    """Regression that outliers pull with a bounded force, in scikit-learn's definition: the (β̂, σ̂) where the
    derivatives of

        Σᵢ wᵢ (σ + H((yᵢ − β₀ − xᵢᵀβ)/σ) σ) + α ‖β‖²,   H(z) = z² where |z| ≤ ε, else 2ε|z| − ε²,

    vanish, certified (Huber 1981, section 7.8). It is jointly convex, and multiplies with the unit of y: so ε, unlike
    the δ of ``LinearRegression(loss="huber")``, has no unit.

    Parameters
    ----------
    epsilon : float > 1
        From how many σ on a residual pulls with constant force; 1.35 keeps 95 % of the efficiency of least squares
        where errors are normal.
    max_iter : int
        Steps of Newton's method at most.
    alpha : float ≥ 0
        Weight of the ridge penalty on the *sum*, as in scikit-learn. With alpha > 0 there are no standard errors: the
        estimates are biased, if by little.
    warm_start : bool
        Begin where the last fit ended.
    fit_intercept : bool
        Whether there is a β₀, which is not penalised.
    tol : float or None
        End, and certify, where every derivative is at most tol times the mean size of its terms. None: 1e-10 and until
        steps change nothing.
    cov_type : {"nonrobust", "HC0", "HC1", "cluster", "HAC"}
        The covariance behind standard errors, a sandwich of coefficients and scale together; "nonrobust" is "HC0".
    maxlags, collinear, missing
        As in `LinearRegression`.

    Attributes
    ----------
    coef_, intercept_, certificate_, inference_, n_iter_, trace_, stop_reason_, n_features_in_, feature_names_in_
        As in `LinearRegression`; J of certificate and trace is the criterion over 2 Σw.
    scale_ : float
        σ̂.
    outliers_ : bool array of shape (n,)
        Which rows have |y − ŷ| > ε σ̂.

    Examples
    --------
    >>> import numpy as np, betahat as bh
    >>> X = np.arange(8.0)[:, None]
    >>> y = np.array([1.0, 3.1, 4.9, 7.0, 9.1, 10.9, 90.0, 15.0])
    >>> m = bh.HuberRegressor(alpha=0.0).fit(X, y)
    >>> m.coef_.round(3), round(m.intercept_, 3), m.outliers_.nonzero()[0]
    (array([2.004]), 1.008, array([2, 5, 6]))
    >>> bh.LinearRegression().fit(X, y).coef_.round(3)
    array([6.579])
    """

    scale_: float
    outliers_: np.ndarray

    def __init__(
        self,
        *,
        epsilon: float = 1.35,
        max_iter: int = MOST_STEPS,
        alpha: float = 0.0001,
        warm_start: bool = False,
        fit_intercept: bool = True,
        tol: float | None = None,
        cov_type: str = "nonrobust",
        maxlags: int | None = None,
        collinear: str = "minimum_norm",
        missing: str = "error",
    ) -> None:
        self.epsilon = epsilon
        self.max_iter = max_iter
        self.alpha = alpha
        self.warm_start = warm_start
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.cov_type = cov_type
        self.maxlags = maxlags
        self.collinear = collinear
        self.missing = missing

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_number("alpha", self.alpha, 0.0, "a negative penalty has no minimum")
        if not check_number("epsilon", self.epsilon, 0.0, "it is compared with |residual| / scale") > 1:
            raise ValueError(
                f"epsilon (={self.epsilon!r}) must be above 1: up to there the criterion has no minimum with a scale "
                "above 0. Usual is 1.35"
            )
        if self.max_iter is None:
            raise TypeError("max_iter (=None) must be a whole number")
        check_budget(self.max_iter)
        check_tolerance(self.tol)
        if not isinstance(self.warm_start, (bool, np.bool_)):
            raise TypeError(f"warm_start (={self.warm_start!r}) must be True or False")

    def _takes_targets(self) -> bool:
        return False

    def _solve(self, source: Source, has_intercept: bool) -> LinearResult:
        before: LinearResult | None = getattr(self, "_result", None)
        warm = None
        if self.warm_start and before is not None and before.coef.shape[1] == len(source.names):
            warm = (before.coef[0], float(before.intercept[0]) * has_intercept, self.scale_)
        result, self.scale_ = fit_huber(
            source, float(self.epsilon), self._penalty, has_intercept, self.collinear, self.cov_type, self.maxlags,
            int(self.max_iter), None if self.tol is None else float(self.tol), warm,
        )  # fmt: skip
        self.outliers_ = self._far_rows(source, result)
        return result

    def _far_rows(self, source: Source, result: LinearResult) -> np.ndarray:
        far, limit = [], float(self.epsilon) * self.scale_
        for block in source.blocks():
            assert block.y is not None
            X = block.X if hasattr(block.X, "tocsr") else np.asarray(block.X, np.float64)
            far.append(np.abs(block.y - predict(X, result.coef, result.intercept))[:, 0] > limit)
            weight = combined_weight(block)
            if weight is not None:  # rows that do not count may be anything
                far[-1] &= np.isfinite(far[-1])
        return np.concatenate(far)

    def _penalty(self, weight: float) -> Penalty:
        return L2(float(self.alpha) / weight) if self.alpha else NoPenalty()

    def objective(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """J on the rows given as a function of β (m,), the intercept first, at the scale found: times σ̂, and without
        the terms of σ̂ alone. See `LinearRegression.objective`."""
        from sklearn.utils.validation import check_is_fitted

        from betahat.estimators.objectives import linear_objective

        check_is_fitted(self, "_result")
        return linear_objective(_AtScale(self), X, y, sample_weight)

    def _objective_words(self) -> str:
        level = "β₀ − " if self._result.statistics.has_intercept else ""
        ridge = f" + ({self.alpha:g}/2Σw) ‖β‖²" if self.alpha else ""
        return (
            f"J(β, σ) = (1/2Σw) Σ wᵢ (σ + H((yᵢ − {level}xᵢᵀβ)/σ) σ){ridge},   H(z) = z² for |z| ≤ {self.epsilon:g}, "
            f"{2 * self.epsilon:g} |z| − {float(self.epsilon) * self.epsilon:g} beyond"
        )


@final
class _AtScale:
    """The fitted model, its loss that of the scale found."""

    penalty = None

    def __init__(self, model: HuberRegressor) -> None:
        self._model, self.loss = model, Huber(float(model.epsilon) * model.scale_)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def _penalty(self, weight: float) -> Penalty:
        strength = float(self._model.alpha) * self._model.scale_ / weight
        return L2(strength) if strength else NoPenalty()

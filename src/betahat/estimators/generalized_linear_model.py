"""Generalized linear models: any family of distributions with any link."""

from __future__ import annotations

from typing import Any, final

import numpy as np

from betahat.data.source import Source
from betahat.errors import DataError
from betahat.estimators.likelihood_regressor import LikelihoodRegressor
from betahat.losses.choose_family import as_family
from betahat.losses.family import Family


@final
class GeneralizedLinearModel(LikelihoodRegressor):
    """A distribution whose mean a link ties to a linear predictor (Nelder & Wedderburn 1972): the β̂ where the
    derivatives of

        J(β) = (1/Σw) Σᵢ wᵢ L(yᵢ, ηᵢ) + α/2 ‖β‖²,   η = offset + β₀ + xᵀβ,   E(y) = h(η)

    vanish, certified. L is the negative log-likelihood times the dispersion φ, up to terms of y alone.

    Parameters
    ----------
    family : str or Family
        "gaussian", "binomial", "poisson", "gamma", "inverse_gaussian", "tweedie", "negative_binomial", or an object
        such as ``betahat.losses.Tweedie(1.7)``.
    link : None, str or Link
        "identity", "log", "logit", "probit", "cloglog", "loglog", "cauchit", "inverse", "inverse_squared", "sqrt",
        "power(k)". None: identity for Gaussian, logit for binomial, log for all others.
    alpha : float ≥ 0
        Weight of the ridge penalty on the *mean* loss. With alpha > 0 there are no standard errors.
    l1_ratio, fit_intercept, cov_type, maxlags, collinear, separation, missing, solver, max_iter, tol, warm_start
        As in `LogisticRegression`.
    information : {"expected", "observed"}
        What standard errors are made of: E L'' (as R's glm and statsmodels' GLM have it) or L'' itself.

    Attributes
    ----------
    coef_ : float64 array of shape (p,)
        Slopes.
    intercept_ : float
        β₀.
    certificate_, inference_, solver_, n_iter_, trace_, stop_reason_, n_features_in_, feature_names_in_, design_
        As in `LogisticRegression`. stop_reason_ "at the edge": the maximum lies where the link ends, a mean of 0 or 1,
        and the certificate names the rows.

    A binomial y is the proportion of successes, with the number of trials in sample_weight, or two columns, successes
    and failures.

    Examples
    --------
    >>> import numpy as np, betahat as bh
    >>> X, y = np.array([[0.0], [1.0], [2.0], [3.0]]), [1, 2, 6, 11]
    >>> m = bh.GeneralizedLinearModel("poisson").fit(X, y)
    >>> m.coef_.round(6), round(m.intercept_, 6)
    (array([0.794825]), 0.052903)
    >>> m.predict([[4.0]]).round(4)
    array([25.3354])
    """

    def __init__(
        self,
        family: Any = "gaussian",
        link: Any = None,
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
        self.family = family
        self.link = link
        super().__init__(
            alpha, l1_ratio=l1_ratio, fit_intercept=fit_intercept, cov_type=cov_type, maxlags=maxlags,
            information=information, collinear=collinear, separation=separation, missing=missing, solver=solver,
            max_iter=max_iter, tol=tol, warm_start=warm_start,
        )  # fmt: skip

    def _family(self) -> Family:
        return as_family(self.family, self.link)

    def _read(self, X: Any, y: Any, sample_weight: Any = None, *others: Any, **given: Any) -> Source:
        if self._family().name == "binomial" and y is not None:
            counts = np.asarray(y)
            if counts.ndim == 2 and counts.shape[1] == 2:
                y, sample_weight = _proportions(counts, sample_weight)
        return super()._read(X, y, sample_weight, *others, **given)


def _proportions(y: Any, sample_weight: Any) -> tuple[np.ndarray, np.ndarray]:
    """Successes and failures (n, 2) as proportions and numbers of trials."""
    if sample_weight is not None:
        raise ValueError(
            "y has two columns, successes and failures, whose sum is the weight of the row; sample_weight would be a "
            "second one"
        )
    counts = np.asarray(y, np.float64)
    if not np.isfinite(counts).all() or (counts < 0).any():
        raise DataError("y must hold counts of successes and failures: finite numbers of 0 or more")
    trials = counts.sum(axis=1)
    return np.where(trials > 0, counts[:, 0] / np.where(trials > 0, trials, 1.0), 0.0), trials

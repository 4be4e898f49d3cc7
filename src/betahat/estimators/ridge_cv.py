"""Ridge regression with alpha chosen by leaving rows out, each in turn or in folds."""

from __future__ import annotations

from typing import Any, final

import numpy as np

from betahat.data.passes import combined_weight
from betahat.data.source import ArraySource, Block, Source
from betahat.estimators.base import BaseLinear
from betahat.estimators.checks import check_choice, check_number, folds_of
from betahat.estimators.linear_fit import LinearResult, blas_for, fit_linear
from betahat.models.linear import predict
from betahat.penalties import L2, Penalty
from betahat.solvers.ridge_path import left_out, left_out_wide

_SCORES = ("neg_mean_squared_error", "r2")


@final
class RidgeCV(BaseLinear):
    """:class:`betahat.Ridge` with the alpha of least squared error on rows left out, in scikit-learn's sense.

    By default every row is left out in turn, which one factorisation and two readings do for all alphas (Allen's PRESS:
    the residual of row i becomes rᵢ/(1 − hᵢ)); for sources larger than memory too. J(β) is
    Σᵢ wᵢ (yᵢ − β₀ − xᵢᵀβ)² + α ‖β‖².

    Parameters
    ----------
    alphas : array of floats > 0
        Alphas to try.
    fit_intercept : bool
        Whether there is a β₀, which is not penalised.
    scoring : None, "neg_mean_squared_error" or "r2"
        What is largest at the alpha chosen; None is the former without `cv`, the latter with it. "r2" needs `cv`.
    cv : None, int, splitter or list of (train, test)
        None leaves out every row in turn.
    gcv_mode : None, "auto", "eigen" or "svd"
        Taken as scikit-learn's is, and without effect.
    store_cv_results : bool
        Whether `cv_results_` keeps the squared error of every row left out, for arrays in memory.
    alpha_per_target : bool
        Only False: fit a model for each target.
    missing : {"error", "drop", "mean"}
        What is done about missing values in tables.

    Attributes
    ----------
    alpha_ : float
        The alpha chosen; all else is of the fit with it, as of :class:`betahat.Ridge`.
    best_score_ : float
        The score at it.
    cv_results_ : array of shape (n, k), or (n, t, k) for t targets
        Squared errors of the rows left out, times their weights.

    Examples
    --------
    >>> import numpy as np, betahat as bh
    >>> X = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> m = bh.RidgeCV(alphas=[0.01, 1.0, 100.0]).fit(X, [0.0, 1.1, 1.9, 3.0])
    >>> m.alpha_, m.coef_.round(3)
    (0.01, array([0.978]))
    """

    cov_type = "nonrobust"
    maxlags = None
    collinear = "minimum_norm"

    def __init__(
        self,
        alphas: Any = (0.1, 1.0, 10.0),
        *,
        fit_intercept: bool = True,
        scoring: str | None = None,
        cv: Any = None,
        gcv_mode: str | None = None,
        store_cv_results: bool = False,
        alpha_per_target: bool = False,
        missing: str = "error",
    ) -> None:
        self.alphas = alphas
        self.fit_intercept = fit_intercept
        self.scoring = scoring
        self.cv = cv
        self.gcv_mode = gcv_mode
        self.store_cv_results = store_cv_results
        self.alpha_per_target = alpha_per_target
        self.missing = missing

    def _check_parameters(self) -> None:
        super()._check_parameters()
        given = np.atleast_1d(np.asarray(self.alphas, dtype=object)).tolist()
        if not given:
            raise ValueError(f"alphas (={self.alphas!r}) is empty; give numbers above 0")
        for i, alpha in enumerate(given):
            if not check_number(f"alphas[{i}]", alpha, 0.0, "a negative penalty has no minimum") > 0:
                raise ValueError(f"alphas[{i}] (={alpha!r}) must be above 0; alpha = 0 is LinearRegression")
        if self.scoring is not None:
            check_choice("scoring", self.scoring, _SCORES)
        check_choice("gcv_mode", self.gcv_mode, (None, "auto", "svd", "eigen"))  # pyright: ignore[reportArgumentType]
        if self.alpha_per_target:
            raise ValueError("alpha_per_target (=True) is not offered: fit a model for each target")
        if self.scoring == "r2" and self.cv is None:
            raise ValueError("scoring (='r2') needs cv: of a single row left out there is no R²")
        if self.store_cv_results and self.cv is not None:
            raise ValueError(
                "store_cv_results (=True) keeps errors of single rows left out, and cv leaves out more"
            )

    def _penalty(self, weight: float) -> Penalty:
        return L2(self.alpha_ / weight)

    def _solve(self, source: Source, has_intercept: bool) -> LinearResult:
        alphas = np.atleast_1d(np.asarray(self.alphas, np.float64)).ravel()
        with blas_for(source):
            scores = (self._single if self.cv is None else self._in_folds)(source, alphas, has_intercept)
        best = int(np.argmax(scores))
        self.alpha_, self.best_score_ = float(alphas[best]), float(scores[best])
        return super()._solve(source, has_intercept)

    def _single(self, source: Source, alphas: np.ndarray, has_intercept: bool) -> np.ndarray:
        """−mean squared error (k,) of rows left out one at a time."""
        vars(self).pop("cv_results_", None)
        keep = bool(self.store_cv_results)
        if isinstance(source, ArraySource):
            (block,) = source.blocks()
            n, p = block.X.shape
            if p > n:
                each = left_out_wide(block, alphas, has_intercept)
                return self._kept([each] if keep else None, -(each**2).mean(axis=(0, 1)))
            source.readings -= 1  # a look is not a reading
        elif keep:
            raise ValueError(
                "store_cv_results (=True) keeps a number for every row and alpha: give arrays in memory"
            )
        errors, each, rows = left_out(source, alphas, has_intercept, keep)
        return self._kept(each, -errors.mean(axis=0) / rows)

    def _kept(self, each: list[np.ndarray] | None, scores: np.ndarray) -> np.ndarray:
        if each is not None:
            squared = np.concatenate(each) ** 2
            self.cv_results_ = squared[:, 0] if self._single_target else squared
        return scores

    def _in_folds(self, source: Source, alphas: np.ndarray, has_intercept: bool) -> np.ndarray:
        """Mean scores (k,) over folds."""
        if not isinstance(source, ArraySource):
            raise TypeError(
                f"cv (={self.cv!r}) leaves rows out by their number, for which they must be in memory; X is a "
                f"{type(source).__name__}: leave cv=None, which needs no numbers"
            )
        (block,) = source.blocks()
        assert block.y is not None
        scores = [
            [self._score(block, train, test, alpha, has_intercept) for alpha in alphas]
            for train, test in folds_of(self.cv, block.y, combined_weight(block))
        ]
        return np.mean(scores, axis=0)

    def _score(
        self, block: Block, train: np.ndarray, test: np.ndarray, alpha: float, has_intercept: bool
    ) -> float:
        rows, left = block.take(train), block.take(test)
        assert rows.y is not None
        assert left.y is not None
        inner = ArraySource(rows.X, rows.y, rows.weight, rows.frequency)
        fit = fit_linear(
            inner, lambda weight: L2(alpha / weight), has_intercept, self.collinear, self.cov_type, None
        )
        X = left.X if hasattr(left.X, "tocsr") else np.asarray(left.X, np.float64)
        squares = (left.y - predict(X, fit.coef, fit.intercept)) ** 2
        weight = combined_weight(left)
        error = np.average(squares, axis=0, weights=weight)
        if self.scoring == "neg_mean_squared_error":
            return -float(error.mean())
        spread = np.average(
            (left.y - np.average(left.y, axis=0, weights=weight)) ** 2, axis=0, weights=weight
        )
        return float(np.mean(1 - error / np.where(spread > 0, spread, 1.0)))

    def _objective_words(self) -> str:
        level = "β₀ − " if self._result.statistics.has_intercept else ""
        return f"J(β) ∝ Σ wᵢ (yᵢ − {level}xᵢᵀβ)² + {self.alpha_:g} ‖β‖²"

"""What regressions with a likelihood share: means, intervals of them, and the share of deviance explained."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from typing import Any, Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from betahat.data.missing import unmasked
from betahat.data.source import Block, Source
from betahat.errors import DataError, InferenceError, MissingRowsWarning, users_line
from betahat.estimators.checks import check_choice
from betahat.estimators.inputs import check_weight, numbers
from betahat.estimators.likelihood_fit import LikelihoodResult, fit_likelihood
from betahat.estimators.likelihood_questions import QuestionedLikelihood
from betahat.estimators.partial_likelihood import go_on, goes_on
from betahat.estimators.written import interval_columns
from betahat.losses.family import Family

_INFORMATION = ("expected", "observed")


class LikelihoodRegressor(RegressorMixin, QuestionedLikelihood):
    """Abstract: E(y) = h(offset + β₀ + Xβ) for a family of distributions. Subclasses name it."""

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

    @abstractmethod
    def _family(self) -> Family:
        """The distribution with its link."""

    def _single_family(self) -> Family | None:
        return self._family()

    def _link(self) -> str:
        return self._family().link

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        try:
            self._family().check_target(np.array([-1.0]))
        except (ValueError, TypeError):  # of the family, or of parameters that fit will refuse
            tags.target_tags.positive_only = True
        return tags

    def fit(
        self, X: Any, y: Any = None, sample_weight: Any = None, frequency_weight: Any = None, groups: Any = None,
        offset: Any = None, exposure: Any = None,
    ) -> Self:  # fmt: skip
        """Fit to rows.

        X : (n, p) array, list, scipy.sparse matrix, pandas/polars/pyarrow table (text and categories are treatment
            coded), or a source that holds its own target (see :func:`betahat.data.query`).
        y : (n,) numbers that the family can give; None with a source.
        sample_weight : (n,) importance weights w ≥ 0: the variance of y is φ V(μ)/w. For proportions of a binomial, the
            number of trials.
        frequency_weight : (n,) whole numbers; a row stands for so many equal rows.
        groups : (n,) or (n, 2) labels of clusters, for ``cov_type="cluster"``.
        offset : (n,) known numbers that are added to the linear predictor.
        exposure : (n,) numbers > 0 whose logarithms are added to it, for links that are logarithms: the time or the
            population at risk.

        Raises MissingValueError, DataError, TypeError or ValueError where the inputs cannot be fitted, each naming the
        argument, and CollinearityError if ``collinear="error"``.
        """
        if exposure is not None:
            self._check_exposure()
        return self._fit_rows(X, y, {
            "sample_weight": sample_weight, "frequency_weight": frequency_weight, "groups": groups, "offset": offset,
            "exposure": exposure,
        })  # fmt: skip

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_choice("information", self.information, _INFORMATION)
        self._family()

    def _strength(self, weight: float) -> float:
        return float(self.alpha)

    def _fit_result(self, source: Source, has_intercept: bool) -> LikelihoodResult:
        self.n_columns_ = len(source.names)
        before = self._warm()
        warm = None if before is None else (before[0][0], float(before[1][0]))
        if self._is_sparse():
            from betahat.estimators.sparse_likelihood import fit_sparse_likelihood

            return fit_sparse_likelihood(
                source, self._family(), self._sparse_penalty, self._settings(has_intercept), warm
            )
        return fit_likelihood(source, self._family(), self._penalty, self._settings(has_intercept), warm)

    @available_if(goes_on)
    def partial_fit(
        self, X: Any, y: Any, sample_weight: Any = None, frequency_weight: Any = None, offset: Any = None,
        exposure: Any = None,
    ) -> Self:  # fmt: skip
        """Go on with a batch of rows that need not be kept; approximately, ending near the answer of `fit`.

        Of the rows before only their information A at the coefficients they led to is kept: β minimises the batch's
        loss and ½ (β − β₋)ᵀ A (β − β₋), by Newton's method, and the batch's own information is added to A (online
        Laplace approximation). For squared error this is exact but for a prior that weighs a thousandth of a row; else
        β̂ ends a fraction of a standard error from that of `fit`, the smaller the larger the batches beside the number
        of columns, the first above all (5 % with 100 rows a batch for each column, 25 % with 10). There is no
        certificate (`status` "not assessed"); standard errors are those of A. Arguments as of `fit`, of numbers; `fit`
        begins anew.

        >>> import numpy as np, betahat as bh
        >>> rng = np.random.default_rng(0)
        >>> X = rng.normal(size=(2000, 1))
        >>> y, m = rng.poisson(np.exp(0.5 * X[:, 0])), bh.PoissonRegressor()
        >>> for rows in np.split(np.arange(2000), 10):
        ...     m = m.partial_fit(X[rows], y[rows])
        >>> m.coef_.round(2), bh.PoissonRegressor().fit(X, y).coef_.round(2)
        (array([0.49]), array([0.49]))
        """
        self._check_parameters()
        go_on(self, X, y, self._family(), {
            "sample_weight": sample_weight, "frequency_weight": frequency_weight, "offset": offset,
            "exposure": exposure,
        })  # fmt: skip
        return self

    # --- prediction ---------------------------------------------------------------------------------------------

    def linear_predictor(self, X: Any, offset: Any = None, exposure: Any = None) -> np.ndarray:
        """η = offset + log(exposure) + β₀ + Xβ of new rows, (n,)."""
        return self._predictors(X, offset, exposure)[:, 0]

    def predict(self, X: Any, offset: Any = None, exposure: Any = None) -> np.ndarray:
        """The mean μ = h(η) of new rows, (n,).

        A row whose η is none of the link, such as one below 0 with "sqrt", is NaN, with a MissingRowsWarning.
        """
        return self._means(self.linear_predictor(X, offset, exposure))

    def _means(self, eta: np.ndarray) -> np.ndarray:
        family = self._family()
        low, high = family.domain
        if np.isnan(eta).any():
            raise DataError(
                f"row {int(np.argmax(np.isnan(eta)))} has no η: X or offset hold numbers too large"
            )
        outside = (np.isfinite(low) & (eta <= low)) | (np.isfinite(high) & (eta >= high))
        if outside.any():
            row = int(np.argmax(outside))
            warnings.warn(
                f"{outside.sum()} of {len(eta)} rows have no mean and are NaN, first row {row} with the linear "
                f"predictor {eta[row]:g}: the {family.link} link has means between {low:g} and {high:g}; log and logit "
                "have them everywhere",
                MissingRowsWarning,
                stacklevel=users_line(),
            )
        return family.mean(eta)

    def prediction_interval(
        self, X: Any, level: float = 0.95, kind: str = "confidence", offset: Any = None, exposure: Any = None
    ) -> np.ndarray:
        """Confidence intervals (n, 2) of the means: h at the ends of those of η, η ± z √(x₀ᵀVx₀)."""
        if kind != "confidence":
            raise InferenceError(
                f'kind (={kind!r}) must be "confidence": the interval of the mean. How single observations scatter '
                "about it the family's distribution says, not an interval of this kind"
            )
        check_is_fitted(self, "_result")
        matrix = self._matrix(X)
        return self._mean_interval(matrix, self._offset_of(X, offset, exposure, matrix.shape[0]), level)

    def _mean_interval(self, matrix: Any, added: np.ndarray | None, level: float) -> np.ndarray:
        """Where an end of the interval of η lies beyond the link's domain, the mean at the domain's own end."""
        low, high = self._family().domain
        ends = np.clip(self._interval(matrix, added, level), np.nextafter(low, high), np.nextafter(high, low))
        with np.errstate(all="ignore"):
            return np.sort(self._family().mean(ends), axis=1)

    def _written(self, block: Block, name: str, level: float | None) -> dict[str, np.ndarray]:
        made = {name: self._means(self._eta(block.X, block.offset)[:, 0])}
        if level is not None:
            made |= interval_columns(name, self._mean_interval(block.X, block.offset, level))
        return made

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """D², the share of deviance explained: 1 − D(y, μ̂)/D(y, ȳ), as in scikit-learn."""
        family = self._family()
        y = numbers(np.asarray(unmasked(y)), "y").astype(np.float64)
        eta = self.linear_predictor(X)
        if y.shape != eta.shape:
            raise DataError(f"y has shape {y.shape}, expected {eta.shape}: one number for each row of X")
        w = check_weight("sample_weight", sample_weight, len(y))
        w = np.ones(len(y)) if w is None else w
        family.check_target(y)
        mean = np.average(y, weights=w)
        null = family.deviance(y, family.predictor(np.full(len(y), mean)))
        whole = float(w @ null)
        with np.errstate(all="ignore"):  # of rows far beyond those of the fit
            left = float(w @ family.deviance(y, eta))
        return 1.0 - left / whole if whole > 0 else np.nan

"""What the linear estimators share: from checked inputs through objective and solver to fitted attributes."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from betahat.certificate import Certificate
from betahat.data.passes import combined_weight, dense
from betahat.data.source import ArraySource, Block, Source
from betahat.errors import InferenceError
from betahat.estimators.checks import MISSING, check_choice
from betahat.estimators.inputs import refuse_no_weight
from betahat.estimators.linear_fit import LinearResult, fit_linear
from betahat.estimators.rows import RowEstimator
from betahat.estimators.scores import Regressor
from betahat.estimators.warn import warn_collinear, warn_uncertified
from betahat.estimators.written import target_columns
from betahat.inference import Inference, LinearStatistics, Summary, check_cov_type
from betahat.models.linear import predict
from betahat.penalties import Penalty
from betahat.solvers.direct import COLLINEAR
from betahat.solvers.linear_descent import Method
from betahat.solvers.trace import Trace


class BaseLinear(Regressor, RowEstimator):
    """Abstract: a linear model fitted by least squares. Subclasses say what is penalised and how X is formed."""

    fit_intercept: bool
    cov_type: str
    maxlags: int | None
    collinear: str
    missing: str

    coef_: np.ndarray
    intercept_: Any
    certificate_: Certificate
    trace_: Trace
    stop_reason_: str
    n_features_in_: int

    _extended = False
    """Whether coefficients are kept in two doubles."""

    @abstractmethod
    def _penalty(self, weight: float) -> Penalty:
        """The penalty on the mean loss, given the sum of weights."""

    # --- fitting ------------------------------------------------------------------------------------------------

    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        frequency_weight: Any = None,
        groups: Any = None,
    ) -> Self:
        """Fit to rows.

        X : (n, p) array, list, scipy.sparse matrix, pandas/polars/pyarrow table (text and categories are treatment
            coded), or a source that holds its own target (see :func:`betahat.data.query`).
        y : (n,) or (n, t) numbers; None with a source.
        sample_weight : (n,) importance weights ≥ 0; degrees of freedom count rows of positive weight.
        frequency_weight : (n,) whole numbers; a row stands for so many equal rows.
        groups : (n,) or (n, 2) labels of clusters, for ``cov_type="cluster"``.

        Raises MissingValueError, DataError, TypeError or ValueError where the inputs cannot be fitted, each naming
        the argument, and CollinearityError if ``collinear="error"``.
        """
        self._check_parameters()
        source = self._read(X, y, sample_weight, frequency_weight, groups)
        self._forget()
        self._fit_source(source)
        return self

    def _forget(self) -> None:
        """Begin anew, where a fit would go on from another."""
        return None

    def _check_parameters(self) -> None:
        check_choice("collinear", self.collinear, COLLINEAR)
        check_choice("missing", self.missing, MISSING)
        if not isinstance(self.fit_intercept, (bool, np.bool_)):
            raise TypeError(f"fit_intercept (={self.fit_intercept!r}) must be True or False")
        check_cov_type(self.cov_type)

    def _fit_source(self, source: Source) -> None:
        if isinstance(source, ArraySource):
            refuse_no_weight(combined_weight(next(source.blocks())))
            source.readings -= 1  # a look at the weights is not a reading
        has_intercept = bool(self.fit_intercept)
        if self.design_ is not None and self.design_.kind == "formula":
            has_intercept = self.design_.has_intercept
        self._store(self._solve(source, has_intercept))

    def _solve(self, source: Source, has_intercept: bool) -> LinearResult:
        return fit_linear(
            source, self._penalty, has_intercept, self.collinear, self.cov_type, self.maxlags, self._extended,
            self._method(),
        )  # fmt: skip

    def _method(self) -> Method | None:
        """How to descend to the minimum; None to solve for it."""
        return None

    def _store(self, result: LinearResult) -> None:
        self._show(result)
        warn_collinear(result.remarks, self.collinear)
        warn_uncertified(result.certificate)

    def _show(self, result: LinearResult) -> None:
        """Put a result, just made or loaded, where users look for it."""
        single = self._single_target
        self.coef_ = result.coef[0] if single else result.coef
        self.intercept_ = float(result.intercept[0]) if single else result.intercept
        self.certificate_, self.trace_, self.stop_reason_ = (
            result.certificate,
            result.trace,
            result.stop_reason,
        )
        self.rank_ = result.statistics.rank - int(result.statistics.has_intercept)
        self.solver_ = result.solver
        self.n_iter_ = result.iterations
        self._result = result

    # --- prediction ---------------------------------------------------------------------------------------------

    def predict(self, X: Any) -> np.ndarray:
        """β₀ + Xβ for new rows: (n,), or (n, t) for t targets. A row's value is the same whatever rows come with it."""
        values = self._predict_rows(self._matrix(X))
        return values[:, 0] if self._single_target else values

    def _predict_rows(self, matrix: Any) -> np.ndarray:
        """Predictions (n, t) for rows that are numbers already."""
        if not hasattr(matrix, "tocsr"):
            matrix = np.asarray(matrix, np.float64)
        return predict(matrix, self._result.coef, self._result.intercept)

    def prediction_interval(self, X: Any, level: float = 0.95, kind: str = "prediction") -> np.ndarray:
        """Intervals around the predictions: (n, 2), or (n, t, 2) for t targets.

        ``kind="prediction"`` is for a new observation, ŷ ± t √(s² + x₀ᵀVx₀); ``"confidence"`` for its mean,
        ŷ ± t √(x₀ᵀVx₀), with V the covariance of `cov_type` and t the quantile of Student's distribution.
        """
        check_choice("kind", kind, ("prediction", "confidence"))
        check_is_fitted(self, "_result")
        if kind == "prediction" and not self._result.statistics.gaussian:
            raise InferenceError(
                "a loss other than squared error says nothing of how single observations scatter, so that they have no "
                'prediction interval; kind="confidence" is the interval of the fitted value'
            )
        bounds = self._bound_rows(self._matrix(X), level, kind == "prediction")
        return bounds[:, 0] if self._single_target else bounds

    def _solver_rows(self, X: np.ndarray) -> np.ndarray:
        """Rows of a design, (n, p), as the columns that were solved for."""
        return X

    def _bound_rows(self, matrix: Any, level: float, observation: bool) -> np.ndarray:
        """Intervals (n, t, 2) for rows that are numbers already."""
        matrix = dense(matrix)
        if self._result.refusal is not None:
            raise InferenceError(self._result.refusal)
        centre = self._predict_rows(matrix)
        half = Inference(self._result.statistics).half_width(matrix, level, observation)
        return np.stack([centre - half, centre + half], axis=-1)

    def _written(self, block: Block, name: str, level: float | None) -> dict[str, np.ndarray]:
        return target_columns(self, block, name, level)

    # --- results ------------------------------------------------------------------------------------------------

    @property
    def inference_(self) -> Inference:
        """Standard errors, tests, intervals and fit statistics (see :class:`betahat.inference.Inference`)."""
        check_is_fitted(self, "_result")
        if self._result.refusal is not None:
            raise InferenceError(self._result.refusal)
        if self._result.inference is None:
            self._result.inference = Inference(self._statistics())
        return self._result.inference

    def _statistics(self) -> LinearStatistics:
        """What inference is made of, in terms of `coef_`."""
        return self._result.statistics

    def summary(self, level: float = 0.95) -> Summary:
        """The table of coefficients with standard errors, tests, fit statistics and the certificate's line."""
        return Summary(self.inference_, level=level)

    def objective(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """J on the rows given: a function of β (m,), the intercept first, with `gradient(β)`, `names` and `estimate`
        (β̂). To look at, or to descend on again.

        >>> import numpy as np, betahat as bh
        >>> X, y = np.array([[1.0], [2.0], [3.0], [4.0]]), np.array([3.0, 5.0, 7.0, 9.5])
        >>> J = bh.LinearRegression().fit(X, y).objective(X, y)
        >>> J.names, bool(J(J.estimate) < J([0.7, 2.2]))
        (('Intercept', 'x1'), True)
        >>> bh.minimize(J, np.zeros(2), gradient=J.gradient, solver="bfgs").point.round(6)
        array([0.75, 2.15])
        """
        from betahat.estimators.objectives import linear_objective

        check_is_fitted(self, "_result")
        return linear_objective(self, X, y, sample_weight)

    def _objective_matrix(self, X: Any) -> Any:
        """The columns that `coef_` belongs to."""
        return self._matrix(X)

    def explain(self) -> str:
        """The objective, its derivative, how it was solved and why so, with this fit's numbers."""
        from betahat.report.explain import explain_linear

        check_is_fitted(self, "_result")
        return explain_linear(self._result, self._objective_words())

    @abstractmethod
    def _objective_words(self) -> str:
        """The objective as a line of mathematics, with this estimator's numbers."""

"""What the likelihood estimators share: from checked inputs through the fit to fitted attributes and predictions."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from betahat.certificate import Certificate
from betahat.data.passes import combined_weight, dense
from betahat.data.source import ArraySource, Source
from betahat.errors import (
    InferenceError,
    SeparationError,
    SeparationWarning,
    users_line,
)
from betahat.estimators.checks import MISSING, check_choice, check_number, check_ratio
from betahat.estimators.choices import check_budget, check_solver, check_tolerance
from betahat.estimators.inputs import is_frame, refuse_no_weight, without_uncounted
from betahat.estimators.likelihood_fit import LikelihoodResult, Settings
from betahat.estimators.rows import RowEstimator
from betahat.estimators.smooth_fit import refuse_leverages
from betahat.estimators.warn import warn_collinear, warn_uncertified
from betahat.inference import check_cov_type
from betahat.inference.distributions import check_level, t_quantile
from betahat.models.linear import predict
from betahat.penalties import L2, ElasticNetPenalty, NoPenalty, Penalty, SparsePenalty
from betahat.solvers.direct import COLLINEAR
from betahat.solvers.linear_descent import Method
from betahat.solvers.trace import Trace

if TYPE_CHECKING:
    from betahat.inference.likelihood import LikelihoodInference, LikelihoodSummary

_SEPARATION = ("warn", "error")
_STOCHASTIC = ("sgd", "adam", "adamw", "rmsprop", "adagrad")


class BaseLikelihood(RowEstimator):
    """Abstract: a linear predictor η = offset + β₀ + Xβ fitted by maximum likelihood. Subclasses say which."""

    alpha: float
    l1_ratio: float
    fit_intercept: bool
    cov_type: str
    maxlags: int | None
    collinear: str
    separation: str
    solver: Any
    max_iter: int | None
    tol: float | None
    warm_start: bool

    coef_: np.ndarray
    intercept_: Any
    n_columns_: int
    certificate_: Certificate
    trace_: Trace
    stop_reason_: str

    def _takes_targets(self) -> bool:
        return False

    # --- fitting ------------------------------------------------------------------------------------------------

    @abstractmethod
    def _fit_result(self, source: Source, has_intercept: bool) -> LikelihoodResult:
        """The fit to a source."""

    def _fit_rows(self, X: Any, y: Any, given: dict[str, Any]) -> Self:
        self._check_parameters()
        source = self._read(X, y, **given)
        vars(self)["_online"] = None
        self._fit_source(source)
        return self

    def _check_parameters(self) -> None:
        check_number("alpha", self.alpha, 0.0, "a negative penalty has no minimum")
        check_ratio(self.l1_ratio)
        check_choice("collinear", self.collinear, COLLINEAR)
        check_choice("missing", self.missing, MISSING)
        check_choice("separation", self.separation, _SEPARATION)
        for name in ("fit_intercept", "warm_start"):
            if not isinstance(getattr(self, name), (bool, np.bool_)):
                raise TypeError(f"{name} (={getattr(self, name)!r}) must be True or False")
        refuse_leverages(check_cov_type(self.cov_type))
        check_solver(self.solver)
        check_budget(self.max_iter)
        check_tolerance(self.tol)
        if self.solver in ("direct", *_STOCHASTIC):
            raise ValueError(
                f'solver (={self.solver!r}) is made for least squares; likelihoods take None, "newton", '
                '"newton_cg", "lbfgs" or another descent on all rows such as "gradient_descent"'
            )

    @abstractmethod
    def _strength(self, weight: float) -> float:
        """The weight of the penalty on the mean loss, given Σw."""

    def _penalty(self, weight: float) -> Penalty:
        strength = self._strength(weight)
        return L2(strength) if strength > 0 else NoPenalty()

    def _sparse_penalty(self, weight: float) -> SparsePenalty:
        return ElasticNetPenalty(self._strength(weight), float(self.l1_ratio))

    def _is_sparse(self) -> bool:
        """Whether the penalty sets coefficients to zero."""
        if not (self.l1_ratio and self._strength(1.0)):
            return False
        if self.solver is not None:
            raise ValueError(
                f"solver (={self.solver!r}) follows derivatives, and |β| has none at zero: leave solver=None, which "
                "takes working sets and proximal Newton steps where l1_ratio is above 0"
            )
        return True

    def _method(self) -> Method | None:
        if self.solver is None and self.max_iter is None and self.tol is None:
            return None
        budget = None if self.max_iter is None else int(self.max_iter)
        return Method(
            "auto" if self.solver is None else self.solver,
            budget,
            None if self.tol is None else float(self.tol),
        )

    def _settings(self, has_intercept: bool, classes: tuple[str, ...] = ()) -> Settings:
        return Settings(
            has_intercept, self.collinear, self.cov_type, self.maxlags, getattr(self, "information", "expected"),
            self._method(), float(self.alpha), classes,
        )  # fmt: skip

    def _fit_source(self, source: Source) -> None:
        if isinstance(source, ArraySource):
            block = next(source.blocks())
            source.readings -= 1  # a look at the weights is not a reading
            refuse_no_weight(combined_weight(block))
            source = without_uncounted(source, block)
        if self.design_ is not None and self.design_.offset_names.exposure is not None:
            self._check_exposure()
        has_intercept = bool(self.fit_intercept)
        if self.design_ is not None and self.design_.kind == "formula":
            has_intercept = self.design_.has_intercept
        with np.errstate(
            all="ignore"
        ):  # near the ends of double precision: the certificate judges what comes out
            result = self._fit_result(source, has_intercept)
        if result.separation is not None and self.separation == "error":
            raise SeparationError(result.separation)
        self._show(result)
        self._warn(result)

    @abstractmethod
    def _link(self) -> str:
        """The name of the link."""

    def _check_exposure(self) -> None:
        """A ValueError where exposures do not multiply the mean."""
        if self._link() != "log":
            raise ValueError(
                "exposure multiplies the mean where the link is the logarithm; the link here is "
                f"{self._link()!r}: give offset"
            )

    def _warm(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Slopes (t, p) and intercepts (t,) to begin at, where asked and there are fitting ones."""
        before = getattr(self, "_result", None)
        if not self.warm_start or before is None or before.coef.shape[1] != self.n_columns_:
            return None
        return before.coef, before.intercept

    def _show(self, result: LikelihoodResult) -> None:
        """Put a result, just made or loaded, where users look for it."""
        self.coef_, self.intercept_ = self._as_shown(result)
        self.certificate_, self.trace_, self.stop_reason_ = (
            result.certificate, result.trace, result.stop_reason,
        )  # fmt: skip
        self.solver_, self.separation_ = result.solver, result.separation
        self.n_iter_ = self._iterations(result)
        self._result = result

    def _iterations(self, result: LikelihoodResult) -> Any:
        return max(result.iterations, 1)

    def _as_shown(self, result: LikelihoodResult) -> tuple[np.ndarray, Any]:
        """coef_ and intercept_."""
        return result.coef[0], float(result.intercept[0])

    def _warn(self, result: LikelihoodResult) -> None:
        warn_collinear(result.remarks, self.collinear)
        if result.separation is not None:
            warnings.warn(result.separation, SeparationWarning, stacklevel=users_line())
        else:
            warn_uncertified(result.certificate)

    # --- prediction ---------------------------------------------------------------------------------------------

    def _predictors(self, X: Any, offset: Any = None, exposure: Any = None) -> np.ndarray:
        """η (n, t) of new rows."""
        check_is_fitted(self, "_result")
        matrix = self._matrix(X)
        return self._eta(matrix, self._offset_of(X, offset, exposure, matrix.shape[0]))

    def _eta(self, matrix: Any, added: np.ndarray | None) -> np.ndarray:
        """η (n, t) of rows that are numbers already, with their offset (n,)."""
        matrix = matrix if hasattr(matrix, "tocsr") else np.asarray(matrix, np.float64)
        eta = predict(matrix, self._result.coef, self._result.intercept)
        return eta if added is None else eta + added[:, None]

    def _offset_of(self, X: Any, offset: Any, exposure: Any, n: int) -> np.ndarray | None:
        """What is added to the predictors of new rows: given, or in the columns that were named in training."""
        if exposure is not None:
            self._check_exposure()
        if self.design_ is not None and is_frame(X):
            return self.design_.offset(X, offset, exposure)
        if self.design_ is not None and self.design_.offset_columns and offset is None and exposure is None:
            names = [column.name for column in self.design_.offset_columns]
            raise TypeError(
                f"this {type(self).__name__} was fitted with an offset from the columns {names}; predict needs a table "
                f"with these columns, or offset=, not {type(X).__name__} alone"
            )
        if offset is None and exposure is None:
            return None
        from betahat.data.beside import read_offset

        return read_offset(offset, exposure, n)

    # --- results ------------------------------------------------------------------------------------------------

    @property
    def inference_(self) -> LikelihoodInference:
        """Standard errors, tests, intervals and fit statistics (see
        :class:`betahat.inference.likelihood.LikelihoodInference`)."""
        from betahat.inference.likelihood import LikelihoodInference

        check_is_fitted(self, "_result")
        if self._result.refusal is not None:
            raise InferenceError(self._result.refusal)
        if self._result.inference is None:
            self._result.inference = LikelihoodInference(self._result.statistics)
        return self._result.inference

    def summary(self, level: float = 0.95) -> LikelihoodSummary:
        """The table of coefficients with standard errors, tests, fit statistics and the certificate's line."""
        from betahat.inference.likelihood import LikelihoodSummary

        return LikelihoodSummary(self.inference_, title=self._title(), level=level)

    def _title(self) -> str:
        """The first line of the summary."""
        return "Generalized linear model"

    def explain(self) -> str:
        """The objective, its derivative, how it was solved and why so, with this fit's numbers."""
        from betahat.report.explain_likelihood import explain_likelihood

        check_is_fitted(self, "_result")
        if self._result.sparse is None:
            return explain_likelihood(self._result)
        return explain_likelihood(
            self._result, f" + {self._sparse_penalty(self._result.statistics.weight).formula}"
        )

    def _interval(self, matrix: Any, added: np.ndarray | None, level: float) -> np.ndarray:
        """Confidence intervals (n, 2) of η, for one predictor, of rows that are numbers with their offset."""
        matrix = dense(matrix)
        inference, centre = self.inference_, self._eta(matrix, added)[:, 0]
        variance = inference.predictor_covariance(matrix)[:, 0, 0]
        half = t_quantile(check_level(level), float(inference.df_inference)) * np.sqrt(
            np.maximum(variance, 0.0)
        )
        return np.stack([centre - half, centre + half], axis=-1)

"""Logistic regression: maximum likelihood for two classes and more."""

from __future__ import annotations

from numbers import Real
from typing import Any, Self, final

import numpy as np
from sklearn.base import ClassifierMixin

from betahat.data.source import Block, Source
from betahat.errors import DataError, InferenceError
from betahat.estimators.class_codes import class_codes
from betahat.estimators.class_weights import check_class_weight, weighted_by_class
from betahat.estimators.firth_fit import fit_firth
from betahat.estimators.likelihood_fit import LikelihoodResult, fit_likelihood
from betahat.estimators.likelihood_questions import QuestionedLikelihood
from betahat.estimators.multinomial_fit import fit_multinomial
from betahat.estimators.sparse_likelihood import fit_sparse_likelihood
from betahat.estimators.written import class_names, interval_columns
from betahat.losses.bernoulli import Bernoulli
from betahat.losses.family import Family


@final
class LogisticRegression(ClassifierMixin, QuestionedLikelihood):
    """Logistic regression: the β̂ where the derivatives of J(β) vanish, certified,

        J(β) = (1/Σw) Σᵢ wᵢ L(yᵢ, ηᵢ) + α/2 ‖β‖²,   η = β₀ + xᵀβ,   L = log(1 + eᶯ) − y η,

    the negative log-likelihood of P(y = 1) = 1/(1 + e⁻ᶯ) (Cox 1958); with K > 2 classes L = log Σₖ exp ηₖ − η_y, each
    class having its own β. Not penalised unless asked for.

    Parameters
    ----------
    alpha : float ≥ 0
        Weight of the penalty on the *mean* loss. With alpha > 0 there are no standard errors: the estimates are biased.
    l1_ratio : float from 0 to 1
        The share ρ of the L1 norm in the penalty, α (ρ ‖β‖₁ + (1 − ρ)/2 ‖β‖²): above 0 it sets coefficients to zero,
        and the certificate holds a duality gap (`tol` is then that gap relative to J, as small as rounding lets it by
        default).
    C : float > 0 or None
        scikit-learn's inverse strength of the penalty, in the place of alpha = 1 / (C Σw).
    fit_intercept : bool
        Whether there is a β₀, which is never penalised.
    class_weight : None, "balanced" or dict
        Weights of the classes, times those of the rows; "balanced" is Σw / (K · Σw of the class).
    firth : bool
        Reduce the bias of the estimates by Jeffreys' prior, l + ½ log |I(β)| (Firth 1993), which keeps them finite
        where the columns separate the classes; for two classes, without alpha.
    separation : {"warn", "error"}
        What is done where the columns separate the classes, so that the likelihood has no maximum: a SeparationWarning
        and no standard errors for the coefficients that are infinite, or a SeparationError.
    cov_type : {"nonrobust", "HC0", "HC1", "cluster", "HAC"}
        The covariance behind standard errors; "cluster" needs `groups` in fit.
    maxlags : int or None
        Lags of "HAC", by default ⌊4 (n/100)^(2/9)⌋.
    collinear : {"minimum_norm", "drop", "error"}
        What is done where columns are combinations of others, as in `LinearRegression`.
    missing : {"error", "drop", "mean"}
        What is done about missing values in tables.
    solver : None, str or Solver
        None and "newton" solve Newton's equations, each step in one reading of the rows; with more than 1000
        coefficients None is "newton_cg" or "lbfgs". Others descend: "gradient_descent", "nesterov", ...
    max_iter : int or None
        Steps, by default 100 of Newton's.
    tol : float or None
        End, and certify, where every |∂J/∂βⱼ| ≤ tol · mean |wᵢ xᵢⱼ L'ᵢ|. None: 1e-10 and until steps change nothing.
    warm_start : bool
        Begin where the last fit ended.

    Attributes
    ----------
    classes_ : array of shape (K,)
        The labels, sorted.
    coef_ : float64 array of shape (1, p), or (K, p) for K > 2 classes
        Slopes: of the log odds of `classes_[1]`; for more classes, of each, adding up to zero.
    intercept_ : float64 array of shape (1,) or (K,)
        β₀.
    certificate_ : betahat.certificate.Certificate
        Whether it is a minimum, recomputed from the data, with a bound on the error of each coefficient.
    inference_ : betahat.inference.likelihood.LikelihoodInference
        Standard errors, tests, intervals, odds ratios, deviance, pseudo-R², AIC, ...
    separation_ : str or None
        What separates the classes, in words, where no maximum exists.
    solver_, n_iter_, trace_, stop_reason_, n_features_in_, feature_names_in_, design_
        As in `LinearRegression`; n_iter_ is an array of one number, as in scikit-learn.

    Examples
    --------
    >>> import numpy as np, betahat as bh
    >>> X = np.array([[1.0], [2.0], [3.0], [4.0], [5.0], [6.0]])
    >>> m = bh.LogisticRegression().fit(X, ["no", "no", "yes", "no", "yes", "yes"])
    >>> m.coef_.round(6), m.intercept_.round(6)
    (array([[1.214028]]), array([-4.249097]))
    >>> m.certificate_.status
    'global minimum'
    >>> m.predict([[2.5], [5.5]]), m.predict_proba([[3.5]]).round(6)
    (array(['no', 'yes'], dtype='<U3'), array([[0.5, 0.5]]))
    >>> m.inference_.std_err.round(4)
    array([3.3879, 0.9126])
    """

    def __init__(
        self,
        alpha: float = 0.0,
        *,
        l1_ratio: float = 0.0,
        C: float | None = None,
        fit_intercept: bool = True,
        class_weight: Any = None,
        firth: bool = False,
        separation: str = "warn",
        cov_type: str = "nonrobust",
        maxlags: int | None = None,
        collinear: str = "minimum_norm",
        missing: str = "error",
        solver: Any = None,
        max_iter: int | None = None,
        tol: float | None = None,
        warm_start: bool = False,
    ) -> None:
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.C = C
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.firth = firth
        self.separation = separation
        self.cov_type = cov_type
        self.maxlags = maxlags
        self.collinear = collinear
        self.missing = missing
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = not self.firth
        return tags

    # --- fitting ------------------------------------------------------------------------------------------------

    def fit(
        self, X: Any, y: Any = None, sample_weight: Any = None, frequency_weight: Any = None, groups: Any = None,
        offset: Any = None,
    ) -> Self:  # fmt: skip
        """Fit to rows.

        X : (n, p) array, list, scipy.sparse matrix, pandas/polars/pyarrow table (text and categories are treatment
            coded), or a source that holds its own target (see :func:`betahat.data.query`).
        y : (n,) labels of two or more classes: text, booleans, whole numbers; None with a source.
        sample_weight : (n,) importance weights ≥ 0; degrees of freedom count rows of positive weight.
        frequency_weight : (n,) whole numbers; a row stands for so many equal rows.
        groups : (n,) or (n, 2) labels of clusters, for ``cov_type="cluster"``.
        offset : (n,) known numbers that are added to the log odds, for two classes.

        Raises MissingValueError, DataError, TypeError or ValueError where the inputs cannot be fitted, each naming the
        argument, SeparationError if ``separation="error"`` and CollinearityError if ``collinear="error"``.
        """
        return self._fit_rows(X, y, {
            "sample_weight": sample_weight, "frequency_weight": frequency_weight, "groups": groups, "offset": offset,
        })  # fmt: skip

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_class_weight(self.class_weight)
        if not isinstance(self.firth, (bool, np.bool_)):
            raise TypeError(f"firth (={self.firth!r}) must be True or False")
        if self.firth and (self.alpha or self.C is not None):
            raise ValueError("firth=True is a penalty of its own; leave alpha and C out")
        if self.firth and self.solver not in (None, "newton"):
            raise ValueError(
                f"solver (={self.solver!r}) cannot be chosen with firth=True, which takes steps of Fisher scoring"
            )
        if self.C is None:
            return
        if isinstance(self.C, (bool, np.bool_)) or not isinstance(self.C, Real):
            raise TypeError(
                f"C (={self.C!r}) must be a number, or None where alpha says how strong the penalty is"
            )
        if not float(self.C) > 0:
            raise ValueError(f"C (={self.C!r}) must be positive: the inverse of a penalty's strength")
        if self.alpha:
            raise ValueError(
                f"alpha (={self.alpha!r}) and C (={self.C!r}) are two words for the penalty; give one of them"
            )

    def _target(self, y: Any) -> np.ndarray:
        self.classes_, codes = class_codes(y)
        return codes

    def _describe(self, source: Source, design: Any) -> None:
        super()._describe(source, design)
        classes = getattr(source, "classes", None)
        if classes is None:
            classes = getattr(design, "classes", None)
        self.classes_ = np.array([0, 1]) if classes is None else np.asarray(classes)

    def _strength(self, weight: float) -> float:
        return float(self.alpha) if self.C is None else 1.0 / (float(self.C) * weight)

    def _fit_result(self, source: Source, has_intercept: bool) -> LikelihoodResult:
        K = len(self.classes_)
        if K < 2:
            raise DataError(
                f"y holds one class only ({self.classes_.tolist()[0]!r}); a classifier needs rows of 2 classes at least"
            )
        self.n_columns_ = len(source.names)
        source = self._weighted(source)
        settings = self._settings(has_intercept, tuple(map(str, self.classes_)))
        if self.firth:
            if K != 2:
                raise ValueError(
                    f"Only binary classification is supported with firth=True, and y has {K} classes; fit pairs of "
                    "classes, or give alpha"
                )
            return fit_firth(source, settings)
        before = self._warm()
        if K == 2:
            warm = None if before is None else (before[0][0], float(before[1][0]))
            if self._is_sparse():
                return fit_sparse_likelihood(source, Bernoulli(), self._sparse_penalty, settings, warm)
            return fit_likelihood(source, Bernoulli(), self._penalty, settings, warm)
        if self._is_sparse():
            raise ValueError(
                f"l1_ratio (={self.l1_ratio!r}) is for two classes, and y has {K}; fit each class against the others, "
                "or leave l1_ratio at 0"
            )
        return fit_multinomial(
            source, self._penalty, settings, before if before is not None and len(before[1]) == K else None
        )

    def _single_family(self) -> Family | None:
        return Bernoulli() if len(self.classes_) == 2 else None

    def _weighted(self, source: Source) -> Source:
        return (
            source
            if self.class_weight is None
            else weighted_by_class(source, self.class_weight, self.classes_)
        )

    def _iterations(self, result: LikelihoodResult) -> np.ndarray:
        return np.array([max(result.iterations, 1)], dtype=np.int32)

    def _as_shown(self, result: LikelihoodResult) -> tuple[np.ndarray, Any]:
        return result.coef, result.intercept

    # --- prediction ---------------------------------------------------------------------------------------------

    def decision_function(self, X: Any, offset: Any = None) -> np.ndarray:
        """The log odds of `classes_[1]`, (n,); with K > 2 classes the predictors (n, K)."""
        eta = self._predictors(X, offset)
        return eta[:, 0] if len(self.classes_) == 2 else eta

    def predict_proba(self, X: Any, offset: Any = None) -> np.ndarray:
        """Probabilities of the classes (n, K), in the order of `classes_`."""
        return np.exp(self.predict_log_proba(X, offset))

    def predict_log_proba(self, X: Any, offset: Any = None) -> np.ndarray:
        """Their logarithms (n, K), which keep their digits where probabilities are smallest."""
        return self._log_probabilities(self._predictors(X, offset))

    def _log_probabilities(self, eta: np.ndarray) -> np.ndarray:
        if len(self.classes_) == 2:
            eta = np.column_stack([np.zeros(len(eta)), eta[:, 0]])
        top = eta.max(axis=1, keepdims=True)
        shifted = eta - top
        return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))

    def predict(self, X: Any, offset: Any = None) -> np.ndarray:
        """The most probable class of each row, (n,)."""
        return self._classes_of(self._predictors(X, offset))

    def _classes_of(self, eta: np.ndarray) -> np.ndarray:
        two = len(self.classes_) == 2
        return self.classes_[(eta[:, 0] > 0).astype(np.intp) if two else eta.argmax(axis=1)]

    def probability_interval(self, X: Any, level: float = 0.95, offset: Any = None) -> np.ndarray:
        """Confidence intervals (n, 2) of P(y = classes_[1]), from those of the log odds; for two classes."""
        matrix = self._matrix(X)
        return self._probability_interval(matrix, self._offset_of(X, offset, None, matrix.shape[0]), level)

    def _probability_interval(self, matrix: Any, added: np.ndarray | None, level: float) -> np.ndarray:
        if len(self.classes_) != 2:
            raise InferenceError(
                f"intervals of probabilities are for two classes; there are {len(self.classes_)}"
            )
        return Bernoulli().mean(self._interval(matrix, added, level))

    def _written(self, block: Block, name: str, level: float | None) -> dict[str, np.ndarray]:
        eta, columns = self._eta(block.X, block.offset), class_names(name, self.classes_.tolist())
        made = {name: self._classes_of(eta)}
        made |= dict(zip(columns, np.exp(self._log_probabilities(eta)).T, strict=True))
        if level is not None:
            made |= interval_columns(columns[-1], self._probability_interval(block.X, block.offset, level))
        return made

    def _link(self) -> str:
        return "logit" if len(self.classes_) == 2 else "softmax"

    def _title(self) -> str:
        return "Logistic regression" if len(self.classes_) == 2 else "Multinomial logistic regression"

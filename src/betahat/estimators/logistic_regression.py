"""Logistic regression: maximum likelihood for two classes and more."""

from __future__ import annotations

from numbers import Real
from typing import Any, Self, final

import numpy as np
from sklearn.utils.metaestimators import available_if

from betahat.errors import DataError
from betahat.estimators.class_codes import class_codes
from betahat.estimators.inputs import refuse_sparse_target
from betahat.estimators.logistic_base import BaseLogistic
from betahat.estimators.partial_likelihood import codes_of, go_on, goes_on
from betahat.losses.bernoulli import Bernoulli


@final
class LogisticRegression(BaseLogistic):
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

    @available_if(goes_on)
    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None, frequency_weight: Any = None,
        offset: Any = None,
    ) -> Self:  # fmt: skip
        """Go on with a batch of rows that need not be kept; approximately, ending near the answer of `fit`.

        Of the rows before only their information A at the coefficients they led to is kept: β minimises the batch's
        loss and ½ (β − β₋)ᵀ A (β − β₋), by Newton's method, and the batch's own information is added to A (online
        Laplace approximation). β̂ ends a fraction of a standard error from that of `fit`, the smaller the larger the
        batches beside the number of columns, the first above all (5 % with 100 rows a batch for each column, 25 % with
        10). There is no certificate (`status` "not assessed"), nor is separation looked for;
        standard errors are those of A.

        classes : (K,) all labels, at the first call; later None or the same. Other arguments as of `fit`, of numbers;
        `fit` begins anew.

        Raises ValueError without classes at the first call, DataError for a label that is none of the classes. There is
        no partial_fit with firth, l1_ratio or class_weight="balanced", which need all rows at once.

        >>> import numpy as np, betahat as bh
        >>> rng = np.random.default_rng(0)
        >>> X = rng.normal(size=(2000, 1))
        >>> y, m = (X[:, 0] + rng.logistic(size=2000) > 0).astype(int), bh.LogisticRegression()
        >>> for rows in np.split(np.arange(2000), 10):
        ...     m = m.partial_fit(X[rows], y[rows], classes=[0, 1])
        >>> m.coef_.round(2), bh.LogisticRegression().fit(X, y).coef_.round(2)
        (array([[1.01]]), array([[1.02]]))
        """
        self._check_parameters()
        begun = getattr(self, "_online", None) is not None
        if classes is None and not hasattr(self, "classes_"):
            raise ValueError(
                "classes must be given at the first call of partial_fit: all labels that y will hold"
            )
        if classes is not None:
            all_of = class_codes(classes)[0]
            if begun and not np.array_equal(all_of, self.classes_):
                raise ValueError(f"classes (={classes!r}) were {self.classes_.tolist()} at the first call")
            if len(all_of) < 2:
                raise DataError(f"classes (={classes!r}) must name 2 labels at least")
            self.classes_ = all_of
        refuse_sparse_target(y)
        found, codes = class_codes(y)
        family = Bernoulli() if len(self.classes_) == 2 else None
        go_on(self, X, codes_of(found, codes, self.classes_), family, {
            "sample_weight": sample_weight, "frequency_weight": frequency_weight, "offset": offset,
        })  # fmt: skip
        return self

    def _check_parameters(self) -> None:
        super()._check_parameters()
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

    def _strength(self, weight: float) -> float:
        return float(self.alpha) if self.C is None else 1.0 / (float(self.C) * weight)

"""Linear regression: ordinary least squares, weighted, and ridge in the package's own scaling."""

from __future__ import annotations

from typing import Any, Self, final

from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import validate_data

from betahat.data.missing import unmasked
from betahat.data.source import Source
from betahat.estimators.base import BaseLinear
from betahat.estimators.checks import check_number, check_ratio
from betahat.estimators.choices import check_batches, check_budget, check_solver, check_tolerance, method_of
from betahat.estimators.inputs import array_source, batch_of, numbers
from betahat.estimators.linear_fit import LinearResult
from betahat.losses import Loss, as_loss
from betahat.penalties import L2, ElasticNetPenalty, NoPenalty, Penalty, SparsePenalty, Sum, as_penalty
from betahat.penalties.sparse import Both
from betahat.solvers.linear_descent import Method


def _adds_up(model: LinearRegression) -> bool:
    """Whether sums over the rows are all that a fit needs."""
    if model._is_smooth():
        raise AttributeError(
            "partial_fit adds up what least squares needs, and a loss or penalty of your own needs the rows again: use "
            "fit"
        )
    return True


@final
class LinearRegression(BaseLinear):
    """Least squares: the β̂ where the derivatives of J(β) vanish, solved exactly and certified,

        J(β) = (1/Σw) Σᵢ wᵢ ½ (yᵢ − β₀ − xᵢᵀβ)² + α/2 ‖β‖²,

    or with α (ρ ‖β‖₁ + (1 − ρ)/2 ‖β‖²), ρ = l1_ratio, which sets coefficients to zero; or, with a loss or penalty of
    your own, of J(β) = (1/Σw) Σᵢ wᵢ L(yᵢ, β₀ + xᵢᵀβ) + R(β) + α/2 ‖β‖², descended to.

    Everything is computed in float64, whatever the input's type. Columns are centred and scaled before any decision;
    the solution is refined with residuals in double-double arithmetic until the correction is at rounding level.

    Parameters
    ----------
    alpha : float ≥ 0
        Weight of the ridge penalty on the *mean* loss (`Ridge` has scikit-learn's scaling). With alpha > 0 there are
        no standard errors: the estimates are biased.
    l1_ratio : float from 0 to 1
        The share ρ of the L1 norm in the penalty: 0 is ridge regression, 1 the lasso. For any convex loss; the
        certificate then holds a duality gap.
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
    loss : str, Loss or function of (y, prediction)
        L: "squared_error", "huber", "pseudo_huber" (alias "soft_l1"), "cauchy", an object such as
        ``betahat.losses.Huber(delta=2.0)``, or any smooth function in plain NumPy that gives one number for each row;
        its derivatives are found by autodiff. For one target.
    penalty : None, Penalty or function of β
        R: any smooth function of the slopes (p,) in plain NumPy, in addition to `alpha`. With it there are no standard
        errors.
    solver : None, str or Solver
        None and "direct" solve the normal equations; for another loss or penalty None is "trust_region" up to 300
        coefficients and "lbfgs" beyond. Others descend in columns of unit variance: "gradient_descent", "momentum" and
        "nesterov" with the learning rate 1/L, "conjugate_gradient", "steepest_descent", "lbfgs", "bfgs", "newton",
        "newton_cg", "trust_region", "dogleg"; by mini-batches "sgd", freed of its noise by variance reduction, so that
        it reaches the same answer, and "adam", "adamw", "rmsprop", "adagrad", which end near it; or an object such as
        ``betahat.solvers.GradientDescent(0.1)``.
    max_iter : int or None
        Iterations of a descent, by default 100,000; epochs of a stochastic one, by default 1000, or 100 where noise
        stays. Where they do not suffice, the certificate says so and how far off the coefficients may be.
    tol : float or None
        End a descent, and certify, where every |∂J/∂βⱼ| ≤ tol · mean |wᵢ xᵢⱼ L'ᵢ|. None goes on to what rounding
        allows.
    batch_size : int
        Rows of a stochastic step.
    random_state : int, RandomState or None
        Decides the order of rows for stochastic solvers.

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
    solver_ : str
        The factorisation that was safe for these columns, "Cholesky", "QR", "SVD" or "dual", or the descent's name.
    n_iter_ : int
        Iterations or epochs of a descent, or refinements.
    rank_ : int
        Of the centred columns, without the intercept.
    trace_ : betahat.solvers.trace.Trace
        The refinements made, or the iterations of the descent.
    stop_reason_ : str
        Why they ended.
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
    >>> bh.LinearRegression(solver="gradient_descent").fit(X, [3.0, 5.0, 7.0, 9.5]).coef_
    array([2.15])
    >>> wrong = [3.0, 5.0, 70.0, 9.0]
    >>> bh.LinearRegression().fit(X, wrong).coef_, bh.LinearRegression(loss="huber").fit(X, wrong).coef_.round(1)
    (array([8.3]), array([2.2]))
    """

    def __init__(
        self,
        alpha: float = 0.0,
        *,
        l1_ratio: float = 0.0,
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
        batch_size: int = 32,
        random_state: Any = None,
    ) -> None:
        self.alpha = alpha
        self.l1_ratio = l1_ratio
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
        self.batch_size = batch_size
        self.random_state = random_state

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_number("alpha", self.alpha, 0.0, "a negative penalty has no minimum")
        check_ratio(self.l1_ratio)
        as_loss(self.loss)
        as_penalty(self.penalty)
        check_solver(self.solver)
        check_budget(self.max_iter)
        check_tolerance(self.tol)
        check_batches(self.batch_size, self.random_state)

    @available_if(_adds_up)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, frequency_weight: Any = None) -> Self:
        """Add rows to those given before, and fit to them all: exactly, not by a step in their direction.

        X : (n, p) numbers, an array, sparse matrix or table; y : (n,) or (n, t); weights as in `fit`, which begins
        anew. What is kept is the triangular factor of all rows so far, (1 + p + t)² numbers, so that coefficients,
        certificate and standard errors are those of one `fit` to all rows, up to the rounding of that factor. Saved
        models can go on. `solver` plays no part in it.

        Raises ValueError for another number of columns or targets than before. A loss or penalty of your own needs the
        rows again, so that such models have no `partial_fit`; nor have robust covariances, which `inference_` refuses.

        >>> import numpy as np, betahat as bh
        >>> X, y = np.array([[1.0], [2.0], [3.0], [4.0]]), np.array([3.0, 5.0, 7.0, 9.5])
        >>> m = bh.LinearRegression().partial_fit(X[:2], y[:2]).partial_fit(X[2:], y[2:])
        >>> m.coef_.round(12), round(m.intercept_, 12)
        (array([2.15]), 0.75)
        """
        from betahat.estimators.partial import Sums, fit_sums, refuse_non_finite

        self._check_parameters()
        sums: Sums | None = getattr(self, "_sums", None)
        first = sums is None
        X, y = validate_data(
            self, batch_of(X), unmasked(y), reset=first, accept_sparse=self._sparse,
            ensure_all_finite=False, multi_output=True, y_numeric=True, dtype="numeric",
        )  # fmt: skip
        source = array_source(
            numbers(X, "X"), numbers(y, "y"), sample_weight, frequency_weight, None,
            names=tuple(map(str, self.feature_names_in_)) if hasattr(self, "feature_names_in_") else None,
        )  # fmt: skip
        (block,) = source.blocks()
        refuse_non_finite(block)
        if sums is None:
            self.design_, self._single_target = None, y.ndim == 1
            sums = Sums.begin(block, bool(self.fit_intercept))
        sums.refuse_another(block, bool(self.fit_intercept))
        sums.add(block)
        self._sums = sums
        curvature = self._penalty(1.0).curvature
        result = fit_sums(sums, source.names, source.target_names, curvature, self.collinear, self.cov_type)
        self._store(result)
        return self

    def _takes_targets(self) -> bool:
        return as_loss(self.loss).quadratic and (self._kinked() is not None or not self._is_smooth())

    def _forget(self) -> None:
        self._sums = None

    def _is_smooth(self) -> bool:
        """Whether J is another function than the quadratic of least squares."""
        own = as_penalty(self.penalty)
        return self._kinked() is not None or not (as_loss(self.loss).quadratic and own.quadratic)

    def _kinked(self) -> SparsePenalty | None:
        """The penalty that sets coefficients to zero, where there is one."""
        own, alpha, ratio = as_penalty(self.penalty), float(self.alpha), float(self.l1_ratio)
        if isinstance(own, SparsePenalty):
            return own if not alpha else Both((own, ElasticNetPenalty(alpha, ratio)))
        return ElasticNetPenalty(alpha, ratio) if alpha and ratio else None

    def _solve(self, source: Source, has_intercept: bool) -> LinearResult:
        loss, own = as_loss(self.loss), as_penalty(self.penalty)
        if not self._is_smooth():
            return super()._solve(source, has_intercept)
        if (kinked := self._kinked()) is not None:
            return self._solve_kinked(source, has_intercept, loss, own, kinked)
        method = self._method()
        if self.solver == "direct":
            raise ValueError(
                'solver (="direct") solves the equations of squared error and ridge penalties; with another loss or '
                "penalty they are not linear: leave solver=None, or choose a descent"
            )
        if method is not None and method.is_stochastic:
            raise ValueError(
                f"solver (={self.solver!r}) steps on mini-batches, which is made for squared error; with another loss "
                'or penalty take a descent on all rows, such as "lbfgs"'
            )
        from betahat.estimators.smooth_fit import fit_smooth

        ridge = L2(float(self.alpha)) if self.alpha else None
        penalty = own if ridge is None else ridge if isinstance(own, NoPenalty) else Sum((own, ridge))
        return fit_smooth(
            source, loss, penalty, has_intercept, self.collinear, self.cov_type, self.maxlags, method
        )

    def _solve_kinked(
        self, source: Source, has_intercept: bool, loss: Loss, own: Penalty, kinked: SparsePenalty
    ) -> LinearResult:
        from betahat.estimators.sparse_fit import fit_sparse
        from betahat.solvers.sparse.solve import ITERATIONS, TOLERANCE

        if self.solver is not None:
            raise ValueError(
                f"solver (={self.solver!r}) follows derivatives, and |β| has none at zero: leave solver=None, which "
                "takes coordinate descent, working sets and Newton's steps on what is not zero"
            )
        if not isinstance(own, (NoPenalty, SparsePenalty)):
            raise ValueError(
                f"penalty (={own!r}) cannot be added to an L1 norm: no dual point, and so no proof, is known for their "
                "sum. Leave l1_ratio at 0, or take betahat.penalties.SeparablePenalty"
            )
        tolerance = TOLERANCE if self.tol is None else float(self.tol)
        return fit_sparse(source, loss, kinked, has_intercept, tolerance, self.max_iter or ITERATIONS)

    def _method(self) -> Method | None:
        return method_of(self.solver, self.max_iter, self.tol, self.batch_size, self.random_state)

    def _penalty(self, weight: float) -> Penalty:
        curvature = float(self.alpha) + as_penalty(self.penalty).curvature
        return L2(curvature) if curvature else NoPenalty()

    def _objective_words(self) -> str:
        loss, own = as_loss(self.loss), as_penalty(self.penalty)
        level = "β₀ + " if self._result.statistics.has_intercept else ""
        ridge = f" + {self.alpha:g}/2 ‖β‖²" if self.alpha else ""
        penalty = f"{ridge} + {own.formula}" if own.formula else ridge
        if (kinked := self._kinked()) is not None:
            penalty = f" + {kinked.formula}"
        if loss.quadratic:
            return f"J(β) = (1/Σw) Σ wᵢ ½ (yᵢ − {level.replace('+', '−')}xᵢᵀβ)²{penalty}"
        return f"J(β) = (1/Σw) Σ wᵢ L(yᵢ, {level}xᵢᵀβ){penalty},   L = {loss.formula}"

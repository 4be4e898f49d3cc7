"""Nonlinear regression: any function of rows and parameters, fitted, certified, with its inference."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self, final

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from betahat.certificate import Certificate
from betahat.errors import CertificateWarning, DataError, InferenceError, users_line
from betahat.estimators.checks import check_choice
from betahat.estimators.nonlinear_descent import Goal
from betahat.estimators.nonlinear_fit import NonlinearResult, fit_nonlinear
from betahat.estimators.nonlinear_inputs import columns_of, read_rows, resolve
from betahat.estimators.nonlinear_rows import Rows
from betahat.estimators.nonlinear_starts import bounds_of, starts_of
from betahat.estimators.scores import Regressor
from betahat.estimators.written import target_columns
from betahat.inference import Inference, Summary, check_cov_type, check_maxlags
from betahat.losses import Loss, as_loss
from betahat.models.nonlinear import NonlinearModel
from betahat.penalties import Penalty, as_penalty
from betahat.solvers.checks import check_count
from betahat.solvers.descent.base import Solver
from betahat.solvers.named import FOR_RESIDUALS, bounded_names, solver_named
from betahat.solvers.trace import Trace

if TYPE_CHECKING:
    from betahat.data import Block, TableDesign

_TITLE = "Nonlinear regression"


@final
class NonlinearRegression(Regressor, BaseEstimator):
    """β̂ of any curve or surface f(x, β), the point where the derivatives of J(β) vanish,

        J(β) = (1/Σw) Σᵢ wᵢ L(yᵢ, f(xᵢ, β)) + R(β),  L = ½ (y − f)² unless another loss is named.

    The derivatives of f are found by :mod:`betahat.autodiff`. Sums of squares are solved by Levenberg–Marquardt; where
    that ends at no minimum, the parameters that f is linear in are solved for at every point; where that fails too, by
    a trust region on the full Hessian. The last steps are Newton's, down to rounding. The certificate says whether the
    end is a local minimum; there may be others, which several starts look for.

    Parameters
    ----------
    f : function, or text
        ``f(X, a, b)`` or ``f(X, beta)`` (an array, or a dict as `start` is one), in plain NumPy, giving a prediction
        for each row; text such as ``"a * exp(-b * x) + c"`` (names that are not columns are parameters; the column of
        an array is ``x``, several are ``x1``, ``x2``, …); or the name of a curve: those of :data:`betahat.curves`.
    start : numbers, dict, list of these, function, or None
        Where to begin: numbers in order, ``{"a": 1.0, "b": 0.1}``, several starts as a list of these (the lowest end
        is kept; one matrix for ``f(X, W)`` is ``[W]``), or a function of (X, y) giving one. None searches: for named
        curves, text and functions with named parameters many points are tried and a few of the best taken as starts.
    bounds : dict or sequence of pairs, or None
        ``{"b": (0, None)}``, or a pair (low, high) for each parameter in order; None for no bound, equal ones to fix
        it. A parameter that ends on its bound has no standard error; the others' hold for it fixed there.
    loss : {"squared_error", "huber", "pseudo_huber", "cauchy"}, loss, or function of (y, prediction)
        As in :class:`betahat.LinearRegression`; the size at which a robust loss turns is in units of y:
        ``bh.losses.Huber(delta=2.0)``.
    penalty : function of β (p,), or None
        Added to the mean loss. There are no standard errors then.
    cov_type, maxlags : as in :class:`betahat.LinearRegression`
        "nonrobust" is s²(JᵀWJ)⁻¹ with J = ∂f/∂β at β̂ and s² = Σ w r²/(n − p); with another loss than squared error
        it is the M-estimator's sandwich. For weights 1/σ² of known σ, divide the covariance by `inference_.scale`.
    solver : name or solver object, or None
        None chooses as said above; else one of `betahat.solvers`, such as "levenberg_marquardt", "gauss_newton" (for
        sums of squares), "trust_region", "newton_cg", "lbfgsb" (all of these keep bounds), "bfgs". Where it arrives,
        Newton's steps bring the gradient down to rounding, whatever the solver.
    max_iter : int or None
        Of one descent; None means 50 (p + 2).

    Attributes
    ----------
    coef_ : float64 array of shape (p,)
        β̂, in the order of `parameter_names_`.
    parameter_names_ : tuple of str
    certificate_, trace_, stop_reason_, inference_ : as in :class:`betahat.LinearRegression`
    solver_ : str
        What found β̂.
    starts_, losses_ : float64 arrays of shape (starts, p) and (starts,)
        Where the descents began, and J where they ended: infinite where f is not finite at the start, and for starts
        that Ctrl-C left untried, of which a CertificateWarning and `explain` tell too. `stop_reason_` is that of the
        descent whose end was kept.
    n_iter_, n_evaluations_ : int
        Iterations of that solver; how often f was computed in all, alone or with its derivatives.
    n_features_in_, feature_names_in_
        Columns of the input, and their names where it was a table.

    Notes
    -----
    Standard errors, intervals and tests are those of the model linearised at β̂ (Bates & Watts 1988);
    `profile_interval` gives intervals without linearising.

    Examples
    --------
    >>> import numpy as np, betahat as bh
    >>> x = np.array([0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
    >>> y = np.array([5.1, 3.9, 3.2, 2.7, 2.5, 2.2])
    >>> m = bh.NonlinearRegression(lambda X, a, b, c: a * np.exp(-b * X) + c, start=[1.0, 1.0, 1.0]).fit(x, y)
    >>> m.coef_.round(4), m.certificate_.status
    (array([3.1605, 0.4613, 1.9307]), 'local minimum')
    >>> m.inference_.std_err.round(4)
    array([0.0968, 0.0361, 0.0984])
    >>> bh.NonlinearRegression("exponential_offset").fit(x, y).coef_.round(4)
    array([ 3.1605, -0.4613,  1.9307])
    """

    coef_: np.ndarray
    certificate_: Certificate
    trace_: Trace
    stop_reason_: str
    n_features_in_: int
    feature_names_in_: np.ndarray
    _one_dimensional: bool

    def __init__(
        self,
        f: Callable[..., Any] | str,
        start: Any = None,
        *,
        bounds: Any = None,
        loss: Any = "squared_error",
        penalty: Any = None,
        cov_type: str = "nonrobust",
        maxlags: int | None = None,
        solver: Any = None,
        max_iter: int | None = None,
    ) -> None:
        self.f = f
        self.start = start
        self.bounds = bounds
        self.loss = loss
        self.penalty = penalty
        self.cov_type = cov_type
        self.maxlags = maxlags
        self.solver = solver
        self.max_iter = max_iter

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

        X : (n,) or (n, d) array or list, passed to f in that shape as float64; a pandas/polars/pyarrow table; or a
            source that holds its own target (:func:`betahat.data.query`), whose rows are read into memory.
        y : (n,) numbers; None with a source.
        sample_weight : (n,) importance weights ≥ 0, such as 1/σ²; frequency_weight : (n,) whole numbers.
        groups : (n,) or (n, 2) labels of clusters, for ``cov_type="cluster"``.

        f and `start` are handed X and y that they cannot write into. Where f raises an ArithmeticError or ValueError
        on the way, but not at the start, it counts as undefined there. After Ctrl-C the best point so far is kept.

        Raises DataError, TypeError or ValueError where inputs or starts cannot be used, each naming the argument;
        DerivativeError where f has no derivative. Warns (CertificateWarning) where no minimum was found, or the data
        do not determine all parameters.
        """
        loss, penalty, way = self._check_parameters()
        rows = read_rows(self, X, y, sample_weight, frequency_weight, groups).counting()
        if check_cov_type(self.cov_type) == "cluster" and rows.groups is None:
            raise DataError(
                'cov_type="cluster" needs groups: pass fit(..., groups=labels), one or two labels for each row'
            )
        function, curve = resolve(self.f, rows.names)
        model, starts, box = starts_of(function, curve, self.start, self.bounds, rows)
        if way is not None and box is not None and not way.bounded:
            able = ", ".join(map(repr, bounded_names(residuals=True)))
            raise ValueError(f"solver (={way.name!r}) does not keep bounds; those that do: {able}")
        goal = Goal(model, rows, box, loss, penalty)
        self._store(fit_nonlinear(goal, starts, self.cov_type, self.maxlags, way, self.max_iter), model)
        return self

    def _check_parameters(self) -> tuple[Loss, Penalty, Solver | None]:
        """What is minimised besides f, and the solver asked for."""
        if not (callable(self.f) or isinstance(self.f, str)) or isinstance(self.f, type):
            raise TypeError(
                f"f (={self.f!r}) must be a function f(X, a, b) or f(X, beta), an expression such as "
                "'a * exp(-b * x)', or the name of a curve"
            )
        loss, penalty = as_loss(self.loss), as_penalty(self.penalty)
        if check_cov_type(self.cov_type) == "HAC":
            check_maxlags(self.maxlags, 1)
        way = None if self.solver is None else self._way(loss)
        if self.max_iter is not None:
            check_count("max_iter", self.max_iter)
        return loss, penalty, way

    def _way(self, loss: Loss) -> Solver:
        """The solver asked for; ValueError for one of sums of squares where none is descended."""
        way = solver_named(self.solver, residuals=True)
        squares = loss.quadratic and self.penalty is None
        if way.name in FOR_RESIDUALS and not squares:
            raise ValueError(
                f"solver (={way.name!r}) is for sums of squares; with another loss, or a penalty, take None or a "
                "solver of any function, such as 'trust_region'"
            )
        return way

    def _store(self, result: NonlinearResult, model: NonlinearModel) -> None:
        self._show(result, model)
        said: list[str] = []
        if not result.certificate.converged:
            said.append(f"no minimum found ({result.stop_reason}): {result.certificate.message}")
        if result.refusal is not None and not (said and result.certificate.message in result.refusal):
            said.append(result.refusal)  # what may be the cause
        if result.interruption is not None and (
            len(result.starts) > 1 or result.stop_reason != "interrupted"
        ):
            said.append(result.interruption)
        if said:
            words = [said[0], *(f"{each[0].upper()}{each[1:]}" for each in said[1:])]
            warnings.warn(". ".join(words), CertificateWarning, stacklevel=users_line())

    def _show(self, result: NonlinearResult, model: NonlinearModel) -> None:
        """Put a result, just made or loaded, where users look for it."""
        self._result, self._model = result, model
        self.coef_, self.parameter_names_ = result.coef, model.names
        self.certificate_, self.trace_, self.stop_reason_ = (
            result.certificate,
            result.trace,
            result.stop_reason,
        )
        self.solver_, self.n_evaluations_ = result.solver, result.evaluations
        self.n_iter_ = max(1, len(result.trace))
        self.starts_, self.losses_ = result.starts, result.losses

    # --- prediction ---------------------------------------------------------------------------------------------

    def predict(self, X: Any) -> np.ndarray:
        """f(x, β̂) for new rows: (n,)."""
        check_is_fitted(self, "_result")
        return self._model.predict(columns_of(self, X), self.coef_)

    def prediction_interval(self, X: Any, level: float = 0.95, kind: str = "prediction") -> np.ndarray:
        """Intervals around the predictions: (n, 2).

        ``kind="prediction"`` is for a new observation, ŷ ± t √(s² + gᵀVg); ``"confidence"`` for its mean,
        ŷ ± t √(gᵀVg), with g = ∂f/∂β at the row (the delta method), V the covariance and t Student's quantile.
        """
        check_choice("kind", kind, ("prediction", "confidence"))
        check_is_fitted(self, "_result")
        return self._bound_rows(columns_of(self, X), level, kind == "prediction")[:, 0]

    def _solver_rows(self, X: np.ndarray) -> np.ndarray:
        """Rows of a table (n, d) as f takes them."""
        return X[:, 0] if self._one_dimensional else X

    def _predict_rows(self, rows: np.ndarray) -> np.ndarray:
        """Predictions (n, 1) for rows that are numbers already."""
        return self._model.predict(rows, self.coef_)[:, None]

    def _bound_rows(self, rows: np.ndarray, level: float, observation: bool) -> np.ndarray:
        """Intervals (n, 1, 2) for rows that are numbers already."""
        inference = self.inference_
        statistics = self._result.statistics
        if observation and not (statistics.gaussian or statistics.penalised):
            raise InferenceError(
                "a loss other than squared error says nothing of how single observations scatter, so that they have no "
                'prediction interval; kind="confidence" is the interval of the fitted value'
            )
        centre, J = self._model.jacobian(rows, self.coef_)
        if not self._model.check(rows, self.coef_, J):  # rows that depend on one another, unlike those before
            centre, J = self._model.jacobian(rows, self.coef_)
        self._model.forget()
        half = inference.half_width(J, level, observation)[:, 0]
        return np.stack([centre - half, centre + half], axis=-1)[:, None]

    def _written(self, block: Block, name: str, level: float | None) -> dict[str, np.ndarray]:
        return target_columns(self, block, name, level)

    @property
    def design_(self) -> TableDesign | None:
        """The columns that f takes from a table; None where X was an array."""
        from betahat.data import Column, TableDesign

        names = getattr(self, "feature_names_in_", None)
        return None if names is None else TableDesign(tuple(Column(str(name)) for name in names))

    # --- results ------------------------------------------------------------------------------------------------

    @property
    def inference_(self) -> Inference:
        """Standard errors, correlation, tests, intervals and fit statistics.

        Raises InferenceError where there are none: at a singular Jacobian (naming the parameters that the data cannot
        tell apart), or where no minimum was found.
        """
        check_is_fitted(self, "_result")
        if self._result.refusal is not None:
            raise InferenceError(self._result.refusal)
        if self._result.inference is None:
            self._result.inference = Inference(self._result.statistics)
        return self._result.inference

    def profile_interval(
        self, X: Any, y: Any = None, sample_weight: Any = None, frequency_weight: Any = None, *,
        level: float = 0.95, parameters: Any = None,
    ) -> np.ndarray:  # fmt: skip
        """Intervals from the profile of the sum of squares, without linearising: (p, 2), or a row for each of
        `parameters`.

        The values b of a parameter around its estimate for which min{S(β): βⱼ = b} − S(β̂) ≤ t² s², found by descending
        in the other parameters (Bates & Watts 1988, ch. 6); t and s² as in the nonrobust covariance, whatever
        `cov_type`. An end is infinite where the sum of squares never rises so far, and the bound where it rises so far
        nowhere within the bounds.

        X, y, weights : the rows of the fit, which the model did not keep. Raises ValueError for other rows,
        InferenceError for losses other than squared error, and where there are no standard errors.

        >>> import numpy as np, betahat as bh
        >>> x, y = np.arange(6.0), np.array([5.1, 3.9, 3.2, 2.7, 2.5, 2.2])
        >>> m = bh.NonlinearRegression("exponential_offset").fit(x, y)
        >>> m.profile_interval(x, y, parameters="b").round(3)
        array([[-0.583, -0.349]])
        """
        from betahat.inference.profile import profile_intervals

        inference = self.inference_
        if not as_loss(self.loss).quadratic or self.penalty is not None:
            raise InferenceError("profile intervals are defined for squared error without a penalty only")
        rows = read_rows(self, X, y, sample_weight, frequency_weight, None, again=True).counting()
        names = self.parameter_names_ if parameters is None else parameters
        known = ", ".join(self.parameter_names_)
        if not isinstance(names, (str, Sequence)):
            raise TypeError(f"parameters (={names!r}) must be a name, or a list of names; there are {known}")
        names = (names,) if isinstance(names, str) else tuple(names)
        unknown = [name for name in names if name not in self.parameter_names_]
        if unknown:
            raise ValueError(f"parameters names {unknown[0]!r}; there are {known}")
        self._check_same(rows)
        places = [self.parameter_names_.index(name) for name in names]
        box = bounds_of(self.bounds, self.parameter_names_)
        found = profile_intervals(self._model, rows.X, rows.y, rows.total, inference, places, level, box)
        self._model.forget()
        return found

    def _check_same(self, rows: Rows) -> None:
        """Refuse other rows than those of the fit, and see that derivatives are taken rightly for these."""
        centre, J = self._model.jacobian(rows.X, self.coef_)
        self._model.check(rows.X, self.coef_, J)
        residual = rows.y - centre
        weight = np.ones(len(residual)) if rows.total is None else rows.total
        found, fitted = float(weight @ residual**2), float(self._result.statistics.residual_ss[0])
        if not np.isclose(found, fitted, rtol=1e-6, atol=1e-20 * float(weight @ rows.y**2)):
            raise ValueError(
                f"X, y and weights are not the rows of the fit: their sum of squares is {found:.6g}, the fit's "
                f"{fitted:.6g}"
            )

    def summary(self, level: float = 0.95) -> Summary:
        """The table of parameters with standard errors, tests, fit statistics and the certificate's line; without
        standard errors, and with the reason, where there are none."""
        check_is_fitted(self, "_result")
        refusal, statistics = self._result.refusal, self._result.statistics
        if refusal is None:
            return Summary(self.inference_, title=_TITLE, level=level)
        told = replace(statistics, remarks=(*statistics.remarks, f"{refusal[0].upper()}{refusal[1:]}."))
        return Summary(Inference(told), title=_TITLE, level=level)

    def objective(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """J on the rows given: a function of β (p,) with `gradient(β)`, `names` and `estimate` (β̂). To look at, or to
        descend on again.

        >>> import numpy as np, betahat as bh
        >>> x, y = np.arange(6.0), np.array([5.1, 3.9, 3.2, 2.7, 2.5, 2.2])
        >>> m = bh.NonlinearRegression("a * exp(-b * x) + c", start=[1.0, 1.0, 1.0]).fit(x, y)
        >>> J = m.objective(x, y)
        >>> J.names, bool(abs(J.gradient(J.estimate)).max() < 1e-9)
        (('a', 'b', 'c'), True)
        """
        from betahat.estimators.objectives import nonlinear_objective

        check_is_fitted(self, "_result")
        return nonlinear_objective(self, X, y, sample_weight)

    def explain(self) -> str:
        """The objective, its derivative, how it was solved and why so, with this fit's numbers."""
        from betahat.report.explain_nonlinear import explain_nonlinear

        check_is_fitted(self, "_result")
        loss, penalty = as_loss(self.loss), as_penalty(self.penalty)
        return explain_nonlinear(self._result, self._model.taken.names, loss.formula, penalty.formula)

    def save(self, path: Any) -> None:
        """Write the fitted model to one file: no rows, no code; a Python function f by its name only, which
        ``bh.load(path, f=f)`` is then given."""
        from betahat.estimators.storing import save

        save(self, path)

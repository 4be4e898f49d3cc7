"""The lasso with alpha chosen by cross-validation."""

from __future__ import annotations

from typing import Any, final

from betahat.estimators.sparse_cv import BaseSparseCV
from betahat.solvers.sparse.solve import ITERATIONS, TOLERANCE


@final
class LassoCV(BaseSparseCV):
    """:class:`betahat.Lasso` with the alpha of least mean squared error on rows left out, in scikit-learn's sense.

    Parameters
    ----------
    eps : float
        The smallest alpha over the largest, where `alphas` is a count.
    alphas : int or array of floats
        How many alphas from the largest that leaves a coefficient, evenly in their logarithms; or the alphas.
    cv : None, int, splitter or list of (train, test)
        As scikit-learn's; None is 5 folds of consecutive rows.
    fit_intercept, max_iter, tol, positive, missing, precompute, copy_X, random_state, selection
        As of :class:`betahat.Lasso`. Paths within folds are fitted to gaps of 1e-8, by warm start.
    verbose, n_jobs
        Taken as scikit-learn's are, and without effect: kernels use the cores themselves.

    Attributes
    ----------
    alpha_ : float
        The alpha chosen; `coef_`, `certificate_` and the rest are of the fit to all rows with it.
    alphas_ : array of shape (k,)
        Alphas tried, largest first.
    mse_path_ : array of shape (k, folds)
        Mean squared errors on the rows left out.

    Examples
    --------
    >>> import numpy as np, betahat as bh
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(100, 10))
    >>> m = bh.LassoCV(alphas=20).fit(X, 3 * X[:, 0] + rng.normal(size=100))
    >>> m.mse_path_.shape, bool(abs(m.coef_[0]) > 2.5)
    ((20, 5), True)
    """

    def __init__(
        self,
        *,
        eps: float = 1e-3,
        alphas: Any = 100,
        fit_intercept: bool = True,
        precompute: Any = "auto",
        max_iter: int = ITERATIONS,
        tol: float = TOLERANCE,
        copy_X: bool = True,
        cv: Any = None,
        verbose: Any = False,
        n_jobs: int | None = None,
        positive: bool = False,
        random_state: Any = None,
        selection: str = "cyclic",
        missing: str = "error",
    ) -> None:
        self.eps = eps
        self.alphas = alphas
        self.fit_intercept = fit_intercept
        self.precompute = precompute
        self.max_iter = max_iter
        self.tol = tol
        self.copy_X = copy_X
        self.cv = cv
        self.verbose = verbose
        self.n_jobs = n_jobs
        self.positive = positive
        self.random_state = random_state
        self.selection = selection
        self.missing = missing

    def _ratios(self) -> list[float]:
        return [1.0]

    def _ratio(self) -> float:
        return 1.0

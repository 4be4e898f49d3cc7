"""The elastic net with alpha and l1_ratio chosen by cross-validation."""

from __future__ import annotations

from typing import Any, final

import numpy as np

from betahat.estimators.checks import check_ratio
from betahat.estimators.sparse_cv import BaseSparseCV
from betahat.solvers.sparse.solve import ITERATIONS, TOLERANCE


@final
class ElasticNetCV(BaseSparseCV):
    """:class:`betahat.ElasticNet` with the alpha, and of several the l1_ratio, of least mean squared error on rows left
    out.

    l1_ratio : float or list of floats, each with its own path. Other parameters and attributes are those of
    :class:`betahat.LassoCV`; l1_ratio_ is the share chosen, and with several `alphas_` and `mse_path_` have an axis of
    them first.

    Examples
    --------
    >>> import numpy as np, betahat as bh
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(100, 10))
    >>> m = bh.ElasticNetCV(l1_ratio=[0.5, 1.0], alphas=20).fit(X, 3 * X[:, 0] + rng.normal(size=100))
    >>> m.l1_ratio_, m.mse_path_.shape
    (1.0, (2, 20, 5))
    """

    def __init__(
        self,
        *,
        l1_ratio: Any = 0.5,
        eps: float = 1e-3,
        alphas: Any = 100,
        fit_intercept: bool = True,
        precompute: Any = "auto",
        max_iter: int = ITERATIONS,
        tol: float = TOLERANCE,
        cv: Any = None,
        copy_X: bool = True,
        verbose: Any = 0,
        n_jobs: int | None = None,
        positive: bool = False,
        random_state: Any = None,
        selection: str = "cyclic",
        missing: str = "error",
    ) -> None:
        self.l1_ratio = l1_ratio
        self.eps = eps
        self.alphas = alphas
        self.fit_intercept = fit_intercept
        self.precompute = precompute
        self.max_iter = max_iter
        self.tol = tol
        self.cv = cv
        self.copy_X = copy_X
        self.verbose = verbose
        self.n_jobs = n_jobs
        self.positive = positive
        self.random_state = random_state
        self.selection = selection
        self.missing = missing

    def _check_parameters(self) -> None:
        super()._check_parameters()
        for ratio in np.atleast_1d(np.asarray(self.l1_ratio, dtype=object)).tolist():
            check_ratio(ratio)

    def _ratios(self) -> list[float]:
        return [float(ratio) for ratio in np.atleast_1d(self.l1_ratio)]

    def _ratio(self) -> float:
        return self.l1_ratio_

    def _choose(self, ratio: float) -> None:
        self.l1_ratio_ = ratio

"""Lasso and elastic net at many alphas, as scikit-learn's functions of these names give them."""

from __future__ import annotations

import warnings
from numbers import Integral
from typing import Any

import numpy as np

from betahat.data.passes import combined_weight
from betahat.data.source import ArraySource
from betahat.errors import CertificateWarning, users_line
from betahat.estimators.checks import check_ratio
from betahat.estimators.elastic_net import ElasticNet
from betahat.estimators.inputs import refuse_no_weight
from betahat.estimators.sparse_base import check_sparse_parameters, sparse_penalty
from betahat.estimators.sparse_grid import alpha_grid, check_grid
from betahat.losses import SquaredError
from betahat.solvers.sparse.solve import ITERATIONS, TOLERANCE, SparseProblem, sparse_path

_GRAM = "a Gram matrix is made here where it pays, from the rows themselves"
_ORDER = "neither order nor chance decides anything"
_INSTEAD = {
    "precompute": _GRAM,
    "Xy": _GRAM,
    "copy_X": "X is never written to",
    "coef_init": "every fit begins at the one before; betahat.ElasticNet(warm_start=True) goes on from a fit of yours",
    "verbose": "nothing is printed; betahat.ElasticNet(alpha).fit(X, y).trace_ tells of one alpha's iterations",
    "return_n_iter": "betahat.ElasticNet(alpha).fit(X, y).n_iter_ tells of one alpha's iterations",
    "check_input": "inputs are always checked",
    "do_screening": "columns are left out once the duality gap proves their coefficients to be zero",
    "random_state": _ORDER,
    "selection": _ORDER,
    "fit_intercept": "a path has no intercept; subtract the means of the columns and of y, or take betahat.ElasticNet, "
    "LassoCV or ElasticNetCV, which have one",
    "l1_ratio": "the lasso's is 1; call betahat.enet_path",
}
"""What to do without arguments of scikit-learn's."""


def lasso_path(
    X: Any, y: Any = None, *, eps: float = 1e-3, n_alphas: int = 100, alphas: Any = None, sample_weight: Any = None,
    positive: bool = False, max_iter: int = ITERATIONS, tol: float = TOLERANCE, **others: Any,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """The lasso at many alphas, each fit begun at the one before (Friedman, Hastie & Tibshirani 2010):

        β̂(α) = argmin (1/2Σw) Σᵢ wᵢ (yᵢ − xᵢᵀβ)² + α ‖β‖₁.

    As in scikit-learn there is no intercept: subtract the means of the columns and of y first for one.

    Parameters
    ----------
    X, y, sample_weight
        Rows as of :meth:`betahat.Lasso.fit`, y of one target; or a source that holds its own.
    eps : float
        The smallest alpha over the largest, where alphas are not given.
    n_alphas : int
        How many alphas from max |(1/Σw) Σ wᵢ xᵢⱼ yᵢ|, from which on all coefficients are zero, evenly in their
        logarithms, where alphas are not given.
    alphas : None, int or array of floats
        The alphas, in any order, each above 0; or how many.
    positive : bool
        Only coefficients ≥ 0.
    max_iter, tol
        As of :class:`betahat.Lasso`: what the duality gap may be, relative to J.

    Returns
    -------
    alphas : float64 array of shape (k,)
        Largest first.
    coefs : float64 array of shape (p, k)
        β̂ at each; (1, p, k) where y has the shape (n, 1).
    dual_gaps : float64 array of shape (k,)
        How far J may be above its minimum at each. CertificateWarning tells of gaps above tol · J.

    Raises TypeError or ValueError for parameters that are no such numbers, for several targets, and for arguments of
    scikit-learn's that have no meaning here (`precompute`, `coef_init`, ...), saying what to do instead;
    MissingValueError or DataError for rows that cannot be fitted.

    Examples
    --------
    >>> import numpy as np, betahat as bh
    >>> X = np.array([[1.0, 1.0], [2.0, -1.0], [3.0, -1.0], [4.0, 1.0]])
    >>> alphas, coefs, gaps = bh.lasso_path(X, [3.0, 5.1, 6.9, 9.0], alphas=[0.5, 5.0])
    >>> alphas, coefs.round(3), bool((gaps < 1e-8).all())
    (array([5. , 0.5]), array([[1.663, 2.263],
           [0.   , 0.   ]]), True)
    """
    _refuse(others, "lasso_path")
    return _path(X, y, 1.0, eps, n_alphas, alphas, sample_weight, positive, max_iter, tol)


def enet_path(
    X: Any, y: Any = None, *, l1_ratio: float = 0.5, eps: float = 1e-3, n_alphas: int = 100, alphas: Any = None,
    sample_weight: Any = None, positive: bool = False, max_iter: int = ITERATIONS, tol: float = TOLERANCE,
    **others: Any,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """The elastic net at many alphas, each fit begun at the one before (Friedman, Hastie & Tibshirani 2010):

        β̂(α) = argmin (1/2Σw) Σᵢ wᵢ (yᵢ − xᵢᵀβ)² + α (ρ ‖β‖₁ + (1 − ρ)/2 ‖β‖²),   ρ = l1_ratio.

    l1_ratio : from 0 to 1; 0 needs alphas. Other parameters, what is returned and what is raised are those of
    :func:`betahat.lasso_path`.

    >>> import numpy as np, betahat as bh
    >>> X = np.array([[1.0, 1.0], [2.0, -1.0], [3.0, -1.0], [4.0, 1.0]])
    >>> alphas, coefs, gaps = bh.enet_path(X, [3.0, 5.1, 6.9, 9.0], n_alphas=4)
    >>> coefs.round(3)
    array([[0.   , 1.701, 2.254, 2.322],
           [0.   , 0.   , 0.   , 0.   ]])
    """
    _refuse(others, "enet_path")
    check_ratio(l1_ratio)
    return _path(X, y, float(l1_ratio), eps, n_alphas, alphas, sample_weight, positive, max_iter, tol)


def _refuse(others: dict[str, Any], function: str) -> None:
    """A TypeError that says what to do without an argument."""
    for name, value in others.items():
        if name not in _INSTEAD:
            raise TypeError(f"{function}() got an unexpected keyword argument {name!r}")
        raise TypeError(
            f"{function}() takes no {name} (={type(value).__name__}): {_INSTEAD[name]}. Leave it out"
        )


def _path(
    X: Any, y: Any, ratio: float, eps: float, n_alphas: int, alphas: Any, sample_weight: Any, positive: bool,
    max_iter: int, tol: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    if alphas is None and (isinstance(n_alphas, bool) or not isinstance(n_alphas, Integral)):
        raise TypeError(f"n_alphas (={n_alphas!r}) must be a whole number; numbers of yours are `alphas`")
    if alphas is None and n_alphas < 1:
        raise ValueError(f"n_alphas (={n_alphas!r}) must be 1 or more")
    wanted = n_alphas if alphas is None else alphas
    check_grid(eps, wanted)
    model = ElasticNet(fit_intercept=False, positive=positive, max_iter=max_iter, tol=tol)
    check_sparse_parameters(model)
    source = model._read(X, y, sample_weight)
    if len(source.target_names) != 1:
        raise ValueError(
            f"y has {len(source.target_names)} targets; a path is of one: call this for each column of y "
            "(scikit-learn's path of several is another model, in which a column is in for all targets or for none)"
        )
    if isinstance(source, ArraySource):
        refuse_no_weight(combined_weight(next(source.blocks())))
    problem = SparseProblem(source, SquaredError(), fit_intercept=False, many=True)
    grid = alpha_grid(problem, wanted, float(eps), ratio, bool(positive))
    found = sparse_path(
        problem,
        grid,
        lambda alpha: sparse_penalty(alpha, ratio, positive),
        tol=float(tol),
        max_iter=int(max_iter),
    )
    coefs, gaps, unproved = found.coefs, found.gaps, 0
    for k in np.flatnonzero(
        ~(gaps <= tol * found.values)
    ):  # by residuals, where sums of squares do not suffice
        penalty = sparse_penalty(float(grid[k]), ratio, positive)
        start = (np.ascontiguousarray(coefs[:, k]), 0.0)
        (fit,) = problem.solve(penalty, tol=float(tol), max_iter=int(max_iter), start=[start])
        assert fit.gap is not None
        coefs[:, k], gaps[k] = fit.coef, fit.gap
        unproved += not fit.certificate.converged
    if unproved:
        warnings.warn(
            f"not certified at {unproved} of {len(grid)} alphas: the duality gap is above {tol:g} of J (see "
            "dual_gaps); max_iter allows more iterations",
            CertificateWarning, stacklevel=users_line(),
        )  # fmt: skip
    return found.alphas, coefs if model._single_target else coefs[None], gaps

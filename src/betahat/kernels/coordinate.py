"""Coordinate descent on a quadratic with a kink at zero in each coordinate: by a Gram matrix, or by rows.

    q(β) = gᵀ(β − β⁰) + ½ (β − β⁰)ᵀ H (β − β⁰) + Σⱼ (aⱼ |βⱼ| + ½ bⱼ βⱼ²),   β ≥ 0 if `positive`

One coordinate's minimum is a soft threshold; epochs over all coordinates are followed by epochs over those that are
not zero until these rest (Friedman, Hastie & Tibshirani 2010). Small problems run in Python, larger ones compiled.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from betahat.kernels import reference_coordinate as reference

COMPILED_FROM = 96
"""Coordinates, or (rows × columns)/64, from which compiled kernels pay for being loaded."""


def descend_gram(
    H: np.ndarray, g: np.ndarray, beta: np.ndarray, a: np.ndarray, b: np.ndarray, positive: bool, epochs: int,
    tolerance: float, compiled: bool = False,
) -> float:  # fmt: skip
    """Descend by H (w, w), C-ordered: covariance updates. Changes `beta` (w,) and the gradient `g` (w,) in place.

    Ends after `epochs`, or when an epoch over all coordinates moves by Σ (Hⱼⱼ + bⱼ) δⱼ² ≤ tolerance; returns that sum
    for the last epoch over all coordinates. compiled : even where w is small, as in a problem of many rows.

    >>> import numpy as np
    >>> H, g, beta = np.eye(2), np.array([-3.0, -0.5]), np.zeros(2)
    >>> float(descend_gram(H, g, beta, np.ones(2), np.zeros(2), False, 10, 0.0)), beta.tolist(), g.tolist()
    (0.0, [2.0, 0.0], [-1.0, -0.5])
    """
    if len(beta) < COMPILED_FROM and not compiled:
        return reference.descend_gram(H, g, beta, a, b, positive, epochs, tolerance)
    from betahat.kernels import coordinate_compiled

    return coordinate_compiled.descend_gram(H, g, beta, a, b, positive, epochs, tolerance)


def descend_columns(
    X: Any, columns: np.ndarray, h: np.ndarray, mean: np.ndarray, bend: np.ndarray, q: np.ndarray, beta: np.ndarray,
    a: np.ndarray, b: np.ndarray, positive: bool, epochs: int, tolerance: float,
) -> float:  # fmt: skip
    """Descend by rows: H = Σᵢ hᵢ (xᵢ − m)(xᵢ − m)ᵀ and g = Σᵢ qᵢ xᵢ of the chosen columns, never formed.

    X : (n, p) Fortran-ordered float64 or float32 array, or CSC matrix; columns : (w,) which of them; h : (n,) ≥ 0;
    mean : (w,) m = Σ h x / Σ h where an intercept moves along, else zeros; bend : (w,) Hⱼⱼ; q : (n,) with Σ q = 0
    where there is an intercept. Changes `beta` (w,) and `q` in place: qᵢ is what it was plus hᵢ times the change of
    the prediction. Ends and returns as `descend_gram` does.
    """
    sparse = hasattr(X, "indptr")
    size = X.nnz if sparse else len(q) * len(columns)
    module: Any = reference
    if size >= 64 * COMPILED_FROM:
        from betahat.kernels import coordinate_compiled

        module = coordinate_compiled
    rest = (columns, h, mean, bend, q, beta, a, b, positive, epochs, tolerance)
    if sparse:
        return module.descend_sparse(X.data, X.indices, X.indptr, *rest)
    return module.descend_dense(X, *rest)

"""Which contrasts of a rank-deficient fit the data determine: cᵀβ is estimable iff c ⟂ {v : Xv = 0}."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from betahat.errors import InferenceError

_ROUNDING = 1e-8


class Parameters(Protocol):
    """What estimability and tests must know of m parameters: `LinearStatistics`, or another that says the same."""

    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def target_names(self) -> tuple[str, ...]: ...
    @property
    def estimate(self) -> np.ndarray: ...
    @property
    def inverse(self) -> np.ndarray | None: ...
    @property
    def estimable(self) -> np.ndarray: ...
    @property
    def null_space(self) -> np.ndarray: ...
    @property
    def rank(self) -> int: ...
    @property
    def has_intercept(self) -> bool: ...
    @property
    def cov_type(self) -> str: ...
    @property
    def cov_options(self) -> Mapping[str, Any]: ...


class Predictors(Protocol):
    """What decides whether the data determine a prediction."""

    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def null_space(self) -> np.ndarray: ...
    @property
    def rank(self) -> int: ...
    @property
    def has_intercept(self) -> bool: ...
    @property
    def centre(self) -> np.ndarray | None: ...


def _scaled_null_space(s: Parameters) -> tuple[np.ndarray, np.ndarray]:
    """Row scales (m,) and an orthonormal basis (m, m − rank) of the null space with its rows so scaled.

    A column's unit scales the row of the null space inversely; dividing it out makes every decision on
    estimability free of units. Rows of estimable coefficients are zero but for rounding.
    """
    null = np.where(s.estimable[:, None], 0.0, s.null_space)
    norms = np.linalg.norm(null, axis=1)
    scale = np.where(norms > 0, norms, 1.0)
    return scale, np.linalg.qr(null / scale[:, None])[0]


def not_estimable(s: Parameters, contrasts: np.ndarray) -> np.ndarray:
    """(q,) bool: the rows of the (q, m) `contrasts` that the data do not determine."""
    if s.rank == len(s.names):
        return np.zeros(len(contrasts), dtype=bool)
    if s.inverse is None:  # more columns than rows, solved by the rows: what is determined was not worked out
        return np.asarray(contrasts.any(axis=1))
    scale, basis = _scaled_null_space(s)
    scaled = np.where(s.estimable, 0.0, contrasts * scale)
    return np.linalg.norm(scaled @ basis, axis=1) > _ROUNDING * np.linalg.norm(scaled, axis=1)


def slope_contrasts(s: Parameters) -> np.ndarray:
    """(df_model, m): independent estimable contrasts that span all of those without the intercept.

    That they are all zero is the hypothesis of the overall F test; with full rank they are the slopes.
    """
    m = len(s.names)
    if s.rank == m:
        return np.eye(m)[int(s.has_intercept) :]
    scale, basis = _scaled_null_space(s)
    free = s.estimable.copy()
    if s.has_intercept:
        free[0] = False
    # Within the coefficients not estimable singly: orthogonal to the null space and to the intercept.
    tied = ~s.estimable
    barred = basis[tied]
    if s.has_intercept and tied[0]:
        barred = np.column_stack([np.eye(int(tied.sum()))[0], barred])
    left, singular, _ = np.linalg.svd(barred, full_matrices=True)
    rank = int((singular > _ROUNDING).sum())
    combined = np.zeros((left.shape[0] - rank, m))
    combined[:, tied] = left[:, rank:].T / scale[tied]
    return np.vstack([np.eye(m)[free], combined])


def refuse_undetermined_rows(s: Predictors, X: np.ndarray) -> None:
    """InferenceError if a prediction at some row of X (n, p) depends on what the training data leave open."""
    first = int(s.has_intercept)
    if s.rank == len(s.names) or not s.null_space.size:
        return
    slopes = s.null_space[first:]
    norms = np.linalg.norm(slopes, axis=1)
    scale = np.where(norms > 0, norms, 1.0)
    basis = np.linalg.qr(slopes / scale[:, None])[0]
    scaled = (X - (0.0 if s.centre is None else s.centre * first)) * np.where(norms > 0, scale, 0.0)
    size = np.abs(X) @ np.where(norms > 0, scale, 0.0)  # what rounding of X itself can leave
    open_rows = np.flatnonzero(np.linalg.norm(scaled @ basis, axis=1) > _ROUNDING * size)
    if len(open_rows):
        raise InferenceError(
            f"{len(open_rows)} of {len(X)} rows (first: row {open_rows[0]}) break a relation that held between the "
            "columns of the training data, so nothing there says how uncertain a prediction for them is; leave "
            "collinear columns out of the model"
        )

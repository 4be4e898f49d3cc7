"""Ridge regression at many alphas from one factorisation, with the errors of each row when it is left out.

With Z = √W [X − x̄] and the weighted intercept's own direction, the hat matrix of row i is
hᵢ = wᵢ/Σw + Σₖ zᵢₖ²/(dₖ + α) in the basis of eigenvectors of ZᵀZ (eigenvalues d), and leaving row i out changes its
residual to rᵢ/(1 − hᵢ) (Allen 1974; Golub, Heath & Wahba 1979).
"""

from __future__ import annotations

from typing import Any, final

import numpy as np

from betahat.data.passes import Statistic, combined_weight, dense, fold
from betahat.data.source import Block, Source
from betahat.solvers.sparse.gram import Quadratic

_CHUNK = 1 << 19


@final
class LeftOut(Statistic):
    """errors (t, k): Σ wᵢ eᵢ² of residuals e of rows left out, for every target and alpha; `each` (n, t, k) keeps √w e
    where it is asked for."""

    def __init__(
        self, basis: np.ndarray, values: np.ndarray, right: np.ndarray, mean: np.ndarray, share: float,
        alphas: np.ndarray, keep: bool,
    ) -> None:  # fmt: skip
        self._basis, self._values, self._mean, self._share, self._alphas = basis, values, mean, share, alphas
        p, t = len(basis), right.shape[1]
        shrunk = right[:, :, None] / (values[:, None, None] + alphas)
        self._coef = shrunk.reshape(len(values), -1)
        self._level = mean[p:]
        self.errors = np.zeros((t, len(alphas)))
        self.each: list[np.ndarray] | None = [] if keep else None

    def update(self, block: Block) -> None:
        weight = combined_weight(block)
        n, p = block.X.shape
        rows = max(1, _CHUNK // max(p, 1))
        for start in range(0, n, rows):
            part = block.take(slice(start, min(start + rows, n)))
            w = np.ones(part.X.shape[0]) if weight is None else weight[start : start + rows]
            self._add(part, w)

    def _add(self, rows: Block, w: np.ndarray) -> None:
        assert rows.y is not None
        X = dense(rows.X)
        counts = w > 0
        X, y = np.where(counts[:, None], X, 0.0), np.where(counts[:, None], rows.y, 0.0)
        p, (t, k) = X.shape[1], self.errors.shape
        Z = (X - self._mean[:p]) @ self._basis
        residual = (y - self._level)[:, :, None] - (Z @ self._coef).reshape(len(Z), t, k)
        leverage = w[:, None] * (self._share + (Z * Z) @ (1.0 / (self._values[:, None] + self._alphas)))
        with np.errstate(divide="ignore", invalid="ignore"):
            error = residual / np.maximum(1.0 - leverage, 0.0)[:, None, :]
        error = np.where(counts[:, None, None], np.sqrt(w)[:, None, None] * error, 0.0)
        self.errors += np.einsum("ntk,ntk->tk", error, error)
        if self.each is not None:
            self.each.append(error)

    def merge(self, other: LeftOut) -> None:
        self.errors = self.errors + other.errors
        if self.each is not None and other.each is not None:
            self.each += other.each


def left_out(
    source: Source, alphas: np.ndarray, intercept: bool, keep: bool
) -> tuple[np.ndarray, Any, float]:
    """Σ w e² (t, k), the rows' √w e (n, t, k) where they are to be kept, and the number of rows, in two readings.

    alphas : (k,) > 0, on the sum of squares.
    """
    quadratic = Quadratic.of(source, intercept)
    W, p = quadratic.equations.weight, len(quadratic.unit)
    moments = quadratic.equations.moments
    values, basis = np.linalg.eigh((moments[:p, :p] + moments[:p, :p].T) / 2)
    found = fold(
        quadratic.objective.source,
        LeftOut(
            basis, np.maximum(values, 0.0), basis.T @ moments[:p, p:], quadratic.mean,
            1.0 / W if intercept else 0.0, alphas, keep,
        ),
    )  # fmt: skip
    return found.errors, found.each, quadratic.equations.counts.observations


def left_out_wide(block: Block, alphas: np.ndarray, intercept: bool) -> np.ndarray:
    """√w e (n, t, k) of rows in memory, where columns are more than rows: by the n × n matrix of their products."""
    assert block.y is not None
    weight = combined_weight(block)
    n = block.X.shape[0]
    w = np.ones(n) if weight is None else weight
    root, first = np.sqrt(w), w / w.sum()
    X: Any = block.X if hasattr(block.X, "tocsr") else np.asarray(block.X)
    Y = block.y - (first @ block.y if intercept else 0.0)
    K = np.asarray(
        (X @ X.T).todense() if hasattr(X, "tocsr") else X.astype(np.float64, copy=False) @ X.T, np.float64
    )
    if intercept:
        K = K - first @ K
        K = K - (K @ first)[:, None]
    K = root[:, None] * K * root
    values, vectors = np.linalg.eigh((K + K.T) / 2)
    values = np.maximum(values, 0.0)
    share = values[:, None] / (values[:, None] + alphas)
    leverage = vectors**2 @ share + (first[:, None] if intercept else 0.0)
    turned = vectors.T @ (root[:, None] * Y)
    fitted = np.einsum("ij,jt,jk->itk", vectors, turned, share, optimize=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        return ((root[:, None] * Y)[:, :, None] - fitted) / np.maximum(1.0 - leverage, 0.0)[:, None, :]

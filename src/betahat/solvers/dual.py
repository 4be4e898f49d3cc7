"""More columns than rows: the n × n equations XXᵀ a = y with β = Xᵀa (Saunders, Gammerman & Vovk 1998)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from betahat.data.passes import combined_weight
from betahat.data.source import Source
from betahat.errors import CollinearityError
from betahat.kernels.gram import gram
from betahat.models.linear import Counts
from betahat.objective import LinearObjective
from betahat.solvers.cholesky import cholesky
from betahat.solvers.factor import EPS
from betahat.solvers.fit import LinearFit
from betahat.solvers.refine import Correction, refine
from betahat.solvers.trace import Trace

_FEWEST_COLUMNS = 300  # below, p × p equations are as quick and say more about each column


def is_wide(source: Source, p: int) -> bool:
    """Whether the n × n equations are the smaller ones."""
    return source.in_memory and p >= _FEWEST_COLUMNS and source.n_rows is not None and source.n_rows < p


@final
class _CentredRows:
    """√W (X − x̄) without making it: products with X less products with the means.

    Where the means are so large that this would cancel, X is centred explicitly.
    """

    def __init__(self, X: Any, w: np.ndarray | None, total: float, intercept: bool) -> None:
        n, p = X.shape
        sparse = hasattr(X, "tocsr")
        mean = (X.T @ (np.ones(n) if w is None else w)) / total if intercept else np.zeros(p)
        square = X.multiply(X) if sparse else None
        if w is None:
            sums = np.einsum("ij,ij->j", X, X) if square is None else np.asarray(square.sum(axis=0)).ravel()
        else:
            sums = np.einsum("ij,ij,i->j", X, X, w) if square is None else square.T @ w
        self.mean, self.squares = mean, sums
        self._root = None if w is None else np.sqrt(w)[:, None]
        self._X, self._offset = X, mean if intercept else None
        self.spread = np.maximum(sums - total * mean**2, 0.0)
        if intercept and not sums.sum() <= 100 * self.spread.sum():
            self._X, self._offset = (X.toarray() if sparse else X) - mean, None
            self.spread = np.einsum("ij,ij->j", self._X, self._X if w is None else self._X * w[:, None])

    def times(self, B: np.ndarray) -> np.ndarray:
        """(p, t) → (n, t)."""
        result = self._X @ B
        if self._offset is not None:
            result = result - self._offset @ B
        return result if self._root is None else result * self._root

    def transposed_times(self, A: np.ndarray) -> np.ndarray:
        """(n, t) → (p, t)."""
        A = A if self._root is None else A * self._root
        result = self._X.T @ A
        return result if self._offset is None else result - np.outer(self._offset, A.sum(axis=0))

    def gram(self) -> np.ndarray:
        """The n × n matrix of products of rows."""
        if hasattr(self._X, "tocsr"):
            K = (self._X @ self._X.T).toarray()
        else:
            high, low = gram(self._X.T, np.zeros((self._X.shape[1], 0)))
            K = (high + low)[:-1, :-1]
        if self._offset is not None:
            shift = (self._X @ self._offset)[:, None]
            K = K - shift - shift.T + self._offset @ self._offset
        return K if self._root is None else K * self._root * self._root.T

    def triangle(self) -> np.ndarray:
        """R of the QR factorisation of the transpose."""
        X = self._X.toarray() if hasattr(self._X, "tocsr") else self._X
        X = X if self._offset is None else X - self._offset
        return np.asarray(np.linalg.qr((X if self._root is None else X * self._root).T, mode="r"))


@final
@dataclass(slots=True)
class _Kernel:
    """What solves with the n × n Gram matrix of the rows."""

    solve: Callable[[np.ndarray], np.ndarray]
    rank: int
    condition: float


def solve_dual(objective: LinearObjective, p: int, t: int, collinear: str, trace: Trace) -> LinearFit | None:
    """β̂ for p ≥ n, of smallest norm without a penalty; None where squares leave the range of double precision."""
    (block,) = tuple(objective.source.blocks())
    assert block.y is not None
    counts = Counts()
    counts.update(block)
    X = block.X.tocsr() if hasattr(block.X, "tocsr") else np.asarray(block.X, np.float64)
    w = combined_weight(block)
    n, total, intercepts = X.shape[0], counts.weight, objective.fit_intercept
    with np.errstate(over="ignore", invalid="ignore"):
        rows = _CentredRows(X, w, total, intercepts)
        weights = np.ones(n) if w is None else w
        level = weights @ block.y / total if intercepts else np.zeros(t)
        target = (block.y - level) * np.sqrt(weights)[:, None]
        total_ss = np.einsum("ij,ij->j", target, target)
        reach = np.concatenate([rows.squares, total_ss])
    if not (np.isfinite(reach.sum()) and ((reach == 0) | ((reach > 1e-220) & (reach < 1e220))).all()):
        return None
    empty = rows.squares == 0
    if empty.any() and abs(X[:, empty]).max() > 0:
        return None
    objective.use_weight(total)
    curvature, mean = objective.penalty.curvature, rows.mean
    if not curvature and collinear != "minimum_norm":
        raise CollinearityError(
            f"{n} rows cannot determine {p} coefficients, so that collinear={collinear!r} would leave almost no "
            'columns; use collinear="minimum_norm" or a penalty (alpha > 0)'
        )
    kernel = _penalised(rows, curvature * total, p) if curvature else _smallest_norm(rows)

    def correct(slopes: np.ndarray, constant: np.ndarray) -> Correction:
        if curvature:
            explained = rows.transposed_times(kernel.solve(rows.times(slopes.T)))
            coef = (slopes - explained.T) / (curvature * total)
        else:
            coef = rows.transposed_times(kernel.solve(kernel.solve(rows.times(slopes.T)))).T
        return Correction(coef, constant / total - coef @ mean if intercepts else np.zeros(t))

    coef = rows.transposed_times(kernel.solve(target)).T
    start = Correction(coef, level - coef @ mean if intercepts else np.zeros(t))
    size = np.sqrt(rows.spread + curvature * total)
    refined = refine(objective, start, correct, mean, total, size, counts.rows * p, False, True, trace)
    remarks = [] if curvature else [f"{n} rows cannot determine {p} coefficients"]
    squares = np.concatenate([rows.squares, total_ss + total * level**2])
    active = np.flatnonzero(size > 0)
    why = "there are more columns than rows, so the n × n equations are the smaller ones"
    return LinearFit(
        refined, counts, mean, level, squares, total_ss, active, size[active], kernel.rank, kernel.condition,
        40 * n * EPS * kernel.condition**2, None, np.zeros((p, 0)), np.full(p, bool(curvature)), curvature, trace,
        "dual", why, remarks,
    )  # fmt: skip


def _penalised(rows: _CentredRows, penalty: float, p: int) -> _Kernel:
    K = rows.gram()
    largest = float(np.linalg.eigvalsh(K)[-1]) if len(K) <= 300 else float(np.abs(K).sum(axis=0).max())
    K.flat[:: len(K) + 1] += penalty
    scale = np.sqrt(K.diagonal())[:, None]
    factor = cholesky(K / (scale * scale.T), 1e12, estimate=True)
    if factor is None:
        return _smallest_norm(rows)
    return _Kernel(
        lambda z: factor.solve(z / scale) / scale, p, float(np.sqrt((largest + penalty) / penalty))
    )


def _smallest_norm(rows: _CentredRows) -> _Kernel:
    _, singular, Vt = np.linalg.svd(rows.triangle())
    kept = singular > 64 * EPS * np.sqrt(len(singular)) * singular[:1].max(initial=0)
    V, squares = Vt[kept].T, singular[kept][:, None] ** 2
    condition = float(singular[0] / singular[kept][-1]) if kept.any() else 1.0
    return _Kernel(lambda z: V @ ((V.T @ z) / squares), int(kept.sum()), condition)

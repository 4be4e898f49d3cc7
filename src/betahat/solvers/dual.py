"""More columns than rows: the n × n equations XXᵀ a = y with β = Xᵀa (Saunders, Gammerman & Vovk 1998)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

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
    if not source.in_memory or p < _FEWEST_COLUMNS:
        return False
    return _rows(source) < p


def _rows(source: Source) -> int:
    readings = source.readings
    n = sum(block.X.shape[0] for block in source.blocks())
    source.readings = readings  # shapes were looked at, no rows were read
    return n


@final
@dataclass(slots=True)
class _Rows:
    """What solves with the n × n Gram matrix of √W (X − x̄)."""

    solve: Callable[[np.ndarray], np.ndarray]
    rank: int
    condition: float


def solve_dual(
    objective: LinearObjective, p: int, t: int, collinear: str, trace: Trace
) -> LinearFit | None:
    """β̂ for p ≥ n, of smallest norm without a penalty; None where squares leave the range of double precision."""
    (block,) = tuple(objective.source.blocks())
    assert block.y is not None
    counts = Counts()
    counts.update(block)
    X = block.X.toarray() if hasattr(block.X, "toarray") else np.asarray(block.X, np.float64)
    weight = combined_weight(block)
    w = np.ones(len(X)) if weight is None else weight
    total = counts.weight
    intercepts = objective.fit_intercept
    with np.errstate(over="ignore", invalid="ignore"):
        mean = w @ X / total if intercepts else np.zeros(p)
        level = w @ block.y / total if intercepts else np.zeros(t)
        root = np.sqrt(w)[:, None]
        centred = (X - mean) * root
        target = (block.y - level) * root
        spread = np.einsum("ij,ij->j", centred, centred)
        total_ss = np.einsum("ij,ij->j", target, target)
    reach = np.concatenate([spread, total_ss])
    if not (np.isfinite(reach).all() and ((reach == 0) | ((reach > 1e-220) & (reach < 1e220))).all()):
        return None
    objective.use_weight(total)
    curvature = objective.penalty.curvature
    if not curvature and collinear != "minimum_norm":
        raise CollinearityError(
            f"{len(X)} rows cannot determine {p} coefficients, so that collinear={collinear!r} would leave almost no "
            'columns; use collinear="minimum_norm" or a penalty (alpha > 0)'
        )
    rows = _penalised(centred, curvature * total) if curvature else _smallest_norm(centred)

    def correct(slopes: np.ndarray, constant: np.ndarray) -> Correction:
        if curvature:
            coef = (slopes - (centred.T @ rows.solve(centred @ slopes.T)).T) / (curvature * total)
        else:
            coef = (centred.T @ rows.solve(rows.solve(centred @ slopes.T))).T
        return Correction(coef, constant / total - coef @ mean if intercepts else np.zeros(t))

    coef = (centred.T @ rows.solve(target)).T
    start = Correction(coef, level - coef @ mean if intercepts else np.zeros(t))
    size = np.sqrt(spread + curvature * total)
    refined = refine(objective, start, correct, mean, total, size, counts.rows * p, False, True, trace)
    remarks = [] if curvature else [f"{len(X)} rows cannot determine {p} coefficients"]
    squares = np.concatenate([spread + total * mean**2, total_ss + total * level**2])
    active = np.flatnonzero(size > 0)
    why = "there are more columns than rows, so the n × n equations are the smaller ones"
    return LinearFit(
        refined, counts, mean, level, squares, total_ss, active, size[active], rows.rank, rows.condition,
        40 * len(X) * EPS * rows.condition**2, None, np.zeros((p, 0)), np.full(p, bool(curvature)), curvature, trace,
        "dual", why, remarks,
    )  # fmt: skip


def _kernel(centred: np.ndarray) -> np.ndarray:
    high, low = gram(centred.T, np.zeros((centred.shape[1], 0)))
    return (high + low)[:-1, :-1]


def _penalised(centred: np.ndarray, penalty: float) -> _Rows:
    K = _kernel(centred)
    largest = float(np.linalg.eigvalsh(K)[-1]) if len(K) <= 300 else float(np.abs(K).sum(axis=0).max())
    K[np.diag_indices(len(K))] += penalty
    scale = np.sqrt(np.diag(K))
    factor = cholesky(K / np.outer(scale, scale), 1e12)
    condition = float(np.sqrt((largest + penalty) / penalty))
    if factor is None:
        return _smallest_norm(centred)
    return _Rows(lambda z: factor.solve(z / scale[:, None]) / scale[:, None], centred.shape[1], condition)


def _smallest_norm(centred: np.ndarray) -> _Rows:
    R = np.linalg.qr(centred.T, mode="r")
    _, singular, Vt = np.linalg.svd(R)
    kept = singular > 64 * EPS * np.sqrt(len(singular)) * singular[:1].max(initial=0)
    V, squares = Vt[kept].T, singular[kept][:, None] ** 2
    condition = float(singular[0] / singular[kept][-1]) if kept.any() else 1.0
    return _Rows(lambda z: V @ ((V.T @ z) / squares), int(kept.sum()), condition)

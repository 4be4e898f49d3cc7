"""Which columns the data can tell apart: rank on scaled columns, and the names of those that are combinations."""

from __future__ import annotations

import numpy as np
from scipy.linalg import solve_triangular

from betahat.solvers.factor import EPS

_OWN = 8.0  # how many roundings of its own values a direction must exceed to count
_COMPUTED = 64.0  # how many roundings of the factorisation


def kept_directions(singular: np.ndarray, V: np.ndarray, rounding: np.ndarray) -> np.ndarray:
    """Which right singular vectors of the scaled columns rise above what rounding alone can make.

    `rounding` is each column's relative rounding: a column of mean 1e8 and deviation 1 is known to 1e-8 only.
    """
    if len(singular) < V.shape[1]:
        singular = np.concatenate([singular, np.zeros(V.shape[1] - len(singular))])
    own = np.sqrt((V**2).T @ rounding**2)
    return singular > _OWN * own + _COMPUTED * EPS * np.sqrt(len(V))


def independent_columns(R: np.ndarray, rounding: np.ndarray) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """Keep columns in order; a column that earlier ones explain is dropped.

    Returns the kept columns' mask and, for each dropped one, its coefficients on all columns before it.
    """
    k = R.shape[1]
    Q, T = (
        np.zeros((R.shape[0], min(R.shape)), order="F"),
        np.zeros((min(R.shape),) * 2),
    )  # kept columns are Q T
    rank, kept = 0, np.zeros(k, bool)
    combinations: dict[int, np.ndarray] = {}
    for j in range(k):
        rest, along = R[:, j], np.zeros(rank)
        for _ in range(2):  # twice is enough (Kahan)
            part = Q[:, :rank].T @ rest
            rest, along = rest - Q[:, :rank] @ part, along + part
        size = float(np.linalg.norm(rest))
        before = np.flatnonzero(kept)
        coefficients = solve_triangular(T[:rank, :rank], along) if rank else along
        own = np.sqrt(rounding[j] ** 2 + ((coefficients * rounding[before]) ** 2).sum())
        if size <= _OWN * own + _COMPUTED * EPS * np.sqrt(k) * (1 + np.abs(coefficients).sum()):
            full = np.zeros(k)
            full[before] = coefficients
            combinations[j] = full
        else:
            kept[j] = True
            Q[:, rank], T[:rank, rank], T[rank, rank] = rest / size, along, size
            rank += 1
    return kept, combinations


def describe(names: tuple[str, ...], column: int, coefficients: np.ndarray, limit: int = 4) -> str:
    """'x3 is a combination of x1, x2' in words."""
    parts = [names[i] for i in np.flatnonzero(np.abs(coefficients) > 1e-6)]
    if not parts:
        return f"{names[column]!r} is zero"
    shown = ", ".join(repr(part) for part in parts[:limit]) + (" and others" if len(parts) > limit else "")
    if len(parts) == 1:
        return f"{names[column]!r} is a multiple of {shown} (up to a constant)"
    return f"{names[column]!r} is a linear combination of {shown}"

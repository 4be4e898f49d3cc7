"""Columns that the rows can tell apart, since a combination of columns that is 0 on all rows is no separation."""

from __future__ import annotations

import numpy as np

from betahat.data.source import Source
from betahat.solvers.collinear import independent_columns, kept_directions
from betahat.solvers.separation.decide import Units
from betahat.solvers.separation.demands import Demands
from betahat.solvers.separation.exact import EPS
from betahat.solvers.separation.rows import Best, parts_of

_CLOSE = 1e-10
_ROUNDINGS = 64.0
_EXACT = 1e-6  # eigenvalues above are beyond doubt


def independent(X: np.ndarray, units: Units) -> tuple[np.ndarray, np.ndarray]:
    """Of rows X (k, m): which columns to keep, (m,) bool, and what the others are of them: (d, m), each 1 in its own
    column, so that [..]·X is 0 to rounding."""
    Z = units.scaled(X)
    m = X.shape[1]
    norms = np.linalg.norm(Z, axis=0)
    scale = np.where(norms > 0, norms, 1.0)
    raw = np.sqrt(np.square(np.ldexp(X, -units.power)).sum(0))
    rounding = EPS * (1 + raw / scale)
    Z = Z / scale
    if len(Z) >= m:
        if rounding.max(initial=0) < _EXACT and np.linalg.eigvalsh(Z.T @ Z)[0] > _EXACT:
            return np.ones(m, bool), np.zeros((0, m))
        Z = np.asarray(np.linalg.qr(Z, mode="r"))
        _, singular, V = np.linalg.svd(Z)
        if kept_directions(singular, V.T, rounding).all():
            return np.ones(m, bool), np.zeros((0, m))
    kept, combinations = independent_columns(Z, rounding)
    relations = np.zeros((len(combinations), m))
    for i, (j, coefficients) in enumerate(combinations.items()):
        relations[i] = -coefficients / scale * scale[j]
        relations[i, j] = 1.0
        relations[i, np.abs(relations[i]) * scale < 1e-12 * scale[j]] = 0.0
    return kept, relations


def exceptions(
    source: Source, demands: Demands, intercept: bool, spread: np.ndarray, relations: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """Rows on which one of the relations is not 0, beyond what rounding of its terms explains, or of the coefficients
    that were found from few rows."""
    best = Best(2)
    first = int(intercept)
    own = _CLOSE * (np.abs(relations[:, first:]) @ spread[first:])
    for block in source.blocks():
        for part in parts_of(block, demands, intercept):
            values, sizes = part.times(relations.T), part.sizes(relations.T)
            beyond = np.abs(values) > own + _ROUNDINGS * EPS * sizes
            for i in np.flatnonzero(beyond.any(0)):
                found = np.flatnonzero(beyond[:, i])
                for code in np.unique(part.codes[found]):
                    rows = found[part.codes[found] == code]
                    best.offer((int(i), int(code)), part, rows, -np.abs(values[rows, i]))
    return best.rows()

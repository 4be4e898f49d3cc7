"""Problems and their LinearStatistics, computed here by plain NumPy, apart from betahat's solvers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from betahat.inference import LinearStatistics, leverage, meat_for

Build = Callable[..., LinearStatistics]


def _weighted_null_space(X: np.ndarray) -> np.ndarray:
    scale = np.linalg.norm(X, axis=0)
    scale[scale == 0] = 1.0
    _, s, vt = np.linalg.svd(X / scale, full_matrices=True)
    rank = int((s > 1e-10 * s[0]).sum())
    return vt[rank:].T / scale[:, None]


def _build(
    X: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray | None = None,
    frequency: np.ndarray | None = None,
    *,
    intercept: bool = True,
    cov_type: str = "nonrobust",
    groups: np.ndarray | None = None,
    maxlags: int | None = None,
    names: tuple[str, ...] | None = None,
    blocks: int = 1,
    **changes: Any,
) -> LinearStatistics:
    n, p = X.shape
    Y = y.reshape(n, -1)
    A = np.column_stack([np.ones(n), X]) if intercept else X
    w = np.ones(n) if weight is None else weight
    f = np.ones(n) if frequency is None else frequency
    root = np.sqrt(w * f)
    null = _weighted_null_space(A[root > 0])
    m = A.shape[1]
    unit = np.linalg.norm(A * root[:, None], axis=0)
    unit[unit == 0] = 1.0
    S = A * root[:, None] / unit
    inverse = np.linalg.pinv(S.T @ S, rcond=1e-12, hermitian=True) / np.outer(unit, unit)
    beta = (np.linalg.lstsq(S, Y * root[:, None], rcond=1e-12)[0] / unit[:, None]).T
    r = Y - A @ beta.T
    centre = (w * f) @ Y / (w * f).sum() if intercept else 0.0
    kept = (w > 0) & (f > 0)
    n_obs = float(f[kept].sum())
    meat = meat_for(
        cov_type,
        {"maxlags": maxlags},
        n_obs=n_obs,
        n_ways=1 if groups is None else np.atleast_2d(groups.T).shape[0],
    )
    options: dict[str, Any] = {}
    if meat is not None:
        for rows in np.array_split(np.arange(n), blocks):
            part = None if weight is None else weight[rows]
            meat.update(
                A[rows],
                r[rows],
                part,
                None if frequency is None else frequency[rows],
                leverage=leverage(A[rows], inverse, part) if meat.needs_leverage else None,
                groups=None if groups is None else groups[rows],
            )
        options = meat.options
    t = Y.shape[1]
    parts: dict[str, Any] = {
        "names": ("Intercept",) * intercept + (names or tuple(f"x{j + 1}" for j in range(p))),
        "target_names": tuple(f"y{k + 1}" for k in range(t)),
        "estimate": beta,
        "inverse": inverse,
        "estimable": (np.abs(null) * unit[:, None] < 1e-8).all(axis=1),
        "null_space": null,
        "rank": m - null.shape[1],
        "n_obs": n_obs,
        "residual_ss": (w * f) @ r**2,
        "total_ss": (w * f) @ (Y - centre) ** 2,
        "sum_log_weight": float(f[kept] @ np.log(w[kept])),
        "has_intercept": intercept,
        "meat": None if meat is None else meat.result(),
        "cov_type": "nonrobust" if meat is None else cov_type,
        "cov_options": options,
        "condition_number": 12.5,
        "certificate_line": "Certified global minimum.",
        "method": "Cholesky",
        "penalised": False,
    }
    return LinearStatistics(**{**parts, **changes})


@pytest.fixture(scope="session")
def build() -> Build:
    """Statistics of a weighted least squares fit from arrays, with every field open to change."""
    return _build


@pytest.fixture(scope="session")
def sample() -> Callable[..., dict[str, np.ndarray]]:
    """A heteroscedastic, autocorrelated sample of n rows, p columns of unlike units, weights and groups."""

    def draw(n: int, p: int, seed: int = 0) -> dict[str, np.ndarray]:
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(n, p)) * 10.0 ** rng.integers(-2, 3, p) + rng.normal(size=p)
        noise = rng.normal(size=n) * (0.5 + np.abs(X[:, 0] / X[:, 0].std()))
        noise[1:] += 0.5 * noise[:-1]
        return {
            "X": X,
            "y": 1.0 + (X / X.std(axis=0)) @ rng.normal(size=p) + noise,
            "weight": rng.uniform(0.2, 3.0, n),
            "frequency": rng.integers(1, 4, n).astype(float),
            "groups": np.column_stack([rng.integers(0, 9, n), rng.integers(0, 7, n)]),
        }

    return draw

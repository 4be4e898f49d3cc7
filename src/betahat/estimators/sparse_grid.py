"""Grids of alphas, from the largest that leaves a coefficient down."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np

from betahat.estimators.checks import check_number
from betahat.solvers.sparse.solve import SparseProblem


def check_grid(eps: Any, alphas: Any) -> None:
    """Raise unless eps is between 0 and 1, and `alphas` a count or positive numbers."""
    if not 0 < check_number("eps", eps, 0.0, "it is the smallest alpha over the largest") < 1:
        raise ValueError(f"eps (={eps!r}) must be between 0 and 1: the smallest alpha over the largest")
    if isinstance(alphas, Integral) and not isinstance(alphas, bool):
        if alphas < 1:
            raise ValueError(f"alphas (={alphas!r}) must be 1 or more, or a list of numbers")
        return
    given = np.atleast_1d(np.asarray(alphas, dtype=object)).tolist()
    if not given:
        raise ValueError(f"alphas (={alphas!r}) is empty; give a count, or numbers above 0")
    for i, alpha in enumerate(given):
        if not check_number(f"alphas[{i}]", alpha, 0.0, "a negative penalty has no minimum") > 0:
            raise ValueError(f"alphas[{i}] (={alpha!r}) must be above 0; alpha = 0 is LinearRegression")


def alpha_grid(problem: SparseProblem, alphas: Any, eps: float, ratio: float, positive: bool) -> np.ndarray:
    """Alphas to try (k,), largest first: those given, or so many from the largest that leaves a coefficient."""
    if not isinstance(alphas, Integral):
        return np.sort(np.asarray(alphas, np.float64).ravel())[::-1]
    if not ratio > 0:
        raise ValueError(
            f"l1_ratio (={ratio!r}) has no largest alpha from which a grid could begin; give `alphas` as numbers"
        )
    largest, least = float(problem.alpha_max(ratio, positive)[0]), float(np.finfo(np.float64).resolution)
    if largest <= least:  # nothing is to be explained
        return np.full(int(alphas), least)
    return np.geomspace(largest, largest * eps, int(alphas))

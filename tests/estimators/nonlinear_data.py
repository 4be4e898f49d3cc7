"""Data and an independent minimiser that the tests of nonlinear regression share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import least_squares

N = 40
x = np.linspace(0.1, 4, N)
y = 2 * np.exp(-0.5 * x) + 1 + 0.02 * np.random.default_rng(0).normal(size=N)
TEXT = "a * exp(-b * x) + c"


def decay(X: Any, a: Any, b: Any, c: Any) -> Any:
    """Module-level, so that it can be pickled."""
    return a * np.exp(-b * X) + c


def decay_of_column(X: Any, a: Any, b: Any, c: Any) -> Any:
    return a * np.exp(-b * X[:, 0]) + c


def decay_jacobian(beta: Any, x: Any = x) -> np.ndarray:
    a, b, _ = beta
    return np.column_stack([np.exp(-b * x), -a * x * np.exp(-b * x), np.ones(len(x))])


def minimised(
    residual: Callable[[Any], Any], near: Any, bounds: Any = (-np.inf, np.inf)
) -> tuple[np.ndarray, float]:
    """scipy's minimum at its tightest tolerances, and the sum of squares there."""
    found = least_squares(
        residual, near, bounds=bounds, xtol=1e-15, ftol=1e-15, gtol=1e-15, x_scale="jac", jac="3-point"
    )
    return found.x, 2 * float(found.cost)

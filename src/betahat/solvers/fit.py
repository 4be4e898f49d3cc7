"""What a direct solver hands on: coefficients, and all that certificate, inference and words need of the way there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

import numpy as np

from betahat.kernels.reference import Gradient
from betahat.models.linear import Counts
from betahat.solvers.factor import Factor
from betahat.solvers.trace import Trace


@final
@dataclass(slots=True)
class LinearFit:
    """β̂ of a linear model with squared error.

    coef : (t, p); intercept : (t,); gradient : the sums at β̂; mean : (p,) column means (zeros without intercept);
    squares : (p + t,) sums of squares about zero; total_ss : (t,); active : (p,) columns that entered the equations;
    scale : (k,) what active columns were divided by; factor : of the scaled Hessian; inverse : (m, m)
    (XᵀWX)⁻¹ of the columns and, first, the intercept if there is one; null_space : (p, q) directions the data leave open;
    estimable : (p,) coefficients the data determine; correction : the last one computed, not made; curvature : R''.
    """

    coef: np.ndarray
    intercept: np.ndarray
    gradient: Gradient
    counts: Counts
    mean: np.ndarray
    squares: np.ndarray
    total_ss: np.ndarray
    active: np.ndarray
    scale: np.ndarray
    factor: Factor
    inverse: np.ndarray | None
    null_space: np.ndarray
    estimable: np.ndarray
    correction: np.ndarray
    correction_intercept: np.ndarray
    curvature: float
    trace: Trace
    stop_reason: str
    solver: str
    why: str
    remarks: list[str] = field(default_factory=list)
    """Collinear and constant columns in words."""

    @property
    def rank(self) -> int:
        """Of the centred columns, without the intercept."""
        return self.factor.rank

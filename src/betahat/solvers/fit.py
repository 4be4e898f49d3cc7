"""What a direct solver hands on: coefficients, and all that certificate, inference and words need of the way there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

import numpy as np

from betahat.kernels.reference import Gradient
from betahat.models.linear import Counts
from betahat.solvers.linear_descent import Descended
from betahat.solvers.range import Units
from betahat.solvers.refine import Refined
from betahat.solvers.trace import Trace


@final
@dataclass(slots=True)
class LinearFit:
    """β̂ of a linear model with squared error.

    refined : coefficients, gradient there and last correction; mean : (p,) column means (zeros without intercept);
    level : (t,) means of y, the predictions at `mean`; squares : (p + t,) sums of squares about zero; total_ss : (t,);
    active : (k,) columns that entered the equations; scale : (k,) what they were divided by; rank : of the centred
    columns, without the intercept; condition_number : of the centred and scaled columns; contraction : how far one
    refinement can miss, relative to its size; inverse : (m, m) (XᵀWX)⁻¹ of the columns and, first, the intercept if
    there is one, None where more coefficients than rows leave none determined; null_space : (p, q) directions the
    data leave open; estimable : (p,) coefficients the data determine; curvature : R''; remarks : collinear and
    constant columns in words.
    """

    refined: Refined
    counts: Counts
    mean: np.ndarray
    level: np.ndarray
    squares: np.ndarray
    total_ss: np.ndarray
    active: np.ndarray
    scale: np.ndarray
    rank: int
    condition_number: float
    contraction: float
    inverse: np.ndarray | None
    null_space: np.ndarray
    estimable: np.ndarray
    curvature: float
    trace: Trace
    solver: str
    why: str
    remarks: list[str] = field(default_factory=list)
    units: Units | None = None
    """What the data were multiplied by, if they were: all numbers here are in these units."""
    descended: Descended | None = None
    """How the solution was descended to, where it was not solved for."""

    @property
    def is_separable(self) -> bool:
        """Whether whatever the data leave open lies along single columns, so that the smallest norm has no units."""
        return self.inverse is not None and bool((np.count_nonzero(self.null_space, axis=0) <= 1).all())

    @property
    def coef(self) -> np.ndarray:
        """(t, p)"""
        return self.refined.coef

    @property
    def intercept(self) -> np.ndarray:
        """(t,)"""
        return self.refined.intercept

    @property
    def gradient(self) -> Gradient:
        """The sums at β̂."""
        return self.refined.gradient

"""Newton's step again with the gradient in double-double, until the correction is at rounding level (Björck 1967)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from betahat.kernels.reference import Gradient, two_product, two_sum
from betahat.objective import LinearObjective
from betahat.solvers.factor import EPS
from betahat.solvers.trace import Trace

_SMALL = 1 << 20  # elements of X below which another reading costs nothing worth saving
_READINGS = 12
_FILE_TOLERANCE = 1e-13  # relative correction at which a file is not read once more


class Correction(NamedTuple):
    """Newton's correction of the slopes (t, p) and intercepts (t,)."""

    coef: np.ndarray
    intercept: np.ndarray


Correct = Callable[[np.ndarray, np.ndarray], Correction]
"""From the gradient's sums about the mean (t, p) and for the intercept (t,) to the correction."""


def penalised_gradient(
    gradient: Gradient, beta: np.ndarray, curvature: float, mean: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Sums −W ∂J/∂β of centred columns (t, p) and of the intercept (t,), rounded to double only at the end."""
    g0, e0 = gradient.high[:, :1], gradient.low[:, :1]
    product, lost = two_product(g0, mean)
    high, more = two_sum(gradient.high[:, 1:], -product)
    low = gradient.low[:, 1:] + (more - lost - e0 * mean)
    if curvature:
        product, lost = two_product(curvature, beta)
        high, more = two_sum(high, -product)
        low = low + (more - lost)
    return high + low, (g0 + e0)[:, 0]


def refine(
    objective: LinearObjective,
    start: Correction,
    correct: Correct,
    mean: np.ndarray,
    weight: float,
    size: np.ndarray,
    elements: int,
    trace: Trace,
) -> tuple[np.ndarray, np.ndarray, Gradient, str]:
    """Repeat β ← β + H⁻¹(−∇) while that still improves β.

    `size` (p,) is each column's root sum of squares, the scale on which corrections are compared. Returns the
    coefficients, the intercepts, the gradient there (the last reading, made at just these coefficients) and why it
    stopped.
    """
    beta, intercept = start.coef.copy(), start.intercept.copy()
    curvature = objective.penalty.curvature * weight
    intercepts = objective.fit_intercept
    previous = np.inf
    kept: tuple[np.ndarray, np.ndarray, Gradient] | None = None
    for _ in range(_READINGS):
        gradient = objective.first_order(beta, intercept)
        slopes, constant = penalised_gradient(gradient, beta, curvature, mean * intercepts)
        step = correct(slopes, constant * intercepts)
        largest = np.maximum(np.abs(beta * size).max(axis=1, initial=0), np.sqrt(np.finfo(float).tiny))
        relative = float((np.abs(step.coef * size).max(axis=1, initial=0) / largest).max(initial=0))
        norm = max(np.abs(slopes).max(initial=0), np.abs(constant).max(initial=0) * intercepts) / weight
        trace.add(float(gradient.loss.sum()) / (2 * weight), float(norm), relative)
        if not np.isfinite(relative):
            return (*(kept or (beta, intercept, gradient)), "diverged")
        if relative > 0.5 * previous:  # as good as this arithmetic gets: keep the better of the last two
            if kept is not None and relative > previous:
                beta, intercept, gradient = kept
            return beta, intercept, gradient, "converged" if min(relative, previous) < 1e-6 else "no progress"
        new_beta, new_intercept = beta + step.coef, intercept + step.intercept
        if elements < _SMALL and objective.source.in_memory:
            done = np.array_equal(new_beta, beta) and np.array_equal(new_intercept, intercept)
        else:
            done = relative <= (4 * EPS if objective.source.in_memory else _FILE_TOLERANCE)
        if done:
            return beta, intercept, gradient, "converged"
        kept, previous = (beta, intercept, gradient), relative
        beta, intercept = new_beta, new_intercept
    gradient = objective.first_order(beta, intercept)
    return beta, intercept, gradient, "budget spent"

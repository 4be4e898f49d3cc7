"""Newton's step again with the gradient in double-double, until the correction is at rounding level (Björck 1967)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from betahat.kernels.reference import Gradient, two_product, two_sum
from betahat.objective import LinearObjective
from betahat.solvers.factor import EPS
from betahat.solvers.linear_descent import ENDINGS
from betahat.solvers.trace import Trace

_SMALL = 1 << 20  # elements of X below which another reading costs nothing worth saving
_READINGS = 12
_FILE_TOLERANCE = 1e-13  # relative correction at which a file is not read once more


class Correction(NamedTuple):
    """Newton's correction of the slopes (t, p) and intercepts (t,)."""

    coef: np.ndarray
    intercept: np.ndarray


class Refined(NamedTuple):
    """Coefficients (t, p) and intercepts (t,); the gradient of the last reading, made at just these; the correction
    that it asks for, not made; why refinement stopped."""

    coef: np.ndarray
    intercept: np.ndarray
    gradient: Gradient
    correction: Correction
    stop_reason: str
    carried: bool = False
    """Whether the gradient was summed at a nearby β and carried here by the Hessian."""
    precise: bool = True
    """Whether the gradient has 96 bits, not 76."""
    lows: Correction | None = None
    """What double precision leaves off the coefficients, where they are kept in two doubles."""


Correct = Callable[[np.ndarray, np.ndarray], Correction]
"""From the gradient's sums about the mean (t, p) and for the intercept (t,) to the correction."""
Descend = Callable[[Correction, np.ndarray, np.ndarray, float, float], tuple[Correction, str]]
"""From coefficients to their correction, by an iterative method, to a relative accuracy, where J is the last number;
and why it ended."""


def penalised_gradient(
    gradient: Gradient, beta: np.ndarray, curvature: float, mean: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Sums −W ∂J/∂β of centred columns (t, p) and of the intercept (t,).

    At the solution Σ w r is itself at rounding level, so its product with the mean needs no second double; the
    penalty's part, which cancels against the loss's, does.
    """
    constant = gradient.high[:, :1] + gradient.low[:, :1]
    high, low = gradient.high[:, 1:], gradient.low[:, 1:]
    if curvature:
        product, lost = two_product(curvature, beta)
        high, more = two_sum(high, -product)
        low = low + (more - lost)
    return (high - constant * mean) + low, constant[:, 0]


class Known(NamedTuple):
    """A gradient that came with the second-order sums; the centred Hessian (p, p); how far one step can miss."""

    gradient: Gradient
    hessian: np.ndarray
    contraction: float


def _carry(
    here: Refined, slopes: np.ndarray, constant: np.ndarray, correct: Correct, known: Known, mean: np.ndarray,
    weight: float, curvature: float,
) -> Refined:  # fmt: skip
    """Take the step and the gradient with it: J is quadratic, so ∇J(β + δ) = ∇J(β) + Hδ, and δ is small."""
    step = here.correction
    beta, intercept = here.coef + step.coef, here.intercept + step.intercept
    made, moved = beta - here.coef, intercept - here.intercept  # as rounded
    left = slopes - made @ known.hessian - curvature * made
    rest = constant - weight * (moved + made @ mean) if constant.any() else constant
    old = here.gradient
    high = np.column_stack([rest, left + curvature * beta + rest[:, None] * mean])
    loss = old.loss - ((slopes + left) * made).sum(axis=1) - (constant + rest) * (moved + made @ mean)
    gradient = Gradient(high, np.zeros_like(high), old.magnitude, np.maximum(loss, 0.0))
    return Refined(
        beta, intercept, gradient, correct(left, rest), "converged", carried=True, precise=here.precise
    )


def _steepness(
    gradient: Gradient, beta: np.ndarray, intercept: np.ndarray, curvature: float, root: np.ndarray, weight: float,
    intercepts: bool,
) -> float:  # fmt: skip
    """The largest |Σ w r x| beside Σ |w r x|, penalty included, less what rounding β makes of it.

    root : (1 + p,) root mean squares of the columns, the 1-column's first.
    """
    total = gradient.high + gradient.low
    total[:, 1:] -= curvature * beta
    reach = np.abs(intercept) + np.abs(beta) @ root[1:]
    left = np.maximum(np.abs(total) - 2 * EPS * weight * reach[:, None] * root, 0.0)
    first = 0 if intercepts else 1
    return float((left / np.maximum(gradient.magnitude, np.finfo(float).tiny))[:, first:].max(initial=0))


def _within(step: np.ndarray, value: np.ndarray) -> bool:
    """Whether every correction is within two units in the last place."""
    return bool((np.abs(step) <= 2 * EPS * np.abs(value)).all())


def refine(
    objective: LinearObjective,
    start: Correction,
    correct: Correct,
    mean: np.ndarray,
    weight: float,
    size: np.ndarray,
    elements: int,
    extended: bool,
    precise: bool,
    trace: Trace,
    known: Known | None = None,
    descend: Descend | None = None,
    tolerance: float | None = None,
) -> Refined:
    """Repeat β ← β + H⁻¹(−∇) while that still improves β.

    `size` (p,) is each column's root sum of squares, the scale on which corrections are compared. With `extended`
    the coefficients are kept in two doubles and refined to that precision; `precise` asks for gradients with all
    the digits that nearly collinear columns need. `known` is the gradient at the start, if it has been summed already.
    `descend` takes the steps in the place of `correct`, which then only tells how far they still have to go; with a
    `tolerance` they end once every derivative is that small beside the mean size of its terms.
    """
    beta, intercept = start.coef.copy(), start.intercept.copy()
    lows = Correction(np.zeros_like(beta), np.zeros_like(intercept)) if extended else None
    curvature = objective.penalty.curvature * weight
    intercepts = objective.fit_intercept
    previous = np.inf
    kept: Refined | None = None
    ending = ""

    def record(at: Refined, slopes: np.ndarray, constant: np.ndarray) -> float:
        """Put a row into the trace; the correction's size relative to the coefficients."""
        largest = np.maximum(np.abs(at.coef * size).max(axis=1, initial=0), np.sqrt(np.finfo(float).tiny))
        relative = float((np.abs(at.correction.coef * size).max(axis=1, initial=0) / largest).max(initial=0))
        if intercepts:  # how far the level at the mean still moves, beside the terms that make it up
            reach = largest + np.sqrt(weight) * (np.abs(at.intercept) + np.abs(at.coef) @ np.abs(mean))
            relative = float(
                np.maximum(relative, (np.abs(constant) / (np.sqrt(weight) * reach)).max(initial=0))
            )
        if descend is not None:
            return relative
        norm = max(np.abs(slopes).max(initial=0), np.abs(constant).max(initial=0) * intercepts) / weight
        trace.add(float(at.gradient.loss.sum()) / (2 * weight), float(norm), relative)
        return relative

    for reading in range(1, _READINGS + 1):
        if known is not None and reading == 1:
            gradient = known.gradient
        else:
            gradient = objective.first_order(beta, intercept, lows, precise)
        slopes, constant = penalised_gradient(gradient, beta, curvature, mean * intercepts)
        step = correct(slopes, constant * intercepts)
        here = Refined(beta, intercept, gradient, step, "converged", precise=precise, lows=lows)
        relative = record(here, slopes, constant)
        if not np.isfinite(relative):
            return (kept or here)._replace(stop_reason="diverged")
        if relative > 0.5 * previous and not ending:
            # as good as this arithmetic gets: keep the better of the last two
            best = kept if kept is not None and relative > previous else here
            good = min(relative, previous) < (1e-6 if descend is None else 1e-12)
            return best if good else best._replace(stop_reason="no progress")
        if lows is not None:
            done = relative <= EPS**2
        elif elements < _SMALL and objective.source.in_memory:
            done = _within(step.coef, beta) and _within(step.intercept, intercept)
        else:
            done = relative <= (4 * EPS if objective.source.in_memory else _FILE_TOLERANCE)
        steep = np.inf
        if tolerance is not None:
            root = np.sqrt(np.append(1.0, size**2 / weight + (mean * intercepts) ** 2))
            steep = _steepness(gradient, beta, intercept, curvature, root, weight, intercepts)
        if done or (tolerance is not None and steep <= tolerance):
            return here
        if ending:
            return here._replace(stop_reason=ending)
        if known is not None and reading == 1 and known.contraction * relative <= _FILE_TOLERANCE:
            there = _carry(
                here, slopes, constant * intercepts, correct, known, mean * intercepts, weight, curvature
            )
            record(there, *penalised_gradient(there.gradient, there.coef, curvature, mean * intercepts))
            return there
        if reading == _READINGS:
            return here._replace(stop_reason="budget spent")
        kept, previous = here, relative
        if descend is not None:
            loss = float(gradient.loss.sum()) / (2 * weight) + objective.penalty.value(beta)
            accuracy = EPS / (4 * relative) if tolerance is None else tolerance / (4 * steep)
            step, reason = descend(Correction(beta, intercept), slopes, constant * intercepts, accuracy, loss)
            ending = reason if reason in ENDINGS else ""
        if lows is None:
            beta, intercept = beta + step.coef, intercept + step.intercept
        else:
            beta, low = two_sum(beta, step.coef)
            intercept, rest = two_sum(intercept, step.intercept)
            beta, low = two_sum(beta, low + lows.coef)
            intercept, rest = two_sum(intercept, rest + lows.intercept)
            lows = Correction(low, rest)
    raise AssertionError("unreachable")

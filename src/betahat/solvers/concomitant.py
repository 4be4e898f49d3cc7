"""Coefficients and scale of Huber's criterion together, by Newton's method from least squares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np

from betahat.certificate import EPS, RELATIVE_TOLERANCE
from betahat.data.source import Source
from betahat.objective.concomitant import ConcomitantObjective, ConcomitantSums
from betahat.penalties import Penalty
from betahat.solvers.fit import LinearFit
from betahat.solvers.likelihood.newton import direction
from betahat.solvers.likelihood.solve import least_squares
from betahat.solvers.smooth import coordinates_of, steepness
from betahat.solvers.trace import Trace

MOST_STEPS = 100
_ENOUGH = 0.01  # of the decrease that the slope promises, at least (Armijo 1966)
_SHORTEST = 1e-10
_KEPT = 0.2  # of σ, at least, that a step leaves
_STILL = 1e-12  # relative step that changes nothing
_UNSEEN = 1e-13  # relative change of J that rounding may make
_FLOOR = 16 * EPS  # of the size of y, below which residuals are rounding
_LEAST = 1e-100


@final
@dataclass
class ConcomitantFit:
    """(β̂, σ̂): θ in the coordinates of `objective`, where `sums` were summed last; `start`, least squares; held :
    whether σ ended at its floor, since so many residuals are zero that J falls with it."""

    objective: ConcomitantObjective
    theta: np.ndarray
    sums: ConcomitantSums
    start: LinearFit
    trace: Trace
    iterations: int = 0
    stop_reason: str = "budget spent"
    held: bool = False


def solve_concomitant(
    source: Source, epsilon: float, penalty: Callable[[float], Penalty], intercept: bool, collinear: str, budget: int,
    tolerance: float | None, warm: tuple[np.ndarray, float, float] | None = None,
) -> ConcomitantFit:  # fmt: skip
    """The minimum of J(β, σ), begun at least squares and its standard deviation, or at `warm`: β, β₀ and σ.
    `penalty` is called with Σw.

    A step is Newton's, shortened until J falls and σ keeps a fifth of its size. Ends where every derivative is small
    beside the mean size of its terms (`tolerance`; None: 1e-10) and Newton's step changes nothing more.
    """
    start = least_squares(source, penalty(1.0), intercept, collinear)
    weight = start.counts.weight
    R = penalty(weight)
    at = coordinates_of(start, R, intercept, collinear)
    size = float(np.sqrt(max(start.squares[-1], 0.0) / weight))
    floor = max(_FLOOR * size, _LEAST)
    if warm is None:
        residual = float(np.sqrt(max(float(start.gradient.loss[0]), 0.0) / weight))
        theta, sigma = at.theta(start.coef[0], float(start.intercept[0])), residual
    else:
        theta, sigma = at.theta(warm[0], warm[1]), warm[2]
    objective = ConcomitantObjective(source, epsilon, R, at)
    theta = np.append(theta, max(sigma, floor))
    fit = ConcomitantFit(objective, theta, objective.sums(theta), start, Trace(), held=sigma <= floor)
    try:
        _descend(fit, floor, budget, tolerance)
    except KeyboardInterrupt:
        fit.stop_reason = "interrupted"
    return fit


def _descend(fit: ConcomitantFit, floor: float, budget: int, tolerance: float | None) -> None:
    objective, before = fit.objective, np.inf
    asked = RELATIVE_TOLERANCE if tolerance is None else tolerance
    for left in reversed(range(budget + 1)):
        g = objective.pulled(objective.whole_gradient(fit.sums, fit.theta))
        H = objective.pulled_twice(objective.whole_hessian(fit.sums, fit.theta))
        fit.held = fit.held and g[-1] >= 0
        if fit.held:
            g[-1], H[-1, :-1], H[:-1, -1], H[-1, -1] = 0.0, 0.0, 0.0, 1.0
        step = direction(H, g)
        largest = float(np.abs(fit.theta).max(initial=0))
        move = float(np.abs(step).max(initial=0)) / largest if largest > 0 else 0.0
        value = objective.whole_value(fit.sums, fit.theta)
        fit.trace.add(value, float(np.abs(g).max(initial=0)), move)
        settled = _steepness(fit) <= asked
        if settled and (tolerance is not None or move <= _STILL or move > 0.25 * before):
            fit.stop_reason = "converged"
            return
        if not left:
            return
        before = move if settled else np.inf
        if not _advance(fit, step, value, float(g @ step), floor):
            fit.stop_reason = "converged" if settled else "no progress"
            return
        fit.iterations += 1


def _steepness(fit: ConcomitantFit) -> float:
    if not fit.held:
        return steepness(fit.objective, fit.sums, fit.theta)
    objective, sums = fit.objective, fit.sums
    g = np.abs(objective.whole_gradient(sums, fit.theta)) - objective.unavoidable(sums, fit.theta)
    size = np.maximum(objective.term_size(sums, fit.theta), np.finfo(float).tiny)
    return float((np.maximum(g, 0.0) / size)[:-1].max(initial=0))


def _advance(fit: ConcomitantFit, step: np.ndarray, value: float, slope: float, floor: float) -> bool:
    """Take the longest of s, s/2, … of the step that lowers J; False where none does."""
    objective, sigma = fit.objective, float(fit.theta[-1])
    share = min(1.0, (1 - _KEPT) * sigma / -step[-1]) if step[-1] < 0 else 1.0
    shortest = _SHORTEST * share
    while share > shortest:
        theta = fit.theta + share * step
        theta[-1] = max(theta[-1], floor)
        with np.errstate(all="ignore"):
            sums = objective.sums(theta)
            reached = objective.whole_value(sums, theta)
        finite = np.isfinite(reached) and np.isfinite(sums.hessian).all()
        if finite and reached <= value + _ENOUGH * share * slope:
            break
        flat = reached <= value + _UNSEEN * abs(value) and -slope <= 10 * _UNSEEN * abs(value)
        if finite and flat and steepness(objective, sums, theta) < _steepness(fit):
            break  # J is too flat here for its values to tell points apart; the derivatives still do
        share /= 2
    else:
        return False
    fit.theta, fit.sums, fit.held = theta, sums, bool(theta[-1] <= floor)
    return True

"""Newton's method (Newton 1669; iteratively reweighted least squares, Nelder & Wedderburn 1972): one reading a step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from betahat.certificate import EPS, RELATIVE_TOLERANCE, curvature
from betahat.objective.smooth import EVERYTHING
from betahat.solvers.smooth import steepness
from betahat.solvers.trace import Trace

_ENOUGH = 0.01  # of the decrease that the slope promises, at least, for a step to be taken (Armijo 1966)
_SHORTEST = 1e-10
_UNSEEN = 1e-13  # relative change of J that rounding may make
_STILL = 1e-12  # relative step that changes nothing
_SAFE_PIVOT = 1e-10


@final
@dataclass
class Point:
    """Where Newton's method stands: θ, what one reading summed there, J, and why it ended; step : the last one."""

    theta: np.ndarray
    sums: Any
    value: float
    step: np.ndarray
    iterations: int = 0
    stop_reason: str = "budget spent"


def start_at(objective: Any, theta: np.ndarray) -> Point:
    """The first reading."""
    with np.errstate(all="ignore"):
        sums = objective.sums(theta, EVERYTHING)
        return Point(theta, sums, objective.whole_value(sums, theta), np.zeros_like(theta))


def is_finite(point: Point) -> bool:
    """Whether all that was summed is."""
    parts = (point.sums.gradient, point.sums.hessian)
    return bool(np.isfinite(point.value) and all(np.isfinite(part).all() for part in parts))


def newton(objective: Any, point: Point, budget: int, tolerance: float | None, trace: Trace) -> Point:
    """Go on from `point` for at most `budget` steps; J never rises.

    It ends where every derivative is small beside the mean size of its terms (`tolerance`; None: 1e-10) and Newton's
    step changes nothing more, or as little as rounding lets it.
    """
    asked = RELATIVE_TOLERANCE if tolerance is None else tolerance
    before = np.inf
    point.stop_reason = "budget spent"
    try:
        for left in reversed(range(budget + 1)):
            steep = steepness(objective, point.sums, point.theta)
            g = objective.pulled(objective.whole_gradient(point.sums, point.theta))
            H = objective.pulled_twice(objective.whole_hessian(point.sums, point.theta))
            point.step = direction(H, g)
            move = relative(point.step, point.theta, objective.unit)
            trace.add(point.value, float(np.abs(g).max(initial=0)), move)
            settled = steep <= asked
            if settled and (tolerance is not None or move <= _STILL or not steep > 0 or move > 0.25 * before):
                point.stop_reason = "converged"
                return point
            if not left:
                return point
            before = move if settled else np.inf
            if not _advance(objective, point, float(g @ point.step)):
                point.stop_reason = "converged" if settled else "no progress"
                return point
            point.iterations += 1
    except KeyboardInterrupt:
        point.stop_reason = "interrupted"
    return point


def relative(step: np.ndarray, theta: np.ndarray, unit: float) -> float:
    """The largest change beside the largest coefficient of standardised columns, or `unit`."""
    longest, largest = np.abs(step).max(initial=0), np.abs(theta).max(initial=0)
    return float(longest / max(unit, largest)) if longest > 0 else 0.0


def is_safe(H: np.ndarray) -> bool:
    """Whether a Hessian is far from singular, so that no direction is open."""
    if not len(H):
        return True
    if not (np.isfinite(H).all() and H.diagonal().min() > 0):
        return False
    scale = np.sqrt(H.diagonal())
    try:
        L = np.linalg.cholesky(H / scale[:, None] / scale)
    except np.linalg.LinAlgError:
        return False
    return bool(L.diagonal().min() ** 2 > _SAFE_PIVOT)


def direction(H: np.ndarray, g: np.ndarray) -> np.ndarray:
    """−H⁻¹g; where H is not safely positive definite, with its eigenvalues made so."""
    if not len(g):
        return np.zeros_like(g)
    if not np.isfinite(H).all():
        return -g
    scale = np.sqrt(np.abs(H.diagonal()))
    scale[scale == 0] = 1.0
    try:
        L = np.linalg.cholesky(H / scale[:, None] / scale)
        if L.diagonal().min() ** 2 > 4 * EPS * len(g):
            return -np.linalg.solve(L.T, np.linalg.solve(L, g / scale)) / scale
    except np.linalg.LinAlgError:
        pass
    bend = curvature(H)
    values = np.maximum(np.abs(bend.values), 1e-10 * np.abs(bend.values).max(initial=0))
    values[values == 0] = 1.0
    return -(bend.vectors @ ((bend.vectors.T @ (g / scale)) / values)) / scale


def _advance(objective: Any, point: Point, slope: float) -> bool:
    """Take the longest of 1, ½, … of the step that lowers J as its slope lets expect; False where none does."""
    share, unseen = 1.0, _UNSEEN * abs(point.value)
    while share > _SHORTEST:
        theta = point.theta + share * point.step
        with np.errstate(all="ignore"):
            sums = objective.sums(theta, EVERYTHING)
            value = objective.whole_value(sums, theta)
        finite = np.isfinite(value) and np.isfinite(sums.gradient).all() and np.isfinite(sums.hessian).all()
        if finite and value <= point.value + _ENOUGH * share * slope:
            break
        if finite and value <= point.value + unseen and -slope <= 10 * unseen + 4 * EPS:
            if steepness(objective, sums, theta) < steepness(objective, point.sums, point.theta):
                break  # J is too flat here for its values to tell points apart; the derivatives still do
            return False
        rise = value - point.value - share * slope
        share *= float(np.clip(-0.5 * share * slope / rise, 0.1, 0.5)) if finite and rise > 0 else 0.25
    else:
        return False
    point.theta, point.sums, point.value = theta, sums, value
    return True

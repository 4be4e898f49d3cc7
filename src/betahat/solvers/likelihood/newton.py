"""Newton's method (Newton 1669; iteratively reweighted least squares, Nelder & Wedderburn 1972): one reading a step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from betahat.certificate import EPS, RELATIVE_TOLERANCE, curvature
from betahat.objective.smooth import EVERYTHING, GRADIENT, HESSIAN, ROUGH
from betahat.solvers.smooth import steepness
from betahat.solvers.trace import Trace

_ENOUGH = 0.01  # of the decrease that the slope promises, at least, for a step to be taken (Armijo 1966)
_SHORTEST = 1e-10
_UNSEEN = 1e-13  # relative change of J that rounding may make
_STILL = 1e-12  # relative step that changes nothing
_SAFE_PIVOT, _EASY_PIVOT = 1e-10, 1e-3
_CLOSE = 3e-5  # relative step after which the next may be the last, so that its reading sums what a judgement needs
_BENT = (
    1e-3  # relative step after which two more follow, the first bent well enough by the Hessian that is known
)
_LAST = 1e-9  # relative step that changes no digit of sums by more than this, and derivatives by its square
_FAR = 0.03  # relative step after which more than one will follow, so that the next need not be exact
_SINGLE = 1e-7  # what products of single precision lose
_ROUGHLY = 0.1  # relative step with which a sample has said what it can
_TURNS = 2  # steps on a sample after which each is shorter than
_SETTLING = 0.5  # of the one before, where there is an end
_THERE = 1e-8  # relative step at which a point is judged where it stands


@final
@dataclass
class Point:
    """Where Newton's method stands: θ, what one reading summed there (`much`), J, and why it ended; step : the last
    one."""

    theta: np.ndarray
    sums: Any
    value: float
    step: np.ndarray
    much: int = EVERYTHING
    iterations: int = 0
    stop_reason: str = "budget spent"

    @property
    def judged(self) -> bool:
        """Whether the reading summed all that tells how small derivatives are beside their terms."""
        return self.much >= EVERYTHING


def start_at(objective: Any, theta: np.ndarray, much: int = EVERYTHING) -> Point:
    """The first reading."""
    with np.errstate(all="ignore"):
        sums = objective.sums(theta, much)
        value = objective.whole_value(sums, theta)
    return Point(theta, sums, value, np.zeros_like(theta), much)


def hessian_at(objective: Any, point: Point) -> np.ndarray:
    """∂²J/∂θ² of the last reading, along the directions that columns leave open to none."""
    return objective.pulled_twice(objective.whole_hessian(point.sums, point.theta))


def _gradient(objective: Any, point: Point) -> np.ndarray:
    return objective.pulled(objective.whole_gradient(point.sums, point.theta))


def is_finite(point: Point) -> bool:
    """Whether all that was summed is."""
    parts = (point.sums.gradient, point.sums.hessian)
    return bool(np.isfinite(point.value) and all(np.isfinite(part).all() for part in parts))


def newton(objective: Any, point: Point, budget: int, tolerance: float | None, trace: Trace) -> Point:
    """Go on from `point` for at most `budget` steps; J never rises.

    It ends where every derivative is small beside the mean size of its terms (`tolerance`; None: 1e-10) and Newton's
    step changes nothing more, or as little as rounding lets it. The point that is returned is judged; a last step
    shorter than 1e-9 of θ is taken without a reading of its own, with sums as Taylor's theorem has them.
    """
    point.stop_reason = "budget spent"
    try:
        _go(objective, point, budget, tolerance, trace)
    except KeyboardInterrupt:
        point.stop_reason = "interrupted"
    _judge(objective, point)
    return point


def _go(objective: Any, point: Point, budget: int, tolerance: float | None, trace: Trace) -> None:
    asked = RELATIVE_TOLERANCE if tolerance is None else tolerance
    before, enough, H = np.inf, None, np.zeros((0, 0))
    for left in reversed(range(budget + 1)):
        g = _gradient(objective, point)
        own = point.much >= ROUGH  # or the Hessian of the reading before
        H = hessian_at(objective, point) if own else H
        point.step = direction(H, g)
        move = relative(point.step, point.theta, objective.unit)
        largest = float(np.abs(g).max(initial=0))
        trace.add(point.value, largest, move)
        if enough is None:
            enough = 0.0 if tolerance is None else tolerance * largest
        # a reading that judges costs several that do not, so that a point is judged where it may be the last
        if (own and move <= _THERE) or largest <= enough or (tolerance is not None and not left):
            _judge(objective, point)
        certain = not objective.has_edge and len(point.sums.gradient) == len(point.theta)
        if left and point.judged and move <= _LAST and certain:
            _end(objective, point)
            trace.add(point.value, float(np.abs(_gradient(objective, point)).max(initial=0)), 0.0)
            return
        steep = _steep(objective, point) if point.judged else np.inf
        settled = steep <= asked
        if settled and (tolerance is not None or move <= _STILL or not steep > 0 or move > 0.25 * before):
            point.stop_reason = "converged"
            return
        if not left:
            return
        before = move if settled else np.inf
        # derivatives of the next point are about as small beside these as the step is beside θ
        much = EVERYTHING if not own or move <= _CLOSE or move * largest <= enough else HESSIAN
        # rounding to single precision bends the next step, which is about as long as the square of the last
        if much == HESSIAN and is_easy(H):
            if move <= _BENT:
                much = GRADIENT
            elif move > _FAR or _SINGLE * move**2 < _UNSEEN:
                much = ROUGH
        if not _advance(objective, point, float(g @ point.step), much):
            if not own:  # the step was bent by another point's Hessian
                _judge(objective, point)
                continue
            _judge(objective, point)
            point.stop_reason = "converged" if _steep(objective, point) <= asked else "no progress"
            return
        point.iterations += 1


def _end(objective: Any, point: Point) -> None:
    """Take a step too short to be worth a reading: derivatives change by H times it, to its square."""
    sums, step = point.sums, point.step
    change = sums.hessian @ step
    sums.value += float((sums.gradient + 0.5 * change) @ step)
    gradient, unseen = sums.gradient + change, EPS * sums.magnitude
    sums.gradient = np.where(np.abs(gradient) < unseen, np.copysign(unseen, gradient), gradient)
    point.theta = point.theta + step
    point.value = objective.whole_value(sums, point.theta)
    point.iterations += 1
    point.stop_reason = "converged"


def roughly(objective: Any, theta: np.ndarray, budget: int) -> tuple[np.ndarray, np.ndarray] | None:
    """θ near the minimum of a sample of the rows, and the Hessian a step before it; None where there seems to be none.

    The last step is short beside what the sample leaves unsaid of all rows, so that nothing is read at its end. Steps
    that do not become shorter lead away: a level of few rows is often separated in a sample, not in the whole.
    """
    point, before = start_at(objective, theta, HESSIAN), np.inf
    for turn in range(budget):
        H = hessian_at(objective, point)
        if not (is_finite(point) and is_safe(H)):
            return None
        g = _gradient(objective, point)
        point.step = direction(H, g)
        length = float(np.abs(point.step).max(initial=0))
        if turn > _TURNS and length > _SETTLING * before:
            return None
        if relative(point.step, point.theta, objective.unit) <= _ROUGHLY:
            return point.theta + point.step, H
        before = length
        if not _advance(objective, point, float(g @ point.step), HESSIAN):
            return None
    return None


def _judge(objective: Any, point: Point) -> None:
    """Sum what tells how small derivatives are, where it is not there yet."""
    if not point.judged:
        with np.errstate(all="ignore"):
            point.sums = objective.sums(point.theta, EVERYTHING)
        point.much = EVERYTHING


def relative(step: np.ndarray, theta: np.ndarray, unit: float) -> float:
    """The largest change beside the largest coefficient of standardised columns, or `unit`."""
    longest, largest = np.abs(step).max(initial=0), np.abs(theta).max(initial=0)
    return float(longest / max(unit, largest)) if longest > 0 else 0.0


def is_safe(H: np.ndarray) -> bool:
    """Whether a Hessian is far from singular, so that no direction is open."""
    return _least_pivot(H) > _SAFE_PIVOT


def is_easy(H: np.ndarray) -> bool:
    """Whether steps need but few of a Hessian's digits."""
    return _least_pivot(H) > _EASY_PIVOT


def _least_pivot(H: np.ndarray) -> float:
    """Of Cholesky's decomposition, with a diagonal of ones; 0 where there is none."""
    if not len(H):
        return 1.0
    if not (np.isfinite(H).all() and H.diagonal().min() > 0):
        return 0.0
    scale = np.sqrt(H.diagonal())
    try:
        L = np.linalg.cholesky(H / scale[:, None] / scale)
    except np.linalg.LinAlgError:
        return 0.0
    return float(L.diagonal().min() ** 2)


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


def _advance(objective: Any, point: Point, slope: float, much: int) -> bool:
    """Take the longest of 1, ½, … of the step that lowers J as its slope lets expect; False where none does."""
    share, unseen = 1.0, _UNSEEN * abs(point.value)
    while share > _SHORTEST:
        following = start_at(objective, point.theta + share * point.step, much)
        finite, value = is_finite(following), following.value
        if finite and value <= point.value + _ENOUGH * share * slope:
            break
        if finite and value <= point.value + unseen and -slope <= 10 * unseen + 4 * EPS:
            _judge(objective, following)
            g = objective.whole_gradient(point.sums, point.theta)
            if _steep(objective, following) < steepness(objective, following.sums, following.theta, g):
                break  # J is too flat here for its values to tell points apart; the derivatives still do
            return False
        rise = value - point.value - share * slope
        share *= float(np.clip(-0.5 * share * slope / rise, 0.1, 0.5)) if finite and rise > 0 else 0.25
    else:
        return False
    point.theta, point.sums, point.value = following.theta, following.sums, following.value
    point.much = following.much
    return True


def _steep(objective: Any, point: Point) -> float:
    return steepness(objective, point.sums, point.theta)

"""Sparse fits of any convex loss from sums over the rows: a reading for each proximal Newton step, one to certify.

For sources larger than memory, and for n ≫ p, where the Hessian of all columns is cheap.
"""

from __future__ import annotations

import numpy as np

from betahat.certificate import EPS, Gap
from betahat.certificate.duality import bounded_gap
from betahat.data.passes import fold
from betahat.data.source import Source
from betahat.errors import DataError
from betahat.losses.base import Loss
from betahat.models.linear import RangeStatistic
from betahat.objective.dual import DualSums
from betahat.objective.moments import MomentSums
from betahat.objective.smooth import EVERYTHING, Coordinates, SmoothObjective, SmoothSums
from betahat.penalties import NoPenalty
from betahat.penalties.sparse import SeparablePenalty
from betahat.solvers.range import refuse_non_finite
from betahat.solvers.sparse.floored import DAMPING, Floored
from betahat.solvers.sparse.gram import TOO_UNLIKE
from betahat.solvers.sparse.quadratic import minimise_gram
from betahat.solvers.trace import Trace

_HALVINGS = 12
_ROUNDED = 1e-12  # share of J that rounding hides: steps that promise less are taken whole


def coordinates(source: Source, intercept: bool) -> tuple[Coordinates, np.ndarray, np.ndarray]:
    """Means and deviations of the columns, in one reading; which are not constant; and √Σ s x² (p,)."""
    found = fold(source, MomentSums(len(source.names)))
    if not found.weight > 0:
        raise DataError("no row counts: there are none, or the weights are all zero")
    with np.errstate(all="ignore"):
        size = found.mean**2 + found.squares / found.weight
        if not (np.isfinite(size).all() and ((size > 1e-220) | (size == 0)).all() and (size < 1e220).all()):
            ranges = fold(source, RangeStatistic(len(source.names), len(source.target_names)))
            refuse_non_finite(ranges, source.names, source.target_names)
            raise DataError(TOO_UNLIKE)
    scale = found.deviation if intercept else np.sqrt(size)
    usable = scale > 8 * EPS * np.abs(found.mean)
    at = Coordinates(found.mean * intercept, np.where(usable, scale, 1.0), None, intercept)
    return at, usable, np.sqrt(size)


def newton_steps(
    source: Source, loss: Loss, penalty: SeparablePenalty, at: Coordinates, usable: np.ndarray,
    start: tuple[np.ndarray, float], tolerance: float, most: int, trace: Trace,
) -> tuple[np.ndarray, float, int, SmoothSums]:  # fmt: skip
    """β, intercept and how many steps: each minimises the quadratic model with its penalty, and never raises J."""
    inverse = np.where(usable, 1.0 / at.scale, 0.0)
    scaled = SeparablePenalty(penalty.a * inverse, penalty.b * inverse**2, penalty.positive)
    theta, damping, before, steps = at.theta(start[0], start[1]), 0, np.inf, 0
    objective = SmoothObjective(source, loss, NoPenalty(), at)
    sums = objective.sums(theta, EVERYTHING)
    first = int(at.intercept)
    while steps < most:
        value = sums.value / sums.weight + scaled.value(theta[first:])
        found = _move(sums, theta, scaled, usable, abs(value), (0.1 * tolerance) ** 2, trace)
        steps += 1
        there = None
        if found is not None:
            move, fall, moved = found
            if moved == 0 or (moved <= _ROUNDED * abs(value) and moved > 0.25 * before):
                break
            before = moved
            there = _step(objective, scaled, theta, move, value, fall, moved)
        if there is None:
            damping += 1
            if damping == len(DAMPING):
                break
            largest = loss.largest_curvature or 1.0
            objective = SmoothObjective(source, Floored(loss, DAMPING[damping] * largest), NoPenalty(), at)
            sums, before = objective.sums(theta, EVERYTHING), np.inf
            continue
        theta, sums = there
        if before <= (0.1 * tolerance) ** 2 * abs(value):
            break
    if damping:
        sums = SmoothObjective(source, loss, NoPenalty(), at).sums(theta, EVERYTHING)
    beta, intercept = at.raw(theta)
    return np.where(usable, beta, 0.0), intercept, steps, sums


def _move(
    sums: SmoothSums, theta: np.ndarray, scaled: SeparablePenalty, usable: np.ndarray, value: float, tolerance: float,
    trace: Trace,
) -> tuple[np.ndarray, float, float] | None:  # fmt: skip
    """The step to the minimum of the quadratic model with the penalty, and the fall of J it promises, and
    its square by ∂²F."""
    first = len(theta) - len(usable)
    g, H, gamma = sums.gradient / sums.weight, sums.hessian / sums.weight, theta[first:]
    level, mean, bent = 0.0, np.zeros(len(gamma)), 0.0
    slope, inner = g[first:], H[first:, first:]
    if first:
        bent = float(H[0, 0])
        if not bent > 0:
            return None
        level, mean = -float(g[0]) / bent, H[0, 1:] / bent
        slope, inner = slope + level * H[0, 1:], inner - np.outer(mean, H[0, 1:])
    inner = np.where(np.outer(usable, usable), inner, 0.0)
    slope = np.where(usable, slope, 0.0)
    distance = scaled.distance(gamma, slope)
    trace.add(value, float(np.abs(distance[usable]).max(initial=0)), float(np.abs(level)))
    if not (inner.diagonal()[distance != 0] > 0).all():
        return None  # flat where J still falls
    z = minimise_gram(inner, slope, gamma, scaled, value, 1e-3 * tolerance)
    delta = z - gamma
    if not np.isfinite(delta).all():
        return None
    fall = float(slope @ delta) + scaled.value(z) - scaled.value(gamma) - 0.5 * level**2 * bent
    moved = float(delta @ (inner @ delta)) + level**2 * bent
    return (np.append(level - mean @ delta, delta) if first else delta), fall, moved


def _step(
    objective: SmoothObjective, scaled: SeparablePenalty, theta: np.ndarray, move: np.ndarray, value: float,
    fall: float, moved: float,
) -> tuple[np.ndarray, SmoothSums] | None:  # fmt: skip
    """The farthest of 1, ½, ¼, … of `move` that lowers J by its share, with the sums there; None where none does."""
    t, first = 1.0, int(objective.at.intercept)
    for _ in range(_HALVINGS):
        there = theta + t * move
        there[first:][move[first:] == -theta[first:]] *= 1.0 - (t == 1.0)
        with np.errstate(all="ignore"):
            sums = objective.sums(there, EVERYTHING)
            reached = sums.value / sums.weight + scaled.value(there[first:])
        hidden = _ROUNDED * abs(value)
        if reached <= value + 1e-4 * t * fall or (moved <= hidden and reached <= value + hidden):
            return there, sums
        t /= 2
    return None


def look(
    source: Source, loss: Loss, penalty: SeparablePenalty, beta: np.ndarray, intercept: float, has_intercept: bool,
    sizes: np.ndarray,
) -> tuple[DualSums, Gap, float]:  # fmt: skip
    """The sums at β̂, the gap they prove, and what rounding makes of it; sizes : √Σ s x² of the columns (p,)."""
    sums = fold(source, DualSums(loss, beta, intercept))
    W = sums.weight
    gap = bounded_gap(
        above=None if sums.above is None else sums.above / W, gradient=sums.gradient / W,
        magnitude=sums.magnitude / W, uneven=sums.uneven if has_intercept else 0.0, beta=beta, penalty=penalty,
        curvature=loss.largest_curvature,
    )  # fmt: skip
    error = EPS * float(np.sqrt(sums.reach / W))
    held = penalty.a > 0
    worst = float((sizes[held] / penalty.a[held]).max(initial=0.0))
    rounding = 8 * error * (worst * penalty.value(beta) + float(sizes @ np.abs(beta)))
    return sums, gap, rounding + 8 * EPS * abs(sums.value / W)

"""Firth's bias-reduced logistic regression: Jeffreys' prior as a penalty, so that estimates are always finite.

l*(β) = l(β) + ½ log |I(β)| (Firth 1993; Heinze & Schemper 2002) has the derivative

    U*(β) = Σ [wᵢ (yᵢ − πᵢ) + hᵢ (½ − πᵢ)] xᵢ,   hᵢ = wᵢ πᵢ (1 − πᵢ) xᵢᵀ I⁻¹ xᵢ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from betahat.data.passes import Statistic, counting_parts, dense, fold
from betahat.data.source import Block
from betahat.errors import DataError
from betahat.objective.smooth import EVERYTHING, SmoothObjective
from betahat.solvers.trace import Trace

_CHUNK = 1 << 19
_MOST = 1000
_STILL = 1e-13
_FLAT_UP_TO = 0.1  # of a step, where values are too flat to tell points apart
_LONGEST = 5.0  # change of a standardised coefficient in one step
_QUOTIENTS_UP_TO = 60  # coefficients for which the Hessian is found by differences of the derivative


@final
@dataclass
class FirthPoint:
    """θ with −l*/Σw there (up to a constant), its derivative, the mean size of its terms, the information I (of
    standardised columns) and log |I|; and what the likelihood itself summed."""

    theta: np.ndarray
    value: float
    gradient: np.ndarray
    magnitude: np.ndarray
    information: np.ndarray
    log_determinant: float
    sums: Any


@final
class _Leverages(Statistic):
    """Σ hᵢ (½ − πᵢ) zᵢ and Σ |…|, for the inverse information G."""

    def __init__(self, objective: SmoothObjective, theta: np.ndarray, G: np.ndarray) -> None:
        self._objective, self._theta, self._G = objective, theta, G
        self.total, self.size = np.zeros(len(theta)), np.zeros(len(theta))

    def update(self, block: Block) -> None:
        at, first = self._objective.at, int(self._objective.at.intercept)
        gamma, level = at.slopes(self._theta), at.level(self._theta)
        for part, w in counting_parts(block, _CHUNK):
            Z = (dense(part.X) - at.mean) / at.scale
            eta = Z @ gamma + level + (0.0 if part.offset is None else part.offset)
            Z = np.concatenate([np.ones((len(Z), first)), Z], axis=1)
            bend = self._objective.loss.second_derivative(np.zeros(len(eta)), eta)
            h = w * bend * ((Z @ self._G) * Z).sum(axis=1)
            pull = h * (-0.5 * np.tanh(0.5 * eta))  # ½ − π
            self.total += pull @ Z
            self.size += np.abs(pull) @ np.abs(Z)

    def merge(self, other: _Leverages) -> None:
        self.total, self.size = self.total + other.total, self.size + other.size


def firth_point(objective: SmoothObjective, theta: np.ndarray) -> FirthPoint | None:
    """Two readings: the information first, then the leverages. None where the information is singular."""
    with np.errstate(all="ignore"):
        sums = objective.sums(theta, EVERYTHING)
    information, W = sums.hessian, sums.weight
    scale = np.sqrt(np.abs(information.diagonal()))
    if not (np.isfinite(information).all() and (not len(scale) or scale.min() > 0)):
        return None
    try:
        L = np.linalg.cholesky(information / scale[:, None] / scale)
    except np.linalg.LinAlgError:
        return None
    log_determinant = 2 * float(np.log(L.diagonal()).sum() + np.log(scale).sum())
    G = np.linalg.inv(L) / scale
    added = fold(objective.source, _Leverages(objective, theta, G.T @ G))
    gradient = (sums.gradient - added.total) / W
    return FirthPoint(
        theta, (sums.value - 0.5 * log_determinant) / W, gradient, (sums.magnitude + added.size) / W, information,
        log_determinant, sums,
    )  # fmt: skip


def firth(
    objective: SmoothObjective, start: np.ndarray, trace: Trace, budget: int | None = None,
    free: np.ndarray | None = None, tolerance: float | None = None,
) -> tuple[FirthPoint, str, int]:  # fmt: skip
    """Maximise l* by Fisher scoring with halved steps; the point, why it ended, and how many steps it took.

    free : (m, k) directions in which θ may move, None for all: what profiles hold one coefficient with.

    Raises DataError where the information is singular at the start.
    """
    point = firth_point(objective, start)
    if point is None:
        raise DataError(
            "the information matrix is singular where the fit begins, so that bias reduction is not defined; leave "
            "collinear or constant columns out"
        )
    most = _MOST if budget is None else budget
    for taken in range(most + 1):
        step = _scoring(point, free)
        move = float(np.abs(step).max(initial=0) / max(1.0, np.abs(point.theta).max(initial=0)))
        trace.add(point.value, float(np.abs(point.gradient).max(initial=0)), move)
        slope = point.gradient if free is None else free @ (free.T @ point.gradient)
        asked = 1e-10 if tolerance is None else tolerance
        small = bool((np.abs(slope) <= asked * np.maximum(point.magnitude, np.finfo(float).tiny)).all())
        if small and (tolerance is not None or move <= _STILL):
            return point, "converged", taken
        if taken == most:
            break
        following = _advance(objective, point, step, free)
        if following is None:
            return point, "converged" if small else "no progress", taken
        point = following
    return point, "budget spent", most


def _against(point: FirthPoint, gradient: np.ndarray, free: np.ndarray | None) -> np.ndarray:
    """W I⁻¹ g, within the directions that are free."""
    if free is None:
        return np.linalg.solve(point.information, point.sums.weight * gradient)
    return free @ np.linalg.solve(free.T @ point.information @ free, point.sums.weight * (free.T @ gradient))


def _scoring(point: FirthPoint, free: np.ndarray | None) -> np.ndarray:
    """I⁻¹U*, no coefficient by more than `_LONGEST`."""
    step = -_against(point, point.gradient, free)
    longest = float(np.abs(step).max(initial=0))
    return step if longest <= _LONGEST else step * (_LONGEST / longest)


def _advance(
    objective: SmoothObjective, point: FirthPoint, step: np.ndarray, free: np.ndarray | None
) -> FirthPoint | None:
    """The point after the longest of 1, ½, … of the step that helps; None where none does.

    Where values are too flat to tell points apart, gᵀI⁻¹g does: short enough steps always make it less.
    """
    unseen, share = 1e-13 * max(1.0, abs(point.value)), 1.0
    steep = float(point.gradient @ _against(point, point.gradient, free))
    while share > 1e-6:
        following = firth_point(objective, point.theta + share * step)
        if following is not None and following.value < point.value - unseen:
            return following
        flat = abs(float(point.gradient @ step)) * share <= unseen
        if following is not None and following.value <= point.value + unseen and flat:
            gradient = following.gradient
            if float(gradient @ _against(point, gradient, free)) < steep:
                return following
        if flat and share < _FLAT_UP_TO:
            return None
        share *= 0.5
    return None


def firth_hessian(objective: SmoothObjective, point: FirthPoint) -> np.ndarray:
    """∂²(−l*/Σw)/∂θ²: by central differences of the derivative up to `_QUOTIENTS_UP_TO` coefficients, else I/Σw."""
    m = len(point.theta)
    if m > _QUOTIENTS_UP_TO:
        return point.information / point.sums.weight
    H = np.zeros((m, m))
    for j in range(m):
        step = 1e-5 * max(1.0, abs(point.theta[j])) * np.eye(m)[j]
        ahead, behind = (firth_point(objective, point.theta + sign * step) for sign in (1.0, -1.0))
        if ahead is None or behind is None:
            return point.information / point.sums.weight
        H[:, j] = (ahead.gradient - behind.gradient) / (2 * step[j])
    return (H + H.T) / 2

"""Maxima at the edge of what a link allows, where means are 0 or 1: by a barrier before it that is lowered (Fiacco &
McCormick 1968). Derivatives of the likelihood itself need not vanish there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np

from betahat.data.passes import Statistic, combined_weight, fold
from betahat.data.source import Block
from betahat.losses.base import Loss
from betahat.losses.family import Family
from betahat.objective.smooth import EVERYTHING, HESSIAN, Coordinates, SmoothObjective
from betahat.solvers.likelihood.newton import Point, is_finite, newton, start_at
from betahat.solvers.trace import Trace

_WEIGHTS = tuple(10.0**-k for k in range(12))  # of the barrier, one after the other
_STEPS, _ROUGHLY = 50, 1e-3  # of Newton's method for each, and how exactly those before the last are solved
_ON_IT = 1e-6  # distance from the edge, beside the mean distance, that the last barrier alone keeps
_NEAR = 1e-3  # what is looked at again when the mean of all is known
_NAMED = 5  # rows


@final
@dataclass(frozen=True)
class Barred(Loss):
    """L(y, η) − t log(η − low) − t log(high − η): at its minimum L is within t of its own for each finite end.

    >>> import numpy as np
    >>> from betahat.losses.choose_family import as_family
    >>> barred = Barred(as_family("poisson", "identity"), 0.5)
    >>> barred.value(np.zeros(1), np.array([np.e])) == np.e - 0.5
    array([ True])
    """

    family: Family
    weight: float
    name = "barred"

    @property
    def convex(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.family.convex

    @property
    def domain(self) -> tuple[float, float]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.family.domain

    def _ends(self) -> Iterator[tuple[float, float]]:
        """Each finite end, and which way is inside."""
        low, high = self.family.domain
        if np.isfinite(low):
            yield low, 1.0
        if np.isfinite(high):
            yield high, -1.0

    def value(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        total = self.family.value(y, f)
        for end, way in self._ends():
            distance = way * (f - end)
            inside = distance > 0
            total = np.where(inside, total - self.weight * np.log(np.where(inside, distance, 1.0)), np.inf)
        return total

    def first_derivative(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        return self.family.first_derivative(y, f) - sum(self.weight / (f - end) for end, _ in self._ends())

    def second_derivative(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        return self.family.second_derivative(y, f) + sum(
            self.weight / (f - end) ** 2 for end, _ in self._ends()
        )


def perhaps_at_edge(family: Family) -> str:
    """What may have ended a descent that does not go along one."""
    return f"perhaps at an edge of what the {family.link} link allows, where a mean is 0 or 1"


def along_edge(
    objective: SmoothObjective, origin: np.ndarray, ended: Point, tolerance: float | None, trace: Trace
) -> tuple[Point, str]:
    """The lowest J within what the link allows, and what to say of it where that is no stationary point.

    origin : θ well inside; ended : where Newton's method made no more progress, which is returned where no lower J is
    found; tolerance : of a stationary point, see `newton`.
    """
    family = objective.loss
    assert isinstance(family, Family)
    theta, iterations, settled = origin, ended.iterations, False
    for weight in _WEIGHTS:
        barred = SmoothObjective(objective.source, Barred(family, weight), objective.penalty, objective.at)
        begin = start_at(barred, theta, HESSIAN)
        if not is_finite(begin):
            return ended, ""
        point = newton(barred, begin, _STEPS, None if weight == _WEIGHTS[-1] else _ROUGHLY, Trace())
        theta, iterations = point.theta, iterations + point.iterations
        if point.stop_reason == "interrupted":
            ended.stop_reason = "interrupted"
            return ended, ""
        settled = objective.convex and point.stop_reason == "converged"
    rows = fold(objective.source, _Distances(family, objective.at, theta))
    found = start_at(objective, theta, EVERYTHING)
    gap = _WEIGHTS[-1] * float(np.isfinite(family.domain).sum())
    if not is_finite(found) or found.value > ended.value + gap:
        return ended, ""
    if not rows.on_edge.size:
        found = newton(objective, found, _STEPS, tolerance, trace)
        found.iterations += iterations
        return found, ""
    trace.add(
        found.value, float(np.abs(objective.pulled(objective.whole_gradient(found.sums, theta))).max()), 0.0
    )
    found.iterations, found.stop_reason = iterations, "at the edge"
    return found, rows.words(family, gap if settled else None)


@final
class _Distances(Statistic):
    """How far the predictors of rows that count are from the nearest end."""

    def __init__(self, family: Family, at: Coordinates, theta: np.ndarray) -> None:
        self._family = family
        self._beta, self._intercept = at.raw(theta)
        self._rows, self._counting, self._total = 0, 0, 0.0
        self._near: list[np.ndarray] = []

    def update(self, block: Block) -> None:
        weight, first = combined_weight(block), self._rows
        self._rows += block.X.shape[0]
        which = np.arange(block.X.shape[0]) if weight is None else np.flatnonzero(weight > 0)
        if not len(which):
            return
        part = block.take(which)
        eta = part.X @ self._beta + self._intercept
        eta = eta if part.offset is None else eta + part.offset
        low, high = self._family.domain
        distance = np.minimum(eta - low, high - eta)
        self._counting += len(which)
        self._total += float(distance.sum())
        near = distance < _NEAR * distance.mean()
        self._near.append(np.array([first + which[near], distance[near], self._family.mean(eta[near])]))

    def merge(self, other: _Distances) -> None:
        shift = np.array([[self._rows], [0.0], [0.0]])
        self._near += [near + shift for near in other._near]
        self._rows, self._counting = self._rows + other._rows, self._counting + other._counting
        self._total += other._total

    @property
    def on_edge(self) -> np.ndarray:
        """Numbers and means (2, k) of rows that nothing but the barrier keeps from it."""
        near = np.concatenate(self._near, axis=1)
        return near[[0, 2]][:, near[1] < _ON_IT * self._total / self._counting]

    def words(self, family: Family, gap: float | None) -> str:
        """What users are told; gap : how far the mean loss is above its lowest at most, if that is proven."""
        proof = "" if gap is None else f"; the mean loss is within {gap:.0e} of its lowest"
        which, means = self.on_edge
        named = ", ".join(f"{number:.0f}" for number in which[:_NAMED]) + (
            ", …" if len(which) > _NAMED else ""
        )
        ends = " or ".join(f"{end:g}" for end in np.unique(np.abs(means.round(3))))
        return (
            f"the likelihood is highest at an edge of what the {family.link} link allows, where the mean of "
            f"{len(which)} of {self._counting} rows is {ends} (of those used, from 0: {named}). Derivatives need not "
            f"vanish there, and standard errors do not hold{proof}. Choose a link without an edge, such as 'log' for "
            "counts or 'logit' for two classes, or leave these rows out"
        )

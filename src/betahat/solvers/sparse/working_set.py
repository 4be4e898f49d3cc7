"""Sparse fits in memory: a few columns that matter are worked on, and all are asked whether they are enough.

Each round reads X once, for Xᵀ(s L'): the duality gap says whether to stop, the gap-safe rule which columns can never
enter, the subgradients which to work on next (Massias et al. 2018). On these columns J is minimised by Newton's
method with a proximal step (Lee, Sun & Saunders 2014), whose quadratic `quadratic` solves.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

import numpy as np

from betahat.certificate import EPS, Gap, duality_gap
from betahat.kernels.row_losses import RowLosses
from betahat.penalties.sparse import SeparablePenalty
from betahat.solvers.sparse.columns import ColumnStore, Taken
from betahat.solvers.sparse.floored import DAMPING
from betahat.solvers.sparse.model import Model
from betahat.solvers.sparse.rows import Rows
from betahat.solvers.trace import Trace

_FIRST = 128  # columns to begin with
_NEWTON_STEPS = 50
_HALVINGS = 10
_SLOW = 1e-4  # factor from which on steps by a model of an earlier one are helped by a new one
_SECOND_ORDER = 10.0  # times the share of J that a Newton step moved is about what the next one moves of it
_ROUNDED = 1e-12  # share of J that rounding hides: steps that promise less are taken whole


@final
@dataclass
class Working:
    """Where a sparse fit in memory is: β (p,), intercept, η (n,) and the rows' losses there, J, subgradients (p,) and
    the gap."""

    beta: np.ndarray
    intercept: float
    eta: np.ndarray
    point: RowLosses
    value: float = np.inf
    gradient: np.ndarray = field(default_factory=lambda: np.zeros(0))
    distance: np.ndarray = field(default_factory=lambda: np.zeros(0))
    gap: Gap | None = None
    zeros: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    rounds: int = 0
    stop_reason: str = "budget spent"
    rounding: float = 0.0
    error: float = 0.0
    """What rounding makes of √Σ s L'²."""


@final
@dataclass(frozen=True)
class Moments:
    """Σ s x and √Σ s (x − x̄)² of every column, about zero without an intercept; and √Σ s x²."""

    mean: np.ndarray
    norms: np.ndarray
    sizes: np.ndarray

    @classmethod
    def of(cls, store: ColumnStore, rows: Rows) -> Moments:
        mean, squares = store.moments(rows.share)
        spread = squares - mean**2 if rows.intercept else squares
        # a constant column's spread is the rounding of its squares
        spread = np.where(spread > 16 * EPS * squares, spread, 0.0)
        return cls(mean, np.sqrt(np.maximum(spread, 0.0)), np.sqrt(np.maximum(squares, 0.0)))


def work(
    rows: Rows, store: ColumnStore, moments: Moments, penalty: SeparablePenalty, start: tuple[np.ndarray, float] | None,
    tolerance: float, rounds: int, trace: Trace,
) -> Working:  # fmt: skip
    """Minimise F + R until the gap is at most `tolerance` · J, or what rounding makes of it."""
    at = _begin(rows, store, start)
    usable = moments.norms > 0
    at.zeros = ~usable
    most, previous, fine, work_on = _FIRST, np.inf, 1.0, np.zeros(0, np.intp)
    for at.rounds in range(1, rounds + 1):
        _look(at, rows, store, moments, penalty)
        if at.gap is not None:
            at.zeros |= at.gap.certain_zeros(moments.norms * (1 + 1e-10))
        excess, size = _excess(at, moments, rows), rows.above(at.value)
        trace.add(at.value, float(np.abs(at.distance).max(initial=0)), excess)
        if not np.isfinite(at.value):
            at.stop_reason = "diverged"
            return at
        if excess <= max(tolerance * size, at.rounding):
            at.stop_reason = "converged"
            return at
        support = np.flatnonzero(at.beta)
        pull = np.where(usable & ~at.zeros, at.distance / np.where(usable, moments.norms, 1.0), 0.0)
        pull[support] = 0.0
        asking = np.flatnonzero(pull)
        most = max(most, len(support))
        left = len(asking) > most
        if left:
            asking = asking[np.argpartition(np.abs(pull[asking]), -most)[-most:]]
        following = np.union1d(support, asking)
        # the gap is of first order in the subgradients, and what a step lowers J by is of second
        rough = 0.01 * tolerance
        if size > 0:
            # where not all that ask are taken, others will have to be; where none asks, these may be all
            known = at.gap is not None and at.gap.gap is not None and not rows.loss.quadratic
            part = 0.3 if left else 0.1 if known and len(asking) else 0.0
            rough = max(rough, part * min(excess / size, 1.0))
        if np.array_equal(following, work_on) and not excess < 0.5 * previous:
            if fine == 0.0:
                at.stop_reason = "no progress"
                return at
            fine = 0.0
        work_on, previous = following, excess
        _descend(at, rows, store.take(work_on), penalty.of(work_on), min(rough, fine))
    _look(at, rows, store, moments, penalty)
    return at


def _begin(rows: Rows, store: ColumnStore, start: tuple[np.ndarray, float] | None) -> Working:
    p = store.shape[1]
    beta, intercept = (np.zeros(p), 0.0) if start is None else (start[0].copy(), start[1])
    support = np.flatnonzero(beta)
    eta = rows.offset + intercept
    if len(support):
        eta = eta + store.take(support).times(beta[support])
    shift, point = rows.settle(eta)
    return Working(beta, intercept + shift, eta + shift, point)


def _look(at: Working, rows: Rows, store: ColumnStore, moments: Moments, penalty: SeparablePenalty) -> None:
    """Derivatives and the gap, from all of X."""
    slopes = at.point.first * rows.inverse
    at.gradient = store.products(at.point.first)
    at.value = at.point.value + penalty.value(at.beta)
    at.distance = penalty.distance(at.beta, at.gradient)
    at.gap = duality_gap(
        loss=rows.loss, y=rows.y, share=rows.share, eta=at.eta, slopes=slopes, gradient=at.gradient, beta=at.beta,
        penalty=penalty, norms=moments.sizes, intercept=rows.intercept, compiled=rows.compiled,
    )  # fmt: skip
    size = (np.abs(at.eta) + np.abs(rows.y)) * at.point.second + np.abs(at.point.first)
    at.error = EPS * float(np.sqrt((size * rows.inverse) @ size))
    held = penalty.a > 0
    worst = float((moments.sizes[held] / penalty.a[held]).max(initial=0.0))
    at.rounding = 8 * at.error * (worst * penalty.value(at.beta) + float(moments.sizes @ np.abs(at.beta)))


def _excess(at: Working, moments: Moments, rows: Rows) -> float:
    """The gap; where it is not known what single coordinates promise."""
    if at.gap is not None and at.gap.gap is not None:
        return at.gap.gap
    bend = rows.loss.largest_curvature or at.point.bend
    usable = moments.norms > 0
    return float((at.distance[usable] ** 2 / (2 * bend * moments.norms[usable] ** 2)).sum())


def _descend(at: Working, rows: Rows, taken: Taken, penalty: SeparablePenalty, tolerance: float) -> None:
    """Minimise over the columns taken by proximal Newton steps, until they lower J by less than tolerance² J; η is
    summed anew at the end."""
    columns, before, model = taken.columns, np.inf, None
    beta, damping, point = at.beta[columns], 0, at.point
    value = point.value + penalty.value(beta)
    for _ in range(1 if rows.loss.quadratic else _NEWTON_STEPS):
        size = rows.above(value)
        fresh = model is None or model.is_off(point.second)
        if fresh:
            least = DAMPING[damping] * (
                rows.loss.largest_curvature or float(point.second.max() / rows.share.max())
            )
            model = Model.of(taken, np.maximum(point.second, least * rows.share), rows.intercept)
        least = 1e-3 * tolerance**2
        if before < np.inf and size > 0:  # a share of what the next step will move
            least = max(least, 1e-3 * min(_SECOND_ORDER * before / size, 0.1) * before / size)
        found = None
        if model is not None:
            found = model.step(point.first, beta, penalty, size, least, rows.compiled)
        t, moved = 0.0, 0.0
        if found is not None and model is not None:
            delta, shift, fall = found
            move = taken.times(delta) + shift
            moved = float(model.h @ move**2)
            t, further = _length(rows, penalty, at.eta, move, beta, delta, (value, fall, moved, size))
            if further is not None:
                beta, point = beta + t * delta, further
                at.eta, at.intercept = at.eta + t * move, at.intercept + t * shift
                value = point.value + penalty.value(beta)
        # columns were asked for, and yet nothing moves: F is flat where J falls
        idle = before == np.inf and moved <= (1e-3 * tolerance) ** 2 * size
        if t == 0.0 or idle:
            damping, model = damping + 1, None
            if damping == len(DAMPING):
                break
            continue
        # what the next step would move: shorter by the same factor or more, in the beginning by the size of the step
        factor = moved / before if before < np.inf else _SECOND_ORDER * moved / size
        if moved * min(factor, 1.0) <= tolerance**2 * size or (
            moved <= _ROUNDED * size and moved > 0.25 * before
        ):
            break
        if not fresh and factor > _SLOW:
            model = None
        before = moved
    at.beta[columns] = beta
    eta = rows.offset + at.intercept + taken.times(beta)
    shift, at.point = rows.settle(eta)
    at.intercept, at.eta = at.intercept + shift, eta + shift


def _length(
    rows: Rows, penalty: SeparablePenalty, eta: np.ndarray, move: np.ndarray, beta: np.ndarray, delta: np.ndarray,
    numbers: tuple[float, float, float, float],
) -> tuple[float, RowLosses | None]:  # fmt: skip
    """How much of a step to take: the most of 1, ½, ¼, … that lowers J by its share, and the losses there; 0 and None
    where none does.

    numbers : J, the fall that the whole step promises, its square by ∂²F, and J above its floor.
    """
    value, fall, moved, size = numbers
    for halvings in range(1 if rows.loss.quadratic else _HALVINGS):
        t = 0.5**halvings
        point = rows.at(eta + t * move)
        there = point.value + penalty.value(beta + t * delta)
        hidden = halvings == 0 and moved <= _ROUNDED * size and there <= value + _ROUNDED * size
        if rows.loss.quadratic or there <= value + 1e-4 * t * fall or hidden:
            return t, point
    return 0.0, None

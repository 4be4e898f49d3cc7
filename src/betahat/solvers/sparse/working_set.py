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
from betahat.penalties.sparse import SeparablePenalty
from betahat.solvers.sparse.columns import ColumnStore, Taken, TakenDense
from betahat.solvers.sparse.floored import DAMPING
from betahat.solvers.sparse.quadratic import minimise_columns, minimise_gram
from betahat.solvers.sparse.rows import Rows
from betahat.solvers.trace import Trace

_FIRST = 128  # columns to begin with
_NEWTON_STEPS = 50
_GRAM_UP_TO, _SPARSE_GRAM_UP_TO = 2500, 64
_HALVINGS = 10
_ROUNDED = 1e-12  # share of J that rounding hides: steps that promise less are taken whole


@final
@dataclass
class Working:
    """Where a sparse fit in memory is: β (p,), intercept, η (n,), J, subgradients (p,) and the gap there."""

    beta: np.ndarray
    intercept: float
    eta: np.ndarray
    value: float = np.inf
    slopes: np.ndarray = field(default_factory=lambda: np.zeros(0))
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
        if len(asking) > most:
            asking = asking[np.argpartition(np.abs(pull[asking]), -most)[-most:]]
        following = np.union1d(support, asking)
        # the gap is of first order in the subgradients, and what a step lowers J by is of second
        rough = 0.1 * tolerance
        if not rows.loss.quadratic:
            rough = float(np.clip(1e-2 * excess / size, rough, 1e-3)) if size > 0 else 1e-3
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
    at = Working(beta, intercept, np.zeros(0))
    support = np.flatnonzero(beta)
    at.eta = rows.offset + intercept
    if len(support):
        at.eta = at.eta + store.take(support).times(beta[support])
    shift = rows.settle(at.eta)
    at.intercept, at.eta = intercept + shift, at.eta + shift
    return at


def _look(at: Working, rows: Rows, store: ColumnStore, moments: Moments, penalty: SeparablePenalty) -> None:
    """Derivatives and the gap, from all of X."""
    at.slopes = rows.slopes(at.eta)
    at.gradient = store.products(rows.share * at.slopes)
    at.value = rows.value(at.eta) + penalty.value(at.beta)
    at.distance = penalty.distance(at.beta, at.gradient)
    at.gap = duality_gap(
        loss=rows.loss, y=rows.y, share=rows.share, eta=at.eta, slopes=at.slopes, gradient=at.gradient, beta=at.beta,
        penalty=penalty, norms=moments.sizes, intercept=rows.intercept,
    )  # fmt: skip
    bend = rows.curvature(at.eta) / np.where(rows.share > 0, rows.share, 1.0)
    size = (np.abs(at.eta) + np.abs(rows.y)) * bend + np.abs(at.slopes)
    at.error = EPS * float(np.sqrt(rows.share @ size**2))
    held = penalty.a > 0
    worst = float((moments.sizes[held] / penalty.a[held]).max(initial=0.0))
    at.rounding = 8 * at.error * (worst * penalty.value(at.beta) + float(moments.sizes @ np.abs(at.beta)))


def _excess(at: Working, moments: Moments, rows: Rows) -> float:
    """The gap; where it is not known what single coordinates promise."""
    if at.gap is not None and at.gap.gap is not None:
        return at.gap.gap
    bend = rows.loss.largest_curvature or float(rows.curvature(at.eta).sum())
    usable = moments.norms > 0
    return float((at.distance[usable] ** 2 / (2 * bend * moments.norms[usable] ** 2)).sum())


def _descend(at: Working, rows: Rows, taken: Taken, penalty: SeparablePenalty, tolerance: float) -> None:
    """Minimise over the columns taken by proximal Newton steps, until they lower J by less than tolerance² J; η is
    summed anew at the end."""
    columns, before = taken.columns, np.inf
    beta, damping = at.beta[columns], 0
    value = rows.value(at.eta) + penalty.value(beta)
    for _ in range(1 if rows.loss.quadratic else _NEWTON_STEPS):
        h, size = rows.curvature(at.eta), rows.above(value)
        least = DAMPING[damping] * (rows.loss.largest_curvature or float(h.max() / rows.share.max()))
        h = np.maximum(h, least * rows.share)
        q = rows.share * rows.slopes(at.eta)
        found = _step(rows, taken, h, q, beta, penalty, size, 1e-3 * tolerance**2)
        t, moved = 0.0, 0.0
        if found is not None:
            delta, shift, fall = found
            move = taken.times(delta) + shift
            moved = float(h @ move**2)
            t = _length(rows, penalty, at.eta, move, beta, delta, (value, fall, moved, size))
            beta = beta + t * delta
            at.eta, at.intercept = at.eta + t * move, at.intercept + t * shift
            value = rows.value(at.eta) + penalty.value(beta)
        # columns were asked for, and yet nothing moves: F is flat where J falls
        idle = before == np.inf and moved <= (1e-3 * tolerance) ** 2 * size
        if t == 0.0 or idle:
            damping += 1
            if damping == len(DAMPING):
                break
            continue
        if moved <= tolerance**2 * size or (moved <= _ROUNDED * size and moved > 0.25 * before):
            break
        before = moved
    at.beta[columns] = beta
    at.eta = rows.offset + at.intercept + taken.times(beta)
    shift = rows.settle(at.eta)
    at.intercept, at.eta = at.intercept + shift, at.eta + shift


def _length(
    rows: Rows, penalty: SeparablePenalty, eta: np.ndarray, move: np.ndarray, beta: np.ndarray, delta: np.ndarray,
    numbers: tuple[float, float, float, float],
) -> float:  # fmt: skip
    """How much of a step to take: the most of 1, ½, ¼, … that lowers J by its share; 0 where none does.

    numbers : J, the fall that the whole step promises, its square by ∂²F, and J above its floor.
    """
    value, fall, moved, size = numbers
    if rows.loss.quadratic:
        return 1.0
    for halvings in range(_HALVINGS):
        t = 0.5**halvings
        there = rows.value(eta + t * move) + penalty.value(beta + t * delta)
        hidden = halvings == 0 and moved <= _ROUNDED * size and there <= value + _ROUNDED * size
        if there <= value + 1e-4 * t * fall or hidden:
            return t
    return 0.0


def _step(
    rows: Rows, taken: Taken, h: np.ndarray, q: np.ndarray, beta: np.ndarray, penalty: SeparablePenalty, size: float,
    tolerance: float,
) -> tuple[np.ndarray, float, float] | None:  # fmt: skip
    """δ (w,) and the intercept's shift to the minimum of the quadratic model, and the fall of J that it promises."""
    weight, level, mean = float(h.sum()), 0.0, np.zeros(len(beta))
    if not weight > 0:
        return None
    g = taken.products(q)
    if rows.intercept:
        level = -float(q.sum()) / weight
        mean = taken.products(h) / weight
        g = g + level * (mean * weight)
        q = q + h * level
    if len(beta) <= (_GRAM_UP_TO if isinstance(taken, TakenDense) else _SPARSE_GRAM_UP_TO):
        H = taken.gram(h, mean)
        z = minimise_gram(H, g, beta, penalty, size, tolerance)
    else:
        z = minimise_columns(taken, h, q, mean, beta, penalty, size, tolerance)
    delta = z - beta
    if not np.isfinite(delta).all():
        return None
    fall = float(g @ delta) + penalty.value(z) - penalty.value(beta) - 0.5 * level**2 * weight
    return delta, level - float(mean @ delta), fall

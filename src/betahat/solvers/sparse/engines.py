"""The three ways to a sparse fit: by sums of squares, by sums at each step, by columns in memory; each certifies."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import numpy as np

from betahat.certificate import EPS, certify_sparse
from betahat.data.source import Source
from betahat.losses.base import Loss
from betahat.losses.family import Family
from betahat.objective.smooth import SmoothSums
from betahat.penalties.sparse import SeparablePenalty, SparsePenalty
from betahat.solvers.likelihood.edge import perhaps_at_edge
from betahat.solvers.sparse import curved, gram
from betahat.solvers.sparse.columns import ColumnStore
from betahat.solvers.sparse.fit import SparseFit
from betahat.solvers.sparse.rows import Rows
from betahat.solvers.sparse.working_set import Moments, Working, work
from betahat.solvers.trace import Trace

Start = tuple[np.ndarray, float]
_HESSIAN_UP_TO = 3000  # coefficients that are not zero up to which ∂²J is inverted for error bounds


@final
@dataclass(frozen=True)
class Goal:
    """What to minimise and how far: the penalty as given and by coefficient, tolerance of the gap, most iterations."""

    given: SparsePenalty
    penalty: SeparablePenalty
    tolerance: float
    most: int


class Engine(ABC):
    """Minimises J for every target of a source, again and again for other penalties."""

    source: Source
    loss: Loss
    intercept: bool
    name: str
    why: str

    @abstractmethod
    def slopes_of_nothing(self) -> np.ndarray:
        """∂F/∂β (t, p) where β = 0 and the intercept is at its minimum."""

    @abstractmethod
    def solve(self, goal: Goal, start: list[Start | None]) -> list[SparseFit]:
        """The fits of all targets."""

    def quick(self, goal: Goal, start: list[Start | None]) -> list[tuple[np.ndarray, float, float, float]]:
        """β, intercept, J and gap of every target, for whole paths: without a reading of its own where that can be."""
        return [
            (fit.coef, fit.intercept, fit.loss, np.nan if fit.gap is None else fit.gap)
            for fit in self.solve(goal, start)
        ]

    def _certified(
        self, goal: Goal, *, beta: np.ndarray, intercept: float, value: float, gap: float | None, rounding: float,
        distance: np.ndarray, noise: np.ndarray, bend: np.ndarray, zeros: np.ndarray, hessian: np.ndarray | None,
        level: tuple[float, float, np.ndarray] | None, rounds: int, trace: Trace, stop_reason: str, size: float,
    ) -> SparseFit:  # fmt: skip
        """level : ∂J/∂β₀, ∂²J/∂β₀² and the columns' means by the weights s L''; size : J above its floor."""
        penalty = goal.penalty
        support = beta != 0
        ridge = float(penalty.b.min(initial=np.inf)) if len(penalty.b) else 0.0
        if hessian is not None:
            hessian = hessian + np.diag(penalty.b[support])
        certificate = certify_sparse(
            loss=value, gap=gap, allowed=goal.tolerance * size, rounding=rounding, size=size,
            distance=distance if level is None else np.append(level[0], distance),
            noise=noise + 4 * EPS * penalty.a,
            bend=bend + penalty.b if level is None else np.append(level[1], bend + penalty.b), support=support,
            zeros=zeros & ~support, hessian=hessian, ridge=ridge, quadratic=self.loss.quadratic,
            level=None if level is None else (1 / np.sqrt(max(level[1], np.finfo(float).tiny)), level[2]),
            names=self.source.names, readings=self.source.readings,
            unfinished=_unfinished(stop_reason, rounds, gap, size, self.loss),
        )  # fmt: skip
        reason = "converged" if certificate.converged else stop_reason
        return SparseFit(
            beta,
            intercept,
            gap,
            value,
            zeros,
            rounds,
            trace,
            reason,
            certificate,
            goal.given,
            self.name,
            self.why,
        )


def _unfinished(stop_reason: str, rounds: int, gap: float | None, size: float, loss: Loss) -> str:
    share = np.inf if gap is None or not size else gap / size
    left = "" if gap is None else f"; J may be {gap:.2g} above its minimum ({share:.1g} of it)"
    if stop_reason == "budget spent":
        return f"{rounds} iterations (max_iter) did not suffice{left}"
    if stop_reason == "diverged":
        return "J is not finite: a number in X, y or the coefficients leaves double precision"
    if isinstance(loss, Family) and loss.has_edge:
        where = perhaps_at_edge(loss)
        remedy = "Choose a link without an edge, or l1_ratio=0"
        return f"no further progress after {rounds} iterations, {where}{left}. {remedy}"
    return f"no further progress in double precision after {rounds} iterations{left}"


@final
class BySquares(Engine):
    """Squared error: the Gram matrix once, then no reading but to certify."""

    name = "coordinate descent (Gram)"

    def __init__(self, source: Source, loss: Loss, intercept: bool, why: str) -> None:
        self.source, self.loss, self.intercept, self.why = source, loss, intercept, why
        self.quadratic = gram.Quadratic.of(source, intercept)

    def slopes_of_nothing(self) -> np.ndarray:
        q = self.quadratic
        return np.stack([q.raw(-q.right[:, k]) for k in range(q.right.shape[1])])

    def quick(self, goal: Goal, start: list[Start | None]) -> list[tuple[np.ndarray, float, float, float]]:
        q, p, found = self.quadratic, len(self.quadratic.unit), []
        for k, given in enumerate(start):
            beta = q.minimise(k, goal.penalty, np.zeros(p) if given is None else given[0])
            level = float(q.mean[p + k] - beta @ q.mean[:p]) if self.intercept else 0.0
            found.append((beta, level, *q.gap(k, beta, goal.penalty)))
        return found

    def solve(self, goal: Goal, start: list[Start | None]) -> list[SparseFit]:
        q = self.quadratic
        traces = [Trace() for _ in start]
        found = gram.solve_gram(q, goal.penalty, start, goal.tolerance, goal.most, traces)
        p = len(q.unit)
        fits = []
        for at, trace in zip(found, traces, strict=True):
            support = np.flatnonzero(at.beta)
            hessian = None
            if len(support) <= _HESSIAN_UP_TO:
                hessian = q.H[np.ix_(support, support)] * np.outer(q.unit[support], q.unit[support])
            fits.append(self._certified(
                goal, beta=at.beta, intercept=at.intercept, value=at.value, gap=at.gap.gap, rounding=at.rounding,
                distance=at.distance, noise=np.zeros(p), bend=q.squares[:p],
                zeros=at.gap.certain_zeros(q.norms) | (q.norms == 0),
                hessian=hessian, level=(at.level, 1.0, q.mean[:p]) if self.intercept else None, rounds=at.rounds,
                trace=trace, stop_reason=at.stop_reason, size=at.value,
            ))  # fmt: skip
        return fits


@final
class BySteps(Engine):
    """Any loss: all second derivatives from one reading a step."""

    name = "proximal Newton"

    def __init__(self, source: Source, loss: Loss, intercept: bool, why: str) -> None:
        self.source, self.loss, self.intercept, self.why = source, loss, intercept, why
        self.at, self.usable, self.sizes = curved.coordinates(source, intercept)

    def slopes_of_nothing(self) -> np.ndarray:
        p = len(self.source.names)
        infinite = SeparablePenalty(np.full(p, 1e300), np.zeros(p))
        beta, intercept, _, _ = self._steps(infinite, (np.zeros(p), 0.0), 1e-15, 100, Trace())
        sums, _, _ = curved.look(
            self.source, self.loss, infinite, beta, intercept, self.intercept, self.sizes
        )
        return np.where(self.usable, sums.gradient / sums.weight, 0.0)[None, :]

    def _steps(
        self, penalty: SeparablePenalty, start: Start, tolerance: float, most: int, trace: Trace
    ) -> tuple[np.ndarray, float, int, SmoothSums]:
        return curved.newton_steps(
            self.source, self.loss, penalty, self.at, self.usable, start, tolerance, most, trace
        )

    def solve(self, goal: Goal, start: list[Start | None]) -> list[SparseFit]:
        p, trace, penalty = len(self.source.names), Trace(), goal.penalty
        beta, intercept = start[0] or (np.zeros(p), 0.0)
        beta, intercept, steps, sums = self._steps(
            penalty, (beta, intercept), goal.tolerance, goal.most, trace
        )
        dual, gap, rounding = curved.look(
            self.source, self.loss, penalty, beta, intercept, self.intercept, self.sizes
        )
        W, first = dual.weight, int(self.intercept)
        support = np.flatnonzero(beta)
        hessian = None
        if len(support) <= _HESSIAN_UP_TO:
            scale = self.at.scale[support]
            centred = sums.hessian[first:, first:]
            if first and sums.hessian[0, 0] > 0:
                centred = centred - np.outer(sums.hessian[0, 1:], sums.hessian[0, 1:]) / sums.hessian[0, 0]
            hessian = centred[np.ix_(support, support)] * np.outer(scale, scale) / W
        level = None
        if first:
            mean = dual.bend_mean / dual.bend_weight if dual.bend_weight > 0 else self.at.mean
            level = ((dual.high - dual.low) / W, dual.bend_weight / W, mean)
        norms = self.at.scale * self.usable
        value = dual.value / W + penalty.value(beta)
        size = abs(value) if dual.above is None else dual.above / W + penalty.value(beta)
        return [self._certified(
            goal, beta=beta, intercept=intercept, value=value, gap=gap.gap, size=size,
            rounding=rounding, distance=np.where(self.usable, penalty.distance(beta, dual.gradient / W), 0.0),
            noise=4 * EPS * self.sizes * np.sqrt(dual.reach / W), bend=dual.bend / W,
            zeros=gap.certain_zeros(norms) | ~self.usable, hessian=hessian, level=level,
            rounds=steps, trace=trace, stop_reason="budget spent" if steps >= goal.most else "no progress",
        )]  # fmt: skip


@final
class ByColumns(Engine):
    """Any loss, X in memory: working sets of columns."""

    name = "working sets"

    def __init__(
        self, source: Source, loss: Loss, intercept: bool, why: str, store: ColumnStore, rows: list[Rows]
    ) -> None:
        self.source, self.loss, self.intercept, self.why = source, loss, intercept, why
        self._store, self._rows = store, rows
        self._moments = Moments.of(store, rows[0])
        self._residual_ss: list[float] = []

    @property
    def sizes(self) -> np.ndarray:
        """√Σ s x² (p,)."""
        return self._moments.sizes

    def slopes_of_nothing(self) -> np.ndarray:
        found = []
        for rows in self._rows:
            _, point = rows.settle(rows.offset)
            self.source.readings += 1
            slopes = self._store.products(point.first)
            found.append(np.where(self._moments.norms > 0, slopes, 0.0))
        return np.stack(found)

    def solve(self, goal: Goal, start: list[Start | None]) -> list[SparseFit]:
        fits, self._residual_ss = [], []
        for rows, given in zip(self._rows, start, strict=True):
            trace = Trace()
            at = work(rows, self._store, self._moments, goal.penalty, given, goal.tolerance, goal.most, trace)
            self.source.readings += at.rounds
            residual = rows.y - at.eta
            self._residual_ss.append(rows.weight * float(rows.share @ (residual * residual)))
            fits.append(self._fit(goal, rows, at, trace))
        return fits

    def squares(self) -> tuple[np.ndarray, np.ndarray]:
        """Σ w (y − f)² and Σ w (y − ȳ)² (about 0 without an intercept) of every target (t,), at the last fits."""
        total = []
        for rows in self._rows:
            deviation = rows.y - float(rows.share @ rows.y) if self.intercept else rows.y
            total.append(rows.weight * float(rows.share @ (deviation * deviation)))
        return np.array(self._residual_ss), np.array(total)

    def _fit(self, goal: Goal, rows: Rows, at: Working, trace: Trace) -> SparseFit:
        h, weight, support = at.point.second, at.point.bend, np.flatnonzero(at.beta)
        bend = weight * self._moments.sizes**2
        mean, hessian = self._moments.mean.copy(), None
        if len(support) <= _HESSIAN_UP_TO:
            taken = self._store.take(support)
            if self.intercept and weight > 0:
                mean[support] = taken.products(h) / weight
            middle = mean[support] * self.intercept
            hessian = taken.gram(h, middle)
            bend[support] = hessian.diagonal() + weight * middle**2
        level = (at.point.slope, weight, mean) if self.intercept else None
        gap = None if at.gap is None else at.gap.gap
        return self._certified(
            goal, beta=at.beta, intercept=at.intercept, value=at.value, gap=gap, rounding=at.rounding,
            distance=np.where(self._moments.norms > 0, at.distance, 0.0),
            noise=4 * at.error * self._moments.sizes, bend=bend, zeros=at.zeros, hessian=hessian,
            level=level, rounds=at.rounds, trace=trace, stop_reason=at.stop_reason,
            size=rows.above(at.value),
        )  # fmt: skip

"""A chain run over the mini-batches of a source, epoch by epoch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from betahat.data.batches import batches
from betahat.data.passes import combined_weight
from betahat.data.source import Block, Source
from betahat.errors import DataError
from betahat.solvers.checks import check_count, check_not_negative
from betahat.solvers.descent.base import Callback, flatness
from betahat.solvers.stochastic.chain import Chain, ChainSolver, ChainState
from betahat.solvers.trace import Trace

MeanGradient = Callable[[np.ndarray, Block], tuple[float, np.ndarray]]
"""The weighted mean loss over a block's rows at x (n,), with any penalty, and its derivative (n,). The array may be one
that the next call writes to again."""

_RISES = 5  # epochs in a row, after which variance-reduced steps that have led uphill do not recover


@final
@dataclass(frozen=True)
class Epochs:
    """How a chain passes over the rows, and when it stops.

    epochs : passes at most; batch_size : rows a step
    seed, first_epoch, shuffle : the order of rows depends on these alone (:func:`betahat.data.batches.batches`)
    tol, n_iter_no_change : stop ("early stopping") once the loss was not lower by `tol` than the lowest before for so
        many epochs in a row; None never stops so
    variance_reduction : take the gradient of a batch as g_B(x) − g_B(x̃) + ∂J/∂x̃, x̃ the point where the epoch began
        (SVRG; Johnson & Zhang 2013): one more reading an epoch and two gradients a step, but its noise vanishes at the
        minimum, to which a constant learning rate then leads
    gradient_tol : with it, stop ("converged") where the whole gradient has max |gⱼ| max(|xⱼ|, 1)/max(|J|, 1) ≤ this
    """

    epochs: int = 100
    batch_size: int = 32
    seed: int = 0
    first_epoch: int = 0
    shuffle: bool = True
    tol: float = 1e-4
    n_iter_no_change: int | None = 5
    variance_reduction: bool = False
    gradient_tol: float = 1e-10

    def __post_init__(self) -> None:
        check_count("epochs", self.epochs)
        check_count("batch_size", self.batch_size)
        check_count("first_epoch", self.first_epoch, 0)
        check_not_negative("tol", self.tol)
        check_not_negative("gradient_tol", self.gradient_tol)
        if self.n_iter_no_change is not None:
            check_count("n_iter_no_change", self.n_iter_no_change)


@final
@dataclass
class Trained:
    """Where a chain ended.

    x : (n,) the answer
    loss : at x with variance reduction, else the mean over an epoch's batches, as they came by
    gradient : ∂J/∂x of all rows at x with variance reduction, else None
    epochs, steps : taken
    stop_reason : one of `betahat.solvers.trace.STOP_REASONS`; remark : more in words, or nothing
    state : of the chain, to go on from
    """

    x: np.ndarray
    loss: float
    gradient: np.ndarray | None
    epochs: int
    steps: int
    stop_reason: str
    remark: str
    state: ChainState


def train(
    gradient: MeanGradient,
    start: np.ndarray | ChainState,
    source: Source,
    solver: Chain | ChainSolver,
    settings: Epochs,
    *,
    trace: Trace | None = None,
    callback: Callback | None = None,
    score: Callable[[np.ndarray], float] | None = None,
) -> Trained:
    """Minimise J(x) = (1/Σw) Σᵢ wᵢ Lᵢ(x) by steps along gradients of mini-batches.

    gradient : of the weighted mean loss over a block; start : x, or the state where an earlier run ended
    score : of x after an epoch, the lower the better, judged in the place of the epoch's mean loss
    callback : called with x and the loss after each epoch; ends the run by returning something true
    trace : gets a row an epoch

    A batch's gradient counts by its share of all weight, so that the steps' mean is the gradient of J however weights
    fall into batches. Learning rates are scheduled by steps, not epochs.

    Ends where it stands when the budget is spent; at the best point so far (by the score, or the epoch's mean loss)
    when it stops early, loses its way (a loss that is not finite: "diverged"), or Ctrl-C ends it ("interrupted"). With
    a score or variance reduction, always at the best point.

    Raises DataError where the source has no rows or they weigh nothing, ValueError for an average beside variance
    reduction.

    >>> import numpy as np
    >>> from betahat.data import ArraySource
    >>> from betahat.solvers.stochastic.named import SGD
    >>> X = np.random.default_rng(0).standard_normal((500, 2))
    >>> source = ArraySource(X, X @ [1.0, -2.0] + 3.0)
    >>> def gradient(x, block):
    ...     r = block.X @ x[1:] + x[0] - block.y[:, 0]
    ...     return np.mean(r**2) / 2, np.append(np.mean(r), block.X.T @ r / len(r))
    >>> settings = Epochs(batch_size=10, variance_reduction=True)
    >>> found = train(gradient, np.zeros(3), source, SGD(0.05), settings)
    >>> found.x.round(8), found.stop_reason
    (array([ 3.,  1., -2.]), 'converged')
    """
    chain = solver if isinstance(solver, Chain) else solver.chain
    state = chain.resume(start) if isinstance(start, ChainState) else chain.start(start)
    if settings.variance_reduction and state.average is not None:
        raise ValueError(
            f"average (={chain.average!r}) must be None with variance_reduction: its iterates converge by themselves"
        )
    run = _Run(gradient, source, chain, state, settings, Trace() if trace is None else trace, callback, score)
    reason = "budget spent"
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        try:
            reason = run.reduced() if settings.variance_reduction else run.plain()
            if reason == "diverged" and not settings.variance_reduction:
                run.judge_start()
        except KeyboardInterrupt:
            reason = "interrupted"
    return run.result(reason)


@final
class _Run:
    """One call of `train`."""

    def __init__(
        self, gradient: MeanGradient, source: Source, chain: Chain, state: ChainState, settings: Epochs,
        trace: Trace, callback: Callback | None, score: Callable[[np.ndarray], float] | None,
    ) -> None:  # fmt: skip
        self._gradient, self._source, self._chain, self._state = gradient, source, chain, state
        self._settings, self._trace, self._callback, self._score = settings, trace, callback, score
        self._mean_weight: float | None = None
        self._u, self._other = np.zeros_like(state.x), np.zeros_like(state.x)
        self._start, self._whole = state.point.copy(), np.zeros_like(state.x)
        self._best = self._start.copy()
        self._best_value, self._best_whole = np.inf, self._whole.copy()
        self._last = self._best_loss = np.nan
        self._first_step, self._epochs, self._since = state.step, 0, 0
        self._keep_last = False

    # --- plain steps ---

    def plain(self) -> str:
        """Epochs of steps along the batches' own gradients; why they ended."""
        settings, state = self._settings, self._state
        before, mean = np.empty_like(state.x), self._whole
        for epoch in range(settings.epochs):
            np.copyto(before, state.point)
            mean.fill(0)
            total = mass = 0.0
            for block in self._batches(epoch):
                weight, share = self._weigh(block)
                if weight == 0:
                    continue
                loss, slope = self._gradient(state.x, block)
                if not np.isfinite(loss):
                    return "diverged"
                np.multiply(slope, share, out=self._u)
                self._chain.step(state, self._u)
                total, mass = total + weight * loss, mass + weight
                np.multiply(slope, weight, out=self._other)
                mean += self._other
            if mass == 0:
                raise DataError("no row has a weight above 0; nothing to fit")
            if not np.isfinite(state.x).all():
                return "diverged"
            mean /= mass
            self._last, self._epochs = total / mass, epoch + 1
            self._trace.add(self._last, float(np.abs(mean).max(initial=0)), _change(before, state.point))
            value = self._last if self._score is None else float(self._score(state.point))
            if self._is_over(value):
                return "early stopping"
            if self._callback is not None and self._callback(state.point, self._last):
                return "interrupted"
        self._keep_last = self._score is None
        return "budget spent"

    def _is_over(self, value: float) -> bool:
        """Whether the loss has not fallen for long enough; keeps the best point."""
        patience = self._settings.n_iter_no_change
        self._since = 0 if value < self._best_value - self._settings.tol else self._since + 1
        if value < self._best_value:
            self._best_value, self._best_loss = value, self._last
            np.copyto(self._best, self._state.point)
        return patience is not None and self._since >= patience

    def judge_start(self) -> None:
        """Put the start in the place of the best point if it is better; epochs' losses say nothing of it."""
        value = self._score or self._whole_gradient
        lowest = value(self._best)
        first = value(self._start)
        if not lowest <= first:
            self._best_value = self._best_loss = first
            np.copyto(self._best, self._start)

    # --- variance reduction ---

    def reduced(self) -> str:
        """Epochs of steps whose noise vanishes at the minimum; why they ended."""
        settings, state, best = self._settings, self._state, np.inf
        anchor, first, before, rises = state.x.copy(), np.nan, np.nan, 0
        for epoch in range(settings.epochs + 1):
            moved = _change(anchor, state.x)
            np.copyto(anchor, state.x)
            value = self._whole_gradient(anchor)
            if not (np.isfinite(value) and np.isfinite(self._whole).all()):
                return "diverged"
            self._epochs = epoch
            self._trace.add(value, float(np.abs(self._whole).max(initial=0)), moved)
            flat = flatness(anchor, value, self._whole)
            self._keep_reduced(value)
            if epoch and self._callback is not None and self._callback(anchor, value):
                return "interrupted"
            if flat <= settings.gradient_tol:
                return "converged"
            first, rises = (value, 0) if epoch == 0 else (first, rises + 1 if value > before else 0)
            before = value
            if rises >= _RISES and value > first:
                return "diverged"
            self._since = 0 if flat < best else self._since + 1
            best = min(best, flat)
            if settings.n_iter_no_change is not None and self._since >= settings.n_iter_no_change:
                return "no progress"
            if epoch < settings.epochs and not self._reduced_steps(epoch, anchor):
                return "diverged"
        return "budget spent"

    def _reduced_steps(self, epoch: int, anchor: np.ndarray) -> bool:
        """One epoch; whether all went well."""
        state, u, other = self._state, self._u, self._other
        for block in self._batches(epoch):
            weight, share = self._weigh(block)
            np.copyto(u, self._whole)
            if weight > 0:
                loss, slope = self._gradient(state.x, block)
                if not np.isfinite(loss):
                    return False
                np.multiply(slope, share, out=other)
                u += other
                np.multiply(self._gradient(anchor, block)[1], share, out=other)
                u -= other
            self._chain.step(state, u)
        return True

    def _whole_gradient(self, x: np.ndarray) -> float:
        """J at x; its derivative is left in `_whole`."""
        total = mass = 0.0
        rows = 0
        self._whole.fill(0)
        for block in self._source.blocks():
            w = combined_weight(block)
            weight = float(block.X.shape[0] if w is None else w.sum())
            rows += block.X.shape[0]
            if weight > 0:
                loss, slope = self._gradient(x, block)
                total, mass = total + weight * loss, mass + weight
                np.multiply(slope, weight, out=self._other)
                self._whole += self._other
        if mass == 0:
            raise DataError("no row has a weight above 0; nothing to fit")
        self._mean_weight = mass / rows
        self._whole /= mass
        return total / mass

    def _keep_reduced(self, value: float) -> None:
        """Keep the best point: the lowest J, and where rounding hides which is, the flattest."""
        tie = abs(value - self._best_value) <= 1e-14 * abs(self._best_value) if self._epochs else False
        flatter = np.abs(self._whole).max(initial=0) < np.abs(self._best_whole).max(initial=0)
        if (flatter if tie else value < self._best_value) or not self._epochs:
            self._best_value = self._best_loss = value
            np.copyto(self._best, self._state.x)
            np.copyto(self._best_whole, self._whole)

    # --- both ---

    def _batches(self, epoch: int) -> Any:
        s = self._settings
        return batches(self._source, s.batch_size, s.seed, s.first_epoch + epoch, shuffle=s.shuffle)

    def _weigh(self, block: Block) -> tuple[float, float]:
        """What a batch weighs, and that as a share of what its rows weigh on average."""
        w, rows = combined_weight(block), block.X.shape[0]
        if w is None:
            return float(rows), 1.0
        if self._mean_weight is None:
            sums = [
                (float(weights.sum()), len(weights))
                for weights in map(combined_weight, self._source.blocks())
            ]
            self._mean_weight = sum(total for total, _ in sums) / sum(count for _, count in sums)
        weight = float(w.sum())
        return weight, weight / (rows * self._mean_weight) if weight else 0.0

    def result(self, reason: str) -> Trained:
        """What the run leaves."""
        state, reduced = self._state, self._settings.variance_reduction
        unfinished = reason == "interrupted" and not self._epochs and not reduced
        here = self._keep_last or (unfinished and bool(np.isfinite(state.point).all()))
        remark = ""
        if reason == "diverged":
            remark = "the loss rose or grew beyond what numbers can hold: the learning rate is too large"
        return Trained(
            (state.point if here else self._best).copy(), self._last if here else self._best_loss,
            self._best_whole if reduced else None,
            self._epochs, state.step - self._first_step, reason, remark, state,
        )  # fmt: skip


def _change(before: np.ndarray, after: np.ndarray) -> float:
    """The largest change of a coefficient."""
    return float(np.abs(after - before).max(initial=0))

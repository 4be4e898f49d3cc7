"""The loop over epochs: spans of mini-batches through an engine, until something ends it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from betahat.data.batches import random_numbers
from betahat.engines import Engine, Rows, Task, TrainingState
from betahat.estimators.network.feed import Feed
from betahat.estimators.network.history import Epoch, History, Snapshot
from betahat.estimators.network.progress import Bar
from betahat.solvers.trace import Trace

if TYPE_CHECKING:
    from betahat.estimators.network.checkpoints import Checkpoints

_SPAN = 0.2  # seconds that compiled code may run before Ctrl-C and the progress bar have their turn
_LONGEST = 1000  # mini-batches whose time is not known yet


@final
@dataclass(frozen=True)
class Plan:
    """How rows are passed over, and when it ends.

    which : (n,) the rows trained with, None where they come from a source; epochs : at most; batch_size; seed,
    shuffle : the order of an epoch depends on these and the epoch's number alone; tol, patience : scikit-learn's rule;
    early : whether the score of rows set aside is judged, and its best parameters kept.
    """

    which: np.ndarray | None
    epochs: int
    batch_size: int
    seed: int
    shuffle: bool
    tol: float
    patience: float
    early: bool
    whole_batches: bool

    def order(self, epoch: int) -> np.ndarray:
        """The rows of an epoch, in order."""
        assert self.which is not None
        if not self.shuffle:
            return self.which
        order = self.which[random_numbers(self.seed, epoch).permutation(len(self.which))]
        if leaves_one(len(order), self.batch_size, self.whole_batches):
            return order[:-1]  # one row has no variance for a normalisation to go by
        return order


@final
class Training:
    """One training, from where the state is to where it ends.

    engine, state, feed : what is trained; plan, history, trace, bar : how, and what is told
    score : of rows set aside, with the parameters as they are; tell : what callbacks say to an epoch; slower : another
    engine with a smaller learning rate, or None where it is small enough; kept : checkpoints, whose newest it begins at
    """

    def __init__(
        self,
        engine: Engine,
        state: TrainingState,
        feed: Feed,
        plan: Plan,
        history: History,
        trace: Trace,
        bar: Bar,
        score: Callable[[], float] | None,
        tell: Callable[[Epoch], bool],
        slower: Callable[[], Engine | None],
        model: object,
        kept: Checkpoints | None = None,
    ) -> None:
        self._engine, self._state, self._feed, self._plan = engine, state, feed, plan
        self._history, self._trace, self._bar = history, trace, bar
        self._score, self._tell, self._slower, self._model = score, tell, slower, model
        self._span, self._start = _first_span(engine, plan.batch_size), time.perf_counter()
        self._names = tuple(slot.name for slot in engine.task.network.layout)
        self._starts = np.array([slot.offset for slot in engine.task.network.layout], np.intp)
        self._held = self._penalty()
        self._last, self._best = Snapshot(), Snapshot()
        self._partial: list[tuple[np.ndarray, int]] = []
        self._kept, self._whole = kept, True
        self.epochs = 0 if kept is None else kept.epochs

    def run(self) -> str:
        """Why it ended; the state is where it ended, or where the score was best, or still finite."""
        self._last.take(self._state)
        if self._kept is not None and self._kept.epochs:
            if self._kept.best is not None:
                self._best.take(self._kept.best)
        elif self._plan.early and self._history.scores:
            self._best.take(self._state)  # of the fit before, whose best is still to be beaten
        with np.errstate(all="ignore"), self._bar:
            try:
                reason = (self._kept.ended if self._kept is not None else None) or self._run()
            except KeyboardInterrupt:
                reason = "interrupted"
            finally:
                self._feed.close()
        if reason in ("interrupted", "budget spent") and self._whole and self.epochs:
            self._save(None)
        if reason == "interrupted":
            self._keep_partial()
        if self._plan.early and self._best.taken is not None:
            self._best.restore(self._state)
        elif reason == "diverged" or not np.isfinite(self._state.chain.x).all():
            self._last.restore(self._state)
        return reason

    def _run(self) -> str:
        plan, history = self._plan, self._history
        for number in range(self.epochs + 1, plan.epochs + 1):
            loss, rows = self._epoch(plan.epochs - number)
            if not (np.isfinite(loss) and np.isfinite(self._state.chain.point).all()):
                self._save("diverged")
                return "diverged"
            score = None if self._score is None else self._score()
            self._whole, self.epochs = False, number
            self._learn(loss, rows)
            if score is None:
                history.learn_loss(loss, plan.tol)
            elif history.learn_score(score, plan.tol):
                self._best.take(self._state)
            ended = self._settled()
            self._whole = True
            if ended or (self._kept is not None and self._kept.is_due(number)):
                self._save(ended)
            self._bar.epoch(number, loss, score)
            if self._tell(Epoch(number, loss, score, time.perf_counter() - self._start, self._model)):
                return "interrupted"
            if ended:
                return ended
        return "budget spent"

    def _settled(self) -> str | None:
        """Why it is over, if nothing has become better for long; or a slower engine."""
        if self._history.since <= self._plan.patience:
            return None
        slower = self._slower()
        if slower is None:
            return "early stopping" if self._plan.early else "converged"
        self._engine, self._history.since = slower, 0
        return None

    def _save(self, ended: str | None) -> None:
        """A checkpoint of where the last whole epoch ended."""
        if self._kept is not None and self._last.taken is not None:
            best = self._best.taken
            self._kept.save(self.epochs, self._last.taken, self._history, self._trace, best, ended)

    def _epoch(self, follow: int) -> tuple[float, int]:
        """One pass over the rows: J's mean over its batches, each before its step, and how many rows."""
        plan, size = self._plan, self._plan.batch_size
        before, count, self._partial = self._held, 0, []
        with closing(self._feed.epoch(self._history.epochs, plan, follow)) as parts:
            for rows, order in parts:
                self._part(rows, order, count)
                count += len(order)
        steps = -(-count // size)
        # the penalty before each step, which moves so little in an epoch that a line between its ends will do
        self._held = self._penalty()
        mean = before + (self._held - before) * (steps - 1) / (2 * steps)
        return (self._sum() + steps * mean) / count, count

    def _part(self, rows: Rows, order: np.ndarray, before: int) -> None:
        """Rows of an epoch, so many mini-batches at a time as are computed before anybody wants to be told."""
        size, start = self._plan.batch_size, 0
        while start < len(order):
            part = order[start : start + self._span * size]
            clock = time.perf_counter()
            losses = self._engine.train(self._state, rows, part, size)
            seconds = time.perf_counter() - clock
            sizes = np.full(len(losses), size)
            sizes[-1] = len(part) - size * (len(losses) - 1)
            start += len(part)
            self._partial.append((losses * sizes, before + start))
            self._bar.advance(len(part), seconds)
            self._span = max(1, min(2 * self._span, int(_SPAN / max(seconds, 1e-9) * len(losses))))

    def _sum(self) -> float:
        """Of L over the rows of this epoch so far, the same however it was cut into spans."""
        return float(np.concatenate([sums for sums, _ in self._partial]).sum())

    def _penalty(self) -> float:
        return penalty(self._engine.task, self._state.chain.x)

    def _learn(self, loss: float, rows: int) -> None:
        history, last = self._history, self._last.taken
        assert last is not None
        moved = float(np.abs(self._state.chain.x - last.chain.x).max(initial=0))
        both = np.empty((2, self._state.chain.x.size))
        both[0], both[1] = self._state.chain.x, self._engine.gradient()
        self._trace.add(loss, float(np.abs(both[1]).max(initial=0)), moved)
        if self._names:  # the gaps between arrays are 0
            both *= both
            self._trace.add_norms(self._names, np.sqrt(np.add.reduceat(both, self._starts, axis=1)))
        self._last.take(self._state)
        history.losses.append(loss)
        history.rows += rows
        history.epochs += 1

    def _keep_partial(self) -> None:
        """Of an epoch that was broken off, its loss, where it is the only one."""
        if self._partial and not self.epochs:
            rows = self._partial[-1][1]
            self._history.losses.append(self._sum() / rows)
            self._history.rows += rows


def _first_span(engine: Engine, batch_size: int) -> int:
    """Mini-batches that take no longer than `_SPAN` on a slow machine."""
    operations = engine.task.network.step_flops(batch_size)
    return max(1, min(_LONGEST, int(_SPAN * engine.least_speed / max(operations, 1))))


def leaves_one(rows: int, batch_size: int, whole_batches: bool) -> bool:
    """Whether the last mini-batch would be a single row, which is left out."""
    return whole_batches and rows > batch_size > 1 and rows % batch_size == 1


def penalty(task: Task, beta: np.ndarray) -> float:
    """α/2 Σ β² over the weights: what a batch adds to its rows' sum."""
    if not task.alpha:
        return 0.0
    weights = beta[task.network.penalised].astype(np.float64)
    return 0.5 * task.alpha * float(np.add.reduce(weights * weights))  # BLAS would start threads for it

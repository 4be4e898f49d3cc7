"""What is remembered of a training from epoch to epoch, beside the parameters."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, final

import numpy as np

from betahat.engines import TrainingState
from betahat.solvers.stochastic.chain import ChainState
from betahat.storage import Fields


@final
@dataclass(frozen=True)
class Epoch:
    """What a callback is told after an epoch.

    number : of the epochs of this fit, from 1; loss : J's mean over the epoch's batches, as they came by;
    validation_score : where rows are set aside, else None; seconds : since the fit began; model : the estimator as it
    is now, to predict with.
    """

    number: int
    loss: float
    validation_score: float | None
    seconds: float
    model: Any


@final
@dataclass
class History:
    """Losses and scores of all epochs, and what scikit-learn's rule of stopping counts.

    rows : gone through so far; epochs : of all fits, which says how the next is shuffled; since : epochs in a row
    without an improvement by `tol`; rate : the learning rate that an adaptive one has come to;
    batch : rows of a mini-batch.
    """

    losses: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    best_loss: float = np.inf
    best_score: float = -np.inf
    since: int = 0
    rows: int = 0
    epochs: int = 0
    rate: float | None = None
    batch: int = 1

    def learn_loss(self, loss: float, tol: float) -> None:
        """An epoch's loss, by which the training is judged."""
        self.since = self.since + 1 if loss > self.best_loss - tol else 0
        self.best_loss = min(self.best_loss, loss)

    def learn_score(self, score: float, tol: float) -> bool:
        """A score of rows set aside, by which it is judged instead; whether it is the best so far."""
        self.scores.append(score)
        self.since = self.since + 1 if not score >= self.best_score + tol else 0
        best = score > self.best_score
        self.best_score = score if best else self.best_score
        return best

    def to_dict(self) -> dict[str, Any]:
        """As plain values and arrays."""
        return {
            "losses": np.array(self.losses, np.float64),
            "scores": np.array(self.scores, np.float64),
            "best_loss": self.best_loss,
            "best_score": self.best_score,
            "since": self.since,
            "rows": self.rows,
            "epochs": self.epochs,
            "rate": self.rate,
            "batch": self.batch,
        }

    @classmethod
    def from_fields(cls, stored: Fields) -> History:
        """What `to_dict` told. Raises StorageError where it is something else."""
        return cls(
            stored.array("losses", (None,)).tolist(),
            stored.array("scores", (None,)).tolist(),
            stored.number("best_loss"),
            stored.number("best_score"),
            stored.whole("since"),
            stored.whole("rows"),
            stored.whole("epochs"),
            None if stored.values.get("rate") is None else stored.number("rate"),
            stored.whole("batch", 1),
        )


@final
class Snapshot:
    """A copy of a training's state, to go back to."""

    def __init__(self) -> None:
        self._kept: TrainingState | None = None

    @property
    def taken(self) -> TrainingState | None:
        """The copy, where there is one."""
        return self._kept

    def take(self, state: TrainingState) -> None:
        """Copy it, into the same memory as before."""
        if self._kept is None:
            self._kept = copied(state)
        else:
            _copy(state, self._kept)

    def restore(self, state: TrainingState) -> None:
        """Write it back, if one was taken."""
        if self._kept is not None:
            _copy(self._kept, state)


def copied(state: TrainingState) -> TrainingState:
    """The same numbers in arrays of their own."""
    chain = state.chain
    average = None if chain.average is None else chain.average.copy()
    return TrainingState(
        ChainState(chain.x.copy(), chain.memory.copy(), average, chain.step), state.buffers.copy()
    )


def _copy(source: TrainingState, target: TrainingState) -> None:
    np.copyto(target.chain.x, source.chain.x)
    np.copyto(target.chain.memory, source.chain.memory)
    np.copyto(target.buffers, source.buffers)
    if source.chain.average is not None and target.chain.average is not None:
        np.copyto(target.chain.average, source.chain.average)
    target.chain.step = source.chain.step

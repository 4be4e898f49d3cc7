"""Checkpoints of a training: all that it goes on from, and by what it is known that it is the same one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, final

import numpy as np

from betahat.engines import TrainingState
from betahat.errors import StorageError
from betahat.estimators.network.given import TrainingRows, digest
from betahat.estimators.network.history import History
from betahat.estimators.network.parameters import is_one_cycle
from betahat.estimators.storing_parts import read_trace
from betahat.solvers.stochastic.chain import ChainState
from betahat.solvers.trace import Trace
from betahat.storage import Fields
from betahat.storage.checkpoint import CheckpointFolder

if TYPE_CHECKING:
    from betahat.estimators.network.base import NetworkEstimator

_FREE = (
    *("max_iter", "verbose", "callbacks", "checkpoint", "checkpoint_every", "random_state", "warm_start"),
    "shuffle_buffer",
)
"""Parameters that may be others when a training goes on; the seed stands for `random_state`, and what a
source is read through for `shuffle_buffer`."""
_FINAL = ("converged", "early stopping", "diverged")
_KIND, _SHOWN = "training of a network", 5
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


@final
class Checkpoints:
    """The checkpoints of one fit in their folder. What is stored in one is what the next epoch depends on, to the bit:
    the order of an epoch depends on the seed and its number alone.

    epochs : of this fit, that the newest checkpoint has gone; ended : why it was over, where it was, whatever max_iter
    says; best : the parameters of the best score so far, or None

    Raises StorageError where the folder cannot be used or all checkpoints in it are damaged.
    """

    def __init__(self, folder: Any, every: int) -> None:
        self._folder, self._every = CheckpointFolder(folder), int(every)
        found = self._folder.newest()
        self._stored = None if found is None else Fields(found[1], "checkpoint")
        self._mark: dict[str, str] = {}
        self._saved = 0
        self.epochs = 0
        self.ended: str | None = None
        self.best: TrainingState | None = None

    def seed(self, random_state: Any) -> int | None:
        """The seed to go on with, where none is asked for."""
        if self._stored is None or random_state is not None:
            return None
        text = self._stored.inner("mark").text("random_state")
        return int(text) if text.isascii() and text.isdigit() else None

    def resume(
        self, model: NetworkEstimator, given: TrainingRows, again: bool, judged: TrainingRows | None = None
    ) -> None:
        """Put the model where the newest checkpoint was.

        again : whether the fit goes on from an earlier one, whose end is then what the training is known by; judged :
            rows of validation that were given

        Raises ValueError where the checkpoint is of another training, or of more epochs than are asked for.
        """
        self._mark, stored = mark(model, given, again, judged), self._stored
        if stored is None:
            return
        self._refuse_others(stored)
        self.epochs = self._saved = stored.whole("epochs")
        if self.epochs > model.max_iter:
            raise ValueError(
                f"max_iter (={model.max_iter!r}) is less than the {self.epochs} epochs that the checkpoints in "
                f"{str(self._folder.path)!r} have gone; ask for more, or give another folder"
            )
        ended = stored.raw("ended")
        self.ended = None if ended is None else stored.text("ended", _FINAL)
        model._state = _read_state(stored.inner("state"), model._state)
        self.best = None if stored.raw("best") is None else _read_state(stored.inner("best"), model._state)
        model._history = History.from_fields(stored.inner("history"))
        model.trace_ = read_trace(stored.inner("trace"))

    def close(self) -> None:
        """Let another training have the folder."""
        self._folder.close()

    def is_due(self, epochs: int) -> bool:
        """Whether one is to be written after so many epochs."""
        return epochs % self._every == 0

    def save(
        self,
        epochs: int,
        state: TrainingState,
        history: History,
        trace: Trace,
        best: TrainingState | None,
        ended: str | None,
    ) -> None:
        """Write one, unless the newest is just that. Raises StorageError where it cannot be written."""
        if epochs == self._saved and ended == self.ended:
            return
        self._folder.save(epochs, {
            "kind": _KIND,
            "mark": self._mark,
            "epochs": epochs,
            "ended": ended,
            "state": _state(state),
            "best": None if best is None else _state(best),
            "history": history.to_dict(),
            "trace": trace.to_dict(),
        })  # fmt: skip
        self._saved, self.ended = epochs, ended

    def _refuse_others(self, stored: Fields) -> None:
        where = str(self._folder.path)
        if stored.values.get("kind") != _KIND:
            raise StorageError(
                f"checkpoint (={where!r}) has files that are no checkpoints of a network's training"
            )
        theirs = stored.inner("mark").values
        odd = [name for name in {**theirs, **self._mark} if theirs.get(name) != self._mark.get(name)]
        if odd:
            told = [
                f"{n} was {_short(theirs.get(n))} and is {_short(self._mark.get(n))}" for n in odd[:_SHOWN]
            ]
            more = f", and {len(odd) - _SHOWN} more" if len(odd) > _SHOWN else ""
            raise ValueError(
                f"checkpoint (={where!r}) holds checkpoints of another training: {'; '.join(told)}{more}. Fit with "
                "what it was begun with to go on, or give another folder to begin anew"
            )


def mark(
    model: NetworkEstimator, given: TrainingRows, again: bool, judged: TrainingRows | None = None
) -> dict[str, str]:
    """What a training is known by: parameters, layers, precision, seed, where it begins, and its rows."""
    state = model._state
    chain = state.chain
    begins = (
        chain.x,
        chain.memory,
        chain.average,
        state.buffers,
        np.array([chain.step, model._history.epochs]),
    )
    free = [name for name in _FREE if not (name == "max_iter" and is_one_cycle(model))]  # how long a cycle is
    parameters = {name: _words(v) for name, v in model.get_params(deep=False).items() if name not in free}
    return {
        "estimator": type(model).__name__,
        **parameters,
        "random_state": str(model._seed),
        "network": _ADDRESS.sub("", repr(model._network)),
        "precision": np.dtype(model._kind).name,
        "what it begins at": f"the end of an earlier fit, {digest(begins)}"
        if again
        else "the seed's weights",
        **given.marks(),
        **(
            {} if judged is None else {f"{name} of validation": mark for name, mark in judged.marks().items()}
        ),
    }


def _words(value: Any) -> str:
    """A parameter's value, the same in every process, and for a list as for a tuple."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_words, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_words(key)}: {_words(each)}' for key, each in value.items())}}}"
    return _ADDRESS.sub("", repr(value))


def _short(words: str | None) -> str:
    text = str(words)
    return text if len(text) <= 200 else f"{text[:200]}…"


def _state(state: TrainingState) -> dict[str, Any]:
    chain = state.chain
    return {
        "x": chain.x,
        "memory": chain.memory,
        "average": chain.average,
        "step": chain.step,
        "buffers": state.buffers,
    }


def _read_state(stored: Fields, like: TrainingState) -> TrainingState:
    """What `_state` told, of a network as that of `like`."""
    x, memory, average, buffers = (stored.raw(name) for name in ("x", "memory", "average", "buffers"))
    size, kind = like.chain.x.shape, like.chain.x.dtype
    for name, value, shape in (
        ("x", x, size), ("memory", memory, (len(memory), *size)), ("buffers", buffers, like.buffers.shape),
        ("average", x if average is None else average, size),
    ):  # fmt: skip
        if not isinstance(value, np.ndarray) or value.shape != shape or value.dtype != kind:
            raise StorageError(f"`{stored.where}.{name}` is no array of {kind} with shape {shape}")
    return TrainingState(ChainState(x, np.ascontiguousarray(memory), average, stored.whole("step")), buffers)

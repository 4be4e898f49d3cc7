"""What is trained, on what rows, and what is remembered from step to step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from betahat.data.augmentation import Augmentation
from betahat.losses.base import Loss
from betahat.losses.vector import VectorLoss
from betahat.models.network import Network
from betahat.solvers.stochastic.chain import Chain, ChainState


@final
@dataclass(frozen=True)
class Task:
    """J of a mini-batch of b rows: (1/b) Σᵢ wᵢ L(yᵢ, f(xᵢ, β)) + α/(2b) Σ βⱼ² over the weights, without biases.

    network : f; loss : L of every output (a Loss, summed over outputs) or of their vector (a VectorLoss); chain : what
    makes a step of ∂J/∂β; alpha : α, with scikit-learn's meaning for networks; dtype : of β and all that is computed
    with it; seed : of dropout's random numbers, whose key in step k is derive(seed, k); augment : how images are
    changed at random in training, by numbers of the same key, or None.
    """

    network: Network
    loss: Loss | VectorLoss
    chain: Chain
    alpha: float = 0.0
    dtype: Any = np.float32
    seed: int = 0
    augment: Augmentation | None = None


@final
@dataclass(frozen=True)
class Rows:
    """Training rows where they lie: batches are gathered, converted and standardised on the way, never the whole.

    X : (n, *input_shape) array of any real dtype and strides, or scipy.sparse CSR (n, p); y : (n,) class codes of a
    VectorLoss, or (n, t) float64 for t outputs; weight : (n,) float64 of mean 1, or None; centre, scale : (p,) float64:
    what enters the network is (x − centre) · scale; None for neither.
    """

    X: Any
    y: np.ndarray
    weight: np.ndarray | None = None
    centre: np.ndarray | None = None
    scale: np.ndarray | None = None

    def inputs(
        self, which: Any, dtype: Any, change: Callable[[np.ndarray], np.ndarray] | None = None
    ) -> np.ndarray:
        """Some rows as they enter the network; change : what is done to them before, in float64."""
        part = self.X[which]
        part = np.asarray(part.toarray() if hasattr(part, "toarray") else part)
        part = part if change is None else change(part.astype(np.float64))
        if self.centre is not None and self.scale is not None:
            return ((part.astype(np.float64) - self.centre) * self.scale).astype(dtype)
        return part.astype(dtype)


@final
@dataclass
class TrainingState:
    """All that training remembers: a copy of its arrays is a checkpoint.

    chain : β, what transformations keep, their average, the number of steps; buffers : running means and variances.
    """

    chain: ChainState
    buffers: np.ndarray

    @classmethod
    def begin(
        cls, task: Task, beta: np.ndarray | None = None, buffers: np.ndarray | None = None
    ) -> TrainingState:
        """At β, or at the network's own initial weights."""
        beta = task.network.initial(task.seed, task.dtype) if beta is None else np.array(beta, task.dtype)
        buffers = (
            task.network.initial_buffers(task.dtype) if buffers is None else np.array(buffers, task.dtype)
        )
        return cls(task.chain.start(beta), buffers)


class Engine(ABC):
    """Runs a task. Equal states, rows and orders give equal bits, on any number of threads."""

    least_speed: ClassVar[float] = 0.0
    """Operations a second on a slow machine, 0 where nothing can be said."""

    def __init__(self, task: Task) -> None:
        self.task = task

    @abstractmethod
    def train(self, state: TrainingState, rows: Rows, order: np.ndarray, batch_size: int) -> np.ndarray:
        """One step for each batch of `order` (m,) int64, batch after batch, the last one perhaps shorter; changes the
        state in place. Returns each batch's (1/b) Σ w L before its step, (⌈m/batch_size⌉,) float64, without penalty.
        """

    @abstractmethod
    def gradient(self) -> np.ndarray:
        """∂J/∂β of the last batch before its step, without the penalty, (network.size,)."""

    @abstractmethod
    def predict(
        self, beta: np.ndarray, buffers: np.ndarray, rows: Rows, probabilities: bool = False
    ) -> np.ndarray:
        """f (n, *output_shape) as it is used, not trained; y is not looked at.

        probabilities : in the place of f those of classes, (n, K) float64: eᶠʲ/Σ eᶠᵏ, and of one output, a log odds,
            1 − π and π. Raises DataError where X holds NaN or infinity.
        """

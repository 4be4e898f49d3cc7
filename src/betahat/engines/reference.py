"""Training in NumPy, as the textbook writes it: what the compiled engine must equal, and what runs what it cannot."""

from __future__ import annotations

from typing import final

import numpy as np

from betahat.engines.base import Engine, Rows, Task, TrainingState
from betahat.errors import DataError
from betahat.kernels.random import derive
from betahat.losses.multinomial import class_probabilities
from betahat.objective.network import losses_of

_NUMBERS = 1 << 22  # of inputs converted at once for predictions


@final
class ReferenceEngine(Engine):
    """Every layer by its own forward and backward.

    >>> import numpy as np
    >>> from betahat.layers import Dense
    >>> from betahat.losses import SquaredError
    >>> from betahat.models.network import Network
    >>> from betahat.solvers.stochastic.named import SGD
    >>> task = Task(Network([Dense(1)], 1), SquaredError(), SGD(0.5).chain, dtype=np.float64)
    >>> engine, state = ReferenceEngine(task), TrainingState.begin(task, np.zeros(task.network.size))
    >>> rows = Rows(np.array([[1.0], [-1.0]]), np.array([[2.0], [-2.0]]))
    >>> engine.train(state, rows, np.array([0, 1, 0, 1]), batch_size=2)
    array([2. , 0.5])
    >>> task.network.views(state.chain.x)["0.weight"]
    array([[1.5]])
    """

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self._gradient = np.zeros(task.network.size, task.dtype)

    def train(self, state: TrainingState, rows: Rows, order: np.ndarray, batch_size: int) -> np.ndarray:
        task, network = self.task, self.task.network
        found = []
        for start in range(0, len(order), batch_size):
            which = order[start : start + batch_size]
            beta, b = state.chain.x, len(which)
            f, saved, buffers = network.forward(
                beta, rows.inputs(which, task.dtype), training=True, key=derive(task.seed, state.chain.step),
                buffers=state.buffers,
            )  # fmt: skip
            value, slope = losses_of(task.loss, rows.y[which], f)
            weight = np.ones(b) if rows.weight is None else rows.weight[which]
            found.append(float(weight @ value) / b)
            slope = (slope * (weight / b)[:, None]).reshape(f.shape).astype(task.dtype)
            gradient, _ = network.backward(beta, saved, slope)
            self._gradient = gradient
            if task.alpha:
                gradient = gradient + network.penalised * beta * task.dtype(task.alpha / b)
            state.buffers[...] = buffers
            task.chain.step(state.chain, gradient)
        return np.array(found)

    def gradient(self) -> np.ndarray:
        return self._gradient

    def predict(
        self, beta: np.ndarray, buffers: np.ndarray, rows: Rows, probabilities: bool = False
    ) -> np.ndarray:
        n, size = rows.X.shape[0], int(np.prod(rows.X.shape[1:]))
        step = max(1, _NUMBERS // max(size, 1))
        parts = []
        for a in range(0, max(n, 1), step):
            x = rows.inputs(slice(a, a + step), self.task.dtype)
            if (
                not np.isfinite(x.sum())
                and not np.isfinite(rows.inputs(slice(a, a + step), np.float64)).all()
            ):
                raise DataError("X holds NaN or infinity; expected finite numbers")
            parts.append(self.task.network.predict(beta, x, buffers))
        f = np.concatenate(parts)
        return class_probabilities(f.reshape(len(f), -1).astype(np.float64)) if probabilities else f

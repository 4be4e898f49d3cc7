"""Training in NumPy, as the textbook writes it: what the compiled engine must equal, and what runs what it cannot."""

from __future__ import annotations

from typing import final

import numpy as np

from betahat.engines.base import Engine, Rows, Task, TrainingState
from betahat.errors import DataError
from betahat.kernels.augment import augmented, mixed
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
            x, terms = self._drawn(rows, which, state.chain.step)
            key = derive(task.seed, state.chain.step)
            f, saved, buffers = network.forward(beta, x, training=True, key=key, buffers=state.buffers)
            total, slope = 0.0, np.zeros((b, f.size // b))
            for targets, share in terms:
                value, its = losses_of(task.loss, rows.y[targets], f)
                weight = np.full(b, share) if rows.weight is None else rows.weight[targets] * share
                total, slope = total + float(weight @ value), slope + its * (weight / b)[:, None]
            found.append(total / b)
            slope = slope.reshape(f.shape).astype(task.dtype)
            gradient, _ = network.backward(beta, saved, slope)
            self._gradient = gradient
            if task.alpha:
                gradient = gradient + network.penalised * beta * task.dtype(task.alpha / b)
            state.buffers[...] = buffers
            task.chain.step(state.chain, gradient)
        return np.array(found)

    def _drawn(
        self, rows: Rows, which: np.ndarray, step: int
    ) -> tuple[np.ndarray, list[tuple[np.ndarray, float]]]:
        """A mini-batch as it enters the network in a step, and the rows whose targets have which shares of its loss."""
        augment, b = self.task.augment, len(which)
        if augment is None:
            return rows.inputs(which, self.task.dtype), [(which, 1.0)]
        table = augment.table(self.task.seed, step, b, b, self.task.network.input_shape)
        mixes = augment.mixes(self.task.seed, step, b, b)
        share, roll = (1.0, 0) if mixes is None else (float(mixes[0, 0]), int(mixes[0, 1]))

        def change(images: np.ndarray) -> np.ndarray:
            found = augmented(images, table, float(augment.fill))
            return found if mixes is None else mixed(found, share, roll)

        terms = [(which, share)] if mixes is None else [(which, share), (np.roll(which, -roll), 1.0 - share)]
        return rows.inputs(which, self.task.dtype, change), terms

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

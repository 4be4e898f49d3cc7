"""Training and prediction by programs of compiled operations, on a team of threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import final

import numpy as np

from betahat.engines.base import Engine, Rows, Task, TrainingState
from betahat.engines.cpu.layout import Layout
from betahat.engines.cpu.prediction import Prediction, rows_at_once
from betahat.engines.cpu.reading import Reading
from betahat.engines.cpu.running import run_program
from betahat.engines.cpu.step import Step, training
from betahat.kernels.aligned import aligned
from betahat.kernels.network import environment as of

_IDLE = 4  # programs of a kind that wait to be used again


@final
class CpuEngine(Engine):
    """Runs what `betahat.engines.cpu.known.is_known` knows."""

    least_speed = 5e9

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.layout = Layout(task.network, task.dtype)
        self._beta, self._average = (aligned((self.layout.size,), task.dtype) for _ in range(2))
        self._buffers = aligned((task.network.buffer_size,), task.dtype)
        self._memory = aligned((0, self.layout.size), task.dtype)
        self._step: Step | None = None
        self._reading: Reading | None = None
        self._idle: dict[tuple[int, bool], deque[Prediction]] = {}

    def train(self, state: TrainingState, rows: Rows, order: np.ndarray, batch_size: int) -> np.ndarray:
        order = np.ascontiguousarray(order, np.int64)
        if not len(order):
            return np.zeros(0)
        reading, n = self._read(rows), rows.X.shape[0]
        if order.min() < 0 or order.max() >= n:
            raise ValueError(
                f"order holds {order.min()} to {order.max()}; expected numbers of rows, 0 to {n - 1}"
            )
        batch, chain = min(batch_size, n), state.chain  # not len(order): bits depend on it
        if self._step is None or self._step.program.batch != batch:
            self._step = training(self.task, self.layout, self._beta, self._buffers, batch)
        step = self._step
        self._take(state)
        step.program.fill()
        steps = -(-len(order) // batch)
        table = step.links.table.copy()
        kept, width = self._memory.ctypes.data, self.layout.size * self._beta.itemsize
        table[:, 1] = [self._average.ctypes.data if row < 0 else kept + row * width for row in table[:, 1]]
        losses, shards = np.zeros(steps), np.zeros((2, step.program.shards))
        numbers = step.links.numbers(chain.step, steps)
        env = reading.env.copy()
        env[of.ORDER], env[of.TOTAL], env[of.FIRST_STEP] = order.ctypes.data, len(order), chain.step
        env[of.LINK_COUNT], env[of.NORM_COUNT] = len(table), len(step.norms)
        held = {
            of.LOSSES: losses, of.SHARD_LOSSES: shards, of.STRETCHES: step.stretches, of.LINKS: table,
            of.NUMBERS: numbers, of.NORMS: step.norms,
        }  # fmt: skip
        augment, drawn = self.task.augment, (self.task.seed, chain.step, batch, len(order))
        if augment is not None:
            held[of.CHANGES] = augment.table(*drawn, self.task.network.input_shape)
            mixes = augment.mixes(*drawn)
            held |= {} if mixes is None else {of.MIXES: mixes}
        for place, array in held.items():
            env[place] = array.ctypes.data
        run_program(step.program, self.task, env, [reading, order, held])
        self._give(state)
        chain.step += steps
        return losses

    def _read(self, rows: Rows) -> Reading:
        """What was read of the same rows before, or a new reading."""
        if self._reading is None or not self._reading.is_of(rows):
            self._reading = Reading(self.task, rows, True, self._forget)
        return self._reading

    def _forget(self, rows: object) -> None:
        self._reading = None

    def _take(self, state: TrainingState) -> None:
        chain = state.chain
        if len(self._memory) != len(chain.memory):
            self._memory = aligned((len(chain.memory), self.layout.size), self.task.dtype)
        self._buffers[:] = state.buffers
        self.layout.take(chain.x, self._beta)
        for ours, theirs in zip(self._memory, chain.memory, strict=True):
            self.layout.take(theirs, ours)
        if chain.average is not None:
            self.layout.take(chain.average, self._average)

    def _give(self, state: TrainingState) -> None:
        chain = state.chain
        state.buffers[:] = self._buffers
        self.layout.give(self._beta, chain.x)
        for ours, theirs in zip(self._memory, chain.memory, strict=True):
            self.layout.give(ours, theirs)
        if chain.average is not None:
            self.layout.give(self._average, chain.average)

    def gradient(self) -> np.ndarray:
        found = np.zeros(self.task.network.size, self.task.dtype)
        if self._step is not None:
            program = self._step.program
            total = np.empty(self.layout.size, self.task.dtype)
            counts = [program.parts[name] for name in self.layout.places]
            if len(set(counts)) == 1:
                np.add.reduce(program.gradients[: counts[0]], axis=0, out=total)
            else:
                for place, count in zip(self.layout.places.values(), counts, strict=True):
                    inside = slice(place.offset, place.offset + place.size)
                    np.add.reduce(program.gradients[:count, inside], axis=0, out=total[inside])
            self.layout.give(total, found)
        return found

    def predict(
        self, beta: np.ndarray, buffers: np.ndarray, rows: Rows, probabilities: bool = False
    ) -> np.ndarray:
        batch = rows_at_once(self.task.network, rows.X.shape[0])
        idle = self._idle.setdefault((batch, probabilities), deque(maxlen=_IDLE))
        try:
            used = idle.pop()
        except IndexError:  # none yet, or other threads are using them
            used = Prediction(self.task, self.layout, batch, probabilities)
        used.take(beta, buffers)
        found = used.run(rows)
        idle.append(used)
        return found

    def bare(
        self,
        beta: np.ndarray,
        buffers: np.ndarray,
        most: int,
        probabilities: bool,
        units: tuple[np.ndarray, np.ndarray] | None,
    ) -> Callable[[np.ndarray], np.ndarray]:
        """A function of rows (n, p), at most so many, on the caller's thread and without checks, with parameters as
        they now are. units : the centre and scale of columns."""
        beta, buffers = beta.copy(), buffers.copy()
        alone, several = (deque[Callable[[np.ndarray], np.ndarray]](maxlen=_IDLE) for _ in range(2))

        def make(batch: int) -> Callable[[np.ndarray], np.ndarray]:
            used = Prediction(self.task, self.layout, batch, probabilities)
            used.take(beta, buffers)
            return used.bare(*(units or (None, None)))

        def answers(rows: np.ndarray) -> np.ndarray:
            one = len(rows) == 1
            idle = alone if one else several
            try:
                its = idle.pop()
            except IndexError:
                its = make(1 if one else most)
            found = its(rows)
            idle.append(its)
            return found

        alone.append(make(1))
        return answers

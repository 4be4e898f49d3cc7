"""Training and prediction by programs of compiled operations, on a team of threads."""

from __future__ import annotations

from threading import Thread
from typing import Any, final

import numpy as np

from betahat.engines.base import Engine, Rows, Task, TrainingState
from betahat.engines.cpu.codes import check_codes
from betahat.engines.cpu.layout import Layout
from betahat.engines.cpu.program import Program, aligned
from betahat.engines.cpu.step import Step, copied, prediction, training
from betahat.kernels.network import environment as of
from betahat.kernels.team import number_of_threads

_ALONE = 1 << 22  # operations of a batch below which threads would mostly wait
_PREDICTED = 256  # rows of a thread that are predicted at once


@final
class CpuEngine(Engine):
    """Runs what `betahat.engines.cpu.known.is_known` knows."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.layout = Layout(task.network, task.dtype)
        self._beta, self._average = (aligned((self.layout.size,), task.dtype) for _ in range(2))
        self._buffers = aligned((task.network.buffer_size,), task.dtype)
        self._memory = aligned((0, self.layout.size), task.dtype)
        self._step: Step | None = None

    def train(self, state: TrainingState, rows: Rows, order: np.ndarray, batch_size: int) -> np.ndarray:
        order = np.ascontiguousarray(order, np.int64)
        if not len(order):
            return np.zeros(0)
        check_codes(self.task.network, rows)
        batch, chain = min(batch_size, rows.X.shape[0]), state.chain  # not len(order): bits depend on it
        if self._step is None or self._step.program.batch != batch:
            self._step = training(self.task, self.layout, self._beta, self._buffers, batch)
        step = self._step
        self._take(state)
        step.program.turn()
        steps = -(-len(order) // batch)
        table = step.links.table.copy()
        kept, width = self._memory.ctypes.data, self.layout.size * self._beta.itemsize
        table[:, 1] = [self._average.ctypes.data if row < 0 else kept + row * width for row in table[:, 1]]
        losses, shards = np.zeros(steps), np.zeros((2, step.program.shards))
        numbers = step.links.numbers(chain.step, steps)
        env, held = _environment(rows, order)
        env[of.TOTAL], env[of.FIRST_STEP] = len(order), chain.step
        env[of.LOSSES], env[of.SHARD_LOSSES] = losses.ctypes.data, shards.ctypes.data
        env[of.STRETCHES], env[of.LINKS], env[of.LINK_COUNT] = (
            step.stretches.ctypes.data,
            table.ctypes.data,
            len(table),
        )
        env[of.NUMBERS], env[of.NORMS], env[of.NORM_COUNT] = (
            numbers.ctypes.data,
            step.norms.ctypes.data,
            len(step.norms),
        )
        self._run(step.program, env, step.program.shard * step.output.width)
        del held
        self._give(state)
        chain.step += steps
        return losses

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

    def predict(self, beta: np.ndarray, buffers: np.ndarray, rows: Rows) -> np.ndarray:
        n, task = rows.X.shape[0], self.task
        check_codes(task.network, rows)
        ours = aligned((self.layout.size,), task.dtype)
        self.layout.take(beta, ours)
        learnt = np.array(buffers, task.dtype)
        batch = max(1, min(n, _PREDICTED * number_of_threads()))
        program, output = prediction(task, self.layout, ours, learnt, batch)
        found = np.empty((n, output.width), task.dtype)
        copied(program, output, found)
        env, held = _environment(rows, None)
        env[of.TOTAL] = n
        self._run(program, env, 0)
        del held
        return found.reshape(n, *task.network.output_shape)

    def _run(self, program: Program, env: np.ndarray, outputs: int) -> None:
        """outputs : of a shard, for the loss."""
        from betahat.kernels.network import barrier, driver, loss

        ops, reals = program.tables
        env[of.BATCH], env[of.SHARD], env[of.SHARDS] = program.batch, program.shard, program.shards
        env[of.SEED], env[of.ZEROS] = np.uint64(self.task.seed).astype(np.int64), program.zeros.ctypes.data
        members = number_of_threads() if 3 * self.task.network.flops * program.batch >= _ALONE else 1
        width = max((outputs + loss.STEP) * 5 + 8 * loss.STEP, program.scratch)
        work, state = np.zeros((members, width)), barrier.new_state()

        def member(k: int) -> None:
            driver.run(k, members, state, ops, reals, env, work, program.zeros)

        team = [Thread(target=member, args=(k,), daemon=True) for k in range(1, members)]
        for thread in team:
            thread.start()
        member(0)
        for thread in team:
            thread.join()


def _environment(rows: Rows, order: np.ndarray | None) -> tuple[np.ndarray, list[Any]]:
    """The addresses of what is read, and what must stay alive meanwhile."""
    env, held = np.zeros(of.SIZE, np.int64), [order, rows]

    def keep(array: np.ndarray | None, dtype: Any = np.float64) -> int:
        if array is None:
            return 0
        held.append(np.ascontiguousarray(array, dtype))
        return held[-1].ctypes.data

    if hasattr(rows.X, "tocsr"):
        X = rows.X.tocsr()
        env[of.KIND] = of.SPARSE
        env[of.X], env[of.INDPTR] = keep(X.data), keep(X.indptr, np.int64)
        env[of.INDICES] = keep(X.indices, np.int64)
    else:
        X = np.asarray(rows.X)
        X = X.reshape(len(X), -1)
        kinds = {
            np.dtype(np.float64): of.DOUBLE,
            np.dtype(np.float32): of.SINGLE,
            np.dtype(np.uint8): of.BYTE,
        }
        if X.dtype == bool:
            X = X.view(np.uint8)
        if X.dtype not in kinds or not X.flags.aligned:
            X = np.ascontiguousarray(X, np.float64)
        held.append(X)
        env[of.X], env[of.ROW], env[of.COLUMN] = X.ctypes.data, X.strides[0], X.strides[1]
        env[of.KIND] = kinds[X.dtype]
    env[of.CENTRE], env[of.SCALE] = keep(rows.centre), keep(rows.scale)
    env[of.ORDER] = 0 if order is None else order.ctypes.data
    y = np.asarray(rows.y, np.float64)
    y = y.reshape(len(y), -1)
    env[of.TARGETS], env[of.OUTPUTS] = keep(y), y.shape[1]
    env[of.WEIGHTS] = keep(rows.weight)
    return env, held

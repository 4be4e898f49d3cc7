"""Training and prediction by programs of compiled operations, on a team of threads."""

from __future__ import annotations

from threading import Thread
from typing import Any, final

import numpy as np

from betahat.engines.base import Engine, Rows, Task, TrainingState
from betahat.engines.cpu.layout import Layout
from betahat.engines.cpu.program import Program, aligned
from betahat.kernels.team import number_of_threads
from betahat.losses.vector import VectorLoss

_ALONE = 1 << 18  # operations of a batch below which threads would mostly wait
_PREDICTED = 256  # rows of a thread that are predicted at once


@final
class CpuEngine(Engine):
    """Runs what `betahat.engines.cpu.program.is_known` knows."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.layout = Layout(task.network, task.dtype)
        self._beta = aligned((self.layout.size,), task.dtype)
        self._memory = np.zeros((0, 0))
        self._average = aligned((self.layout.size,), task.dtype)
        self._program: Program | None = None

    def train(self, state: TrainingState, rows: Rows, order: np.ndarray, batch_size: int) -> np.ndarray:
        order = np.ascontiguousarray(order, np.int64)
        if not len(order):
            return np.zeros(0)
        batch, chain = min(batch_size, len(order)), state.chain
        if self._program is None or self._program.batch != batch:
            self._program = Program(self.task, self.layout, self._beta, batch, True)
        program, layout = self._program, self.layout
        if len(self._memory) != len(chain.memory):
            self._memory = aligned((len(chain.memory), layout.size), self.task.dtype)
        layout.take(chain.x, self._beta)
        for ours, theirs in zip(self._memory, chain.memory, strict=True):
            layout.take(theirs, ours)
        if chain.average is not None:
            layout.take(chain.average, self._average)
        program.turn()
        steps = -(-len(order) // batch)
        table = program.links.table.copy()
        kept = self._memory.ctypes.data if len(self._memory) else 0
        table[:, 1] = [
            self._average.ctypes.data if row < 0 else kept + row * layout.size * self._beta.itemsize
            for row in table[:, 1]
        ]
        losses = np.zeros(steps)
        source, held = _source(rows, order, isinstance(self.task.loss, VectorLoss))
        self._run(
            program, source, len(order), chain.step, table, program.links.numbers(chain.step, steps),
            program.stretches, program.norms, losses,
        )  # fmt: skip
        del held
        layout.give(self._beta, chain.x)
        for ours, theirs in zip(self._memory, chain.memory, strict=True):
            layout.give(ours, theirs)
        if chain.average is not None:
            layout.give(self._average, chain.average)
        chain.step += steps
        return losses

    def predict(self, beta: np.ndarray, buffers: np.ndarray, rows: Rows) -> np.ndarray:
        n, task = rows.X.shape[0], self.task
        ours = aligned((self.layout.size,), task.dtype)
        self.layout.take(beta, ours)
        program = Program(task, self.layout, ours, max(1, min(n, _PREDICTED * number_of_threads())), False)
        found = np.empty((n, program.output.width), task.dtype)
        program.copied_to(found.ctypes.data)
        source, held = _source(rows, None, False)
        none = np.zeros((0, 2), np.int64)
        self._run(
            program,
            source,
            n,
            0,
            none,
            np.zeros((1, 0, 8)),
            np.zeros((0, 6), np.int64),
            np.zeros(0),
            np.zeros(0),
        )
        del held
        return found.reshape(n, *task.network.output_shape)

    def _run(self, program: Program, source: np.ndarray, n: int, step: int, *tables: np.ndarray) -> None:
        from betahat.kernels.network import barrier, driver, operations

        ops, reals = program.tables
        links, numbers, stretches, norms, losses = tables
        flops = 3 * self.task.network.flops * program.batch
        members = number_of_threads() if flops >= _ALONE else 1
        geometry = np.array(
            [program.batch, program.shard, program.shards, n, step, np.int64(np.uint64(self.task.seed))],
            np.int64,
        )
        width = (program.shard * program.output.width + operations.STEP) * 5 + 8 * operations.STEP
        work, totals = np.zeros((members, width)), np.zeros((2, program.shards))
        state = barrier.new_state()

        def member(k: int) -> None:
            driver.run(
                k, members, state, ops, reals, source, geometry, links, numbers, stretches, norms, losses, totals,
                program.zeros[0], work, program.zeros[0],
            )  # fmt: skip

        team = [Thread(target=member, args=(k,), daemon=True) for k in range(1, members)]
        for thread in team:
            thread.start()
        member(0)
        for thread in team:
            thread.join()


def _source(rows: Rows, order: np.ndarray | None, coded: bool) -> tuple[np.ndarray, list[Any]]:
    """The addresses of what is read, and what must stay alive meanwhile."""
    from betahat.kernels.network import operations as of

    source, held = np.zeros(of.SOURCE, np.int64), [order, rows]

    def keep(array: np.ndarray | None, dtype: Any = np.float64) -> int:
        if array is None:
            return 0
        held.append(np.ascontiguousarray(array, dtype))
        return held[-1].ctypes.data

    if hasattr(rows.X, "tocsr"):
        X = rows.X.tocsr()
        source[of.KIND] = of.SPARSE
        source[of.X], source[of.INDPTR] = keep(X.data), keep(X.indptr, np.int64)
        source[of.INDICES] = keep(X.indices, np.int64)
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
        source[of.X], source[of.ROW], source[of.COLUMN] = X.ctypes.data, X.strides[0], X.strides[1]
        source[of.KIND] = kinds[X.dtype]
    source[of.CENTRE], source[of.SCALE] = keep(rows.centre), keep(rows.scale)
    source[of.ORDER] = 0 if order is None else order.ctypes.data
    y = np.asarray(rows.y, np.float64)
    y = y.reshape(len(y), -1)
    source[of.TARGETS], source[of.OUTPUTS] = keep(y), y.shape[1]
    source[of.WEIGHTS] = keep(rows.weight)
    return source, held

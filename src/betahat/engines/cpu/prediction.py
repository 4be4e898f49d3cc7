"""Prediction: a program without its backward pass, used again from call to call."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import numpy as np

from betahat.engines.base import Rows, Task
from betahat.engines.cpu.layout import Layout
from betahat.engines.cpu.lower import lower_network
from betahat.engines.cpu.program import IMAGES, Program, has_images
from betahat.engines.cpu.reading import Reading
from betahat.engines.cpu.running import describe, run_program
from betahat.engines.cpu.step import entered
from betahat.errors import DataError
from betahat.kernels.aligned import aligned
from betahat.kernels.network import environment as of
from betahat.kernels.network import output
from betahat.kernels.network.loss import LANES
from betahat.kernels.team import number_of_threads
from betahat.layers.base import size_of
from betahat.models.network import Network

_BROKEN = "X holds NaN or infinity; expected finite numbers"
_NUMBERS = 1 << 21  # of one layer that a program keeps
_ROWS = (1, 64, 256)  # that programs are made for; the last for each thread


def rows_at_once(network: Network, n: int) -> int:
    """How many rows the program has that n rows go through. No row's result depends on it."""
    if has_images(network):  # a shard a thread, whose memory stays in its cache
        return 1 if n == 1 else IMAGES * number_of_threads()
    largest = max(size_of(leaf.input_shape) for leaf in network.leaves)
    most = max(2 * number_of_threads(), _NUMBERS // largest)
    return next(
        (rows for rows in _ROWS[:-1] if n <= rows <= most), min(_ROWS[-1] * number_of_threads(), most)
    )


@final
class Prediction:
    """f, or probabilities of classes, of rows, `batch` at a time. One thread uses it at a time."""

    def __init__(self, task: Task, layout: Layout, batch: int, probabilities: bool) -> None:
        self.batch, self.probabilities = batch, probabilities
        self._task, self._layout = task, layout
        self._beta = aligned((layout.size,), task.dtype)
        self._buffers = aligned((task.network.buffer_size,), task.dtype)
        self._program = program = Program(task.network, layout, self._beta, self._buffers, batch, False)
        f = lower_network(program, entered(program))[0]
        self._shape, self._dtype = task.network.output_shape, np.dtype(task.dtype)
        if not probabilities:
            program.add(output.outputs, f.at, f.row, f.width)
            return
        self._shape, self._dtype = (max(f.width, 2),), np.dtype(np.float64)
        if f.width == 1:
            program.add(output.odds, f.at, f.row)
        else:
            program.add(output.shares, f.at, f.row, f.width)
            program.scratch = max(program.scratch, program.shard * f.width + LANES)

    def take(self, beta: np.ndarray, buffers: np.ndarray) -> None:
        """From now on with these parameters and statistics."""
        self._layout.take(beta, self._beta)
        self._buffers[:] = buffers
        self._program.fill()

    def run(self, rows: Rows) -> np.ndarray:
        """Raises DataError where X holds NaN or infinity."""
        n, reading = rows.X.shape[0], Reading(self._task, rows, False)
        found, env = np.empty((n, *self._shape), self._dtype), reading.env
        env[of.TOTAL], env[of.ANSWERS] = n, found.ctypes.data
        run_program(self._program, self._task, env, [reading, found])
        if env[of.BROKEN]:
            raise DataError(_BROKEN)
        return found

    def bare(self, centre: np.ndarray | None, scale: np.ndarray | None) -> Callable[[np.ndarray], np.ndarray]:
        """A function of rows (n, *input_shape), n at most `batch`, on the caller's thread unless a single row is work
        for several; for one thread at a time. It raises DataError where they hold NaN or infinity."""
        from betahat.kernels.network import barrier, driver

        program, task = self._program, self._task
        ops, reals = program.tables
        x = np.zeros((self.batch, *task.network.input_shape), task.dtype)
        found = np.empty((self.batch, *self._shape), self._dtype)
        reading = Reading(task, Rows(x, found, None, centre, scale), False)
        env, sync, like = reading.env, barrier.new_state(), program.zeros
        work = np.zeros((1, program.scratch + 1))
        env[of.ANSWERS] = found.ctypes.data
        describe(program, task, env)
        run, total, broken, shared = driver.run, of.TOTAL, of.BROKEN, program.is_shared
        held: list[object] = [self, reading, found]  # whose memory has addresses

        def answers(rows: np.ndarray) -> np.ndarray:
            n = len(rows)
            x[:n] = rows
            env[total] = n
            if shared:
                run_program(program, task, env, held)
            else:
                run(0, 1, sync, ops, reals, env, work, like)
            if env[broken]:
                env[broken] = 0
                raise DataError(_BROKEN)
            return found[:n].copy()

        return answers

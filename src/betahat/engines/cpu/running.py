"""Programs on a team of threads."""

from __future__ import annotations

import numpy as np

from betahat.engines.base import Task
from betahat.engines.cpu.members import together
from betahat.engines.cpu.program import Program
from betahat.kernels.network import environment as of
from betahat.kernels.team import number_of_threads

_ALONE = 1 << 22  # operations of a batch below which threads would mostly wait


def describe(program: Program, task: Task, env: np.ndarray) -> None:
    """What the driver is told of a program."""
    env[of.BATCH], env[of.SHARD], env[of.SHARDS] = program.batch, program.shard, program.shards
    env[of.SEED] = np.uint64(task.seed).astype(np.int64)


def run_program(program: Program, task: Task, env: np.ndarray, held: list[object]) -> None:
    """held : what `env` has addresses of, which threads keep alive."""
    from betahat.kernels.network import barrier, driver

    ops, reals = program.tables
    describe(program, task, env)
    large = task.network.step_flops(program.batch) >= _ALONE and program.units > 1
    members = min(number_of_threads(), program.units) if large else 1
    work, state = program.work(members), barrier.new_state()

    def member(k: int, _: list[object]) -> None:
        driver.run(k, members, state, ops, reals, env, work, program.zeros)

    together(member, members, state, held)

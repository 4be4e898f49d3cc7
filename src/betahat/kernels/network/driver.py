"""The interpreter: a program of operations, run for a span of mini-batches by a team of threads.

Each thread takes the same units of an operation whatever it did before, and a unit's result depends on no thread, so
that the bits are the same for any number of them. Threads wait for each other only where an operation says so.
"""

from __future__ import annotations

import numpy as np

from betahat.kernels.compiled import compiled
from betahat.kernels.memory import carray, doubles
from betahat.kernels.network.barrier import wait_for_all
from betahat.kernels.network.calling import call
from betahat.kernels.network.environment import (
    BATCH,
    FIRST_STEP,
    LOSSES,
    SEED,
    SHARD,
    SHARD_LOSSES,
    SHARDS,
    TOTAL,
)
from betahat.kernels.network.operations import BARRIER, CODE, COUNT, SHARDED
from betahat.kernels.network.random import derived


@compiled
def run(member, members, sync, ops, reals, env, work, like):
    """One member's share of all mini-batches: ops (·, WIDTH), reals (·, 2), env (SIZE,), work (members, ·)."""
    batch, total, shards, own = env[BATCH], env[TOTAL], env[SHARDS], work[member]
    steps, seed = (total + batch - 1) // batch, np.uint64(env[SEED])
    for step in range(steps):
        start = step * batch
        rows = min(batch, total - start)
        key, o = derived(seed, np.uint64(env[FIRST_STEP] + step)), 0
        while o < len(ops):
            if ops[o, BARRIER] != 0 and not wait_for_all(sync, members):
                return
            end, sharded = o + 1, ops[o, SHARDED]
            while sharded != 0 and end < len(ops) and ops[end, BARRIER] == 0 and ops[end, SHARDED] == sharded:
                end += 1  # what no barrier parts is done together, while its rows are in cache
            units = shards if sharded != 0 else ops[o, COUNT]
            for unit in range(units * member // members, units * (member + 1) // members):
                first, some = 0, rows
                if sharded != 0:
                    first = unit * env[SHARD]
                    some = max(0, min(env[SHARD], rows - first))
                begin, last = first, first + some
                while True:  # once at least, where a shard has no rows
                    here = min(sharded, last - begin) if sharded != 0 else some
                    for k in range(o, end):
                        call(
                            ops[k, CODE], ops[k], reals[k], env, unit, begin, here, rows, start, step, key, own, like
                        )  # fmt: skip
                    begin += here
                    if begin >= last or sharded == 0:
                        break
            o = end
        if member == 0 and env[LOSSES] != 0:
            found = 0.0
            for value in carray(doubles(env[SHARD_LOSSES]), (2, shards))[step % 2]:
                found += value
            carray(doubles(env[LOSSES]), steps)[step] = found / rows

"""The interpreter: a program of operations, run for a span of mini-batches by a team of threads.

Each thread takes the same units of an operation whatever it did before, and a unit's result depends on no thread, so
that the bits are the same for any number of them. Threads wait for each other only where an operation says so.
"""

from __future__ import annotations

import numpy as np

from betahat.kernels.compiled import compiled
from betahat.kernels.network import operations as does
from betahat.kernels.network.barrier import wait_for_all
from betahat.kernels.network.random import derived
from betahat.kernels.network.update import update

(
    GATHER,
    DENSE,
    APPLY,
    LOSS,
    APPLY_BACK,
    DENSE_BACK,
    WEIGHTS,
    WEIGHTS_OF_ALL,
    TRANSPOSE,
    DROP,
    UPDATE,
    COPY_OUT,
) = range(12)
BATCH, SHARD, SHARDS, ROWS, FIRST_STEP, SEED = range(6)
"""Geometry: rows of a batch and of a shard, shards, rows in all, the number of the first step, dropout's seed."""


@compiled
def execute(
    o, unit, start, rows, step, key, ops, reals, source, geometry, links, numbers, stretches, norms, totals, zeros, own,
    like,
):  # fmt: skip
    """One operation on one unit: a shard of the batch, or a block of something else."""
    op, code = ops[o], ops[o, does.CODE]
    first, some = 0, rows
    if op[does.SHARDED] != 0:
        first = unit * geometry[SHARD]
        some = max(0, min(geometry[SHARD], rows - first))
    if code == GATHER:
        does.gather(op, source, start, first, some, like)
    elif code == DENSE:
        does.dense(op, reals[o, 0], first, some, like)
    elif code == APPLY:
        does.apply(op, reals[o, 0], first, some, like)
    elif code == LOSS:
        totals[step % 2, unit] = does.loss(op, reals[o, 0], source, start, first, some, 1.0 / rows, own, like)
    elif code == APPLY_BACK:
        does.apply_back(op, reals[o, 0], first, some, like)
    elif code == DENSE_BACK:
        does.dense_back(op, first, some, zeros, like)
    elif code == WEIGHTS:
        does.weights(op, unit, first, some, zeros, like)
    elif code == WEIGHTS_OF_ALL:
        does.weights_of_all(op, unit, rows, zeros, like)
    elif code == TRANSPOSE:
        does.transpose(op, unit, like)
    elif code == DROP:
        does.drop(op, reals[o, 0], key, first, some, like)
    elif code == UPDATE:
        update(op, reals[o, 0] / rows, stretches[unit], links, numbers, norms, unit, like)
    elif code == COPY_OUT:
        does.copy_out(op, start, first, some, like)


@compiled
def run(
    member, members, sync, ops, reals, source, geometry, links, link_numbers, stretches, norms, losses, totals, zeros,
    work, like,
):  # fmt: skip
    """One member's share of all mini-batches.

    ops (·, WIDTH), reals (·, 2) : the program; links (·, 2), link_numbers (steps, ·, 8), stretches, norms : see
    `update`; losses (steps,); totals (2, shards); zeros : as wide as any row; work (members, ·) doubles; like : any
    array of the type computed in.
    """
    batch, total = geometry[BATCH], geometry[ROWS]
    own, none, seed = work[member], zeros.ctypes.data, np.uint64(geometry[SEED])
    for step in range((total + batch - 1) // batch):
        start = step * batch
        rows, numbers = min(batch, total - start), link_numbers[step] if len(losses) > 0 else link_numbers[0]
        key, o = derived(seed, np.uint64(geometry[FIRST_STEP] + step)), 0
        while o < len(ops):
            if ops[o, does.BARRIER] != 0:
                wait_for_all(sync, members)
            end, sharded = o + 1, ops[o, does.SHARDED]
            while (
                sharded != 0
                and end < len(ops)
                and ops[end, does.BARRIER] == 0
                and ops[end, does.SHARDED] != 0
            ):
                end += 1  # what no barrier parts is done shard by shard, while its rows are in cache
            units = geometry[SHARDS] if sharded != 0 else ops[o, does.COUNT]
            for unit in range(units * member // members, units * (member + 1) // members):
                for k in range(o, end):
                    execute(
                        k,
                        unit,
                        start,
                        rows,
                        step,
                        key,
                        ops,
                        reals,
                        source,
                        geometry,
                        links,
                        numbers,
                        stretches,
                        norms,
                        totals,
                        none,
                        own,
                        like,
                    )
            o = end
        if member == 0 and len(losses) > 0:
            found = 0.0
            for unit in range(geometry[SHARDS]):
                found += totals[step % 2, unit]
            losses[step] = found / rows

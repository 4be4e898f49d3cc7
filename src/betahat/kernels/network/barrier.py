"""A barrier for a few threads in compiled code: they spin briefly, then let others run.

sched_yield and SwitchToThread are called by their symbols, not through ctypes, so that the code can be cached on disk.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from betahat.kernels.compiled import compiled
from betahat.kernels.vector import intrinsic

ARRIVED, GENERATION, STOP = 0, 8, 16
"""Places of two counters and of a flag in the state, a cache line apart."""
_SPINS = 4000
_YIELD = "SwitchToThread" if sys.platform == "win32" else "sched_yield"


def new_state() -> np.ndarray:
    """What the members of a team share."""
    return np.zeros(24, np.int64)


@intrinsic
def atomic_add(typingctx: Any, array: Any, index: Any, value: Any):
    """Add to array[index]; what stood there before."""
    signature = types.int64(array, types.intp, types.int64)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        return builder.atomic_rmw("add", builder.gep(data, [args[1]]), args[2], "seq_cst")

    return signature, codegen


@intrinsic
def atomic_load(typingctx: Any, array: Any, index: Any):
    """array[index] as another thread may just have left it."""
    signature = types.int64(array, types.intp)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        return builder.load_atomic(builder.gep(data, [args[1]]), "acquire", 8)

    return signature, codegen


@intrinsic
def yield_processor(typingctx: Any):
    """Let another thread run."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(ir.IntType(32), [])
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, _YIELD), [])

    return types.int32(), codegen


@compiled
def wait_for_all(state, members):
    """True when all members have called it; False once the state's STOP says that one of them will not."""
    if members == 1:
        return True
    generation = atomic_load(state, GENERATION)
    if atomic_add(state, ARRIVED, 1) == members - 1:
        atomic_add(state, ARRIVED, -members)
        atomic_add(state, GENERATION, 1)
        return True
    spins = 0
    while atomic_load(state, GENERATION) == generation:
        if atomic_load(state, STOP) != 0:
            return False
        spins += 1
        if spins > _SPINS:
            yield_processor()
    return True

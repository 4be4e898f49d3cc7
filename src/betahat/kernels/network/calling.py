"""Operations called by their addresses, so that each is compiled, cached and loaded by itself, and only when a program
has it: what calls an operation by name would have it compiled into itself anew.

Every operation has the same arguments:

    op       its own integers (see `operations`), real its two real numbers
    env      what the whole program reads and writes: see `environment`
    unit     which shard of the batch, or which block of something else
    first    the shard's first row in the batch, and `some`, how many rows it has
    rows     of the whole batch, whose first is row `start` of the span
    step     of the span, and `key`, of its random numbers
    own      doubles that the thread may compute in
    like     any array of the type that the network computes in
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba import types

from betahat.kernels.vector import intrinsic

_INTEGERS, _DOUBLES = types.Array(types.int64, 1, "C"), types.Array(types.float64, 1, "C")


def _arguments(element: Any) -> tuple[Any, ...]:
    return (
        _INTEGERS, _DOUBLES, _INTEGERS, *([types.int64] * 6), types.uint64, _DOUBLES, types.Array(element, 1, "C"),
    )  # fmt: skip


@cache
def address_of(operation: Any, dtype: str) -> int:
    """Where an operation's machine code for "float32" or "float64" lies; compiles it if need be."""
    signature = _arguments(types.float32 if dtype == "float32" else types.float64)
    operation.compile(signature)
    found = operation.overloads[signature]
    return found.library.get_pointer_to_function(found.fndesc.llvm_func_name)


@intrinsic
def call(
    typingctx: Any, address: Any, op: Any, real: Any, env: Any, unit: Any, first: Any, some: Any, rows: Any, start: Any,
    step: Any, key: Any, own: Any, like: Any,
):  # fmt: skip
    """Run the operation at an address."""
    its = _arguments(like.dtype)
    signature = types.void(types.int64, *its)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        convention = context.call_conv
        pointer = builder.inttoptr(args[0], convention.get_function_type(types.none, its).as_pointer())
        convention.call_function(builder, pointer, types.none, its, args[1:])
        return context.get_dummy_value()

    return signature, codegen


def addresses(operations: list[Any], dtype: Any) -> np.ndarray:
    """Of several."""
    return np.array([address_of(operation, np.dtype(dtype).name) for operation in operations], np.int64)

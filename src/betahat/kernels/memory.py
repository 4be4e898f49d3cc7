"""Reading memory by address in compiled code, so that one compilation serves every array."""

from __future__ import annotations

from typing import Any

from numba import carray, types
from numba.core import cgutils
from numba.extending import intrinsic

from betahat.kernels.compiled import compiled


def _pointer(element: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(builder.inttoptr(args[0], cgutils.voidptr_t), context.get_value_type(signature.return_type))

    return codegen


@intrinsic
def doubles(typingctx: Any, address: Any):
    """An integer address as a pointer to float64."""
    return types.CPointer(types.float64)(types.int64), _pointer(types.float64)


@intrinsic
def floats(typingctx: Any, address: Any):
    """An integer address as a pointer to float32."""
    return types.CPointer(types.float32)(types.int64), _pointer(types.float32)


@intrinsic
def like_array(typingctx: Any, address: Any, array: Any):
    """An integer address as a pointer to the element type of an array."""
    return types.CPointer(array.dtype)(types.int64, array), _pointer(array.dtype)


@compiled
def read_rows(x, row_stride, column_stride, single, rows, columns, out):  # type: ignore[no-untyped-def]
    """Copy rows × columns from any strides (bytes), float64 or float32, into the C-ordered `out`."""
    for j in range(columns):
        start = x + j * column_stride
        if single:
            for i in range(rows):
                out[i * columns + j] = carray(floats(start + i * row_stride), 1)[0]
        else:
            for i in range(rows):
                out[i * columns + j] = carray(doubles(start + i * row_stride), 1)[0]



"""Reading memory by address in compiled code, so that one compilation serves every array."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from betahat.kernels.compiled import compiled
from betahat.kernels.tile import SHAPE
from betahat.kernels.vector import I64, Vectors, intrinsic

LANES = SHAPE.lanes


def _pointer(element: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = builder.inttoptr(args[0], cgutils.voidptr_t)
        return builder.bitcast(pointer, context.get_value_type(signature.return_type))

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
def longs(typingctx: Any, address: Any):
    """An integer address as a pointer to int64."""
    return types.CPointer(types.int64)(types.int64), _pointer(types.int64)


@intrinsic
def like_array(typingctx: Any, address: Any, array: Any):
    """An integer address as a pointer to the element type of an array."""
    return types.CPointer(array.dtype)(types.int64, array), _pointer(array.dtype)


@intrinsic
def address(typingctx: Any, array: Any):
    """Where an array begins. numba's own `ctypes.data` has no sign, and so its sums with other integers are floats."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        found = context.make_array(signature.args[0])(context, builder, args[0])
        return builder.ptrtoint(found.data, I64)

    return types.int64(array), codegen


@intrinsic
def carray(typingctx: Any, pointer: Any, shape: Any):
    """The memory from a pointer on as an array of that shape, in C order. numba's own would have its whole module of
    arrays imported wherever it is called."""
    form: Any = types.unliteral(shape)
    several = hasattr(form, "types")
    sizes = tuple(form.types) if several else (form,)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        from numba.np.arrayobj import populate_array

        out = signature.return_type
        array = context.make_array(out)(context, builder)
        given = cgutils.unpack_tuple(builder, args[1]) if several else [args[1]]
        lengths = [context.cast(builder, n, size, types.intp) for n, size in zip(given, sizes, strict=True)]
        itemsize = stride = context.get_constant(types.intp, out.dtype.bitwidth // 8)
        strides = []
        for n in reversed(lengths):
            strides.insert(0, stride)
            stride = builder.mul(stride, n)
        populate_array(array, args[0], lengths, strides, itemsize, meminfo=None)
        return array._getvalue()

    return types.Array(pointer.dtype, len(sizes), "C")(pointer, form), codegen


@intrinsic
def transpose_square(typingctx: Any, table: Any, offset: Any, target: Any, stride: Any):
    """Rows of `lanes` columns, whose addresses stand in `table`, to rows of the target: lanes × lanes doubles."""
    signature = types.void(types.int64, types.int64, types.int64, types.int64)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        table, offset, target, stride = args
        v = Vectors(builder, SHAPE.lanes, True, SHAPE.fused)
        columns = []
        for j in range(v.lanes):
            address = builder.load(v.pointer(v.at(table, 8 * j), I64))
            columns.append(v.load(v.at(address, offset)))
        for i, row in enumerate(v.transpose(columns)):
            v.store(row, v.at(target, builder.mul(stride, ir.Constant(I64, i))))
        return context.get_dummy_value()

    return signature, codegen


@compiled
def read_columns(table, offset, rows, columns, out):
    """Rows of contiguous float64 columns, from `offset` bytes on, into the C-ordered float64 `out`."""
    whole = columns // LANES * LANES
    squares = rows // LANES * LANES
    to = address(out)
    for j in range(0, whole, LANES):
        for i in range(0, squares, LANES):
            transpose_square(address(table) + 8 * j, offset + 8 * i, to + 8 * (i * columns + j), 8 * columns)
    for j in range(columns):
        values = carray(doubles(table[j] + offset), rows)
        for i in range(squares if j < whole else 0, rows):
            out[i * columns + j] = values[i]


@compiled
def read_rows(x, row_stride, column_stride, single, table, rows, columns, out):
    """Copy rows × columns from any layout, float64 or float32, into the C-ordered `out`."""
    if table.size > 0 and out.itemsize == 8:
        read_columns(table, x, rows, columns, out)
        return
    for j in range(columns):
        start = table[j] + x if table.size > 0 else x + j * column_stride
        if single:
            for i in range(rows):
                out[i * columns + j] = carray(floats(start + i * row_stride), 1)[0]
        else:
            for i in range(rows):
                out[i * columns + j] = carray(doubles(start + i * row_stride), 1)[0]

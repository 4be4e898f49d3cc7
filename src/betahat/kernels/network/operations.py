"""What an operation of a program does to one shard of a mini-batch, or to one block of parameters.

An operation is a row of integers: addresses and strides in bytes, sizes in elements. `like` is any array of the type
that the network computes in.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import carray, types  # pyright: ignore[reportPrivateImportUsage]

from betahat.kernels import register_math
from betahat.kernels import row_tiles as tiles
from betahat.kernels.compiled import compiled
from betahat.kernels.memory import doubles, floats, like_array
from betahat.kernels.network.activations import activate, bend_back
from betahat.kernels.network.random import derived, random_bits
from betahat.kernels.network.tiles import multiply
from betahat.kernels.register_math import Number
from betahat.kernels.tile import SHAPE
from betahat.kernels.vector import I64, Vectors, counted_loop, intrinsic, vectors_like

CODE, BARRIER, SHARDED, COUNT, FIRST = range(5)
"""Of an operation: which; whether all wait for all before it; whether its units are shards, and else how many there
are; where its own numbers begin."""
WIDTH = 20
"""Integers of an operation."""
DOUBLE, SINGLE, BYTE, SPARSE = range(4)
"""Kinds of X."""
X, ROW, COLUMN, KIND, CENTRE, SCALE, INDPTR, INDICES, ORDER, TARGETS, OUTPUTS, WEIGHTS = range(12)
"""The source: addresses of X, its strides and kind, of what standardises it, CSR's arrays, rows in their order, targets
(n, outputs) and weights as doubles."""
SOURCE = 12
LANES = SHAPE.lanes
STEP = 2 * LANES
"""Doubles that row_terms takes at a time."""


@compiled
def element(address, kind):
    """One number of X as a double."""
    if kind == DOUBLE:
        return carray(doubles(address), 1)[0]
    if kind == SINGLE:
        return np.float64(carray(floats(address), 1)[0])
    return np.float64(byte_at(address))


@intrinsic
def byte_at(typingctx: Any, address: Any):
    """A byte as a number."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value = builder.load(builder.inttoptr(args[0], ir.IntType(8).as_pointer()))
        return builder.zext(value, I64)

    return types.int64(types.int64), codegen


@intrinsic
def convert(
    typingctx: Any, source: Any, kind: Any, centre: Any, scale: Any, target: Any, vectors: Any, like: Any
):
    """As many numbers as `vectors` registers of doubles hold, of a kind: (x − centre) · scale in doubles, then rounded;
    centre 0 for neither."""
    signature = types.void(*([types.int64] * 6), like)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source, kind, centre, scale, target, vectors, _ = args
        v, w = (
            Vectors(builder, SHAPE.lanes, True, SHAPE.fused),
            vectors_like(builder, signature.args[-1], SHAPE),
        )
        narrow = ir.VectorType(w.scalar, v.lanes)

        def run(number: int, moved: bool) -> None:
            size = {DOUBLE: 8, SINGLE: 4, BYTE: 1}[number]

            def body(step: Any, _: list[Any]) -> list[Any]:
                at = builder.mul(step, ir.Constant(I64, v.lanes))
                value = v.load_as(v.at(source, builder.mul(at, ir.Constant(I64, size))), None, number)
                if moved:
                    place = builder.mul(at, ir.Constant(I64, 8))
                    value = v.mul(v.sub(value, v.load(v.at(centre, place))), v.load(v.at(scale, place)))
                value = value if w.size == 8 else builder.fptrunc(value, narrow)
                to = v.at(target, builder.mul(at, ir.Constant(I64, w.size)))
                builder.store(value, v.pointer(to, narrow)).align = w.size
                return []

            counted_loop(builder, vectors, [], body)

        plain = builder.icmp_signed("==", centre, ir.Constant(I64, 0))
        for number in (DOUBLE, SINGLE, BYTE):
            same = builder.icmp_signed("==", kind, ir.Constant(I64, number))
            with builder.if_then(same), builder.if_else(plain) as (yes, no):
                with yes:
                    run(number, False)
                with no:
                    run(number, True)
        return context.get_dummy_value()

    return signature, codegen


@compiled
def gather(op, source, start, first, rows, like):
    """Rows of X, in their order, as the network takes them: target, its row stride, columns p."""
    stride, p = op[FIRST + 1], op[FIRST + 2]
    target, start = op[FIRST] + first * stride, start + first
    order = source[ORDER]
    kind, column, centre, scale = source[KIND], source[COLUMN], source[CENTRE], source[SCALE]
    size = like.itemsize
    element_size = 8 if kind == DOUBLE else 4 if kind == SINGLE else 1
    lanes = LANES
    whole = p // lanes
    for i in range(rows):
        which = start + i if order == 0 else carray(longs(order), start + i + 1)[start + i]
        to = target + i * stride
        out = carray(like_array(to, like), p)
        if kind == SPARSE:
            for j in range(p):
                out[j] = 0
            first, last = (
                carray(longs(source[INDPTR]), which + 2)[which],
                carray(longs(source[INDPTR]), which + 2)[which + 1],
            )
            columns, values = carray(longs(source[INDICES]), last), carray(doubles(source[X]), last)
            for k in range(first, last):
                j = columns[k]
                factor = 1.0 if scale == 0 else carray(doubles(scale), p)[j]
                out[j] = values[k] * factor
            continue
        at = source[X] + which * source[ROW]
        if column != element_size:
            for j in range(p):
                value = element(at + j * column, kind)
                if centre != 0:
                    value = (value - carray(doubles(centre), p)[j]) * carray(doubles(scale), p)[j]
                out[j] = value
            continue
        convert(at, kind, centre, scale, to, whole, like)
        if whole * lanes < p:
            if p >= lanes:  # the last register overlaps the one before
                back = p - lanes
                convert(
                    at + back * element_size,
                    kind,
                    centre + back * 8 if centre != 0 else 0,
                    scale + back * 8,
                    to + back * size,
                    1,
                    like,
                )
            else:
                for j in range(p):
                    value = element(at + j * element_size, kind)
                    if centre != 0:
                        value = (value - carray(doubles(centre), p)[j]) * carray(doubles(scale), p)[j]
                    out[j] = value


@intrinsic
def longs(typingctx: Any, address: Any):
    """An integer address as a pointer to int64."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], context.get_value_type(signature.return_type))

    return types.CPointer(types.int64)(types.int64), codegen


@compiled
def dense(op, slope, first, rows, like):
    """f = bend(x W + b): x, its row stride, inputs, W, its row stride, b, f, its row stride, registers of a row."""
    x, x_row, inputs, W, W_row, b, f, f_row, vectors = op[FIRST : FIRST + 9]
    multiply(
        x + first * x_row,
        x_row,
        like.itemsize,
        W,
        W_row,
        f + first * f_row,
        f_row,
        rows,
        vectors,
        inputs,
        b,
        0,
        like.dtype.type(slope),
        like,
    )


@compiled
def apply(op, q, first, rows, like):
    """f = a(x): x, f, row stride, registers from row to row, kind."""
    x, f, row, vectors, kind = op[FIRST : FIRST + 5]
    activate(kind, like.dtype.type(q), x + first * row, f + first * row, rows * vectors, like)


@compiled
def apply_back(op, q, first, rows, like):
    """∂J/∂x = ∂J/∂f · a'(x) in place: x, f, the slope, row stride, registers from row to row, kind."""
    x, f, slope, row, vectors, kind = op[FIRST : FIRST + 6]
    bend_back(
        kind, like.dtype.type(q), x + first * row, f + first * row, slope + first * row, rows * vectors, like
    )


@compiled
def dense_back(op, first, rows, zeros, like):
    """∂J/∂x = ∂J/∂f Wᵀ: the slope, its row stride, units, Wᵀ, its row stride, the target, its row stride, registers."""
    slope, slope_row, units, W, W_row, target, target_row, vectors = op[FIRST : FIRST + 8]
    multiply(
        slope + first * slope_row,
        slope_row,
        like.itemsize,
        W,
        W_row,
        target + first * target_row,
        target_row,
        rows,
        vectors,
        units,
        zeros,
        0,
        like.dtype.type(1.0),
        like,
    )


@intrinsic
def add_rows(typingctx: Any, source: Any, row: Any, rows: Any, vectors: Any, target: Any, like: Any):
    """target ← Σ over rows, in their order, register by register."""
    signature = types.void(*([types.int64] * 5), like)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source, row, rows, vectors, target, _ = args
        v = vectors_like(builder, signature.args[-1], SHAPE)

        def column(j: Any, _: list[Any]) -> list[Any]:
            place = builder.mul(j, ir.Constant(I64, v.lanes * v.size))

            def add(i: Any, sums: list[Any]) -> list[Any]:
                return [v.add(sums[0], v.load(v.at(v.at(source, builder.mul(i, row)), place)))]

            v.store(counted_loop(builder, rows, [v.zero], add)[0], v.at(target, place))
            return []

        counted_loop(builder, vectors, [], column)
        return context.get_dummy_value()

    return signature, codegen


@compiled
def weights(op, unit, first, rows, zeros, like):
    """∂J/∂W = xᵀ · slope and ∂J/∂b over some rows: x, its row stride, inputs, the slope, its row stride, registers of
    its row; the target, its stride between shards, its row stride; that of b, or 0."""
    x, x_row, inputs, slope, slope_row, vectors, target, apart, target_row, bias = op[FIRST : FIRST + 10]
    size = like.itemsize
    x, slope = x + first * x_row, slope + first * slope_row
    multiply(
        x,
        size,
        x_row,
        slope,
        slope_row,
        target + unit * apart,
        target_row,
        inputs,
        vectors,
        rows,
        zeros,
        0,
        like.dtype.type(1.0),
        like,
    )
    if bias != 0:
        add_rows(slope, slope_row, rows, vectors, bias + unit * apart, like)


@compiled
def weights_of_all(op, unit, rows, zeros, like):
    """The same over all rows, for some of the inputs: what `weights` has, and how many inputs a unit has."""
    x, x_row, inputs, slope, slope_row, vectors, target, _, target_row, bias, block = op[FIRST : FIRST + 11]
    size, begin = like.itemsize, unit * block
    multiply(
        x + begin * size,
        size,
        x_row,
        slope,
        slope_row,
        target + begin * target_row,
        target_row,
        min(block, inputs - begin),
        vectors,
        rows,
        zeros,
        0,
        like.dtype.type(1.0),
        like,
    )
    if unit == 0 and bias != 0:
        add_rows(slope, slope_row, rows, vectors, bias, like)


@compiled
def transpose(op, unit, like):
    """Wᵀ: W, its row stride, inputs, units, the target, its row stride, how many inputs a unit of work has."""
    W, W_row, inputs, units, target, target_row, block = op[FIRST : FIRST + 7]
    size = like.itemsize
    begin, stop = unit * block, min(inputs, (unit + 1) * block)
    for j in range(units):
        out = carray(like_array(target + j * target_row, like), inputs)
        for i in range(begin, stop):
            out[i] = carray(like_array(W + i * W_row + j * size, like), 1)[0]


@compiled
def drop(op, factor, key, first, rows, like):
    """Dropout: x, f (which may be x), row stride, width, threshold, how many numbers its layer has, and these."""
    x, f, row, width, threshold, depth = op[FIRST : FIRST + 6]
    for k in range(depth):
        key = derived(key, np.uint64(op[FIRST + 6 + k]))
    scale = like.dtype.type(factor)
    for i in range(first, first + rows):
        its, out = carray(like_array(x + i * row, like), width), carray(like_array(f + i * row, like), width)
        for j in range(width):
            if np.int64(random_bits(key, np.uint64(i * width + j)) >> np.uint64(40)) < threshold:
                out[j] = 0
            else:
                out[j] = its[j] * scale


@intrinsic
def exponentials(typingctx: Any, address: Any, vectors: Any):
    """eˣ of doubles in place."""
    signature = types.void(types.int64, types.int64)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        v = Vectors(builder, SHAPE.lanes, True, SHAPE.fused)

        def body(step: Any, _: list[Any]) -> list[Any]:
            at = v.at(args[0], builder.mul(step, ir.Constant(I64, v.lanes * 8)))
            v.store(register_math.exp(Number(v, v.load(at))).value, at)
            return []

        counted_loop(builder, args[1], [], body)
        return context.get_dummy_value()

    return signature, codegen


@compiled
def loss(op, power, source, start, first, rows, share, work, like):
    """Σ w L over a shard, and ∂J/∂f = w L' · share: f, its row stride, outputs, the number of the loss (−1: softmax and
    cross-entropy), the slope.

    work : 5 parts of doubles, each as long as the shard's outputs and one step, and 8 steps.
    """
    f, row, outputs, code, slope = op[FIRST : FIRST + 5]
    order, lanes = source[ORDER], LANES
    count = rows * outputs
    part = (count + STEP - 1) // STEP * STEP
    eta, y, w = work[:part], work[part : 2 * part], work[2 * part : 3 * part]
    one, two, totals = (
        work[3 * part : 4 * part],
        work[4 * part : 5 * part],
        work[5 * part : 5 * part + 4 * STEP],
    )
    its = source[OUTPUTS]
    for k in range(count, part):
        eta[k] = y[k] = w[k] = 0.0
    for i in range(rows):
        which = (
            start + first + i
            if order == 0
            else carray(longs(order), start + first + i + 1)[start + first + i]
        )
        values = carray(like_array(f + (first + i) * row, like), outputs)
        target = carray(doubles(source[TARGETS] + which * its * 8), its)
        weight = 1.0 if source[WEIGHTS] == 0 else carray(doubles(source[WEIGHTS] + which * 8), 1)[0]
        for j in range(outputs):
            eta[i * outputs + j] = values[j]
            y[i * outputs + j] = target[j] if its == outputs else target[0]
            w[i * outputs + j] = weight
    found = 0.0
    if code >= 0:
        totals[:] = 0.0
        tiles.row_terms(
            code,
            power,
            eta.ctypes.data,
            y.ctypes.data,
            w.ctypes.data,
            part // STEP,
            one.ctypes.data,
            two.ctypes.data,
            totals.ctypes.data,
        )
        for k in range(STEP):
            found += totals[k] + totals[k + STEP]
    else:
        for i in range(rows):
            top = -np.inf
            for j in range(i * outputs, (i + 1) * outputs):
                top = eta[j] if not eta[j] <= top else top  # NaN stays
            for j in range(i * outputs, (i + 1) * outputs):
                eta[j] -= top
        for k in range(count):
            two[k] = eta[k]
        exponentials(eta.ctypes.data, part // lanes)
        product = 1.0
        for i in range(rows):
            begin, own = i * outputs, np.int64(y[i * outputs])
            others = 0.0
            for j in range(outputs):
                if j != own:
                    others += eta[begin + j]
            mine = eta[begin + own]
            total = others + mine
            for j in range(outputs):
                one[begin + j] = w[begin] * (eta[begin + j] / total)
            one[begin + own] = -w[begin] * (others / total)
            found -= w[begin] * two[begin + own]
            if w[begin] == 1.0:  # logarithms of many sums are that of their product
                product *= total
                if not product < 1e250:
                    found += np.log(product)
                    product = 1.0
            else:
                found += w[begin] * np.log(total)
        found += np.log(product)
    for i in range(rows):
        out = carray(like_array(slope + (first + i) * row, like), outputs)
        for j in range(outputs):
            out[j] = one[i * outputs + j] * share
    return found


@compiled
def copy_out(op, start, first, rows, like):
    """The network's output, row by row: f, its row stride, outputs, the target."""
    f, row, outputs, target = op[FIRST : FIRST + 4]
    for i in range(first, first + rows):
        values = carray(like_array(f + i * row, like), outputs)
        out = carray(like_array(target + (start + i) * outputs * like.itemsize, like), outputs)
        for j in range(outputs):
            out[j] = values[j]

"""A few words for writing vector arithmetic in LLVM IR: load, store, fused multiply–add, error-free sums.

Values are LLVM vectors of `lanes` doubles or floats. Addresses are integers (bytes), so that one compiled function
serves any array: read-only, strided, memory-mapped. No fast-math flag is ever set; error terms survive.
"""

from __future__ import annotations

from typing import Any, final

from llvmlite import ir
from numba.core import cgutils
from numba.extending import intrinsic as _intrinsic

from betahat.kernels.processor import Tile

intrinsic: Any = _intrinsic  # what it decorates is called with fewer arguments than it is written with
I64 = ir.IntType(64)
I32 = ir.IntType(32)
DOUBLES, FLOATS, BYTES = range(3)  # what can be read as doubles in passing


@final
class Vectors:
    """Emits operations on vectors of one width into a numba builder."""

    def __init__(self, builder: Any, lanes: int, double: bool, fused: bool) -> None:
        self.builder, self.lanes, self.fused = builder, lanes, fused
        self.scalar = ir.DoubleType() if double else ir.FloatType()
        self.size = 8 if double else 4
        self.type = ir.VectorType(self.scalar, lanes)
        self.zero = ir.Constant(self.type, [0.0] * lanes)

    def pointer(self, address: Any, kind: Any) -> Any:
        return self.builder.inttoptr(address, kind.as_pointer())

    def at(self, address: Any, offset: Any) -> Any:
        """address + offset, in bytes; the offset is an integer or an IR value."""
        return self.builder.add(address, ir.Constant(I64, offset) if isinstance(offset, int) else offset)

    def load(self, address: Any) -> Any:
        value = self.builder.load(self.pointer(address, self.type))
        value.align = self.size
        return value

    def store(self, value: Any, address: Any) -> None:
        self.builder.store(value, self.pointer(address, self.type)).align = self.size

    def load_first(self, address: Any, count: Any) -> Any:
        """The first `count` (1 … lanes) elements, zeros behind them; nothing beyond is touched."""
        return self._load_first(address, count, self.type, f"f{8 * self.size}", self.size)

    def load_as(self, address: Any, count: Any, kind: int) -> Any:
        """Doubles from `lanes` numbers of a type (DOUBLES, FLOATS, BYTES), or from the first `count` if not None."""
        if kind == DOUBLES:
            return self.load(address) if count is None else self.load_first(address, count)
        element, name, size = (ir.FloatType(), "f32", 4) if kind == FLOATS else (ir.IntType(8), "i8", 1)
        narrow = ir.VectorType(element, self.lanes)
        if count is None:
            value = self.builder.load(self.pointer(address, narrow))
            value.align = size
        else:
            value = self._load_first(address, count, narrow, name, size)
        return (
            self.builder.fpext(value, self.type) if kind == FLOATS else self.builder.uitofp(value, self.type)
        )

    def _load_first(self, address: Any, count: Any, type_: Any, name: str, size: int) -> Any:
        b = self.builder
        lane = ir.Constant(ir.VectorType(I64, self.lanes), list(range(self.lanes)))
        first = b.insert_element(ir.Constant(lane.type, ir.Undefined), count, ir.Constant(I32, 0))
        order = ir.Constant(ir.VectorType(I32, self.lanes), [0] * self.lanes)
        limit = b.shuffle_vector(first, ir.Constant(lane.type, ir.Undefined), order)
        mask = b.icmp_signed("<", lane, limit)
        pointer = self.pointer(address, type_)
        kind = ir.FunctionType(type_, [pointer.type, I32, mask.type, type_])
        load = cgutils.get_or_insert_function(b.module, kind, f"llvm.masked.load.v{self.lanes}{name}.p0")
        return b.call(load, [pointer, ir.Constant(I32, size), mask, ir.Constant(type_, [0] * self.lanes)])

    def prefetch(self, address: Any, first: bool = False) -> None:
        """Ask for a cache line to be brought to the second-level cache, or to the first; harmless at any address."""
        pointer = self.builder.inttoptr(address, cgutils.voidptr_t)
        kind = ir.FunctionType(ir.VoidType(), [pointer.type, I32, I32, I32])
        fetch = cgutils.get_or_insert_function(self.builder.module, kind, "llvm.prefetch.p0")
        read, nearness, data = (ir.Constant(I32, k) for k in (0, 3 if first else 2, 1))
        self.builder.call(fetch, [pointer, read, nearness, data])

    def broadcast(self, address: Any) -> Any:
        return self.splat(self.builder.load(self.pointer(address, self.scalar)))

    def splat(self, scalar: Any) -> Any:
        first = self.builder.insert_element(ir.Constant(self.type, ir.Undefined), scalar, ir.Constant(I32, 0))
        lanes = ir.Constant(ir.VectorType(I32, self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(first, ir.Constant(self.type, ir.Undefined), lanes)

    def _intrinsic(self, name: str, *arguments: Any) -> Any:
        kind = ir.FunctionType(self.type, [self.type] * len(arguments))
        full = f"llvm.{name}.v{self.lanes}f{8 * self.size}"
        return self.builder.call(
            cgutils.get_or_insert_function(self.builder.module, kind, full), list(arguments)
        )

    def add(self, a: Any, b: Any) -> Any:
        return self.builder.fadd(a, b)

    def sub(self, a: Any, b: Any) -> Any:
        return self.builder.fsub(a, b)

    def mul(self, a: Any, b: Any) -> Any:
        return self.builder.fmul(a, b)

    def divide(self, a: Any, b: Any) -> Any:
        return self.builder.fdiv(a, b)

    def constant(self, value: float) -> Any:
        return ir.Constant(self.type, [value] * self.lanes)

    def abs(self, a: Any) -> Any:
        return self._intrinsic("fabs", a)

    def sqrt(self, a: Any) -> Any:
        return self._intrinsic("sqrt", a)

    def multiply_add(self, a: Any, b: Any, c: Any) -> Any:
        """a·b + c, fused where the processor can (elsewhere llvm.fma would call the C library)."""
        return self._intrinsic("fma", a, b, c) if self.fused else self.add(self.mul(a, b), c)

    def two_sum(self, a: Any, b: Any) -> tuple[Any, Any]:
        """s + e = a + b exactly (Knuth 1969)."""
        s = self.add(a, b)
        z = self.sub(s, a)
        return s, self.add(self.sub(a, self.sub(s, z)), self.sub(b, z))

    def split(self, a: Any) -> tuple[Any, Any]:
        """Two halves of 26 bits (Veltkamp 1968), for processors without a fused multiply–add."""
        t = self.mul(a, ir.Constant(self.type, [134217729.0] * self.lanes))
        high = self.sub(t, self.sub(t, a))
        return high, self.sub(a, high)

    def two_product(self, a: Any, b: Any) -> tuple[Any, Any]:
        """p + e = a·b exactly (Dekker 1971, or one fused multiply–add)."""
        p = self.mul(a, b)
        if self.fused:
            return p, self._intrinsic("fma", a, b, self.builder.fneg(p))
        (ah, al), (bh, bl) = self.split(a), self.split(b)
        e = self.sub(self.mul(ah, bh), p)
        e = self.add(self.add(e, self.mul(ah, bl)), self.mul(al, bh))
        return p, self.add(e, self.mul(al, bl))

    def transpose(self, rows: list[Any]) -> list[Any]:
        """`lanes` vectors as a square matrix, transposed by log₂(lanes) rounds of shuffles."""
        n, step = self.lanes, 1
        while step < n:
            result = list(rows)
            for i in range(n):
                if i & step:
                    continue
                low = [j if not j & step else n + (j ^ step) for j in range(n)]
                high = [(j | step) if not j & step else n + j for j in range(n)]
                for target, order in ((i, low), (i | step, high)):
                    mask = ir.Constant(ir.VectorType(I32, n), order)
                    result[target] = self.builder.shuffle_vector(rows[i], rows[i | step], mask)
            rows, step = result, 2 * step
        return rows


def vectors_like(builder: Any, array: Any, shape: Tile) -> Vectors:
    """The vectors of one register for arrays of this numba type (float64 or float32)."""
    double = array.dtype.bitwidth == 64
    return Vectors(builder, shape.lanes if double else 2 * shape.lanes, double, shape.fused)


def counted_loop(builder: Any, count: Any, carried: list[Any], body: Any) -> list[Any]:
    """for k in range(count): carried = body(k, carried). A count of zero does nothing."""
    start = builder.block
    loop, leave = builder.append_basic_block("loop"), builder.append_basic_block("leave")
    zero = ir.Constant(I64, 0)
    builder.cbranch(builder.icmp_signed(">", count, zero), loop, leave)
    builder.position_at_end(loop)
    step = builder.phi(I64)
    step.add_incoming(zero, start)
    inside = [builder.phi(value.type) for value in carried]
    for phi, value in zip(inside, carried, strict=True):
        phi.add_incoming(value, start)
    updated = body(step, inside)
    following = builder.add(step, ir.Constant(I64, 1))
    end = builder.block
    step.add_incoming(following, end)
    for phi, value in zip(inside, updated, strict=True):
        phi.add_incoming(value, end)
    builder.cbranch(builder.icmp_signed("<", following, count), loop, leave)
    builder.position_at_end(leave)
    final = [builder.phi(value.type) for value in carried]
    for phi, before, after in zip(final, carried, updated, strict=True):
        phi.add_incoming(before, start)
        phi.add_incoming(after, end)
    return final


def switch(builder: Any, value: Any, numbers: Any, emit: Any) -> None:
    """Emit code for each of the numbers, of which that for `value` runs, or none."""
    for number in numbers:
        with builder.if_then(builder.icmp_signed("==", value, ir.Constant(I64, number))):
            emit(number)


def function(module: Any, name: str, arguments: list[Any], emit: Any) -> Any:
    """A function without result that is emitted once a module by emit(builder, arguments). It is not inlined, so that
    what it computes has all registers for itself."""
    if name in module.globals:
        return module.globals[name]
    found = ir.Function(module, ir.FunctionType(ir.VoidType(), arguments), name)
    found.linkage = "internal"
    found.attributes.add("noinline")
    builder = ir.IRBuilder(found.append_basic_block("entry"))
    emit(builder, found.args)
    builder.ret_void()
    return found

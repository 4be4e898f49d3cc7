"""Dense layers lowered to products."""

from __future__ import annotations

from typing import final

from betahat.engines.cpu.program import Program, Value
from betahat.kernels.network import operations as does
from betahat.kernels.network.tiles import WHOLE
from betahat.layers.dense import Dense

_WHOLE_FROM = (
    1 << 15
)  # numbers of a weight matrix from which its gradient is shared out by its rows, not the batch's


@final
class LoweredDense:
    """f = x W + b, bent as max(f, bend · f), and its backward pass."""

    def __init__(self, program: Program, layer: Dense, path: str, x: Value, bend: float) -> None:
        self.program, self.layer, self.path, self.x = program, layer, path, x
        self.weight, at = program.parameter(f"{path}.weight")
        self.size = program.beta.itemsize
        self.f = f = program.value(layer.units)
        left, right = (x.at, x.row, 0, x.row, self.size), (at, 0, self.weight.stride * self.size)
        sizes = (does.ROWS, 0, program.registers(f.width), self.weight.rows)
        bias = program.bias(path, layer.bias)
        program.add(does.product, *left, *right, f.at, f.row, 0, f.row, *sizes, bias, real=bend)

    def back(self, slope: Value, needed: bool) -> Value | None:
        """∂J/∂W, ∂J/∂b and ∂J/∂x for a slope of f's layout."""
        self._weights(slope)
        if not needed:
            return None
        program, weight = self.program, self.weight
        turned = program.transposed(weight, weight.rows, weight.units).array
        dx = program.alike(self.x)
        left, right = (
            (slope.at, slope.row, 0, slope.row, self.size),
            (turned.ctypes.data, 0, turned.strides[0]),
        )
        sizes = (does.ROWS, 0, program.registers(dx.width), weight.units)
        zeros = program.zeros.ctypes.data
        program.add(does.product, *left, *right, dx.at, dx.row, 0, dx.row, *sizes, zeros, real=1.0)
        return dx

    def _weights(self, slope: Value) -> None:
        """∂J/∂W and ∂J/∂b: of small weights by shards, whose sums are added later; of large ones by rows of W, when all
        shards are done."""
        program, weight, size, x = self.program, self.weight, self.size, self.x
        path, bias = self.path, self.layer.bias
        to, row, zeros = program.gradient(f"{path}.weight"), weight.stride * size, program.zeros.ctypes.data
        apart, vectors = program.gradients.strides[0], program.registers(slope.width)
        sums = (slope.at, slope.row, vectors, program.gradient(f"{path}.bias") if bias else 0)
        whole = program.shards > 1 and weight.size >= _WHOLE_FROM
        block = -(-max(WHOLE, -(-weight.rows // 64)) // WHOLE) * WHOLE if whole else 0
        left = (x.at, 0, block * size, size, x.row) if whole else (x.at, x.row, 0, size, x.row)
        right = (slope.at, 0 if whole else slope.row, slope.row)
        into = (to, 0, block * row if whole else apart, row)
        numbers = (*left, *right, *into, weight.rows, block, vectors, does.ROWS, zeros)
        if not whole:
            program.add(does.product, *numbers, real=1.0)
            if bias:
                program.add(does.sum_rows, *sums, apart)
            return
        program.later.append((does.product, numbers, -(-weight.rows // block)))
        program.parts[f"{path}.weight"] = 1
        if bias:
            program.later.append((does.sum_rows, (*sums, 0), 1))
            program.parts[f"{path}.bias"] = 1

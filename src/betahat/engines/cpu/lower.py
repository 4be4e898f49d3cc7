"""Layers lowered to operations: each adds what computes f, and hands back what will add its backward pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from betahat.engines.cpu.known import activation_of, is_plain
from betahat.engines.cpu.layout import WIDE, Place, row_numbers
from betahat.engines.cpu.normalise import lower_batch_norm, lower_layer_norm
from betahat.engines.cpu.program import Program, Value
from betahat.kernels.aligned import aligned
from betahat.kernels.network import activations as kinds
from betahat.kernels.network import embedding as columns
from betahat.kernels.network import operations as does
from betahat.kernels.network.tiles import MOST_ROWS
from betahat.kernels.random import threshold
from betahat.layers.base import Child, Shape
from betahat.layers.batch_norm import BatchNorm
from betahat.layers.columns import Columns
from betahat.layers.dense import Dense
from betahat.layers.dropout import Dropout
from betahat.layers.layer_norm import LayerNorm
from betahat.layers.residual import Residual
from betahat.layers.sequential import Sequential, chained

_WHOLE_FROM = (
    1 << 15
)  # numbers of a weight matrix from which its gradient is shared out by its rows, not the batch's

Run = Callable[[Value, bool], "Value | None"]


@final
@dataclass(frozen=True)
class Back:
    """A layer's backward pass: whether it has parameters, and what adds its operations for a slope, which it may
    change; with True it gives the slope of what came in."""

    trained: bool
    run: Run


@final
@dataclass
class Lowering:
    """The way through a network so far. whole : gradients of large weights, for when all shards are done: operation,
    its numbers, units."""

    program: Program
    whole: list[tuple[Any, tuple[int, ...], int]]

    def chain(
        self, children: list[Child], path: str, numbers: tuple[int, ...], x: Value
    ) -> tuple[Value, list[Back]]:
        """f of layers one after the other."""
        backs: list[Back] = []
        k = 0
        while k < len(children):
            child, slope = children[k], 1.0
            k += 1
            if isinstance(child.layer, Dense) and k < len(children):
                following = activation_of(children[k].layer)
                if following is not None and following[0] == kinds.LEAKY and 0 <= following[1] <= 1:
                    slope, k = following[1], k + 1
            x, its = self.layer(child, path + child.name, (*numbers, child.number), x, slope)
            backs += its
        return x, backs

    def layer(
        self, child: Child, path: str, numbers: tuple[int, ...], x: Value, bend: float
    ) -> tuple[Value, list[Back]]:
        """f of one layer, a Dense bent as max(f, bend · f)."""
        layer, program = child.layer, self.program
        if isinstance(layer, Sequential):
            return self.chain(list(layer.children(child.shape)), f"{path}.", numbers, x)
        if isinstance(layer, Residual):
            return self._residual(layer, child.shape, path, numbers, x)
        if isinstance(layer, Columns):
            return self._columns(layer, path, x)
        if isinstance(layer, Dense):
            return self._dense(layer, path, x, bend)
        if isinstance(layer, BatchNorm):
            f, back = lower_batch_norm(program, layer, path, x)
            return f, [Back(True, back)]
        if isinstance(layer, LayerNorm):
            f, back = lower_layer_norm(program, layer, path, x)
            return f, [Back(True, back)]
        if isinstance(layer, Dropout) and threshold(layer.rate):
            return self._drop(layer, numbers, x) if program.training else (x, [])
        kind = activation_of(layer)
        if kind is None:
            assert is_plain(layer)
            return x, []
        f = program.value(x.width)
        program.add(does.apply, x.at, f.at, x.row, x.apart, kind[0], real=kind[1])
        return f, [Back(False, self._bent(x, f, kind))]

    def _bent(self, x: Value, f: Value, kind: tuple[int, float]) -> Run:
        def back(slope: Value, needed: bool) -> Value:
            numbers = (x.at, f.at, slope.at, slope.row, slope.apart, kind[0])
            self.program.add(does.apply_back, *numbers, real=kind[1])
            return slope

        return back

    def _dense(self, layer: Dense, path: str, x: Value, bend: float) -> tuple[Value, list[Back]]:
        program, size = self.program, self.program.beta.itemsize
        weight, at = program.parameter(f"{path}.weight")
        row, zeros = weight.stride * size, program.zeros.ctypes.data
        bias = program.parameter(f"{path}.bias")[1] if layer.bias else zeros
        f = program.value(layer.units)
        left, right, into = (x.at, x.row, 0, x.row, size), (at, 0, row), (f.at, f.row, 0, f.row)
        program.add(
            does.product, *left, *right, *into, does.ROWS, 0, f.registers, weight.rows, bias, real=bend
        )

        def back(slope: Value, needed: bool) -> Value | None:
            self._weights(path, layer.bias, weight, x, slope)
            if not needed:
                return None
            turned = aligned((-(-weight.units // WIDE) * WIDE, row_numbers(weight.rows, size)), program.dtype)
            program.turned.append((weight, turned))
            target = program.value(x.width)
            left, right = (
                (slope.at, slope.row, 0, slope.row, size),
                (turned.ctypes.data, 0, turned.strides[0]),
            )
            into = (target.at, target.row, 0, target.row)
            sizes = (does.ROWS, 0, target.registers, weight.units)
            program.add(does.product, *left, *right, *into, *sizes, zeros, real=1.0)
            return target

        backs = [Back(True, back)]
        return f, backs if bend == 1.0 else [*backs, Back(False, self._bent(f, f, (kinds.LEAKY, bend)))]

    def _weights(self, path: str, bias: bool, weight: Place, x: Value, slope: Value) -> None:
        """∂J/∂W and ∂J/∂b: of small weights by shards, whose sums are added later; of large ones by rows of W."""
        program, size = self.program, self.program.beta.itemsize
        to, row, zeros = program.gradient(f"{path}.weight"), weight.stride * size, program.zeros.ctypes.data
        apart = program.gradients.strides[0]
        sums = (slope.at, slope.row, slope.registers, program.gradient(f"{path}.bias") if bias else 0)
        whole = program.shards > 1 and weight.size >= _WHOLE_FROM
        block = -(-max(MOST_ROWS, -(-weight.rows // 64)) // MOST_ROWS) * MOST_ROWS if whole else 0
        left = (x.at, 0, block * size, size, x.row) if whole else (x.at, x.row, 0, size, x.row)
        right = (slope.at, 0 if whole else slope.row, slope.row)
        into = (to, 0, block * row if whole else apart, row)
        numbers = (*left, *right, *into, weight.rows, block, slope.registers, does.ROWS, zeros)
        if not whole:
            program.add(does.product, *numbers, real=1.0)
            if bias:
                program.add(does.sum_rows, *sums, apart)
            return
        self.whole.append((does.product, numbers, -(-weight.rows // block)))
        program.parts[f"{path}.weight"] = 1
        if bias:
            self.whole.append((does.sum_rows, (*sums, 0), 1))
            program.parts[f"{path}.bias"] = 1

    def _drop(self, layer: Dropout, numbers: tuple[int, ...], x: Value) -> tuple[Value, list[Back]]:
        f, program = self.program.value(x.width), self.program
        factor = float(np.asarray(1 / (1 - layer.rate), program.dtype))
        its = (f.row, x.width, threshold(layer.rate), len(numbers), *numbers)
        program.add(does.drop, x.at, f.at, *its, real=factor)

        def back(slope: Value, needed: bool) -> Value:
            program.add(does.drop, slope.at, slope.at, *its, real=factor)
            return slope

        return f, [Back(False, back)]

    def _residual(
        self, layer: Residual, shape: Shape, path: str, numbers: tuple[int, ...], x: Value
    ) -> tuple[Value, list[Back]]:
        program = self.program
        g, inner = self.chain(list(layer.children(shape)), f"{path}.", numbers, x)
        f = program.value(x.width)
        program.add(does.add, x.at, g.at, f.at, f.row, f.apart)

        def back(slope: Value, needed: bool) -> Value:
            through: Value | None = program.value(slope.width)
            program.add(does.add, slope.at, 0, through.at, slope.row, slope.apart)
            through = run_back(inner, through, needed)
            if needed and through is not None:
                program.add(does.add, slope.at, through.at, slope.at, slope.row, slope.apart)
            return slope

        return f, [Back(any(each.trained for each in inner), back)]

    def _columns(self, layer: Columns, path: str, x: Value) -> tuple[Value, list[Back]]:
        program, size = self.program, self.program.beta.itemsize
        f = program.value(len(layer.numeric) + sum(each.size for _, each in layer.embedded))
        places = np.array(layer.numeric, np.int64)
        program.held.append(places)
        program.add(columns.pick, x.at, x.row, f.at, f.row, len(places), places.ctypes.data)
        names, first = [], len(places)
        for place, each in layer.embedded:
            name = f"{path}.column.{place}.weight"
            table, at = program.parameter(name)
            code, to = Value(x.array, 1, place), Value(f.array, each.size, first)
            program.add(columns.embed, code.at, x.row, to.at, f.row, each.size, at, table.stride * size)
            names.append((name, code, first, each))
            first += each.size

        def back(slope: Value, needed: bool) -> None:
            for name, code, first, each in names:
                stride = program.layout.places[name].stride * size
                at = Value(slope.array, each.size, first).at
                numbers = (
                    code.at,
                    x.row,
                    at,
                    slope.row,
                    each.size,
                    program.gradient(name),
                    stride,
                    each.categories,
                )
                program.add(columns.embed_back, *numbers, program.gradients.strides[0])

        return f, [Back(True, back)]


def run_back(backs: list[Back], slope: Value, needed: bool) -> Value | None:
    """Add backward passes from the last to the first, as far as there is something to train before them."""
    current: Value | None = slope
    for k in reversed(range(len(backs))):
        earlier = needed or any(back.trained for back in backs[:k])
        if not (earlier or backs[k].trained):
            return None
        assert current is not None
        current = backs[k].run(current, earlier)
    return current


def lower_network(program: Program, x: Value) -> tuple[Value, Lowering, list[Back]]:
    """f of the whole network on rows x."""
    lowering = Lowering(program, [])
    network = program.network
    f, backs = lowering.chain(list(chained(network.layers, network.input_shape)), "", (), x)
    return f, lowering, backs

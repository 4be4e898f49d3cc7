"""Layers lowered to operations: each adds what computes f, and hands back what will add its backward pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from betahat.engines.cpu.convolve import LoweredConvolution, is_depthwise
from betahat.engines.cpu.images import as_image, lower_reshape, moved
from betahat.engines.cpu.known import activation_of, is_plain
from betahat.engines.cpu.layout import WIDE, Place, row_numbers
from betahat.engines.cpu.normalise import lower_batch_norm, lower_layer_norm
from betahat.engines.cpu.pool import lower_pool
from betahat.engines.cpu.program import Program, Turned, Value
from betahat.kernels.aligned import aligned
from betahat.kernels.network import activations as kinds
from betahat.kernels.network import embedding as columns
from betahat.kernels.network import operations as does
from betahat.kernels.network.tiles import WHOLE
from betahat.kernels.random import threshold
from betahat.layers.base import Child, Shape
from betahat.layers.batch_norm import BatchNorm
from betahat.layers.columns import Columns
from betahat.layers.convolution import Convolution
from betahat.layers.dense import Dense
from betahat.layers.dropout import Dropout, Dropout2d
from betahat.layers.flatten import Flatten
from betahat.layers.image import Image, Reshape
from betahat.layers.layer_norm import LayerNorm
from betahat.layers.pooling import AvgPool, GlobalAvgPool, GlobalMaxPool, MaxPool
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
            if _bends(child) and k < len(children):
                following = activation_of(children[k].layer)
                if following is not None and following[0] == kinds.LEAKY and 0 <= following[1] <= 1:
                    slope, k = following[1], k + 1
            x, its = self.layer(child, path + child.name, (*numbers, child.number), x, slope)
            backs += its
            if slope != 1.0 and k < len(children) and isinstance(children[k].layer, (MaxPool, GlobalMaxPool)):
                # the largest of bent numbers is the bent largest: its slope is bent where there are fewer numbers
                x, its = self.layer(children[k], path, (), x, 1.0)
                backs[-1:] = [*its, Back(False, self._bent_by(x, slope))]
                k += 1
        return x, backs

    def layer(
        self, child: Child, path: str, numbers: tuple[int, ...], x: Value, bend: float
    ) -> tuple[Value, list[Back]]:
        """f of one layer, that of products bent as max(f, bend · f)."""
        layer, program = child.layer, self.program
        x = as_image(x, child.shape)
        if isinstance(layer, Sequential):
            return self.chain(list(layer.children(child.shape)), f"{path}.", numbers, x)
        if isinstance(layer, Residual):
            return self._residual(layer, child, path, numbers, x)
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
        if isinstance(layer, (Dropout, Dropout2d)) and threshold(layer.rate):
            return self._drop(layer, numbers, x) if program.training else (x, [])
        if isinstance(layer, Convolution):
            return self._convolution(layer, child.shape, path, x, bend)
        if isinstance(layer, (AvgPool, MaxPool, GlobalAvgPool, GlobalMaxPool)):
            f, back = lower_pool(program, layer, child.shape, x)
            return f, [Back(False, back)]
        if isinstance(layer, (Flatten, Image, Reshape)):
            f, run = lower_reshape(program, layer, child.shape, x)
            return f, [Back(False, run)]
        kind = activation_of(layer)
        if kind is None:
            assert is_plain(layer)
            return x, []
        f = program.alike(x)
        program.add(does.apply, x.at, f.at, x.row, x.apart, kind[0], real=kind[1], chunk=self._chunk(x))
        return f, [Back(False, self._bent(x, f, kind))]

    def _chunk(self, x: Value) -> int:
        """Rows at once of what goes through numbers one by one."""
        return does.SHARD_WHOLE if x.grid is None else self.program.chunk(x)

    def _convolution(
        self, layer: Convolution, shape: Shape, path: str, x: Value, bend: float
    ) -> tuple[Value, list[Back]]:
        lowered = LoweredConvolution(self.program, layer, shape, path, x, bend)
        backs = [Back(True, lowered.back)]
        return lowered.f, backs if bend == 1.0 else [*backs, Back(False, self._bent_by(lowered.f, bend))]

    def _bent_by(self, f: Value, bend: float) -> Run:
        return self._bent(f, f, (kinds.LEAKY, bend))

    def _bent(self, x: Value, f: Value, kind: tuple[int, float]) -> Run:
        def back(slope: Value, needed: bool) -> Value:
            numbers = (x.at, f.at, slope.at, slope.row, slope.apart, kind[0])
            self.program.add(does.apply_back, *numbers, real=kind[1], chunk=self._chunk(f))
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
            begin = np.zeros(1, np.int64)
            program.turned.append(Turned(weight, 0, weight.rows, weight.units, turned, begin))
            target = program.alike(x)
            left, right = (
                (slope.at, slope.row, 0, slope.row, size),
                (turned.ctypes.data, 0, turned.strides[0]),
            )
            into = (target.at, target.row, 0, target.row)
            sizes = (does.ROWS, 0, target.registers, weight.units)
            program.add(does.product, *left, *right, *into, *sizes, zeros, real=1.0)
            return target

        backs = [Back(True, back)]
        return f, backs if bend == 1.0 else [*backs, Back(False, self._bent_by(f, bend))]

    def _weights(self, path: str, bias: bool, weight: Place, x: Value, slope: Value) -> None:
        """∂J/∂W and ∂J/∂b: of small weights by shards, whose sums are added later; of large ones by rows of W."""
        program, size = self.program, self.program.beta.itemsize
        to, row, zeros = program.gradient(f"{path}.weight"), weight.stride * size, program.zeros.ctypes.data
        apart = program.gradients.strides[0]
        sums = (slope.at, slope.row, slope.registers, program.gradient(f"{path}.bias") if bias else 0)
        whole = program.shards > 1 and weight.size >= _WHOLE_FROM
        block = -(-max(WHOLE, -(-weight.rows // 64)) // WHOLE) * WHOLE if whole else 0
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

    def _drop(
        self, layer: Dropout | Dropout2d, numbers: tuple[int, ...], x: Value
    ) -> tuple[Value, list[Back]]:
        f, program = self.program.alike(x), self.program
        factor = float(np.asarray(1 / (1 - layer.rate), program.dtype))
        width, alike = x.width if x.grid is None else x.channels, isinstance(layer, Dropout2d)
        its = (f.row, x.places, x.place, width, alike, threshold(layer.rate), len(numbers), *numbers)
        chunk = self._chunk(x)
        program.add(does.drop, x.at, f.at, *its, real=factor, chunk=chunk)

        def back(slope: Value, needed: bool) -> Value:
            program.add(does.drop, slope.at, slope.at, *its, real=factor, chunk=chunk)
            return slope

        return f, [Back(False, back)]

    def _residual(
        self, layer: Residual, child: Child, path: str, numbers: tuple[int, ...], x: Value
    ) -> tuple[Value, list[Back]]:
        program, children = self.program, list(layer.children(child.shape))
        beside: list[Back] = []
        aside = x
        if layer.projected(child.shape) is not None:
            first, *children = children
            aside, beside = self.layer(first, f"{path}.{first.name}", (*numbers, first.number), x, 1.0)
        g, inner = self.chain(children, f"{path}.", numbers, x)
        f = program.alike(g)
        chunk = self._chunk(g)
        if aside.row != g.row:  # x as it came in
            aside = self._laid_as(aside, g)
        program.add(does.add, aside.at, g.at, f.at, f.row, f.apart, chunk=chunk)

        def back(slope: Value, needed: bool) -> Value:
            through: Value | None = program.alike(slope)
            program.add(does.add, slope.at, 0, through.at, slope.row, slope.apart, chunk=chunk)
            through = run_back(inner, through, needed)
            straight = run_back(beside, slope, needed) if beside else slope
            if not needed or through is None or straight is None:
                return slope
            if straight.row != through.row:
                straight = self._laid_as(straight, through)
            program.add(
                does.add,
                straight.at,
                through.at,
                through.at,
                through.row,
                through.apart,
                chunk=self._chunk(through),
            )
            return through

        return f, [Back(any(each.trained for each in (*inner, *beside)), back)]

    def _laid_as(self, x: Value, other: Value) -> Value:
        """The same numbers with the places of another value of the shape."""
        f = self.program.alike(other)
        channels = x.channels if x.grid is not None else x.width
        places = np.arange(other.places)[:, None] * (x.pixel or x.width) + np.arange(
            other.pixel or other.width
        )
        inside = np.arange(other.pixel or other.width) < channels
        moved(self.program, x, f, np.where(inside, places, -1))
        return f

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


def _bends(child: Child) -> bool:
    """Whether a layer's product is bent before it leaves registers."""
    layer = child.layer
    if isinstance(layer, Convolution):
        return not is_depthwise(layer, child.shape)
    return isinstance(layer, Dense)


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

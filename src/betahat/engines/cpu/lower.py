"""Layers lowered to operations: each adds what computes f, and hands back what will add its backward pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np

from betahat.engines.cpu.convolve import LoweredConvolution
from betahat.engines.cpu.dense import LoweredDense
from betahat.engines.cpu.images import as_image, lower_reshape, moved
from betahat.engines.cpu.known import activation_of, is_plain
from betahat.engines.cpu.memory import Memory
from betahat.engines.cpu.normalise import lower_batch_norm, lower_group_norm
from betahat.engines.cpu.pool import lower_pool
from betahat.engines.cpu.program import Program, Value
from betahat.kernels.network import activations as kinds
from betahat.kernels.network import embedding as columns
from betahat.kernels.network import operations as does
from betahat.kernels.random import threshold
from betahat.layers.base import Child
from betahat.layers.batch_norm import BatchNorm
from betahat.layers.columns import Columns
from betahat.layers.convolution import Convolution
from betahat.layers.dense import Dense
from betahat.layers.dropout import Dropout, Dropout2d
from betahat.layers.flatten import Flatten
from betahat.layers.group_norm import GroupNorm
from betahat.layers.image import Image, Reshape
from betahat.layers.layer_norm import LayerNorm
from betahat.layers.pooling import AvgPool, GlobalAvgPool, GlobalMaxPool, MaxPool
from betahat.layers.residual import Residual
from betahat.layers.sequential import Sequential, chained

Run = Callable[[Value, bool], "Value | None"]
_NORMS = (BatchNorm, LayerNorm, GroupNorm)
"""Layers whose backward pass does without their output."""


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
    """The way through a network."""

    program: Program
    _free: Memory | None = None
    """The output of the last product, which its backward pass does without, until somebody else is known to need it."""

    def chain(
        self, children: list[Child], path: str, numbers: tuple[int, ...], x: Value
    ) -> tuple[Value, list[Back]]:
        """f of layers one after the other."""
        backs: list[Back] = []
        k = 0
        while k < len(children):
            child, slope = children[k], 1.0
            k += 1
            product = isinstance(child.layer, (Convolution, Dense))
            if product and k < len(children) and self._folds(children[k], child, path):
                k += 1
            bends = product or (
                isinstance(child.layer, BatchNorm) and not _is_largest(children[k + 1 : k + 2])
            )
            if bends and k < len(children) and (following := _leaky(children[k])):
                slope, k = following[1], k + 1
            x, its = self.layer(child, path + child.name, (*numbers, child.number), x, slope)
            backs += its
            if isinstance(child.layer, _NORMS) and slope == 1.0 and k < len(children) and _leaky(children[k]):
                x, its, k = self._bent_in_place(children, k, x)
                backs += its
            if product and slope != 1.0 and _is_largest(children[k : k + 1]):
                # the largest of bent numbers is the bent largest: its slope is bent where there are fewer numbers
                x, its = self._largest(children[k], x, slope, True)
                backs[-1:] = its
                k += 1
        return x, backs

    def _bent_in_place(self, children: list[Child], k: int, x: Value) -> tuple[Value, list[Back], int]:
        """The activation k, in the place of x, behind a layer that does without its output; or behind the pooling that
        follows, as below; and how far that goes."""
        following = _leaky(children[k])
        assert following is not None
        if _is_largest(children[k + 1 : k + 2]):
            return *self._largest(children[k + 1], x, following[1], False), k + 2
        self._bend(x, following[1])
        return x, [Back(False, self._bent_by(x, following[1]))], k + 1

    def _largest(self, child: Child, x: Value, bend: float, bent: bool) -> tuple[Value, list[Back]]:
        """The largest numbers, as max(f, bend · f); bent : whether x is already."""
        layer = child.layer
        assert isinstance(layer, (MaxPool, GlobalMaxPool))
        f, back = lower_pool(self.program, layer, child.shape, as_image(x, child.shape), bend == 0.0)
        if bend == 0.0:
            return f, [Back(False, back)]
        if not bent:
            self._bend(f, bend)
        return f, [Back(False, back), Back(False, self._bent_by(f, bend))]

    def _bend(self, x: Value, bend: float) -> None:
        chunk = self.program.chunk_of(x)
        self.program.add(does.apply, x.at, x.at, x.row, x.apart, kinds.LEAKY, real=bend, chunk=chunk)

    def layer(
        self, child: Child, path: str, numbers: tuple[int, ...], x: Value, bend: float
    ) -> tuple[Value, list[Back]]:
        """f of one layer, that of products and of batch normalisations bent as max(f, bend · f)."""
        layer, program = child.layer, self.program
        x = as_image(x, child.shape)
        if isinstance(layer, Sequential):
            return self.chain(list(layer.children(child.shape)), f"{path}.", numbers, x)
        if isinstance(layer, Residual):
            return self._residual(layer, child, path, numbers, x)
        if isinstance(layer, Columns):
            return self._columns(layer, path, x)
        if isinstance(layer, BatchNorm):
            f, back = lower_batch_norm(program, layer, path, x, x.memory is self._free, bend)
            return f, [Back(True, back)]
        if isinstance(layer, (LayerNorm, GroupNorm)):
            f, back = lower_group_norm(program, layer, path, x)
            return f, [Back(True, back)]
        if isinstance(layer, (Dropout, Dropout2d)) and threshold(layer.rate):
            return self._drop(layer, numbers, x) if program.training else (x, [])
        if isinstance(layer, (Convolution, Dense)):
            lowered = (
                LoweredDense(program, layer, path, x, bend)
                if isinstance(layer, Dense)
                else LoweredConvolution(program, layer, child.shape, path, x, bend)
            )
            backs = [Back(True, lowered.back)]
            self._free = lowered.f.memory if bend == 1.0 else None
            return lowered.f, backs if bend == 1.0 else [*backs, Back(False, self._bent_by(lowered.f, bend))]
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
        program.add(
            does.apply, x.at, f.at, x.row, x.apart, kind[0], real=kind[1], chunk=self.program.chunk_of(x)
        )
        return f, [Back(False, self._bent(x, f, kind))]

    def _folds(self, child: Child, before: Child, path: str) -> bool:
        """Whether a layer has become part of the weights before it."""
        layer, product = child.layer, before.layer
        if self.program.training or not isinstance(layer, BatchNorm):
            return False
        assert isinstance(product, (Convolution, Dense))
        self.program.fold(path + before.name, product.bias, path + child.name, layer.epsilon)
        return True

    def _bent_by(self, f: Value, bend: float) -> Run:
        return self._bent(f, f, (kinds.LEAKY, bend))

    def _bent(self, x: Value, f: Value, kind: tuple[int, float]) -> Run:
        def back(slope: Value, needed: bool) -> Value:
            numbers = (x.at, f.at, slope.at, slope.row, slope.apart, kind[0])
            self.program.add(does.apply_back, *numbers, real=kind[1], chunk=self.program.chunk_of(f))
            return slope

        return back

    def _drop(
        self, layer: Dropout | Dropout2d, numbers: tuple[int, ...], x: Value
    ) -> tuple[Value, list[Back]]:
        f, program = self.program.alike(x), self.program
        factor = float(np.asarray(1 / (1 - layer.rate), program.dtype))
        width, alike = x.width if x.grid is None else x.channels, isinstance(layer, Dropout2d)
        its = (f.row, x.places, x.place, width, alike, threshold(layer.rate), len(numbers), *numbers)
        chunk = self.program.chunk_of(x)
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
        aside, self._free = x, None
        if layer.projected(child.shape) is not None:
            first, *children = children
            aside, beside = self.layer(first, f"{path}.{first.name}", (*numbers, first.number), x, 1.0)
        g, inner = self.chain(children, f"{path}.", numbers, x)
        f = program.alike(g)
        chunk = self.program.chunk_of(g)
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
                chunk=self.program.chunk_of(through),
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
            code, to = Value(x.memory, 1, place), Value(f.memory, each.size, first)
            program.add(columns.embed, code.at, x.row, to.at, f.row, each.size, at, table.stride * size)
            names.append((name, code, first, each))
            first += each.size

        def back(slope: Value, needed: bool) -> None:
            for name, code, first, each in names:
                stride = program.layout.places[name].stride * size
                at = Value(slope.memory, each.size, first).at
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


def _is_largest(children: list[Child]) -> bool:
    """Whether there is a layer, and it takes largest numbers."""
    return any(isinstance(child.layer, (MaxPool, GlobalMaxPool)) for child in children)


def _leaky(child: Child) -> tuple[int, float] | None:
    """An activation max(x, bend · x), whose slope its output tells too; None for any other layer."""
    kind = activation_of(child.layer)
    return kind if kind is not None and kind[0] == kinds.LEAKY and 0 <= kind[1] <= 1 else None


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


def lower_network(program: Program, x: Value) -> tuple[Value, list[Back]]:
    """f of the whole network on rows x."""
    network = program.network
    return Lowering(program).chain(list(chained(network.layers, network.input_shape)), "", (), x)

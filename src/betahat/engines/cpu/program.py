"""A network lowered to operations with addresses: forwards, backwards, and the step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from betahat.engines.base import Task
from betahat.engines.cpu.chain import Links, number_of
from betahat.engines.cpu.layout import Layout, Place, row_numbers
from betahat.kernels.network import activations as kinds
from betahat.kernels.network import driver, operations
from betahat.kernels.network.tiles import BYTES, MOST_ROWS
from betahat.kernels.random import threshold
from betahat.layers import activations
from betahat.layers.base import Layer, size_of
from betahat.layers.dense import Dense
from betahat.layers.dropout import Dropout
from betahat.layers.flatten import Flatten
from betahat.layers.sequential import Sequential
from betahat.losses.base import Loss
from betahat.losses.multinomial import Multinomial
from betahat.models.network_layout import Leaf

_WHOLE_FROM = (
    1 << 15
)  # numbers of a weight matrix from which its gradient is shared out by its rows, not the batch's
_STRETCH = 1 << 11  # parameters moved at once
_SHARDS = ((512, 8), (96, 4), (16, 2))  # rows of a batch from which on it is cut into so many shards
SOFTMAX = -1


def activation_of(layer: Layer) -> tuple[int, float] | None:
    """The compiled activation that a layer is, and its number; None for none."""
    simple = {
        activations.Tanh: kinds.TANH, activations.Sigmoid: kinds.SIGMOID, activations.Softplus: kinds.SOFTPLUS,
        activations.SiLU: kinds.SILU,
    }  # fmt: skip
    if isinstance(layer, activations.ReLU):
        return kinds.LEAKY, 0.0
    if isinstance(layer, activations.LeakyReLU):
        return kinds.LEAKY, layer.slope
    if isinstance(layer, activations.ELU):
        return kinds.ELU, layer.alpha
    if isinstance(layer, activations.GELU):
        return (kinds.GELU_TANH if layer.approximate == "tanh" else kinds.GELU), 0.0
    number = simple.get(type(layer))
    return None if number is None else (number, 0.0)


def _is_plain(layer: Layer, shape: tuple[int, ...]) -> bool:
    """Whether it hands rows through as they are."""
    return isinstance(layer, (activations.Identity, Flatten)) or (
        isinstance(layer, Dropout) and threshold(layer.rate) == 0
    )


def loss_code(task: Task) -> int | None:
    """The number of the loss, −1 for softmax and cross-entropy, None where it is not known."""
    if isinstance(task.loss, Multinomial):
        return SOFTMAX
    return task.loss.code if isinstance(task.loss, Loss) else None


def is_known(task: Task) -> bool:
    """Whether every part of a task can be lowered."""
    flat = all(_is_flat(layer) for layer in task.network.layers)
    return (
        flat
        and len(task.network.input_shape) >= 1
        and any(isinstance(leaf.layer, Dense) for leaf in task.network.leaves)
        and all(
            isinstance(leaf.layer, (Dense, Dropout))
            or _is_plain(leaf.layer, leaf.input_shape)
            or activation_of(leaf.layer) is not None
            for leaf in task.network.leaves
        )
        and loss_code(task) is not None
        and all(number_of(link) is not None for link in task.chain.transformations)
    )


def _is_flat(layer: Layer) -> bool:
    if isinstance(layer, Sequential):
        return all(_is_flat(inner) for inner in layer.layers)
    return not hasattr(layer, "children")


def aligned(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Zeros that begin with a cache line."""
    count, size = int(np.prod(shape)), np.dtype(dtype).itemsize
    whole = np.zeros(count + 64 // size, dtype)
    skip = -whole.ctypes.data % 64 // size
    return whole[skip : skip + count].reshape(shape)


@final
@dataclass(frozen=True)
class Value:
    """Rows of a layer's output, or of a slope: numbers in use of a row."""

    array: np.ndarray
    width: int

    @property
    def at(self) -> int:
        """Its address."""
        return self.array.ctypes.data

    @property
    def row(self) -> int:
        """Bytes from row to row."""
        return self.array.strides[0]

    @property
    def registers(self) -> int:
        """Of a row, where its numbers are."""
        return -(-self.width * self.array.itemsize // BYTES)

    @property
    def apart(self) -> int:
        """From row to row."""
        return self.row // BYTES


@final
class Program:
    """Operations and the memory that they work in, for batches of at most so many rows.

    training : with loss, backward pass and step; else only f, copied to `output`.
    """

    def __init__(self, task: Task, layout: Layout, beta: np.ndarray, batch: int, training: bool) -> None:
        self.batch, self._training, self._dtype = batch, training, task.dtype
        self._layout, self._beta = layout, beta
        self.shards = next((s for rows, s in _SHARDS if batch >= rows), 1)
        self.shard = -(-batch // self.shards)
        if not training:
            self.shard = min(batch, 64)
            self.shards = -(-batch // self.shard)
        self._ops: list[list[int]] = []
        self._reals: list[float] = []
        self.values: list[Value] = []
        self._turned: list[tuple[Place, np.ndarray]] = []
        self.zeros = aligned((1, 1 << 8), task.dtype)
        self.gradients = aligned((self.shards, layout.size), task.dtype) if training else None
        self._forward(task)

    # building --------------------------------------------------------------------------------------------------------

    def _value(self, width: int) -> Value:
        stride = row_numbers(width, np.dtype(self._dtype).itemsize)
        value = Value(aligned((self.batch, stride), self._dtype), width)
        self.values.append(value)
        if stride > self.zeros.shape[1]:
            self.zeros = aligned((1, stride), self._dtype)
        return value

    def _add(
        self, code: int, *numbers: int, real: float = 0.0, barrier: bool = False, count: int | None = None
    ) -> None:
        row = [code, int(barrier), int(count is None), count or 0, *map(int, numbers)]
        self._ops.append(row + [0] * (operations.WIDTH - len(row)))
        self._reals.append(real)

    def _address(self, place: Place) -> int:
        return self._beta.ctypes.data + place.offset * self._beta.itemsize

    def _forward(self, task: Task) -> None:
        width = size_of(task.network.input_shape)
        x = self._value(width)
        self._add(driver.GATHER, x.at, x.row, width, barrier=self._training)
        self.input, back = x, []
        leaves = list(task.network.leaves)
        while leaves:
            leaf = leaves.pop(0)
            kind = activation_of(leaf.layer)
            if isinstance(leaf.layer, Dense):
                x = self._dense(leaf, leaves, x, back)
            elif isinstance(leaf.layer, Dropout) and threshold(leaf.layer.rate):
                if self._training:
                    x = self._drop(leaf, x, back)
            elif kind is not None:
                f = self._value(x.width)
                self._add(driver.APPLY, x.at, f.at, x.row, x.apart, kind[0], real=kind[1])
                back.append(("activation", (x, f, kind)))
                x = f
        self.output = x
        if self._training:
            self._backward(task, back)

    def _dense(self, leaf: Leaf, leaves: list[Leaf], x: Value, back: list[Any]) -> Value:
        layer = leaf.layer
        assert isinstance(layer, Dense)
        slope = 1.0
        following = activation_of(leaves[0].layer) if leaves else None
        if following is not None and following[0] == kinds.LEAKY and 0 <= following[1] <= 1:
            slope = following[1]
            leaves.pop(0)
        weight = self._layout.places[f"{leaf.path}.weight"]
        bias = self._layout.places[f"{leaf.path}.bias"] if layer.bias else None
        f = self._value(layer.units)
        self._add(
            driver.DENSE, x.at, x.row, weight.rows, self._address(weight), weight.stride * self._beta.itemsize,
            self.zeros.ctypes.data if bias is None else self._address(bias), f.at, f.row, f.registers, real=slope,
        )  # fmt: skip
        back.append(("dense", (x, f, weight, bias)))
        if slope != 1.0:
            back.append(("activation", (f, f, (kinds.LEAKY, slope))))
        return f

    def _drop(self, leaf: Leaf, x: Value, back: list[Any]) -> Value:
        layer = leaf.layer
        assert isinstance(layer, Dropout)
        f = self._value(x.width)
        factor = float(np.asarray(1 / (1 - layer.rate), self._dtype))
        its = (x.width, threshold(layer.rate), len(leaf.numbers), *leaf.numbers)
        self._add(driver.DROP, x.at, f.at, f.row, *its, real=factor)
        back.append(("dropout", (its, factor)))
        return f

    def _backward(self, task: Task, back: list[Any]) -> None:
        code = loss_code(task)
        assert code is not None
        slope = self._value(self.output.width)
        power = task.loss.power if isinstance(task.loss, Loss) else 0.0
        f = self.output
        self._add(driver.LOSS, f.at, f.row, f.width, code, slope.at, real=power)
        whole: list[tuple[int, ...]] = []
        first = next(k for k, (what, _) in enumerate(back) if what == "dense")
        for k in reversed(range(len(back))):
            what, its = back[k]
            if what == "activation":
                x, f, (kind, q) = its
                self._add(driver.APPLY_BACK, x.at, f.at, slope.at, slope.row, slope.apart, kind, real=q)
            elif what == "dropout":
                numbers, factor = its
                self._add(driver.DROP, slope.at, slope.at, slope.row, *numbers, real=factor)
            else:
                slope = self._dense_back(its, slope, whole, last=k == first)
                if k == first:
                    break
        for numbers in whole:
            self._add(driver.WEIGHTS_OF_ALL, *numbers[1:], barrier=numbers is whole[0], count=numbers[0])
        self._whole = {numbers[7] for numbers in whole}
        self._step(task, barrier=True)

    def _dense_back(self, its: Any, slope: Value, whole: list[tuple[int, ...]], last: bool) -> Value:
        x, _, weight, bias = its
        assert self.gradients is not None
        size, base = self.gradients.itemsize, self.gradients.ctypes.data
        target = base + weight.offset * size
        numbers = (
            x.at,
            x.row,
            weight.rows,
            slope.at,
            slope.row,
            slope.registers,
            target,
            self.gradients.strides[0],
        )
        numbers += (weight.stride * size, 0 if bias is None else base + bias.offset * size)
        if self.shards > 1 and weight.size >= _WHOLE_FROM:
            block = -(-max(MOST_ROWS, -(-weight.rows // 64)) // MOST_ROWS) * MOST_ROWS
            whole.append((-(-weight.rows // block), *numbers, block))
        else:
            self._add(driver.WEIGHTS, *numbers)
        if last:
            return slope
        turned = aligned((weight.units, row_numbers(weight.rows, size)), self._dtype)
        self._turned.append((weight, turned))
        target_slope = self._value(x.width)
        self._add(
            driver.DENSE_BACK, slope.at, slope.row, weight.units, turned.ctypes.data, turned.strides[0],
            target_slope.at, target_slope.row, target_slope.registers,
        )  # fmt: skip
        return target_slope

    def _step(self, task: Task, barrier: bool) -> None:
        assert self.gradients is not None
        self.links = Links(task.chain)
        size, stretches = self.gradients.itemsize, []
        base, apart = self.gradients.ctypes.data, self.gradients.strides[0]
        whole = {(address - base) // size for address in self._whole}
        biases = {
            f"{name.rpartition('.')[0]}.bias"
            for name, place in self._layout.places.items()
            if place.offset in whole
        }
        for name, place in self._layout.places.items():
            parts = 1 if place.offset in whole or name in biases else self.shards
            for begin in range(0, place.size, _STRETCH):
                offset = (place.offset + begin) * size
                length = min(_STRETCH, place.size - begin) * size // BYTES
                stretches.append((offset, length, base + offset, parts, apart, int(place.penalised)))
        self.stretches = np.array(stretches, np.int64)
        self.norms = np.zeros(len(stretches))
        self.moved = aligned((self._layout.size,), self._dtype)
        edges = [0, *(k + 1 for k in self.links.norms), len(self.links.table)]
        for k in range(len(edges) - 1):
            last = edges[k + 1] - (k + 2 < len(edges))
            self._add(
                driver.UPDATE, edges[k], last, int(k > 0), self.moved.ctypes.data, self._beta.ctypes.data,
                self._beta.nbytes, int(k + 2 < len(edges)), real=task.alpha, barrier=barrier, count=len(stretches),
            )  # fmt: skip
        self.turns = []
        for place, turned in self._turned:
            block = 64
            numbers = (
                self._address(place), place.stride * size, place.rows, place.units, turned.ctypes.data,
                turned.strides[0], block,
            )  # fmt: skip
            self._add(
                driver.TRANSPOSE, *numbers, barrier=place is self._turned[0][0], count=-(-place.rows // block)
            )

    def copied_to(self, target: int) -> None:
        """Copy f of every batch there."""
        f = self.output
        self._add(driver.COPY_OUT, f.at, f.row, f.width, target)

    # what the driver takes -------------------------------------------------------------------------------------------

    def turn(self) -> None:
        """Transposed weights, as they are before the first step."""
        for place, turned in self._turned:
            flat = self._beta[place.offset : place.offset + place.size].reshape(place.rows, place.stride)
            turned[:, : place.rows] = flat[:, : place.units].T

    @property
    def tables(self) -> tuple[np.ndarray, np.ndarray]:
        """Operations and their numbers."""
        return np.array(self._ops, np.int64), np.array([[real, 0.0] for real in self._reals])

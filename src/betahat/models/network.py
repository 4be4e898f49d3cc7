"""f(x, β) of layers, with the products of its derivative: the chain rule, once."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np

from betahat.autodiff import jvp
from betahat.autodiff.trace import Variable
from betahat.kernels.random import MASK, derive
from betahat.layers import checks
from betahat.layers.base import Layer, Pass, Shape, size_of
from betahat.layers.initialisation import draw
from betahat.layers.sequential import chain_backward, chain_forward, chained
from betahat.models.network_layout import buffer_layout, covered, joined, leaves, parameter_layout

_WIDEST = 2**20  # numbers of the widest layer that rows taken at once may hold


@final
@dataclass(frozen=True)
class Row:
    """A line of :meth:`Network.table`: a layer's path and description, the shape of its output, how many numbers are
    trained, and operations for one row."""

    name: str
    layer: str
    output_shape: Shape
    parameters: int
    flops: int


@final
@dataclass(frozen=True)
class Saved:
    """What a backward pass needs of the forward one."""

    layers: Any
    parameters: tuple[Any, ...]
    shape: Shape


@final
class Network:
    """f(x, β) = the last layer of … of the first of x, with all parameters in one flat array β.

    layers : descriptions from `betahat.layers`. input_shape : of a row, without the batch: (54,) for 54 columns,
    (28, 28, 1) for images, () for single codes.

    Each array begins at a multiple of 16 numbers, and the gaps between hold zeros for ever (`layout` says where what
    is). All results have the dtype of β. Weights whose initialisation is "auto" are drawn as suits the next layer
    that has a preference: He's uniform before ReLU and its kin (leaky ones with their slope), Glorot's before tanh,
    sigmoid, softmax, another Dense, or the end; Dropout, normalisation and Flatten are looked through.

    With slope u = ∂J/∂f, `backward` gives Jᵀu, walking from the last layer to the first (Rumelhart, Hinton & Williams
    1986); `jvp` gives J v by carrying the derivative along forwards, and `vjp_change` the change of Jᵀu along v, of
    which Hessians times vectors are made.

    Raises ValueError where a layer does not take what the one before it gives, TypeError for what is no layer.

    >>> import numpy as np
    >>> from betahat.layers import Dense, ReLU
    >>> from betahat.models.network import Network
    >>> net = Network([Dense(3), ReLU(), Dense(1)], input_shape=2)
    >>> [(slot.name, slot.offset, slot.shape) for slot in net.layout]
    [('0.weight', 0, (2, 3)), ('0.bias', 16, (3,)), ('2.weight', 32, (3, 1)), ('2.bias', 48, (1,))]
    >>> beta = net.initial(seed=0)
    >>> f, saved, _ = net.forward(beta, np.ones((5, 2)))
    >>> gradient, dX = net.backward(beta, saved, np.ones_like(f))
    >>> f.shape, gradient.shape, dX.shape
    ((5, 1), (64,), (5, 2))
    """

    def __init__(self, layers: Iterable[Layer], input_shape: int | Shape) -> None:
        self.layers = checks.layers(layers, "layers")
        self.input_shape = checks.shape(input_shape, "input_shape")
        self.leaves = leaves(self.layers, self.input_shape)
        """All layers that are not made of others, in order."""
        shape = self.input_shape
        for layer in self.layers:
            shape = layer.output_shape(shape)
        self.output_shape: Shape = shape
        self.layout, self.size = parameter_layout(self.leaves)
        self.buffer_layout, self.buffer_size = buffer_layout(self.leaves)
        for leaf in self.leaves:
            leaf.layer.check(leaf.input_shape)
        widest = max([size_of(self.input_shape), *(size_of(leaf.output_shape) for leaf in self.leaves)])
        self.rows_at_once = max(1, _WIDEST // max(widest, 1))
        """How many rows to take at once, so that memory stays small."""

    def __repr__(self) -> str:
        return f"Network({list(self.layers)!r}, input_shape={self.input_shape})"

    # parameters ------------------------------------------------------------------------------------------------------

    def initial(self, seed: int = 0, dtype: Any = np.float64) -> np.ndarray:
        """β (size,) to begin at. Each layer draws from a generator of its own, Philox with the key (seed, number of
        the layer), so that its weights do not depend on those of other layers; float32 weights are the rounded
        float64 ones.

        A layer inside others, at numbers i, j, …, has derive(i, j, …) of `betahat.kernels.random` for its number.
        """
        dtype = _float_type(dtype)
        seed = checks.whole(seed, "seed", 0) & MASK
        beta = self._allocated(dtype)
        generators: dict[int, np.random.Generator] = {}
        for slot in self.layout:
            numbers = self.leaves[slot.leaf].numbers
            if slot.leaf not in generators:
                key = np.array([seed, derive(*numbers)], np.uint64)
                generators[slot.leaf] = np.random.Generator(np.random.Philox(key=key))
            slot.view(beta)[...] = draw(slot.parameter, generators[slot.leaf], slot.gain)
        return beta

    def _allocated(self, dtype: np.dtype[Any]) -> np.ndarray:
        """Zeros (size,). Systems hand out memory that they do not have, and end who uses it."""
        wanted, room = self.size * dtype.itemsize, _memory()
        if room is None or wanted < room:
            with contextlib.suppress(MemoryError, ValueError):
                return np.zeros(self.size, dtype)
        raise MemoryError(
            f"the network has {self.parameter_count:,} parameters, which take {wanted / 2**30:,.1f} GiB as "
            f"{dtype.name}{'' if room is None else f', and this machine has {room / 2**30:,.1f} GiB in all'}; its "
            f"largest array is {max(self.layout, key=lambda slot: slot.size).name}: make that layer smaller"
        )

    def initial_buffers(self, dtype: Any = np.float64) -> np.ndarray:
        """What is not trained (running means and variances) as it is before training, (buffer_size,)."""
        buffers = np.zeros(self.buffer_size, _float_type(dtype))
        for slot in self.buffer_layout:
            slot.view(buffers)[...] = draw(slot.parameter, np.random.default_rng(0))
        return buffers

    def views(self, beta: Any) -> dict[str, Any]:
        """The arrays of β by name, sharing its memory."""
        self._check_flat(beta, self.size, "beta")
        return {slot.name: slot.view(beta) for slot in self.layout}

    def buffer_views(self, buffers: Any) -> dict[str, Any]:
        """The arrays of the buffers by name, sharing their memory."""
        self._check_flat(buffers, self.buffer_size, "buffers")
        return {slot.name: slot.view(buffers) for slot in self.buffer_layout}

    # the chain rule --------------------------------------------------------------------------------------------------

    def forward(
        self,
        beta: Any,
        X: Any,
        *,
        training: bool = False,
        key: int = 0,
        buffers: Any = None,
        first_row: int = 0,
    ) -> tuple[Any, Saved, Any]:
        """f (n, *output_shape), what `backward` needs, and the buffers after it (the same ones where none changed).

        X : (n, *input_shape), taken in the dtype of β. training : whether dropout drops and batch normalisation uses
        the batch. key : of this step's random numbers; layer i has derive(key, i) of them. buffers : (buffer_size,),
        at first :meth:`initial_buffers`. first_row : the place of the first row in its mini-batch, where X is a part
        of one.

        Raises ValueError for other shapes.
        """
        X = self._rows_of(X, beta)
        parameters = tuple(self.views(beta).values())
        if buffers is None:
            buffers = self.initial_buffers(beta.dtype)
        context = Pass(training, key, first_row, self.buffer_views(buffers))
        f, saved = chain_forward(self.layers, X, parameters, context)
        if context.updated:
            buffers = joined(
                [context.updated.get(slot.name, slot.view(buffers)) for slot in self.buffer_layout],
                self.buffer_layout,
                self.buffer_size,
                buffers.dtype,
            )
        return f, Saved(saved, parameters, f.shape), buffers

    def backward(self, beta: Any, saved: Saved, slope: Any) -> tuple[Any, Any]:
        """Jᵀu as a flat array, and ∂J/∂X, for u = slope = ∂J/∂f.

        Raises ValueError for a slope of another shape than f's.
        """
        if type(slope) is not Variable:
            slope = np.asarray(slope, beta.dtype)
        if slope.shape != saved.shape:
            raise ValueError(f"slope has shape {slope.shape}; expected {saved.shape}, that of f")
        dX, gradients = chain_backward(slope, saved.layers, saved.parameters)
        return joined(gradients, self.layout, self.size, beta.dtype), dX

    def predict(self, beta: np.ndarray, X: Any, buffers: Any = None) -> np.ndarray:
        """f as it is used, not trained, in batches, so that memory stays small.

        A row's result depends on the rows that come with it by rounding only.
        """
        X = self._rows_of(X, beta, convert=False)
        if buffers is None:
            buffers = self.initial_buffers(beta.dtype)
        parts = [
            self.forward(beta, X[start : start + self.rows_at_once], buffers=buffers)[0]
            for start in range(0, max(len(X), 1), self.rows_at_once)
        ]
        return np.concatenate(parts)

    # products --------------------------------------------------------------------------------------------------------

    def jvp(self, beta: np.ndarray, X: Any, v: np.ndarray, **how: Any) -> tuple[np.ndarray, np.ndarray]:
        """f and J v, its derivative along v (size,), by forward mode; `how` as in :meth:`forward`."""
        self._check_flat(v, self.size, "v")
        direction = np.asarray(v, beta.dtype)
        return jvp(lambda at: self.forward(at, X, **how)[0], beta, direction)

    def vjp(self, beta: np.ndarray, X: Any, u: np.ndarray, **how: Any) -> tuple[np.ndarray, np.ndarray]:
        """f and Jᵀ u for u of f's shape, by reverse mode."""
        f, saved, _ = self.forward(beta, X, **how)
        return f, self.backward(beta, saved, u)[0]

    def vjp_change(
        self, beta: np.ndarray, X: Any, v: np.ndarray, u: np.ndarray, du: np.ndarray, **how: Any
    ) -> tuple[np.ndarray, np.ndarray]:
        """Jᵀu, and its change when β moves along v while u changes by du: Jᵀ du + Σ u ∂²f v, exactly.

        With u = L'(y, f) and du = L''(y, f) · J v, from `jvp`, that is the gradient of Σ L(y, f) and its Hessian
        times v (Pearlmutter 1994): forward mode through the backward pass.

        >>> import numpy as np
        >>> from betahat.layers import Dense, Tanh
        >>> net = Network([Dense(2), Tanh(), Dense(1)], input_shape=1)
        >>> beta, X, y = net.initial(), np.array([[0.5], [1.0]]), np.array([[1.0], [0.0]])
        >>> v = np.ones(net.size)
        >>> f, change = net.jvp(beta, X, v)
        >>> gradient, product = net.vjp_change(beta, X, v, f - y, change)  # L = ½ (y − f)²
        >>> step = 1e-6 * v
        >>> up, down = (net.vjp(b, X, net.predict(b, X) - y)[1] for b in (beta + step, beta - step))
        >>> bool(np.allclose(product, (up - down) / 2e-6, atol=1e-8))
        True
        """
        self._check_flat(v, self.size, "v")

        def pulled(at: tuple[Any, Any]) -> Any:
            moved, slope = at
            return self.backward(moved, self.forward(moved, X, **how)[1], slope)[0]

        kind = beta.dtype
        return jvp(pulled, (beta, np.asarray(u, kind)), (np.asarray(v, kind), np.asarray(du, kind)))

    # what it is ------------------------------------------------------------------------------------------------------

    def table(self) -> list[Row]:
        """A line for each layer that is not made of others.

        >>> from betahat.layers import Dense, ReLU
        >>> for row in Network([Dense(128), ReLU(), Dense(7)], input_shape=54).table():
        ...     print(row.name, row.layer, row.output_shape, row.parameters, row.flops)
        0 Dense(128) (128,) 7040 13824
        1 ReLU() (128,) 0 128
        2 Dense(7) (7,) 903 1792
        """
        counts = dict.fromkeys((leaf.path for leaf in self.leaves), 0)
        for slot in self.layout:
            counts[slot.layer] += slot.size
        return [
            Row(
                leaf.path,
                repr(leaf.layer),
                leaf.output_shape,
                counts[leaf.path],
                leaf.layer.flops(leaf.input_shape),
            )
            for leaf in self.leaves
        ]

    @cached_property
    def penalised(self) -> np.ndarray:
        """Which numbers of β weight decay is for (size,): weights, neither biases nor gaps."""
        return covered((slot for slot in self.layout if slot.penalised), self.size)

    @property
    def parameter_count(self) -> int:
        """How many numbers are trained: `size` without the gaps."""
        return sum(slot.size for slot in self.layout)

    @cached_property
    def flops(self) -> int:
        """Operations for one row forward, the sums x + g(x) of residuals among them."""
        return sum(child.layer.flops(child.shape) for child in chained(self.layers, self.input_shape))

    def step_flops(self, rows: int) -> int:
        """Operations of a training step over so many rows: forwards, and about twice as many backwards."""
        return 3 * self.flops * rows

    def _rows_of(self, X: Any, beta: Any, convert: bool = True) -> Any:
        if not isinstance(X, (np.ndarray, Variable)):
            X = np.asarray(X)
        if X.dtype.kind not in "fiub":
            raise TypeError(f"X holds {X.dtype}; a network takes numbers")
        if tuple(X.shape[1:]) != self.input_shape or not X.ndim:
            expected = ", ".join(["n", *map(str, self.input_shape)])
            raise ValueError(
                f"X has shape {X.shape}; expected ({expected}), rows of input_shape {self.input_shape}"
            )
        return X.astype(beta.dtype) if convert and X.dtype != beta.dtype else X

    def _check_flat(self, flat: Any, size: int, what: str) -> None:
        if np.shape(flat) != (size,):
            raise ValueError(
                f"{what} has shape {np.shape(flat)}; expected ({size},), as this network lays it out"
            )
        dtype = getattr(flat, "dtype", type(flat).__name__)
        if dtype not in (np.float32, np.float64):
            raise TypeError(f"{what} holds {dtype}; expected an array of float32 or float64")


def _memory() -> int | None:
    """Bytes of the whole machine, where the system tells."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def _float_type(dtype: Any) -> np.dtype[Any]:
    found = np.dtype(dtype)
    if found not in (np.float32, np.float64):
        raise TypeError(f"dtype (={dtype!r}) must be float32 or float64")
    return found

"""What a layer is: a description of f(x, parameters), its derivative, and how shapes go through it."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, ClassVar, final

import numpy as np

from betahat.autodiff.trace import untraced
from betahat.kernels.random import derive

Shape = tuple[int, ...]
"""Of one row: the axis of the batch is left out. Images are (height, width, channels)."""

Arrays = tuple[Any, ...]


@final
@dataclass(frozen=True)
class Parameter:
    """An array that a layer needs.

    name : within the layer; shape; initialisation : a name of :data:`~betahat.layers.initialisation.NAMES`, "auto"
    (what suits the activation that follows, see :class:`~betahat.models.network.Network`) or
    :class:`~betahat.layers.initialisation.Values`; fan_in, fan_out : how many numbers one output is made of, and one
    input goes into; penalised : whether weight decay is for it (weights, not biases).
    """

    name: str
    shape: Shape
    initialisation: Any = "zeros"
    fan_in: int = 1
    fan_out: int = 1
    penalised: bool = False


@final
@dataclass(frozen=True)
class Pass:
    """What a forward pass knows beside x and the parameters.

    training : whether the model is being trained (dropout drops, batch normalisation uses the batch); key : of the
    random numbers; first_row : the place of the first row in its mini-batch; buffers : arrays by name that are not
    trained, and updated : those that this pass changed; path : of the layer, with a dot behind each name; numbers :
    the same as numbers.
    """

    training: bool = False
    key: int = 0
    first_row: int = 0
    buffers: Mapping[str, Any] = field(default_factory=dict)
    updated: dict[str, Any] = field(default_factory=dict)
    path: str = ""
    numbers: tuple[int, ...] = ()

    def within(self, name: str, number: int) -> Pass:
        """The same for layer `number` inside this one, under its name."""
        path, numbers = f"{self.path}{name}.", (*self.numbers, number)
        return Pass(self.training, self.key, self.first_row, self.buffers, self.updated, path, numbers)

    def own_key(self) -> int:
        """The key of the layer's own random numbers: derive(key, *numbers)."""
        return derive(self.key, *self.numbers)

    def buffer(self, name: str) -> Any:
        """One of the layer's own arrays."""
        try:
            return self.buffers[self.path + name]
        except KeyError:
            raise ValueError(
                f"buffers (={sorted(self.buffers)}) lacks {self.path + name!r}, which inference needs; pass those "
                "that training gave"
            ) from None

    def update(self, name: str, value: Any) -> None:
        """Give it a new value, after this pass; never one that derivatives are taken of."""
        self.updated[self.path + name] = untraced(value)


class Layer(ABC):
    """f(x, parameters) of rows x (n, *shape), as a description without state: frozen, hashable, and its repr the call
    that makes it. Parameters and running statistics are handed in.

    Everything is written in NumPy that makes new arrays (nothing in place), so that :func:`betahat.jvp` can follow
    it: that is how products with second derivatives are found. The dtype of the parameters, or of x where there are
    none, is that of all results.
    """

    formula: ClassVar[str]
    """f in one line, for explain()."""

    preferred: ClassVar[str | None] = None
    """The initialisation that suits the weights before this layer; None where one must look at the next layer."""

    def parameters(self, shape: Shape) -> tuple[Parameter, ...]:
        """What is trained, for rows of that shape."""
        return ()

    def buffers(self, shape: Shape) -> tuple[Parameter, ...]:
        """What is not trained but kept: running mean and variance."""
        return ()

    def output_shape(self, shape: Shape) -> Shape:
        """The shape of f for rows of that shape.

        Raises ValueError where the layer does not take them.
        """
        return shape

    @abstractmethod
    def forward(self, x: Any, parameters: Arrays, context: Pass) -> tuple[Any, Any]:
        """f (n, *output_shape), and what :meth:`backward` needs of it."""

    @abstractmethod
    def backward(self, slope: Any, saved: Any, parameters: Arrays) -> tuple[Any, Arrays]:
        """From slope = ∂J/∂f: ∂J/∂x, and ∂J/∂p for each of the parameters, summed over rows."""

    def flops(self, shape: Shape) -> int:
        """Operations for one row: an arithmetic operation or elementary function of a number counts 1, so that a
        multiply-add counts 2."""
        return 0

    def gain(self) -> float:
        """Of He's initialisation before this layer: √2 for a ReLU."""
        return 1.0

    def check(self, shape: Shape) -> None:  # noqa: B027
        """Try what is a user's own; called once when a network is made."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self._arguments())})"

    def _arguments(self) -> list[str]:
        """Those that differ from their defaults, as one would write them."""
        given = []
        for f in fields(self):  # pyright: ignore[reportArgumentType]
            value = getattr(self, f.name)
            if f.default is MISSING:
                given.append(repr(value))
            elif value != f.default:
                given.append(f"{f.name}={value!r}")
        return given


@final
@dataclass(frozen=True)
class Child:
    """A layer inside another: its name there, its number (of which its key is derived), and the shape it takes."""

    name: str
    number: int
    layer: Layer
    shape: Shape


class Composite(Layer):
    """A layer made of layers; what they need has their names before it: "residual.0.weight"."""

    @abstractmethod
    def children(self, shape: Shape) -> tuple[Child, ...]:
        """In the order of their parameters.

        Raises ValueError where a shape does not fit.
        """

    def parameters(self, shape: Shape) -> tuple[Parameter, ...]:
        return tuple(
            _renamed(p, child.name)
            for child in self.children(shape)
            for p in child.layer.parameters(child.shape)
        )

    def buffers(self, shape: Shape) -> tuple[Parameter, ...]:
        return tuple(
            _renamed(p, child.name)
            for child in self.children(shape)
            for p in child.layer.buffers(child.shape)
        )

    def flops(self, shape: Shape) -> int:
        return sum(child.layer.flops(child.shape) for child in self.children(shape))


def _renamed(p: Parameter, prefix: str) -> Parameter:
    return Parameter(f"{prefix}.{p.name}", p.shape, p.initialisation, p.fan_in, p.fan_out, p.penalised)


def total(x: Any, axis: int | tuple[int, ...], keepdims: bool = False) -> Any:
    """Σ x along axes, added in double precision and rounded to the dtype of x."""
    if type(x) is np.ndarray and x.dtype == np.float32:
        return x.sum(axis=axis, dtype=np.float64, keepdims=keepdims).astype(np.float32)
    return np.sum(x, axis=axis, keepdims=keepdims)


def size_of(shape: Shape) -> int:
    """Numbers in an array of that shape."""
    return math.prod(shape)

"""Layers one after the other, and the chain rule through them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

from betahat.layers import checks
from betahat.layers.base import Arrays, Child, Composite, Layer, Pass, Shape


def chained(layers: tuple[Layer, ...], shape: Shape, prefix: str = "") -> tuple[Child, ...]:
    """Each layer with the shape that it is given, named prefix + its number."""
    found = []
    for number, layer in enumerate(layers):
        found.append(Child(f"{prefix}{number}", number, layer, shape))
        shape = layer.output_shape(shape)
    return tuple(found)


def chain_forward(
    layers: tuple[Layer, ...], x: Any, parameters: Arrays, context: Pass, prefix: str = ""
) -> tuple[Any, Any]:
    """fₖ = layerₖ(fₖ₋₁), from f₋₁ = x."""
    saved, at = [], 0
    for number, layer in enumerate(layers):
        count = len(layer.parameters(x.shape[1:]))
        own = parameters[at : at + count]
        x, kept = layer.forward(x, own, context.within(f"{prefix}{number}", number))
        saved.append((layer, own, kept))
        at += count
    return x, saved


def chain_backward(slope: Any, saved: Any, parameters: Arrays) -> tuple[Any, Arrays]:
    """∂J/∂fₖ₋₁ = ∂J/∂fₖ · ∂fₖ/∂fₖ₋₁, from the last layer to the first."""
    gradients: list[Arrays] = []
    at = len(parameters)
    for layer, own, kept in reversed(saved):
        slope, found = layer.backward(slope, kept, parameters[at - len(own) : at])
        gradients.append(found)
        at -= len(own)
    return slope, tuple(g for found in reversed(gradients) for g in found)


@final
@dataclass(frozen=True, init=False, repr=False)
class Sequential(Composite):
    """f = the last layer of … of the first of x.

    >>> from betahat.layers import Dense, ReLU, Sequential
    >>> block = Sequential(Dense(8), ReLU())
    >>> block.output_shape((3,)), [p.name for p in block.parameters((3,))]
    ((8,), ['0.weight', '0.bias'])
    """

    layers: tuple[Layer, ...]

    formula = "f = the layers, one after the other"

    def __init__(self, *layers: Layer) -> None:
        object.__setattr__(self, "layers", checks.layers(layers, "layers of Sequential"))

    def children(self, shape: Shape) -> tuple[Child, ...]:
        return chained(self.layers, shape)

    def output_shape(self, shape: Shape) -> Shape:
        for layer in self.layers:
            shape = layer.output_shape(shape)
        return shape

    def forward(self, x: Any, parameters: Arrays, context: Pass) -> tuple[Any, Any]:
        return chain_forward(self.layers, x, parameters, context)

    def backward(self, slope: Any, saved: Any, parameters: Arrays) -> tuple[Any, Arrays]:
        return chain_backward(slope, saved, parameters)

    def _arguments(self) -> list[str]:
        return [repr(layer) for layer in self.layers]

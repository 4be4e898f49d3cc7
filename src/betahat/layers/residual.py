"""What layers add to what they are given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

from betahat.layers import checks
from betahat.layers.base import Arrays, Child, Composite, Layer, Pass, Shape, size_of
from betahat.layers.sequential import chain_backward, chain_forward, chained


@final
@dataclass(frozen=True, init=False, repr=False)
class Residual(Composite):
    """f = x + g(x), g being the layers one after the other:  ∂J/∂x = s + s ∂g/∂x for s = ∂J/∂f (He et al. 2016).

    Raises ValueError where g gives another shape than it takes: nothing is projected on the quiet.

    >>> from betahat.layers import Dense, ReLU, Residual
    >>> block = Residual(Dense(16), ReLU(), Dense(4))
    >>> block.output_shape((4,)), [p.name for p in block.parameters((4,))][:2]
    ((4,), ['residual.0.weight', 'residual.0.bias'])
    """

    layers: tuple[Layer, ...]

    formula = "f = x + g(x)"

    def __init__(self, *layers: Layer) -> None:
        object.__setattr__(self, "layers", checks.layers(layers, "layers of Residual"))

    def children(self, shape: Shape) -> tuple[Child, ...]:
        return chained(self.layers, shape, "residual.")

    def output_shape(self, shape: Shape) -> Shape:
        last = chained(self.layers, shape)[-1]
        given = last.layer.output_shape(last.shape)
        if given != shape:
            raise ValueError(
                f"the layers of {self!r} make shape {given} of {shape}, and x + g(x) needs equal shapes"
                + (f": let them end with Dense({shape[0]})" if len(shape) == 1 else "")
            )
        return shape

    def flops(self, shape: Shape) -> int:
        return super().flops(shape) + size_of(shape)

    def forward(self, x: Any, parameters: Arrays, context: Pass) -> tuple[Any, Any]:
        g, saved = chain_forward(self.layers, x, parameters, context, "residual.")
        return x + g, saved

    def backward(self, slope: Any, saved: Any, parameters: Arrays) -> tuple[Any, Arrays]:
        through, gradients = chain_backward(slope, saved, parameters)
        return slope + through, gradients

    def _arguments(self) -> list[str]:
        return [repr(layer) for layer in self.layers]

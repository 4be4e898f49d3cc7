"""What layers add to what they are given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

from betahat.layers import checks
from betahat.layers.base import Arrays, Child, Composite, Layer, Pass, Shape, size_of
from betahat.layers.convolution import Conv1d, Conv2d
from betahat.layers.dense import Dense
from betahat.layers.sequential import chain_backward, chain_forward, chained


@final
@dataclass(frozen=True, init=False, repr=False)
class Residual(Composite):
    """f = p(x) + g(x), g being the layers one after the other and p the projection, x itself where there is none:
    ∂J/∂x = s ∂p/∂x + s ∂g/∂x for s = ∂J/∂f (He et al. 2016).

    projection : a layer that takes x to the shape of g(x), such as Conv2d(64, 1, stride=2, bias=False); "auto" for the
    linear one, without bias, that fits, where the shapes differ, and none where they agree: a convolution of 1 × 1
    with the stride that makes g's places of x's, or `Dense` for rows of one axis.

    Raises ValueError where p gives another shape than g: nothing is projected on the quiet.

    >>> from betahat.layers import Conv2d, Dense, ReLU, Residual
    >>> block = Residual(Dense(16), ReLU(), Dense(4))
    >>> block.output_shape((4,)), [p.name for p in block.parameters((4,))][:2]
    ((4,), ['residual.0.weight', 'residual.0.bias'])
    >>> block = Residual(Conv2d(64, 3, stride=2, padding="same"), projection="auto")
    >>> [(p.name, p.shape) for p in block.parameters((28, 28, 32))][:2]
    [('projection.weight', (1, 1, 32, 64)), ('residual.0.weight', (3, 3, 32, 64))]
    """

    layers: tuple[Layer, ...]
    projection: Layer | str | None = None

    def __init__(self, *layers: Layer, projection: Layer | str | None = None) -> None:
        object.__setattr__(self, "layers", checks.layers(layers, "layers of Residual"))
        if isinstance(projection, str) and projection != "auto":
            raise ValueError(f'projection (={projection!r}) of Residual must be a layer, "auto" or None')
        if projection is not None and not isinstance(projection, str):
            projection = checks.layers([projection], "projection of Residual")[0]
        object.__setattr__(self, "projection", projection)

    @property
    def formula(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        return "f = x + g(x)" if self.projection is None else "f = p(x) + g(x)"

    def projected(self, shape: Shape) -> Layer | None:
        """p for rows of that shape; None for x itself.

        Raises ValueError where "auto" finds none.
        """
        if not isinstance(self.projection, str):
            return self.projection
        wanted = self._through(shape)
        if wanted == shape:
            return None
        places, stride = _strides(shape[:-1], wanted[:-1]), len(shape) == len(wanted)
        if not stride or places is None or len(shape) not in (1, 2, 3):
            raise ValueError(
                f"{self!r}: no convolution of 1 × 1 makes shape {wanted} of {shape}; give the projection as a layer"
            )
        if len(shape) == 1:
            return Dense(wanted[-1], bias=False)
        return (Conv1d if len(shape) == 2 else Conv2d)(wanted[-1], 1, stride=places, bias=False)

    def children(self, shape: Shape) -> tuple[Child, ...]:
        """The projection, if there is one, and then g's layers."""
        inner, projection = chained(self.layers, shape, "residual."), self.projected(shape)
        return inner if projection is None else (self._beside(projection, shape), *inner)

    def output_shape(self, shape: Shape) -> Shape:
        given, projection = self._through(shape), self.projected(shape)
        aside = shape if projection is None else projection.output_shape(shape)
        if given == aside:
            return given
        if projection is not None:
            raise ValueError(
                f"the layers of {self!r} make shape {given} of {shape}, and {projection!r} makes {aside}; p(x) + g(x) "
                "needs equal shapes"
            )
        raise ValueError(
            f"the layers of {self!r} make shape {given} of {shape}, and x + g(x) needs equal shapes"
            + (f": let them end with Dense({shape[0]})" if len(shape) == 1 else "")
            + ', or give projection="auto"'
        )

    def flops(self, shape: Shape) -> int:
        return super().flops(shape) + size_of(self.output_shape(shape))

    def forward(self, x: Any, parameters: Arrays, context: Pass) -> tuple[Any, Any]:
        shape = x.shape[1:]
        projection = self.projected(shape)
        if projection is None:
            g, saved = chain_forward(self.layers, x, parameters, context, "residual.")
            return x + g, saved
        count = len(projection.parameters(shape))
        beside, own = self._beside(projection, shape), parameters[:count]
        aside, kept = projection.forward(x, own, context.within(beside.name, beside.number))
        g, saved = chain_forward(self.layers, x, parameters[count:], context, "residual.")
        return aside + g, [(projection, own, kept), *saved]

    def backward(self, slope: Any, saved: Any, parameters: Arrays) -> tuple[Any, Arrays]:
        if len(saved) == len(self.layers):
            through, gradients = chain_backward(slope, saved, parameters)
            return slope + through, gradients
        (projection, own, kept), *inner = saved
        aside, first = projection.backward(slope, kept, parameters[: len(own)])
        through, gradients = chain_backward(slope, inner, parameters[len(own) :])
        return aside + through, (*first, *gradients)

    def _through(self, shape: Shape) -> Shape:
        last = chained(self.layers, shape)[-1]
        return last.layer.output_shape(last.shape)

    def _beside(self, projection: Layer, shape: Shape) -> Child:
        return Child("projection", len(self.layers), projection, shape)

    def _arguments(self) -> list[str]:
        given = [repr(layer) for layer in self.layers]
        return given if self.projection is None else [*given, f"projection={self.projection!r}"]


def _strides(places: Shape, wanted: Shape) -> Shape | None:
    """The stride along each axis that makes ⌈places / stride⌉ wanted ones, the least; None where there is none."""
    if len(places) != len(wanted):
        return None
    found = tuple(-(-n // m) for n, m in zip(places, wanted, strict=True))
    fits = all(-(-n // s) == m for n, s, m in zip(places, found, wanted, strict=True))
    return found if fits else None

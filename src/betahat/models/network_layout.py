"""Where the arrays of a network's layers lie in one flat array."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np

from betahat.layers.base import Child, Composite, Layer, Parameter, Shape, size_of
from betahat.layers.initialisation import SQRT2
from betahat.layers.sequential import chained

ALIGNMENT = 16
"""Each array begins at a multiple of so many numbers: 64 bytes of float32, a cache line and a vector register."""


@final
@dataclass(frozen=True)
class Leaf:
    """A layer that is not made of others. path : its name in the network, such as "2.residual.0"; numbers : the same
    as numbers, of which its random keys are derived; the shapes of a row that it takes and gives."""

    path: str
    numbers: tuple[int, ...]
    layer: Layer
    input_shape: Shape
    output_shape: Shape


@final
@dataclass(frozen=True)
class Slot:
    """One array within the flat one. name : path and name, "2.residual.0.weight"; layer : the path; offset : where it
    begins, a multiple of 16; penalised : whether weight decay is for it; parameter : how it is drawn; leaf : the
    place of its layer in `leaves`; gain : of He's initialisations."""

    name: str
    layer: str
    offset: int
    shape: Shape
    penalised: bool
    parameter: Parameter
    leaf: int
    gain: float

    @property
    def size(self) -> int:
        """Numbers in it."""
        return size_of(self.shape)

    @property
    def stop(self) -> int:
        """Where it ends."""
        return self.offset + self.size

    def view(self, flat: Any) -> Any:
        """The array itself, sharing memory with the flat one."""
        return flat[self.offset : self.stop].reshape(self.shape)


def leaves(layers: tuple[Layer, ...], shape: Shape) -> tuple[Leaf, ...]:
    """All layers that are not made of others, in the order of their parameters.

    Raises ValueError where a layer does not take the shape before it, naming the layer.
    """
    return tuple(_leaves(chained(layers, shape), "", ()))


def _leaves(children: Iterable[Child], path: str, numbers: tuple[int, ...]) -> Iterator[Leaf]:
    for child in children:
        here, place = path + child.name, (*numbers, child.number)
        if isinstance(child.layer, Composite):
            yield from _leaves(child.layer.children(child.shape), f"{here}.", place)
        else:
            yield Leaf(here, place, child.layer, child.shape, child.layer.output_shape(child.shape))


def parameter_layout(found: tuple[Leaf, ...]) -> tuple[tuple[Slot, ...], int]:
    """Where each parameter lies, with "auto" settled, and the length of the whole."""
    named = []
    for k, leaf in enumerate(found):
        follower = next((after.layer for after in found[k + 1 :] if after.layer.preferred is not None), None)
        for parameter in leaf.layer.parameters(leaf.input_shape):
            named.append((k, leaf, *_settled(parameter, follower)))
    return _placed(named)


def _settled(parameter: Parameter, follower: Layer | None) -> tuple[Parameter, float]:
    """ "auto" as the initialisation that suits what follows, with its gain; He's are for a ReLU where asked for by
    name."""
    if parameter.initialisation != "auto":
        return parameter, SQRT2
    how, gain = ("glorot_uniform", 1.0) if follower is None else (follower.preferred, follower.gain())
    return replace(parameter, initialisation=how), gain


def buffer_layout(found: tuple[Leaf, ...]) -> tuple[tuple[Slot, ...], int]:
    """The same for what is not trained."""
    return _placed(
        [(k, leaf, p, 1.0) for k, leaf in enumerate(found) for p in leaf.layer.buffers(leaf.input_shape)]
    )


def _placed(named: list[tuple[int, Leaf, Parameter, float]]) -> tuple[tuple[Slot, ...], int]:
    slots, at = [], 0
    for k, leaf, p, gain in named:
        slots.append(Slot(f"{leaf.path}.{p.name}", leaf.path, at, p.shape, p.penalised, p, k, gain))
        at += -(-size_of(p.shape) // ALIGNMENT) * ALIGNMENT
    return tuple(slots), at


def covered(slots: Iterable[Slot], size: int) -> np.ndarray:
    """Which of so many numbers lie in the slots (size,)."""
    found = np.zeros(size, bool)
    for slot in slots:
        found[slot.offset : slot.stop] = True
    return found


def joined(arrays: Iterable[Any], slots: tuple[Slot, ...], size: int, dtype: Any) -> Any:
    """Arrays in the order of the slots as one flat one, with zeros in the gaps. Nothing is written in place, so that
    derivatives go through."""
    parts, at = [], 0
    for array, slot in zip(arrays, slots, strict=True):
        if slot.offset > at:
            parts.append(np.zeros(slot.offset - at, dtype))
        parts.append(np.reshape(array, (slot.size,)))
        at = slot.stop
    parts.append(np.zeros(size - at, dtype))
    return np.concatenate(parts)

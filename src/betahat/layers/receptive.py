"""What of an image a place of a layer sees."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

from betahat.layers import checks
from betahat.layers.base import Child, Layer, Shape
from betahat.layers.convolution import Convolution
from betahat.layers.image import Image, Reshape
from betahat.layers.pooling import Pooling
from betahat.layers.residual import Residual
from betahat.layers.sequential import Sequential, chained


@final
@dataclass(frozen=True)
class ReceptiveField:
    """Which numbers of an input a layer's places depend on, for each axis: place i on those from first + i · stride
    to first + i · stride + size − 1. Those beyond the input are padding.

    >>> ReceptiveField((-1, -1), (3, 3), (1, 1)).centre(0)
    (0.0, 0.0)
    """

    first: Shape
    size: Shape
    stride: Shape

    def centre(self, place: int) -> tuple[float, ...]:
        """Where the middle of what that place sees lies, along each axis; whole numbers are the input's places."""
        every = zip(self.first, self.size, self.stride, strict=True)
        return tuple(first + place * stride + (size - 1) / 2 for first, size, stride in every)


def receptive_field(layers: Iterable[Layer], input_shape: int | Shape) -> ReceptiveField | None:
    """Of the places of the last layer's output, in the image or sequence that the first of the layers, or a leading
    `Image` or `Reshape`, gives; None where the output has no places, as behind `Flatten` and global pooling.

    A window of k numbers, d apart, with stride s, on a field of size r and stride j (at first 1 and 1) makes
    r + (k − 1) · d · j and j · s; where it begins moves by −before · j. Of the branches of `Residual` the hull counts.
    `GroupNorm` and `LayerNorm` see all places of a row by their mean and variance, which is left out.

    Raises ValueError where a layer does not take the shape before it.

    >>> from betahat.layers import Conv2d, MaxPool2d, ReLU, receptive_field
    >>> receptive_field([Conv2d(8, 3), ReLU(), MaxPool2d(2), Conv2d(8, 3)], (28, 28, 1))
    ReceptiveField(first=(0, 0), size=(8, 8), stride=(2, 2))
    """
    shape = checks.shape(input_shape, "input_shape")
    field = beginning(shape)
    for child in chained(checks.layers(layers, "layers"), shape):
        field = through(child, field)
    return field


def beginning(shape: Shape) -> ReceptiveField | None:
    """Each place of an image or sequence sees itself."""
    axes = len(shape) - 1
    return ReceptiveField((0,) * axes, (1,) * axes, (1,) * axes) if axes in (1, 2) else None


def through(child: Child, field: ReceptiveField | None) -> ReceptiveField | None:
    """The field of a layer's output, from that of its input."""
    layer, shape = child.layer, child.shape
    output = layer.output_shape(shape)
    if isinstance(layer, (Image, Reshape)):
        return beginning(output)
    if field is None or len(output) != len(shape):
        return None
    if isinstance(layer, (Convolution, Pooling)):
        windows, (first, size, stride) = layer.windows(shape), (field.first, field.size, field.stride)
        return ReceptiveField(
            tuple(f - b * j for f, b, j in zip(first, windows.before, stride, strict=True)),
            tuple(r + (reach - 1) * j for r, reach, j in zip(size, windows.reach, stride, strict=True)),
            tuple(j * s for j, s in zip(stride, windows.stride, strict=True)),
        )
    if isinstance(layer, Sequential):
        return _chain(layer.children(shape), field)
    if isinstance(layer, Residual):
        children = layer.children(shape)
        inner = [each for each in children if each.name.startswith("residual.")]
        beside = [each for each in children if each not in inner]
        return _hull(_chain(inner, field), _chain(beside, field))
    return field if output[:-1] == shape[:-1] else None


def _chain(children: Iterable[Child], field: ReceptiveField | None) -> ReceptiveField | None:
    for child in children:
        field = through(child, field)
    return field


def _hull(a: ReceptiveField | None, b: ReceptiveField | None) -> ReceptiveField | None:
    if a is None or b is None or a.stride != b.stride:
        return None
    first = tuple(map(min, a.first, b.first))
    last = (max(f + r, g + s) for f, r, g, s in zip(a.first, a.size, b.first, b.size, strict=True))
    return ReceptiveField(first, tuple(end - f for end, f in zip(last, first, strict=True)), a.stride)

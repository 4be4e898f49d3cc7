"""Rows of a table as what they stand for: images, sequences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from betahat.layers import checks
from betahat.layers.base import Arrays, Layer, Pass, Shape, size_of

ORDERS = ("NHWC", "NCHW")


@final
@dataclass(frozen=True, repr=False)
class Image(Layer):
    """f = x as images (height, width, channels), which is how all layers take them ("NHWC": rows, height, width,
    channels), whatever order the numbers of a row are in.

    height, width, channels : of an image. order : of the numbers in x: "NHWC", channels last, as Pillow, TensorFlow and
    matplotlib have images, or "NCHW", channels first, as PyTorch has them. Rows may be flat, (height · width ·
    channels,) with the last index running fastest; have the axes that the order says; or, with one channel, be (height,
    width).

    ∂J/∂x is ∂J/∂f in the order of x.

    Raises ValueError for rows of another shape.

    >>> import numpy as np
    >>> from betahat.layers import Image, Pass
    >>> x = np.arange(8.0).reshape(1, 8)
    >>> f, _ = Image(2, 2, 2, order="NCHW").forward(x, (), Pass())
    >>> f[0, :, :, 1]
    array([[4., 5.],
           [6., 7.]])
    >>> Image(28, 28).output_shape((784,))
    (28, 28, 1)
    """

    height: int
    width: int
    channels: int = 1
    order: str = "NHWC"

    def __post_init__(self) -> None:
        for name in ("height", "width", "channels"):
            object.__setattr__(self, name, checks.whole(getattr(self, name), f"{name} of Image"))
        if not (isinstance(self.order, str) and self.order in ORDERS):
            raise ValueError(
                f'order (={self.order!r}) of Image must be "NHWC" (channels last) or "NCHW" (channels first)'
            )

    @property
    def formula(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        return f"f = x as {self.height} × {self.width} × {self.channels}" + (
            ", from channels first" if self.order == "NCHW" else ""
        )

    @property
    def laid(self) -> Shape:
        """The axes of a row in the order given."""
        if self.order == "NCHW":
            return (self.channels, self.height, self.width)
        return (self.height, self.width, self.channels)

    def output_shape(self, shape: Shape) -> Shape:
        grey = (self.height, self.width)
        if shape in (self.laid, (size_of(self.laid),)) or (self.channels == 1 and shape == grey):
            return (*grey, self.channels)
        raise ValueError(
            f"{self!r} takes rows of shape ({size_of(self.laid)},) or {self.laid}, {self.order[1:]}, and is given "
            f"{shape}{self._hint(shape)}"
        )

    def _hint(self, shape: Shape) -> str:
        if sorted(shape) != sorted(self.laid):
            return ""
        other = ORDERS[self.order == "NHWC"]
        swapped = shape == Image(self.height, self.width, self.channels, other).laid
        return f': order="{other}"?' if swapped else ": are height and width the wrong way round?"

    def forward(self, x: Any, parameters: Arrays, context: Pass) -> tuple[Any, Any]:
        f = np.reshape(x, (x.shape[0], *self.laid))
        return (np.moveaxis(f, 1, 3) if self.order == "NCHW" else f), x.shape

    def backward(self, slope: Any, saved: Any, parameters: Arrays) -> tuple[Any, Arrays]:
        return np.reshape(np.moveaxis(slope, 3, 1) if self.order == "NCHW" else slope, saved), ()


@final
@dataclass(frozen=True, repr=False)
class Reshape(Layer):
    """f = the numbers of each row in another shape, the last index running fastest: `Flatten` the other way round.

    shape : of a row of f, such as (100, 1) for a sequence of 100 numbers. See `Image` for images.

    ∂J/∂x is ∂J/∂f in the shape of x.

    Raises ValueError for rows of another count of numbers.

    >>> from betahat.layers import Reshape
    >>> Reshape((50, 2)).output_shape((100,))
    (50, 2)
    """

    shape: Shape

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", checks.shape(self.shape, "shape of Reshape"))

    @property
    def formula(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        return f"f = x as {' × '.join(map(str, self.shape)) or 'single numbers'}"

    def output_shape(self, shape: Shape) -> Shape:
        if size_of(shape) != size_of(self.shape):
            raise ValueError(
                f"{self!r} makes rows of {size_of(self.shape)} numbers, and is given shape {shape}, of {size_of(shape)}"
            )
        return self.shape

    def forward(self, x: Any, parameters: Arrays, context: Pass) -> tuple[Any, Any]:
        return np.reshape(x, (x.shape[0], *self.shape)), x.shape

    def backward(self, slope: Any, saved: Any, parameters: Arrays) -> tuple[Any, Arrays]:
        return np.reshape(slope, saved), ()

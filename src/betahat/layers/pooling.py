"""Fewer places: of each window the largest number, or the mean."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from betahat.layers import checks
from betahat.layers.base import Arrays, Layer, Pass, Shape, size_of
from betahat.layers.pooled import (
    largest,
    mean_of_places,
    most_of_places,
    put,
    shared,
    sums,
    weights_of,
)
from betahat.layers.windows import Padding, Windows, along, full, padding, spread, windows_over


class Pooling(Layer):
    """What pooling over one axis and over two have in common: windows, for each channel by itself."""

    window: int | Shape
    stride: int | Shape | None
    padding: Padding
    dilation: int | Shape = 1

    @property
    @abstractmethod
    def axes(self) -> int:
        """How many axes windows move along."""

    def windows(self, shape: Shape) -> Windows:
        """Where the windows lie over rows of that shape.

        Raises ValueError where the layer does not take them.
        """
        checks.image(self, shape, self.axes)
        window = spread(self.window, self.axes)
        stride = self.window if self.stride is None else self.stride
        found = windows_over(shape[:-1], window, stride, self.padding, self.dilation, repr(self))
        full(found, repr(self))
        return found

    def output_shape(self, shape: Shape) -> Shape:
        return (*self.windows(shape).output, shape[-1])

    def flops(self, shape: Shape) -> int:
        windows = self.windows(shape)
        return size_of(windows.output) * windows.numbers * shape[-1]

    def _settle(self) -> None:
        name = type(self).__name__
        object.__setattr__(self, "window", along(self.window, f"window of {name}", self.axes))
        if self.stride is not None:
            stride = along(self.stride, f"stride of {name}", self.axes)
            object.__setattr__(self, "stride", None if stride == self.window else stride)
        object.__setattr__(self, "padding", padding(self.padding, f"padding of {name}", self.axes))


@dataclass(frozen=True, repr=False)
class MaxPool(Pooling):
    """The largest number of each window."""

    window: int | Shape
    stride: int | Shape | None = None
    padding: Padding = 0
    dilation: int | Shape = 1

    def __post_init__(self) -> None:
        self._settle()
        dilation = along(self.dilation, f"dilation of {type(self).__name__}", self.axes)
        object.__setattr__(self, "dilation", dilation)

    def forward(self, x: Any, parameters: Arrays, context: Pass) -> tuple[Any, Any]:
        windows = self.windows(x.shape[1:])
        f, which = largest(x, windows)
        return f, (which, windows)

    def backward(self, slope: Any, saved: Any, parameters: Arrays) -> tuple[Any, Arrays]:
        return put(slope, *saved), ()


@dataclass(frozen=True, repr=False)
class AvgPool(Pooling):
    """The mean of each window."""

    window: int | Shape
    stride: int | Shape | None = None
    padding: Padding = 0
    count_include_pad: bool = False

    def __post_init__(self) -> None:
        self._settle()
        checks.flag(self.count_include_pad, f"count_include_pad of {type(self).__name__}")

    def forward(self, x: Any, parameters: Arrays, context: Pass) -> tuple[Any, Any]:
        windows = self.windows(x.shape[1:])
        share = weights_of(windows, self.count_include_pad, x.dtype)
        return sums(x, windows) * share, (share, windows)

    def backward(self, slope: Any, saved: Any, parameters: Arrays) -> tuple[Any, Arrays]:
        share, windows = saved
        return shared(slope * share, windows), ()


@final
@dataclass(frozen=True, repr=False)
class MaxPool2d(MaxPool):
    """f[i, j] = max over k, l of x[i·s + k·d − top, j·s + l·d − left], for each channel of images x (n, height, width,
    channels); f (n, height', width', channels), of as many windows as `Conv2d` has.

    ∂J/∂x is the sum of ∂J/∂f over the windows in which a number is the largest, the first of equal ones (row by row).

    window, stride (s; None: the window), dilation (d) : whole numbers, or (height, width). padding : as of `Conv2d`;
    what lies beyond the image does not count. A NaN is larger than any number.

    Raises ValueError for rows that are no images, windows larger than the padded image, and padding so wide that a
    window holds nothing else.

    >>> import numpy as np
    >>> from betahat.layers import MaxPool2d, Pass
    >>> x = np.array([[1.0, 5.0, 2.0, 0.0], [3.0, 4.0, 8.0, 6.0]]).reshape(1, 2, 4, 1)
    >>> MaxPool2d(2).forward(x, (), Pass())[0].ravel()
    array([5., 8.])
    """

    formula = "f = max over k of x[i · stride + k · dilation]"

    @property
    def axes(self) -> int:
        return 2


@final
@dataclass(frozen=True, repr=False)
class MaxPool1d(MaxPool):
    """f[i] = max over k of x[i·s + k·d − before]: :class:`MaxPool2d` along the one axis of sequences x (n, length,
    channels), f (n, length', channels).

    >>> from betahat.layers import MaxPool1d
    >>> MaxPool1d(3, stride=2).output_shape((9, 4))
    (4, 4)
    """

    formula = "f = max over k of x[i · stride + k · dilation]"

    @property
    def axes(self) -> int:
        return 1


@final
@dataclass(frozen=True, repr=False)
class AvgPool2d(AvgPool):
    """f[i, j] = (1/m) Σ over k, l of x[i·s + k − top, j·s + l − left], for each channel of images x (n, height, width,
    channels); f (n, height', width', channels), of as many windows as `Conv2d` has.

    ∂J/∂x is the sum of (1/m) ∂J/∂f over the windows that a number is in.

    window, stride (s; None: the window) : whole numbers, or (height, width). padding : as of `Conv2d`.
    count_include_pad : whether m is all numbers of the window, with the zeros of the padding, or only those within
    the image.

    Raises ValueError as `MaxPool2d` does.

    >>> import numpy as np
    >>> from betahat.layers import AvgPool2d, Pass
    >>> x = np.array([[1.0, 5.0, 2.0, 0.0], [3.0, 4.0, 8.0, 6.0]]).reshape(1, 2, 4, 1)
    >>> AvgPool2d(2).forward(x, (), Pass())[0].ravel()
    array([3.25, 4.  ])
    """

    formula = "f = mean over k of x[i · stride + k]"

    @property
    def axes(self) -> int:
        return 2


@final
@dataclass(frozen=True, repr=False)
class AvgPool1d(AvgPool):
    """f[i] = (1/m) Σ over k of x[i·s + k − before]: :class:`AvgPool2d` along the one axis of sequences x (n, length,
    channels), f (n, length', channels).

    >>> from betahat.layers import AvgPool1d
    >>> AvgPool1d(2).output_shape((9, 4))
    (4, 4)
    """

    formula = "f = mean over k of x[i · stride + k]"

    @property
    def axes(self) -> int:
        return 1


@final
@dataclass(frozen=True, repr=False)
class GlobalAvgPool(Layer):
    """f = (1/m) Σ over all m places of x, for each channel: images (n, height, width, channels) and sequences (n,
    length, channels) become (n, channels) (Lin, Chen & Yan 2014).

    ∂J/∂x is (1/m) ∂J/∂f at every place.

    Raises ValueError for rows of one axis.

    >>> import numpy as np
    >>> from betahat.layers import GlobalAvgPool, Pass
    >>> GlobalAvgPool().forward(np.array([[[1.0, 10.0], [3.0, 30.0]]]), (), Pass())[0]
    array([[ 2., 20.]])
    """

    formula = "f = mean of x over all places"

    def output_shape(self, shape: Shape) -> Shape:
        checks.places(self, shape)
        return shape[-1:]

    def forward(self, x: Any, parameters: Arrays, context: Pass) -> tuple[Any, Any]:
        return mean_of_places(x), x.shape

    def backward(self, slope: Any, saved: Any, parameters: Arrays) -> tuple[Any, Arrays]:
        each = np.reshape(slope / size_of(saved[1:-1]), (saved[0], *(1,) * (len(saved) - 2), saved[-1]))
        return np.broadcast_to(each, saved), ()

    def flops(self, shape: Shape) -> int:
        return size_of(shape)


@final
@dataclass(frozen=True, repr=False)
class GlobalMaxPool(Layer):
    """f = max over all places of x, for each channel: images (n, height, width, channels) and sequences (n, length,
    channels) become (n, channels).

    ∂J/∂x is ∂J/∂f at the first place of the largest number, and 0 elsewhere. A NaN is larger than any number.

    Raises ValueError for rows of one axis.

    >>> import numpy as np
    >>> from betahat.layers import GlobalMaxPool, Pass
    >>> GlobalMaxPool().forward(np.array([[[1.0, 30.0], [3.0, 10.0]]]), (), Pass())[0]
    array([[ 3., 30.]])
    """

    formula = "f = max of x over all places"

    def output_shape(self, shape: Shape) -> Shape:
        checks.places(self, shape)
        return shape[-1:]

    def forward(self, x: Any, parameters: Arrays, context: Pass) -> tuple[Any, Any]:
        f, which = most_of_places(x)
        return f, (which, x.shape)

    def backward(self, slope: Any, saved: Any, parameters: Arrays) -> tuple[Any, Arrays]:
        which, shape = saved
        hit = np.arange(size_of(shape[1:-1]))[:, None] == which
        return np.reshape(np.where(hit, slope[:, None, :], 0.0), shape), ()

    def flops(self, shape: Shape) -> int:
        return size_of(shape)

"""Patterns that are looked for at every place of an image or sequence."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, final

from betahat.layers import checks
from betahat.layers.base import Arrays, Layer, Parameter, Pass, Shape, size_of, total
from betahat.layers.convolving import convolve, input_slope, weight_slope
from betahat.layers.initialisation import as_initialisation
from betahat.layers.windows import Padding, Windows, along, padding, spread, windows_over


@dataclass(frozen=True, repr=False)
class Convolution(Layer):
    """What convolutions over one axis and over two have in common."""

    filters: int
    kernel_size: int | Shape
    stride: int | Shape = 1
    padding: Padding = 0
    dilation: int | Shape = 1
    groups: int = 1
    bias: bool = True
    initialisation: Any = "auto"

    preferred = "glorot_uniform"

    @property
    @abstractmethod
    def axes(self) -> int:
        """How many axes windows move along."""

    def __post_init__(self) -> None:
        name = type(self).__name__
        object.__setattr__(self, "filters", checks.whole(self.filters, f"filters of {name}"))
        for each in ("kernel_size", "stride", "dilation"):
            object.__setattr__(self, each, along(getattr(self, each), f"{each} of {name}", self.axes))
        object.__setattr__(self, "padding", padding(self.padding, f"padding of {name}", self.axes))
        object.__setattr__(self, "groups", checks.whole(self.groups, f"groups of {name}"))
        checks.flag(self.bias, f"bias of {name}")
        how = as_initialisation(self.initialisation, f"initialisation of {name}")
        object.__setattr__(self, "initialisation", how)
        checks.divisible(self.filters, "filters", self.groups, name)

    @property
    def formula(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        return f"f = Σₖ x[i · stride + k · dilation] Wₖ{' + b' if self.bias else ''}"

    def windows(self, shape: Shape) -> Windows:
        """Where the windows lie over rows of that shape.

        Raises ValueError where the layer does not take them.
        """
        checks.image(self, shape, self.axes)
        checks.divisible(shape[-1], "in_channels", self.groups, repr(self))
        window = spread(self.kernel_size, self.axes)
        return windows_over(shape[:-1], window, self.stride, self.padding, self.dilation, repr(self))

    def parameters(self, shape: Shape) -> tuple[Parameter, ...]:
        window, each = self.windows(shape).window, shape[-1] // self.groups
        numbers = size_of(window)
        weight = Parameter(
            "weight", (*window, each, self.filters), self.initialisation,
            numbers * each, numbers * (self.filters // self.groups), penalised=True,
        )  # fmt: skip
        return (weight, Parameter("bias", (self.filters,))) if self.bias else (weight,)

    def output_shape(self, shape: Shape) -> Shape:
        return (*self.windows(shape).output, self.filters)

    def forward(self, x: Any, parameters: Arrays, context: Pass) -> tuple[Any, Any]:
        windows = self.windows(x.shape[1:])
        f = convolve(x, parameters[0], windows, self.groups)
        return (f + parameters[1] if self.bias else f), (x, windows)

    def backward(self, slope: Any, saved: Any, parameters: Arrays) -> tuple[Any, Arrays]:
        x, windows = saved
        weight = weight_slope(x, slope, windows, self.groups)
        dx = input_slope(slope, parameters[0], windows, self.groups)
        rows = tuple(range(self.axes + 1))
        return dx, (weight, total(slope, rows)) if self.bias else (weight,)

    def flops(self, shape: Shape) -> int:
        windows = self.windows(shape)
        return 2 * size_of(windows.output) * windows.numbers * (shape[-1] // self.groups) * self.filters


@final
@dataclass(frozen=True, repr=False)
class Conv2d(Convolution):
    """f[i, j] = Σ over k, l of x[i·s + k·d − top, j·s + l·d − left] W[k, l] + b: each filter laid over every window of
    an image, x (n, height, width, channels), W (kh, kw, channels/groups, filters), b (filters,), f (n, height',
    width', filters) with height' = ⌊(top + height + bottom − (kh − 1)·d − 1) / s⌋ + 1, and the width likewise (LeCun
    et al. 1998). Beyond the image x is 0.

    With slope u = ∂J/∂f:  ∂J/∂W[k, l] = Σ over rows, i, j of x[i·s + k·d − top, j·s + l·d − left]ᵀ u[i, j],
    ∂J/∂b = Σ u,  and ∂J/∂x is the sum, over all windows that a number of x is in, of W[k, l] u[i, j].

    filters : channels of f. kernel_size, stride (s), dilation (d) : whole numbers, or (height, width). padding :
    "same", "valid" (0), how many zeros on every side, or ((top, bottom), (left, right)); "same" makes height' =
    ⌈height / s⌉ by as much on both sides, and an odd one at the bottom and on the right, as ONNX's SAME_UPPER and
    TensorFlow do. groups : the channels are cut into so many parts, each with filters/groups filters of its own; as
    many as channels makes a depthwise convolution. bias : whether b is there; it begins at 0. initialisation : of W, as
    of `Dense`, with fan_in = kh · kw · channels/groups and fan_out = kh · kw · filters/groups.

    Raises ValueError for rows that are no images, channels or filters that groups do not divide, and windows that are
    larger than the padded image.

    >>> import numpy as np
    >>> from betahat.layers import Conv2d, Pass
    >>> x = np.arange(9.0).reshape(1, 3, 3, 1)
    >>> W = np.array([[1.0, 0.0], [0.0, -1.0]]).reshape(2, 2, 1, 1)
    >>> Conv2d(1, 2, bias=False).forward(x, (W,), Pass())[0][0, :, :, 0]
    array([[-4., -4.],
           [-4., -4.]])
    >>> Conv2d(32, 3, stride=2, padding="same").output_shape((28, 28, 1))
    (14, 14, 32)
    """

    @property
    def axes(self) -> int:
        return 2


@final
@dataclass(frozen=True, repr=False)
class Conv1d(Convolution):
    """f[i] = Σ over k of x[i·s + k·d − before] W[k] + b: :class:`Conv2d` along the one axis of a sequence, x (n,
    length, channels), W (k, channels/groups, filters), b (filters,), f (n, length', filters) with length' = ⌊(before +
    length + after − (k − 1)·d − 1) / s⌋ + 1.

    With slope u = ∂J/∂f:  ∂J/∂W[k] = Σ over rows and i of x[i·s + k·d − before]ᵀ u[i],  ∂J/∂b = Σ u,  and ∂J/∂x is the
    sum, over all windows that a number of x is in, of W[k] u[i].

    The arguments are those of `Conv2d`; padding may be (before, after). Tokens become sequences by `Embedding`.

    Raises ValueError as `Conv2d` does.

    >>> import numpy as np
    >>> from betahat.layers import Conv1d, Pass
    >>> x = np.array([1.0, 2.0, 4.0, 8.0]).reshape(1, 4, 1)
    >>> W = np.array([-1.0, 1.0]).reshape(2, 1, 1)
    >>> Conv1d(1, 2, bias=False).forward(x, (W,), Pass())[0].ravel()
    array([1., 2., 4.])
    """

    @property
    def axes(self) -> int:
        return 1

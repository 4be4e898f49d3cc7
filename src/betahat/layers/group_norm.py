"""Groups of channels of each row with mean 0 and variance 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from betahat.layers import checks
from betahat.layers.base import Arrays, Layer, Parameter, Pass, Shape, size_of, total


@final
@dataclass(frozen=True, repr=False)
class GroupNorm(Layer):
    """f = scale · z + shift with z = (x − mean) / √(variance + epsilon), mean and variance (Σ(x − mean)²/m) being those
    of the m numbers that a group of neighbouring channels has in a row, over all its places (Wu & He 2018): the same
    in training and after it. One group normalises the whole row; as many as channels, each channel of an image by
    itself (Ulyanov, Vedaldi & Lempitsky 2016).

    With s = ∂J/∂f and t = s · scale:  ∂J/∂shift = Σs,  ∂J/∂scale = Σ s z  over rows and places, and
    ∂J/∂x = (t − Σt/m − z Σ(t z)/m) / √(variance + epsilon)  within each group.

    groups : of channels (places on the last axis), which they must divide. epsilon : above 0; where all numbers of a
    group are equal, f is `shift`. Parameters: scale and shift (channels,), at first 1 and 0.

    Raises ValueError for channels that groups do not divide.

    >>> import numpy as np
    >>> from betahat.layers import GroupNorm, Pass
    >>> x = np.array([[1.0, 3.0, 10.0, 30.0]])
    >>> GroupNorm(2).forward(x, (np.ones(4), np.zeros(4)), Pass())[0].round(4)
    array([[-1.,  1., -1.,  1.]])
    """

    groups: int
    epsilon: float = 1e-5

    formula = "f = scale · (x − mean) / √(variance + epsilon) + shift, over groups of channels in each row"

    def __post_init__(self) -> None:
        object.__setattr__(self, "groups", checks.whole(self.groups, "groups of GroupNorm"))
        epsilon = checks.number(self.epsilon, "epsilon of GroupNorm", 0.0, above=True)
        object.__setattr__(self, "epsilon", epsilon)

    def parameters(self, shape: Shape) -> tuple[Parameter, ...]:
        channels = self.output_shape(shape)[-1:]
        return Parameter("scale", channels, "ones"), Parameter("shift", channels)

    def output_shape(self, shape: Shape) -> Shape:
        checks.divisible(checks.last_axis(self, shape), "channels", self.groups, repr(self))
        checks.channels(self, shape)
        return shape

    def forward(self, x: Any, parameters: Arrays, context: Pass) -> tuple[Any, Any]:
        scale, shift = parameters
        z, inverse = grouped_standard(x, self.groups, self.epsilon)
        return z * scale + shift, (z, inverse)

    def backward(self, slope: Any, saved: Any, parameters: Arrays) -> tuple[Any, Arrays]:
        z, inverse = saved
        rows = tuple(range(len(slope.shape) - 1))
        t, split = self._split(slope * parameters[0]), self._split(z)
        m = t.shape[1] * t.shape[3]
        about, along = (total(each, (1, 3), keepdims=True) / m for each in (t, t * split))
        dx = np.reshape((t - about - split * along) * inverse, slope.shape)
        return dx, (total(slope * z, rows), total(slope, rows))

    def flops(self, shape: Shape) -> int:
        return 8 * size_of(shape)

    def _split(self, x: Any) -> Any:
        return split_channels(x, self.groups)


def split_channels(x: Any, groups: int) -> Any:
    """x (n, …, C) as (n, places, groups, C/groups)."""
    shape = x.shape
    return np.reshape(x, (shape[0], size_of(shape[1:-1]), groups, shape[-1] // groups))


def grouped_standard(x: Any, groups: int, epsilon: float) -> tuple[Any, Any]:
    """x with mean 0 and variance 1 in each row and group, and 1 / √(variance + epsilon) (n, 1, groups, 1)."""
    split = split_channels(x, groups)
    m = split.shape[1] * split.shape[3]
    centred = split - total(split, (1, 3), keepdims=True) / m
    inverse = 1.0 / np.sqrt(total(centred * centred, (1, 3), keepdims=True) / m + epsilon)
    return np.reshape(centred * inverse, x.shape), inverse

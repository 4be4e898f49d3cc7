"""Each channel with mean 0 and variance 1 over a mini-batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from betahat.layers import checks
from betahat.layers.base import Arrays, Layer, Parameter, Pass, Shape, size_of, total


@final
@dataclass(frozen=True, repr=False)
class BatchNorm(Layer):
    """f = scale · z + shift with z = (x − mean) / √(variance + epsilon), each channel (place on the last axis) by
    itself (Ioffe & Szegedy 2015).

    In training mean and variance (Σ(x − mean)²/m) are those of the m numbers that a channel has in the mini-batch,
    over rows and all other axes, and the running ones move towards them: running ← (1 − momentum) · running +
    momentum · batch's, where the variance is Σ(x − mean)²/(m − 1), or 0 for m = 1. Otherwise the running ones are
    used.

    With s = ∂J/∂f:  ∂J/∂shift = Σs,  ∂J/∂scale = Σ s z,  and in training
    ∂J/∂x = scale / √(variance + epsilon) · (s − Σs/m − z Σ(s z)/m).

    momentum : in (0, 1]. epsilon : above 0; a constant channel gives `shift`. Parameters: scale and shift
    (channels,), at first 1 and 0. Buffers: mean and variance (channels,), at first 0 and 1.

    >>> import numpy as np
    >>> from betahat.layers import BatchNorm, Pass
    >>> x = np.array([[1.0, 5.0], [3.0, 5.0]])
    >>> now = Pass(training=True, buffers={"mean": np.zeros(2), "variance": np.ones(2)})
    >>> BatchNorm().forward(x, (np.ones(2), np.zeros(2)), now)[0].round(4)
    array([[-1.,  0.],
           [ 1.,  0.]])
    >>> now.updated["mean"], now.updated["variance"]
    (array([0.2, 0.5]), array([1.1, 0.9]))
    """

    momentum: float = 0.1
    epsilon: float = 1e-5

    formula = "f = scale · (x − mean) / √(variance + epsilon) + shift, over the batch"

    def __post_init__(self) -> None:
        momentum = checks.number(self.momentum, "momentum of BatchNorm", 0.0, 1.0, above=True)
        object.__setattr__(self, "momentum", momentum)
        object.__setattr__(
            self, "epsilon", checks.number(self.epsilon, "epsilon of BatchNorm", 0.0, above=True)
        )

    def parameters(self, shape: Shape) -> tuple[Parameter, ...]:
        channels = (checks.last_axis(self, shape),)
        return Parameter("scale", channels, "ones"), Parameter("shift", channels)

    def buffers(self, shape: Shape) -> tuple[Parameter, ...]:
        channels = (checks.last_axis(self, shape),)
        return Parameter("mean", channels), Parameter("variance", channels, "ones")

    def output_shape(self, shape: Shape) -> Shape:
        checks.last_axis(self, shape)
        return shape

    def forward(self, x: Any, parameters: Arrays, context: Pass) -> tuple[Any, Any]:
        scale, shift = parameters
        running_mean, running_variance = context.buffer("mean"), context.buffer("variance")
        if not context.training:
            inverse = 1.0 / np.sqrt(running_variance + self.epsilon)
            z = (x - running_mean) * inverse
            return z * scale + shift, (z, inverse, 0)
        z, inverse, mean, squares, m = standard(x, self.epsilon)
        context.update("mean", self._moved(running_mean, mean))
        context.update("variance", self._moved(running_variance, squares / max(m - 1, 1)))
        return z * scale + shift, (z, inverse, m)

    def backward(self, slope: Any, saved: Any, parameters: Arrays) -> tuple[Any, Arrays]:
        z, inverse, m = saved
        axes, _ = _others(slope.shape)
        along, about = total(slope * z, axes), total(slope, axes)
        through = slope - (about + z * along) / m if m else slope
        return through * (parameters[0] * inverse), (along, about)

    def flops(self, shape: Shape) -> int:
        return 4 * size_of(shape)

    def _moved(self, running: Any, batch: Any) -> Any:
        return (1.0 - self.momentum) * running + self.momentum * batch


def standard(x: Any, epsilon: float) -> tuple[Any, Any, Any, Any, int]:
    """x with mean 0 and variance 1 in each channel, 1 / √(variance + epsilon), the mean, Σ(x − mean)², and the count m
    of numbers that a channel has."""
    axes, m = _others(x.shape)
    if m == 0:
        raise ValueError("X has no rows, and batch normalisation needs one or more to train on")
    mean = total(x, axes) / m
    centred = x - mean
    squares = total(centred * centred, axes)
    inverse = 1.0 / np.sqrt(squares / m + epsilon)
    return centred * inverse, inverse, mean, squares, m


def _others(shape: Shape) -> tuple[tuple[int, ...], int]:
    """All axes but the last, and how many numbers they hold."""
    return tuple(range(len(shape) - 1)), size_of(shape[:-1])

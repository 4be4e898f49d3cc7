"""Each row with mean 0 and variance 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from betahat.layers import checks
from betahat.layers.base import Arrays, Layer, Parameter, Pass, Shape, size_of, total


@final
@dataclass(frozen=True, repr=False)
class LayerNorm(Layer):
    """f = scale · z + shift with z = (x − mean) / √(variance + epsilon), mean and variance (Σ(x − mean)²/d) being
    those of the d numbers along the last axis (Ba, Kiros & Hinton 2016): the same in training and after it.

    With s = ∂J/∂f and t = s · scale:  ∂J/∂shift = Σs,  ∂J/∂scale = Σ s z  over rows, and
    ∂J/∂x = (t − Σt/d − z Σ(t z)/d) / √(variance + epsilon)  along the last axis.

    epsilon : above 0; where all d numbers are equal, f is `shift`.
    Parameters: scale and shift (d,), at first 1 and 0.

    >>> import numpy as np
    >>> from betahat.layers import LayerNorm, Pass
    >>> x = np.array([[1.0, 3.0], [10.0, 30.0]])
    >>> LayerNorm().forward(x, (np.ones(2), np.zeros(2)), Pass())[0].round(4)
    array([[-1.,  1.],
           [-1.,  1.]])
    """

    epsilon: float = 1e-5

    formula = "f = scale · (x − mean) / √(variance + epsilon) + shift, along each row"

    def __post_init__(self) -> None:
        epsilon = checks.number(self.epsilon, "epsilon of LayerNorm", 0.0, above=True)
        object.__setattr__(self, "epsilon", epsilon)

    def parameters(self, shape: Shape) -> tuple[Parameter, ...]:
        last = (checks.last_axis(self, shape),)
        return Parameter("scale", last, "ones"), Parameter("shift", last)

    def output_shape(self, shape: Shape) -> Shape:
        checks.last_axis(self, shape)
        return shape

    def forward(self, x: Any, parameters: Arrays, context: Pass) -> tuple[Any, Any]:
        scale, shift = parameters
        d = x.shape[-1]
        centred = x - total(x, -1, keepdims=True) / d
        inverse = 1.0 / np.sqrt(total(centred * centred, -1, keepdims=True) / d + self.epsilon)
        z = centred * inverse
        return z * scale + shift, (z, inverse)

    def backward(self, slope: Any, saved: Any, parameters: Arrays) -> tuple[Any, Arrays]:
        z, inverse = saved
        d, rows = slope.shape[-1], tuple(range(len(slope.shape) - 1))
        t = slope * parameters[0]
        about, along = total(t, -1, keepdims=True) / d, total(t * z, -1, keepdims=True) / d
        return (t - about - z * along) * inverse, (total(slope * z, rows), total(slope, rows))

    def flops(self, shape: Shape) -> int:
        return 8 * size_of(shape)

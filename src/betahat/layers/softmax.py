"""Numbers that are positive and add up to 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from betahat.layers import checks
from betahat.layers.base import Arrays, Layer, Pass, Shape, size_of
from betahat.layers.functional import softmax


@final
@dataclass(frozen=True, repr=False)
class Softmax(Layer):
    """fₖ = e^xₖ / Σⱼ e^xⱼ along the last axis;  ∂J/∂xₖ = fₖ (sₖ − Σⱼ sⱼ fⱼ) for s = ∂J/∂f (Bridle 1990).

    The largest x is taken off first, so that nothing overflows. For classes, `betahat.losses.Multinomial` holds it
    already, with more digits: end the network with a Dense there.

    >>> import numpy as np
    >>> from betahat.layers import Pass, Softmax
    >>> Softmax().forward(np.array([[1000.0, 1000.0]]), (), Pass())[0]
    array([[0.5, 0.5]])
    """

    formula = "f = eˣ / Σ eˣ"
    preferred = "glorot_uniform"

    def output_shape(self, shape: Shape) -> Shape:
        checks.last_axis(self, shape)
        return shape

    def forward(self, x: Any, parameters: Arrays, context: Pass) -> tuple[Any, Any]:
        f = softmax(x)
        return f, f

    def backward(self, slope: Any, saved: Any, parameters: Arrays) -> tuple[Any, Arrays]:
        return saved * (slope - np.sum(slope * saved, axis=-1, keepdims=True)), ()

    def flops(self, shape: Shape) -> int:
        return 5 * size_of(shape)

"""Rows of several axes as rows of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from betahat.layers.base import Arrays, Layer, Pass, Shape, size_of


@final
@dataclass(frozen=True, repr=False)
class Flatten(Layer):
    """Rows of any shape as rows of one axis, the last index running fastest.

    >>> Flatten().output_shape((28, 28, 1))
    (784,)
    """

    formula = "f = x in one row"

    def output_shape(self, shape: Shape) -> Shape:
        return (size_of(shape),)

    def forward(self, x: Any, parameters: Arrays, context: Pass) -> tuple[Any, Any]:
        return np.reshape(x, (x.shape[0], size_of(x.shape[1:]))), x.shape

    def backward(self, slope: Any, saved: Any, parameters: Arrays) -> tuple[Any, Arrays]:
        return np.reshape(slope, saved), ()

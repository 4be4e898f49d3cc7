"""Units left out at random while a network is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from betahat.kernels.random import RESOLUTION, kept, threshold
from betahat.layers import checks
from betahat.layers.base import Arrays, Layer, Pass, Shape, size_of


@final
@dataclass(frozen=True, repr=False)
class Dropout(Layer):
    """f = x · kept / (1 − rate) in training, where each unit is kept with probability 1 − rate; f = x otherwise
    (Srivastava et al. 2014).

    rate : in [0, 1), the share that is dropped, to the nearest 2⁻²⁴.

    Which units are kept follows from the key of the pass and the place of the row in its mini-batch alone: unit k of
    row i, of `units` in a row, is kept when (bits(key, i · units + k) ≫ 40) ≥ round(rate · 2²⁴), with `bits` of
    :func:`betahat.kernels.random.bits`. 1 / (1 − rate) is rounded to the dtype, and x is multiplied by it. Within a
    network that draws by `key`, layer i has the key derive(key, i), and the j-th of layers inside it derive(key, i,
    j).

    >>> import numpy as np
    >>> from betahat.layers import Dropout, Pass
    >>> x = np.ones((1, 8))
    >>> Dropout(0.5).forward(x, (), Pass(training=True, key=1))[0]
    array([[0., 2., 2., 2., 0., 0., 2., 2.]])
    >>> Dropout(0.5).forward(x, (), Pass())[0]
    array([[1., 1., 1., 1., 1., 1., 1., 1.]])
    """

    rate: float

    formula = "f = x · kept / (1 − rate)"

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", checks.number(self.rate, "rate of Dropout", 0.0, 1.0))
        if threshold(self.rate) >= 2**RESOLUTION:
            raise ValueError(f"rate (={self.rate!r}) of Dropout drops every unit; it must be below 1")

    def forward(self, x: Any, parameters: Arrays, context: Pass) -> tuple[Any, Any]:
        if not context.training or self.rate == 0.0:
            return x, None
        mask = kept(context.own_key(), self.rate, x.shape[0], size_of(x.shape[1:]), context.first_row)
        mask = mask.reshape(x.shape)
        return self._scaled(x, mask), mask

    def backward(self, slope: Any, saved: Any, parameters: Arrays) -> tuple[Any, Arrays]:
        return (slope if saved is None else self._scaled(slope, saved)), ()

    def flops(self, shape: Shape) -> int:
        return size_of(shape)

    def _scaled(self, x: Any, mask: np.ndarray) -> Any:
        return np.where(mask, x * (1.0 / (1.0 - self.rate)), 0.0)

"""Units, or whole channels, left out at random while a network is trained."""

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
        object.__setattr__(self, "rate", _rate(self.rate, "Dropout"))

    def forward(self, x: Any, parameters: Arrays, context: Pass) -> tuple[Any, Any]:
        if not context.training or self.rate == 0.0:
            return x, None
        mask = kept(context.own_key(), self.rate, x.shape[0], size_of(x.shape[1:]), context.first_row)
        mask = mask.reshape(x.shape)
        return _scaled(x, mask, self.rate), mask

    def backward(self, slope: Any, saved: Any, parameters: Arrays) -> tuple[Any, Arrays]:
        return (slope if saved is None else _scaled(slope, saved, self.rate)), ()

    def flops(self, shape: Shape) -> int:
        return size_of(shape)


@final
@dataclass(frozen=True, repr=False)
class Dropout2d(Layer):
    """:class:`Dropout` of whole channels: f = x · kept / (1 − rate) in training, where each channel of each row is kept
    with probability 1 − rate, at all its places or at none; f = x otherwise (Tompson et al. 2015).

    Neighbouring pixels tell nearly the same, so that dropping them one by one hides little.

    rate : in [0, 1), the share that is dropped, to the nearest 2⁻²⁴. Rows are images (height, width, channels) or
    sequences (length, channels).

    Channel c of row i, of C channels, is kept when (bits(key, i · C + c) ≫ 40) ≥ round(rate · 2²⁴): what
    `Dropout` says of a row of C units. ∂J/∂x = ∂J/∂f · kept / (1 − rate).

    Raises ValueError for rows of one axis, for which there is `Dropout`.

    >>> import numpy as np
    >>> from betahat.layers import Dropout2d, Pass
    >>> Dropout2d(0.5).forward(np.ones((1, 2, 1, 8)), (), Pass(training=True, key=1))[0][0, :, 0]
    array([[0., 2., 2., 2., 0., 0., 2., 2.],
           [0., 2., 2., 2., 0., 0., 2., 2.]])
    """

    rate: float

    formula = "f = x · kept / (1 − rate), by channels"

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", _rate(self.rate, "Dropout2d"))

    def output_shape(self, shape: Shape) -> Shape:
        checks.places(self, shape)
        return shape

    def forward(self, x: Any, parameters: Arrays, context: Pass) -> tuple[Any, Any]:
        if not context.training or self.rate == 0.0:
            return x, None
        n, channels = x.shape[0], x.shape[-1]
        mask = kept(context.own_key(), self.rate, n, channels, context.first_row)
        mask = mask.reshape(n, *(1,) * (len(x.shape) - 2), channels)
        return _scaled(x, mask, self.rate), mask

    def backward(self, slope: Any, saved: Any, parameters: Arrays) -> tuple[Any, Arrays]:
        return (slope if saved is None else _scaled(slope, saved, self.rate)), ()

    def flops(self, shape: Shape) -> int:
        return size_of(shape)


def _rate(given: Any, name: str) -> float:
    rate = checks.number(given, f"rate of {name}", 0.0, 1.0)
    if threshold(rate) >= 2**RESOLUTION:
        raise ValueError(f"rate (={given!r}) of {name} drops every unit; it must be below 1")
    return rate


def _scaled(x: Any, mask: np.ndarray, rate: float) -> Any:
    return np.where(mask, x * (1.0 / (1.0 - rate)), 0.0)

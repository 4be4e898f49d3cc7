"""Weights of convolutions, transformed for minimal filtering."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from betahat.engines.cpu.layout import Place
from betahat.kernels.network.winograd_tiles import TAPS


@final
@dataclass(frozen=True)
class Weighed:
    """G W Gᵀ (16, channels, filters) of a layer's weights, in rows of `place.stride` numbers."""

    place: Place
    channels: int
    array: np.ndarray

    def take(self, beta: np.ndarray) -> None:
        """From the layout's parameters, by the very operations that compiled code does."""
        W = self.place.of(beta).reshape(TAPS, TAPS, self.channels, -1)
        half = W.dtype.type(0.5)

        def weigh(w: np.ndarray) -> np.ndarray:
            outer, inner = (w[0] + w[2]) * half, w[1] * half
            return np.stack([w[0], outer + inner, outer - inner, w[2]])

        along = weigh(W)  # (4, TAPS, channels, filters)
        both = weigh(np.moveaxis(along, 1, 0))  # (the other axis, 4, ...)
        self.array[:] = np.moveaxis(both, 0, 1).reshape(self.array.shape)

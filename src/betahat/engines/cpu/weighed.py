"""Weights of convolutions, transformed for minimal filtering."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from betahat.engines.cpu.layout import Place
from betahat.kernels.network.filtering import SCHEMES, TAPS, Numbers, both


@final
@dataclass(frozen=True)
class Weighed:
    """G W Gᵀ (points, channels, ·) of a layer's weights (taps, channels, filters), or (points, filters, ·) of turned
    ones, which slopes pass through: channels and filters exchanged, taps in opposite order. out : places of a tile
    along an axis."""

    place: Place
    channels: int
    filters: int
    array: np.ndarray
    out: int
    turned: bool

    def take(self, beta: np.ndarray) -> None:
        """From the layout's parameters, by the very operations that compiled code does."""
        taps = list(self.place.of(beta).reshape(TAPS**2, self.channels, -1))
        if self.turned:
            wide = self.array.shape[2] - self.channels
            taps = [np.pad(tap[:, : self.filters].T, ((0, 0), (0, wide))) for tap in reversed(taps)]
        self.array[:] = both(Numbers(self.array.dtype.type), SCHEMES[self.out].weigh, taps)

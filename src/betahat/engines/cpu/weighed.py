"""Weights of convolutions, transformed for minimal filtering."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from betahat.engines.cpu.layout import Place
from betahat.kernels.network.filtering import SCHEMES, Numbers, both


@final
@dataclass(frozen=True)
class Weighed:
    """G W Gᵀ (points, channels, wide) of a layer's weights (taps, channels, filters), or (points, filters, wide) of
    turned ones, which slopes pass through: channels and filters exchanged.

    scheme : its number; opposite : whether taps are in opposite order; at : the address; array :
    where they stay, or None where they are made of the weights whenever they are needed.
    """

    place: Place
    channels: int
    filters: int
    wide: int
    scheme: int
    turned: bool
    opposite: bool
    at: int
    array: np.ndarray | None

    @property
    def rows(self) -> int:
        """Of each point."""
        return self.filters if self.turned else self.channels

    def take(self, beta: np.ndarray) -> None:
        """What stays, from the layout's parameters, by the very operations that compiled code does."""
        if self.array is None:
            return
        scheme = SCHEMES[self.scheme]
        taps = list(self.place.of(beta).reshape(scheme.taps**2, self.channels, -1))
        if self.turned:
            wide = self.wide - self.channels
            taps = [np.pad(tap[:, : self.filters].T, ((0, 0), (0, wide))) for tap in taps]
        if self.opposite:
            taps.reverse()
        self.array[:] = both(Numbers(self.array.dtype.type), scheme.weigh, taps)

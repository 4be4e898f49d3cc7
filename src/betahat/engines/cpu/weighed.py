"""Weights of convolutions, transformed for minimal filtering."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from betahat.engines.cpu.layout import Place
from betahat.kernels.network.filtering import SCHEMES, Numbers, both
from betahat.kernels.network.tiles import BYTES


@final
@dataclass(frozen=True)
class Weighed:
    """G W Gᵀ (points, channels, wide) of a layer's weights (taps², channels, filters), or (points, filters, wide) of
    turned ones, which slopes pass through: channels and filters exchanged.

    taps : of a window along an axis; stride : of its steps. With a stride there are stride² parts of a window, each of
    every stride-th tap along both axes: rows of one behind those of the other or, of turned ones, registers behind
    registers. scheme : its number; opposite : whether taps are in opposite order; at : the address; array : where they
    stay, or None where they are made of the weights whenever they are needed.
    """

    place: Place
    channels: int
    filters: int
    taps: int
    stride: int
    wide: int
    scheme: int
    turned: bool
    opposite: bool
    at: int
    array: np.ndarray | None

    @property
    def rows(self) -> int:
        """Of each point."""
        return self.filters if self.turned else self.channels * self.stride**2

    def take(self, beta: np.ndarray) -> None:
        """What stays, from the layout's parameters, by the very operations that compiled code does."""
        if self.array is None:
            return
        taps = self.place.of(beta).reshape(self.taps, self.taps, self.channels, -1)
        if self.turned:
            taps = taps[..., : self.filters].swapaxes(2, 3)
        scheme = SCHEMES[self.scheme]
        rows, wide = taps.shape[2:]
        for phase in range(self.stride**2):
            first = phase // self.stride, phase % self.stride
            part = np.zeros((scheme.taps, scheme.taps, rows, wide), beta.dtype)
            there = taps[first[0] :: self.stride, first[1] :: self.stride]
            part[: len(there), : there.shape[1]] = there
            if self.opposite:
                part = part[::-1, ::-1]
            found = both(Numbers(beta.dtype.type), scheme.weigh, list(part.reshape(-1, rows, wide)))
            lanes = BYTES // beta.itemsize
            row, column = (0, phase * -(-wide // lanes) * lanes) if self.turned else (phase * rows, 0)
            self.array[:, row : row + rows, column : column + wide] = found

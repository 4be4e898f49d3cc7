"""Where parameters lie while they are trained: rows begin at registers, so that matrix products need no copies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from betahat.models.network import Network

WIDE = 16
"""Numbers that rows and arrays are multiples of: a register of float32, two of float64."""
_ALIASED = 1024  # bytes of a row stride whose multiples would share few sets of a cache


def row_numbers(units: int, size: int) -> int:
    """How many numbers of `size` bytes a row of so many takes up."""
    whole = -(-units // WIDE) * WIDE
    return whole + WIDE if whole * size % _ALIASED == 0 else whole


@final
@dataclass(frozen=True)
class Place:
    """An array of parameters: where it begins, its rows, numbers in use of each, and those a row takes up."""

    offset: int
    rows: int
    units: int
    stride: int
    penalised: bool

    @property
    def size(self) -> int:
        """Numbers it takes up."""
        return self.rows * self.stride

    def of(self, flat: np.ndarray) -> np.ndarray:
        """Its rows within an array of all places, (rows, stride)."""
        return flat[self.offset : self.offset + self.size].reshape(self.rows, self.stride)


@final
class Layout:
    """The places of a network's parameters, by name, and the way there and back.

    Matrices (inputs, units) keep their rows, filters (*window, channels, filters) have those of a matrix of as many
    columns; everything else is one row.
    """

    def __init__(self, network: Network, dtype: Any) -> None:
        size, at = np.dtype(dtype).itemsize, 0
        self.places: dict[str, Place] = {}
        self._pairs: list[tuple[Place, slice]] = []
        for slot in network.layout:
            units = slot.shape[-1] if len(slot.shape) > 1 else slot.size
            rows = slot.size // units
            place = Place(at, rows, units, row_numbers(units, size), slot.penalised)
            self.places[slot.name] = place
            self._pairs.append((place, slice(slot.offset, slot.stop)))
            at += place.size
        self.size = at

    def take(self, flat: np.ndarray, into: np.ndarray) -> None:
        """From the network's flat array."""
        for place, where in self._pairs:
            place.of(into)[:, : place.units] = flat[where].reshape(place.rows, place.units)

    def give(self, ours: np.ndarray, flat: np.ndarray) -> None:
        """Back to it."""
        for place, where in self._pairs:
            flat[where].reshape(place.rows, place.units)[:] = place.of(ours)[:, : place.units]

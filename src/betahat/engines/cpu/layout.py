"""Where parameters lie while they are trained: rows begin at registers, so that matrix products need no copies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from betahat.layers.base import Layer, Shape
from betahat.layers.convolution import Convolution
from betahat.models.network import Network

WIDE = 16
"""Numbers that rows and arrays are multiples of: a register of float32, two of float64."""
_ALIASED = 1024  # bytes of a row stride whose multiples would share few sets of a cache


def whole(units: int) -> int:
    """So many numbers, and those that make them whole registers."""
    return -(-units // WIDE) * WIDE


def row_numbers(units: int, size: int) -> int:
    """How many numbers of `size` bytes a row of so many takes up."""
    found = whole(units)
    return found + WIDE if found * size % _ALIASED == 0 else found


def is_depthwise(layer: Convolution, shape: Shape) -> bool:
    """Whether each channel has one filter."""
    return layer.groups > 1 and layer.groups == shape[-1] == layer.filters


def _groups_of(layer: Layer, shape: Shape) -> int:
    """Of how many groups of filters a layer's parameters are."""
    return layer.groups if isinstance(layer, Convolution) and not is_depthwise(layer, shape) else 1


@final
@dataclass(frozen=True)
class Groups:
    """Numbers in so many groups of as many each, which begin at registers; one alone begins where it is."""

    groups: int
    numbers: int

    @property
    def each(self) -> int:
        """Of a group."""
        return self.numbers // self.groups

    @property
    def apart(self) -> int:
        """From group to group."""
        return whole(self.each) if self.groups > 1 else self.each

    @property
    def width(self) -> int:
        """Of all, with the gaps."""
        return self.groups * self.apart

    @property
    def scattered(self) -> bool:
        """Whether there are gaps."""
        return self.apart > self.each

    @property
    def columns(self) -> Any:
        """Where the numbers lie."""
        if not self.scattered:
            return slice(self.numbers)
        return (np.arange(self.groups)[:, None] * self.apart + np.arange(self.each)).reshape(-1)


@final
@dataclass(frozen=True)
class Place:
    """An array of parameters: where it begins, its rows, numbers in use of each, those a row takes up, and where they
    lie in it."""

    offset: int
    rows: int
    units: int
    stride: int
    penalised: bool
    columns: Any

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
    columns; everything else is one row. Groups of filters that fill no registers lie apart.
    """

    def __init__(self, network: Network, dtype: Any) -> None:
        size, at = np.dtype(dtype).itemsize, 0
        self.places: dict[str, Place] = {}
        self._pairs: list[tuple[Place, slice]] = []
        for slot in network.layout:
            units = slot.shape[-1] if len(slot.shape) > 1 else slot.size
            leaf = network.leaves[slot.leaf]
            groups = Groups(_groups_of(leaf.layer, leaf.input_shape), units)
            stride = row_numbers(groups.width, size)
            place = Place(at, slot.size // units, units, stride, slot.penalised, groups.columns)
            self.places[slot.name] = place
            self._pairs.append((place, slice(slot.offset, slot.stop)))
            at += place.size
        self.size = at

    def take(self, flat: np.ndarray, into: np.ndarray) -> None:
        """From the network's flat array."""
        for place, where in self._pairs:
            place.of(into)[:, place.columns] = flat[where].reshape(place.rows, place.units)

    def give(self, ours: np.ndarray, flat: np.ndarray) -> None:
        """Back to it."""
        for place, where in self._pairs:
            flat[where].reshape(place.rows, place.units)[:] = place.of(ours)[:, place.columns]

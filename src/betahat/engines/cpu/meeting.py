"""Which places of images meet through which numbers of a window, and the products over those that do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import final

import numpy as np

from betahat.kernels.network.tiles import MOST_ROWS, VECTORS
from betahat.layers.windows import Windows

_LATENCY = 4  # cycles of a multiply–add
_TILE = 40  # of a tile, beside its products


@final
@dataclass(frozen=True)
class Meeting:
    """Along one axis: place `places[i]` of what is written meets, through number `taps[j]` of a window, place
    `begins[i] + steps[j]` of what is read, if that is one of its `size`."""

    places: np.ndarray
    begins: np.ndarray
    taps: np.ndarray
    steps: np.ndarray
    size: int

    @property
    def _met(self) -> np.ndarray:
        return self.begins[:, None] + self.steps

    @property
    def _there(self) -> np.ndarray:
        return (self._met >= 0) & (self._met < self.size)

    def _part(self, rows: np.ndarray, columns: np.ndarray) -> Meeting:
        return Meeting(
            self.places[rows], self.begins[rows], self.taps[columns], self.steps[columns], self.size
        )

    @property
    def low(self) -> int:
        """How many places are missing before the first."""
        return max(0, -int(self._met.min(initial=0)))

    @property
    def high(self) -> int:
        """And behind the last."""
        return max(0, int(self._met.max(initial=0)) - self.size + 1)

    def framed(self, low: int) -> Meeting:
        """The same where so many places lie before what is read, and as many as are missing behind it."""
        return Meeting(self.places, self.begins + low, self.taps, self.steps, low + self.size + self.high)

    def by_places(self) -> list[Meeting]:
        """Places that meet others through the same taps."""
        return [self._part(rows, columns) for rows, columns in _alike(self._there)]

    def by_taps(self) -> list[Meeting]:
        """Taps through which the same places meet others."""
        return [self._part(rows, columns) for columns, rows in _alike(self._there.T)]


Pair = tuple[Meeting, Meeting]
"""Along both axes."""


def _alike(there: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows that are true in the same columns, and these."""
    found: dict[bytes, list[int]] = {}
    for k, row in enumerate(there):
        found.setdefault(row.tobytes(), []).append(k)
    return [(np.array(rows), np.flatnonzero(there[rows[0]])) for rows in found.values()]


def by_places(pair: Pair) -> list[Pair]:
    """Places of both axes that meet others through the same taps."""
    return [(a, b) for a in pair[0].by_places() for b in pair[1].by_places()]


def by_taps(pair: Pair) -> list[Pair]:
    """Taps of both axes through which the same places meet others."""
    return [(a, b) for a in pair[0].by_taps() for b in pair[1].by_taps()]


def forwards(windows: Windows) -> list[Meeting]:
    """Windows and what they are over, along each axis."""
    found = []
    for axis in range(2):
        size, taps, stride, dilation, before = (
            getattr(windows, name)[axis] for name in ("sizes", "window", "stride", "dilation", "before")
        )
        numbers, places = np.arange(taps), np.arange(windows.output[axis])
        found.append(Meeting(places, places * stride - before, numbers, numbers * dilation, size))
    return found


def backwards(windows: Windows) -> list[list[Meeting]]:
    """Places and the windows over them, along each axis: those of a phase of the stride meet them through some taps."""
    found = []
    for axis in range(2):
        size, taps, stride, dilation, before = (
            getattr(windows, name)[axis] for name in ("sizes", "window", "stride", "dilation", "before")
        )
        places, numbers, phases = np.arange(size), np.arange(taps), []
        for phase in range(stride):
            here = places[(places + before) % stride == phase]
            its = numbers[numbers * dilation % stride == phase]
            steps = (phase - its * dilation) // stride
            phases.append(Meeting(here, (here + before) // stride, its, steps, windows.output[axis]))
        found.append([each for each in phases if len(each.places)])
    return found


def cost(rows: int, vectors: int, k: float) -> float:
    """Cycles, roughly, that a product over scattered memory takes."""
    panels = -(-vectors // VECTORS)
    wide = -(-vectors // panels)
    tiles = max(1, -(-rows // MOST_ROWS[wide]))
    high = rows / tiles
    return panels * tiles * (k * max(_LATENCY, high * wide / 2, (high + wide) / 2) + _TILE)


@final
@dataclass(frozen=True)
class Surroundings:
    """What places along both axes meet, phase by phase, and along which of the axes there is a frame of zeros around
    what is read, so that all taps meet something."""

    phases: list[list[Meeting]]
    framed: tuple[bool, ...]

    @property
    def low(self) -> tuple[int, ...]:
        """Places of zeros before what is read."""
        return tuple(self._most("low"))

    @property
    def high(self) -> tuple[int, ...]:
        """And behind."""
        return tuple(self._most("high"))

    def _most(self, end: str) -> list[int]:
        most = [max(getattr(each, end) for each in axis) for axis in self.phases]
        return [n if framed else 0 for n, framed in zip(most, self.framed, strict=True)]

    @property
    def pairs(self) -> list[Pair]:
        """Phases of both axes, within the frame."""
        axes = [
            [each.framed(low) for each in axis] if framed else axis
            for axis, low, framed in zip(self.phases, self.low, self.framed, strict=True)
        ]
        return [(a, b) for a in axes[0] for b in axes[1]]


def surrounded(
    phases: list[list[Meeting]], shared: bool, cycles: Callable[[list[Pair]], float], copied: float
) -> Surroundings:
    """The cheapest of all ways, by the cycles of its products; copied : those of a frame. Of one image, `shared` out
    among threads, there always is a frame: it has too few places to take those of each kind apart."""
    if shared:
        return Surroundings(phases, (True, True))
    ways = [Surroundings(phases, framed) for framed in product((False, True), repeat=2)]
    return min(ways, key=lambda way: cycles(way.pairs) + (copied if any((*way.low, *way.high)) else 0.0))

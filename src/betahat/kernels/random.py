"""Counter-based random numbers: number i of a stream is a function of the stream's key and i, whoever asks and
when."""

from __future__ import annotations

import numpy as np

GOLDEN = 0x9E3779B97F4A7C15
MIX = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
MASK = 2**64 - 1
RESOLUTION = 24
"""Bits with which a share of units to drop is told: a float32 holds as many."""


def bits(key: int | np.ndarray, counters: np.ndarray) -> np.ndarray:
    """64 random bits for each counter, as uint64 in the counters' shape; keys (uint64) may be several, and are
    broadcast with them.

    With γ = 0x9E3779B97F4A7C15 and arithmetic modulo 2⁶⁴:

        z = key + counter · γ
        z = (z ⊕ (z ≫ 30)) · 0xBF58476D1CE4E5B9
        z = (z ⊕ (z ≫ 27)) · 0x94D049BB133111EB
        z ⊕ (z ≫ 31)

    SplitMix64 (Steele, Lea & Flood 2014) with the finaliser of Stafford (2011, variant 13): counters 1, 2, 3, … are
    what that generator gives when seeded with the key.

    >>> [f"{int(z):x}" for z in bits(0, np.array([1, 2]))]
    ['e220a8397b1dcdaf', '6e789e6aa1b965f4']
    """
    counters = np.asarray(counters, np.uint64)
    keys = key if isinstance(key, np.ndarray) else np.uint64(key & MASK)
    z = np.atleast_1d(counters) * np.uint64(GOLDEN) + keys
    z = (z ^ (z >> np.uint64(30))) * np.uint64(MIX[0])
    z = (z ^ (z >> np.uint64(27))) * np.uint64(MIX[1])
    return (z ^ (z >> np.uint64(31))).reshape(np.broadcast_shapes(np.shape(keys), counters.shape))


def derive(key: int, *parts: int) -> int:
    """The key of a stream within a stream: derive(key, a) = bits(key, a + 1), derive(key, a, b) = derive(derive(key,
    a), b), and derive(key) = key, modulo 2⁶⁴.

    >>> derive(7, 2, 0) == derive(derive(7, 2), 0) == int(bits(derive(7, 2), np.array(1)))
    True
    """
    key &= MASK
    for part in parts:
        key = int(bits(key, np.array([(part + 1) & MASK], np.uint64))[0])
    return key


def threshold(rate: float) -> int:
    """round(rate · 2²⁴): a unit is kept when its highest 24 bits, as a number, are at least that."""
    return round(rate * 2**RESOLUTION)


def kept(key: int, rate: float, rows: int, units: int, first_row: int = 0) -> np.ndarray:
    """Which units dropout keeps, as bools (rows, units): those with (bits(key, row · units + unit) ≫ 40) ≥
    threshold(rate), where `row` counts from `first_row`, the place of these rows in their mini-batch. However a batch
    is cut, a unit of a row has the same fate.

    >>> whole = kept(3, 0.5, 4, 5)
    >>> bool((kept(3, 0.5, 2, 5, first_row=2) == whole[2:]).all())
    True
    """
    counters = np.arange(first_row * units, (first_row + rows) * units, dtype=np.uint64)
    return ((bits(key, counters) >> np.uint64(64 - RESOLUTION)) >= threshold(rate)).reshape(rows, units)

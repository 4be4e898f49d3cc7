"""The counter-based random numbers of `betahat.kernels.random`, compiled: the same bits."""

from __future__ import annotations

import numpy as np

from betahat.kernels.compiled import compiled
from betahat.kernels.random import GOLDEN, MIX

_GOLDEN, _FIRST, _SECOND = np.uint64(GOLDEN), np.uint64(MIX[0]), np.uint64(MIX[1])


@compiled
def random_bits(key, counter):
    """64 bits of a stream."""
    z = key + counter * _GOLDEN
    z = (z ^ (z >> np.uint64(30))) * _FIRST
    z = (z ^ (z >> np.uint64(27))) * _SECOND
    return z ^ (z >> np.uint64(31))


@compiled
def derived(key, part):
    """The key of a stream within a stream."""
    return random_bits(key, part + np.uint64(1))

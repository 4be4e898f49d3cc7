"""Units of a network that answer nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from betahat.layers import Columns, ReLU
from betahat.layers.base import Composite
from betahat.models.network import Network


def dead_units(
    network: Network, beta: np.ndarray, X: np.ndarray, buffers: np.ndarray
) -> dict[str, tuple[int, int]]:
    """Of each ReLU by its path: how many of its units are 0 for all rows X (n, *input_shape), and how many it has. Such
    a unit lets no slope through, so that nothing before it learns by it. Where rows have several axes, a unit is one
    number of the last axis, at all places.

    >>> from betahat.layers import Dense
    >>> net = Network([Dense(3), ReLU(), Dense(1)], input_shape=2)
    >>> beta = net.initial()
    >>> net.views(beta)["0.weight"][...], net.views(beta)["0.bias"][...] = 1.0, [0.0, -3.0, 1.0]
    >>> dead_units(net, beta, np.array([[1.0, 1.0], [0.5, -1.0]]), net.initial_buffers())
    {'1': (1, 3)}
    """
    if not any(isinstance(leaf.layer, ReLU) for leaf in network.leaves):
        return {}
    _, saved, _ = network.forward(beta, X, buffers=buffers)
    found = {}
    for leaf, kept in zip(network.leaves, _kept(saved.layers), strict=True):
        if isinstance(leaf.layer, ReLU):
            f = kept[1]
            alive = (f != 0).reshape(-1, f.shape[-1] if f.ndim > 1 else 1).any(axis=0)
            found[leaf.path] = (int(np.count_nonzero(~alive)), len(alive))
    return found


def _kept(saved: Any) -> Iterator[Any]:
    """What each layer that is not made of others kept, in order."""
    for layer, _, kept in saved:
        if isinstance(layer, Columns):  # which keeps something for each of its embeddings
            yield from kept
        elif isinstance(layer, Composite):
            yield from _kept(kept)
        else:
            yield kept

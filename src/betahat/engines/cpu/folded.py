"""Batch normalisations folded into the weights before them, for prediction."""

from __future__ import annotations

from typing import Any, final

import numpy as np

from betahat.engines.cpu.layout import Layout
from betahat.kernels.aligned import aligned
from betahat.models.network import Network


@final
class Folded:
    """scale · (x W + b − mean)/√(variance + ε) + shift is x W' + b' with W' = W γ and b' = (b − mean) γ + shift, where
    γ = scale/√(variance + ε), by filters (Jacob et al. 2018).

    bias : b', as filters lie in a row of W.
    """

    def __init__(
        self, layout: Layout, network: Network, path: str, has: bool, norm: str, epsilon: float, dtype: Any
    ) -> None:
        self._weight = layout.places[f"{path}.weight"]
        self._old = layout.places[f"{path}.bias"] if has else None
        self._scale, self._shift = (layout.places[f"{norm}.{name}"] for name in ("scale", "shift"))
        slots = {slot.name: slice(slot.offset, slot.stop) for slot in network.buffer_layout}
        self._mean, self._variance = (slots[f"{norm}.{name}"] for name in ("mean", "variance"))
        self._epsilon = epsilon
        self.bias = aligned((self._weight.stride,), dtype)

    def take(self, beta: np.ndarray, buffers: np.ndarray) -> None:
        """Fold what these are, the layout's parameters and the network's statistics: W is changed in place."""
        place, units = self._weight, slice(self._weight.units)
        scale, shift = (each.of(beta)[0, units].astype(np.float64) for each in (self._scale, self._shift))
        factor = scale / np.sqrt(buffers[self._variance].astype(np.float64) + self._epsilon)
        old = 0.0 if self._old is None else self._old.of(beta)[0, self._old.columns].astype(np.float64)
        self.bias[place.columns] = (old - buffers[self._mean]) * factor + shift
        along = np.zeros(place.stride, beta.dtype)
        along[place.columns] = factor
        weight = place.of(beta)
        weight *= along

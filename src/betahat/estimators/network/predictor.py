"""A model as a bare function of rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from betahat.layers import Dense, Dropout, Layer, Pass

if TYPE_CHECKING:
    from betahat.estimators.network.questions import AskedNetwork

_PASS = Pass()


def bare(model: AskedNetwork) -> Callable[[Any], np.ndarray]:
    """Rows to answers, by NumPy alone; what standardises columns is taken into the first layer where that is Dense."""
    network, kind, units = model._network, model._kind, model._units
    arrays = {name: view.copy() for name, view in network.views(model._state.chain.point).items()}
    buffers = model._state.buffers.copy()
    axes = len(network.input_shape)
    steps = _steps(model, arrays)

    def outputs(x: np.ndarray) -> np.ndarray:
        if steps is not None:
            for layer, parameters in steps:
                x = layer.forward(x, parameters, _PASS)[0]
            return x
        if units is not None:
            x = ((x - units[0]) * units[1]).astype(kind)
        return network.forward(beta, x, buffers=buffers)[0]

    beta = model._state.chain.point.copy()
    first = kind if steps is not None or units is None else np.float64

    def predict(x: Any) -> np.ndarray:
        x = np.asarray(x, first)
        alone = x.ndim == axes
        f = outputs(x[None] if alone else x)
        found = model._answer(f.reshape(len(f), -1).astype(np.float64))
        return found[0] if alone else found

    return predict


def _steps(
    model: AskedNetwork, arrays: dict[str, np.ndarray]
) -> list[tuple[Layer, tuple[np.ndarray, ...]]] | None:
    """The layers with their arrays, without those that only train; None where layers hold others or keep statistics."""
    network, units = model._network, model._units
    if len(network.leaves) != len(network.layers) or network.buffer_size:
        return None
    if units is not None and not isinstance(network.layers[0], Dense):
        return None
    steps = []
    for leaf in network.leaves:
        own = tuple(arrays[slot.name] for slot in network.layout if slot.layer == leaf.path)
        if isinstance(leaf.layer, Dropout):
            continue
        if units is not None and not steps:
            own = _taken_in(own, units, model._kind)
            steps.append((Dense(own[0].shape[1]), own))
            continue
        steps.append((leaf.layer, own))
    return steps


def _taken_in(
    own: tuple[np.ndarray, ...], units: tuple[np.ndarray, np.ndarray], kind: Any
) -> tuple[np.ndarray, np.ndarray]:
    """((x − m) · s) W + b = x (s W) + (b − (m · s) W)."""
    weight = own[0].astype(np.float64)
    bias = own[1].astype(np.float64) if len(own) > 1 else 0.0
    centre, scale = units
    return (scale[:, None] * weight).astype(kind), (bias - (centre * scale) @ weight).astype(kind)

"""A model as a bare function of rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from betahat.engines import Rows
from betahat.engines.cpu.engine import CpuEngine
from betahat.errors import DataError
from betahat.layers.base import size_of
from betahat.layers.columns import Columns

if TYPE_CHECKING:
    from betahat.estimators.network.questions import AskedNetwork

_MOST = 64  # rows that a compiled function takes at once


def bare(model: AskedNetwork, probabilities: bool) -> Callable[[Any], np.ndarray]:
    """Rows to answers, with parameters as they now are; probabilities : those of the engine are the answer."""
    network, units, engine = model._network, model._units, model._engine_now()
    beta, buffers = model._state.chain.point.copy(), model._state.buffers.copy()
    shape, nothing = network.input_shape, np.zeros((1, 1))
    axes, most, few = len(shape), 0, None
    if isinstance(engine, CpuEngine) and not isinstance(
        network.layers[0], Columns
    ):  # whose codes must be looked at
        most, few = _MOST, engine.bare(beta, buffers, _MOST, probabilities, units)
    answer = model._answer

    def predict(x: Any) -> np.ndarray:
        x = np.asarray(x)
        if x.dtype.kind not in "fiub":
            raise TypeError(f"x holds {x.dtype}; numbers are expected")
        alone = x.ndim == axes
        rows = x[None] if alone else x
        if rows.shape[1:] != shape:
            raise DataError(f"x has shape {x.shape}; expected {shape}, or (n, {', '.join(map(str, shape))})")
        if few is not None and len(rows) <= most:
            f = few(rows)
        else:
            f = engine.predict(
                beta, buffers, Rows(rows, nothing, None, *(units or (None, None))), probabilities
            )
        if not probabilities:
            f = answer(f.reshape(len(f), size_of(f.shape[1:])).astype(np.float64))
        return f[0] if alone else f

    return predict

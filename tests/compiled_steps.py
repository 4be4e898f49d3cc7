"""Compiled steps of networks of images beside those of the NumPy reference."""

from __future__ import annotations

import numpy as np

from betahat.engines import ReferenceEngine, Rows, Task, TrainingState, engine_for
from betahat.engines.cpu import CpuEngine
from betahat.layers import Dense, Flatten
from betahat.losses import SquaredError
from betahat.losses.vector import VectorLoss
from betahat.models.network import Network
from betahat.solvers.stochastic.named import SGD

END = (Flatten(), Dense(3))


def assert_same(layers, shape, dtype=np.float64, batch=7, n=20, rule=None, loss=None):
    """Two epochs from the same start: losses, gradients, parameters, statistics, and predictions."""
    rng = np.random.default_rng(0)
    network = Network(list(layers), shape)
    loss = SquaredError() if loss is None else loss
    task = Task(network, loss, (rule or SGD(0.01)).chain, alpha=0.1, dtype=dtype, seed=5)
    assert isinstance(engine_for(task), CpuEngine)
    y = rng.integers(0, 3, n) if isinstance(loss, VectorLoss) else rng.standard_normal((n, 3))
    rows = Rows(rng.standard_normal((n, *shape)), y)
    engines, states = (
        [kind(task) for kind in (ReferenceEngine, CpuEngine)],
        [TrainingState.begin(task) for _ in "ab"],
    )
    tolerance = {np.float64: 1e-9, np.float32: 2e-4}[dtype]
    for epoch in range(2):
        order = np.random.default_rng(epoch).permutation(n)
        theirs, ours = (e.train(s, rows, order, batch) for e, s in zip(engines, states, strict=True))
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)
    expected = engines[0].gradient()
    for name, view in network.views(expected).items():
        found = network.views(engines[1].gradient())[name]
        np.testing.assert_allclose(
            found, view, rtol=0, atol=tolerance * max(np.abs(expected).max(), 1.0), err_msg=name
        )
    np.testing.assert_allclose(states[1].chain.x, states[0].chain.x, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(states[1].buffers, states[0].buffers, rtol=tolerance, atol=tolerance)
    a = states[0]
    theirs, ours = (e.predict(a.chain.x, a.buffers, rows) for e in engines)
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)

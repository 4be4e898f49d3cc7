"""Batch normalisations folded into weights for prediction: what they say unfolded, after every change of parameters."""

from __future__ import annotations

import numpy as np
import pytest

from betahat.engines import ReferenceEngine, Rows, Task, TrainingState
from betahat.engines.cpu import CpuEngine
from betahat.engines.cpu.layout import Layout
from betahat.engines.cpu.lower import lower_network
from betahat.engines.cpu.program import Program
from betahat.engines.cpu.step import entered
from betahat.layers import (
    BatchNorm,
    Conv1d,
    Conv2d,
    Dense,
    Dropout,
    Flatten,
    GlobalMaxPool,
    LeakyReLU,
    MaxPool2d,
    ReLU,
    Residual,
    Sequential,
    Tanh,
)
from betahat.losses import SquaredError
from betahat.models.network import Network
from betahat.solvers.stochastic.named import SGD

END = (Flatten(), Dense(3))
RNG = np.random.default_rng(0)

NETWORKS = {
    "convolution": ([Conv2d(7, 3), BatchNorm(), ReLU(), *END], (6, 5, 2), 1),
    "without a bias": ([Conv2d(33, 3, bias=False), BatchNorm(), LeakyReLU(0.2), *END], (6, 5, 2), 1),
    "another activation": ([Conv2d(7, 3), BatchNorm(), Tanh(), *END], (6, 5, 2), 1),
    "none": ([Conv2d(7, 3), BatchNorm(epsilon=0.1), *END], (6, 5, 2), 1),
    "pooled": ([Conv2d(16, 3), BatchNorm(), ReLU(), MaxPool2d(2), *END], (8, 8, 1), 1),
    "depthwise": ([Conv2d(6, 2), Conv2d(6, 3, groups=6), BatchNorm(), ReLU(), *END], (6, 5, 2), 1),
    "groups": ([Conv2d(6, 2), Conv2d(9, 3, groups=3), BatchNorm(), ReLU(), *END], (6, 5, 2), 1),
    "sequence": ([Conv1d(7, 3, stride=2), BatchNorm(), ReLU(), *END], (9, 4), 1),
    "dense": ([Dense(9), BatchNorm(), ReLU(), Dense(40, bias=False), BatchNorm(), Tanh(), Dense(3)], (5,), 2),
    "last": ([Dense(3), BatchNorm()], (5,), 1),
    "twice": ([Dense(9), BatchNorm(), BatchNorm(), ReLU(), Dense(3)], (5,), 1),
    "inside": (
        [
            Sequential(Conv2d(6, 3, padding=1), BatchNorm(), ReLU()),
            Residual(Conv2d(6, 3, padding=1), BatchNorm(), ReLU(), Conv2d(6, 3, padding=1), BatchNorm()),
            GlobalMaxPool(), Dense(3),
        ],
        (7, 7, 2), 3,
    ),
    "after something else": ([Dense(9), ReLU(), BatchNorm(), Dropout(0.1), BatchNorm(), Dense(3)], (5,), 0),
}  # fmt: skip


def changed(task: Task) -> tuple[np.ndarray, np.ndarray]:
    """Parameters and statistics at which nothing is 0 or 1."""
    state = TrainingState.begin(task)
    beta = (state.chain.x + 0.3 * RNG.standard_normal(len(state.chain.x))).astype(task.dtype)
    return beta, RNG.uniform(0.1, 3.0, len(state.buffers)).astype(task.dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 9, 70])
@pytest.mark.parametrize("name", NETWORKS)
def test_predictions_are_those_unfolded(name, n, dtype):
    layers, shape, _ = NETWORKS[name]
    task = Task(Network(layers, shape), SquaredError(), SGD(0.1).chain, dtype=dtype)
    exact = Task(task.network, task.loss, task.chain, dtype=np.float64)
    engine, rows = CpuEngine(task), Rows(RNG.standard_normal((n, *shape)), np.zeros(1))
    for _ in range(3):  # the same programs
        beta, buffers = changed(task)
        expected = ReferenceEngine(exact).predict(beta.astype(np.float64), buffers.astype(np.float64), rows)
        found = engine.predict(beta, buffers, rows)
        tolerance = {np.float32: 1e-5, np.float64: 1e-12}[dtype] * max(np.abs(expected).max(), 1.0)
        np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)
        np.testing.assert_array_equal(engine.bare(beta, buffers, n, False, None)(rows.X), found)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("training", [False, True])
def test_only_what_follows_products_is_folded_and_only_for_prediction(training, name):
    layers, shape, count = NETWORKS[name]
    network = Network(layers, shape)
    layout = Layout(network, np.float64)
    program = Program(network, layout, np.zeros(layout.size), np.zeros(network.buffer_size), 4, training)
    lower_network(program, entered(program))
    assert len(program.folded) == (0 if training else count)


def test_between_epochs_predictions_are_of_the_parameters_then():
    layers, shape, _ = NETWORKS["inside"]
    task = Task(Network(layers, shape), SquaredError(), SGD(0.002).chain, dtype=np.float64)
    engine, state = CpuEngine(task), TrainingState.begin(task)
    rows = Rows(RNG.standard_normal((30, *shape)), RNG.standard_normal((30, 3)))
    for _ in range(3):
        engine.train(state, rows, np.arange(30), 10)
        expected = ReferenceEngine(task).predict(state.chain.x, state.buffers, rows)
        np.testing.assert_allclose(
            engine.predict(state.chain.x, state.buffers, rows), expected, rtol=0, atol=1e-12
        )

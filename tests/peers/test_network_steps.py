"""Twenty compiled training steps beside JAX and optax: the same start, the same batches, the same weights after."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from betahat.engines import Rows, Task, TrainingState, engine_for
from betahat.engines.cpu import CpuEngine
from betahat.layers import (
    ELU,
    GELU,
    Dense,
    Identity,
    LeakyReLU,
    ReLU,
    Sigmoid,
    SiLU,
    Softplus,
    Tanh,
)
from betahat.losses import Huber, SquaredError
from betahat.losses.bernoulli import Bernoulli
from betahat.losses.gamma import Gamma
from betahat.losses.multinomial import Multinomial
from betahat.losses.poisson import Poisson
from betahat.models.network import Network
from betahat.solvers.schedules import Cosine
from betahat.solvers.stochastic.named import SGD, AdaGrad, Adam, AdamW, Momentum, Nesterov, RMSProp

pytestmark = pytest.mark.peers
N, P, STEPS, BATCH = 200, 13, 20, 32
TOLERANCE = {np.float32: 1e-4, np.float64: 1e-10}
DTYPES = pytest.mark.parametrize("dtype", TOLERANCE, ids=lambda dtype: dtype.__name__)
NEVER = 1e-30  # so small an ε changes no digit: optax adds it under the root

ACTIVATIONS = {
    "relu": (ReLU(), lambda nn: nn.relu),
    "leaky relu": (LeakyReLU(0.2), lambda nn: lambda x: nn.leaky_relu(x, 0.2)),
    "identity": (Identity(), lambda nn: lambda x: x),
    "tanh": (Tanh(), lambda nn: nn.tanh),
    "sigmoid": (Sigmoid(), lambda nn: nn.sigmoid),
    "softplus": (Softplus(), lambda nn: nn.softplus),
    "elu": (ELU(0.7), lambda nn: lambda x: nn.elu(x, 0.7)),
    "silu": (SiLU(), lambda nn: nn.silu),
    "gelu": (GELU(), lambda nn: lambda x: nn.gelu(x, approximate=False)),
    "gelu, tanh": (GELU("tanh"), lambda nn: lambda x: nn.gelu(x, approximate=True)),
}


def entropy(optax, f, y):
    return optax.softmax_cross_entropy_with_integer_labels(f, y)


LOSSES = {
    "softmax": (Multinomial(7), 7, entropy),
    "squared": (SquaredError(), 1, lambda optax, f, y: optax.l2_loss(f, y).sum(axis=1)),
    "squared, several": (SquaredError(), 5, lambda optax, f, y: optax.l2_loss(f, y).sum(axis=1)),
    "logistic": (Bernoulli(), 1, lambda optax, f, y: optax.sigmoid_binary_cross_entropy(f, y).sum(axis=1)),
    "labels": (Bernoulli(), 4, lambda optax, f, y: optax.sigmoid_binary_cross_entropy(f, y).sum(axis=1)),
    "poisson": (Poisson(), 2, lambda optax, f, y: (np.e**f - y * f).sum(axis=1)),
    "huber": (Huber(0.5), 3, lambda optax, f, y: optax.huber_loss(f, y, delta=0.5).sum(axis=1)),
    "gamma": (Gamma(), 1, lambda optax, f, y: (y * np.e ** (-f) + f).sum(axis=1)),
}
CHAINS = {
    "sgd": (SGD(0.1), lambda o: o.sgd(0.1)),
    "sgd, cosine": (SGD(Cosine(0.1, 15)), lambda o: o.sgd(o.cosine_decay_schedule(0.1, 15))),
    "sgd, norm": (SGD(0.1, clip_norm=0.2), lambda o: o.chain(o.clip_by_global_norm(0.2), o.sgd(0.1))),
    "sgd, value": (SGD(0.1, clip_value=0.01), lambda o: o.chain(o.clip(0.01), o.sgd(0.1))),
    "momentum": (Momentum(0.05, 0.9), lambda o: o.sgd(0.05, momentum=0.9)),
    "nesterov": (Nesterov(0.05, 0.9), lambda o: o.sgd(0.05, momentum=0.9, nesterov=True)),
    "adam": (Adam(0.01), lambda o: o.adam(0.01)),
    "adam, other βs": (Adam(0.01, 0.5, 0.9, epsilon=1e-3), lambda o: o.adam(0.01, 0.5, 0.9, 1e-3)),
    "adamw": (AdamW(0.01, weight_decay=0.3), lambda o: o.adamw(0.01, weight_decay=0.3)),
    "rmsprop": (RMSProp(0.003), lambda o: o.rmsprop(0.003, eps_in_sqrt=False)),
    "rmsprop, centred": (
        RMSProp(0.003, centered=True, momentum=0.7, epsilon=1e-4),
        lambda o: o.rmsprop(0.003, eps_in_sqrt=False, centered=True, momentum=0.7, eps=1e-4),
    ),
    "adagrad": (
        AdaGrad(0.05, initial_accumulator=0.1, epsilon=NEVER),
        lambda o: o.adagrad(0.05, initial_accumulator_value=0.1, eps=0.0),
    ),
}


def data(loss, outputs):
    """Rows whose targets the loss can take."""
    rng = np.random.default_rng(7)
    X = rng.standard_normal((N, P))
    if isinstance(loss, Multinomial):
        return Rows(X, rng.integers(0, outputs, N).astype(np.float64))
    y = rng.standard_normal((N, outputs))
    if isinstance(loss, Bernoulli):
        y = (y > 0.3).astype(np.float64)
    elif isinstance(loss, Poisson):
        y = np.floor(np.exp(y))
    elif isinstance(loss, Gamma):
        y = np.exp(y)
    return Rows(X, y)


@cache
def network_of(activation, hidden, loss):
    """A stack of dense layers, its activation the same throughout."""
    layer = ACTIVATIONS[activation][0]
    stack = [part for width in hidden for part in (Dense(width), layer)]
    return Network([*stack, Dense(LOSSES[loss][1])], P)


def orders():
    """Batches of two epochs and a part, the last of each epoch shorter."""
    rng = np.random.default_rng(11)
    order = [rng.permutation(N) for _ in range(3)]
    left = STEPS - 2 * -(-N // BATCH)
    return [*order[:2], order[2][: left * BATCH]]


@cache
def slope_of(activation, hidden, loss, alpha):
    """JAX's gradient of J over b rows; those that fill a batch have weight 0."""
    import jax
    import optax

    jax.config.update("jax_enable_x64", True)
    jnp = jax.numpy
    bend, entry = ACTIVATIONS[activation][1](jax.nn), LOSSES[loss][2]
    slots = network_of(activation, hidden, loss).layout
    names = [slot.name.rpartition(".")[0] for slot in slots if slot.name.endswith("weight")]

    def objective(flat, x, y, weight, b):
        p = {slot.name: slot.view(flat) for slot in slots}
        for name in names:
            x = x @ p[f"{name}.weight"] + p[f"{name}.bias"]
            x = x if name == names[-1] else bend(x)
        squares = sum(jnp.sum(p[f"{name}.weight"] ** 2) for name in names)
        return (jnp.sum(weight * entry(optax, x, y)) + squares * (alpha / 2)) / b

    return jax.jit(jax.grad(objective))


def theirs(task, rows, slope, optimiser, start):
    """β after the same steps by JAX's derivatives and optax's updates."""
    import jax.numpy as jnp
    import optax

    memory, flat = optimiser(optax), jnp.asarray(start)
    kept, weights = memory.init(flat), np.ones(N) if rows.weight is None else rows.weight
    y = rows.y.astype(np.int64 if isinstance(task.loss, Multinomial) else task.dtype)
    for order in orders():
        for first in range(0, len(order), BATCH):
            which = order[first : first + BATCH]
            b = len(which)
            which = np.append(which, np.zeros(BATCH - b, np.int64))
            weight = np.where(np.arange(BATCH) < b, weights[which], 0).astype(task.dtype)
            gradient = slope(flat, rows.X[which].astype(task.dtype), y[which], weight, task.dtype(b))
            update, kept = memory.update(gradient, kept, flat)
            flat = optax.apply_updates(flat, update)
    assert flat.dtype == task.dtype
    return np.asarray(flat)


def assert_same_weights(activation, hidden, loss, chain, optimiser, dtype, alpha=0.0, weighted=False):
    network, rows = network_of(activation, hidden, loss), data(*LOSSES[loss][:2])
    if weighted:
        weight = np.random.default_rng(3).uniform(0.1, 2.0, N)
        rows = replace(rows, weight=weight / weight.mean())
    task = Task(network, LOSSES[loss][0], chain, alpha=alpha, dtype=dtype)
    engine, state = engine_for(task), TrainingState.begin(task)
    assert isinstance(engine, CpuEngine)
    start = state.chain.x.copy()
    for order in orders():
        engine.train(state, rows, order, BATCH)
    assert state.chain.step == STEPS
    expected = theirs(task, rows, slope_of(activation, hidden, loss, alpha), optimiser, start)
    tolerance = TOLERANCE[dtype]
    np.testing.assert_allclose(state.chain.x, expected, rtol=tolerance, atol=tolerance / 10)
    assert np.abs(expected - start).max() > 100 * tolerance, "steps too small to be compared"


@DTYPES
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name, dtype):
    assert_same_weights(name, (24, 17, 9), "softmax", Adam(0.01).chain, CHAINS["adam"][1], dtype)


@DTYPES
@pytest.mark.parametrize("name", LOSSES)
def test_losses_of_weighted_rows(name, dtype):
    ours, theirs = Momentum(0.02).chain, lambda o: o.sgd(0.02, momentum=0.9)
    assert_same_weights("tanh", (24,), name, ours, theirs, dtype, alpha=0.3, weighted=True)


@DTYPES
@pytest.mark.parametrize("name", CHAINS)
def test_chains(name, dtype):
    ours, theirs = CHAINS[name]  # with tanh, which has no corner where rounding would decide
    assert_same_weights("tanh", (32, 16), "softmax", ours.chain, theirs, dtype, alpha=0.01)

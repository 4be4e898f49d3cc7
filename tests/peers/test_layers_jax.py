"""Layers and networks written in JAX: values and gradients."""

from __future__ import annotations

import numpy as np
import pytest
from layer_cases import ACTIVATIONS

from betahat.layers import (
    GELU,
    BatchNorm,
    Columns,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    LayerNorm,
    LeakyReLU,
    ReLU,
    Residual,
    Softmax,
    Tanh,
    as_activation,
)
from betahat.layers.named import ACTIVATIONS as NAMED
from betahat.models.network import Network

pytestmark = pytest.mark.peers
DTYPES = [np.float32, np.float64]


@pytest.fixture
def jnp():
    import jax

    jax.config.update("jax_enable_x64", True)
    return jax.numpy


def theirs(name):
    import jax

    return {
        "logistic": jax.nn.sigmoid,
        "identity": lambda x: x,
        "gelu": lambda x: jax.nn.gelu(x, approximate=False),
    }.get(name) or getattr(jax.nn, name)


def agree(ours, reference, dtype):
    ours, reference = np.asarray(ours), np.asarray(reference)
    tolerance = {np.float32: 2e-5, np.float64: 1e-12}[dtype]
    assert ours.dtype == reference.dtype == dtype
    np.testing.assert_allclose(
        ours, reference, rtol=tolerance, atol=tolerance * np.abs(reference).max(initial=1)
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMED)
def test_activations(name, dtype, jnp):
    import jax

    x = np.random.default_rng(1).normal(0.0, 4.0, (50, 6)).astype(dtype)
    u = np.random.default_rng(2).standard_normal(x.shape).astype(dtype)
    net = Network([as_activation(name)], 6)
    f, saved, _ = net.forward(net.initial(0, dtype), x)
    g, back = jax.vjp(theirs(name), jnp.asarray(x))
    agree(f, g, dtype)
    agree(net.backward(net.initial(0, dtype), saved, u)[1], back(jnp.asarray(u))[0], dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_activations_with_arguments(dtype, jnp):
    import jax

    x = np.linspace(-5, 5, 101, dtype=dtype)
    pairs = [
        (GELU("tanh"), lambda x: jax.nn.gelu(x, approximate=True)),
        (LeakyReLU(0.3), lambda x: jax.nn.leaky_relu(x, 0.3)),
    ]
    for layer, reference in pairs:
        agree(layer.value(x), reference(jnp.asarray(x)), dtype)
        slopes = jax.vmap(jax.grad(reference))(jnp.asarray(x))
        agree(layer.derivative(x, layer.value(x))[x != 0], slopes[x != 0], dtype)


def normalised(jnp, x, axes, epsilon, scale, shift):
    mean = jnp.mean(x, axis=axes, keepdims=True)
    variance = jnp.mean((x - mean) ** 2, axis=axes, keepdims=True)
    return (x - mean) / jnp.sqrt(variance + epsilon) * scale + shift


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(4,), (3, 2, 4)])
@pytest.mark.parametrize("layer", [BatchNorm(epsilon=1e-3), LayerNorm(epsilon=1e-3)], ids=repr)
def test_normalisation(layer, shape, dtype, jnp):
    import jax

    rng = np.random.default_rng(3)
    net = Network([layer], shape)
    beta = net.initial(0, dtype)
    views = net.views(beta)
    for view in views.values():
        view += rng.standard_normal(4).astype(dtype)
    x = rng.normal(1.0, 2.0, (6, *shape)).astype(dtype)
    u = rng.standard_normal(x.shape).astype(dtype)
    axes = tuple(range(x.ndim - 1)) if isinstance(layer, BatchNorm) else -1
    f, saved, _ = net.forward(beta, x, training=True)
    gradient, dx = net.backward(beta, saved, u)
    reference, back = jax.vjp(
        lambda x, scale, shift: normalised(jnp, x, axes, 1e-3, scale, shift),
        *map(jnp.asarray, (x, views["0.scale"], views["0.shift"])),
    )
    agree(f, reference, dtype)
    theirs = back(jnp.asarray(u))
    agree(dx, theirs[0], dtype)
    agree(net.views(gradient)["0.scale"], theirs[1], dtype)
    agree(net.views(gradient)["0.shift"], theirs[2], dtype)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_whole_network(dtype, training, jnp):
    """Columns, dense layers, normalisation, residual, softmax: f, the gradient, J v and the Hessian's product."""
    import jax

    rng = np.random.default_rng(4)
    block = Residual(Dense(8), GELU(), Dense(6), LayerNorm())
    net = Network(
        [Columns((0, 2), ((1, Embedding(3, 4)),)), Dense(6), BatchNorm(), Tanh(), block, Dense(3), Softmax()],
        3,
    )
    beta = net.initial(0, dtype) + (0.1 * rng.standard_normal(net.size)).astype(dtype)
    X = np.column_stack([rng.normal(size=9), rng.integers(0, 3, 9), rng.normal(size=9)])
    u = rng.standard_normal((9, 3)).astype(dtype)
    codes = X[:, 1].astype(int)

    def f(flat):
        p = {slot.name: slot.view(flat) for slot in net.layout}
        x = jnp.concatenate([jnp.asarray(X[:, [0, 2]].astype(dtype)), p["0.column.1.weight"][codes]], axis=1)
        x = x @ p["1.weight"] + p["1.bias"]
        if training:
            x = normalised(jnp, x, 0, 1e-5, p["2.scale"], p["2.shift"])
        else:
            x = x / jnp.sqrt(jnp.asarray(1 + 1e-5, dtype)) * p["2.scale"] + p["2.shift"]
        x = jnp.tanh(x)
        g = jax.nn.gelu(x @ p["4.residual.0.weight"] + p["4.residual.0.bias"], approximate=False)
        g = g @ p["4.residual.2.weight"] + p["4.residual.2.bias"]
        x = x + normalised(jnp, g, -1, 1e-5, p["4.residual.3.scale"], p["4.residual.3.shift"])
        return jax.nn.softmax(x @ p["5.weight"] + p["5.bias"], axis=-1)

    v = rng.standard_normal(net.size).astype(dtype)
    value, gradient = net.vjp(beta, X, u, training=training)
    reference, back = jax.vjp(f, jnp.asarray(beta))
    agree(value, reference, dtype)
    agree(gradient, back(jnp.asarray(u))[0], dtype)
    agree(net.jvp(beta, X, v, training=training)[1], jax.jvp(f, (beta,), (v,))[1], dtype)
    if dtype is np.float64:

        def objective(flat):
            return jnp.sum(f(flat) ** 2) / 2

        expected = jax.jvp(jax.grad(objective), (beta,), (v,))[1]
        ours, change = net.jvp(beta, X, v, training=training)
        agree(net.vjp_change(beta, X, v, ours, change, training=training)[1], expected, dtype)


@pytest.mark.parametrize("layer", [layer for layer in ACTIVATIONS if layer != LeakyReLU()], ids=repr)
def test_twenty_steps_of_gradient_descent_in_float32(layer, jnp):
    """The same start, the same batches, the same masks of dropout: the same weights to 1e-4."""
    import jax

    rng = np.random.default_rng(6)
    net = Network([Flatten(), Dense(16), layer, Dropout(0.25), Dense(2)], (5, 1))
    beta = net.initial(3, np.float32)
    X, y = rng.standard_normal((64, 5, 1)).astype(np.float32), rng.standard_normal((64, 2)).astype(np.float32)
    reference = jnp.asarray(beta)
    kinds = {repr(GELU("tanh")): lambda x: jax.nn.gelu(x, approximate=True), repr(LeakyReLU(0.3)): lambda x: jnp.where(
        x > 0, x, 0.3 * x), "ELU(alpha=0.5)": lambda x: jax.nn.elu(x, 0.5)}  # fmt: skip
    name = type(layer).__name__.lower()
    activation = kinds.get(repr(layer)) or theirs(name)

    def objective(flat, x, y, mask):
        p = {slot.name: slot.view(flat) for slot in net.layout}
        hidden = activation(x.reshape(len(x), -1) @ p["1.weight"] + p["1.bias"]) * mask
        return jnp.sum((hidden @ p["4.weight"] + p["4.bias"] - y) ** 2) / (2 * len(x))

    slope = jax.grad(objective)
    for step in range(20):
        rows = rng.integers(0, 64, 16)
        f, saved, _ = net.forward(beta, X[rows], training=True, key=step)
        mask = saved.layers[3][2] * np.float32(1 / 0.75)
        gradient, _ = net.backward(beta, saved, (f - y[rows]) / 16)
        beta = beta - np.float32(0.1) * gradient
        reference = reference - np.float32(0.1) * slope(reference, X[rows], y[rows], mask)
    np.testing.assert_allclose(beta, reference, rtol=1e-4, atol=1e-5)
    assert not np.array_equal(beta, net.initial(3, np.float32))


def test_relu_and_jax_agree_at_zero(jnp):
    import jax

    assert ReLU().derivative(np.zeros(1), np.zeros(1))[0] == jax.grad(jax.nn.relu)(0.0)

"""Where parameters begin: variances, what "auto" means, and that layers draw by themselves."""

from __future__ import annotations

import numpy as np
import pytest

from betahat.kernels.random import derive
from betahat.layers import (
    ELU,
    GELU,
    BatchNorm,
    Columns,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    Function,
    Identity,
    LayerNorm,
    LeakyReLU,
    ReLU,
    Residual,
    Sequential,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from betahat.layers.initialisation import NAMES
from betahat.models.network import Network

N, M = 400, 250
VARIANCE = {"he": 2 / N, "glorot": 2 / (N + M), "lecun": 1 / N}


def weights(layers, shape=N, name="0.weight", seed=0):
    net = Network(layers, shape)
    return net.views(net.initial(seed))[name]


@pytest.mark.parametrize("distribution", ["normal", "uniform"])
@pytest.mark.parametrize("rule", VARIANCE)
def test_variances(rule, distribution):
    W = weights([Dense(M, initialisation=f"{rule}_{distribution}")])
    variance = VARIANCE[rule]
    assert W.var() == pytest.approx(variance, rel=0.02)
    assert W.mean() == pytest.approx(0, abs=5 * np.sqrt(variance / W.size))
    fourth = (W**4).mean() / W.var() ** 2
    assert fourth == pytest.approx(3.0 if distribution == "normal" else 1.8, rel=0.05)
    if distribution == "uniform":
        assert np.abs(W).max() == pytest.approx(np.sqrt(3 * variance), rel=1e-3)
        assert np.abs(W).max() <= np.sqrt(3 * variance)


@pytest.mark.parametrize(("inputs", "units"), [(30, 10), (10, 30), (20, 20), (1, 5)])
def test_orthogonal(inputs, units):
    W = weights([Dense(units, initialisation="orthogonal")], inputs)
    small = W @ W.T if inputs < units else W.T @ W
    np.testing.assert_allclose(small, np.eye(min(inputs, units)), atol=1e-13)


def test_orthogonal_has_no_preferred_signs():
    first = [weights([Dense(3, initialisation="orthogonal")], 3, seed=seed)[0, 0] for seed in range(400)]
    assert np.mean(np.array(first) > 0) == pytest.approx(0.5, abs=0.13)


@pytest.mark.parametrize(
    ("follower", "rule", "gain"),
    [
        *(((layer,), "he", 2.0) for layer in (ReLU(), ELU(), GELU(), SiLU(), Softplus())),
        ((LeakyReLU(0.5),), "he", 2 / 1.25),
        *(((layer,), "glorot", 1.0) for layer in (Tanh(), Sigmoid(), Softmax(), Identity())),
        ((), "glorot", 1.0),
        ((Dense(3), ReLU()), "glorot", 1.0),
        ((Dropout(0.2), BatchNorm(), LayerNorm(), Flatten(), ReLU()), "he", 2.0),
        ((Sequential(Sequential(BatchNorm()), ReLU()),), "he", 2.0),
        ((Residual(ReLU(), Dense(M)),), "he", 2.0),
    ],
)
def test_auto_looks_at_the_activation_that_follows(follower, rule, gain):
    W = weights([Dense(M), *follower])
    variance = gain / N if rule == "he" else 2 / (N + M)
    assert W.var() == pytest.approx(variance, rel=0.02)
    assert np.abs(W).max() <= np.sqrt(3 * variance), "uniform"


def test_auto_looks_out_of_a_residual():
    net = Network([Residual(Dense(M), Tanh(), Dense(N)), ReLU()], N)
    views = net.views(net.initial())
    assert views["0.residual.0.weight"].var() == pytest.approx(2 / (N + M), rel=0.02)
    assert views["0.residual.2.weight"].var() == pytest.approx(2 / M, rel=0.02)


def test_other_parameters_begin_where_they_should():
    net = Network([Dense(3), BatchNorm(), LayerNorm()], 4)
    views = net.views(net.initial())
    assert {name: set(view.ravel()) for name, view in views.items() if name != "0.weight"} == {
        "0.bias": {0.0}, "1.scale": {1.0}, "1.shift": {0.0}, "2.scale": {1.0}, "2.shift": {0.0},
    }  # fmt: skip
    assert {name: set(view) for name, view in net.buffer_views(net.initial_buffers()).items()} == {
        "1.mean": {0.0}, "1.variance": {1.0},
    }  # fmt: skip
    long = weights([Embedding(4000, 16)], ())
    assert long.var() * 16 == pytest.approx(1.0, rel=0.02)


def test_given_values():
    start = np.arange(6.0).reshape(3, 2)
    layer = Dense(2, initialisation=start)
    start[0, 0] = 99.0  # a copy was taken
    assert weights([layer], 3)[0, 0] == 0.0
    assert layer == Dense(2, initialisation=np.arange(6).reshape(3, 2))
    assert hash(layer) == hash(Dense(2, initialisation=np.arange(6).reshape(3, 2)))
    assert layer != Dense(2, initialisation=np.arange(1, 7).reshape(3, 2))
    zero, minus = Dense(1, initialisation=np.zeros((1, 1), np.float32)), Dense(1, initialisation=[[-0.0]])
    assert zero == minus
    assert hash(zero) == hash(minus)
    with pytest.raises(ValueError, match=r"shape \(3, 2\); expected \(4, 2\)"):
        Network([layer], 4).initial()


def test_draws_are_those_of_philox_by_layer():
    """The layout of random draws is part of what a seed means."""
    net = Network([Dense(3), ReLU(), Residual(Dense(3, initialisation="he_normal"))], 2)
    views = net.views(net.initial(7))
    first = np.random.Generator(np.random.Philox(key=np.array([7, 0], np.uint64)))
    np.testing.assert_allclose(
        views["0.weight"], first.uniform(-np.sqrt(3.0), np.sqrt(3.0), (2, 3)), rtol=1e-14
    )
    inner = np.random.Generator(np.random.Philox(key=np.array([7, derive(2, 0)], np.uint64)))
    drawn = inner.standard_normal((3, 3)) * np.sqrt(2 / 3)
    np.testing.assert_allclose(views["2.residual.0.weight"], drawn, rtol=1e-14)


@pytest.mark.parametrize("name", NAMES)
def test_layers_draw_by_themselves(name):
    """Another first layer, of other size and kind, changes nothing behind it; float32 is float64 rounded."""
    last = [Dense(6), Dense(5, initialisation=name)]
    one, two = Network([Dense(8), *last], 3), Network([Function(lambda x: x), *last], 3)
    np.testing.assert_array_equal(
        one.views(one.initial(4))["2.weight"], two.views(two.initial(4))["2.weight"]
    )
    np.testing.assert_array_equal(one.initial(4, np.float32), one.initial(4).astype(np.float32))
    if name not in ("zeros", "ones"):
        assert (one.views(one.initial(4))["2.weight"] != one.views(one.initial(5))["2.weight"]).all()


def test_columns_draw_by_themselves():
    both = Network([Columns(embedded=((0, Embedding(3, 2)), (1, Embedding(4, 2))))], 2)
    other = Network([Columns(numeric=(0,), embedded=((1, Embedding(4, 2)),))], 2)
    name = "0.column.1.weight"
    np.testing.assert_array_equal(both.views(both.initial())[name], other.views(other.initial())[name])


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        ("he", ValueError, r"initialisation of Dense \(='he'\) must be .* he_normal, he_uniform"),
        ([["a"]], TypeError, "array of numbers"),
        (np.full((2, 2), np.nan), ValueError, "NaN or inf"),
    ],
)
def test_errors(value, error, message):
    with pytest.raises(error, match=message):
        Dense(2, initialisation=value)

"""Random stacks of layers of images: derivatives beside finite differences and each other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from betahat.layers import (
    ELU,
    AvgPool2d,
    BatchNorm,
    Conv2d,
    Dense,
    Dropout2d,
    Flatten,
    GlobalAvgPool,
    GlobalMaxPool,
    GroupNorm,
    Image,
    MaxPool2d,
    ReLU,
    Residual,
    SiLU,
    Tanh,
)
from betahat.layers.base import size_of
from betahat.models.network import Network
from betahat.models.network_units import dead_units


def stacks():
    """Layers for images of 6 × 5 with two channels; channels stay even."""
    ways = st.sampled_from([1, 2, (2, 1)])
    conv = st.builds(
        Conv2d, st.sampled_from([2, 4]), st.sampled_from([1, 2, (1, 3), 3]), stride=ways,
        padding=st.sampled_from(["same", 1, 2, ((2, 1), (1, 3))]), dilation=st.sampled_from([1, 1, (2, 1)]),
        groups=st.sampled_from([1, 2]), bias=st.booleans(),
    )  # fmt: skip
    pool = st.one_of(
        st.builds(MaxPool2d, st.sampled_from([1, 2, (1, 2)]), stride=ways, padding=st.just("same")),
        st.builds(AvgPool2d, st.sampled_from([2, (3, 1)]), stride=ways, padding=st.just("same"),
                  count_include_pad=st.booleans()),
    )  # fmt: skip
    small = st.sampled_from(
        [ReLU(), Tanh(), SiLU(), ELU(), BatchNorm(epsilon=0.1), GroupNorm(2, epsilon=0.1), Dropout2d(0.3)]
    )
    same = st.builds(
        Conv2d, st.sampled_from([2, 4]), st.sampled_from([1, 3]), stride=ways, padding=st.just("same")
    )
    block = st.builds(lambda *inner: Residual(*inner, projection="auto"), same, small)
    last = st.sampled_from([Flatten(), GlobalAvgPool(), GlobalMaxPool()])
    return st.tuples(st.lists(st.one_of(conv, pool, small, block), min_size=1, max_size=5), last).map(
        lambda parts: [Image(6, 5, 2, order="NCHW"), *parts[0], parts[1], Dense(3)]
    )


def difference(f, step):
    return (8 * (f(step) - f(-step)) - (f(2 * step) - f(-2 * step))) / (12 * step)


@settings(max_examples=60, deadline=None)
@given(layers=stacks(), training=st.booleans(), seed=st.integers(0, 2**32))
def test_gradients_and_products(layers, training, seed):
    rng = np.random.default_rng(seed)
    net = Network(layers, (60,))
    beta = net.initial(seed) + 0.1 * rng.standard_normal(net.size)
    X = rng.standard_normal((3, 60))
    how = {"training": training, "key": seed}
    v, dX = rng.standard_normal(net.size), rng.standard_normal(X.shape)
    f, saved, _ = net.forward(beta, X, **how)
    assert f.shape == (3, 3)
    u = rng.standard_normal(f.shape)
    gradient, slope = net.backward(beta, saved, u)

    def along(t):
        return float(np.sum(net.forward(beta + t * v, X + t * dX, **how)[0] * u))

    coarse, fine = difference(along, 2e-4), difference(along, 1e-4)
    size = abs(gradient) @ abs(v) + np.sum(abs(slope * dX)) + 1e-3
    tangent = net.jvp(beta, X, v, **how)[1]
    assert np.sum(tangent * u) == pytest.approx(gradient @ v, abs=1e-11 * size)
    a, b = rng.standard_normal((2, net.size))

    def product(way):
        f, change = net.jvp(beta, X, way, **how)
        return net.vjp_change(beta, X, way, f, change, **how)[1]

    left, right = product(a), product(b)
    scale = np.linalg.norm(a) * np.linalg.norm(right) + np.linalg.norm(b) * np.linalg.norm(left)
    assert a @ right == pytest.approx(b @ left, abs=1e-11 * scale + 1e-13)
    assume(abs(coarse - fine) <= 1e-8 * size)  # no kink between
    assert gradient @ v + np.sum(slope * dX) == pytest.approx(fine, abs=1e-6 * size)
    assert sum(row.parameters for row in net.table()) == net.parameter_count
    assert all(size_of(row.output_shape) > 0 for row in net.table())


def test_dead_channels_behind_a_projection(rng):
    """A unit is a channel, at all places; what a residual keeps is found in the order of its layers."""
    block = Residual(Conv2d(3, 1, stride=2), ReLU(), projection="auto")
    net = Network([block, ReLU(), Flatten(), Dense(1)], (4, 4, 2))
    beta = net.initial()
    net.views(beta)["0.residual.0.bias"][...] = [-99.0, 99.0, 99.0]
    found = dead_units(net, beta, rng.standard_normal((5, 4, 4, 2)), net.initial_buffers())
    assert found["0.residual.1"] == (1, 3)
    assert found["1"][1] == 3

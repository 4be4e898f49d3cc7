"""Derivatives of every layer, and of random stacks of them, beside finite differences and each other."""

from __future__ import annotations

import layer_cases
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from layer_cases import ACTIVATIONS, CASES

from betahat.autodiff import jvp
from betahat.layers import (
    ELU,
    GELU,
    BatchNorm,
    Dense,
    Dropout,
    Embedding,
    Flatten,
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
from betahat.models.network import Network

TRAINED = [case for case in CASES if Network([case[0]], case[1]).size]


def difference(f, step):
    """f'(0) to the fourth order."""
    return (8 * (f(step) - f(-step)) - (f(2 * step) - f(-2 * step))) / (12 * step)


def each_entry(f, x, step=1e-3):
    """∂f/∂x of a number, entry by entry."""
    found = np.zeros(x.shape)
    for place in np.ndindex(x.shape):

        def along(t, place=place):
            moved = x.copy()
            moved[place] += t
            return f(moved)

        found[place] = difference(along, step)
    return found


@pytest.mark.parametrize("training", [False, True], ids=["inference", "training"])
@pytest.mark.parametrize("case", CASES, ids=layer_cases.name)
def test_gradients_of_a_layer(case, training, rng):
    net, beta, buffers = layer_cases.network(case, rng)
    X = layer_cases.rows(*case, 4, rng)
    how = {"training": training, "key": 3, "buffers": buffers}
    f, saved, _ = net.forward(beta, X, **how)
    u = rng.standard_normal(f.shape)
    gradient, dX = net.backward(beta, saved, u)

    def value(beta, X=X):
        return float(np.sum(net.forward(beta, X, **how)[0] * u))

    expected = np.zeros(net.size)
    for slot in net.layout:  # the gaps hold zeros
        inside = beta[slot.offset : slot.stop]

        def part(numbers, slot=slot):
            whole = beta.copy()
            whole[slot.offset : slot.stop] = numbers
            return value(whole)

        expected[slot.offset : slot.stop] = each_entry(part, inside)
    np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-8)
    assert dX.shape == X.shape
    if isinstance(case[0], Embedding):
        assert not dX.any()
        return
    numeric = list(case[0].numeric) if hasattr(case[0], "numeric") else slice(None)

    def of_numbers(numbers):
        whole = X.copy()
        whole[:, numeric] = numbers
        return value(beta, whole)

    if X.ndim == 1:
        np.testing.assert_allclose(dX, each_entry(lambda x: value(beta, x), X), rtol=1e-6, atol=1e-8)
        return
    np.testing.assert_allclose(dX[:, numeric], each_entry(of_numbers, X[:, numeric]), rtol=1e-6, atol=1e-8)
    if hasattr(case[0], "numeric"):
        assert not np.delete(dX, numeric, axis=1).any()


@pytest.mark.parametrize("training", [False, True], ids=["inference", "training"])
@pytest.mark.parametrize("case", TRAINED, ids=layer_cases.name)
def test_products_of_a_layer(case, training, rng):
    """J v against differences of f, Jᵀu as its transpose, and the change of Jᵀu against differences of it."""
    net, beta, buffers = layer_cases.network(case, rng)
    X = layer_cases.rows(*case, 4, rng)
    how = {"training": training, "key": 3, "buffers": buffers}
    v = rng.standard_normal(net.size)
    f, tangent = net.jvp(beta, X, v, **how)
    u, du = rng.standard_normal((2, *f.shape))
    same, pulled = net.vjp(beta, X, u, **how)
    np.testing.assert_array_equal(f, same)
    np.testing.assert_allclose(
        tangent, difference(lambda t: net.forward(beta + t * v, X, **how)[0], 1e-3), atol=1e-8
    )
    assert np.sum(tangent * u) == pytest.approx(pulled @ v, rel=1e-12, abs=1e-12)
    again, change = net.vjp_change(beta, X, v, u, du, **how)
    np.testing.assert_allclose(again, pulled, rtol=1e-13, atol=1e-13)
    expected = difference(lambda t: net.vjp(beta + t * v, X, u + t * du, **how)[1], 1e-3)
    np.testing.assert_allclose(change, expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    ("layer", "first", "second"),
    [
        (ReLU(), 0.0, 0.0),
        (LeakyReLU(0.3), 0.3, 0.0),
        (ELU(0.5), 0.5, 0.5),
        (GELU(), 0.5, np.sqrt(2 / np.pi)),
        (GELU("tanh"), 0.5, np.sqrt(2 / np.pi)),
        (SiLU(), 0.5, 0.5),
        (Sigmoid(), 0.25, 0.0),
        (Tanh(), 1.0, 0.0),
        (Softplus(), 0.5, 0.25),
        (Identity(), 1.0, 0.0),
    ],
    ids=repr,
)
def test_derivatives_at_zero(layer, first, second):
    """Weights and inputs that are 0 are common, and choices between branches are made there: forward mode, reverse
    mode and the derivative of the reverse mode choose alike."""
    zero, one = np.zeros(1), np.ones(1)
    value, tangent = jvp(layer.value, zero, one)
    assert tangent[0] == pytest.approx(first, abs=1e-15)
    assert layer.derivative(zero, value)[0] == pytest.approx(first, abs=1e-15)
    change = jvp(lambda x: layer.derivative(x, layer.value(x)), zero, one)[1]
    assert change[0] == pytest.approx(second, abs=1e-15)


def stacks():
    """Random layers on rows of 4 numbers or of 2 × 3."""
    dense = st.builds(Dense, st.integers(1, 5), bias=st.booleans())
    small = st.one_of(
        st.sampled_from(ACTIVATIONS), st.just(LayerNorm(epsilon=0.1)), st.just(BatchNorm(epsilon=0.1)),
        st.just(Dropout(0.3)), st.just(Softmax()),
    )  # fmt: skip
    inner = st.lists(st.one_of(dense, small), min_size=1, max_size=3)
    nested = st.one_of(
        inner.map(lambda layers: Sequential(*layers)),
        inner.map(lambda layers: Sequential(Dense(4), Residual(*layers, Dense(4)))),
    )
    return st.lists(st.one_of(dense, small, nested), min_size=1, max_size=5)


@settings(max_examples=60, deadline=None)
@given(layers=stacks(), flat=st.booleans(), training=st.booleans(), seed=st.integers(0, 2**32))
def test_gradients_of_random_stacks(layers, flat, training, seed):
    rng = np.random.default_rng(seed)
    net = Network(layers if flat else [Flatten(), *layers], (4,) if flat else (2, 3))
    beta = net.initial(seed)
    beta = beta + 0.1 * rng.standard_normal(net.size)
    X = rng.standard_normal((5, *net.input_shape))
    how = {"training": training, "key": seed}
    v, dX = rng.standard_normal(net.size), rng.standard_normal(X.shape)
    f, saved, _ = net.forward(beta, X, **how)
    assert f.shape == (5, *net.output_shape)
    u = rng.standard_normal(f.shape)
    gradient, slope = net.backward(beta, saved, u)

    def along(t):
        return float(np.sum(net.forward(beta + t * v, X + t * dX, **how)[0] * u))

    coarse, fine = difference(along, 2e-4), difference(along, 1e-4)
    size = abs(gradient) @ abs(v) + np.sum(abs(slope * dX)) + 1e-3
    assume(abs(coarse - fine) <= 1e-8 * size)  # no kink between
    assert gradient @ v + np.sum(slope * dX) == pytest.approx(fine, abs=1e-6 * size)
    names = {slot.name: slot.view(gradient) for slot in net.layout}
    inside = sum(np.count_nonzero(view) for view in names.values())
    assert np.count_nonzero(gradient) == inside, "a gap is not zero"
    if net.size:
        assert np.sum(net.jvp(beta, X, v, **how)[1] * u) == pytest.approx(gradient @ v, abs=1e-11 * size)


@settings(max_examples=25, deadline=None)
@given(layers=stacks(), training=st.booleans(), seed=st.integers(0, 2**32))
def test_hessian_products_of_random_stacks_are_symmetric(layers, training, seed):
    """a·H b = b·H a of Σ ½ f², for the Hessian that `jvp` and `vjp_change` make."""
    rng = np.random.default_rng(seed)
    net = Network([Dense(4), *layers], 3)
    beta, X = net.initial(seed), rng.standard_normal((4, 3))
    how = {"training": training, "key": seed}

    def product(v):
        f, change = net.jvp(beta, X, v, **how)
        return net.vjp_change(beta, X, v, f, change, **how)[1]

    a, b = rng.standard_normal((2, net.size))
    Ha, Hb = product(a), product(b)
    size = np.linalg.norm(a) * np.linalg.norm(Hb) + np.linalg.norm(b) * np.linalg.norm(Ha)
    assert a @ Hb == pytest.approx(b @ Ha, abs=1e-11 * size + 1e-13)

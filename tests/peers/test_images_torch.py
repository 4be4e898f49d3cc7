"""Layers of images beside PyTorch and JAX: values, gradients, and twenty training steps of a small network."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from betahat.autodiff import vjp
from betahat.engines import Rows, Task, TrainingState
from betahat.engines.cpu import CpuEngine
from betahat.engines.reference import ReferenceEngine
from betahat.layers import (
    AvgPool2d,
    BatchNorm,
    Conv2d,
    Dense,
    Flatten,
    GlobalAvgPool,
    GroupNorm,
    Image,
    MaxPool2d,
    ReLU,
    Residual,
    Tanh,
    functional,
)
from betahat.losses.multinomial import Multinomial
from betahat.losses.smoothed import SmoothedMultinomial
from betahat.models.network import Network
from betahat.solvers.stochastic.named import Adam, Momentum

pytestmark = pytest.mark.peers
TOLERANCE = {np.float32: 1e-5, np.float64: 1e-10}
DTYPES = pytest.mark.parametrize("dtype", TOLERANCE, ids=lambda dtype: dtype.__name__)
STRIDES, PADDINGS, DILATIONS = [1, 2, (2, 3)], [0, 1, (2, 1)], [1, 2, (1, 2)]


@pytest.fixture
def rng():
    return np.random.default_rng(8)


def first(x):
    """Channels first."""
    return np.ascontiguousarray(np.moveaxis(x, -1, 1))


def last(x):
    return np.moveaxis(x, 1, -1)


def sides(padding):
    return padding if isinstance(padding, int) else tuple((p, p) for p in padding)


def near(found, expected, dtype):
    assert found.dtype == dtype
    tolerance = TOLERANCE[dtype] * max(1.0, abs(expected).max())
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)


def compared(ours, theirs, arrays, rng, dtype):
    """Values and gradients. arrays : each as ours, as PyTorch's, and the way back."""
    torch = pytest.importorskip("torch")
    made = [torch.tensor(given, requires_grad=True) for _, given, _ in arrays]
    y = theirs(*made)
    value = last(y.detach().numpy())
    u = rng.standard_normal(value.shape).astype(dtype)
    y.backward(torch.tensor(first(u)))
    found, gradients = vjp(lambda at: ours(*at), tuple(own for own, _, _ in arrays), u)
    near(found, value, dtype)
    for gradient, tensor, (_, _, back) in zip(gradients, made, arrays, strict=True):
        near(gradient, back(tensor.grad.numpy()), dtype)


def plain(a):
    return a


def to_filters(w):
    """PyTorch's (K, C, kh, kw) as (kh, kw, C, K)."""
    return w.transpose(2, 3, 1, 0)


@DTYPES
@pytest.mark.parametrize(("groups", "size"), list(product([1, 2, 4], [(7, 9), (8, 5)])), ids=str)
@pytest.mark.parametrize("dilation", DILATIONS, ids=str)
@pytest.mark.parametrize("padding", PADDINGS, ids=str)
@pytest.mark.parametrize("stride", STRIDES, ids=str)
def test_conv2d(stride, padding, dilation, groups, size, dtype, rng):
    torch = pytest.importorskip("torch")
    x = rng.standard_normal((2, *size, 4)).astype(dtype)
    w = rng.standard_normal((3, 2, 4 // groups, 8)).astype(dtype)
    b = rng.standard_normal(8).astype(dtype)
    arrays = [
        (x, first(x), last),
        (w, np.ascontiguousarray(w.transpose(3, 2, 0, 1)), to_filters),
        (b, b, plain),
    ]
    compared(
        lambda x, w, b: functional.conv2d(x, w, b, stride, sides(padding), dilation, groups),
        lambda x, w, b: torch.nn.functional.conv2d(x, w, b, stride, padding, dilation, groups),
        arrays, rng, dtype,
    )  # fmt: skip


@DTYPES
@pytest.mark.parametrize("size", [(7, 9), (8, 5)], ids=str)
@pytest.mark.parametrize("padding", [0, 1, (1, 0)], ids=str)
@pytest.mark.parametrize("stride", [None, 1, (2, 3)], ids=str)
def test_pools(stride, padding, size, dtype, rng):
    """Ties too: PyTorch's slope also goes to the first of equal numbers."""
    torch = pytest.importorskip("torch")
    for whole in (False, True):
        x = rng.standard_normal((2, *size, 3)).astype(dtype)
        compared(
            lambda x, whole=whole: functional.avg_pool2d(x, (3, 2), stride, sides(padding), whole),
            lambda x, whole=whole: torch.nn.functional.avg_pool2d(
                x, (3, 2), stride, padding, count_include_pad=whole
            ),
            [(x, first(x), last)], rng, dtype,
        )  # fmt: skip
    for dilation in (1, 2):
        x = rng.integers(-2, 3, (2, *size, 3)).astype(dtype)
        compared(
            lambda x, dilation=dilation: functional.max_pool2d(x, (3, 2), stride, sides(padding), dilation),
            lambda x, dilation=dilation: torch.nn.functional.max_pool2d(x, (3, 2), stride, padding, dilation),
            [(x, first(x), last)], rng, dtype,
        )  # fmt: skip


@DTYPES
@pytest.mark.parametrize("groups", [0, 1, 2, 4])
def test_normalisation(groups, dtype, rng):
    """Of the batch for 0 groups."""
    torch = pytest.importorskip("torch")
    x = rng.normal(2.0, 3.0, (4, 5, 3, 4)).astype(dtype)
    scale, shift = rng.standard_normal((2, 4)).astype(dtype)

    def ours(x, scale, shift):
        if groups:
            return functional.group_norm(x, groups, scale, shift)
        return functional.batch_norm(x, scale, shift)

    def theirs(x, scale, shift):
        if groups:
            return torch.nn.functional.group_norm(x, groups, scale, shift)
        return torch.nn.functional.batch_norm(x, None, None, scale, shift, training=True)

    compared(ours, theirs, [(x, first(x), last), (scale, scale, plain), (shift, shift, plain)], rng, dtype)


@DTYPES
@pytest.mark.parametrize("size", [(7, 9), (8, 6)], ids=str)
@pytest.mark.parametrize("window", [(3, 3), (2, 5), (1, 2)], ids=str)
@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), ((3, 2), 1), (1, (2, 3))], ids=str)
def test_same_is_that_of_jax_and_tensorflow(stride, dilation, window, size, dtype, rng):
    """XLA's "SAME", forwards and backwards."""
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    x = rng.standard_normal((2, *size, 4)).astype(dtype)
    w = rng.standard_normal((*window, 2, 6)).astype(dtype)
    strides, dilations = np.broadcast_to(stride, 2).tolist(), np.broadcast_to(dilation, 2).tolist()

    def theirs(x, w):
        return jax.lax.conv_general_dilated(
            x, w, strides, "SAME", rhs_dilation=dilations, dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=2, precision="highest",
        )  # fmt: skip

    y, pull = jax.vjp(theirs, x, w)
    u = rng.standard_normal(y.shape).astype(dtype)

    def ours(at):
        return functional.conv2d(*at, stride=stride, padding="same", dilation=dilation, groups=2)

    found, gradients = vjp(ours, (x, w), u)
    near(found, np.asarray(y), dtype)
    for gradient, expected in zip(gradients, pull(jax.numpy.asarray(u)), strict=True):
        near(gradient, np.asarray(expected), dtype)


# training ------------------------------------------------------------------------------------------------------------

N, STEPS, BATCH, CLASSES = 96, 20, 24, 5


def stacks(torch):
    """Networks, and PyTorch's with the parameters in the same order. Activations have no corner but in the first."""
    nn = torch.nn

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.aside = nn.Conv2d(6, 8, 1, stride=2, bias=False)
            self.inner = nn.Sequential(
                nn.Conv2d(6, 8, 3, stride=2, padding=1, bias=False), nn.GroupNorm(2, 8), nn.Tanh()
            )

        def forward(self, x):
            return self.aside(x) + self.inner(x)

    class ChannelsLast(nn.Module):
        """Flattened as images lie here."""

        def forward(self, x):
            return x.permute(0, 2, 3, 1).reshape(len(x), -1)

    return {
        "lenet": (
            [Conv2d(6, 3, padding="same"), ReLU(), MaxPool2d(2), Conv2d(8, 3), ReLU(), MaxPool2d(2), Flatten(),
             Dense(16), ReLU(), Dense(CLASSES)],
            lambda: nn.Sequential(
                nn.Conv2d(2, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 8, 3), nn.ReLU(),
                nn.MaxPool2d(2), ChannelsLast(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, CLASSES)),
        ),
        "residual": (
            [Conv2d(6, 3, stride=2, padding=1, bias=False), BatchNorm(), Tanh(),
             Residual(Conv2d(8, 3, stride=2, padding=1, bias=False), GroupNorm(2), Tanh(),
                      projection=Conv2d(8, 1, stride=2, bias=False)),
             Conv2d(16, (2, 3), padding=1, groups=4), Tanh(), AvgPool2d(2, stride=1, padding=1, count_include_pad=True),
             GlobalAvgPool(), Dense(CLASSES)],
            lambda: nn.Sequential(
                nn.Conv2d(2, 6, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(6), nn.Tanh(), Block(),
                nn.Conv2d(8, 16, (2, 3), padding=1, groups=4), nn.Tanh(), nn.AvgPool2d(2, stride=1, padding=1),
                nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, CLASSES)),
        ),
    }  # fmt: skip


def to_theirs(array):
    """Filters and matrices in PyTorch's order."""
    return np.ascontiguousarray(array.transpose(3, 2, 0, 1) if array.ndim == 4 else array.T)


def to_ours(array):
    return to_filters(array) if array.ndim == 4 else array.T


@DTYPES
@pytest.mark.parametrize("optimiser", ["momentum", "adam"])
@pytest.mark.parametrize("name", ["lenet", "residual"])
def test_twenty_steps(name, optimiser, dtype):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(4)
    X, y = rng.standard_normal((N, 11, 12, 2)).astype(dtype), rng.integers(0, CLASSES, N)
    layers, make = stacks(torch)[name]
    network = Network([Image(11, 12, 2), *layers], 11 * 12 * 2)
    chain = {"momentum": Momentum(0.05, 0.9), "adam": Adam(0.003)}[optimiser].chain
    task = Task(network, Multinomial(CLASSES), chain, dtype=dtype)
    engine, state = ReferenceEngine(task), TrainingState.begin(task)
    start = state.chain.x.copy()

    model = make().to(getattr(torch, np.dtype(dtype).name))
    tensors = list(model.parameters())
    assert [tuple(t.shape) for t in tensors] == [
        to_theirs(view).shape for view in network.views(start).values()
    ]
    with torch.no_grad():
        for tensor, view in zip(tensors, network.views(start).values(), strict=True):
            tensor.copy_(torch.tensor(to_theirs(view)))
    step = (
        torch.optim.SGD(tensors, 0.05, momentum=0.9)
        if optimiser == "momentum"
        else torch.optim.Adam(tensors, 0.003)
    )
    images, codes = torch.tensor(first(X)), torch.tensor(y)
    rows = Rows(X.reshape(N, -1), y.astype(np.float64))
    for _ in range(STEPS * BATCH // N):
        order = rng.permutation(N)
        engine.train(state, rows, order, BATCH)
        for at in range(0, N, BATCH):
            which = order[at : at + BATCH]
            step.zero_grad()
            torch.nn.functional.cross_entropy(model(images[which]), codes[which]).backward()
            step.step()
    assert state.chain.step == STEPS
    tolerance = {np.float32: 1e-4, np.float64: 1e-10}[dtype]
    for tensor, view, begun in zip(
        tensors, network.views(state.chain.x).values(), network.views(start).values(), strict=True
    ):
        np.testing.assert_allclose(view, to_ours(tensor.detach().numpy()), rtol=tolerance, atol=tolerance)
        assert abs(view - begun).max() > 10 * tolerance, "steps too small to be compared"
    running = {name: value.numpy() for name, value in model.named_buffers() if "running" in name}
    for kept, value in zip(network.buffer_views(state.buffers).values(), running.values(), strict=True):
        np.testing.assert_allclose(kept, value, rtol=tolerance, atol=tolerance)
    model.eval()
    with torch.no_grad():
        scores = model(images).numpy()
    found = engine.predict(state.chain.x, state.buffers, rows)
    np.testing.assert_allclose(found, scores, rtol=tolerance, atol=10 * tolerance)


@pytest.mark.parametrize("engine", [CpuEngine, ReferenceEngine])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.6])
@DTYPES
def test_label_smoothing(rng, dtype, smoothing, engine):
    torch = pytest.importorskip("torch")
    X, y = rng.normal(size=(40, 5)).astype(dtype), rng.integers(0, 4, 40)
    task = Task(Network([Dense(4)], 5), SmoothedMultinomial(4, smoothing), Momentum(0.1).chain, dtype=dtype)
    state, its = TrainingState.begin(task), engine(task)
    W, b = (
        torch.tensor(view.copy(), requires_grad=True) for view in task.network.views(state.chain.x).values()
    )
    expected = torch.nn.functional.cross_entropy(
        torch.from_numpy(X) @ W + b, torch.from_numpy(y), label_smoothing=smoothing
    )
    expected.backward()
    value = its.train(state, Rows(X, y.astype(np.float64)), np.arange(40), 40)
    np.testing.assert_allclose(value[0], expected.item(), rtol=TOLERANCE[dtype])
    for found, theirs in zip(task.network.views(its.gradient()).values(), (W.grad, b.grad), strict=True):
        near(found, theirs.numpy(), dtype)

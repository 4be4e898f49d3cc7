"""Convolutions by minimal filtering: beside the reference, exact where numbers are whole, and the same in any batch."""

from __future__ import annotations

import os
from itertools import product

import numpy as np
import pytest
from compiled_steps import END, assert_same

from betahat.engines import Rows, Task, TrainingState, engine_for
from betahat.engines.cpu import winograd
from betahat.engines.cpu.layout import Layout
from betahat.engines.cpu.lower import lower_network
from betahat.engines.cpu.program import Program
from betahat.engines.cpu.step import entered, training
from betahat.kernels.network.filtering import SCHEMES
from betahat.layers import (
    BatchNorm,
    Conv2d,
    Dense,
    Flatten,
    GlobalAvgPool,
    MaxPool2d,
    ReLU,
    Residual,
    Tanh,
    functional,
)
from betahat.losses import SquaredError
from betahat.losses.multinomial import Multinomial
from betahat.models.network import Network
from betahat.solvers.stochastic.named import SGD


@pytest.fixture(params=product(SCHEMES, (False, True)), ids=str)
def always(request, monkeypatch):
    """Wherever it can be done at all, by each scheme, with tiles of slopes that add or not; the taps that are asked
    for."""
    number, _ = request.param
    monkeypatch.setattr(winograd, "scheme_of", lambda program, taps, grid, channels, filters: number)
    monkeypatch.setattr(winograd, "slopes_by", lambda program, windows, channels, filters: request.param)
    monkeypatch.setattr(winograd, "_GAIN", np.inf)
    monkeypatch.setattr(winograd, "_FEW", 0)
    return SCHEMES[number].taps


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("padding", [0, 1, "widest", "same", ((2, 0), (1, 2)), ((0, 1), (2, 2))])
@pytest.mark.parametrize("shape", [(7, 6), (4, 4), (3, 3), (5, 12)])
def test_sizes_and_paddings(shape, padding, dtype, always):
    """Images from those of a single window on. In float32 a rounded number may lie beyond a kink."""
    bend = ReLU() if dtype == np.float64 else Tanh()
    middle = Conv2d(20, always, padding=always - 1 if padding == "widest" else padding)
    pixels = [n + always - 3 for n in shape]
    assert_same([Conv2d(18, 1), Tanh(), middle, bend, *END], (*pixels, 3), dtype)


@pytest.mark.parametrize("padding", [0, 1, "widest", ((2, 0), (1, 3)), ((0, 3), (2, 2))])
@pytest.mark.parametrize(("stride", "less"), [(2, 0), (2, 1), (3, 0), (3, 2)])
@pytest.mark.parametrize("more", [(0, 0), (4, 9)])
def test_strides(more, stride, less, padding, always):
    """Windows whose largest parts have the taps of a scheme; images from those of a single window on."""
    taps = always * stride - less
    middle = Conv2d(20, taps, stride=stride, padding=taps - 1 if padding == "widest" else padding)
    pixels = [n + taps for n in more]
    assert_same([Conv2d(18, 1), Tanh(), middle, Tanh(), *END], (*pixels, 3), batch=3, n=7)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("staying", [0, 1 << 40])
@pytest.mark.parametrize("filters", [1, 33])
@pytest.mark.parametrize("channels", [1, 17, 40])
def test_channels_of_strides(channels, filters, staying, dtype, always, monkeypatch):
    monkeypatch.setattr(winograd, "_STAYING", staying)
    middle = Conv2d(filters, 2 * always - 1, stride=2, padding=1)
    assert_same([Conv2d(channels, 1), Tanh(), middle, Tanh(), *END], (14, 11, 2), dtype)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("filters", [1, 16, 33, 70])
@pytest.mark.parametrize("channels", [1, 5, 16, 40])
def test_channels(channels, filters, bias, always):
    middle = Conv2d(filters, always, padding=1, bias=bias)
    assert_same([Conv2d(channels, 1), Tanh(), middle, Tanh(), *END], (6, 5, 2))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("batch", [1, 7, 16, 40, 100])
def test_batches(batch, dtype, always):
    layers = [
        Conv2d(16, always, padding="same"), BatchNorm(), ReLU(), MaxPool2d(2),
        Residual(Conv2d(16, always, padding="same"), ReLU()),
        GlobalAvgPool(), Dense(3),
    ]  # fmt: skip
    assert_same(layers, (8, 8, 16), dtype, batch, 2 * batch + 1)


@pytest.mark.parametrize("staying", [0, 1 << 40])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_weights_that_stay_and_that_are_made_when_needed(dtype, staying, always, monkeypatch):
    """Steps, with weights that each of them changes, and predictions after them."""
    monkeypatch.setattr(winograd, "_STAYING", staying)
    layers = [
        Conv2d(18, always, padding="same"), BatchNorm(), ReLU(),
        Residual(Conv2d(18, always, padding="same"), ReLU()), MaxPool2d(2),
        Conv2d(40, always, padding="same"), Tanh(), GlobalAvgPool(), Dense(3),
    ]  # fmt: skip
    assert_same(layers, (8, 8, 16), dtype, 16, 50)


@pytest.mark.parametrize("together", [1, 5, 48])
def test_few_tiles_at_once(together, always, monkeypatch):
    monkeypatch.setattr(winograd, "_LEAST", together)
    monkeypatch.setattr(winograd, "_MOST", together)
    layers = [Conv2d(16, always, padding="same"), Tanh(), Conv2d(20, always), Tanh(), *END]
    assert_same(layers, (9, 8, 16), batch=17, n=40)


@pytest.mark.parametrize(("channels", "filters"), [(160, 200), (520, 60)])
def test_gradients_of_large_weights(channels, filters, always):
    middle = Conv2d(filters, always, padding="same")
    layers = [Conv2d(channels, 1), Tanh(), middle, Tanh(), GlobalAvgPool(), Dense(3)]
    assert_same(layers, (4, 4, 3), np.float64, 16, 40)
    network = Network(layers, (4, 4, 3))
    task = Task(network, SquaredError(), SGD(0.1).chain, dtype=np.float64, seed=0)
    layout = Layout(network, np.float64)
    step = training(task, layout, np.zeros(layout.size), np.zeros(0), 16)
    assert step.program.parts["2.weight"] == 1 < step.program.shards
    assert step.program.panels(step.program.registers(filters)) > 1, "threads have something to do"


def convolved(X, W, padding):
    """x W by minimal filtering, of float32, behind a layer that changes nothing: data come without gaps."""
    taps, _, channels, filters = W.shape
    layers = [Conv2d(channels, 1, bias=False), Conv2d(filters, taps, padding=padding, bias=False), Flatten()]
    network = Network(layers, X.shape[1:])
    task = Task(network, SquaredError(), SGD(0.1).chain, dtype=np.float32, seed=0)
    beta = np.concatenate([np.eye(channels).ravel(), W.ravel()]).astype(np.float32)
    layout = Layout(network, np.float32)
    program = Program(network, layout, np.zeros(layout.size, np.float32), np.zeros(0, np.float32), 8, False)
    lower_network(program, entered(program))
    assert program.weighed
    rows = Rows(X.astype(np.float32), np.zeros((len(X), 1)))
    wanted = functional.conv2d(X.astype(np.float64), W.astype(np.float64), padding=padding)
    return engine_for(task).predict(beta, np.zeros(0, np.float32), rows).reshape(wanted.shape), wanted


@pytest.mark.parametrize("always", [(32, False)], indirect=True)
@pytest.mark.parametrize("padding", [0, 1])
def test_whole_numbers_are_exact(padding, always):
    """Weights are multiples of 4, so that halves of halves are whole, and no sum leaves 24 bits."""
    rng = np.random.default_rng(0)
    W, X = 4 * rng.integers(-8, 9, (3, 3, 20, 24)), rng.integers(-20, 21, (11, 9, 7, 20))
    found, wanted = convolved(X, W, padding)
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(
    ("always", "largest", "mean"),
    [((32, False), 5e-6, 1e-6), ((34, False), 2e-5, 2e-6), ((52, False), 2e-5, 2e-6)],
    indirect=["always"],
)
@pytest.mark.parametrize("channels", [32, 64, 256])
def test_rounding_is_small(channels, always, largest, mean):
    """Beside the root mean square; sums over windows one after the other make 1e-5 and 1e-6 of 256 channels."""
    rng = np.random.default_rng(1)
    W, X = (
        rng.standard_normal(shape).astype(np.float32)
        for shape in ((always, always, channels, 64), (3, 16, 16, channels))
    )
    found, wanted = convolved(X, W, 1)
    assert np.abs(found - wanted).max() < largest * np.sqrt((wanted**2).mean())
    assert np.sqrt(((found - wanted) ** 2).mean() / (wanted**2).mean()) < mean


@pytest.mark.parametrize(("layer", "channels", "pixels", "chosen"), [
    (Conv2d(64, 3, padding=1), 64, 14, True), (Conv2d(64, 3), 64, 32, True), (Conv2d(32, 3, padding=1), 16, 28, True),
    (Conv2d(64, 3, stride=2, padding=1), 64, 14, False), (Conv2d(64, 3, dilation=2, padding=2), 64, 14, False),
    (Conv2d(64, 5, padding=2), 64, 14, True), (Conv2d(64, 7, padding=3), 64, 14, False),
    (Conv2d(64, (5, 3), padding="same"), 64, 14, False), (Conv2d(64, 1), 64, 14, False),
    (Conv2d(64, 3, padding=1, groups=2), 64, 14, False), (Conv2d(32, 3, padding=1), 3, 28, False),
    (Conv2d(64, 3, padding=1), 64, 4, False),
], ids=str)  # fmt: skip
@pytest.mark.parametrize("batch", [1, 8])
def test_where_it_is_done(batch, layer, channels, pixels, chosen):
    """However many images are predicted at once, so that their predictions do not depend on it."""
    network = Network([Conv2d(channels, 1), layer, Flatten()], (pixels, pixels, 2))
    layout = Layout(network, np.float32)
    program = Program(
        network, layout, np.zeros(layout.size, np.float32), np.zeros(0, np.float32), batch, False
    )
    lower_network(program, entered(program))
    assert bool(program.weighed) == chosen


@pytest.mark.parametrize(("layer", "chosen"), [
    (Conv2d(64, 3, padding=1), True), (Conv2d(64, 5, padding=2), True), (Conv2d(64, 5, stride=2, padding=2), True),
    (Conv2d(64, 6, stride=2, padding=2), True), (Conv2d(64, 9, stride=2, padding=4), True),
    (Conv2d(64, 3, stride=2, padding=1), False), (Conv2d(64, 5, stride=(2, 1), padding=2), False),
    (Conv2d(64, (5, 6), stride=2, padding=2), False), (Conv2d(64, 5, stride=2, dilation=2, padding=4), False),
    (Conv2d(64, 7, stride=2, padding=3), False), (Conv2d(64, 1, stride=2), False),
], ids=str)  # fmt: skip
def test_where_it_is_done_in_training(layer, chosen):
    """With strides too; predictions keep to windows there, whose weights are fewer."""
    network = Network([Conv2d(64, 1), layer, Flatten(), Dense(1)], (28, 28, 2))
    task = Task(network, SquaredError(), SGD(0.1).chain, dtype=np.float32, seed=0)
    layout = Layout(network, np.float32)
    step = training(task, layout, np.zeros(layout.size, np.float32), np.zeros(0, np.float32), 32)
    assert bool(step.program.weighed) == chosen
    program = Program(network, layout, np.zeros(layout.size, np.float32), np.zeros(0, np.float32), 32, False)
    lower_network(program, entered(program))
    assert bool(program.weighed) == (chosen and layer.stride == 1)


@pytest.mark.parametrize(("training", "filters", "pixels", "batch", "number"), [
    (True, 64, 32, 8, 34), (True, 128, 16, 8, 34), (False, 64, 32, 8, 32), (True, 512, 32, 8, 34),
    (True, 1024, 32, 8, 32), (True, 64, 2, 8, 32), (True, 512, 4, 8, 32), (True, 512, 4, 128, 34),
])  # fmt: skip
def test_sizes_of_tiles(training, filters, pixels, batch, number):
    """Large ones in training, but not of weights that would take much memory, nor of images as small as they are, nor
    of so few that their products cost less than the weights."""
    network = Network([Conv2d(filters, 3, padding=1), Flatten(), Dense(1)], (pixels, pixels, filters))
    layout = Layout(network, np.float32)
    beta = np.zeros(layout.size, np.float32)
    program = Program(network, layout, beta, np.zeros(0, np.float32), batch, training)
    assert winograd.scheme_of(program, 3, (pixels, pixels), filters, filters) == number


@pytest.mark.parametrize(("taps", "padding", "pixels", "number", "adds"), [
    (3, 0, 13, 34, True), (3, 0, 6, 34, True), (3, 0, 14, 34, True), (3, 1, 13, 34, False), (3, 1, 16, 34, False),
    (3, 2, 14, 34, False), (5, 0, 12, 52, True), (5, 2, 12, 52, False),
])  # fmt: skip
def test_which_tiles_slopes_take(taps, padding, pixels, number, adds):
    """Those of f where an image without padding has more."""
    layer = Conv2d(64, taps, padding=padding)
    network = Network([layer, Flatten(), Dense(1)], (pixels, pixels, 32))
    layout = Layout(network, np.float32)
    beta = np.zeros(layout.size, np.float32)
    program = Program(network, layout, beta, np.zeros(0, np.float32), 128, True)
    windows = layer.windows((pixels, pixels, 32))
    assert winograd.slopes_by(program, windows, 32, 64) == (number, adds)


def test_one_image_as_many():
    """Of so many operations that a single image is shared out among threads."""
    network = Network(
        [Conv2d(64, 3, padding=1), ReLU(), Conv2d(128, 3), ReLU(), Flatten(), Dense(3)], (24, 21, 48)
    )
    assert network.flops >= 1 << 26
    task = Task(network, Multinomial(3), SGD(0.1).chain, dtype=np.float32, seed=0)
    beta, X = network.initial(0, np.float32), np.random.default_rng(0).standard_normal((20, 24, 21, 48))
    engine = engine_for(task)

    def predicted(X):
        return engine.predict(beta, np.zeros(0, np.float32), Rows(X, np.zeros(len(X))))

    together = predicted(X)
    for i in (0, 7, 19):
        np.testing.assert_array_equal(predicted(X[i : i + 1])[0], together[i])


def test_same_bits_on_any_number_of_threads(monkeypatch):
    network = Network(
        [Conv2d(32, 3, padding=1), ReLU(), Conv2d(200, 3), ReLU(), GlobalAvgPool(), Dense(3)], (12, 12, 160)
    )
    rng = np.random.default_rng(0)
    rows = Rows(rng.standard_normal((100, 12, 12, 160)), rng.integers(0, 3, 100).astype(float))
    found = []
    for threads in ("1", "2", "3"):
        monkeypatch.setitem(os.environ, "BETAHAT_NUM_THREADS", threads)
        task = Task(network, Multinomial(3), SGD(0.01).chain, dtype=np.float32, seed=0)
        state = TrainingState.begin(task)
        engine_for(task).train(state, rows, np.arange(100), 50)
        found.append(state.chain.x.copy())
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


def test_a_span_cut_in_two_has_the_same_bits():
    """Weights are transformed in NumPy at the beginning of a span, and compiled after each step."""
    network = Network(
        [Conv2d(48, 3, padding=1), ReLU(), Conv2d(40, 3), ReLU(), GlobalAvgPool(), Dense(3)], (10, 10, 32)
    )
    rng = np.random.default_rng(0)
    rows = Rows(rng.standard_normal((64, 10, 10, 32)), rng.integers(0, 3, 64).astype(float))
    found = []
    for cuts in ([64], [16, 32, 64], [32, 64]):
        task = Task(network, Multinomial(3), SGD(0.05).chain, dtype=np.float32, seed=0)
        state, engine, begin = TrainingState.begin(task), engine_for(task), 0
        for end in cuts:
            engine.train(state, rows, np.arange(begin, end), 16)
            begin = end
        found.append(state.chain.x.copy())
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])

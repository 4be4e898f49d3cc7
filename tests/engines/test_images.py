"""Compiled layers of images against their NumPy reference: outputs, gradients and whole steps."""

from __future__ import annotations

import numpy as np
import pytest
from compiled_steps import END, assert_same

from betahat.engines.cpu import convolve
from betahat.engines.cpu.convolve import LoweredConvolution
from betahat.layers import (
    AvgPool1d,
    AvgPool2d,
    BatchNorm,
    Conv1d,
    Conv2d,
    Dense,
    Dropout,
    Dropout2d,
    Flatten,
    GlobalAvgPool,
    GlobalMaxPool,
    GroupNorm,
    Image,
    LayerNorm,
    LeakyReLU,
    MaxPool1d,
    MaxPool2d,
    ReLU,
    Reshape,
    Residual,
    Sequential,
    Sigmoid,
    Tanh,
)
from betahat.losses.multinomial import Multinomial
from betahat.losses.smoothed import SmoothedMultinomial


@pytest.mark.parametrize("padding", [0, 1, "same", ((2, 0), (1, 3)), 3])
@pytest.mark.parametrize("stride", [1, 2, (3, 1)])
@pytest.mark.parametrize("dilation", [1, (2, 1)])
@pytest.mark.parametrize("kernel", [1, 3, (2, 4)])
def test_convolutions(kernel, dilation, stride, padding):
    middle = Conv2d(5, kernel, stride=stride, padding=padding, dilation=dilation)
    assert_same([Conv2d(18, 2), Tanh(), middle, *END], (9, 8, 3))


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("channels", [1, 3, 16, 20])
@pytest.mark.parametrize("filters", [1, 16, 33])
def test_channels(filters, channels, kernel, stride):
    layers = [
        Conv2d(channels, 1, bias=False),
        ReLU(),
        Conv2d(filters, kernel, stride=stride, padding="same"),
        ReLU(),
        *END,
    ]
    assert_same(layers, (7, 6, 2))


@pytest.mark.parametrize("padding", [0, "same", ((2, 0), (1, 3)), 3])
@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), ((3, 1), 1), (1, (2, 1)), (2, 3)])
@pytest.mark.parametrize("kernel", [2, 3, (2, 4)])
@pytest.mark.parametrize("channels", [1, 2])
def test_few_channels(channels, kernel, stride, dilation, padding, monkeypatch):
    """∂J/∂x is added from products of all taps."""
    chosen = []
    way = LoweredConvolution._back_by_taps
    monkeypatch.setattr(LoweredConvolution, "_back_by_taps", lambda self, s: chosen.append(0) or way(self, s))
    middle = Conv2d(24, kernel, stride=stride, padding=padding, dilation=dilation)
    assert_same([Conv2d(channels, 2), Tanh(), middle, Tanh(), *END], (9, 11, 2))
    assert chosen


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("lines", [1, 3])
def test_few_channels_some_lines_at_once(lines, dtype, monkeypatch):
    monkeypatch.setattr("betahat.engines.cpu.convolve._TAPS", lines * 9 * 2 * 64)
    assert_same([Conv2d(3, 1), Tanh(), Conv2d(32, 3, padding=1), Tanh(), *END], (8, 9, 2), dtype, 17, 40)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("groups", [2, 3])
def test_groups_of_whole_registers(groups, dtype):
    layers = [Conv2d(16 * groups, 3), Tanh(), Conv2d(32 * groups, 3, groups=groups, padding=1), Tanh(), *END]
    assert_same(layers, (6, 6, 3), dtype)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("filters", [1, 3, 12, 16, 24])
@pytest.mark.parametrize("channels", [1, 5, 8, 16])
@pytest.mark.parametrize("groups", [2, 3, 5])
def test_groups_of_any_size(groups, channels, filters, bias, stride):
    grouped = Conv2d(filters * groups, 3, groups=groups, padding="same", stride=stride, bias=bias)
    assert_same([Conv2d(channels * groups, 2), Tanh(), grouped, ReLU(), *END], (6, 5, 2))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("batch", [1, 16, 40, 200])
def test_groups_one_after_the_other(batch, dtype):
    first = Conv2d(6, 3, groups=3, padding=1)  # on images that nothing trained comes before
    layers = [
        first,
        Conv2d(20, 3, groups=2),
        ReLU(),
        MaxPool2d(2),
        Conv2d(40, 1, groups=4),
        GlobalAvgPool(),
        Dense(3),
    ]
    assert_same(layers, (8, 8, 6), dtype, batch, 2 * batch + 1)


def test_groups_along_sequences():
    assert_same([Conv1d(6, 3, groups=2, padding="same"), Tanh(), Conv1d(9, 2, groups=3), *END], (9, 4))


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("padding", [0, 2, "same"])
@pytest.mark.parametrize("channels", [2, 16, 19])
def test_depthwise(channels, padding, stride):
    layers = [
        Conv2d(channels, 2),
        Conv2d(channels, 3, groups=channels, padding=padding, stride=stride),
        ReLU(),
        *END,
    ]
    assert_same(layers, (8, 7, 2))


def test_depthwise_first():
    assert_same([Conv2d(3, 3, groups=3), ReLU(), *END], (8, 7, 3))


POOLS = [
    MaxPool2d(2), MaxPool2d(3, stride=2, padding=1), MaxPool2d((1, 2)), MaxPool2d(2, stride=1, dilation=2),
    AvgPool2d(2),
    AvgPool2d(3, stride=2, padding=1), AvgPool2d(3, stride=1, padding=1, count_include_pad=True), GlobalAvgPool(),
    GlobalMaxPool(),
]  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("channels", [3, 16, 21])
@pytest.mark.parametrize("pool", POOLS, ids=repr)
def test_pools(pool, channels, dtype):
    assert_same([Conv2d(channels, 2), pool, Flatten(), Dense(3)], (8, 7, 2), dtype)


@pytest.mark.parametrize("pool", POOLS, ids=repr)
def test_pools_first(pool):
    assert_same([pool, Flatten(), Dense(3)], (8, 7, 2))


SEQUENCES = [
    Conv1d(6, 3), Conv1d(6, 3, stride=2, padding=(2, 0)), Conv1d(6, 2, dilation=3), MaxPool1d(2),
    AvgPool1d(3, stride=2),
]  # fmt: skip


@pytest.mark.parametrize("layer", SEQUENCES, ids=repr)
def test_sequences(layer):
    assert_same([Conv1d(7, 2), ReLU(), layer, *END], (12, 4))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1, 1, 2), (7, 6, 3), (5, 1, 1), (12, 4)])
@pytest.mark.parametrize("groups", [1, 2, 7, 14])
@pytest.mark.parametrize("each", [1, 3, 16])
def test_group_normalisation(each, groups, shape, dtype):
    convolution = Conv2d if len(shape) == 3 else Conv1d
    assert_same([convolution(each * groups, 1), GroupNorm(groups), Tanh(), *END], shape, dtype)


@pytest.mark.parametrize("groups", [1, 2, 6])
def test_group_normalisation_of_rows(groups):
    assert_same([GroupNorm(groups), Dense(12), GroupNorm(groups), Tanh(), Dense(3)], (6,))


@pytest.mark.parametrize("groups", [1, 3])
def test_group_normalisation_first(groups):
    assert_same([GroupNorm(groups), Conv2d(4, 2), *END], (5, 4, 3))


@pytest.mark.parametrize("batch", [1, 16, 40, 200])
def test_group_normalisation_in_shards(batch):
    layers = [Conv2d(20, 3, padding=1, bias=False), GroupNorm(5), ReLU(), MaxPool2d(2), LayerNorm(), *END]
    assert_same(layers, (28, 28, 1), batch=batch, n=batch + 3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(7, 6, 3), (5, 1, 17), (12, 4)])
def test_layer_normalisation_of_places(shape, dtype):
    convolution = Conv2d if len(shape) == 3 else Conv1d
    assert_same([LayerNorm(), convolution(9, 1), LayerNorm(), Tanh(), *END], shape, dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.7])
@pytest.mark.parametrize("batch", [7, 40])
def test_smoothed_labels(batch, smoothing, dtype):
    loss = SmoothedMultinomial(3, smoothing)
    assert_same([Conv2d(6, 3), ReLU(), *END], (6, 5, 2), dtype, batch, 50, loss=loss)


STACKS = {
    "normalised": ([Conv2d(6, 3), BatchNorm(), ReLU(), MaxPool2d(2), Conv2d(4, 2), BatchNorm(), *END], (9, 9, 2)),
    "normalised first": ([BatchNorm(), Conv2d(6, 3), ReLU(), *END], (6, 6, 3)),
    "dropped": ([Conv2d(6, 3), Dropout(0.3), ReLU(), Dropout2d(0.4), Flatten(), Dropout(0.2), Dense(3)], (6, 6, 2)),
    "residual": (
        [Conv2d(6, 3), Residual(Conv2d(6, 3, padding=1), BatchNorm(), ReLU(), Conv2d(6, 3, padding=1)), ReLU(), *END],
        (7, 7, 2),
    ),
    "projected": (
        [
            Conv2d(6, 3),
            Residual(Conv2d(9, 3, stride=2, padding=1), ReLU(), Conv2d(9, 3, padding=1), projection="auto"), *END,
        ],
        (8, 8, 2),
    ),
    "residual first": ([Residual(Conv2d(3, 3, padding="same")), ReLU(), *END], (6, 5, 3)),
    "projected rows": ([Dense(5), Residual(Dense(7), Tanh(), Dense(4), projection="auto"), Dense(3)], (6,)),
    "channels first": ([Image(6, 5, 3, order="NCHW"), Conv2d(4, 3), ReLU(), *END], (90,)),
    "channels first, not at once": ([Dense(24), Tanh(), Image(4, 3, 2, order="NCHW"), Conv2d(4, 2), *END], (5,)),
    "grey": ([Image(6, 5), Conv2d(4, 3), ReLU(), *END], (6, 5)),
    "made of rows": ([Dense(48), ReLU(), Reshape((4, 4, 3)), Conv2d(5, 2), Sigmoid(), *END], (6,)),
    "made of whole registers": ([Dense(128), ReLU(), Reshape((2, 4, 16)), Conv2d(5, 2), Sigmoid(), *END], (6,)),
    "aliased": ([Dense(256), ReLU(), Reshape((4, 4, 16)), Conv2d(5, 2), *END], (6,)),
    "sequential": ([Sequential(Conv2d(4, 3), Sequential(ReLU(), MaxPool2d(2))), *END], (8, 8, 1)),
    "reshaped": ([Conv2d(4, 3), Reshape((12, 12)), Conv1d(5, 3), *END], (8, 8, 1)),
    "twice pooled": ([Conv2d(16, 3), ReLU(), MaxPool2d(2), MaxPool2d(2), *END], (12, 12, 1)),
}  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", STACKS)
def test_stacks(name, dtype):
    layers, shape = STACKS[name]
    assert_same(layers, shape, dtype)


@pytest.mark.parametrize("batch", [1, 3, 16, 40, 100, 200])
@pytest.mark.parametrize("name", ["normalised", "projected", "dropped"])
def test_batches(name, batch):
    layers, shape = STACKS[name]
    assert_same(layers, shape, batch=batch, n=2 * batch + 1, loss=Multinomial(3))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("batch", [7, 16, 40])
@pytest.mark.parametrize("groups", [1, 2])
def test_large_weights_in_shards(groups, batch, dtype):
    large = Conv2d(256, 5, padding=2, groups=groups)
    assert_same([Conv2d(64, 1), large, BatchNorm(), ReLU(), *END], (3, 2, 2), dtype, batch, 2 * batch + 1)


@pytest.mark.parametrize("filters", [3, 24, 40, 100])
def test_large_weights_of_few_filters(filters, monkeypatch):
    monkeypatch.setattr(convolve, "_WHOLE_FROM", 1 << 12)
    large = Conv2d(filters, 5, padding=2)
    assert_same([Conv2d(70, 1), Tanh(), large, BatchNorm(), ReLU(), *END], (4, 3, 2), np.float32, 40, 90)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("whole", [1, 1 << 30])
@pytest.mark.parametrize("batch", [1, 3, 16, 40, 200])
@pytest.mark.parametrize(("channels", "groups"), [(16, 1), (19, 1), (32, 2)])
def test_windows_of_one_place(channels, groups, batch, whole, dtype, monkeypatch):
    monkeypatch.setattr(convolve, "_WHOLE_FROM", whole)
    single = Conv2d(2 * channels, 1, groups=groups)
    assert_same([Conv2d(channels, 2), Tanh(), single, ReLU(), *END], (5, 8, 3), dtype, batch, 2 * batch + 1)


@pytest.mark.parametrize("bend", [ReLU(), LeakyReLU(0.2), LeakyReLU(1.0)], ids=repr)
@pytest.mark.parametrize("norm", [[], [BatchNorm()]], ids=["plain", "normalised"])
@pytest.mark.parametrize("pool", [[], [MaxPool2d(2)], [MaxPool2d(3, stride=1)], [GlobalMaxPool()]], ids=repr)
@pytest.mark.parametrize("filters", [5, 16])
def test_bent_where_it_is_computed(filters, pool, norm, bend):
    end = [Dense(3)] if pool and isinstance(pool[0], GlobalMaxPool) else END
    assert_same([Conv2d(filters, 3), *norm, bend, *pool, *end], (6, 7, 2), np.float32, 16, 40)

"""Pooling over strides, paddings, dilations and odd sizes, beside definitions written out as loops; and the other
layers of images."""

from __future__ import annotations

from itertools import product

import image_loops as loops
import numpy as np
import pytest

import betahat as bh
from betahat.autodiff import jvp, vjp
from betahat.kernels.random import bits, derive
from betahat.layers import (
    AvgPool1d,
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
    LayerNorm,
    MaxPool1d,
    MaxPool2d,
    Pass,
    ReLU,
    Reshape,
    Residual,
    Sequential,
    functional,
)
from betahat.models.network import Network

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
WINDOWS = [(2, 2), (3, 2), (1, 1)]
STRIDES = [1, 2, (1, 3)]
PADDINGS = ["same", "valid", 1, ((0, 1), (1, 0))]
SIZES = [(5, 7), (6, 5)]


def covered(sizes, window, **how):
    """Whether each window has a number of the image."""
    places, (height, width) = loops.visits(sizes, window, **how)
    return len({(i, j) for i, j, _, _, at in places if at is not None}) == height * width


def compared(function, layer, x, rng, expected, dtype):
    """The function and the layer, forwards and backwards, beside the loops."""
    draws = {}

    def u(shape):
        return draws.setdefault(0, rng.standard_normal(shape).astype(dtype))

    y, dx = expected(u)
    found, slope = vjp(function, x, draws[0])
    f, saved = layer.forward(x, (), Pass())
    assert layer.output_shape(x.shape[1:]) == y.shape[1:]
    tolerance = 1e-6 if dtype == np.float32 else 1e-14
    for value, truth in ((found, y), (slope, dx), (f, y), (layer.backward(draws[0], saved, ())[0], dx)):
        assert value.dtype == dtype
        np.testing.assert_allclose(value, truth, rtol=0, atol=tolerance * 4)
    v = rng.standard_normal(x.shape).astype(dtype)
    assert np.sum(jvp(function, x, v)[1] * draws[0]) == pytest.approx(np.sum(dx * v), rel=1e-4, abs=1e-4)


@DTYPES
@pytest.mark.parametrize("dilation", [1, 2, (2, 1)], ids=str)
@pytest.mark.parametrize("padding", PADDINGS, ids=str)
@pytest.mark.parametrize("stride", STRIDES, ids=str)
@pytest.mark.parametrize(("size", "window"), list(product(SIZES, WINDOWS)), ids=str)
def test_largest(size, window, stride, padding, dilation, dtype, rng):
    """Numbers with many ties: the first of equal ones has the slope."""
    x = rng.integers(-2, 3, (2, *size, 3)).astype(dtype)
    how = {"stride": stride, "padding": padding, "dilation": dilation}
    layer = MaxPool2d(window, **how)
    if not covered(size, window, **how):
        with pytest.raises(ValueError, match="nothing but padding"):
            layer.output_shape(x.shape[1:])
        return
    compared(
        lambda x: functional.max_pool2d(x, window, **how), layer, x, rng,
        lambda u: loops.pool2d(x, window, "max", u, **how), dtype,
    )  # fmt: skip


@DTYPES
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("padding", PADDINGS, ids=str)
@pytest.mark.parametrize("stride", STRIDES, ids=str)
@pytest.mark.parametrize(("size", "window"), list(product(SIZES, WINDOWS)), ids=str)
def test_mean(size, window, stride, padding, whole, dtype, rng):
    x = rng.standard_normal((2, *size, 3)).astype(dtype)
    how = {"stride": stride, "padding": padding}
    layer = AvgPool2d(window, count_include_pad=whole, **how)
    if not covered(size, window, **how):
        with pytest.raises(ValueError, match="nothing but padding"):
            layer.output_shape(x.shape[1:])
        return
    compared(
        lambda x: functional.avg_pool2d(x, window, count_include_pad=whole, **how), layer, x, rng,
        lambda u: loops.pool2d(x, window, "all" if whole else "mean", u, **how), dtype,
    )  # fmt: skip


@DTYPES
@pytest.mark.parametrize("padding", ["same", 0, 1, (1, 0)], ids=str)
@pytest.mark.parametrize(("window", "stride"), [(2, 1), (3, 2), (2, 2)])
def test_sequences_are_images_of_one_row(window, stride, padding, dtype, rng):
    x = rng.standard_normal((2, 7, 3)).astype(dtype)
    sides = (
        padding
        if isinstance(padding, str)
        else ((0, 0), (padding,) * 2 if isinstance(padding, int) else padding)
    )
    flat = {"stride": (1, stride), "padding": sides}
    for kind, layer, function in (
        ("max", MaxPool1d(window, stride, padding), functional.max_pool1d),
        ("mean", AvgPool1d(window, stride, padding), functional.avg_pool1d),
    ):

        def expected(u, kind=kind):
            y, dx = loops.pool2d(
                x[:, None], (1, window), kind, lambda shape: u((shape[0], *shape[2:]))[:, None], **flat
            )
            return y[:, 0], dx[:, 0]

        compared(
            lambda x, function=function: function(x, window, stride, padding), layer, x, rng, expected, dtype
        )


@DTYPES
@pytest.mark.parametrize("shape", [(4, 3, 5), (6, 5), (1, 1, 2)])
def test_all_places(shape, dtype, rng):
    x = rng.integers(-3, 4, (3, *shape)).astype(dtype)
    axes = tuple(range(1, x.ndim - 1))
    flat = x.reshape(3, -1, shape[-1])
    u = rng.standard_normal((3, shape[-1])).astype(dtype)
    means = np.broadcast_to(u.reshape(3, *(1,) * len(axes), -1) / flat.shape[1], x.shape)
    firsts = np.zeros(flat.shape)
    for n, c in np.ndindex(3, shape[-1]):
        firsts[n, list(flat[n, :, c]).index(flat[n, :, c].max()), c] = u[n, c]
    for function, layer, value, slope in (
        (functional.global_avg_pool, GlobalAvgPool(), x.mean(axis=axes, dtype=float), means),
        (functional.global_max_pool, GlobalMaxPool(), x.max(axis=axes), firsts.reshape(x.shape)),
    ):

        def expected(draw, value=value, slope=slope):
            draw(value.shape)
            return value, slope

        compared(function, layer, x, _Same(u), expected, dtype)


class _Same:
    """A generator whose first numbers are given."""

    def __init__(self, first):
        self.first, self.rng = [first], np.random.default_rng(1)

    def standard_normal(self, shape):
        return self.first.pop() if self.first else self.rng.standard_normal(shape)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: functional.max_pool2d(x, 2),
        functional.global_max_pool,
        lambda x: functional.max_pool2d(x, 3, 1, "same"),
    ],
)
def test_extremes(function):
    """NaN is handed on, and windows of −∞ give −∞ with a slope that stays in the image."""
    x = np.zeros((1, 4, 4, 1))
    x[0, 1, 1, 0] = np.nan
    assert np.isnan(function(x)).any()
    low = np.full((1, 4, 4, 1), -np.inf)
    y, slope = vjp(function, low, np.ones(np.shape(function(low))))
    assert np.isneginf(y).all()
    assert slope.sum() == np.size(y)


def test_second_derivatives_through_pooling(rng):
    x = rng.standard_normal((2, 5, 5, 2))
    pools = (
        lambda x: functional.max_pool2d(x, 2, 1, 1),
        lambda x: functional.avg_pool2d(x, 3, 2, "same"),
        lambda x: functional.max_pool1d(x[:, 0], 2),
        lambda x: functional.avg_pool1d(x[:, 0], 2),
        functional.global_max_pool,
        functional.global_avg_pool,
    )
    for pool in pools:

        def objective(at, pool=pool):
            return np.sum(np.sin(pool(at**3)))

        assert bh.check_gradient(objective, x)
        v, t = rng.standard_normal(x.shape), 1e-6
        slope = (bh.grad(objective)(x + t * v) - bh.grad(objective)(x - t * v)) / (2 * t)
        np.testing.assert_allclose(bh.hvp(objective, x, v), slope, rtol=1e-5, atol=1e-6)


# normalisation -------------------------------------------------------------------------------------------------------


@DTYPES
@pytest.mark.parametrize("shape", [(4, 5, 6), (7, 6), (6,)])
@pytest.mark.parametrize("groups", [1, 2, 6])
def test_group_norm(groups, shape, dtype, rng):
    x = rng.normal(3.0, 2.0, (4, *shape)).astype(dtype)
    scale, shift = rng.standard_normal((2, shape[-1])).astype(dtype)
    split = x.astype(float).reshape(4, -1, groups, shape[-1] // groups)
    mean, variance = split.mean(axis=(1, 3), keepdims=True), split.var(axis=(1, 3), keepdims=True)
    expected = ((split - mean) / np.sqrt(variance + 1e-3)).reshape(x.shape) * scale + shift
    for training in (False, True):
        f, _ = GroupNorm(groups, epsilon=1e-3).forward(x, (scale, shift), Pass(training=training))
        assert f.dtype == dtype
        np.testing.assert_allclose(f, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(functional.group_norm(x, groups, scale, shift, epsilon=1e-3), f)
    if groups == 1 and len(shape) == 1:
        g, _ = LayerNorm(epsilon=1e-3).forward(x, (scale, shift), Pass())
        np.testing.assert_allclose(f, g, rtol=1e-5, atol=1e-6)


@DTYPES
@pytest.mark.parametrize("shape", [(4, 5, 3), (3,)])
def test_batch_norm_as_a_function(shape, dtype, rng):
    x = rng.normal(3.0, 2.0, (6, *shape)).astype(dtype)
    scale, shift = rng.standard_normal((2, 3)).astype(dtype)
    buffers = {"mean": np.zeros(3, dtype), "variance": np.ones(3, dtype)}
    training = Pass(training=True, buffers=buffers)
    f, saved = BatchNorm().forward(x, (scale, shift), training)
    np.testing.assert_array_equal(functional.batch_norm(x, scale, shift), f)
    u = rng.standard_normal(f.shape).astype(dtype)
    found = vjp(lambda at: functional.batch_norm(*at), (x, scale, shift), u)[1]
    slope, gradients = BatchNorm().backward(u, saved, (scale, shift))
    for ours, theirs in zip((slope, *gradients), found, strict=True):
        assert theirs.dtype == dtype
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4 if dtype == np.float32 else 1e-12)
    used = Pass(buffers={"mean": shift, "variance": scale**2})
    f, _ = BatchNorm().forward(x, (scale, shift), used)
    np.testing.assert_array_equal(functional.batch_norm(x, scale, shift, shift, scale**2), f)


# dropout, images -----------------------------------------------------------------------------------------------------


@DTYPES
@pytest.mark.parametrize("places", [(4, 3), (7,)])
def test_dropout_of_channels_by_the_letter(places, dtype):
    net = Network([Dropout2d(0.25)], (*places, 5))
    x = np.ones((6, *places, 5), dtype)
    f = net.forward(np.zeros(0, dtype), x, training=True, key=77)[0]
    drawn = (bits(derive(77, 0), np.arange(30)).reshape(6, 5) >> np.uint64(40)) >= round(0.25 * 2**24)
    np.testing.assert_array_equal(
        f, np.broadcast_to((drawn * dtype(1 / 0.75)).reshape(6, *(1,) * len(places), 5), x.shape)
    )
    part = net.forward(np.zeros(0, dtype), x[2:], training=True, key=77, first_row=2)[0]
    np.testing.assert_array_equal(part, f[2:])
    np.testing.assert_array_equal(net.forward(np.zeros(0, dtype), x, key=77)[0], x)


def test_orders_of_images(rng):
    images = rng.standard_normal((5, 4, 3, 2))
    first = np.moveaxis(images, 3, 1)
    for layer, rows in (
        (Image(4, 3, 2), images),
        (Image(4, 3, 2), images.reshape(5, -1)),
        (Image(4, 3, 2, order="NCHW"), first),
        (Image(4, 3, 2, order="NCHW"), first.reshape(5, -1)),
        (Reshape((4, 3, 2)), images.reshape(5, -1)),
        (Reshape((4, 3, 2)), images.reshape(5, 3, 8)),
    ):
        f, saved = layer.forward(rows, (), Pass())
        np.testing.assert_array_equal(f, images)
        np.testing.assert_array_equal(layer.backward(f, saved, ())[0], rows)
    assert Image(4, 3).output_shape((4, 3)) == Image(4, 3).output_shape((12,)) == (4, 3, 1)
    back, _ = Sequential(Image(4, 3, 2), Flatten()).forward(images.reshape(5, -1), (), Pass())
    np.testing.assert_array_equal(back, images.reshape(5, -1))


# residuals -----------------------------------------------------------------------------------------------------------


def test_projections_are_what_fits():
    block = Residual(Conv2d(8, 3, stride=2, padding="same"), BatchNorm(), ReLU(), projection="auto")
    assert block.projected((9, 8, 4)) == Conv2d(8, 1, stride=2, bias=False)
    assert block.projected((9, 8, 8)) == Conv2d(8, 1, stride=2, bias=False)
    assert block.output_shape((9, 8, 4)) == (5, 4, 8)
    same = Residual(Conv2d(8, 3, padding="same"), projection="auto")
    assert same.projected((9, 8, 8)) is None
    assert [p.name for p in same.parameters((9, 8, 8))] == ["residual.0.weight", "residual.0.bias"]
    assert same.projected((9, 8, 3)) == Conv2d(8, 1, bias=False)
    assert Residual(Dense(3), projection="auto").projected((5,)) == Dense(3, bias=False)


def test_residual_adds_its_projection(rng):
    g, p = Conv2d(4, 3, stride=2, padding="same"), Sequential(Conv2d(4, 1, stride=2), BatchNorm())
    net = Network([Residual(g, projection=p)], (6, 5, 3))
    assert [slot.name for slot in net.layout] == [
        "0.projection.0.weight", "0.projection.0.bias", "0.projection.1.scale", "0.projection.1.shift",
        "0.residual.0.weight", "0.residual.0.bias",
    ]  # fmt: skip
    assert [slot.name for slot in net.buffer_layout] == ["0.projection.1.mean", "0.projection.1.variance"]
    beta, X = net.initial(3) + 0.1, rng.standard_normal((4, 6, 5, 3))
    f, _, after = net.forward(beta, X, training=True)
    v = net.views(beta)
    aside = functional.conv2d(X, v["0.projection.0.weight"], v["0.projection.0.bias"], stride=2)
    aside = functional.batch_norm(aside, v["0.projection.1.scale"], v["0.projection.1.shift"])
    inner = functional.conv2d(X, v["0.residual.0.weight"], v["0.residual.0.bias"], stride=2, padding="same")
    np.testing.assert_allclose(f, aside + inner, rtol=1e-12, atol=1e-12)
    assert (after != net.initial_buffers()).any()


@pytest.mark.parametrize("window", [16, 17])  # 256 numbers, and more than a byte counts
def test_large_windows(window, rng):
    x = rng.standard_normal((2, window, window + 1, 3))
    x[0, -1, window - 1, 0] = 9.0
    y, slope = vjp(lambda x: functional.max_pool2d(x, window, stride=1), x, np.ones((2, 1, 2, 3)))
    expected = np.stack([x[:, :, at : at + window].max(axis=(1, 2)) for at in (0, 1)], axis=1)[:, None]
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(slope * x, slope * np.where(slope > 0, x, 0))
    assert np.sum(slope * x) == pytest.approx(expected.sum(), rel=1e-12)
    assert slope[0, -1, window - 1, 0] == 2.0


def test_infinite_slopes_stay_where_they_belong():
    slope = vjp(
        lambda x: functional.max_pool2d(x, 2),
        np.arange(16.0).reshape(1, 4, 4, 1),
        np.full((1, 2, 2, 1), np.inf),
    )
    assert sorted(np.unique(slope[1])) == [0.0, np.inf]

"""Convolution over strides, paddings, dilations, groups and odd sizes, beside sums written out as loops."""

from __future__ import annotations

from itertools import product

import image_loops as loops
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import betahat as bh
from betahat.autodiff import vjp
from betahat.layers import Conv1d, Conv2d, Pass
from betahat.layers.functional import conv1d, conv2d

STRIDES = [1, 2, (1, 3)]
PADDINGS = ["valid", "same", 1, ((0, 2), (1, 0))]
DILATIONS = [1, 2, (2, 1)]
GROUPS = [(4, 6, 1), (4, 6, 2), (3, 6, 3), (1, 2, 1)]  # channels, filters, groups
IMAGES = [((5, 7), (3, 2)), ((6, 5), (2, 3)), ((3, 3), (1, 1))]
TOLERANCE = {np.float32: 1e-5, np.float64: 1e-12}
DTYPES = pytest.mark.parametrize("dtype", TOLERANCE, ids=lambda dtype: dtype.__name__)


def near(found, expected, dtype):
    assert found.dtype == dtype
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE[dtype] * max(1, abs(expected).max()))


@DTYPES
@pytest.mark.parametrize("image", IMAGES, ids=str)
@pytest.mark.parametrize("group", GROUPS, ids=str)
@pytest.mark.parametrize("dilation", DILATIONS, ids=str)
@pytest.mark.parametrize("padding", PADDINGS, ids=str)
@pytest.mark.parametrize("stride", STRIDES, ids=str)
def test_values_and_gradients(stride, padding, dilation, group, image, dtype, rng):
    (sizes, window), (channels, filters, groups) = image, group
    x = rng.standard_normal((2, *sizes, channels)).astype(dtype)
    w = rng.standard_normal((*window, channels // groups, filters)).astype(dtype)
    b = rng.standard_normal(filters).astype(dtype)
    how = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    draws = {}

    def u(shape):
        return draws.setdefault(0, rng.standard_normal(shape).astype(dtype))

    y, dx, dw = loops.conv2d(x, w, u, **how)
    near(conv2d(x, w, b, **how), y + b, dtype)
    found, gradients = vjp(lambda at: conv2d(*at, **how), (x, w, b), draws[0])
    near(found, y + b, dtype)
    for gradient, expected in zip(
        gradients, (dx, dw, draws[0].astype(float).sum(axis=(0, 1, 2))), strict=True
    ):
        near(gradient, expected, dtype)
    layer = Conv2d(filters, window, **how)
    assert layer.output_shape(x.shape[1:]) == y.shape[1:]
    f, saved = layer.forward(x, (w, b), Pass())
    near(f, y + b, dtype)
    slope, (weight, bias) = layer.backward(draws[0], saved, (w, b))
    for gradient, expected in zip((slope, weight, bias), gradients, strict=True):
        np.testing.assert_allclose(gradient, expected, rtol=1e-12 if dtype == np.float64 else 1e-4, atol=1e-5)


@DTYPES
@pytest.mark.parametrize("padding", ["valid", "same", 2, (0, 3), ((0, 3),)], ids=str)
@pytest.mark.parametrize(("stride", "dilation", "groups"), list(product([1, 2, 3], [1, 2], [1, 2])))
def test_sequences_are_images_of_one_row(stride, dilation, groups, padding, dtype, rng):
    x = rng.standard_normal((3, 9, 4)).astype(dtype)
    w = rng.standard_normal((3, 4 // groups, 6)).astype(dtype)
    sides = padding if isinstance(padding, (str, int)) else (0, 3)
    flat = sides if isinstance(sides, str) else ((0, 0), (sides, sides) if isinstance(sides, int) else sides)
    how = {"stride": (1, stride), "padding": flat, "dilation": (1, dilation), "groups": groups}
    draws = {}

    def u(shape):
        return draws.setdefault(0, rng.standard_normal(shape).astype(dtype))

    y, dx, dw = loops.conv2d(x[:, None], w[None], u, **how)
    own = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    near(conv1d(x, w, **own), y[:, 0], dtype)
    layer = Conv1d(6, 3, bias=False, **own)
    f, saved = layer.forward(x, (w,), Pass())
    near(f, y[:, 0], dtype)
    slope, (weight,) = layer.backward(draws[0][:, 0], saved, (w,))
    near(slope, dx[:, 0], dtype)
    near(weight, dw[0], dtype)


def test_a_convolution_of_one_pixel_is_dense(rng):
    x, w = rng.standard_normal((3, 4, 5, 6)), rng.standard_normal((6, 7))
    np.testing.assert_allclose(conv2d(x, w[None, None]), x @ w, rtol=1e-13)
    whole = rng.standard_normal((4, 5, 6, 2))
    np.testing.assert_allclose(
        conv2d(x, whole)[:, 0, 0], x.reshape(3, -1) @ whole.reshape(-1, 2), rtol=1e-12, atol=1e-12
    )


def test_signals_beside_numpy(rng):
    """np.convolve turns the filter round; its "same" and "full" pad as ours do."""
    a, v = rng.standard_normal(11), rng.standard_normal(4)
    x, w = a[None, :, None], v[::-1, None, None]
    np.testing.assert_allclose(conv1d(x, w, padding=3).ravel(), np.convolve(a, v), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(conv1d(x, w).ravel(), np.convolve(a, v, "valid"), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("size", range(1, 12))
@pytest.mark.parametrize(("window", "stride", "dilation"), list(product([1, 2, 3, 5], [1, 2, 3], [1, 2])))
def test_same_makes_a_window_for_each_step(size, window, stride, dilation):
    layer = Conv1d(1, window, stride=stride, padding="same", dilation=dilation)
    windows = layer.windows((size, 1))
    assert windows.output == (-(-size // stride),)
    (before,), (after,) = windows.before, windows.after
    assert after - before in (0, 1)


def test_many_parts_of_a_batch(rng):
    """More images than are laid out at once: the same numbers, and weights added up over the parts."""
    x = rng.standard_normal((40, 32, 32, 16)).astype(np.float32)
    w = rng.standard_normal((3, 3, 16, 2)).astype(np.float32)
    u = rng.standard_normal((40, 32, 32, 2)).astype(np.float32)
    layer = Conv2d(2, 3, padding="same", bias=False)
    f, saved = layer.forward(x, (w,), Pass())
    dx, (dw,) = layer.backward(u, saved, (w,))
    total = 0.0
    for n in range(len(x)):
        one = x[n : n + 1].astype(float)
        alone, kept = layer.forward(one, (w.astype(float),), Pass())
        slope, (weight,) = layer.backward(u[n : n + 1].astype(float), kept, (w.astype(float),))
        np.testing.assert_allclose(f[n], alone[0], rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(dx[n], slope[0], rtol=1e-4, atol=1e-4)
        total = total + weight
    np.testing.assert_allclose(dw, total, rtol=1e-4, atol=1e-4 * abs(total).max())


def test_derivatives_of_higher_order(rng):
    """Forward mode, Hessian and third derivatives of a function that is bent in x and w."""
    x, w, b = rng.standard_normal((2, 4, 3, 2)), rng.standard_normal((2, 2, 1, 4)), rng.standard_normal(4)
    how = {"stride": (2, 1), "padding": ((1, 0), (0, 1)), "groups": 2}

    def objective(at):
        f = np.tanh(conv2d(*at, **how))
        return np.sum(f**2 * np.cos(f))

    assert bh.check_gradient(lambda x: objective((x, w, b)), x)
    assert bh.check_gradient(lambda w: objective((x, w, b)), w)
    assert bh.check_gradient(lambda b: objective((x, w, b)), b)
    for place, point in enumerate((x, w)):

        def along(at, place=place):
            parts = [x, w, b]
            parts[place] = at
            return objective(parts)

        H = bh.hessian(along)(point).reshape(point.size, point.size)
        np.testing.assert_allclose(H, H.T, rtol=1e-11, atol=1e-12)
        v, t = rng.standard_normal(point.shape), 1e-4
        gradient = bh.grad(along)
        slope = (8 * (gradient(point + t * v) - gradient(point - t * v))
                 - (gradient(point + 2 * t * v) - gradient(point - 2 * t * v))) / (12 * t)  # fmt: skip
        np.testing.assert_allclose(H @ v.ravel(), slope.ravel(), rtol=1e-7, atol=1e-8)
        np.testing.assert_allclose(bh.hvp(along, point, v).ravel(), H @ v.ravel(), rtol=1e-10, atol=1e-11)
        third = bh.grad(lambda at, along=along, v=v: np.sum(v * bh.hvp(along, at, v)))(point)
        way = rng.standard_normal(point.shape)
        bent = [np.sum(v * bh.hvp(along, point + sign * t * way, v)) for sign in (1, -1)]
        assert np.sum(third * way) == pytest.approx((bent[0] - bent[1]) / (2 * t), rel=1e-5, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), seed=st.integers(0, 2**32))
def test_the_three_products_are_each_others_transposes(data, seed):
    """⟨u, y(x, w)⟩ = ⟨∂x, x⟩ = ⟨∂w, w⟩ for any window that fits."""
    rng = np.random.default_rng(seed)
    small = st.integers(1, 3)
    groups, window = data.draw(small), (data.draw(small), data.draw(small))
    sides = tuple((data.draw(st.integers(0, 3)), data.draw(st.integers(0, 3))) for _ in range(2))
    dilation, stride = (data.draw(small), data.draw(small)), (data.draw(small), data.draw(small))
    sizes = tuple(
        data.draw(st.integers(max(1, (k - 1) * d + 1 - a - b), 8))
        for k, d, (a, b) in zip(window, dilation, sides, strict=True)
    )
    x = rng.standard_normal((data.draw(small), *sizes, groups * data.draw(small)))
    w = rng.standard_normal((*window, x.shape[-1] // groups, groups * data.draw(small)))
    how = {"stride": stride, "padding": sides, "dilation": dilation, "groups": groups}
    y = conv2d(x, w, **how)
    u = rng.standard_normal(y.shape)
    dx, dw = vjp(lambda at: conv2d(*at, **how), (x, w), u)[1]
    whole = np.sum(u * y)
    size = np.sqrt(np.sum(u**2) * np.sum(y**2)) + 1
    assert np.sum(dx * x) == pytest.approx(whole, abs=1e-12 * size * 10)
    assert np.sum(dw * w) == pytest.approx(whole, abs=1e-12 * size * 10)

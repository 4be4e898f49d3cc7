"""∂J/∂x added from products of all taps, against sums written out in NumPy."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from betahat.kernels.aligned import aligned
from betahat.kernels.network.operations import FIRST, REGISTER
from betahat.kernels.network.taps import taps_back

IMAGES, FILTERS = 3, 5


def places(shape, before, window, stride, dilation):
    """Of windows along each axis, of images that are padded by as much behind as before."""
    reach = [(n - 1) * d + 1 for n, d in zip(window, dilation, strict=True)]
    return [(n + 2 * b - r) // t + 1 for n, b, r, t in zip(shape, before, reach, stride, strict=True)]


CASES = [
    (*sizes, window, stride, dilation)
    for sizes, window, stride, dilation in product(
        [((6, 40), (1, 2)), ((4, 3), (2, 2)), ((9, 7), (0, 0)), ((5, 23), (3, 4))],
        [(1, 1), (3, 3), (2, 5)],
        [(1, 1), (2, 2), (1, 3)],
        [(1, 1), (2, 1), (1, 3)],
    )
    if min(places(*sizes, window, stride, dilation)) > 0
]


def expected(s, W, shape, stride, dilation, before):
    """Σ over taps and filters of W s where each tap was."""
    dx = np.zeros((len(s), *shape, W.shape[2]))
    for i, j in np.ndindex(s.shape[1:3]):
        for k, m in np.ndindex(W.shape[:2]):
            y, x = i * stride[0] + k * dilation[0] - before[0], j * stride[1] + m * dilation[1] - before[1]
            if 0 <= y < shape[0] and 0 <= x < shape[1]:
                dx[:, y, x] += s[:, i, j] @ W[k, m].T
    return dx


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("gap", [0, 13], ids=["places that follow", "gaps between places"])
@pytest.mark.parametrize("channels", [1, 3, 7, 40])
@pytest.mark.parametrize(("shape", "before", "window", "stride", "dilation"), CASES)
def test_taps(shape, before, channels, window, stride, dilation, gap, dtype):
    out = places(shape, before, window, stride, dilation)
    rng = np.random.default_rng(0)
    size, taps = np.dtype(dtype).itemsize, window[0] * window[1]
    s = rng.standard_normal((IMAGES, *out, FILTERS)).astype(dtype)
    W = rng.standard_normal((*window, channels, FILTERS)).astype(dtype)
    registers = -(-taps * channels * size // REGISTER)
    wide = registers * REGISTER // size
    turned = aligned((FILTERS, wide), dtype)
    turned[:, : taps * channels] = W.reshape(-1, FILTERS).T
    guard = 64  # numbers behind the images that are nobody's
    place = channels + gap
    memory = np.full(IMAGES * shape[0] * shape[1] * place + guard, np.nan, dtype)
    dx = memory[:-guard].reshape(IMAGES, *shape, place)
    zeros = np.zeros(wide, dtype)
    lines = 2  # at once
    table = np.array(
        [FILTERS, channels, registers, FILTERS * size, place * size, shape[1] * place * size]
        + [
            n
            for axis in range(2)
            for n in (out[axis], shape[axis], window[axis], stride[axis], dilation[axis], before[axis])
        ]
        + [lines]
    )
    op = np.zeros(FIRST + 17, np.int64)
    op[FIRST : FIRST + 8] = [
        s.ctypes.data, s[0].nbytes, dx.ctypes.data, dx[0].nbytes, turned.ctypes.data, turned.strides[0],
        zeros.ctypes.data, table.ctypes.data,
    ]  # fmt: skip
    own = np.zeros(lines * out[1] * registers * REGISTER // 8)
    dx[0] = -1.0  # images before the first are another's
    taps_back(
        op, np.zeros(4), np.zeros(64, np.int64), 0, 1, IMAGES - 1, IMAGES, 0, 0, 0, own, np.empty(0, dtype)
    )
    right = expected(s.astype(float), W.astype(float), shape, stride, dilation, before)
    tolerance = 1e-5 if dtype == np.float32 else 1e-13
    np.testing.assert_allclose(dx[1:, ..., :channels], right[1:], rtol=tolerance, atol=tolerance * 10)
    assert (dx[0] == -1.0).all()
    assert np.isnan(memory[-guard:]).all()
    assert (dx[1:, ..., channels:] == 0).all()

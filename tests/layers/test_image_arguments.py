"""What the layers and functions of images refuse, by name; and how they are written and stored."""

from __future__ import annotations

import numpy as np
import pytest

import betahat as bh
from betahat.layers import (
    AvgPool2d,
    BatchNorm,
    Conv1d,
    Conv2d,
    Dense,
    Dropout2d,
    Embedding,
    Flatten,
    GlobalAvgPool,
    GlobalMaxPool,
    GroupNorm,
    Image,
    MaxPool1d,
    MaxPool2d,
    Pass,
    ReLU,
    Reshape,
    Residual,
    functional,
)
from betahat.models.network import Network

X, W = np.ones((2, 5, 5, 3)), np.ones((3, 3, 3, 4))

MADE = [
    (lambda: Conv2d(0, 3), ValueError, r"filters of Conv2d \(=0\) must be at least 1"),
    (lambda: Conv2d(8, 0), ValueError, r"kernel_size of Conv2d \(=0\) must be at least 1"),
    (lambda: Conv2d(8, (3, 3, 3)), ValueError, r"kernel_size of Conv2d \(=\(3, 3, 3\)\) must be .*\(height, width\)"),
    (lambda: Conv2d(8, 2.5), TypeError, r"kernel_size of Conv2d \(=2.5\) must be a whole number"),
    (lambda: Conv2d(8, 3, stride=0), ValueError, r"stride of Conv2d \(=0\) must be at least 1"),
    (lambda: Conv2d(8, 3, stride=(1, 0)), ValueError, r"stride of Conv2d\[1\] \(=0\) must be at least 1"),
    (lambda: Conv2d(8, 3, dilation=0), ValueError, r"dilation of Conv2d \(=0\) must be at least 1"),
    (lambda: Conv2d(8, 3, padding=-1), ValueError, r"padding of Conv2d \(=-1\) must be at least 0"),
    (lambda: Conv2d(8, 3, padding="full"), ValueError, r"padding of Conv2d \(='full'\) must be \"same\", \"valid\""),
    (lambda: Conv2d(8, 3, padding=(1, 2)), ValueError, r"or \(\(top, bottom\), \(left, right\)\)"),
    (lambda: Conv2d(8, 3, padding=((1, -1), (0, 0))), ValueError, r"padding of Conv2d \(=-1\)"),
    (lambda: Conv1d(8, 3, padding=(1, 2, 3)), ValueError, r"a whole number or \(before, after\)"),
    (lambda: Conv2d(8, 3, groups=3), ValueError, r"Conv2d: `filters` \(=8\) must be divisible by `groups` \(=3\)"),
    (lambda: Conv2d(8, 3, groups=0), ValueError, r"groups of Conv2d \(=0\) must be at least 1"),
    (lambda: Conv2d(8, 3, bias=1), TypeError, r"bias of Conv2d \(=1\) must be True or False"),
    (lambda: Conv2d(8, 3, initialisation="he"), ValueError, r"initialisation of Conv2d \(='he'\)"),
    (lambda: MaxPool2d(0), ValueError, r"window of MaxPool2d \(=0\) must be at least 1"),
    (lambda: MaxPool1d(2, stride=0), ValueError, r"stride of MaxPool1d \(=0\) must be at least 1"),
    (lambda: MaxPool1d((2, 2)), ValueError, r"\(length\)"),
    (lambda: AvgPool2d(2, count_include_pad=1), TypeError, "count_include_pad of AvgPool2d"),
    (lambda: GroupNorm(0), ValueError, r"groups of GroupNorm \(=0\)"),
    (lambda: GroupNorm(2, epsilon=0), ValueError, r"epsilon of GroupNorm \(=0\) must be above 0"),
    (lambda: Dropout2d(1.0), ValueError, r"rate \(=1.0\) of Dropout2d drops every unit"),
    (lambda: Image(28, 28, order="HWC"), ValueError, r"order \(='HWC'\) of Image must be"),
    (lambda: Image(28, 0), ValueError, r"width of Image \(=0\)"),
    (lambda: Reshape((3, -1)), ValueError, r"shape of Reshape\[1\] \(=-1\)"),
    (lambda: Residual(Dense(3), projection="same"), ValueError, r"projection \(='same'\) of Residual"),
    (lambda: Residual(Dense(3), projection=3), TypeError, r"projection of Residual\[0\] \(=3\) must be a layer"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "error", "message"), MADE, ids=[message for _, _, message in MADE])
def test_wrong_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()


SHAPES = [
    (Conv2d(8, 3), (784,), r"Conv2d\(8, 3\) takes .*images.*, and is given shape \(784,\): put Image\(height"),
    (Conv2d(8, 3), (28, 28), r"takes rows that are images \(height, width, channels\)"),
    (Conv1d(8, 3), (50,), r"sequences \(length, channels\), and is given shape \(50,\): put Reshape\(\(length"),
    (Conv2d(4, 3, groups=2), (5, 5, 3), r"`in_channels` \(=3\) must be divisible by `groups` \(=2\)"),
    (Conv2d(8, 5), (3, 4, 1), r"window of 5 × 5, larger than what it is given: 3 × 4\. Make"),
    (Conv2d(8, 5, padding=((0, 1), (0, 0))), (3, 9, 1), r"given: 3 × 9, 4 × 9 with its padding"),
    (Conv2d(8, 3, dilation=4), (8, 9, 1), r"window of 3 × 3, which reaches over 9 × 9 with dilation 4, larger"),
    (MaxPool2d(2), (1, 4, 2), r"MaxPool2d\(2\) has a window of 2 × 2, larger than what it is given: 1 × 4"),
    (MaxPool2d(2, padding=2), (4, 4, 1), "nothing but padding"),
    (AvgPool2d(1, padding=1), (4, 4, 1), "nothing but padding"),
    (MaxPool2d(2), (4, 4), "takes rows that are images"),
    (GlobalAvgPool(), (4,), r"takes images \(height, width, channels\) or sequences"),
    (GlobalMaxPool(), (), r"is given shape \(\)"),
    (Dropout2d(0.5), (4,), "takes images"),
    (GroupNorm(2), (4, 4, 3), r"`channels` \(=3\) must be divisible by `groups` \(=2\)"),
    (Image(28, 28), (785,), r"takes rows of shape \(784,\) or \(28, 28, 1\), HWC, and is given \(785,\)$"),
    (Image(28, 30, 3), (3, 28, 30), r'is given \(3, 28, 30\): order="NCHW"\?'),
    (Image(28, 30, 3, order="NCHW"), (28, 30, 3), r': order="NHWC"\?'),
    (Image(28, 30), (30, 28, 1), "are height and width the wrong way round"),
    (Reshape((3, 2)), (5,), r"makes rows of 6 numbers, and is given shape \(5,\), of 5"),
    (Residual(Conv2d(8, 3)), (6, 6, 8), r'x \+ g\(x\) needs equal shapes, or give projection="auto"'),
    (Residual(Conv2d(8, 3, stride=2, padding="same"), projection=Conv2d(8, 1)), (6, 6, 8), "p.x. . g.x. needs equal"),
    (Residual(Conv2d(8, 3), projection="auto"), (6, 6, 8), r"no convolution of 1 × 1 makes shape \(4, 4, 8\)"),
    (Residual(Flatten(), projection="auto"), (6, 6, 8), "no convolution of 1 × 1 makes shape"),
]  # fmt: skip


@pytest.mark.parametrize(("layer", "shape", "message"), SHAPES)
def test_shapes_that_do_not_fit(layer, shape, message):
    with pytest.raises(ValueError, match=message):
        Network([layer], shape)


FUNCTIONS = [
    (lambda: functional.conv2d(X.astype(np.uint8), W), TypeError, "x of conv2d holds uint8; expected float32"),
    (lambda: functional.conv2d(X, W.astype(int)), TypeError, "w of conv2d holds int64"),
    (lambda: functional.conv2d(X[0], W), ValueError, r"x of conv2d has shape \(5, 5, 3\).*one row is x\[None\]"),
    (lambda: functional.conv2d(X[0, 0], W), ValueError, r"x of conv2d has shape \(5, 3\); expected"),
    (lambda: functional.conv2d(X, W[:, :, :2]), ValueError, r"w of conv2d .* expected \(kh, kw, 3, filters\)"),
    (lambda: functional.conv2d(X, np.ones((4, 3, 2, 2))), ValueError, r"PyTorch's weights .*transpose\(2, 3, 1, 0\)"),
    (lambda: functional.conv2d(X, W[..., 0]), ValueError, r"w of conv2d has shape \(3, 3, 3\)"),
    (lambda: functional.conv2d(X, W, np.ones(3)), ValueError, r"b of conv2d has shape \(3,\); expected \(4,\)"),
    (lambda: functional.conv2d(X, W, groups=2), ValueError, r"conv2d: `in_channels` \(=3\) must be divisible"),
    (lambda: functional.conv2d(X, W[:, :, :1], groups=3), ValueError, r"conv2d: `filters` \(=4\) must be divisible"),
    (lambda: functional.conv2d(X, W, stride=0), ValueError, r"stride of conv2d \(=0\) must be at least 1"),
    (lambda: functional.conv2d(X, W, dilation=3), ValueError, r"window of 3 × 3, which reaches over 7 × 7"),
    (lambda: functional.conv2d(X[:, :0], W, padding=2), ValueError, "rows in which there is nothing"),
    (lambda: functional.conv1d(X, W), ValueError, r"x of conv1d has shape .*; expected \(n, length, channels\)$"),
    (lambda: functional.max_pool2d(X, 6), ValueError, "max_pool2d has a window of 6 × 6, larger"),
    (lambda: functional.max_pool2d(X > 0, 2), TypeError, "x of max_pool2d holds bool"),
    (lambda: functional.max_pool2d(X, 2, padding=2), ValueError, "max_pool2d has a window with nothing but padding"),
    (lambda: functional.avg_pool2d(X, 2, count_include_pad="no"), TypeError, "count_include_pad of avg_pool2d"),
    (lambda: functional.global_max_pool(X[:, 0, 0]), ValueError, "x of global_max_pool has shape"),
    (lambda: functional.batch_norm(X, mean=np.ones(3)), ValueError, "mean and variance of batch_norm belong together"),
    (lambda: functional.batch_norm(X, mean=np.ones(3), variance=-np.ones(3)), ValueError, "below 0"),
    (lambda: functional.batch_norm(X, np.ones(2)), ValueError, r"scale of batch_norm .* expected \(3,\)"),
    (lambda: functional.batch_norm(X[:0]), ValueError, "no rows"),
    (lambda: functional.group_norm(X, 2), ValueError, r"group_norm: `channels` \(=3\) must be divisible"),
    (lambda: functional.group_norm(X, 3, epsilon=-1.0), ValueError, "epsilon of group_norm"),
    (lambda: functional.group_norm(X[0, 0, 0], 1), ValueError, r"expected \(n, …, channels\)"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("call", "error", "message"), FUNCTIONS, ids=[message for _, _, message in FUNCTIONS]
)
def test_wrong_arguments_of_functions(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_images(dtype):
    """None in, none out, and weights that nothing is known of have no slope."""
    x, w = X[:0].astype(dtype), W.astype(dtype)
    assert functional.conv2d(x, w).shape == (0, 3, 3, 4)
    assert functional.max_pool2d(x, 2).shape == functional.avg_pool2d(x, 2).shape == (0, 2, 2, 3)
    layer = Conv2d(4, 3, bias=False)
    f, saved = layer.forward(x, (w,), Pass())
    dx, (dw,) = layer.backward(f, saved, (w,))
    assert (f.dtype, dx.shape, dw.shape, dw.any()) == (dtype, x.shape, w.shape, False)


def test_arguments_in_one_form():
    """What says the same is equal, and is written shortly."""
    assert (
        Conv2d(8, (3, 3), stride=(1, 1), padding="valid")
        == Conv2d(8, 3)
        == Conv2d(8, [3, 3], padding=((0, 0), (0, 0)))
    )
    assert repr(Conv2d(8, (3, 3), stride=(1, 1), padding="valid")) == "Conv2d(8, 3)"
    assert repr(Conv2d(8, (3, 1), padding=[[1, 1], [0, 0]])) == "Conv2d(8, (3, 1), padding=((1, 1), (0, 0)))"
    assert Conv1d(8, (3,), padding=(1, 1)) == Conv1d(8, 3, padding=1) == Conv1d(8, 3, padding=((1, 1),))
    assert MaxPool2d((2, 2), stride=2) == MaxPool2d(2)
    assert (
        repr(AvgPool2d(3, stride=2, count_include_pad=True))
        == "AvgPool2d(3, stride=2, count_include_pad=True)"
    )


def test_weights_begin_as_their_window_suits(rng):
    """He's 2/fan_in before ReLU, looked for behind normalisation and pooling."""
    net = Network(
        [Conv2d(64, 3, groups=2), BatchNorm(), MaxPool2d(2), ReLU(), Conv2d(48, (5, 3)), Flatten(), Dense(2)],
        (20, 20, 32),
    )
    how = {
        slot.name: (slot.parameter.initialisation, slot.parameter.fan_in, slot.parameter.fan_out)
        for slot in net.layout
    }
    assert how["0.weight"] == ("he_uniform", 9 * 16, 9 * 32)
    assert how["4.weight"] == ("glorot_uniform", 15 * 64, 15 * 48)
    views = net.views(net.initial())
    assert views["0.weight"].var() == pytest.approx(2 / 144, rel=0.05)
    assert not views["0.bias"].any()
    assert [slot.penalised for slot in net.layout[:2]] == [True, False]


# estimators ----------------------------------------------------------------------------------------------------------


def bars(rng, n):
    """Small images with an upright or a level bar somewhere."""
    images, y = rng.normal(0.0, 0.3, (n, 6, 6)), rng.integers(0, 2, n)
    place = rng.integers(0, 6, n)
    for image, kind, at in zip(images, y, place, strict=True):
        image[(slice(None), at) if kind else (at, slice(None))] += 1.5
    return images, y


STACKS = [
    [Image(6, 6), Conv2d(8, (6, 1)), ReLU(), GlobalMaxPool(), Dense(2)],
    [Image(6, 6, order="NCHW"), Conv2d(8, 3, padding="same", bias=False), BatchNorm(), ReLU(), MaxPool2d(2),
     Residual(Conv2d(8, 3, stride=2, padding="same"), GroupNorm(2), ReLU(), projection="auto"), Dropout2d(0.1),
     AvgPool2d(2, stride=1), Flatten(), Dense(2)],
    [Reshape((12, 3)), Conv1d(6, 3, stride=2, padding=(1, 0)), ReLU(), MaxPool1d(2), Flatten(), Dense(16), ReLU(),
     Dense(2)],
]  # fmt: skip


@pytest.mark.parametrize("stack", STACKS, ids=["columns", "residual", "sequence"])
def test_images_are_learnt_stored_and_certified(stack, tmp_path, rng):
    images, y = bars(rng, 400)
    rows = images.reshape(400, -1)
    model = bh.NetworkClassifier(stack, max_iter=40, learning_rate_init=0.01, random_state=0).fit(
        rows[:300], y[:300]
    )
    assert model.score(rows[300:], y[300:]) > 0.9
    model.save(tmp_path / "model")
    again = bh.load(tmp_path / "model")
    assert again.layers == stack
    np.testing.assert_array_equal(again.predict_proba(rows), model.predict_proba(rows))
    certificate = model.certify(rows[:300], y[:300])
    assert certificate.status in ("not stationary", "stationary")
    assert certificate.loss < 0.4
    text = model.explain()
    assert "∂J/∂Wₖ = Σᵢ x[i · stride + k · dilation]ᵀ sᵢ" in " ".join(text.split())
    for row in Network(stack, (36,)).table():
        assert f"{row.name}: f = " in text
        assert "×".join(map(str, row.output_shape)) in text


def test_images_as_they_are_and_tokens(rng):
    images, y = bars(rng, 200)
    stack = [Conv2d(8, (6, 1)), ReLU(), GlobalMaxPool(), Dense(2)]
    model = bh.NetworkClassifier(stack, solver="lbfgs", max_iter=60, random_state=0).fit(images[..., None], y)
    assert model.score(images[..., None], y) > 0.95
    tokens = rng.integers(0, 4, (300, 9))
    pairs = ((tokens[:, 1:] == 3) & (tokens[:, :-1] == 1)).any(axis=1)
    stack = [Embedding(4, 4), Conv1d(8, 2), ReLU(), GlobalMaxPool(), Dense(2)]
    model = bh.NetworkClassifier(stack, solver="lbfgs", max_iter=200, random_state=0).fit(tokens, pairs)
    assert model.score(tokens, pairs) > 0.97


def test_rows_that_are_no_images_are_refused_when_fitted():
    stack = [Conv2d(8, 3), Flatten(), Dense(2)]
    with pytest.raises(ValueError, match=r"Conv2d\(8, 3\) takes rows that are images .* put Image\("):
        bh.NetworkClassifier(stack).fit(np.zeros((4, 9)), [0, 1, 0, 1])

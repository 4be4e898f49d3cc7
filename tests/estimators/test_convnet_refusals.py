"""Images and parameters that convolutional networks refuse, each by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

import betahat as bh

X = np.random.default_rng(0).integers(0, 256, (20, 6, 6, 3)).astype(np.uint8)
Y = np.arange(20) % 2
SMALL: dict[str, Any] = {"channels": 2, "hidden": (), "max_iter": 1, "random_state": 0}


@pytest.mark.parametrize(("parameters", "error", "words"), [
    ({"channels": ()}, ValueError, "channels"),
    ({"channels": (8, 0)}, ValueError, "channels"),
    ({"channels": "many"}, TypeError, "channels"),
    ({"kernel_size": 0}, ValueError, "kernel_size"),
    ({"kernel_size": (3, 3, 3)}, ValueError, "kernel_size"),
    ({"kernel_size": 2.5}, TypeError, "kernel_size"),
    ({"kernel_size": 7}, ValueError, r"kernel_size \(=7\) is larger than the images, 6 × 6"),
    ({"pool": "median"}, ValueError, "pool"),
    ({"hidden": (0,)}, ValueError, "hidden"),
    ({"activation": "swish!"}, ValueError, "activation"),
    ({"dropout": (0.1, 0.2)}, ValueError, "dropout"),
    ({"batch_norm": 1}, TypeError, "batch_norm"),
    ({"residual": None}, TypeError, "residual"),
    ({"architecture": "alexnet"}, ValueError, "architecture"),
    ({"architecture": "lenet", "channels": (32, 64), "hidden": (128,)}, ValueError, "12 × 12 or more"),
    ({"architecture": "lenet"}, ValueError, r"channels \(=2\) and architecture"),
    ({"image_shape": 28}, TypeError, "image_shape"),
    ({"image_shape": (28,)}, ValueError, "image_shape"),
    ({"image_shape": (0, 3)}, ValueError, "image_shape"),
    ({"image_shape": (6, 5, 3)}, bh.DataError, "6, 6, 3.*6 × 5 × 3"),
    ({"image_order": "CHWN"}, ValueError, "image_order"),
    ({"image_order": "NCHW"}, bh.DataError, 'image_order="NHWC"'),
    ({"label_smoothing": 1.0}, ValueError, "label_smoothing"),
    ({"label_smoothing": "some"}, TypeError, "label_smoothing"),
    ({"warm_start": True}, ValueError, "one_cycle"),
    ({"channels": (2, 2, 2, 2)}, ValueError, "pooled to 1 × 1 after 2 of them"),
])  # fmt: skip
def test_parameters_are_refused_by_name(
    parameters: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        bh.ConvNetClassifier(**SMALL | parameters).fit(X, Y)


@pytest.mark.parametrize(("images", "words"), [
    (X.reshape(20, -1), r"108 numbers.*image_shape=\(6, 6, 3\)\?"),
    (np.zeros((20, 50)), "50 numbers.*no square"),
    (np.zeros((20, 3, 32, 32)), 'image_order="NCHW"'),
    (np.zeros((20, 2, 2, 2, 2)), "height, width, channels"),
    (np.zeros((20, 0, 4)), "nothing|0"),
    (X[:0], "0 sample|minimum of 1"),
    (X.astype(float) * np.nan, "NaN"),
])  # fmt: skip
def test_images_are_refused_by_name(images: np.ndarray, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        bh.ConvNetClassifier(**SMALL).fit(images, Y[: len(images)])


@pytest.mark.parametrize(("images", "words"), [
    (X[..., :1], "1 channels in the place of 3"),
    (X[..., [0, 1, 2, 2]], "4 channels in the place of 3"),
    (X.transpose(0, 3, 1, 2), 'image_order="NCHW"'),
    (X[:, :5], "6 × 6 × 3"),
    (X.reshape(20, -1)[:, :-1], "6 × 6 × 3"),
    (X[0, 0, 0], "1D"),
    (np.full(X.shape, np.inf), "NaN|infinity"),
])  # fmt: skip
def test_new_images_are_refused_by_name(images: np.ndarray, words: str) -> None:
    model = bh.ConvNetClassifier(**SMALL).fit(X, Y)
    with pytest.raises(ValueError, match=words):
        model.predict(images)


@pytest.mark.parametrize(("order", "one"), [("NHWC", X[0]), ("NCHW", X[0].transpose(2, 0, 1))])
def test_one_image_needs_an_axis_for_rows(order: str, one: np.ndarray) -> None:
    images = X if order == "NHWC" else X.transpose(0, 3, 1, 2)
    model = bh.ConvNetClassifier(image_order=order, **SMALL).fit(images, Y)
    with pytest.raises(bh.DataError, match=r"one image\? Give it an axis for rows: X\[None\]"):
        model.predict(one)
    assert model.predict(one[None]).shape == (1,)


@pytest.mark.parametrize("kind", [bh.ConvNetClassifier, bh.ConvNetRegressor])
def test_nothing_to_answer_and_nothing_to_compare_with(kind: Any) -> None:
    model = kind(**SMALL).fit(X, Y)
    assert len(model.predictor()(X[:0])) == 0
    with pytest.raises(ValueError, match=r"score of ConvNet.* y is None"):
        model.score(X)


def test_channels_first_may_be_insisted_on() -> None:
    odd = np.random.default_rng(1).normal(size=(20, 3, 6, 6))
    model = bh.ConvNetClassifier(image_shape=(3, 6, 6), **SMALL).fit(odd, Y)
    assert model.image_shape_ == (3, 6, 6)


def test_what_are_no_images() -> None:
    model = bh.ConvNetClassifier(**SMALL)
    with pytest.raises(TypeError, match="sparse"):
        model.fit(scipy.sparse.csr_array(X.reshape(20, -1)), Y)
    with pytest.raises(TypeError, match=r"categories.*'b'"):
        model.fit(pd.DataFrame({"a": np.arange(20.0), "b": ["u", "v"] * 10}), Y)
    with pytest.raises(bh.DataError, match="one class only"):
        model.fit(X, np.zeros(20))
    with pytest.raises(ValueError, match="inconsistent"):
        model.fit(X, Y[:-1])
    with pytest.raises(ValueError, match="y to be passed"):
        model.fit(X)


def test_one_image() -> None:
    with pytest.raises(bh.DataError, match="one class only"):
        bh.ConvNetClassifier(**SMALL).fit(X[:1], Y[:1])
    model = bh.ConvNetRegressor(**SMALL).fit(X[:1], [3.0])
    np.testing.assert_allclose(model.predict(X[:1]), 3.0, atol=1.0)

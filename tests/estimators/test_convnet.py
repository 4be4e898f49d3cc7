"""Convolutional networks as estimators: what they are made of, which images they take, and what carries them."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import betahat as bh
from betahat.layers import (
    BatchNorm,
    Conv2d,
    Dense,
    Dropout,
    Flatten,
    GlobalMaxPool,
    MaxPool2d,
    ReLU,
    Residual,
    Tanh,
)

RNG = np.random.default_rng(3)
N = 60
X = RNG.integers(0, 256, (N, 6, 6, 3)).astype(np.uint8)
X[: N // 2, :, 2], X[N // 2 :, 2] = 255, 255  # an upright line, or a level one
Y = np.repeat(["upright", "level"], N // 2)
T = X[:, :3].mean(axis=(1, 2, 3))
SMALL: dict[str, Any] = {"channels": 4, "hidden": 8, "max_iter": 3, "random_state": 0}


# --- what they are made of ------------------------------------------------------------------------------------------


def test_a_convnet_is_the_network_of_its_layers() -> None:
    """The same bits as a stack written by hand."""
    layers = [
        Conv2d(4, 3, padding="same"), ReLU(), MaxPool2d(2), Conv2d(5, 3, padding="same"), ReLU(), MaxPool2d(2),
        Flatten(), Dense(8), ReLU(), Dropout(0.25), Dense(1),
    ]  # fmt: skip
    common = {"max_iter": 3, "random_state": 1, "batch_size": 16, "learning_rate_init": 0.01}
    made = bh.ConvNetClassifier((4, 5), hidden=8, dropout=0.25, learning_rate="constant", **common).fit(X, Y)
    by_hand = bh.NetworkClassifier(layers, **common).fit(X, Y)
    np.testing.assert_array_equal(made.predict_proba(X), by_hand.predict_proba(X))


def test_normalised_residual_blocks() -> None:
    model = bh.ConvNetClassifier(
        (4, 8), hidden=(), batch_norm=True, residual=True, activation="tanh", pool="average", max_iter=1
    ).fit(X, Y)
    block, after, *_ = model.network_.layers
    inner = [Conv2d(4, 3, padding="same", bias=False), BatchNorm()]
    assert block == Residual(*inner, Tanh(), *inner, projection="auto")
    assert after == Tanh()
    assert model.network_.table()[-1].output_shape == (1,)


def test_architectures_have_the_parameters_of_their_papers() -> None:
    """LeNet-5 with full connections between its maps: 6 (25 + 1), 16 (150 + 1), 120 (400 + 1), 84 (120 + 1), 10 (84 +
    1). ResNet-9: 3 × 3 windows without biases, two numbers to normalise each channel, and a dense layer."""
    grey, colour = np.zeros((20, 28, 28), np.uint8), np.zeros((20, 32, 32, 3), np.uint8)
    grey[:, 0, 0] = np.arange(20)
    y = np.arange(20) % 10
    options: dict[str, Any] = {"max_iter": 1, "solver": "sgd", "random_state": 0}
    lenet = bh.ConvNetClassifier(architecture="lenet", **options).fit(grey, y)
    assert lenet.network_.parameter_count == 6 * 26 + 16 * 151 + 120 * 401 + 84 * 121 + 10 * 85
    vgg = bh.ConvNetClassifier(architecture="vgg-small", **options).fit(colour, y)
    steps = [(3, 32), (32, 32), (32, 64), (64, 64), (64, 128), (128, 128)]
    convolved = sum(9 * a * b + b for a, b in steps)
    assert vgg.network_.parameter_count == convolved + 128 * (4 * 4 * 128 + 1) + 10 * 129
    resnet = bh.ConvNetClassifier(architecture="resnet-9", **options)
    resnet._form = vgg._form
    from betahat.models.network import Network

    network = Network(resnet._layers(10), (32, 32, 3))
    steps = [(3, 64), (64, 128), (128, 128), (128, 128), (128, 256), (256, 512), (512, 512), (512, 512)]
    assert network.parameter_count == sum(9 * a * b + 2 * b for a, b in steps) + 10 * 513
    assert sum(isinstance(leaf.layer, Conv2d) for leaf in network.leaves) == 8
    assert isinstance(network.layers[-2], GlobalMaxPool)


def test_the_one_cycle_ends_where_the_training_ends() -> None:
    """η rises over 3/10 of all steps and falls to η₀/250000: its last step hardly moves anything."""
    model = bh.ConvNetClassifier(
        batch_size=20, learning_rate_init=0.01, alpha=0.0, **SMALL | {"max_iter": 10}
    ).fit(X, Y)
    assert model.n_iter_ == 10
    assert f"OneCycle(largest=0.01, steps={10 * N // 20}," in " ".join(model.explain().split())
    moved = model.trace_.step
    assert moved[-1] < moved[3] / 20
    np.testing.assert_allclose(model.learning_rate_init_, 0.01)


@pytest.mark.parametrize("kind", [bh.MLPClassifier, bh.ConvNetClassifier])
def test_a_cycle_counts_batches_that_normalisation_leaves_out(kind: Any) -> None:
    """41 rows in batches of 20 are two steps of an epoch, since one row has no variance."""
    own = {"hidden_layer_sizes": (4,)} if kind is bh.MLPClassifier else {"channels": 4}
    rows = X[:41].reshape(41, -1) if kind is bh.MLPClassifier else X[:41]
    y = np.arange(41) % 2
    model = kind(**own, batch_norm=True, learning_rate="one_cycle", batch_size=20, max_iter=4, random_state=0)
    model.fit(rows, y)
    assert model._state.chain.step == 8
    assert "steps=8," in " ".join(model.explain().split())


# --- images ---------------------------------------------------------------------------------------------------------


def forms() -> dict[str, tuple[Any, dict[str, Any]]]:
    """The same images, as users have them."""
    flat = X.reshape(N, -1)
    return {
        "float": (X.astype(float), {}),
        "flat": (flat, {"image_shape": (6, 6, 3)}),
        "channels first": (np.ascontiguousarray(X.transpose(0, 3, 1, 2)), {"image_order": "NCHW"}),
        "flat, channels first": (
            X.transpose(0, 3, 1, 2).reshape(N, -1), {"image_order": "NCHW", "image_shape": (6, 6, 3)}
        ),
        "frame": (pd.DataFrame(flat, columns=[f"p{k}" for k in range(108)]), {"image_shape": (6, 6, 3)}),
        "list": (X.tolist(), {}),
        "strided": (np.repeat(X, 2, axis=0)[::2], {}),
    }  # fmt: skip


@pytest.mark.parametrize("form", forms())
def test_images_are_the_same_in_every_form(form: str) -> None:
    given, parameters = forms()[form]
    plain = bh.ConvNetClassifier(dtype="float64", **SMALL).fit(X, Y)
    other = bh.ConvNetClassifier(dtype="float64", **SMALL, **parameters).fit(given, Y)
    assert other.image_shape_ == (6, 6, 3)
    np.testing.assert_array_equal(plain.predict_proba(X), other.predict_proba(given))


def test_a_mapped_file_is_not_read_as_a_whole(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    model = bh.ConvNetClassifier(**SMALL)
    rows = model._read(mapped, Y, None, reset=True).X
    assert np.shares_memory(rows, mapped)
    flat = mapped.reshape(N, -1)
    model = bh.ConvNetClassifier(image_shape=(6, 6, 3), **SMALL)
    assert np.shares_memory(model._read(flat, Y, None, reset=True).X, mapped)
    plain = bh.ConvNetClassifier(**SMALL).fit(X, Y)
    np.testing.assert_array_equal(plain.predict_proba(X), plain.fit(mapped, Y).predict_proba(mapped))


def test_channels_are_standardised() -> None:
    shifted = X * np.array([1.0, 0.01, 50.0]) + np.array([0.0, 7.0, -300.0])
    plain = bh.ConvNetClassifier(dtype="float64", **SMALL).fit(X, Y)
    other = bh.ConvNetClassifier(dtype="float64", **SMALL).fit(shifted, Y)
    np.testing.assert_allclose(plain.predict_proba(X), other.predict_proba(shifted), rtol=1e-8)
    raw = bh.ConvNetClassifier(dtype="float64", standardize=False, **SMALL).fit(
        (X - X.mean((0, 1, 2))) / X.std((0, 1, 2)), Y
    )
    centred = (X - X.mean((0, 1, 2))) / X.std((0, 1, 2))
    np.testing.assert_allclose(plain.predict_proba(X), raw.predict_proba(centred), rtol=1e-8)


@pytest.mark.parametrize(("columns", "shape", "words"), [
    (36, (6, 6, 1), "a square"), (10, (1, 10, 1), "a line of 10 pixels"), (4, (2, 2, 1), "a square"),
    (1, (1, 1, 1), ""),
])  # fmt: skip
def test_flat_tables_without_a_shape(columns: int, shape: tuple[int, ...], words: str) -> None:
    table = RNG.normal(size=(40, columns))
    model = bh.ConvNetClassifier(**SMALL).fit(table, table[:, 0] > 0)
    assert model.image_shape_ == shape
    assert words in " ".join(model.explain().split())
    assert model.predict(table).shape == (40,)


def test_grey_images_with_and_without_their_axis() -> None:
    grey = X[:, :, :, 0]
    model = bh.ConvNetClassifier(**SMALL).fit(grey, Y)
    P = model.predict_proba(grey)
    for form in (grey[..., None], grey.reshape(N, 36), grey[..., None].tolist()):
        np.testing.assert_array_equal(model.predict_proba(form), P)


# --- what carries them ----------------------------------------------------------------------------------------------


def test_a_regression_learns_a_mean() -> None:
    model = bh.ConvNetRegressor(channels=4, hidden=16, max_iter=60, random_state=0).fit(X, T)
    assert model.score(X, T) > 0.8
    both = bh.ConvNetRegressor(**SMALL).fit(X, np.column_stack([T, -T]))
    assert both.predict(X).shape == (N, 2)
    counts = bh.ConvNetRegressor("poisson", **SMALL).fit(X, np.round(T))
    assert (counts.predict(X) > 0).all()


@pytest.mark.parametrize("model", [
    bh.ConvNetClassifier(**SMALL), bh.ConvNetClassifier(architecture="resnet-9", max_iter=1, random_state=0),
    bh.ConvNetClassifier(image_shape=[6, 6, 3], residual=True, batch_norm=True, label_smoothing=0.1, **SMALL),
])  # fmt: skip
def test_files_hold_all_of_a_model(model: Any, tmp_path: Path) -> None:
    images = X if model.architecture is None else np.repeat(np.repeat(X, 2, 1), 2, 2)[:8]
    flat = model.image_shape is not None
    given = images.reshape(len(images), -1) if flat else images
    model.fit(given, np.resize(["b", "a", "c"], len(images)))
    model.save(tmp_path / "m")
    loaded = bh.load(tmp_path / "m")
    for form in (given, images):
        np.testing.assert_array_equal(model.predict_proba(form), loaded.predict_proba(form))
    assert loaded.explain() == model.explain()
    assert loaded.image_shape_ == model.image_shape_
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(given), model.predict(given))


def test_a_regressor_in_a_file(tmp_path: Path) -> None:
    model = bh.ConvNetRegressor("huber", image_order="NCHW", **SMALL).fit(X.transpose(0, 3, 1, 2), T)
    model.save(tmp_path / "m")
    loaded = bh.load(tmp_path / "m")
    np.testing.assert_array_equal(
        model.predict(X.transpose(0, 3, 1, 2)), loaded.predict(X.transpose(0, 3, 1, 2))
    )


@pytest.mark.parametrize("order", ["NHWC", "NCHW"])
def test_a_predictor_takes_one_image_or_several(order: str) -> None:
    given = X if order == "NHWC" else X.transpose(0, 3, 1, 2)
    model = bh.ConvNetClassifier(image_order=order, **SMALL).fit(given, Y)
    bare, P = model.predictor(), model.predict_proba(given)
    np.testing.assert_array_equal(bare(given), P)
    np.testing.assert_allclose(bare(given[3]), P[3], rtol=1e-12)
    np.testing.assert_allclose(bare(given[3].ravel()), P[3], rtol=1e-12)
    np.testing.assert_array_equal(bare(given.reshape(N, -1)), P)
    with pytest.raises(bh.DataError, match="shape"):
        bare(given[:, :, :5])


def test_partial_fits_are_the_epochs_of_a_fit() -> None:
    whole = bh.ConvNetClassifier(shuffle=True, **SMALL).fit(X, Y)
    parts = bh.ConvNetClassifier(shuffle=True, **SMALL)
    for _ in range(3):
        parts.partial_fit(X, Y, classes=["level", "upright"])
    np.testing.assert_array_equal(whole.predict_proba(X), parts.predict_proba(X))


def test_proof_of_a_minimum() -> None:
    model = bh.ConvNetClassifier(2, hidden=(), solver="lbfgs", alpha=1.0, activation="tanh", pool="average",
                                 max_iter=2000, tol=1e-9, random_state=0).fit(X, Y)  # fmt: skip
    assert model.certify(X, Y, curvature=True).status == "local minimum"
    trained = bh.ConvNetClassifier(label_smoothing=0.1, **SMALL).fit(X, np.arange(N) % 3)
    assert trained.certify(X, np.arange(N) % 3).status == "not stationary"


def test_early_stopping_weights_and_callbacks() -> None:
    seen: list[int] = []
    model = bh.ConvNetClassifier(
        early_stopping=True,
        class_weight="balanced",
        callbacks=lambda epoch: seen.append(epoch.number),
        **SMALL,
    ).fit(X, Y, np.linspace(0, 1, N))
    assert seen == [1, 2, 3] == list(range(1, len(model.validation_scores_) + 1))


def test_a_resumed_training_has_the_same_bits(tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    def kill(epoch: Any) -> None:
        if epoch.number == 2:
            raise Killed

    options: dict[str, Any] = {**SMALL, "max_iter": 4, "dropout": 0.3}
    straight = bh.ConvNetClassifier(**options).fit(X, Y)
    with pytest.raises(Killed):
        bh.ConvNetClassifier(checkpoint=tmp_path, callbacks=kill, **options).fit(X, Y)
    resumed = bh.ConvNetClassifier(checkpoint=tmp_path, **options).fit(X, Y)
    np.testing.assert_array_equal(straight.predict_proba(X), resumed.predict_proba(X))
    with pytest.raises(ValueError, match="max_iter was 4 and is 5"):  # which another cycle would be
        bh.ConvNetClassifier(checkpoint=tmp_path, **options | {"max_iter": 5}).fit(X, Y)


def test_among_scikit_learns_tools() -> None:
    grid = GridSearchCV(
        bh.ConvNetClassifier(**SMALL | {"max_iter": 10}),
        {"channels": [2, (2, 4)], "batch_norm": [False, True]},
        cv=2,
    ).fit(X, Y)
    assert grid.best_score_ > 0.6
    piped = make_pipeline(FunctionTransformer(np.negative), bh.ConvNetClassifier(**SMALL)).fit(
        X.astype(float), Y
    )
    assert piped.predict(X.astype(float)).shape == (N,)
    model = bh.ConvNetClassifier(residual=True, image_shape=(6, 6, 3))
    assert clone(model).get_params() == model.get_params()


def test_real_digits() -> None:
    """1,797 digits of 8 × 8 in a table: every fourth held out."""
    digits = load_digits()
    held = np.arange(1797) % 4 == 0
    model = bh.ConvNetClassifier((16, 32), hidden=64, max_iter=8, random_state=0).fit(
        digits.data[~held], digits.target[~held]
    )
    assert model.image_shape_ == (8, 8, 1)
    assert model.score(digits.data[held], digits.target[held]) > 0.97


def test_smoothed_labels_make_less_sure_predictions() -> None:
    """At the minimum over weights without limit a probability is 1 − ε + ε/K."""
    y = np.arange(N) % 3
    images = np.zeros((N, 4, 4))
    images[np.arange(N), y, :] = 1.0
    model = bh.ConvNetClassifier(4, hidden=(), label_smoothing=0.3, max_iter=300, batch_size=20,
                                 n_iter_no_change=np.inf, alpha=0.0,
                                 learning_rate_init=0.03, random_state=0).fit(images, y)  # fmt: skip
    np.testing.assert_allclose(model.predict_proba(images).max(axis=1), 0.8, atol=0.005)
    two = clone(model).fit(images[y < 2], y[y < 2])
    np.testing.assert_allclose(two.predict_proba(images[y < 2]).max(axis=1), 0.85, atol=0.005)
    assert "0.3/3" in " ".join(model.explain().split())


def test_parameters_are_those_of_a_perceptron_but_for_the_layers() -> None:
    own = set(bh.ConvNetClassifier().get_params()) - set(bh.MLPClassifier().get_params())
    assert own == {
        "channels", "kernel_size", "pool", "hidden", "residual", "architecture", "image_shape", "image_order",
        "label_smoothing", "augment",
    }  # fmt: skip
    assert set(bh.MLPClassifier().get_params()) - set(bh.ConvNetClassifier().get_params()) == {
        "hidden_layer_sizes", "layer_norm", "shuffle_buffer",
    }  # fmt: skip
    assert json.dumps(bh.ConvNetRegressor().get_params())

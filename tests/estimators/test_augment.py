"""Networks of images trained on changed ones: with `augment`, whatever form images come in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow
from sklearn.base import clone
from sklearn.datasets import load_digits

import betahat as bh
from betahat.data import Augmentation
from betahat.layers import Conv2d, Dense, Flatten, Image, ReLU

RNG = np.random.default_rng(3)
N = 60
X = RNG.integers(0, 256, (N, 6, 5, 3)).astype(np.uint8)
X[: N // 2, :, 2], X[N // 2 :, 2] = 255, 255  # an upright line, or a level one
Y = np.repeat(["upright", "level"], N // 2)
T = X[:, :3].mean(axis=(1, 2, 3))
CHANGES: dict[str, Any] = {"shift": 1, "flip": True, "rotate": 10, "mixup": 0.3, "cutout": 2, "fill": 30}
SMALL: dict[str, Any] = {"channels": 4, "hidden": 8, "max_iter": 3, "random_state": 0}


def fitted(images: Any = X, y: Any = Y, **more: Any) -> Any:
    return bh.ConvNetClassifier(**{**SMALL, "augment": CHANGES, **more}).fit(images, y)


def test_the_same_seed_gives_the_same_bits() -> None:
    """A dict or an Augmentation; another seed or none of it gives others."""
    P = fitted().predict_proba(X)
    np.testing.assert_array_equal(fitted(augment=Augmentation(**CHANGES)).predict_proba(X), P)
    for other in (fitted(random_state=1), fitted(augment=None), fitted(augment=CHANGES | {"shift": 2})):
        assert np.abs(other.predict_proba(X) - P).max() > 1e-4


@pytest.mark.parametrize("augment", [{}, {"shift": 0}, Augmentation(), {"fill": 5.0}], ids=repr)
def test_nothing_asked_is_nothing_done(augment: Any) -> None:
    found, plain = fitted(augment=augment), fitted(augment=None)
    np.testing.assert_array_equal(found.predict_proba(X), plain.predict_proba(X))


@pytest.mark.parametrize(("images", "form"), [
    (X.reshape(N, -1), {"image_shape": (6, 5, 3)}), (np.moveaxis(X, 3, 1), {"image_order": "NCHW"}),
    (np.ascontiguousarray(np.moveaxis(X, 3, 1)), {"image_order": "NCHW"}), (X.astype(np.float32), {"dtype": "float32"}),
    (np.moveaxis(X, 3, 1).reshape(N, -1), {"image_shape": (6, 5, 3), "image_order": "NCHW"}), (X.astype(np.int64), {}),
], ids=["flat", "NCHW view", "NCHW", "float32", "flat NCHW", "int64"])  # fmt: skip
def test_every_form_of_images_is_changed_alike(images: np.ndarray, form: dict[str, Any]) -> None:
    expected = fitted(dtype=form.get("dtype", "float64")).predict_proba(X)
    found = fitted(images, **{"dtype": "float64"} | form).predict_proba(images)
    np.testing.assert_allclose(found, expected, atol=1e-6 if "dtype" in form else 1e-12)


def test_folders_of_images(tmp_path: Path) -> None:
    for k, label in enumerate(Y):
        (tmp_path / label).mkdir(exist_ok=True)
        Pillow.fromarray(X[k]).save(tmp_path / label / f"{k:02}.png")
    folder = bh.data.images(tmp_path)
    found = fitted(folder, None).predict_proba(X)
    np.testing.assert_array_equal(found, fitted(folder.array(), folder.y).predict_proba(X))
    far = fitted(bh.data.images(tmp_path, memory_limit=3000), None)  # decoded anew in each epoch
    np.testing.assert_array_equal(far.predict_proba(X), found)


@pytest.mark.parametrize("more", [
    {"label_smoothing": 0.1}, {"early_stopping": True, "validation_fraction": 0.3}, {"batch_norm": True},
    {"learning_rate_init": "auto", "max_iter": 2},
], ids=repr)  # fmt: skip
def test_other_ways_to_train(more: dict[str, Any]) -> None:
    three = np.arange(N) % 3
    a, b = (fitted(y=three, **more) for _ in "ab")
    np.testing.assert_array_equal(a.predict_proba(X), b.predict_proba(X))
    assert np.isfinite(a.loss_curve_).all()


def test_numbers_of_images() -> None:
    """A regressor, with two targets and Huber's loss too."""
    for y, loss in ((T, "squared_error"), (np.column_stack([T, -T]), "huber")):
        models = [
            bh.ConvNetRegressor(loss, **SMALL, augment=augment).fit(X, y)
            for augment in (CHANGES, CHANGES, None)
        ]
        P = [model.predict(X) for model in models]
        np.testing.assert_array_equal(P[0], P[1])
        assert np.abs(P[0] - P[2]).max() > 1e-4


def test_parts_are_changed_as_epochs_are() -> None:
    """A partial_fit is an epoch: three give what a fit of three does, in the order of its rows."""
    common = SMALL | {"augment": CHANGES, "shuffle": False, "learning_rate": "constant"}
    whole = bh.ConvNetClassifier(**common).fit(X, Y)
    parts = bh.ConvNetClassifier(**common)
    for _ in range(3):
        parts.partial_fit(X, Y, classes=["level", "upright"])
    np.testing.assert_array_equal(parts.predict_proba(X), whole.predict_proba(X))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_stack_of_layers_is_trained_as_its_convnet_is(dtype: str) -> None:
    common: dict[str, Any] = {"max_iter": 3, "random_state": 0, "batch_size": 16, "dtype": dtype}
    common |= {"learning_rate": "constant", "learning_rate_init": 0.003}
    for augment in (CHANGES, Augmentation(**CHANGES), None):
        named = fitted(**common, augment=augment)
        stack = bh.NetworkClassifier(named.network_.layers, **common, augment=augment).fit(X, Y)
        np.testing.assert_array_equal(stack.predict_proba(X), named.predict_proba(X))
        assert stack.explain().count("drawn anew") == named.explain().count("drawn anew")
        numbers = bh.ConvNetRegressor(**SMALL | common, augment=augment).fit(X, T)
        again = bh.NetworkRegressor(numbers.network_.layers, **common, augment=augment).fit(X, T)
        np.testing.assert_array_equal(again.predict(X), numbers.predict(X))


def test_files_and_clones_of_stacks_keep_it(tmp_path: Path) -> None:
    stack = [Conv2d(3, 3), ReLU(), Flatten(), Dense(1)]
    model = bh.NetworkRegressor(stack, augment=CHANGES, max_iter=2, random_state=0).fit(X, T)
    model.save(tmp_path / "model")
    loaded = bh.load(tmp_path / "model")
    assert loaded.augment == clone(model).augment == CHANGES
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))


@pytest.mark.parametrize(("layers", "rows", "words"), [
    ([Dense(1)], X.reshape(N, -1), r"shape \(90,\): give X as \(n, height, width, channels\)"),
    ([Image(6, 5, 3), Flatten(), Dense(1)], X.reshape(N, -1), r"shape \(90,\): give X as"),
    ([Flatten(), Dense(1)], X[:, :, :, 0], r"shape \(6, 5\): give X as"),
    ([Image(6, 5, 3, order="NCHW"), Flatten(), Dense(1)], np.moveaxis(X, 3, 1), "channels come last.*NCHW.*give X as"),
    ([Flatten(), Dense(1)], X[:, :1], r"shift \(=1\).*height \(=1\)"),
], ids=["table", "flat images", "grey images", "channels first", "no room"])  # fmt: skip
@pytest.mark.parametrize("estimator", [bh.NetworkClassifier, bh.NetworkRegressor])
def test_stacks_over_rows_that_are_no_images_refuse_it(
    estimator: Any, layers: list[Any], rows: np.ndarray, words: str
) -> None:
    target = T.mean() < T if estimator is bh.NetworkClassifier else T
    with pytest.raises(ValueError, match=words):
        estimator(layers, augment=CHANGES, max_iter=1).fit(rows, target)
    estimator(layers, augment={"shift": 0}, max_iter=1).fit(rows, target)
    with pytest.raises(ValueError, match=r"augment .*solver='lbfgs'"):
        estimator(layers, augment=CHANGES, solver="lbfgs").fit(rows, target)


def test_a_checkpoint_goes_on_with_the_same_bits(tmp_path: Path) -> None:
    common = {"learning_rate": "constant", "batch_size": 16, "checkpoint": tmp_path}
    fitted(**common, max_iter=2)
    resumed = fitted(**common, max_iter=5)
    np.testing.assert_array_equal(
        resumed.predict_proba(X), fitted(**common | {"checkpoint": None}, max_iter=5).predict_proba(X)
    )
    with pytest.raises(ValueError, match=r"augment was .*'shift': 1.* and is None"):
        fitted(**common, max_iter=6, augment=None)


@pytest.mark.parametrize(
    "augment", [CHANGES, Augmentation(**CHANGES), Augmentation(shift=(1, 2)), None], ids=repr
)
def test_files_and_clones_keep_it(augment: Any, tmp_path: Path) -> None:
    model = fitted(augment=augment)
    model.save(tmp_path / "model")
    loaded = bh.load(tmp_path / "model")
    assert loaded.augment == clone(model).augment == augment
    assert type(loaded.augment) is type(augment)
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


def test_a_certificate_is_of_images_as_they_are() -> None:
    """J and its derivatives do not know how images were changed."""
    changed, plain = fitted(), fitted(augment=None)
    plain.parameters_  # noqa: B018  (views of one array)
    for name, value in changed.parameters_.items():
        plain.parameters_[name][...] = value
    for number in ("loss", "gradient_norm"):
        a, b = (getattr(model.certify(X, Y), number) for model in (changed, plain))
        assert a == b


def test_explanations_tell_of_it() -> None:
    said = " ".join(fitted(augment=CHANGES | {"scale": 0.1}).explain().split())
    for words in (
        "mirrored left to right", "a factor from 0.9 to 1.1", "turned by up to 10°", "moved by up to 1 pixel",
        "a square of 2 × 2 pixels", "Beta(0.3, 0.3)", "J at x as it is",
    ):  # fmt: skip
        assert words in said
    assert "drawn anew" not in fitted(augment=None).explain()


@pytest.mark.parametrize(("augment", "error", "words"), [
    ({"shift": 5}, ValueError, r"shift \(=5\).*width \(=5\)"), ({"turn": 5}, ValueError, "'turn'.*rotate"),
    ({"scale": 2}, ValueError, r"scale \(=2\)"), ("shift", TypeError, "'shift'"), (2, TypeError, r"augment \(=2\)"),
    ({"cutout": 12}, ValueError, "cutout"),
], ids=repr)  # fmt: skip
def test_what_cannot_be_is_refused(augment: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        fitted(augment=augment)


def test_all_rows_at_once_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match=r"augment .*solver='lbfgs'"):
        fitted(solver="lbfgs")


def test_digits_seen_moved_are_read_where_they_lie() -> None:
    """Trained on digits in the middle, asked of digits anywhere."""
    images, y = load_digits(return_X_y=True)
    framed = np.pad(images.reshape(-1, 8, 8), ((0, 0), (2, 2), (2, 2)))
    places = RNG.integers(-2, 3, (len(framed), 2))
    moved = np.stack([np.roll(each, by, (0, 1)) for each, by in zip(framed, places, strict=True)])
    scores = [
        bh.ConvNetClassifier(8, hidden=32, max_iter=30, random_state=0, augment=augment)
        .fit(framed[:1000], y[:1000])
        .score(moved[1000:], y[1000:])
        for augment in (None, {"shift": 2})
    ]
    assert scores[0] < 0.4
    assert scores[1] > 0.75

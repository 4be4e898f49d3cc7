"""Pictures of changed images: what is drawn is what training would see."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest

import betahat as bh
from betahat.plots import AugmentationDisplay

GREY = np.random.default_rng(0).normal(size=(3, 7, 5))
COLOUR = np.random.default_rng(0).integers(0, 256, (2, 6, 6, 3)).astype(np.uint8)
CHANGES = {"shift": 1, "rotate": 20, "brightness": 0.5}


def array(image: Any) -> np.ndarray:
    return np.asarray(image.get_array())


def test_draws_are_those_of_training() -> None:
    augmentation = bh.data.Augmentation(**CHANGES)
    shown = AugmentationDisplay.from_augmentation(augmentation, GREY, draws=4, seed=5)
    for k, image in enumerate(GREY):
        np.testing.assert_array_equal(shown.draws[k], augmentation.sample(image, 4, 5 + k))
    assert shown.axes_.shape == (3, 5)
    assert "shift=1, rotate=20, brightness=0.5" in shown.figure_.get_suptitle()


def test_a_row_has_one_scale() -> None:
    """Darker is drawn darker."""
    shown = AugmentationDisplay.from_augmentation(CHANGES, GREY, draws=4)
    for k in range(3):
        every = np.concatenate([GREY[k][None], shown.draws[k, ..., 0]])
        expected = (every - every.min()) / np.ptp(every)
        found = [array(image) for image in shown.images_[5 * k : 5 * k + 5]]
        np.testing.assert_allclose(found, expected)
        assert all(image.get_clim() == (0, 1) for image in shown.images_)


def test_whole_bytes_keep_their_colours() -> None:
    shown = AugmentationDisplay.from_augmentation({"brightness": 1.0}, COLOUR, draws=6)
    for k in range(2):
        np.testing.assert_array_equal(array(shown.images_[7 * k]), COLOUR[k] / 255)
        for image, drawn in zip(shown.images_[7 * k + 1 : 7 * k + 7], shown.draws[k], strict=True):
            np.testing.assert_array_equal(array(image), np.clip(np.rint(drawn), 0, 255) / 255)


def test_a_network_shows_its_own_changes() -> None:
    """Of rows in any form that it takes."""
    y = np.arange(20) % 2
    X = np.random.default_rng(1).integers(0, 256, (20, 3, 6, 6)).astype(np.uint8)
    common: dict[str, Any] = {"channels": 2, "hidden": (), "max_iter": 1, "image_order": "NCHW"}
    model = bh.ConvNetClassifier(**common, augment=CHANGES).fit(X, y)
    shown = AugmentationDisplay.from_estimator(model, X[:2], draws=3, seed=2)
    same = AugmentationDisplay.from_augmentation(CHANGES, np.moveaxis(X[:2], 1, 3), draws=3, seed=2)
    np.testing.assert_array_equal(shown.draws, same.draws)
    plain = bh.ConvNetClassifier(**common).fit(X, y)
    np.testing.assert_array_equal(
        AugmentationDisplay.from_estimator(plain, X[:1]).draws[0, 0], same.images[0]
    )


def test_it_fits_into_axes_that_are_there() -> None:
    figure, axes = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
    shown = AugmentationDisplay.from_augmentation(CHANGES, GREY[:2], draws=3, ax=axes[0], cmap="viridis")
    assert shown.figure_ is figure
    assert shown.images_[0].get_cmap().name == "viridis"


@pytest.mark.parametrize(("images", "augment", "error", "words"), [
    (GREY[0], CHANGES, ValueError, r"images has shape \(7, 5\)"), (GREY[:0], CHANGES, ValueError, "0 rows"),
    (np.zeros((17, 2, 2)), {}, ValueError, "17 rows; expected 1 to 16"), (GREY, {"turn": 1}, ValueError, "'turn'"),
    (GREY, "shift", TypeError, "augment"), (GREY, {"shift": 5}, ValueError, "shift"),
])  # fmt: skip
def test_what_cannot_be_drawn_is_refused(
    images: Any, augment: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        AugmentationDisplay.from_augmentation(augment, images)


def test_arrays_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(ValueError, match=r"draws has shape \(3, 7, 5, 1\)"):
        AugmentationDisplay(GREY[..., None], GREY[..., None])
    with pytest.raises(ValueError, match=r"images has shape \(3, 7, 5\)"):
        AugmentationDisplay(GREY, GREY[:, None, ..., None])
    with pytest.raises(TypeError, match="no augment"):
        AugmentationDisplay.from_estimator(bh.MLPClassifier(), GREY)

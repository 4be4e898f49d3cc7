"""Pictures of what networks see: what is drawn is what was computed, and reads well on any ground."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image
from seeing_models import NAMES, STACKS, model, regressor, rows

import betahat as bh
from betahat.layers import Conv1d, Conv2d, Dense, Flatten
from betahat.plots import (
    ConfusionMatrixDisplay,
    FeatureMaps,
    FeatureMapsDisplay,
    FiltersDisplay,
    GradCamDisplay,
    MistakesDisplay,
    SaliencyDisplay,
)
from betahat.report.plots.seen import as_shown, share, wrapped


def array(image: Any) -> np.ndarray:
    return np.asarray(image.get_array())


# --- filters ------------------------------------------------------------------------------------------------


def test_filters_of_one_channel_are_drawn_on_one_scale() -> None:
    m = model("grey")
    shown = FiltersDisplay.from_estimator(m)
    assert len(shown.images_) == 4
    for k, image in enumerate(shown.images_):
        np.testing.assert_array_equal(array(image), m.parameters_["0.weight"][:, :, 0, k])
        assert image.get_clim() == shown.images_[0].get_clim()
    low, high = shown.images_[0].get_clim()
    assert -low == high == np.abs(m.parameters_["0.weight"]).max()
    assert "0: Conv2d(4, 3)" in shown.figure_.get_suptitle()


def test_filters_of_colour_images_are_colours() -> None:
    shown = FiltersDisplay.from_estimator(model("colour"))
    assert shown.colorbar_ is None
    w = model("colour").parameters_["0.0.weight"]
    for k, image in enumerate(shown.images_):
        found = array(image)
        np.testing.assert_allclose((found - 0.5) * 2 * np.abs(w[..., k]).max(), w[..., k])


def test_filters_of_many_channels_are_rows() -> None:
    m = model("colour")
    shown = FiltersDisplay.from_estimator(m, "2.residual.0", filters=3)
    assert shown.axes_.shape == (3, 4)
    np.testing.assert_array_equal(array(shown.images_[5]), m.parameters_["2.residual.0.weight"][:, :, 1, 1])
    assert "(3 of 6)" in shown.figure_.get_suptitle()


def test_filters_of_a_sequence_are_channels_by_length() -> None:
    X = np.random.default_rng(0).normal(size=(20, 9, 2))
    m = bh.NetworkClassifier([Conv1d(3, 4), Flatten(), Dense(2)], max_iter=1, random_state=0).fit(
        X, np.arange(20) % 2
    )
    shown = FiltersDisplay.from_estimator(m)
    np.testing.assert_array_equal(array(shown.images_[1]), m.parameters_["0.weight"][:, :, 1].T)


# --- feature maps -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layers", "paths"),
    [(None, ["0.2", "1", "3"]), ("all", ["0.0", "0.1", "0.2", "1", "2", "3"]), (["1"], ["1"]), ("2", ["2"])],
)
def test_maps_are_the_outputs_of_the_layers(layers: Any, paths: list[str]) -> None:
    m, X = model("colour"), rows((8, 8, 3), seed=1)[:1]
    shown = FeatureMapsDisplay.from_estimator(m, X, layers=layers, channels=3)
    walk = m.inside(X).walk
    assert [each.path for each in shown.layers] == paths
    for (path, channel), image in shown.images_.items():
        np.testing.assert_array_equal(array(image), walk.values[walk.place(path, "")][0, ..., channel])
    assert shown.axes_.shape == (1 + len(paths), 3)
    p = m.predict_proba(X).max()
    assert shown.title.endswith(f"({share(p)})")


def test_the_strongest_channels_are_drawn_in_their_order() -> None:
    maps = np.stack([np.full((2, 2), v) for v in (1.0, 0.0, -4.0, 2.0)], axis=-1)
    shown = FeatureMapsDisplay(np.ones((2, 2, 1)), [FeatureMaps("0", "Conv2d(4, 1)", maps)]).plot(channels=2)
    assert list(shown.images_) == [("0", 2), ("0", 3)]
    assert shown.images_["0", 2].get_clim() == (-4.0, 4.0)


# --- saliency and Grad-CAM ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", STACKS)
@pytest.mark.parametrize("kind", [SaliencyDisplay, GradCamDisplay])
def test_maps_are_laid_over_their_images(name: str, kind: Any) -> None:
    m, X = model(name), rows(STACKS[name][0], seed=1)[:5]
    label = m.classes_[1]
    shown = kind.from_estimator(m, X, target=label)
    inside = m.inside(X)
    heat = inside.saliency(label) if kind is SaliencyDisplay else inside.grad_cam(label)[0]
    np.testing.assert_array_equal(shown.saliency if kind is SaliencyDisplay else shown.cam, heat)
    assert shown.axes_.shape == (2, 5)
    p = m.predict_proba(X)[:, 1]
    for k, image in enumerate(shown.maps_):
        inner = array(image) if kind is SaliencyDisplay else array(image)[1:-1, 1:-1]
        np.testing.assert_allclose(inner, heat[k] / (heat[k].max() or 1.0))
        assert f"({share(float(p[k]))})" in shown.axes_[0, k].get_title()
    np.testing.assert_array_equal(array(shown.axes_[0, 2].images[0]), as_shown(inside.images[2]))


def test_places_are_drawn_in_the_middle_of_their_fields() -> None:
    """A 3 × 3 convolution without padding: its first place is the image's second pixel."""
    shown = GradCamDisplay.from_estimator(model("grey"), rows((7, 6, 1))[:1])
    left, right, bottom, top = shown.maps_[0].get_extent()
    assert (left, right) == (-0.5, 5.5)  # 4 places from 1 to 4, and a ring
    assert (top, bottom) == (-0.5, 6.5)
    ring = array(shown.maps_[0])
    assert not ring[0].any()
    assert not ring[:, -1].any()


def test_many_images_take_several_rows() -> None:
    shown = SaliencyDisplay.from_estimator(model("grey"), rows((7, 6, 1))[:11])
    assert shown.axes_.shape == (4, 8)
    assert [tile.get_visible() for tile in shown.axes_[3]] == [True] * 3 + [False] * 5


def test_regressors() -> None:
    m, X = regressor(), rows((7, 6, 1))[:2]
    shown = SaliencyDisplay.from_estimator(m, X, target=1)
    np.testing.assert_array_equal(shown.saliency, m.inside(X).saliency(1))
    assert shown.axes_[0, 0].get_title() == "output 1"
    assert "predicted:" in FeatureMapsDisplay.from_estimator(bh_one_target(), X[:1]).title


def bh_one_target() -> Any:
    X = rows((7, 6, 1))
    return bh.NetworkRegressor([Conv2d(2, 3), Flatten(), Dense(1)], max_iter=1, random_state=0).fit(
        X, X.sum((1, 2, 3))
    )


# --- mistakes and confusion ---------------------------------------------------------------------------------


def test_mistakes_are_the_surest_first() -> None:
    m, X = model("colour"), rows((8, 8, 3), seed=1)
    y = NAMES[(np.arange(len(X)) + 1) % 3]
    shown = MistakesDisplay.from_estimator(m, X, y, most=5)
    answer, p = m.predict(X), m.predict_proba(X).max(axis=1)
    assert set(shown.rows) == set(np.flatnonzero(answer != y))
    assert (np.diff(p[shown.rows]) <= 0).all()
    for tile, image, k in zip(shown.axes_.flat, shown.images_, shown.rows, strict=False):
        np.testing.assert_array_equal(array(image), as_shown(X[k]))
        text = tile.get_title()
        assert text.startswith(f"is {y[k].split()[0]}")
        assert f"taken for {answer[k].split()[0]}" in text.replace("\n", " ")
        assert text.endswith(f"({share(p[k])})")
    assert shown.figure_.get_suptitle() == f"{len(shown.rows)} of {len(X)} mistaken, the surest 5 first"


def test_nothing_mistaken() -> None:
    shown = MistakesDisplay(np.ones((2, 3, 3, 1)), [0, 1], [0, 1], [0.6, 0.7]).plot()
    assert not shown.images_
    assert shown.axes_[0, 0].texts[0].get_text() == "nothing was mistaken"


def test_confusion_counts_by_hand() -> None:
    truth, answer = ["b", "a", "a", "c", "a"], ["a", "a", "b", "c", "a"]
    shown = ConfusionMatrixDisplay.from_predictions(truth, answer)
    np.testing.assert_array_equal(shown.matrix, [[2, 1, 0], [1, 0, 0], [0, 0, 1]])
    np.testing.assert_allclose(shown.shares, [[2 / 3, 1 / 3, 0], [1, 0, 0], [0, 0, 1]])
    assert {place: text.get_text() for place, text in shown.texts_.items()} == {
        (0, 0): "2\n67 %", (0, 1): "1\n33 %", (1, 0): "1\n100 %", (2, 2): "1\n100 %",
    }  # fmt: skip
    np.testing.assert_array_equal(array(shown.image_), shown.shares)
    assert [text.get_text() for text in shown.ax_.get_xticklabels()] == ["a", "b", "c"]


def test_confusion_of_an_estimator_with_labels_that_it_does_not_know() -> None:
    from sklearn.dummy import DummyClassifier

    m = DummyClassifier(strategy="constant", constant=1).fit([[0], [1]], [0, 1])
    shown = ConfusionMatrixDisplay.from_estimator(m, [[0], [1], [2]], [0, 1, 7])
    assert shown.labels == [0, 1, 7]
    np.testing.assert_array_equal(shown.matrix, [[0, 1, 0], [0, 1, 0], [0, 1, 0]])


def test_a_class_that_is_not_there_has_no_share() -> None:
    shown = ConfusionMatrixDisplay([[0, 0], [1, 3]]).plot(shares=False, colorbar=False)
    np.testing.assert_array_equal(shown.shares, [[0, 0], [0.25, 0.75]])
    assert [text.get_text() for text in shown.texts_.values()] == ["1", "3"]


# --- how they look ------------------------------------------------------------------------------------------


def displays() -> list[Any]:
    m, X = model("colour"), rows((8, 8, 3), seed=1)
    y = NAMES[np.arange(len(X)) % 3]
    return [
        lambda ax: FiltersDisplay.from_estimator(m, ax=ax),
        lambda ax: FeatureMapsDisplay.from_estimator(m, X[:1], ax=ax),
        lambda ax: SaliencyDisplay.from_estimator(m, X[:3], ax=ax),
        lambda ax: GradCamDisplay.from_estimator(m, X[:3], ax=ax),
        lambda ax: MistakesDisplay.from_estimator(m, X, y, ax=ax),
        lambda ax: ConfusionMatrixDisplay.from_estimator(m, X, y, ax=ax),
    ]


@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize("style", ["default", "dark_background"])
def test_nothing_is_cut_off_and_places_are_shared(number: int, style: str) -> None:
    draw = displays()[number]
    with plt.style.context(style):
        shown = draw(None)
        shown.figure_.canvas.draw()
        box = shown.figure_.get_tightbbox()
        width, height = shown.figure_.get_size_inches()
        assert box.x0 > -0.02
        assert box.y0 > -0.02
        assert box.x1 < width + 0.02
        assert box.y1 < height + 0.02
        figure, (left, _) = plt.subplots(1, 2, figsize=(12, 5), layout="constrained")
        there = draw(left)
        assert there.figure_ is figure
        figure.canvas.draw()
        plt.close("all")


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (np.array([[[0], [255]]], np.uint8), [[0.0, 1.0]]),
        (np.array([[[0, 51, 255]]], np.uint8), [[[0.0, 0.2, 1.0]]]),
        (np.array([[[0.1, 0.2, 0.9]]]), [[[0.1, 0.2, 0.9]]]),
        (np.array([[[-1.0, 0.0, 1.0]]]), [[[0.0, 0.5, 1.0]]]),
        (np.array([[[0.0, 2.0], [4.0, 6.0]]]), [[0.0, 1.0]]),
        (np.full((1, 2, 1), 7.0), [[0.0, 0.0]]),
    ],
)
def test_images_as_they_are_shown(image: np.ndarray, expected: Any) -> None:
    np.testing.assert_allclose(as_shown(image), expected)


def test_words_are_cut_and_never_lost_between() -> None:
    assert wrapped("short", 10) == "short"
    assert wrapped("one two three four", 7) == "one two\nthree…"
    assert wrapped("x" * 30, 10).splitlines()[0] == "x" * 10
    assert [share(p) for p in (1.0, 0.999, 0.5, 0.001, 0.0)] == ["100 %", ">99 %", "50 %", "<1 %", "0 %"]


def test_refusals() -> None:
    m, X = model("colour"), rows((8, 8, 3))
    linear: Any = bh.LinearRegression()
    mlp = bh.MLPClassifier(2, max_iter=1, random_state=0).fit(rows((5,)), np.arange(40) % 2)
    for error, message, call in (
        (TypeError, "no network_", lambda: FiltersDisplay.from_estimator(linear)),
        (ValueError, "no convolution", lambda: FiltersDisplay.from_estimator(mlp)),
        (ValueError, "must be a convolution's path", lambda: FiltersDisplay.from_estimator(m, "1")),
        (ValueError, "filters \\(=0\\)", lambda: FiltersDisplay.from_estimator(m, filters=0)),
        (ValueError, "expected \\(height, width", lambda: FiltersDisplay(np.ones((3, 3)))),
        (ValueError, "needs 3 channels", lambda: FiltersDisplay(np.ones((3, 3, 1, 2)), colour=True)),
        (TypeError, "has no inside", lambda: SaliencyDisplay.from_estimator(linear, X)),
        (ValueError, "expected one image", lambda: FeatureMapsDisplay.from_estimator(m, X[:2])),
        (ValueError, "no image", lambda: FeatureMapsDisplay.from_estimator(m, X[:1], layers="5")),
        (ValueError, "channels \\(=0\\)", lambda: FeatureMapsDisplay.from_estimator(m, X[:1], channels=0)),
        (ValueError, "are no images", lambda: FeatureMapsDisplay.from_estimator(mlp, rows((5,))[:1])),
        (ValueError, "layers is empty", lambda: FeatureMapsDisplay(np.ones((2, 2, 1)), [])),
        (ValueError, "1 to 24 images", lambda: GradCamDisplay.from_estimator(m, X)),
        (
            ValueError,
            "1 texts for 2 images",
            lambda: SaliencyDisplay(X[:2], np.ones((2, 8, 8)), titles=["a"]),
        ),
        (ValueError, "of as many images", lambda: GradCamDisplay(X[:2], np.ones((3, 8, 8)))),
        (
            TypeError,
            "no single label",
            lambda: MistakesDisplay.from_estimator(regressor(), rows((7, 6, 1)), X),
        ),
        (ValueError, "truth has shape", lambda: MistakesDisplay(X, [0], [0], [0.5])),
        (ValueError, "most \\(=0\\)", lambda: MistakesDisplay.from_estimator(m, X, m.predict(X), most=0)),
        (TypeError, "no classes_", lambda: ConfusionMatrixDisplay.from_estimator(linear, X, X)),
        (
            ValueError,
            "a label a row",
            lambda: ConfusionMatrixDisplay.from_predictions(np.ones((3, 2)), np.ones(3)),
        ),
        (ValueError, "\\(K, K\\) counts", lambda: ConfusionMatrixDisplay([[1, 2]])),
        (ValueError, "2 rows of matrix", lambda: ConfusionMatrixDisplay(np.eye(2), ["a"])),
    ):
        with pytest.raises(error, match=message):
            call()


# --- folders of images, and labels that are none ------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Any:
    rng = np.random.default_rng(0)
    for k in range(30):
        place = tmp_path / ("dark", "light")[k % 2]
        place.mkdir(exist_ok=True)
        grey = rng.integers(0, 200, (6, 6)) + 55 * (k % 2)
        Image.fromarray(grey.astype(np.uint8)).save(place / f"{k}.png")
    return bh.data.images(tmp_path)


def test_pictures_of_a_folder_are_those_of_its_pixels(folder: Any) -> None:
    m = bh.ConvNetClassifier(4, hidden=(), max_iter=1, random_state=0).fit(folder)
    pixels = folder.array()
    mistakes = MistakesDisplay.from_estimator(m, folder)
    other = MistakesDisplay.from_estimator(m, pixels, folder.y)
    np.testing.assert_array_equal(mistakes.rows, other.rows)
    np.testing.assert_array_equal(mistakes.images, other.images)
    np.testing.assert_array_equal(
        ConfusionMatrixDisplay.from_estimator(m, folder).matrix,
        ConfusionMatrixDisplay.from_estimator(m, pixels, folder.y).matrix,
    )
    for kind in (SaliencyDisplay, GradCamDisplay):
        a, b = kind.from_estimator(m, folder[:2]), kind.from_estimator(m, pixels[:2])
        np.testing.assert_array_equal(a.images, b.images)
        np.testing.assert_array_equal(array(a.maps_[1]), array(b.maps_[1]))
    np.testing.assert_array_equal(
        FeatureMapsDisplay.from_estimator(m, folder[:1]).layers[0].maps,
        FeatureMapsDisplay.from_estimator(m, pixels[:1]).layers[0].maps,
    )
    plt.close("all")


def test_too_many_files_are_refused_before_they_are_decoded(folder: Any) -> None:
    m = bh.ConvNetClassifier(4, hidden=(), max_iter=1, random_state=0).fit(folder)
    for name in folder.files:
        Path(name).unlink()
    with pytest.raises(ValueError, match="30 rows; expected one image"):
        FeatureMapsDisplay.from_estimator(m, folder)
    for kind in (SaliencyDisplay, GradCamDisplay):
        with pytest.raises(ValueError, match="30 rows; expected 1 to 24"):
            kind.from_estimator(m, folder)


@pytest.mark.parametrize("kind", [MistakesDisplay, ConfusionMatrixDisplay])
def test_labels_that_are_none(kind: Any, folder: Any) -> None:
    m = bh.ConvNetClassifier(4, hidden=(), max_iter=1, random_state=0).fit(folder)
    flat = bh.data.images(list(folder.files))
    for X in (folder.array(), flat):
        with pytest.raises(ValueError, match="y is None"):
            kind.from_estimator(m, X)
    with pytest.raises(ValueError, match="y holds labels such as 0, and the estimator answers"):
        kind.from_estimator(m, folder, np.arange(30) % 2)

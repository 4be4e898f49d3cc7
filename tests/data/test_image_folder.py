"""Folders of image files: order, labels, sizes, orientation, and files that cannot be read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.model_selection import cross_val_score, train_test_split

import betahat as bh
from betahat.data import images

RNG = np.random.default_rng(0)


def put(path: Path, pixels: np.ndarray, **how: Any) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **how)
    return pixels


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve colour images of lines, upright or level."""
    for k in range(6):
        for label in ("upright", "level"):
            pixels = RNG.integers(0, 100, (6, 8, 3)).astype(np.uint8)
            pixels[(slice(None), 3) if label == "upright" else (2,)] = 255
            put(tmp_path / label / f"{k}.png", pixels)
    return tmp_path


def test_files_come_in_order_with_the_names_of_their_folders(folder: Path) -> None:
    put(folder / "level" / "deeper" / "a.png", np.zeros((6, 8, 3), np.uint8))
    put(folder / "level" / ".hidden.png", np.zeros((1, 1), np.uint8))
    put(folder / ".git" / "a.png", np.zeros((1, 1), np.uint8))
    (folder / "level" / "notes.txt").write_text("no image")
    found = images(folder)
    assert found.classes == ("level", "upright")
    assert found.y is not None
    assert found.y.tolist() == ["level"] * 7 + ["upright"] * 6
    assert [Path(name).name for name in found.files[:8]] == [f"{k}.png" for k in range(6)] + [
        "a.png",
        "0.png",
    ]
    assert found.shape == (13, 6, 8, 3)
    pixels = found.array()
    assert pixels.dtype == np.uint8
    for row, name in zip(pixels, found.files, strict=True):
        np.testing.assert_array_equal(row, np.asarray(Image.open(name)))
    assert "13 images of 6 × 8 × 3, 2 classes" in repr(found)


def test_grey_and_colour(tmp_path: Path) -> None:
    grey = put(tmp_path / "a.png", RNG.integers(0, 256, (3, 4)).astype(np.uint8))
    found = images(tmp_path)
    assert (found.mode, found.y, found.classes) == ("L", None, ())
    np.testing.assert_array_equal(found.array()[0, :, :, 0], grey)
    np.testing.assert_array_equal(images(tmp_path, mode="RGB").array()[0], np.repeat(grey[:, :, None], 3, 2))
    colour = put(tmp_path / "b.png", RNG.integers(0, 256, (3, 4, 4)).astype(np.uint8))
    assert images(tmp_path).shape == (2, 3, 4, 3)
    np.testing.assert_array_equal(images(tmp_path).array()[1], colour[:, :, :3])
    np.testing.assert_array_equal(images(tmp_path, mode="RGBA").array()[1], colour)
    luma = (colour[:, :, :3].astype(float) @ [0.299, 0.587, 0.114])[:, :, None]  # ITU-R 601
    np.testing.assert_allclose(images(tmp_path, mode="L").array()[1], luma, atol=1)


def test_sixteen_bits_keep_the_higher_eight(tmp_path: Path) -> None:
    deep = put(tmp_path / "a.png", RNG.integers(0, 2**16, (3, 4)).astype(np.uint16))
    np.testing.assert_array_equal(images(tmp_path).array()[0, :, :, 0], deep >> 8)
    put(tmp_path / "b.tiff", RNG.normal(size=(3, 4)).astype(np.float32))
    with pytest.raises(bh.DataError, match=r"b\.tiff.*32 bits"):
        images(tmp_path).array()


@pytest.mark.parametrize(("value", "turn"), [
    (1, lambda x: x), (3, lambda x: np.rot90(x, 2)), (6, lambda x: np.rot90(x, -1)), (8, np.rot90),
    (2, np.fliplr), (5, lambda x: x.T),
])  # fmt: skip
def test_photographs_are_turned_upright(tmp_path: Path, value: int, turn: Any) -> None:
    """EXIF's tag 274 says how the camera was held: with 6 the picture is to be turned clockwise."""
    exif = Image.Exif()
    exif[274] = value
    pixels = put(tmp_path / "a.png", RNG.integers(0, 256, (3, 4)).astype(np.uint8), exif=exif)
    np.testing.assert_array_equal(images(tmp_path).array()[0, :, :, 0], turn(pixels))


def test_mixed_sizes_are_refused_with_two_names_or_resized(folder: Path) -> None:
    put(folder / "upright" / "9.png", np.full((12, 4, 3), 77, np.uint8))
    with pytest.raises(bh.DataError, match=r"0\.png' is 6 × 8 .*9\.png' 12 × 4.*size="):
        images(folder)
    assert images(folder, size=5).shape == (13, 5, 5, 3)
    last = images(folder, size=(3, 2)).array()[-1]
    np.testing.assert_array_equal(last, np.full((3, 2, 3), 77))


def test_resizing_averages(tmp_path: Path) -> None:
    put(tmp_path / "a.png", np.tile(np.array([[0, 200], [200, 0]], np.uint8), (32, 32)))
    np.testing.assert_allclose(images(tmp_path, size=4).array(), 100, atol=2)


@pytest.mark.parametrize("damage", ["text", "cut", "empty"])
def test_corrupt_files_are_refused_by_name_or_counted(folder: Path, damage: str) -> None:
    bad = folder / "level" / "2.png"
    whole = bad.read_bytes()
    bad.write_bytes({"text": b"this is no image", "cut": whole[:120], "empty": b""}[damage])
    with pytest.raises(bh.DataError, match=r"2\.png.*cannot be read"):
        images(folder).array()
    with pytest.warns(bh.MissingRowsWarning, match=r"1 of 12 files.*2\.png"):
        found = images(folder, corrupt="skip")
    assert found.shape[0] == len(found.array()) == 11
    assert found.skipped == (str(bad),)
    with pytest.raises(bh.DataError, match="cannot be read"):
        images(bad, corrupt="skip")


def test_nothing_to_read_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        images(tmp_path / "nowhere")
    (folder / "oblique").mkdir()
    with pytest.raises(bh.DataError, match="oblique"):
        images(folder)
    with pytest.raises(bh.DataError, match="no image files"):
        images(folder / "oblique")
    (folder / "oblique").rmdir()
    put(folder / "stray.png", np.zeros((6, 8), np.uint8))
    with pytest.raises(bh.DataError, match="beside folders"):
        images(folder)
    with pytest.raises(bh.DataError, match="empty list"):
        images([])


@pytest.mark.parametrize("path", [None, 3, b"x", {"a": 1}, "", iter([])])
def test_what_is_no_path_is_refused(path: Any) -> None:
    with pytest.raises(TypeError, match="path"):
        images(path)
    with pytest.raises(TypeError, match="path"):
        images([path])


def test_a_folder_among_files_is_refused(folder: Path) -> None:
    with pytest.raises(bh.DataError, match=r"the folder .*level"):
        images([folder / "level"])


def test_names_in_an_array(folder: Path) -> None:
    files = images(folder).files
    assert images(np.array(files)).files == files


@pytest.mark.parametrize("which", [slice(3, 9), np.array([7, 0, 3]), np.arange(12) % 2 == 0])
def test_some_of_the_images(folder: Path, which: Any) -> None:
    found = images(folder)
    assert found.y is not None
    some = found[which]
    np.testing.assert_array_equal(some.array(), found.array()[which])
    assert some.y is not None
    np.testing.assert_array_equal(some.y, found.y[which])


def test_what_chooses_no_images(folder: Path) -> None:
    found = images(folder)
    with pytest.raises(TypeError, match="no list"):
        found[3]
    with pytest.raises(TypeError, match="no list"):
        list(found)
    with pytest.raises(bh.DataError, match="none of these 12"):
        found[:0]
    with pytest.raises(IndexError):
        found[np.array([99])]


KINDS: dict[str, tuple[str, Any]] = {
    "palette": ("a.png", lambda x: Image.fromarray(x).quantize(255)),
    "cmyk": ("a.tif", lambda x: Image.fromarray(x).convert("CMYK")),
    "transparent": ("a.png", lambda x: Image.fromarray(np.dstack([x, x[..., 0]]))),
    "bmp": ("a.bmp", Image.fromarray),
    "tga": ("a.tga", Image.fromarray),
}


@pytest.mark.parametrize("kind", KINDS)
def test_colours_are_kept_however_they_are_stored(kind: str, tmp_path: Path) -> None:
    pixels = RNG.integers(0, 256, (6, 8, 3)).astype(np.uint8)
    name, made = KINDS[kind]
    made(pixels).save(tmp_path / name)
    found = images(tmp_path)
    assert (found.mode, found.shape) == ("RGB", (1, 6, 8, 3))
    np.testing.assert_allclose(found.array()[0].astype(float), pixels, atol=4)


def test_black_and_white(tmp_path: Path) -> None:
    bits = RNG.integers(0, 2, (6, 8)).astype(bool)
    Image.fromarray(bits).save(tmp_path / "a.png")
    np.testing.assert_array_equal(images(tmp_path).array()[0, :, :, 0], 255 * bits)


@pytest.mark.parametrize("name", ["a.gif", "a.png", "a.tif"])
def test_of_several_pictures_the_first_is_read(name: str, tmp_path: Path) -> None:
    frames = [Image.fromarray(np.full((6, 8), grey, np.uint8)) for grey in (50, 200)]
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(np.unique(images(tmp_path).array()), [50])


@pytest.mark.parametrize(("arguments", "words"), [
    ({"size": 0}, "size"), ({"size": (3, 4, 5)}, "size"), ({"size": "big"}, "size"), ({"mode": "CMYK"}, "mode"),
    ({"corrupt": "ignore"}, "corrupt"), ({"memory_limit": -1}, "memory_limit"),
])  # fmt: skip
def test_arguments_are_refused_by_name(folder: Path, arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        images(folder, **arguments)


def test_what_memory_cannot_hold_is_kept_in_a_file(folder: Path, tmp_path: Path) -> None:
    plain = images(folder).array()
    cache = tmp_path / ".cache"
    cache.mkdir()
    mapped = images(folder, memory_limit=100, cache=cache).array()
    assert isinstance(mapped, np.memmap)
    np.testing.assert_array_equal(plain, mapped)
    assert not list(cache.iterdir())  # it has no name, and ends with the array
    vast = images(folder, size=10**8, memory_limit=100)
    with pytest.raises(bh.DataError, match=r"bytes, more than memory_limit \(=100\).*has room for"):
        vast.array()


def test_without_pillow_the_extra_is_named(folder: Path) -> None:
    code = f"import sys; sys.modules['PIL'] = None; import betahat as bh; bh.data.images({str(folder)!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (
        'ImportError: image files are read by Pillow, which is not installed: pip install "betahat[images]"'
        in done.stderr
    )


# --- with estimators ------------------------------------------------------------------------------------------------

SMALL: dict[str, Any] = {"channels": 4, "hidden": 8, "random_state": 0}


@pytest.mark.parametrize("memory_limit", [10**9, 0])
def test_a_network_is_fitted_to_a_folder(folder: Path, memory_limit: int) -> None:
    found = images(folder, memory_limit=memory_limit)
    model = bh.ConvNetClassifier(**SMALL).fit(found)
    assert model.classes_.tolist() == ["level", "upright"]
    same = bh.ConvNetClassifier(**SMALL).fit(found.array(), found.y)
    np.testing.assert_array_equal(model.predict_proba(found), same.predict_proba(found.array()))
    assert model.score(found) == model.score(found.array(), found.y) > 0.9
    assert model.certify(found, None).loss == same.certify(found.array(), found.y).loss
    flat = images(list(found.files))
    np.testing.assert_array_equal(model.predict(flat), model.predict(found))
    with pytest.raises(bh.DataError, match="no labels"):
        bh.ConvNetClassifier(**SMALL).fit(flat)
    with pytest.raises(bh.DataError, match="1 channels in the place of 3"):
        model.predict(images(folder, mode="L"))
    with pytest.raises(ValueError, match="image_order"):
        bh.ConvNetClassifier(image_order="NCHW", **SMALL).fit(found)


def test_a_regression_takes_numbers_beside_files(folder: Path) -> None:
    found = images(folder)
    model = bh.ConvNetRegressor(**SMALL).fit(found, np.arange(12.0))
    np.testing.assert_array_equal(model.predict(found), model.predict(found.array()))
    for ask in (bh.ConvNetRegressor(**SMALL).fit, model.score, model.certify, model.partial_fit):
        with pytest.raises(bh.DataError, match="a number for each image"):
            ask(found)


@pytest.mark.parametrize("memory_limit", [10**9, 0])
def test_scikit_learn_cuts_folders(folder: Path, memory_limit: int) -> None:
    found = images(folder, memory_limit=memory_limit)
    assert found.y is not None
    model = bh.ConvNetClassifier(**SMALL | {"max_iter": 2})
    scores = cross_val_score(model, found, found.y, cv=3)
    np.testing.assert_array_equal(scores, cross_val_score(model, found.array(), found.y, cv=3))
    train, test, _, y = train_test_split(found, found.y, random_state=0, stratify=found.y)
    np.testing.assert_array_equal(test.y, y)
    assert model.fit(train).score(test) == model.fit(train.array(), train.y).score(test.array(), y)


@pytest.mark.parametrize("model", [bh.ConvNetClassifier(**SMALL), bh.ConvNetRegressor(**SMALL)])
def test_names_of_files_are_not_their_images(folder: Path, model: Any) -> None:
    fitted = clone(model).fit(images(folder), np.arange(12) % 2)
    for names in (str(folder), folder, list(images(folder).files)):
        with pytest.raises(TypeError, match=r"betahat\.data\.images"):
            clone(model).fit(names, np.arange(12) % 2)
        with pytest.raises(TypeError, match=r"betahat\.data\.images"):
            fitted.predict(names)


def test_other_networks_name_what_to_do(folder: Path) -> None:
    with pytest.raises(TypeError, match=r"array\(\)"):
        bh.MLPClassifier().fit(images(folder), np.arange(12) % 2)

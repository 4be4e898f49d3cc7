"""`betahat fit images/` and `betahat predict model image.png`."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import betahat as bh
from betahat.cli.app import app

OPTIONS = ["--epochs", "30", "--seed", "1", "--size", "6"]


def command(*arguments: Any, code: int = 0) -> Any:
    done = CliRunner().invoke(app, [str(each) for each in arguments])
    assert done.exit_code == code, done.output
    return done


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lines, upright or level, in a folder of each, and a model of them in "model"."""
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for label in ("level", "upright"):
        (folder / "images" / label).mkdir(parents=True)
        for k in range(12):
            pixels = rng.integers(0, 90, (6, 6)).astype(np.uint8)
            pixels[(slice(None), 3) if label == "upright" else (2,)] = 255
            Image.fromarray(pixels).save(folder / "images" / label / f"{k}.png")
    return folder


@pytest.fixture(scope="module")
def model(pictures: Path) -> Path:
    out = pictures / "model"
    said = command("fit", pictures / "images", "--model", "convnet", *OPTIONS, "--out", out).output
    assert "Conv2d(32, 3, padding='same')" in said
    assert "24 images of 6 × 6 × 1, 2 classes" in said
    return out


def test_the_model_is_the_librarys(pictures: Path, model: Path) -> None:
    images = bh.data.images(pictures / "images", 6)
    same = bh.ConvNetClassifier(max_iter=30, random_state=1).fit(images)
    np.testing.assert_array_equal(bh.load(model).predict_proba(images), same.predict_proba(images))


def test_a_folder_needs_no_name_of_a_model(pictures: Path) -> None:
    found = json.loads(command("fit", pictures / "images", *OPTIONS, "--json").stdout)
    assert found["classes"] == ["level", "upright"]
    assert found["image_shape"] == [6, 6, 1]
    assert found["accuracy"] > 0.9


def test_images_are_changed_as_asked(pictures: Path) -> None:
    out, text = pictures / "changed", "shift=1,flip=both,rotate=5.5"
    said = command("fit", pictures / "images", *OPTIONS, "--augment", text, "--out", out).output
    assert "turned by up to 5.5°" in " ".join(said.split())
    images, changes = bh.data.images(pictures / "images", 6), {"shift": 1, "flip": "both", "rotate": 5.5}
    same = bh.ConvNetClassifier(max_iter=30, random_state=1, augment=changes).fit(images)
    np.testing.assert_array_equal(bh.load(out).predict_proba(images), same.predict_proba(images))


@pytest.mark.parametrize(("text", "words"), [
    ("shift", "--augment (='shift') must be like shift=2"), ("shift=1,shift=2", "each named once"),
    ("turn=2", "'turn'"), ("shift=1.5", "shift (=1.5)"), ("flip=sideways", "flip (='sideways')"),
])  # fmt: skip
def test_changes_that_cannot_be_are_refused(pictures: Path, text: str, words: str) -> None:
    said = command("fit", pictures / "images", "--augment", text, code=2).output
    assert words in " ".join(said.split())


def test_an_image_and_a_folder_of_them_are_told(pictures: Path, model: Path) -> None:
    file = pictures / "images" / "upright" / "3.png"
    large = pictures / "large.png"
    Image.open(file).resize((12, 12), Image.Resampling.NEAREST).save(
        large
    )  # to the size of the training again
    for each in (file, large):
        said = json.loads(command("predict", model, each, "--json").stdout)["predictions"]
        assert [row["prediction"] for row in said] == ["upright"]
        assert said[0]["prediction_upright"] == pytest.approx(1 - said[0]["prediction_level"])
    assert "upright" in command("predict", model, file).output
    command("predict", model, pictures / "images", "--out", pictures / "told.csv")
    with (pictures / "told.csv").open() as opened:
        rows = list(csv.DictReader(opened))
    P = bh.load(model).predict_proba(bh.data.images(pictures / "images"))
    np.testing.assert_allclose([float(row["prediction_upright"]) for row in rows], P[:, 1], rtol=1e-12)
    assert Path(rows[0]["file"]).name == "0.png"


def test_images_of_another_size_are_refused_where_none_was_resized(pictures: Path) -> None:
    out = pictures / "exact"
    command("fit", pictures / "images", "--epochs", "1", "--out", out)
    large = pictures / "other.png"
    Image.fromarray(np.zeros((9, 7), np.uint8)).save(large)
    assert "other.png' is 9 × 7" in command("predict", out, large, code=2).output


@pytest.mark.parametrize(("arguments", "words"), [
    (["images", "--target", "y"], "--target is for tables"),
    (["images", "--size", "big"], "--size"),
    (["images", "--architecture", "alexnet"], "architecture"),
    (["images", "--epochs", "0"], "max_iter"),
    (["images/level/0.png", "--model", "convnet"], "is no folder"),
    (["images/level/0.png", "--model", "linear", "--size", "3"], "--size is for --model convnet"),
    (["images/level"], "no labels"),
])  # fmt: skip
def test_fits_are_refused_by_name(pictures: Path, arguments: list[str], words: str) -> None:
    done = command("fit", pictures / arguments[0], *arguments[1:], code=2)
    assert words in " ".join(done.output.split())


@pytest.mark.parametrize(("arguments", "words"), [
    (["images", "--out", "a.parquet"], ".csv"),
    (["images", "--interval", "0.9"], "--interval is for tables"),
    (["table.csv"], "--out is missing"),
])  # fmt: skip
def test_predictions_are_refused_by_name(
    pictures: Path, model: Path, arguments: list[str], words: str
) -> None:
    done = command("predict", model, pictures / arguments[0], *arguments[1:], code=2)
    assert words in " ".join(done.output.split())

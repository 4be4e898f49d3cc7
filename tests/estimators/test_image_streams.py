"""Folders of files that memory does not hold, and arrays that are best left where they lie: trained as arrays are."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.base import clone
from streamed_rows import assert_same

import betahat as bh
from betahat.data import ImageFolder, images
from betahat.data.far_rows import GatheredRows, left_in_place
from betahat.data.image_rows import ImageRows

N, BATCH = 67, 8
HOW: dict[str, Any] = {"channels": 4, "hidden": (6,), "max_iter": 3, "batch_size": BATCH, "random_state": 3}
BYTES = 3 * BATCH * 6 * 8 * 3  # of three mini-batches, decoded at once


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Colour images of lines, upright or level, 67 in all: the last mini-batch has 3."""
    path, rng = tmp_path_factory.mktemp("files"), np.random.default_rng(0)
    for k in range(N):
        label = ("upright", "level", "neither")[k % 3]
        pixels = rng.integers(0, 100, (6, 8, 3)).astype(np.uint8)
        if label != "neither":
            pixels[(slice(None), 3) if label == "upright" else (2,)] = 255
        (path / label).mkdir(exist_ok=True)
        Image.fromarray(pixels).save(path / label / f"{k:03}.png")
    return path


@pytest.fixture
def far(files: Path, monkeypatch: pytest.MonkeyPatch) -> ImageFolder:
    monkeypatch.setattr("betahat.data.far_rows._AT_ONCE", BYTES)
    found = images(files, memory_limit=0)
    assert isinstance(found.rows(), ImageRows)
    return found


def threads() -> set[str]:
    return {
        t.name for t in threading.enumerate() if t.name.startswith(("betahat-decode", "betahat-prefetch"))
    }


MODELS: dict[str, Any] = {
    "classifier": bh.ConvNetClassifier(**HOW),
    "normalised, dropping": bh.ConvNetClassifier(batch_norm=True, dropout=0.2, **HOW),
    "one row in the last batch": bh.ConvNetClassifier(batch_norm=True, **HOW | {"batch_size": 11}),
    "one batch": bh.ConvNetClassifier(**HOW | {"batch_size": N}),
    "in order": bh.ConvNetClassifier(shuffle=False, **HOW),
    "as they are": bh.ConvNetClassifier(standardize=False, **HOW),
    "double": bh.ConvNetClassifier(dtype="float64", **HOW),
    "balanced": bh.ConvNetClassifier(class_weight="balanced", **HOW),
    "in NumPy": bh.ConvNetClassifier(label_smoothing=0.1, **HOW),
    "early": bh.ConvNetClassifier(early_stopping=True, validation_fraction=0.3, **HOW),
    "scored": bh.ConvNetClassifier(early_stopping=True, scoring="neg_log_loss", **HOW),
    "found rate": bh.ConvNetClassifier(learning_rate_init="auto", **HOW),
    "changed at random": bh.ConvNetClassifier(augment=bh.data.Augmentation(shift=2, mixup=0.3), **HOW),
    "lbfgs": bh.ConvNetClassifier(solver="lbfgs", **HOW),
    "adaptive": bh.ConvNetClassifier(solver="sgd", learning_rate="adaptive", n_iter_no_change=1, tol=1, **HOW),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_files_are_trained_as_their_pixels(name: str, far: ImageFolder) -> None:
    pixels = far.array()
    a, b = clone(MODELS[name]).fit(far), clone(MODELS[name]).fit(pixels, far.y)
    assert_same(a, b)
    assert a.n_features_in_ == b.n_features_in_
    np.testing.assert_array_equal(a.predict_proba(far), b.predict_proba(pixels))
    np.testing.assert_array_equal(a.predict(far), b.predict(pixels))
    assert a.score(far) == b.score(pixels, far.y)
    assert a.certify(far).loss == b.certify(pixels, far.y).loss
    assert not threads()


def test_a_regression(far: ImageFolder) -> None:
    pixels, y = far.array(), np.random.default_rng(1).normal(size=(N, 2))
    weight = np.arange(N) / 2.0
    model = bh.ConvNetRegressor(**HOW)
    a, b = clone(model).fit(far, y, weight), clone(model).fit(pixels, y, weight)
    assert_same(a, b)
    assert a.score(far, y, weight) == b.score(pixels, y, weight)
    early = clone(model).set_params(early_stopping=True)
    assert_same(clone(early).fit(far, y), clone(early).fit(pixels, y))
    with pytest.raises(ValueError, match="inconsistent numbers"):
        model.fit(far, y[:-1])


def test_parts_validation_and_rates(far: ImageFolder, files: Path) -> None:
    pixels, y = far.array(), far.y
    model = bh.ConvNetClassifier(**HOW)
    a, b = clone(model), clone(model)
    for _ in range(2):
        a.partial_fit(far, classes=far.classes)
        b.partial_fit(pixels, y, classes=far.classes)
    assert_same(a, b)
    early = clone(model).set_params(early_stopping=True)
    other = images(files / "level", memory_limit=10**9)
    level = (other.array(), ["level"] * len(other))
    assert_same(clone(early).fit(far, validation=far), clone(early).fit(pixels, y, validation=(pixels, y)))
    assert_same(clone(early).fit(far, validation=level), clone(early).fit(pixels, y, validation=level))
    found = model.find_learning_rate(far, steps=20), model.find_learning_rate(pixels, y, steps=20)
    np.testing.assert_array_equal(found[0].loss, found[1].loss)
    assert not threads()


def test_a_folder_that_memory_holds_is_decoded_once(files: Path, tmp_path: Path) -> None:
    """Within memory_limit, and in a cache that is asked for."""
    small = images(files, memory_limit=N * 6 * 8 * 3)
    assert type(small.rows()) is np.ndarray
    cached = images(files, memory_limit=0, cache=tmp_path)
    assert isinstance(cached.rows(), np.memmap)
    model = bh.ConvNetClassifier(**HOW)
    assert_same(clone(model).fit(small), clone(model).fit(cached))


def test_what_is_decoded_at_once_is_bounded(far: ImageFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spans are whole mini-batches, about as many as the bytes say, in the order of the array's rows."""
    spans: list[np.ndarray] = []
    rows = far.rows()
    assert isinstance(rows, ImageRows)
    plain = ImageRows.parts

    def noted(self: ImageRows, given: Any) -> Any:
        given = list(given)
        spans.extend(given)
        return plain(self, given)

    monkeypatch.setattr(ImageRows, "parts", noted)
    bh.ConvNetClassifier(**HOW | {"max_iter": 1}, standardize=False).partial_fit(far, classes=far.classes)
    assert [len(span) for span in spans] == [24, 43]
    np.testing.assert_array_equal(np.sort(np.concatenate(spans)), np.arange(N))


# --- checkpoints and interruptions ----------------------------------------------------------------------------------


@pytest.mark.parametrize("early", [False, True])
def test_a_training_goes_on_to_the_same_bits(early: bool, far: ImageFolder, tmp_path: Path) -> None:
    """From the folder, from its pixels, or from a folder that memory holds."""
    model = bh.ConvNetClassifier(early_stopping=early, learning_rate="constant", **HOW | {"max_iter": 5})
    whole = clone(model).fit(far)
    for k, rest in enumerate(((far,), (far.array(), far.y))):
        place = tmp_path / str(k)
        clone(model).set_params(max_iter=2, checkpoint=place).fit(far)
        assert_same(clone(model).set_params(checkpoint=place).fit(*rest), whole)


def test_other_pixels_are_another_training(files: Path, far: ImageFolder, tmp_path: Path) -> None:
    model = bh.ConvNetClassifier(learning_rate="constant", **HOW).set_params(checkpoint=tmp_path / "kept")
    model.fit(far)
    other = images(files, memory_limit=0, size=(6, 8), mode="RGB").files[::-1]
    with pytest.raises(ValueError, match=r"X was .* and is"):
        clone(model).fit(images(list(other), memory_limit=0), far.y)


def test_interrupted(far: ImageFolder) -> None:
    def stop(epoch: Any) -> bool:
        if epoch.number == 2:
            raise KeyboardInterrupt
        return False

    model = bh.ConvNetClassifier(callbacks=stop, **HOW).fit(far)
    assert (model.stop_reason_, model.n_iter_) == ("interrupted", 2)
    assert len(model.predict(far)) == N
    assert not threads()


CTRL_C = """
import os, signal, sys, threading, time
import betahat as bh
folder = bh.data.images(sys.argv[1], memory_limit=0)
how = dict(channels=4, hidden=(), batch_size=8, random_state=0)
bh.ConvNetClassifier(max_iter=1, **how).fit(folder)  # what is compiled is compiled
def later(epoch):
    if epoch.number == 3:
        threading.Timer(0.05, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    return False

model = bh.ConvNetClassifier(max_iter=1_000_000, tol=0, n_iter_no_change=1_000_000, callbacks=later, **how)
model.fit(folder)
assert model.stop_reason_ == "interrupted", model.stop_reason_
left = [t.name for t in threading.enumerate() if t.name.startswith(("betahat-decode", "betahat-prefetch"))]
assert not left, left
print(len(model.predict(folder)))
"""


def test_ctrl_c_leaves_a_usable_model(files: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CTRL_C, str(files)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(N)


# --- files that do not stay as they are -----------------------------------------------------------------------------


@pytest.mark.parametrize(("change", "words"), [
    ("pixels", r"005\.png' changed while it was used: its pixels are others than at first"),
    ("shape", r"005\.png' changed while it was used: its pixels are now \(7, 8, 3\)"),
    ("gone", r"005\.png' cannot be read as an image: .*No such file"),
    ("cut", r"005\.png' cannot be read as an image"),
])  # fmt: skip
def test_changes_between_epochs_are_refused_by_name(change: str, words: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for k in range(20):
        Image.fromarray(rng.integers(0, 256, (6, 8, 3)).astype(np.uint8)).save(tmp_path / f"{k:03}.png")
    bad = tmp_path / "005.png"

    def meddle(epoch: Any) -> bool:
        if epoch.number == 2 and change == "gone":
            os.unlink(bad)
        elif epoch.number == 2 and change == "cut":
            bad.write_bytes(bad.read_bytes()[:100])
        elif epoch.number == 2:
            other = tmp_path / "other"  # renamed at once, since the file may just be read for the next epoch
            Image.fromarray(np.zeros((6 if change == "pixels" else 7, 8, 3), np.uint8)).save(other, "PNG")
            other.replace(bad)
        return False

    model = bh.ConvNetRegressor(callbacks=meddle, **HOW | {"max_iter": 20})
    with pytest.raises(bh.DataError, match=words):
        model.fit(images(tmp_path, memory_limit=0), np.arange(20.0))
    assert not threads()


# --- arrays that are not converted as a whole -----------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["uint16", "float16", "int32", ">f4"])
@pytest.mark.parametrize("early", [False, True])
def test_arrays_of_other_types_are_gathered(
    dtype: str, early: bool, far: ImageFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = far.array().astype(dtype)
    model = bh.ConvNetClassifier(early_stopping=early, **HOW)
    plain = clone(model).fit(pixels, far.y)
    proba = plain.predict_proba(pixels)
    monkeypatch.setattr("betahat.data.far_rows._WHOLE", 100)
    assert isinstance(left_in_place(pixels), GatheredRows)
    left = clone(model).fit(pixels, far.y)
    assert_same(left, plain)
    np.testing.assert_array_equal(left.predict_proba(pixels), proba)
    assert left.certify(pixels, far.y).loss == plain.certify(pixels, far.y).loss


def test_channels_first_are_gathered(far: ImageFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = far.array()
    first = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))
    monkeypatch.setattr("betahat.data.far_rows._WHOLE", 100)
    assert left_in_place(pixels) is pixels
    model = bh.ConvNetClassifier(**HOW)
    other = clone(model).set_params(image_order="NCHW").fit(first, far.y)
    assert_same(other, clone(model).fit(pixels, far.y))
    np.testing.assert_array_equal(
        other.predict_proba(first), clone(model).fit(pixels, far.y).predict_proba(pixels)
    )


# --- tables of pixels -----------------------------------------------------------------------------------------------

PIXELS = np.random.default_rng(5).integers(0, 256, (301, 60)).astype(np.uint8)
SIDE = PIXELS[:, :30].sum(axis=1) > PIXELS[:, 30:].sum(axis=1)
TABLE: dict[str, Any] = HOW | {"image_shape": (5, 4, 3)}


@pytest.fixture(scope="module")
def parquet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    frame = pd.DataFrame(PIXELS, columns=[f"p{k}" for k in range(60)])
    frame["side"], frame["sum"] = np.where(SIDE, "left", "right"), PIXELS.sum(axis=1) / 1e4
    frame["kind"], frame["w"] = np.where(SIDE, "u", "v"), np.arange(301) % 3 / 2
    path = tmp_path_factory.mktemp("pixels") / "pixels.parquet"
    frame.to_parquet(path, row_group_size=50)
    return path


def pixels_of(parquet: Path, target: str, **how: Any) -> Any:
    return bh.data.query(parquet, target=target, columns=[f"p{k}" for k in range(60)], **how)


@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize("weights", [None, "w"])
def test_a_table_of_pixels_that_is_held(early: bool, weights: str | None, parquet: Path) -> None:
    model = bh.ConvNetClassifier(early_stopping=early, **TABLE)
    source = pixels_of(parquet, "side", labels=True, weights=weights)
    a = clone(model).fit(source)
    w = np.arange(301) % 3 / 2
    which = w > 0 if weights else np.ones(301, bool)
    y = np.where(SIDE, "left", "right")
    b = clone(model).fit(PIXELS[which].astype(float), y[which], w[which] if weights else None)
    assert_same(a, b)
    assert a.image_shape_ == (5, 4, 3)
    np.testing.assert_array_equal(a.predict_proba(source), b.predict_proba(PIXELS.astype(float)))
    assert a.score(source) == b.score(PIXELS[which].astype(float), y[which], w[which] if weights else None)


@pytest.mark.parametrize("standardize", [False, True])
def test_a_table_of_pixels_in_its_own_order(standardize: bool, parquet: Path) -> None:
    model = bh.ConvNetRegressor(standardize=standardize, shuffle=False, dtype="float64", **TABLE)
    left = clone(model)
    left.shuffle_buffer = 64
    source = pixels_of(parquet, "sum")
    left.fit(source)
    assert source.readings == 1 + 3
    plain = clone(model).fit(PIXELS.astype(float), PIXELS.sum(axis=1) / 1e4)
    for name, value in left.parameters_.items():
        np.testing.assert_allclose(value, plain.parameters_[name], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(left.predict(source), plain.predict(PIXELS.astype(float)), rtol=1e-8)
    assert left._units is None or left._units[0].shape == (5, 4, 3)


def test_a_table_of_pixels_through_the_buffer(parquet: Path) -> None:
    source = pixels_of(parquet, "side", labels=True)
    model = bh.ConvNetClassifier(early_stopping=True, validation_fraction=0.3, **TABLE | {"max_iter": 6})
    model.shuffle_buffer = 100
    model.fit(source)
    assert source.readings == 1 + 6
    assert model.validation_scores_ is not None
    again = clone(model)
    again.shuffle_buffer = 100
    assert_same(again.fit(source), model)
    names = [f"p{k}" for k in range(60)]
    assert model.certify(source).loss == pytest.approx(
        model.certify(pd.read_parquet(parquet, columns=names), np.where(SIDE, "left", "right")).loss,
        rel=1e-10,
    )
    assert model.find_learning_rate(source, steps=12).loss.size >= 2
    assert not threads()


def test_tables_that_are_no_images(parquet: Path) -> None:
    source = bh.data.query(parquet, target="sum", columns=["p0", "p1", "kind"])
    with pytest.raises(TypeError, match=r"categories, \['kind'\]; the pixels of images are numbers"):
        bh.ConvNetRegressor(channels=2, hidden=()).fit(source)
    with pytest.raises(bh.DataError, match="60 numbers, which are no square"):
        bh.ConvNetRegressor(channels=2, hidden=()).fit(pixels_of(parquet, "sum"))
    with pytest.raises(bh.DataError, match=r"shape \(60,\)"):
        bh.ConvNetRegressor(channels=2, hidden=(), image_shape=(5, 4)).fit(pixels_of(parquet, "sum"))
    model = bh.ConvNetRegressor(**TABLE).fit(PIXELS, SIDE * 1.0)
    with pytest.raises(ValueError, match="3 columns"):
        model.predict(bh.data.ArraySource(np.zeros((4, 3)), np.zeros(4)))


MEMORY = """
import threading
import numpy as np, betahat as bh

def anonymous():  # bytes of memory that are no pages of files
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("RssAnon"))

peak, done = [0], threading.Event()

def watch():
    while not done.wait(0.002):
        peak[0] = max(peak[0], anonymous())

import sys
X = np.memmap(sys.argv[1], np.dtype(sys.argv[2]), "w+", shape=(100_000, 32, 32, 3))
X[:50] = 200
y = np.arange(len(X)) % 2
how = dict(channels=(1,), kernel_size=1, hidden=(), max_iter=1, random_state=0)
bh.ConvNetClassifier(**how).fit(np.array(X[:256]), y[:256]).predict(X[:300])
before = peak[0] = anonymous()
threading.Thread(target=watch, daemon=True).start()
model = bh.ConvNetClassifier(early_stopping=True, validation_fraction=0.5, **how).fit(X, y)
model.predict(X)
done.set()
print(X.nbytes, max(peak[0], anonymous()) - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="asks Linux for its memory")
def test_a_mapped_file_is_not_copied(tmp_path: Path) -> None:
    """300 MB of zeros, which take no room on a disk: most of it is never in memory of our own."""
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(tmp_path / "mapped"), "uint8"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    whole, used = map(int, done.stdout.split())
    assert used < 0.6 * whole, f"{used / 1e6:.0f} of {whole / 1e6:.0f} MB"

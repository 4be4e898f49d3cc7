"""Trainings that are killed, interrupted or refused, and go on from their checkpoints with the same bits."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone

import betahat as bh
from betahat.errors import CertificateWarning, CheckpointWarning, StorageError
from betahat.layers import Dense, Dropout, ReLU
from betahat.solvers import ExponentialAverage

RNG = np.random.default_rng(8)
X = RNG.normal(size=(300, 5))
Y = (X[:, 0] * X[:, 1] > 0).astype(int)
R = X[:, 0] + X[:, 1] ** 2
HIDDEN = {"hidden_layer_sizes": (8,), "batch_size": 32, "max_iter": 14}

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "adam": ("MLPClassifier", HIDDEN | {"dropout": 0.2, "batch_norm": True}),
    "adaptive": (
        "MLPRegressor",
        HIDDEN | {"solver": "sgd", "learning_rate": "adaptive", "tol": 0.05, "n_iter_no_change": 1},
    ),
    "invscaling": ("MLPRegressor", HIDDEN | {"solver": "sgd", "learning_rate": "invscaling"}),
    "early": ("MLPClassifier", HIDDEN | {"early_stopping": True, "n_iter_no_change": 5}),
    "average": ("MLPRegressor", HIDDEN | {"average": ExponentialAverage(0.9), "dtype": "float32"}),
    "stack": ("NetworkClassifier", {"layers": [Dense(6), ReLU(), Dropout(0.1), Dense(2)], "max_iter": 14}),
    "stacked": ("NetworkRegressor", {"layers": [Dense(6), ReLU(), Dense(1)], "max_iter": 14}),
}
LONG = {"max_iter": 60, "n_iter_no_change": 20}

CHILD = """
import sys
from tests_checkpoints import LONG, R, X, Y, made
name, folder = sys.argv[1:]
m = made(name, **LONG, checkpoint=folder, callbacks=lambda epoch: print(epoch.number, flush=True))
m.fit(X, Y if "Classifier" in type(m).__name__ else R)
"""


def made(name: str, **more: Any) -> Any:
    kind, parameters = CASES[name]
    return getattr(bh, kind)(**{"random_state": 3, **parameters, **more})


def target(model: Any) -> np.ndarray:
    return Y if "Classifier" in type(model).__name__ else R


def fit(name: str, **more: Any) -> Any:
    model = made(name, **more)
    return model.fit(X, target(model))


def assert_same(a: Any, b: Any) -> None:
    for name, value in a.parameters_.items():
        np.testing.assert_array_equal(value, b.parameters_[name], strict=True)
    for state in ("memory", "average"):
        ours, theirs = (getattr(m._state.chain, state) for m in (a, b))
        assert (ours is None) == (theirs is None)
        if ours is not None:
            np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(a._state.buffers, b._state.buffers)
    np.testing.assert_array_equal(a.predict(X), b.predict(X))
    assert a.loss_curve_ == b.loss_curve_
    assert a.validation_scores_ == b.validation_scores_
    assert (a.best_loss_, a.n_iter_, a.t_, a.stop_reason_) == (b.best_loss_, b.n_iter_, b.t_, b.stop_reason_)
    np.testing.assert_array_equal(a.trace_.step, b.trace_.step)
    np.testing.assert_array_equal(a.trace_.gradient_norm, b.trace_.gradient_norm)
    for kind in ("weight", "gradient"):
        norms = (getattr(m.trace_.layer_norms, kind) for m in (a, b))
        np.testing.assert_array_equal(*norms, strict=True)
    assert a._dead == b._dead
    assert a._history == b._history


def after(epochs: int) -> Any:
    return lambda epoch: epoch.number == epochs


def child(tmp_path: Path, name: str, folder: Path) -> subprocess.Popen[str]:
    (tmp_path / "tests_checkpoints.py").write_text(
        Path(__file__).read_text(encoding="utf-8"), encoding="utf-8"
    )
    (tmp_path / "child.py").write_text(CHILD, encoding="utf-8")
    command = [sys.executable, str(tmp_path / "child.py"), name, str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


# --- the same bits --------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is of POSIX")
@pytest.mark.parametrize("name", ["adam", "adaptive", "early", "average"])
def test_killed_at_any_moment(name: str, tmp_path: Path) -> None:
    folder, whole = tmp_path / "kept", fit(name, **LONG)
    for epochs, later in ((1, 0.0), (3, 0.002), (2, 0.005)):
        process = child(tmp_path, name, folder)
        assert process.stdout is not None
        for _ in range(epochs):
            process.stdout.readline()
        time.sleep(later)
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    assert 6 <= max(int(path.name[6:14]) for path in folder.glob("epoch-*.checkpoint")) < whole.n_iter_
    assert_same(fit(name, **LONG, checkpoint=folder), whole)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("every", [1, 3])
def test_broken_off_after_every_epoch(name: str, every: int, tmp_path: Path) -> None:
    whole = fit(name)
    how = {"checkpoint": str(tmp_path / "kept"), "checkpoint_every": every}
    for epochs in range(1, whole.n_iter_):
        stopped = fit(name, callbacks=after(epochs), **how)
        assert (stopped.stop_reason_, stopped.n_iter_) == ("interrupted", epochs)
    assert_same(fit(name, **how), whole)


@pytest.mark.parametrize("name", CASES)
def test_a_finished_training_returns_at_once(name: str, tmp_path: Path) -> None:
    first = fit(name, checkpoint=tmp_path)
    files = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    called: list[Any] = []
    assert_same(fit(name, checkpoint=tmp_path, callbacks=called.append), first)
    assert not called
    assert files == {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}


@pytest.mark.parametrize("name", CASES)
def test_more_epochs_go_on(name: str, tmp_path: Path) -> None:
    fit(name, checkpoint=tmp_path, max_iter=5)
    assert_same(fit(name, checkpoint=tmp_path), fit(name))


def test_a_seed_that_was_drawn_is_kept(tmp_path: Path) -> None:
    how = {"checkpoint": tmp_path, "random_state": None}
    first = fit("early", callbacks=after(4), **how)
    second = fit("early", **how)
    assert first._seed == second._seed
    assert_same(second, fit("early", random_state=second._seed))


def test_weights_sparse_rows_and_several_targets(tmp_path: Path) -> None:
    rows, w = sp.random_array((200, 6), density=0.4, rng=1, format="csr"), RNG.uniform(0, 2, 200)
    y = np.column_stack([rows.sum(axis=1), rows.max(axis=1).toarray()])
    how: dict[str, Any] = {"random_state": 0, "max_iter": 6, "hidden_layer_sizes": 5}
    bh.MLPRegressor(**how, checkpoint=tmp_path, callbacks=after(2)).fit(rows, y, w)
    went = bh.MLPRegressor(**how, checkpoint=tmp_path).fit(rows, y, w)
    whole = bh.MLPRegressor(**how).fit(rows, y, w)
    np.testing.assert_array_equal(went.predict(rows), whole.predict(rows))
    with pytest.raises(ValueError, match=r"sample_weight was .* and is None"):
        bh.MLPRegressor(**how, checkpoint=tmp_path).fit(rows, y)


def test_divergence_is_kept_too(tmp_path: Path) -> None:
    wild = {"solver": "sgd", "learning_rate_init": 1e8, "learning_rate": "constant", "checkpoint": tmp_path}
    fits = []
    for _ in range(2):
        with pytest.warns(CertificateWarning, match="grew beyond"):
            fits.append(fit("invscaling", **wild))
    assert fits[0].stop_reason_ == fits[1].stop_reason_ == "diverged"
    np.testing.assert_array_equal(fits[0].predict(X), fits[1].predict(X))


# --- Ctrl-C ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("every", [1, 100])
@pytest.mark.parametrize("name", ["adam", "early"])
def test_interrupted_by_hand(name: str, every: int, tmp_path: Path) -> None:
    def hand(epoch: Any) -> None:
        if epoch.number == 6:
            signal.raise_signal(signal.SIGINT)

    how = {"checkpoint": tmp_path, "checkpoint_every": every}
    stopped = fit(name, callbacks=hand, **how)
    assert stopped.stop_reason_ == "interrupted"
    assert np.isfinite(stopped.predict(X)).all()
    assert [p.name for p in sorted(tmp_path.iterdir())][-1] == "epoch-00000006.checkpoint"
    assert_same(fit(name, **how), fit(name))


def test_interrupted_while_rows_set_aside_are_scored(tmp_path: Path) -> None:
    calls: list[int] = []

    def scorer(model: Any, A: Any, b: Any) -> float:
        calls.append(1)
        if len(calls) == 4:
            signal.raise_signal(signal.SIGINT)
        return float(np.mean(model.predict(A) == b))

    how = {"checkpoint": tmp_path, "checkpoint_every": 100, "scoring": scorer}
    assert fit("early", **how).stop_reason_ == "interrupted"
    assert [p.name for p in tmp_path.glob("epoch-*")] == ["epoch-00000003.checkpoint"]
    assert_same(fit("early", **how), fit("early", scoring=scorer))


# --- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"alpha": 0.5}, r"alpha was 0\.0001 and is 0\.5"),
        ({"random_state": 4}, "random_state was 3 and is 4"),
        ({"hidden_layer_sizes": (9,)}, r"hidden_layer_sizes was \[8\] and is \[9\]; network was"),
        ({"dtype": "float32"}, "dtype was 'auto' and is 'float32'; precision was float64 and is float32"),
        (
            {"learning_rate_init": 0.01, "batch_size": 16},
            r"batch_size was 32 and is 16; learning_rate_init was",
        ),
    ],
)
def test_another_training_is_refused(more: dict[str, Any], told: str, tmp_path: Path) -> None:
    fit("adam", checkpoint=tmp_path, max_iter=3)
    before = sorted(p.read_bytes() for p in tmp_path.iterdir())
    with pytest.raises(ValueError, match=f"of another training: {told}"):
        fit("adam", checkpoint=tmp_path, **more)
    assert sorted(p.read_bytes() for p in tmp_path.iterdir()) == before


def test_other_rows_and_estimators_are_refused(tmp_path: Path) -> None:
    fit("adam", checkpoint=tmp_path, max_iter=3)
    other, wrong = X.copy(), 1 - Y
    other[150, 2] += 1e-9
    for rows, y, told in ((other, Y, "X was"), (X, wrong, "y was"), (X[:-1], Y[:-1], r"X was \(300, 5\)")):
        with pytest.raises(ValueError, match=told):
            made("adam", checkpoint=tmp_path).fit(rows, y)
    assert made("adam", checkpoint=tmp_path).fit(np.asfortranarray(X), Y).n_iter_ == 14
    with pytest.raises(ValueError, match="estimator was MLPClassifier and is MLPRegressor"):
        bh.MLPRegressor(checkpoint=tmp_path).fit(X, R)


def test_fewer_epochs_than_it_has_gone(tmp_path: Path) -> None:
    fit("adam", checkpoint=tmp_path)
    with pytest.raises(ValueError, match=r"max_iter \(=5\) is less than the 14 epochs"):
        fit("adam", checkpoint=tmp_path, max_iter=5)


def test_parameters_are_checked(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="solver='lbfgs' cannot be broken off"):
        bh.MLPClassifier(solver="lbfgs", checkpoint=tmp_path).fit(X, Y)
    with pytest.raises(TypeError, match=r"checkpoint \(=3\) must be None or the name of a folder"):
        bh.MLPClassifier(checkpoint=3).fit(X, Y)
    with pytest.raises(ValueError, match="checkpoint_every"):
        bh.MLPClassifier(checkpoint=tmp_path, checkpoint_every=0).fit(X, Y)
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be made a folder"):
        bh.MLPClassifier(checkpoint=tmp_path / "file").fit(X, Y)


# --- damage ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["cut", "changed", "empty"])
def test_a_damaged_newest_is_named_and_the_one_before_used(damage: str, tmp_path: Path) -> None:
    fit("early", checkpoint=tmp_path, callbacks=after(4))
    newest = sorted(tmp_path.iterdir())[-1]
    content = bytearray(newest.read_bytes())
    if damage == "changed":
        content[-5] ^= 1
    newest.write_bytes(content[: {"cut": len(content) // 2, "changed": len(content), "empty": 0}[damage]])
    with pytest.warns(CheckpointWarning, match=r"epoch-00000004.*of epoch 3, is used"):
        went = fit("early", checkpoint=tmp_path)
    assert_same(went, fit("early"))


def test_all_damaged(tmp_path: Path) -> None:
    fit("adam", checkpoint=tmp_path, max_iter=3)
    for path in tmp_path.iterdir():
        path.write_bytes(b"")
    with pytest.raises(StorageError, match=r"no checkpoint .* can be read"):
        fit("adam", checkpoint=tmp_path)


def test_other_files_are_not_taken_for_checkpoints(tmp_path: Path) -> None:
    fit("adam").save(tmp_path / "epoch-00000002.checkpoint")
    with pytest.raises(StorageError, match="no checkpoints of a network's training"):
        fit("adam", checkpoint=tmp_path)


# --- beside it ------------------------------------------------------------------------------------------------------


def test_a_warm_start_has_a_folder_of_its_own(tmp_path: Path) -> None:
    whole = fit("adam", max_iter=4, warm_start=True)
    twin = pickle.loads(pickle.dumps(whole))
    whole.fit(X, Y)
    model: Any = clone(twin)
    model.set_params(checkpoint=tmp_path / "a").fit(X, Y)
    with pytest.raises(
        ValueError, match="what it begins at was the seed's weights and is the end of an earlier"
    ):
        model.fit(X, Y)
    model.set_params(checkpoint=tmp_path / "b", callbacks=after(2)).fit(X, Y)
    twin.set_params(checkpoint=tmp_path / "b").fit(X, Y)
    assert_same(twin, whole)


def test_parts_write_none(tmp_path: Path) -> None:
    made("adam", checkpoint=tmp_path / "none").partial_fit(X, Y, classes=[0, 1])
    assert not list(tmp_path.iterdir())


def test_files_of_models_hold_no_paths(tmp_path: Path) -> None:
    model = fit("adam", checkpoint=tmp_path / "kept", checkpoint_every=2)
    copied: Any = clone(model)
    assert copied.get_params()["checkpoint"] == tmp_path / "kept"
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))
    model.save(tmp_path / "model")
    loaded = bh.load(tmp_path / "model")
    assert (loaded.checkpoint, loaded.checkpoint_every) == (None, 2)
    assert b"kept" not in (tmp_path / "model").read_bytes()
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))

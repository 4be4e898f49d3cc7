"""Networks trained on sources: as on arrays where all rows are held, and through a buffer where they are not."""

from __future__ import annotations

import copy
import os
import pickle
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from streamed_rows import BATCH, BUFFER, FRAME, Blocks, N, X, assert_same, in_parts, numbers, query, source_of

import betahat as bh
from betahat.data.source import Block
from betahat.estimators.network.training import Plan
from betahat.layers import BatchNorm, Dense, Dropout, ReLU

HOW = {"max_iter": 3, "batch_size": BATCH, "random_state": 7}
LAYERS = [Dense(6), BatchNorm(), ReLU(), Dropout(0.1)]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rows") / "rows.parquet"
    FRAME.to_parquet(path, row_group_size=200)
    return path


# --- all rows are held ----------------------------------------------------------------------------------------------

HELD: dict[str, tuple[Any, Any]] = {
    "classifier": (bh.MLPClassifier((8,), **HOW), "c"),
    "regressor": (bh.MLPRegressor(hidden_layer_sizes=(8,), **HOW), "r"),
    "two targets": (bh.MLPRegressor(hidden_layer_sizes=(8,), **HOW), ["r", "s"]),
    "two labels": (bh.MLPClassifier((8,), **HOW), ["q", "z"]),
    "poisson": (bh.MLPRegressor("poisson", (8,), **HOW), "q"),
    "balanced": (bh.MLPClassifier((8,), class_weight="balanced", **HOW), "c"),
    "weights of classes": (bh.MLPClassifier((8,), class_weight={"yes": 3.0, "no": 0.0}, **HOW), "c"),
    "early": (bh.MLPClassifier((8,), early_stopping=True, **HOW), "c"),
    "lbfgs": (bh.MLPRegressor(hidden_layer_sizes=(8,), **HOW | {"solver": "lbfgs"}), "r"),
    "stack": (bh.NetworkClassifier([*LAYERS, Dense(3)], **HOW), "c"),
    "stacked": (bh.NetworkRegressor([*LAYERS, Dense(1)], **HOW), "r"),
}


@pytest.mark.parametrize("name", HELD)
@pytest.mark.parametrize("weights", [None, "w"])
def test_rows_that_fit_are_trained_as_arrays(name: str, weights: str | None, rows: Path) -> None:
    model, target = HELD[name]
    source = query(rows, target, weights=weights, labels=target == "c")
    streamed = clone(model).fit(source)
    assert source.readings == 1
    counts = FRAME[FRAME.w > 0] if weights else FRAME
    plain = clone(model).fit(counts[X], counts[target], counts[weights] if weights else None)
    assert_same(streamed, plain)
    assert streamed.design_.columns == plain.design_.columns
    np.testing.assert_array_equal(streamed.predict(FRAME[X]), plain.predict(FRAME[X]))
    if target == "c":
        np.testing.assert_array_equal(streamed.classes_, plain.classes_)


def test_a_source_in_memory_is_trained_as_its_arrays() -> None:
    A, y = numbers(), numbers()[:, 0]
    source = bh.data.ArraySource(A, y, weight=np.arange(N) / 2.0, frequency=np.full(N, 2.0))
    model = bh.MLPRegressor(shuffle_buffer=10, **HOW)
    assert_same(clone(model).fit(source), clone(model).fit(A[1:], y[1:], np.arange(1.0, N)))


# --- they are not ---------------------------------------------------------------------------------------------------

STREAMED: dict[str, Any] = {
    "classifier": bh.MLPClassifier((8,), dropout=0.2, batch_norm=True, **HOW),
    "regressor": bh.MLPRegressor(hidden_layer_sizes=(8,), alpha=0.1, **HOW),
    "float32": bh.MLPRegressor(hidden_layer_sizes=(8,), dtype="float32", **HOW),
    "reference": bh.MLPRegressor(hidden_layer_sizes=(8,), activation=lambda z: np.tanh(z), **HOW),
    "invscaling": bh.MLPRegressor(solver="sgd", learning_rate="invscaling", **HOW),
    "balanced": bh.MLPClassifier((8,), class_weight="balanced", **HOW),
    "weights of classes": bh.MLPClassifier((8,), class_weight={"yes": 3.0, "no": 0.0}, **HOW),
}


@pytest.mark.parametrize("name", STREAMED)
@pytest.mark.parametrize("weights", [None, "w"])
def test_in_their_own_order_rows_are_trained_as_arrays(name: str, weights: str | None, rows: Path) -> None:
    """Whatever blocks they come in, mini-batches are the same, and so are the bits; with columns as they are."""
    model = clone(STREAMED[name]).set_params(shuffle=False, standardize=False)
    target = "c" if "Classifier" in type(model).__name__ else "r"
    source = query(rows, target, weights=weights, labels=target == "c")
    streamed = clone(model).set_params(shuffle_buffer=BUFFER).fit(source)
    assert source.readings > 1
    counts = FRAME[FRAME.w > 0] if weights else FRAME
    assert_same(streamed, clone(model).fit(counts[X], counts[target], counts[weights] if weights else None))


@pytest.mark.parametrize("name", ["classifier", "regressor", "balanced"])
def test_units_are_those_of_arrays(name: str, rows: Path) -> None:
    model = clone(STREAMED[name]).set_params(shuffle=False)
    target = "c" if "Classifier" in type(model).__name__ else "r"
    streamed = (
        clone(model)
        .set_params(shuffle_buffer=BUFFER)
        .fit(query(rows, target, weights="w", labels=target == "c"))
    )
    plain = clone(model).fit(FRAME[X], FRAME[target], FRAME.w)
    if "weights" not in name and name != "balanced":
        np.testing.assert_array_equal(streamed._units, plain._units)
    np.testing.assert_allclose(streamed._units, plain._units, rtol=1e-12)
    for parameter, value in streamed.parameters_.items():
        np.testing.assert_allclose(value, plain.parameters_[parameter], rtol=1e-6, atol=1e-9)


def prepared(source: Any, **more: Any) -> tuple[Any, Any]:
    """A model and the rows that it is to be trained with."""
    model = bh.MLPRegressor(standardize=False, **{**HOW, "shuffle_buffer": BUFFER, **more})
    given = model._read(source, None, None, reset=True, aside=True)
    model._prepare(given, False)
    return model, given


def epoch(model: Any, given: Any, number: int) -> np.ndarray:
    """The rows of an epoch in order, by their first column."""
    size = int(model.batch_size)
    plan = Plan(
        None, 1, size, model._seed, model.shuffle, 0.0, np.inf, False, bool(model._network.buffer_size)
    )
    parts = list(given.feed(model, size).epoch(number, plan))
    assert all(len(order) % size == 0 for _, order in parts[:-1])
    assert all(len(order) >= size for _, order in parts)
    return np.concatenate([rows.X[order, 0] for rows, order in parts])


@given(
    st.integers(120, 700), st.integers(1, 40), st.integers(1, 110), st.integers(1, 6), st.integers(0, 2**32 - 1),
    st.booleans(),
)  # fmt: skip
@settings(deadline=None, max_examples=40)
def test_each_epoch_is_another_permutation(
    n: int, size: int, buffer: int, parts: int, seed: int, early: bool
) -> None:
    i = np.arange(float(n))
    source = source_of(Block(np.column_stack([i, i, i]), i[:, None]), parts=parts)
    model, given = prepared(
        source, batch_size=size, shuffle_buffer=buffer, random_state=seed, early_stopping=early
    )
    orders = [epoch(model, given, number) for number in (0, 1, 0)]
    aside = given.aside.X[:, 0] if early else np.empty(0)
    for order in orders:
        np.testing.assert_array_equal(np.sort(np.concatenate([order, aside])), i)
    np.testing.assert_array_equal(orders[0], orders[2])
    assert not np.array_equal(orders[0], orders[1])


def test_parts_come_in_another_order_and_rows_far_apart_meet() -> None:
    """Of a file that is sorted, a batch has rows of several parts."""
    i = np.arange(6000.0)
    model, given = prepared(
        source_of(Block(np.column_stack([i, i, i]), i[:, None]), parts=20), shuffle_buffer=1500
    )
    spans = []
    for number in range(3):
        order = epoch(model, given, number)
        spans.append([np.ptp(order[k : k + BATCH]) for k in range(0, len(order) - BATCH, BATCH)])
    assert np.median(spans) > 3000  # of consecutive parts it would be about 1500


@pytest.mark.parametrize("fraction", [0.1, 0.3])
def test_rows_set_aside_are_those_of_a_hash(fraction: float) -> None:
    n = 20_000
    i = np.arange(float(n))
    block = Block(np.column_stack([i, i, i]), i[:, None])
    asides = []
    for parts, buffer, seed in ((1, 7000, 0), (7, 10_000, 1)):
        model, given = prepared(
            source_of(block, parts=parts), early_stopping=True, validation_fraction=fraction, shuffle_buffer=buffer,
            random_state=seed,
        )  # fmt: skip
        asides.append(given.aside.X[:, 0])
        assert given.rows + given.aside.length == n
        assert not np.isin(epoch(model, given, 0), asides[-1]).any()
    np.testing.assert_array_equal(*asides)
    assert abs(len(asides[0]) - fraction * n) < 5 * np.sqrt(n * fraction * (1 - fraction))
    assert abs(asides[0].mean() - n / 2) < 0.05 * n
    _, small = prepared(
        source_of(block), early_stopping=True, validation_fraction=fraction, shuffle_buffer=500
    )
    assert small.aside.length == 500
    assert np.isin(small.aside.X[:, 0], asides[0]).all()


@pytest.mark.parametrize("threads", ["1", "2"])
def test_same_bits_on_any_number_of_threads(
    threads: str, rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = bh.MLPRegressor(shuffle_buffer=BUFFER, early_stopping=True, hidden_layer_sizes=(300, 300), **HOW)
    expected = clone(model).fit(query(rows, "r"))
    monkeypatch.setenv("BETAHAT_NUM_THREADS", threads)
    assert_same(clone(model).fit(query(rows, "r", block_rows=37)), expected)


def test_as_good_as_in_memory(rows: Path) -> None:
    how = {"max_iter": 60, "random_state": 0, "learning_rate_init": 0.01}
    streamed = bh.MLPClassifier(shuffle_buffer=400, **how).fit(query(rows, "c", labels=True))
    assert streamed.score(FRAME[X], FRAME.c) > 0.93


def test_full_batch_descent_over_passes(rows: Path) -> None:
    how = {"solver": "lbfgs", "max_iter": 8, "random_state": 0, "hidden_layer_sizes": (5,)}
    streamed = bh.MLPRegressor(shuffle_buffer=BUFFER, **how).fit(query(rows, "r", weights="w"))
    plain = bh.MLPRegressor(**how).fit(FRAME[X], FRAME.r, FRAME.w)
    np.testing.assert_allclose(streamed.loss_curve_, plain.loss_curve_, rtol=1e-6)


def test_rows_of_validation_that_are_given(rows: Path) -> None:
    how = HOW | {"early_stopping": True}
    some = FRAME[:300]
    weights = np.arange(300.0)
    for source in (query(rows, "c", labels=True), None):
        fits = [
            bh.MLPClassifier(shuffle_buffer=BUFFER * 2, **how).fit(
                *((source,) if source is not None else (FRAME[X], FRAME.c)), validation=given
            )
            for given in ((some[X], some.c), query(f"SELECT * FROM '{rows}' LIMIT 300", "c", labels=True))
        ]
        assert_same(*fits)
        other = bh.MLPClassifier(**how).fit(FRAME[X], FRAME.c, validation=(some[X], some.c, weights))
        last = other.best_validation_score_
        assert last == other.score(some[X], some.c, weights)
    assert fits[0].best_validation_score_ == fits[0].score(some[X], some.c)
    fewer = query(f"SELECT * FROM '{rows}' WHERE c <> 'perhaps' LIMIT 300", "c", labels=True)
    assert len(fewer.classes) == 2  # of the three that training knows
    bh.MLPClassifier(**how).fit(FRAME[X], FRAME.c, validation=fewer)


# --- parts, and engines that are kept -------------------------------------------------------------------------------


def test_partial_fit_takes_sources(rows: Path) -> None:
    model = bh.MLPClassifier(shuffle=False, shuffle_buffer=BUFFER, standardize=False, **HOW)
    plain = clone(model)
    for _ in range(2):
        model.partial_fit(query(rows, "c", labels=True))
        plain.partial_fit(FRAME[X], FRAME.c, classes=["no", "perhaps", "yes"])
    assert_same(model, plain)


@pytest.mark.parametrize("weighted", [False, True])
def test_partial_fit_keeps_its_engine(weighted: bool) -> None:
    A, y = numbers(), numbers()[:, 0]
    model = bh.MLPRegressor(**HOW)
    engines, copies = set(), []
    for k in range(6):
        part = slice(100 * k, 100 * k + 100)
        weight = np.full(100, 2.0) if weighted else None
        model.partial_fit(A[part], y[part], weight)
        engines.add(id(model._engine))
        copies.append(pickle.loads(pickle.dumps(copy.deepcopy(model))))
        assert not hasattr(copies[-1], "_engine")
    assert len(engines) == 1
    assert not hasattr(clone(model), "_state")
    again = copies[0]
    for k in range(1, 6):  # with a new engine for each
        part = slice(100 * k, 100 * k + 100)
        again = copy.deepcopy(again).partial_fit(A[part], y[part], np.full(100, 2.0) if weighted else None)
    assert_same(again, model)


def test_partial_fit_takes_another_engine_where_it_must() -> None:
    A, y = numbers(), numbers()[:, 0]
    model = bh.MLPRegressor(solver="sgd", **HOW).partial_fit(A, y)
    before = model._engine
    model.set_params(learning_rate_init=0.002).partial_fit(A, y)
    assert model._engine is not before
    before = model._engine
    model.partial_fit(A, y, np.arange(N) + 1.0)
    assert model._engine is not before  # the penalty is another beside such weights


# --- questions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["table", "formula", "numbers"])
def test_answers_to_a_source_are_those_to_its_rows(how: str, rows: Path, tmp_path: Path) -> None:
    if how == "formula":
        source: Any = bh.data.query(str(rows), formula="c ~ log(b + 20) + a:kind", labels=True)
    else:
        source = bh.data.query(str(rows), "c", columns=X if how == "table" else ["a", "b"], labels=True)
    model = bh.MLPClassifier(shuffle_buffer=BUFFER, **HOW).fit(source)
    model.save(tmp_path / "model.bh")
    for each in (model, bh.load(tmp_path / "model.bh"), pickle.loads(pickle.dumps(model))):
        table = FRAME if how != "numbers" else FRAME[["a", "b"]]
        np.testing.assert_array_equal(
            each.predict(source), each.predict(table[list(source.design.input_names)])
        )
        np.testing.assert_allclose(
            each.predict_proba(source), each.predict_proba(table[list(source.design.input_names)]), rtol=1e-6
        )
        assert each.score(source) == each.score(FRAME[list(source.design.input_names)], FRAME.c)
    np.testing.assert_array_equal(model.feature_names_in_, source.design.input_names)
    out = tmp_path / "out.parquet"
    bh.data.write_predictions(str(rows), model.design_, lambda block: model._written(block, "p", None), out)
    written = bh.data.query(str(out), "a", columns=["p_yes"], labels=False)
    p = np.concatenate([np.asarray(block.X)[:, 0] for block in written.blocks()])
    np.testing.assert_allclose(p, model.predict_proba(source)[:, 2], rtol=1e-6)


def test_a_certificate_over_passes(rows: Path) -> None:
    source = query(rows, "r", weights="w")
    model = bh.MLPRegressor(shuffle_buffer=BUFFER, hidden_layer_sizes=(4,), **HOW).fit(source)
    ours = model.certify(source, curvature=True)
    bend = model.curvature_.largest
    theirs = model.certify(FRAME[X], FRAME.r, FRAME.w, curvature=True)
    np.testing.assert_allclose(ours.loss, theirs.loss, rtol=1e-12)
    np.testing.assert_allclose(ours.gradient, theirs.gradient, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(bend, model.curvature_.largest, rtol=1e-6)
    assert ours.status == theirs.status
    assert model.score(source) == pytest.approx(model.score(FRAME[X], FRAME.r, FRAME.w), rel=1e-12)


def test_explained(rows: Path) -> None:
    text = bh.MLPRegressor(shuffle_buffer=BUFFER, **HOW).fit(query(rows, "r")).explain()
    assert f"mini-batch of b = {BATCH}" in text or str(BATCH) in text


# --- broken off, and gone on ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("early", [False, True])
def test_resumed_to_the_same_bits(early: bool, rows: Path, tmp_path: Path) -> None:
    how = HOW | {"shuffle_buffer": BUFFER, "early_stopping": early, "max_iter": 5, "dropout": 0.1}
    whole = bh.MLPClassifier(**how).fit(query(rows, "c", labels=True))
    for epochs in range(1, 5):
        stopped = bh.MLPClassifier(
            checkpoint=tmp_path, callbacks=lambda epoch, last=epochs: epoch.number == last, **how
        ).fit(query(rows, "c", labels=True))
        assert stopped.n_iter_ == epochs
    assert_same(bh.MLPClassifier(checkpoint=tmp_path, **how).fit(query(rows, "c", labels=True)), whole)
    for more, words in (
        ({"shuffle_buffer": 2 * BUFFER}, "shuffle_buffer was 260"),
        ({}, "source was 1003 rows"),
    ):
        other = query(f"SELECT a + 1 AS a, * EXCLUDE a FROM '{rows}'", "c", labels=True)
        with pytest.raises(ValueError, match=words):
            bh.MLPClassifier(checkpoint=tmp_path, **how | more).fit(
                other if not more else query(rows, "c", labels=True)
            )


CHILD = """
import sys
import betahat as bh
path, folder = sys.argv[1:]
source = bh.data.query(path, target="r", columns=["a", "b", "kind"])
bh.MLPRegressor(
    max_iter=40, n_iter_no_change=100, batch_size=32, random_state=7, shuffle_buffer=260, checkpoint=folder,
    callbacks=lambda epoch: print(epoch.number, flush=True),
).fit(source)
"""


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is of POSIX")
def test_killed_and_gone_on(rows: Path, tmp_path: Path) -> None:
    for epochs in (1, 3):
        process = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(rows), str(tmp_path)], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        for _ in range(epochs):
            process.stdout.readline()
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    how = HOW | {"max_iter": 40, "n_iter_no_change": 100, "shuffle_buffer": 260}
    resumed = bh.MLPRegressor(checkpoint=tmp_path, **how).fit(query(rows, "r"))
    assert_same(resumed, bh.MLPRegressor(**how).fit(query(rows, "r")))


@pytest.mark.parametrize("reading", [1, 2])
def test_interrupted_while_rows_are_read(reading: int) -> None:
    block = Block(numbers(), numbers()[:, :1])
    parts = in_parts(block)
    main, sent = threading.main_thread().ident, []
    assert main is not None

    def made(count: int) -> Any:
        if count == reading + 1 and not sent:
            sent.append(1)
            signal.pthread_kill(main, signal.SIGINT)
        return parts

    model = bh.MLPRegressor(shuffle_buffer=BUFFER, **HOW | {"max_iter": 10**6, "n_iter_no_change": np.inf})
    model.fit(Blocks(made))
    assert model.stop_reason_ == "interrupted"
    assert np.isfinite(model.predict(numbers())).all()
    for thread in threading.enumerate():
        if thread.name == "betahat-prefetch":  # perhaps not yet told
            thread.join(20)
            assert not thread.is_alive()


def test_a_learning_rate_is_found_on_some_of_the_rows(rows: Path) -> None:
    model = bh.MLPRegressor(shuffle_buffer=BUFFER, **HOW | {"learning_rate_init": "auto"}).fit(
        query(rows, "r")
    )
    assert 1e-5 < model.learning_rate_init_ < 1
    found = bh.MLPRegressor(shuffle_buffer=BUFFER, **HOW).find_learning_rate(query(rows, "r"))
    assert found.suggestion == model.learning_rate_init_

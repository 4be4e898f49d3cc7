"""What engines answer for new rows: probabilities, what is not finite, and bare functions that share nothing."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.special import expit, softmax

from betahat.engines import ReferenceEngine, Rows, Task, TrainingState
from betahat.engines.cpu import CpuEngine, prediction
from betahat.errors import DataError
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
)
from betahat.losses import SquaredError
from betahat.models.network import Network
from betahat.solvers.stochastic.named import SGD

ENGINES = [ReferenceEngine, CpuEngine]
RNG = np.random.default_rng(0)


def a_task(columns: int, outputs: int, dtype: type = np.float64) -> Task:
    layers = [Dense(9), BatchNorm(), ReLU(), Dropout(0.5), Dense(outputs)]
    return Task(Network(layers, columns), SquaredError(), SGD(0.1).chain, dtype=dtype, seed=3)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("outputs", [1, 2, 3, 8, 17])
@pytest.mark.parametrize("n", [1, 2, 63, 64, 65, 700])
def test_probabilities(engine, outputs, n):
    task = a_task(5, outputs)
    state, rows = TrainingState.begin(task), Rows(30 * RNG.standard_normal((n, 5)), np.zeros(1))
    f = ReferenceEngine(task).predict(state.chain.x, state.buffers, rows)
    expected = np.column_stack([expit(-f), expit(f)]) if outputs == 1 else softmax(f, axis=1)
    found = engine(task).predict(state.chain.x, state.buffers, rows, probabilities=True)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-300)


@pytest.mark.parametrize("f", [[1e4, -1e4, 0.0], [-1e4, -1e4, -1e4], [800.0, 799.0, 0.0]])
def test_probabilities_of_large_scores(f):
    task = Task(Network([Dense(3)], 1), SquaredError(), SGD(0.1).chain, dtype=np.float64)
    beta = np.zeros(task.network.size)
    task.network.views(beta)["0.bias"][:] = f
    rows = Rows(np.ones((1, 1)), np.zeros(1))
    found = CpuEngine(task).predict(beta, np.zeros(0), rows, probabilities=True)
    np.testing.assert_allclose(found[0], softmax(f), rtol=1e-12)


def kinds(X: np.ndarray) -> dict[str, object]:
    return {
        "doubles": X, "floats": X.astype(np.float32), "columns": np.asfortranarray(X), "every other": X[:, ::2],
        "sparse": sp.csr_array(X), "long doubles": X.astype(np.longdouble),
    }  # fmt: skip


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", list(kinds(np.zeros((1, 2)))))
@pytest.mark.parametrize("columns", [2, 8, 13, 40])
def test_what_is_not_finite_is_refused(engine, bad, kind, columns):
    for row, column in ((0, 0), (299, columns - 2 + columns % 2), (150, 0)):
        X = RNG.standard_normal((300, columns))
        good = kinds(X.copy())[kind]
        task = a_task(good.shape[1], 3, np.float32)
        its, state = engine(task), TrainingState.begin(task)
        assert np.isfinite(its.predict(state.chain.x, state.buffers, Rows(good, np.zeros(1)))).all()
        X[row, column] = bad
        with pytest.raises(DataError, match="X holds NaN or infinity"):
            its.predict(state.chain.x, state.buffers, Rows(kinds(X)[kind], np.zeros(1)))
        its.predict(state.chain.x, state.buffers, Rows(good, np.zeros(1)))  # and is forgotten


def test_numbers_too_large_for_single_precision_are_finite():
    task = a_task(3, 1, np.float32)
    state, X = TrainingState.begin(task), np.full((4, 3), 1e300)
    units = np.full(3, 1e300), np.full(3, 1e-299)
    found = CpuEngine(task).predict(state.chain.x, state.buffers, Rows(X, np.zeros(1), None, *units))
    assert np.isfinite(found).all()


@pytest.mark.parametrize("probabilities", [False, True])
def test_bare_functions_give_the_same_bits_and_keep_their_memory(probabilities):
    task = a_task(6, 4, np.float32)
    state, X = TrainingState.begin(task), RNG.standard_normal((64, 6)).astype(np.float32)
    engine = CpuEngine(task)
    expected = engine.predict(state.chain.x, state.buffers, Rows(X, np.zeros(1)), probabilities)
    bare = engine.bare(state.chain.x, state.buffers, 64, probabilities, None)
    state.chain.x[:] = 0  # it has its own
    del engine
    gc.collect()
    filling = [np.ones((64, k)) for k in range(1, 40)]
    assert len(filling) == 39
    for n in (1, 7, 64):
        np.testing.assert_array_equal(bare(X[:n]), expected[:n])


def test_bare_functions_in_threads():
    task = a_task(6, 4)
    state, X = TrainingState.begin(task), RNG.standard_normal((64, 6))
    bare = CpuEngine(task).bare(state.chain.x, state.buffers, 64, True, None)
    expected = bare(X)

    def many(k: int) -> bool:
        return all(np.array_equal(bare(X[k : k + 1]), expected[k : k + 1]) for _ in range(300))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(many, range(64)))


def test_predictions_in_threads():
    task = a_task(6, 4)
    state, X = TrainingState.begin(task), RNG.standard_normal((500, 6))
    engine = CpuEngine(task)
    expected = engine.predict(state.chain.x, state.buffers, Rows(X, np.zeros(1)))

    def many(k: int) -> bool:
        rows = Rows(X[k : k + 100], np.zeros(1))
        return all(
            np.array_equal(engine.predict(state.chain.x, state.buffers, rows), expected[k : k + 100])
            for _ in range(50)
        )

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(many, range(40)))


LARGE = [
    Conv2d(64, 3, padding=1), BatchNorm(), ReLU(), Conv2d(72, 3, padding=1), MaxPool2d(2),
    Residual(Conv2d(72, 3, padding=1, groups=2), ReLU()), GlobalMaxPool(), Dense(3),
]  # fmt: skip
SMALL = [Conv2d(20, 3), ReLU(), MaxPool2d(2), Flatten(), Dense(3)]


def of_images(layers: list, side: int, dtype: type) -> tuple[CpuEngine, TrainingState, np.ndarray]:
    task = Task(Network(layers, (side, side, 3)), SquaredError(), SGD(0.1).chain, dtype=dtype)
    images = np.random.default_rng(1).standard_normal((37, side, side, 3)).astype(dtype)
    return CpuEngine(task), TrainingState.begin(task), images


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("threads", [1, 2, 3, 7])
@pytest.mark.parametrize(("layers", "side"), [(LARGE, 32), (SMALL, 9)], ids=["large", "small"])
def test_an_image_has_the_same_prediction_alone_and_among_others(monkeypatch, layers, side, threads, dtype):
    engine, state, images = of_images(layers, side, dtype)
    expected = engine.predict(state.chain.x, state.buffers, Rows(images, np.zeros(1)))
    theirs = ReferenceEngine(engine.task).predict(state.chain.x, state.buffers, Rows(images[:3], np.zeros(1)))
    tolerance = {np.float32: 1e-4, np.float64: 1e-11}[dtype]
    np.testing.assert_allclose(expected[:3], theirs, rtol=tolerance, atol=tolerance)
    monkeypatch.setenv("BETAHAT_NUM_THREADS", str(threads))
    bare = engine.bare(state.chain.x, state.buffers, 64, False, None)
    for n in (1, 2, 9, 37):
        rows = Rows(images[:n], np.zeros(1))
        found = engine.predict(state.chain.x, state.buffers, rows)
        np.testing.assert_array_equal(found, expected[:n])
        np.testing.assert_array_equal(bare(images[:n]), expected[:n])
    bad = images[:1].copy()
    bad[0, -1, -1, -1] = np.nan
    for _ in range(2):
        with pytest.raises(DataError, match="X holds NaN or infinity"):
            bare(bad)
        np.testing.assert_array_equal(bare(images[4:5]), expected[4:5])  # and is forgotten


def test_large_images_one_by_one_in_threads():
    engine, state, images = of_images(LARGE, 32, np.float32)
    bare = engine.bare(state.chain.x, state.buffers, 64, True, None)
    expected = bare(images)

    def many(k: int) -> bool:
        return all(np.array_equal(bare(images[k : k + 1]), expected[k : k + 1]) for _ in range(10))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(many, range(12)))


@pytest.mark.parametrize(("n", "rows"), [(1, 1), (2, 64), (64, 64), (65, 512), (10_000, 512), (10**6, 512)])
def test_programs_take_as_many_rows_as_stay_in_cache(n, rows, monkeypatch):
    monkeypatch.setattr(prediction, "number_of_threads", lambda: 2)
    assert prediction.rows_at_once(Network([Dense(128), ReLU(), Dense(3)], 54), n) == rows


def test_programs_of_wide_layers_take_fewer_rows(monkeypatch):
    monkeypatch.setattr(prediction, "number_of_threads", lambda: 2)
    wide = Network([Dense(2), ReLU(), Dense(3)], 100_000)
    assert [prediction.rows_at_once(wide, n) for n in (1, 10, 20, 21, 1000)] == [1, 20, 20, 20, 20]

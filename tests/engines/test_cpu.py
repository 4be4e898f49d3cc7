"""The compiled engine against the NumPy one: the same steps, to rounding."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse as sp

from betahat.engines import ReferenceEngine, Rows, Task, TrainingState, engine_for
from betahat.engines.cpu import CpuEngine
from betahat.errors import DataError
from betahat.layers import (
    ELU,
    GELU,
    BatchNorm,
    Columns,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    Identity,
    LayerNorm,
    LeakyReLU,
    ReLU,
    Residual,
    Sequential,
    Sigmoid,
    SiLU,
    Softplus,
    Tanh,
)
from betahat.losses import Huber, SquaredError, as_loss
from betahat.losses.bernoulli import Bernoulli
from betahat.losses.gamma import Gamma
from betahat.losses.multinomial import Multinomial
from betahat.losses.poisson import Poisson
from betahat.models.network import Network
from betahat.solvers.schedules import Cosine
from betahat.solvers.stochastic.average import ExponentialAverage, PolyakRuppert
from betahat.solvers.stochastic.named import SGD, AdaGrad, Adam, AdamW, Momentum, Nesterov, RMSProp

TOLERANCE = {np.float32: 2e-5, np.float64: 1e-11}
RNG = np.random.default_rng(5)
N, P = 200, 11


def data(outputs: int, loss: object, p: int = P) -> Rows:
    rng = np.random.default_rng(7)
    X = rng.standard_normal((N, p))
    if isinstance(loss, Multinomial):
        y = rng.integers(0, loss.classes, N).astype(float)
    elif isinstance(loss, (Bernoulli, Poisson)):
        y = rng.integers(0, 2, (N, outputs)).astype(float)
    else:
        y = rng.standard_normal((N, outputs))
    return Rows(X, y)


def assert_same_steps(task: Task, rows: Rows, batch: int = 32, epochs: int = 2, factor: float = 1.0) -> None:
    states = [TrainingState.begin(task) for _ in range(2)]
    engines = [ReferenceEngine(task), CpuEngine(task)]
    tolerance = TOLERANCE[task.dtype] * factor
    for epoch in range(epochs):
        order = np.random.default_rng(epoch).permutation(rows.X.shape[0])
        theirs, ours = (e.train(s, rows, order, batch) for e, s in zip(engines, states, strict=True))
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)
    a, b = states
    expected = engines[0].gradient()
    np.testing.assert_allclose(
        engines[1].gradient(), expected, rtol=0, atol=10 * tolerance * np.abs(expected).max()
    )
    np.testing.assert_allclose(b.chain.x, a.chain.x, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(b.chain.memory, a.chain.memory, rtol=tolerance, atol=tolerance)
    if a.chain.average is not None:
        np.testing.assert_allclose(b.chain.average, a.chain.average, rtol=tolerance, atol=tolerance)
    assert a.chain.step == b.chain.step
    predictions = [e.predict(a.chain.x, a.buffers, rows) for e in engines]
    assert predictions[0].shape == predictions[1].shape
    np.testing.assert_allclose(predictions[1], predictions[0], rtol=tolerance, atol=tolerance)


ACTIVATIONS = [
    ReLU(), LeakyReLU(0.2), LeakyReLU(1.5), Identity(), Tanh(), Sigmoid(), Softplus(), ELU(0.7), SiLU(), GELU(),
    GELU("tanh"),
]  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("activation", ACTIVATIONS, ids=repr)
def test_activations(activation, dtype):
    network = Network([Dense(20), activation, Dense(17), activation, Dense(3)], P)
    task = Task(network, SquaredError(), SGD(0.05).chain, alpha=0.1, dtype=dtype)
    assert isinstance(engine_for(task), CpuEngine)
    assert_same_steps(task, data(3, task.loss))


LOSSES = [
    (Multinomial(5), 5), (Multinomial(20), 20), (SquaredError(), 1), (SquaredError(), 9), (Bernoulli(), 1),
    (Bernoulli(), 4), (Poisson(), 2), (Huber(0.5), 1), (Gamma(), 1),
]  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("loss", "outputs"), LOSSES, ids=lambda value: repr(value))
@pytest.mark.parametrize("weighted", [False, True])
def test_losses(loss, outputs, weighted, dtype):
    task = Task(Network([Dense(8), Tanh(), Dense(outputs)], P), loss, SGD(0.05).chain, dtype=dtype)
    rows = data(outputs, loss)
    if loss.name == "gamma":
        rows = replace(rows, y=np.abs(rows.y) + 0.1)
    if weighted:
        w = np.random.default_rng(3).uniform(0.1, 2.0, N)
        rows = replace(rows, weight=w / w.mean())
    assert_same_steps(task, rows)


CHAINS = [
    SGD(0.05, clip_value=0.01), SGD(0.05, clip_norm=0.1), SGD(0.05, weight_decay=0.1), Momentum(0.01), Nesterov(0.01),
    AdaGrad(0.01), AdaGrad(0.01, initial_accumulator=0.5), RMSProp(), RMSProp(centered=True, momentum=0.5), Adam(),
    Adam(amsgrad=True), AdamW(weight_decay=0.1), Adam(Cosine(0.01, 20)), Adam(average=ExponentialAverage(0.9)),
    Adam(average=PolyakRuppert(3)), AdamW(clip_value=0.05, clip_norm=0.1, average=ExponentialAverage(0.5)),
]  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("solver", CHAINS, ids=repr)
def test_chains(solver, dtype):
    network = Network([Dense(70), Tanh(), Dense(40), Tanh(), Dense(4)], P)
    task = Task(network, Multinomial(4), solver.chain, 1e-3, dtype)
    assert_same_steps(task, data(1, task.loss), factor=50.0)  # what divides by √v is as rough as v is small


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("batch", [1, 2, 7, 16, 33, 96, 200, 1000])
@pytest.mark.parametrize("widths", [(1,), (3, 2), (16, 16), (65, 130, 20), (256, 130)], ids=str)
def test_shapes(widths, batch, dtype):
    layers = [layer for width in widths for layer in (Dense(width), Tanh())]
    task = Task(Network([*layers, Dense(3, bias=False)], P), Multinomial(3), SGD(0.1).chain, 1e-2, dtype)
    rows = data(1, task.loss)
    few = replace(rows, X=rows.X[:20], y=rows.y[:20])
    assert_same_steps(task, rows if batch > 2 else few, batch, epochs=1)


@pytest.mark.parametrize("p", [1, 5, 8, 16, 17, 100])
@pytest.mark.parametrize("moved", [False, True])
@pytest.mark.parametrize("form", ["float64", "float32", "uint8", "bool", "int32", "F", "strided", "csr"])
def test_forms_of_rows(form, moved, p):
    rng = np.random.default_rng(1)
    X = rng.integers(0, 2 if form == "bool" else 200, (N, p))
    X = X.astype(form if form in ("float64", "float32", "uint8", "bool", "int32") else np.float64)
    if form == "F":
        X = np.asfortranarray(X)
    elif form == "strided":
        X = np.repeat(np.repeat(X, 2, axis=0), 3, axis=1)[::2, ::3]
    elif form == "csr":
        X = sp.csr_array(X * (rng.random((N, p)) < 0.3))
    centre, scale = (rng.uniform(0, 100, p), rng.uniform(0.01, 0.02, p)) if moved else (None, None)
    if form == "csr" and moved:
        centre = np.zeros(p)
    task = Task(Network([Dense(9), Tanh(), Dense(2)], p), SquaredError(), SGD(1e-4).chain, dtype=np.float64)
    assert_same_steps(task, Rows(X, rng.standard_normal((N, 2)), None, centre, scale))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_of_the_same_units(rate, dtype):
    layers = [Dense(40), Tanh(), Dropout(rate), Sequential(Dense(20), Tanh(), Dropout(rate)), Dense(3)]
    task = Task(Network(layers, P), Multinomial(3), SGD(0.05).chain, dtype=dtype, seed=11)
    assert_same_steps(task, data(1, task.loss))


def test_rows_of_images():
    X = RNG.integers(0, 255, (N, 4, 5, 1)).astype(np.uint8)
    network = Network([Flatten(), Dense(6), Tanh(), Dense(2)], (4, 5, 1))
    task = Task(network, Multinomial(2), Adam().chain, dtype=np.float64)
    rows = Rows(X, RNG.integers(0, 2, N).astype(float))
    assert_same_steps(task, rows, factor=50.0)


THREADS = """
import hashlib
import numpy as np
from betahat.engines import Rows, Task, TrainingState, engine_for
from betahat.layers import Dense, Dropout, ReLU
from betahat.losses.multinomial import Multinomial
from betahat.models.network import Network
from betahat.solvers.stochastic.named import Adam
rng = np.random.default_rng(0)
rows = Rows(rng.standard_normal((700, 60)), rng.integers(0, 5, 700).astype(float))
for widths in ((64, 32), (300, 200)):
    layers = [layer for width in widths for layer in (Dense(width), ReLU(), Dropout(0.2))]
    task = Task(Network([*layers, Dense(5)], 60), Multinomial(5), Adam(clip_norm=0.5).chain, 1e-4)
    state, engine = TrainingState.begin(task), engine_for(task)
    engine.train(state, rows, rng.permutation(700), 128)
    print(hashlib.sha256(state.chain.x.tobytes()).hexdigest())
    print(hashlib.sha256(engine.predict(state.chain.x, state.buffers, rows).tobytes()).hexdigest())
"""


def test_same_bits_on_any_number_of_threads():
    found = []
    for threads in ("1", "2", "3", "5"):
        environment = {**os.environ, "BETAHAT_NUM_THREADS": threads}
        done = subprocess.run(
            [sys.executable, "-c", THREADS], env=environment, capture_output=True, text=True, timeout=300, check=True
        )  # fmt: skip
        found.append(done.stdout)
    assert len(found[0].split()) == 4
    assert len(set(found)) == 1


def test_code_from_the_cache_does_what_fresh_code_does(tmp_path):
    environment = {**os.environ, "BETAHAT_CACHE_DIR": str(tmp_path)}
    script = THREADS.replace("60", "3").replace("(300, 200)", "(9,)")
    fresh, loaded = (
        subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
        )
        for _ in range(2)
    )
    assert "compiling kernels" in fresh.stderr
    assert loaded.stderr == ""
    assert len(fresh.stdout.split()) == 4
    assert loaded.stdout == fresh.stdout


@pytest.mark.parametrize("cuts", [(128,), (64, 192), (64, 128, 192, 256), (256,)], ids=str)
def test_same_bits_however_a_span_is_cut(cuts):
    task = Task(Network([Dense(40), ReLU(), Dropout(0.3), Dense(3)], P), Multinomial(3), Adam().chain)
    rows = data(1, task.loss)
    order = np.random.default_rng(0).integers(0, N, 290)
    whole, parts = TrainingState.begin(task), TrainingState.begin(task)
    CpuEngine(task).train(whole, rows, order, 64)
    for a, b in pairwise([0, *cuts, len(order)]):
        CpuEngine(task).train(parts, rows, order[a:b], 64)
    np.testing.assert_array_equal(parts.chain.x, whole.chain.x)
    np.testing.assert_array_equal(parts.chain.memory, whole.chain.memory)


def test_a_row_has_the_same_prediction_in_any_batch():
    network = Network([Dense(100), ReLU(), Dense(50), Tanh(), Dense(7)], P)
    task = Task(network, Multinomial(7), Adam().chain)
    beta, buffers = network.initial(1, np.float32), network.initial_buffers(np.float32)
    X, engine = RNG.standard_normal((N, P)).astype(np.float32), CpuEngine(task)
    whole = engine.predict(beta, buffers, Rows(X, np.zeros(N)))
    for size in (1, 2, 3, 7, 100):
        parts = [engine.predict(beta, buffers, Rows(X[a : a + size], np.zeros(1))) for a in range(0, N, size)]
        np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_what_is_not_known_runs_in_the_reference():
    task = Task(Network([Dense(3)], P), as_loss(lambda y, f: (y - f) ** 4), SGD(0.1).chain, dtype=np.float64)
    assert isinstance(engine_for(task), ReferenceEngine)


def test_nan_is_not_hidden():
    rows = data(1, Multinomial(3))
    rows.X[5, 2] = np.nan
    task = Task(Network([Dense(9), ReLU(), Dense(3)], P), Multinomial(3), SGD(0.1).chain)
    assert np.isnan(CpuEngine(task).train(TrainingState.begin(task), rows, np.arange(N), N)).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("batch", [1, 7, 40, 100, 200])
@pytest.mark.parametrize("norm", [BatchNorm(), BatchNorm(0.3, 1e-2), LayerNorm(), LayerNorm(0.1)], ids=repr)
def test_normalisation(norm, batch, dtype):
    if isinstance(norm, BatchNorm) and batch < 40:
        batch = 33  # with few rows z is ±1 and its slope rounding
    layers = [norm, Dense(20), norm, Tanh(), Dense(12), Tanh(), norm, Dense(3)]
    task = Task(Network(layers, P), Multinomial(3), SGD(0.05).chain, 1e-2, dtype)
    assert_same_steps(task, data(1, task.loss), batch, factor=20.0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("layers", [
    [Residual(Dense(P), Tanh()), Dense(2)],
    [Dense(20), Tanh(), Residual(Dense(30), Tanh(), Dropout(0.3), Dense(20)), Tanh(), Residual(Tanh()), Dense(2)],
    [Dense(8), Residual(BatchNorm(), Tanh(), Residual(Dense(8), Tanh()), LayerNorm(), Dense(8)), Dense(2)],
    [Residual(Tanh()), Dense(2)],
], ids=["first", "deep", "nested", "untrained"])  # fmt: skip
def test_residual(layers, dtype):
    task = Task(Network(layers, P), SquaredError(), SGD(0.02).chain, 1e-2, dtype, seed=3)
    assert isinstance(engine_for(task), CpuEngine)
    assert_same_steps(task, data(2, task.loss), 40, factor=20.0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("form", ["dense", "csr"])
def test_columns(form, dtype):
    rng = np.random.default_rng(2)
    X = np.column_stack([rng.standard_normal((N, 2)), rng.integers(0, 5, N), rng.integers(0, 300, N)])
    layer = Columns((1, 0), ((3, Embedding(300, 7)), (2, Embedding(5, 3))))
    task = Task(
        Network([layer, Dense(9), Tanh(), Dense(2)], 4), SquaredError(), Momentum(0.05).chain, 1e-2, dtype
    )
    rows = Rows(X if form == "dense" else sp.csr_array(X), rng.standard_normal((N, 2)))
    assert isinstance(engine_for(task), CpuEngine)
    assert_same_steps(task, rows)


@pytest.mark.parametrize("code", [-1.0, 5.0, 1.5, np.nan])
def test_codes_that_are_none_are_refused(code):
    X = np.zeros((10, 2))
    X[7, 1] = code
    task = Task(
        Network([Columns((0,), ((1, Embedding(5, 3)),)), Dense(1)], 2), SquaredError(), SGD(0.1).chain
    )
    engine, state = CpuEngine(task), TrainingState.begin(task)
    for run in (
        lambda: engine.train(state, Rows(X, np.zeros((10, 1))), np.arange(10), 5),
        lambda: engine.predict(state.chain.x, state.buffers, Rows(X, np.zeros((10, 1)))),
    ):
        with pytest.raises(DataError, match=r"0\.column\.1.* in row 7; Embedding"):
            run()

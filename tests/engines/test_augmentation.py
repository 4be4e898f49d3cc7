"""Images changed in compiled code against the NumPy engine; mixtures against a hand calculation."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from betahat.data import Augmentation
from betahat.engines import Engine, ReferenceEngine, Rows, Task, TrainingState, engine_for
from betahat.engines.cpu import CpuEngine
from betahat.layers import BatchNorm, Conv2d, Dense, Dropout, Flatten, Identity, Image, ReLU
from betahat.losses import SquaredError
from betahat.losses.bernoulli import Bernoulli
from betahat.losses.multinomial import Multinomial
from betahat.losses.smoothed import SmoothedMultinomial
from betahat.losses.vector import VectorLoss
from betahat.models.network import Network
from betahat.solvers.stochastic.named import SGD

SHAPE, N = (9, 7, 3), 20
CHANGES: list[dict[str, Any]] = [
    {"shift": 2}, {"flip": "both", "shift": (1, 2), "fill": 7.0}, {"brightness": 0.3}, {"cutout": 3, "fill": 50.0},
    {"rotate": 20, "scale": 0.2, "crop": 0.3, "fill": 3.0}, {"mixup": 0.4},
    {"mixup": 0.4, "rotate": 15, "shift": 1, "cutout": 2, "flip": True, "brightness": 0.1},
]  # fmt: skip


def task_of(
    loss: Any, dtype: Any, shape: tuple[int, ...] = SHAPE, layers: Any = None, **changes: Any
) -> Task:
    layers = layers or [Conv2d(4, 3), BatchNorm(), ReLU(), Flatten(), Dropout(0.3), Dense(3)]
    network = Network(layers, shape)
    return Task(
        network, loss, SGD(0.01).chain, alpha=0.1, dtype=dtype, seed=5, augment=Augmentation(**changes)
    )


def rows_of(loss: Any, shape: tuple[int, ...] = SHAPE, kind: Any = np.uint8, weighted: bool = True) -> Rows:
    rng = np.random.default_rng(1)
    X = rng.integers(0, 255, (N, *shape)).astype(kind)
    y = rng.integers(0, 3, N) if isinstance(loss, VectorLoss) else rng.integers(0, 2, (N, 3)).astype(float)
    weight = rng.uniform(0.5, 1.5, N) if weighted else None
    return Rows(X, y, weight, np.full(shape, 100.0), np.full(shape, 0.02))


def assert_same(task: Task, rows: Rows) -> None:
    """Two epochs from the same start, the last batch shorter."""
    assert isinstance(engine_for(task), CpuEngine)
    engines: list[Engine] = [ReferenceEngine(task), CpuEngine(task)]
    states = [TrainingState.begin(task) for _ in engines]
    tolerance = 1e-11 if task.dtype is np.float64 else 2e-5
    for epoch in range(2):
        order = np.random.default_rng(epoch).permutation(N)
        expected, found = (e.train(s, rows, order, 8) for e, s in zip(engines, states, strict=True))
        np.testing.assert_allclose(found, expected, rtol=tolerance)
    np.testing.assert_allclose(states[1].chain.x, states[0].chain.x, atol=tolerance)
    np.testing.assert_allclose(states[1].buffers, states[0].buffers, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "loss",
    [SquaredError(), Multinomial(3), Bernoulli(), SmoothedMultinomial(3, 0.2)],
    ids=lambda loss: loss.name,
)
@pytest.mark.parametrize("changes", CHANGES, ids=str)
def test_the_compiled_engine_draws_and_changes_as_the_plain_one(changes: Any, loss: Any, dtype: Any) -> None:
    assert_same(task_of(loss, dtype, **changes), rows_of(loss))


@pytest.mark.parametrize("kind", [np.uint8, np.float32, np.float64, np.int32])
@pytest.mark.parametrize("shape", [(2, 3, 1), (1, 12, 1), (16, 5, 2), (6, 6, 20)], ids=str)
def test_images_of_any_shape_and_type(shape: tuple[int, ...], kind: Any) -> None:
    """Fewer numbers than a register among them."""
    layers = [Flatten(), Dense(3)]
    for changes in ({"shift": (0, 1), "flip": True}, {"rotate": 30, "mixup": 1.0}):
        task = task_of(SquaredError(), np.float64, shape, layers, **changes)
        assert_same(task, rows_of(SquaredError(), shape, kind, weighted=False))


def test_rows_without_order_in_memory() -> None:
    """Images that are views with other strides, and no standardisation."""
    loss = SquaredError()
    rows = rows_of(loss)
    turned = np.moveaxis(np.ascontiguousarray(np.moveaxis(rows.X, 3, 1)), 1, 3)
    assert_same(task_of(loss, np.float64, rotate=20, shift=1), Rows(turned[:, ::-1], rows.y))


def entering(changes: dict[str, Any], rows: Rows) -> np.ndarray:
    """What enters the network of the compiled engine in its first step: the derivative of f = x β at β is x."""
    p = int(np.prod(SHAPE))
    network = Network([Image(*SHAPE), Flatten(), Dense(1, bias=False)], SHAPE)
    task = Task(
        network, SquaredError(), SGD(1.0).chain, dtype=np.float64, seed=5, augment=Augmentation(**changes)
    )
    found = np.zeros((N, p))
    for row in range(N):  # a weight that leaves one row of the batch
        state = TrainingState.begin(task, np.zeros(network.size))
        chosen = Rows(rows.X, -np.ones((N, 1)), N * (np.arange(N) == row).astype(float))
        engine = CpuEngine(task)
        engine.train(state, chosen, np.arange(N), N)
        found[row] = network.views(engine.gradient())["2.weight"][:, 0]
    return found.reshape(N, *SHAPE)


def test_what_enters_is_what_was_drawn() -> None:
    changes = {"shift": 1, "flip": True, "cutout": 2}
    rows = rows_of(SquaredError())
    augmentation = Augmentation(**changes)
    table = augmentation.table(5, 0, N, N, SHAPE)
    found = entering(changes, rows)
    for row in range(N):
        drawn = found[row]
        n = table[row]
        image = rows.X[row].astype(float)[:, :: int(n[4])]
        down = -int(n[2])
        across = -int(n[5]) if n[4] > 0 else int(n[5]) - SHAPE[1] + 1
        framed = np.pad(image, ((1, 1), (1, 1), (0, 0)))
        expected = framed[1 - down : 1 - down + SHAPE[0], 1 - across : 1 - across + SHAPE[1]].copy()
        expected[int(n[7]) : int(n[8]), int(n[9]) : int(n[10])] = 0
        np.testing.assert_allclose(drawn, expected, rtol=1e-14)


@pytest.mark.parametrize("kind", [ReferenceEngine, CpuEngine])
@pytest.mark.parametrize("classes", [True, False])
def test_a_mixture_has_both_losses(kind: type[Engine], classes: bool) -> None:
    """One step of a linear network, its loss and gradient by hand."""
    rng = np.random.default_rng(3)
    X, w = rng.normal(size=(N, 2, 2, 1)), rng.uniform(0.5, 1.5, N)
    network = Network([Identity(), Flatten(), Dense(3, bias=False)], (2, 2, 1))
    loss = Multinomial(3) if classes else SquaredError()
    y = rng.integers(0, 3, N) if classes else rng.normal(size=(N, 3))
    task = Task(network, loss, SGD(1.0).chain, dtype=np.float64, seed=2, augment=Augmentation(mixup=0.8))
    start = rng.normal(size=network.size)
    W = network.views(start)["2.weight"].copy()
    engine, state = kind(task), TrainingState.begin(task, start)
    found = engine.train(state, Rows(X, y, w), np.arange(N), N)[0]

    mixes = Augmentation(mixup=0.8).mixes(2, 0, N, N)
    assert mixes is not None
    share, j = mixes[0, 0], (np.arange(N) + int(mixes[0, 1])) % N
    x = (share * X + (1 - share) * X[j]).reshape(N, 4)
    f = x @ W
    expected, slope = 0.0, np.zeros((N, 3))
    for which, part in ((np.arange(N), share), (j, 1 - share)):
        weight = part * w[which] / N
        if classes:
            P = np.exp(f) / np.exp(f).sum(axis=1, keepdims=True)
            expected += weight @ -np.log(P[np.arange(N), y[which]])
            slope += weight[:, None] * (P - np.eye(3)[y[which]])
        else:
            expected += weight @ (0.5 * (f - y[which]) ** 2).sum(axis=1)
            slope += weight[:, None] * (f - y[which])
    assert found == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(
        network.views(engine.gradient())["2.weight"], x.T @ slope, rtol=1e-10, atol=1e-12
    )


def test_a_mixture_with_its_own_class_is_the_plain_loss() -> None:
    """Digits included, where the class is nearly certain."""
    X, y = np.ones((4, 1, 1, 1)), np.zeros(4, np.intp)
    network = Network([Flatten(), Dense(2, bias=False)], (1, 1, 1))
    start = np.zeros(network.size)
    network.views(start)["1.weight"][:] = [[40.0, 0.0]]
    gradients = []
    for augment in (None, Augmentation(mixup=0.5)):
        task = Task(network, Multinomial(2), SGD(1.0).chain, dtype=np.float64, augment=augment)
        engine = CpuEngine(task)
        engine.train(TrainingState.begin(task, start), Rows(X, y), np.arange(4), 4)
        gradients.append(engine.gradient())
    np.testing.assert_allclose(gradients[1], gradients[0], rtol=1e-12)
    assert gradients[0].any()


@pytest.mark.parametrize("changes", CHANGES, ids=str)
def test_any_number_of_threads_gives_the_same_bits(changes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    layers = [Conv2d(16, 3), ReLU(), Flatten(), Dense(3)]
    X, y = rng.integers(0, 255, (256, 12, 12, 1)).astype(np.uint8), rng.integers(0, 3, 256)
    found = []
    for threads in (1, 2, 3):
        task = task_of(Multinomial(3), np.float32, (12, 12, 1), layers, **changes)
        state = TrainingState.begin(task)
        monkeypatch.setenv("BETAHAT_NUM_THREADS", str(threads))
        CpuEngine(task).train(state, Rows(X, y), np.arange(256), 128)
        found.append(state.chain.x)
    np.testing.assert_array_equal(found[1], found[0])
    np.testing.assert_array_equal(found[2], found[0])


def test_a_span_that_is_cut_gives_the_same_bits() -> None:
    """However many steps compiled code takes at once."""
    loss, order = Multinomial(3), np.random.default_rng(2).permutation(N)
    rows, states = rows_of(loss), []
    for cuts in ([0, N], [0, 8, N], [0, 8, 16, N]):
        task = task_of(loss, np.float32, **CHANGES[-1])
        state, engine = TrainingState.begin(task), CpuEngine(task)
        for begin, end in pairwise(cuts):
            engine.train(state, rows, order[begin:end], 8)
        states.append(state.chain.x)
    np.testing.assert_array_equal(states[1], states[0])
    np.testing.assert_array_equal(states[2], states[0])


@pytest.mark.parametrize("kind", [ReferenceEngine, CpuEngine])
def test_predictions_see_images_as_they_are(kind: type[Engine]) -> None:
    loss = Multinomial(3)
    rows, found = rows_of(loss), []
    for changes in ({}, CHANGES[-1]):
        task = task_of(loss, np.float64, **changes)
        state = TrainingState.begin(task)
        found.append(kind(task).predict(state.chain.x, state.buffers, rows))
    np.testing.assert_array_equal(found[1], found[0])

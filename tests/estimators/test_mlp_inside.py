"""What a training tells of itself: norms by layer, dead units, gradients that vanish or explode, divergence."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import betahat as bh
from betahat.errors import CertificateWarning
from betahat.layers import Columns, Dense, Embedding, Flatten, ReLU, Residual, Sequential
from betahat.layers.initialisation import Values
from betahat.models.network import Network
from betahat.models.network_units import dead_units
from betahat.solvers import SGD

RNG = np.random.default_rng(4)
X = RNG.normal(size=(120, 3))
R = np.sin(2 * X[:, 0]) + X[:, 1]
NAMES = ("0.weight", "0.bias", "2.weight", "2.bias")


def regressor(**parameters: Any) -> bh.MLPRegressor:
    return bh.MLPRegressor(**{"hidden_layer_sizes": (6,), "random_state": 0, "max_iter": 5, **parameters})


def flat(text: str) -> str:
    return " ".join(text.split())


# --- norms ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch", [120, 50])
def test_norms_are_those_of_arrays_and_of_the_last_batch(dtype: str, batch: int) -> None:
    seen: list[dict[str, np.ndarray]] = []
    m = regressor(
        dtype=dtype,
        batch_size=batch,
        shuffle=False,
        standardize=False,
        alpha=0.0,
        solver=SGD(0.1),
        callbacks=lambda e: (
            seen.append({k: v.astype(float) for k, v in e.model.parameters_.items()}) and False
        ),
    ).fit(X, R)
    norms = m.trace_.layer_norms
    assert norms is not None
    assert norms.names == NAMES == tuple(m.parameters_)
    assert norms.weight.shape == norms.gradient.shape == (5, 4)
    for epoch, arrays in enumerate(seen):
        truth = [np.linalg.norm(a) for a in arrays.values()]
        np.testing.assert_allclose(norms.weight[epoch], truth, rtol=1e-6)
    # a step of plain descent is 0.1 times the gradient; with one batch an epoch both can be seen from outside
    if batch == len(X):
        for epoch in range(1, 5):
            moves = [(seen[epoch - 1][n] - seen[epoch][n]) / 0.1 for n in NAMES]
            np.testing.assert_allclose(
                norms.gradient[epoch], [np.linalg.norm(g) for g in moves], rtol=1e-4, atol=1e-6
            )
            largest = max(np.abs(g).max() for g in moves)
            np.testing.assert_allclose(m.trace_.gradient_norm[epoch], largest, rtol=1e-4, atol=1e-6)
    assert np.isfinite(m.trace_.gradient_norm).all()


def bend(x: Any) -> Any:
    return np.maximum(x, 0.0)


@pytest.mark.parametrize("activation", ["relu", bend], ids=["compiled", "function"])
def test_the_last_batch_is_the_short_one(activation: Any) -> None:
    how: dict[str, Any] = {
        "batch_size": 50,
        "shuffle": False,
        "standardize": False,
        "alpha": 0.0,
        "max_iter": 1,
    }
    m = regressor(**how, activation=activation, solver=SGD(1e-12), dtype="float64").fit(X, R)
    start = m.network_.initial(0, np.float64)
    f, saved, _ = m.network_.forward(start, X[100:])
    truth, _ = m.network_.backward(start, saved, (f - R[100:, None]) / 20)
    norms = m.trace_.layer_norms
    assert norms is not None
    assert m.trace_.gradient_norm[0] == pytest.approx(np.abs(truth).max(), rel=1e-6)
    arrays = m.network_.views(truth).values()
    np.testing.assert_allclose(norms.gradient[0], [np.linalg.norm(a) for a in arrays], rtol=1e-6)


def test_they_go_with_the_model(tmp_path: Path) -> None:
    m = regressor().fit(X, R)
    m.save(tmp_path / "model")
    first = m.trace_.layer_norms
    assert first is not None
    for other in (bh.load(tmp_path / "model"), pickle.loads(pickle.dumps(m))):
        norms = other.trace_.layer_norms
        assert norms.names == first.names
        np.testing.assert_array_equal(norms.weight, first.weight)
        np.testing.assert_array_equal(norms.gradient, first.gradient)
        assert other.explain() == m.explain()
    assert bh.LinearRegression().fit(X, R).trace_.layer_norms is None


def test_iterations_of_all_rows_have_none() -> None:
    m = regressor(solver="lbfgs", max_iter=8, warm_start=True).fit(X, R)
    assert m.trace_.layer_norms is None
    rows = len(m.trace_)
    m.set_params(solver="adam", max_iter=2, dtype="float64").fit(X, R)
    norms = m.trace_.layer_norms
    assert norms is not None
    assert np.isnan(norms.weight[:rows]).all()
    assert np.isfinite(norms.weight[rows:]).all()
    assert len(norms.weight) == rows + 2 == len(m.trace_)


# --- dead units -----------------------------------------------------------------------------------------------------


def test_dead_units_are_counted_and_told(tmp_path: Path) -> None:
    start = regressor(hidden_layer_sizes=(4,), learning_rate_init=1e-9).fit(X, R)
    assert start._dead == {"1": (0, 4)}
    assert "What went wrong" not in start.explain()
    m = regressor(hidden_layer_sizes=(4,), learning_rate_init=1e-9, warm_start=True).fit(X, R)
    m.intercepts_[0][:3] = -100.0
    m.fit(X, R)
    assert m._dead == {"1": (3, 4)}
    told = flat(m.explain())
    assert "Dead units: 3 of the 4 units of the ReLU at place 1 are 0 for every one of 120 rows" in told
    assert "“leaky_relu”" in told
    m.save(tmp_path / "model")
    assert bh.load(tmp_path / "model").explain() == m.explain()


def test_a_reckless_rate_kills_units() -> None:
    m = regressor(
        solver="sgd", momentum=0.0, hidden_layer_sizes=(20,), learning_rate_init=8.0, clip_norm=50.0
    ).fit(X, R)
    hidden = np.maximum((X - X.mean(axis=0)) / X.std(axis=0) @ m.coefs_[0] + m.intercepts_[0], 0)
    dead = int((hidden == 0).all(axis=0).sum())
    assert dead >= 2
    assert m._dead == {"1": (dead, 20)}
    assert f"Dead units: {dead} of the 20 units" in flat(m.explain())


def test_inside_other_layers_and_by_the_last_axis() -> None:
    net = Network([Sequential(Dense(3), ReLU()), Residual(Dense(3), ReLU()), Dense(1)], 2)
    beta = net.initial()
    views = net.views(beta)
    views["0.0.bias"][...] = [1e3, -1e6, 1e3]
    views["1.residual.0.bias"][...] = [-1e6, -1e6, 1e6]
    found = dead_units(net, beta, RNG.normal(size=(9, 2)), net.initial_buffers())
    assert found == {"0.1": (1, 3), "1.residual.1": (2, 3)}
    table = Network(
        [Columns((0,), ((1, Embedding(2, 3)), (2, Embedding(3, 2)))), Dense(4), ReLU(), Dense(1)], 3
    )
    beta = table.initial()
    table.views(beta)["1.bias"][...] = [1e3, 1e3, -1e6, 1e3]
    rows = np.column_stack([RNG.normal(size=9), np.arange(9) % 2, np.arange(9) % 3])
    assert dead_units(table, beta, rows, table.initial_buffers()) == {"2": (1, 4)}
    images = RNG.normal(size=(9, 5, 4, 2))
    images[..., 1] = -np.abs(images[..., 1])
    net = Network([ReLU(), Flatten(), Dense(1)], (5, 4, 2))
    assert dead_units(net, net.initial(), images, net.initial_buffers()) == {"0": (1, 2)}


def test_at_most_a_thousand_rows_are_asked() -> None:
    A = RNG.normal(size=(2500, 2))
    m = regressor(max_iter=1).fit(A, A[:, 0])
    assert 800 < m._asked <= 1000


# --- gradients ------------------------------------------------------------------------------------------------------


def test_vanishing_gradients_are_told() -> None:
    deep: dict[str, Any] = {"hidden_layer_sizes": (8,) * 12, "max_iter": 2}
    told = flat(regressor(activation="logistic", **deep).fit(X, R).explain())
    assert "Vanishing gradients: in the last epoch's last mini-batch its norm was" in told
    assert "for 0.weight and" in told
    assert "batch_norm=True" in told
    assert "Vanishing" not in regressor(activation="tanh", **deep).fit(X, R).explain()


def test_exploding_gradients_are_told() -> None:
    layers = [Dense(3, initialisation=Values(np.eye(3))) for _ in range(3)]
    last = Dense(1, initialisation=Values(np.full((3, 1), 1e6)))
    m = bh.NetworkRegressor([*layers, last], solver=SGD(1e-30), random_state=0, max_iter=1, alpha=0.0)
    norms = m.fit(X, R).trace_.layer_norms
    assert norms is not None
    assert (
        norms.gradient[0, norms.names.index("0.weight")]
        > 1e5 * norms.gradient[0, norms.names.index("3.weight")]
    )
    told = flat(m.explain())
    assert "Exploding gradients" in told
    assert "clip_norm" in told
    assert "Vanishing" not in told


def test_divergence_is_told_with_what_helps() -> None:
    m = regressor(solver="sgd", learning_rate_init=1e8)
    with pytest.warns(CertificateWarning, match="clip_norm"):
        m.fit(X, R)
    assert "Divergence: the loss grew beyond what numbers can hold. What helps: a smaller" in flat(
        m.explain()
    )


def test_nothing_is_said_of_a_good_training() -> None:
    assert "What went wrong" not in regressor(max_iter=40).fit(X, R).explain()

"""Networks of any layers; what proves, explains, carries and stores them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import betahat as bh
from betahat.layers import (
    BatchNorm,
    Columns,
    Conv1d,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    Function,
    GlobalMaxPool,
    LayerNorm,
    ReLU,
    Residual,
    Sequential,
    Tanh,
)
from betahat.solvers import AdamW, Cosine, ExponentialAverage

RNG = np.random.default_rng(2)
N = 120
X = RNG.normal(size=(N, 4))
Y, K, R = (X[:, 0] * X[:, 1] > 0).astype(int), np.arange(N) % 3, X[:, 0] + X[:, 1] ** 2
TABLE = pd.DataFrame({"x": X[:, 0], "kind": pd.Categorical(RNG.choice(list("uvw"), N)), "on": Y.astype(bool)})


def bend(x: np.ndarray, gain: Any = 1.0) -> np.ndarray:
    return np.tanh(gain * x)


def cosh(y: np.ndarray, f: np.ndarray) -> np.ndarray:
    return np.log(np.cosh(y - f))


# --- stacks ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_a_stack_is_the_perceptron_of_the_same_layers(solver: str) -> None:
    common = {"solver": solver, "random_state": 4, "max_iter": 5}
    plain = bh.MLPClassifier((6, 5), **common).fit(X, K)
    stack = bh.NetworkClassifier([Dense(6), ReLU(), Dense(5), ReLU(), Dense(3)], **common).fit(X, K)
    np.testing.assert_array_equal(plain.predict_proba(X), stack.predict_proba(X))


def test_two_classes_have_one_score_or_two() -> None:
    for outputs in (1, 2):
        model = bh.NetworkClassifier([Dense(8), Tanh(), Dense(outputs)], max_iter=80, learning_rate_init=0.02)
        assert model.fit(X, Y).score(X, Y) > 0.8
        assert model.out_activation_ == ("logistic" if outputs == 1 else "softmax")
        np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1)


@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
def test_rows_may_be_images(dtype: Any) -> None:
    images = RNG.integers(0, 256, size=(80, 5, 4, 3)).astype(dtype)
    bright = images[:, :2].mean(axis=(1, 2, 3)) > images[:, 3:].mean(axis=(1, 2, 3))
    model = bh.NetworkClassifier(
        [Flatten(), Dense(16), ReLU(), Dense(2)], max_iter=60, learning_rate_init=0.01, random_state=0
    )
    assert model.fit(images, bright).score(images, bright) > 0.9
    centre, scale = model._units
    np.testing.assert_allclose(centre[0, 0], images.reshape(-1, 3).mean(axis=0))
    np.testing.assert_allclose(1 / scale[2, 1], images.reshape(-1, 3).astype(float).std(axis=0))
    np.testing.assert_allclose(model.predictor()(images[3]), model.predict_proba(images)[3], atol=1e-6)


def test_categories_become_vectors() -> None:
    effect = TABLE["kind"].map({"u": -1.0, "v": 0.5, "w": 2.0}).to_numpy(float)
    model = bh.MLPRegressor(hidden_layer_sizes=(8,), solver="lbfgs", random_state=0, alpha=1e-6, max_iter=500)
    assert model.fit(TABLE, effect + X[:, 0]).score(TABLE, effect + X[:, 0]) > 0.999
    assert model.parameters_["0.column.1.weight"].shape == (3, 2)
    np.testing.assert_array_equal(model.predict(TABLE), model.predict(TABLE[["on", "kind", "x"]]))
    codes = np.column_stack([TABLE["x"], TABLE["kind"].cat.codes, TABLE["on"]]).astype(float)
    np.testing.assert_allclose(model.predictor()(codes), model.predict(TABLE), rtol=1e-10)


@pytest.mark.parametrize("table", ["polars", "pyarrow"])
def test_tables_of_every_library_are_the_same_table(table: str) -> None:
    library = pytest.importorskip(table)
    other = library.from_pandas(TABLE) if table == "polars" else library.Table.from_pandas(TABLE)
    a, b = (bh.MLPClassifier((5,), max_iter=3, random_state=0).fit(form, Y) for form in (TABLE, other))
    np.testing.assert_array_equal(a.predict_proba(TABLE), b.predict_proba(other))


def test_codes_of_a_stack_enter_as_they_are() -> None:
    codes = np.column_stack([X[:, 0] * 100, K, Y])
    stack = [Columns((0,), ((1, Embedding(3, 2)), (2, Embedding(2, 1)))), Dense(4), Tanh(), Dense(1)]
    model = bh.NetworkRegressor(stack, solver="lbfgs", random_state=0, max_iter=500, alpha=1e-5)
    assert model.fit(codes, X[:, 0] + K * Y).score(codes, X[:, 0] + K * Y) > 0.99
    assert model._units is not None
    np.testing.assert_array_equal(model._units[0][1:], 0)
    np.testing.assert_array_equal(model._units[1][1:], 1)
    sequence = bh.NetworkClassifier(
        [Embedding(3, 4), Flatten(), Dense(2)], max_iter=50, learning_rate_init=0.05
    )
    assert sequence.fit(codes[:, 1:], K == 1).score(codes[:, 1:], K == 1) == 1


# --- proof ----------------------------------------------------------------------------------------------------------


def numerical_hessian(J: Any, beta: np.ndarray, real: np.ndarray) -> np.ndarray:
    places, step = np.flatnonzero(real), 1e-5
    columns = []
    for j in places:
        move = np.zeros_like(beta)
        move[j] = step
        columns.append((J.both(beta + move)[1] - J.both(beta - move)[1])[places] / (2 * step))
    H = np.array(columns)
    return (H + H.T) / 2


@pytest.mark.parametrize("kind", ["two", "three", "labels", "number", "count", "weighted"])
@pytest.mark.parametrize("hidden", [(3,), (8, 5)])
def test_curvature_is_that_of_the_hessian(kind: str, hidden: tuple[int, ...]) -> None:
    """Lanczos' ends, or those of the whole Hessian for few parameters, beside difference quotients of gradients."""
    y = {"two": Y, "three": K, "labels": np.column_stack([Y, 1 - Y]), "number": R, "count": K, "weighted": R}[
        kind
    ]
    weight = RNG.integers(1, 4, N).astype(float) if kind == "weighted" else None
    common = {
        "hidden_layer_sizes": hidden,
        "activation": "tanh",
        "alpha": 0.3,
        "max_iter": 20,
        "random_state": 0,
    }
    if kind in ("two", "three", "labels"):
        model: Any = bh.MLPClassifier(**common)
    else:
        model = bh.MLPRegressor("poisson" if kind == "count" else "squared_error", **common)
    model.fit(X, y, sample_weight=weight)
    certificate = model.certify(X, y, sample_weight=weight, curvature=True)

    from betahat.estimators.network.full_batch import objective_of

    J = objective_of(model, model._read(X, y, weight, False))
    beta = model._state.chain.point.astype(float)
    values = np.linalg.eigvalsh(numerical_hessian(J, beta, J.real))
    if kind == "three":  # one eigenvalue is 0 by the form of the softmax, and is left out
        values = np.delete(values, np.argmin(np.abs(values)))
    bend = model.curvature_
    np.testing.assert_allclose([bend.smallest, bend.largest], values[[0, -1]], rtol=1e-5, atol=1e-7)
    along = J.product(beta, bend.direction)
    np.testing.assert_allclose(along, bend.smallest * bend.direction, atol=1e-6 * values[-1])
    assert certificate.status == "not stationary"
    np.testing.assert_allclose(certificate.gradient, J.both(beta)[1][J.real], atol=1e-15)
    assert certificate.loss == J.both(beta)[0]


@pytest.mark.parametrize("make", ["classifier", "regressor"])
def test_a_minimum_is_certified(make: str) -> None:
    common = {
        "solver": "lbfgs",
        "activation": "tanh",
        "alpha": 1.0,
        "tol": 1e-9,
        "max_iter": 3000,
        "random_state": 1,
    }
    model: Any = (
        bh.MLPClassifier((3,), **common)
        if make == "classifier"
        else bh.MLPRegressor(hidden_layer_sizes=(3,), **common)
    )
    y = K if make == "classifier" else R
    model.fit(X, y)
    assert model.certificate_.status == "not assessed"
    assert model.certify(X, y).status == "stationary"
    certificate = model.certify(X, y, curvature=True)
    assert certificate.status == "local minimum", certificate.message
    assert certificate.converged
    assert model.certificate_ is certificate
    assert model.curvature_.smallest > 0
    assert "every β nearby has a larger J" in certificate.message


def test_a_saddle_is_told_from_a_minimum() -> None:
    """All weights 0 is stationary: no unit has a derivative but by the weights after it; and J falls from there."""
    y = np.tanh(X[:, 0])
    model = bh.MLPRegressor(hidden_layer_sizes=(3,), activation="tanh", alpha=0.0, max_iter=1).fit(
        X, y - y.mean()
    )
    for array in model.parameters_.values():
        array[...] = 0
    certificate = model.certify(X, y - y.mean(), curvature=True)
    assert certificate.status == "saddle"
    assert "curvature_.direction" in certificate.message
    before = certificate.loss
    model._state.chain.x[...] += 0.01 * model.curvature_.direction
    assert model.certify(X, y - y.mean()).loss < before


def test_weights_that_nothing_holds_are_flat() -> None:
    dead = bh.MLPRegressor(
        hidden_layer_sizes=(2,), alpha=0.0, solver="lbfgs", random_state=0, max_iter=1
    ).fit(X, R)
    dead.intercepts_[0][...] = -1e3  # no unit is ever above its kink
    dead.intercepts_[1][...] = 0.0
    certificate = dead.certify(X, R, curvature=True)
    assert certificate.status == "flat"


def test_float32_is_certified_in_double_precision() -> None:
    model = bh.MLPRegressor(hidden_layer_sizes=(4,), dtype="float32", max_iter=30, random_state=0).fit(X, R)
    wide = bh.MLPRegressor(hidden_layer_sizes=(4,), dtype="float64", max_iter=30, random_state=0).fit(X, R)
    a, b = model.certify(X, R), wide.certify(X, R)
    assert a.gradient.dtype == np.float64
    np.testing.assert_allclose(a.gradient, b.gradient, atol=1e-4)
    with pytest.raises(ValueError, match="tolerance"):
        model.certify(X, R, tolerance=0.0)


# --- words ----------------------------------------------------------------------------------------------------------


def test_explain_names_layers_numbers_and_the_end() -> None:
    model = bh.MLPClassifier((6,), dropout=0.25, max_iter=20, random_state=0, early_stopping=True).fit(X, K)
    told = " ".join(model.explain().split())
    for words in (
        "+ 0.0001/(2 b) Σ βⱼ²",
        "log Σⱼ exp(fⱼ) − f_y",
        "3 outputs, one for each class",
        "f = max(0, x)",
        "Dropout(0.25)",
        f"in all {4 * 6 + 6 + 6 * 3 + 3} {model.network_.flops}",
        "ScaleByAdam",
        f"ended as “{model.stop_reason_}”",
        "not assessed",
    ):
        assert words in told, words
    assert all(len(line) <= 100 for line in model.explain().splitlines())
    full = bh.MLPRegressor(solver="lbfgs", max_iter=5).fit(X, R)
    assert "L-BFGS" in full.explain()
    assert "as y does" in " ".join(full.explain().split())
    model.certify(X, K)
    assert "not stationary" in model.explain()


# --- carried ---------------------------------------------------------------------------------------------------------


MODELS: dict[str, tuple[Any, Any, Any, dict[str, Any]]] = {
    "classes": (bh.MLPClassifier(max_iter=3), X, K, {}),
    "two": (
        bh.MLPClassifier(max_iter=3, activation="gelu", dtype="float32"),
        X,
        np.where(Y > 0, "yes", "no"),
        {},
    ),
    "labels": (bh.MLPClassifier(max_iter=3, standardize=False), X, np.column_stack([Y, 1 - Y, Y]), {}),
    "table": (
        bh.MLPClassifier(
            max_iter=3,
            batch_norm=True,
            dropout=0.2,
            average=ExponentialAverage(0.9),
            learning_rate=Cosine(0.1, 100),
        ),
        TABLE,
        K,
        {},
    ),
    "huber": (bh.MLPRegressor("huber", max_iter=3, early_stopping=True, scoring="r2"), X, R, {}),
    "functions": (
        bh.MLPRegressor(cosh, max_iter=3, activation=bend, solver=AdamW(0.01)),
        X,
        np.column_stack([R, R]),
        {"loss": cosh, "activation": bend},
    ),
    "gamma": (bh.MLPRegressor("gamma", solver="lbfgs", max_iter=20), X, np.exp(R), {}),
    "stack": (
        bh.NetworkClassifier(
            [
                Dense(4, initialisation=np.ones((4, 4))),
                Residual(Dense(4), Sequential(Tanh(), Dense(4))),
                Function(bend, {"gain": np.full(4, 0.5)}),
                Dropout(0.1),
                Dense(3),
            ],
            max_iter=3,
        ),
        X,
        K,
        {"layers": bend},
    ),
    "normed": (
        bh.NetworkRegressor([LayerNorm(), Dense(8), BatchNorm(), ReLU(), Dense(1)], max_iter=3),
        X,
        R,
        {},
    ),
    "images": (bh.NetworkRegressor([Flatten(), Dense(1)], max_iter=3), X.reshape(N, 2, 2), R, {}),
}


def answers(model: Any, A: Any) -> np.ndarray:
    return model.predict_proba(A) if hasattr(model, "predict_proba") else model.predict(A)


@pytest.mark.parametrize("name", MODELS)
def test_files_hold_all_that_predicts_and_explains(name: str, tmp_path: Path) -> None:
    model, A, y, functions = MODELS[name]
    model.fit(A, y)
    model.certify(A, y)
    model.save(tmp_path / "model")
    again = bh.load(tmp_path / "model", **functions)
    np.testing.assert_array_equal(answers(again, A), answers(model, A))
    assert again.explain() == model.explain()
    assert again.loss_curve_ == model.loss_curve_
    assert again.validation_scores_ == model.validation_scores_
    assert again.get_params().keys() == model.get_params().keys()
    assert again.certify(A, y).message == model.certificate_.message
    again.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "model").read_bytes()
    again.set_params(warm_start=True).fit(A, y)


def test_functions_that_watch_are_not_stored(tmp_path: Path) -> None:
    model = bh.MLPClassifier(max_iter=2, callbacks=[print], random_state=np.random.RandomState(0))
    model.set_params(callbacks=lambda epoch: None).fit(X, Y).save(tmp_path / "model")
    again = bh.load(tmp_path / "model")
    assert again.callbacks is None
    assert again.random_state is None


@pytest.mark.parametrize("name", MODELS)
def test_a_bare_predictor_gives_what_the_model_gives(name: str) -> None:
    model, A, y, _ = MODELS[name]
    model.fit(A, y)
    predict = model.predictor()
    rows = model.design_.matrix(A) if name == "table" else A
    expected = answers(model, A)
    apart = (
        1e-14 if name in ("functions", "stack") else 0.0
    )  # NumPy's products depend on how many rows there are
    np.testing.assert_allclose(predict(rows), expected, rtol=0, atol=apart)
    np.testing.assert_allclose(predict(rows[5]), expected[5], rtol=0, atol=apart)
    with pytest.raises(ValueError, match="x has shape"):
        predict(np.zeros((2, 1, 1, 1)))
    assert np.shape(predict(rows[5])) == expected.shape[1:]
    before = predict(rows[:2]).copy()
    for array in model.parameters_.values():
        array[...] = 0  # a predictor keeps what it was made of
    np.testing.assert_array_equal(predict(rows[:2]), before)


def told(*arguments: Any) -> str:
    start = "import sys; from betahat.cli import main; sys.exit(main())"
    done = subprocess.run([sys.executable, "-c", start, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_command_line_shows_and_predicts(tmp_path: Path) -> None:
    TABLE.to_csv(tmp_path / "rows.csv", index=False)
    classifier = bh.MLPClassifier((4,), max_iter=3, random_state=0).fit(TABLE, np.where(Y > 0, "yes", "no"))
    regressor = bh.MLPRegressor(max_iter=3, random_state=0).fit(TABLE[["x"]], np.column_stack([R, R]))
    for name, model in (("classes", classifier), ("numbers", regressor)):
        model.save(tmp_path / name)
        assert "The network f(x, β)" in told("show", tmp_path / name)
        assert json.loads(told("show", tmp_path / name, "--json"))["stop_reason"] == "budget spent"
        told("predict", tmp_path / name, tmp_path / "rows.csv", "--out", tmp_path / f"{name}.csv")
    classes, numbers = (pd.read_csv(tmp_path / f"{name}.csv") for name in ("classes", "numbers"))
    assert (classes["prediction"] == classifier.predict(TABLE)).all()
    np.testing.assert_allclose(classes["prediction_yes"], classifier.predict_proba(TABLE)[:, 1], atol=1e-12)
    np.testing.assert_allclose(
        numbers[["prediction_1", "prediction_2"]], regressor.predict(TABLE[["x"]]), atol=1e-12
    )


# --- sequences of tokens ------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8, np.float64])
def test_patterns_in_sequences_of_tokens(dtype: Any, tmp_path: Path) -> None:
    """Whether 3 is followed by 5 anywhere: a convolution of width 2 over embedded tokens; 0 pads."""
    rng = np.random.default_rng(0)
    tokens = rng.integers(1, 8, (300, 9)).astype(dtype)
    tokens[np.arange(9) >= rng.integers(4, 10, 300)[:, None]] = 0
    y = ((tokens[:, :-1] == 3) & (tokens[:, 1:] == 5)).any(axis=1)
    layers = [Embedding(8, 6), Conv1d(16, 2), ReLU(), GlobalMaxPool(), Dense(1)]
    model = bh.NetworkClassifier(layers, learning_rate_init=0.01, max_iter=60, random_state=0).fit(tokens, y)
    assert model.score(tokens, y) > 0.98
    pair = np.zeros((2, 9), dtype)
    pair[0, 5:7], pair[1, 5:7] = (3, 5), (5, 3)  # seen nowhere else at this place only
    assert model.predict(pair).tolist() == [True, False]
    model.save(tmp_path / "m")
    np.testing.assert_array_equal(bh.load(tmp_path / "m").predict_proba(tokens), model.predict_proba(tokens))
    with pytest.raises(bh.DataError, match=r"hold 8.* in row 0"):
        model.predict(pair + dtype(8))
    with pytest.raises(ValueError, match="8 features"):
        model.predict(pair[:, 1:])

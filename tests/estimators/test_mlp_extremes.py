"""Networks and the worst that they can be given: refused by name, without warnings on the way, or right."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from estimators.mlp_models import R, X, Y, classifier, regressor, same
from sklearn.exceptions import NotFittedError

import betahat as bh
from betahat.layers import GELU, Columns, Dense, Embedding, Function, Residual
from betahat.losses import Huber

FRAME = pd.DataFrame({"x": X[:, 0], "kind": list("uvwx") * 60})
HUGE = 10**400  # beyond what a float holds


# --- parameters -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["alpha", "learning_rate_init", "tol", "epsilon", "clip_norm", "n_iter_no_change"]
)
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_whole_numbers_beyond_floats(name: str, solver: str) -> None:
    with pytest.raises(ValueError, match=name):
        classifier(**{name: HUGE, "solver": solver}).fit(X, Y)


@pytest.mark.parametrize("name", ["power_t", "validation_fraction", "dropout"])
def test_whole_numbers_beyond_floats_of_other_checks(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        classifier(**{name: HUGE}).fit(X, Y)


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("hidden_layer_sizes", b"x", TypeError),
        ("hidden_layer_sizes", {}, TypeError),
        ("hidden_layer_sizes", {8}, TypeError),
        ("hidden_layer_sizes", np.array(8), TypeError),
        ("hidden_layer_sizes", np.ones((2, 2), int), TypeError),
        ("hidden_layer_sizes", 10**30, ValueError),
        ("dropout", b"x", TypeError),
        ("dropout", "0.5", TypeError),
        ("dropout", None, TypeError),
        ("dropout", 1.0, ValueError),
        ("dropout", [0.1, np.nan], ValueError),
        ("dtype", np.array([1, 2]), TypeError),
        ("dtype", 32, TypeError),
        ("n_iter_no_change", np.array([1, 2]), ValueError),
        ("random_state", "x", ValueError),
        ("random_state", -1, ValueError),
        ("random_state", 2.5, ValueError),
        ("random_state", 2**64, ValueError),
        ("random_state", [1, 2], ValueError),
        ("scoring", "acuracy", ValueError),
        ("scoring", "", ValueError),
        ("scoring", 3, TypeError),
        ("checkpoint", "", ValueError),
    ],
)
def test_wrong_parameters(name: str, value: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=name):
        classifier(**{"hidden_layer_sizes": (8, 8), name: value}).fit(X, Y)


def test_a_dropout_for_an_array_of_rates_is_fine() -> None:
    rates = np.array([0.1, 0.2])
    assert same(
        classifier(hidden_layer_sizes=np.array([4, 4]), dropout=rates).fit(X, Y),
        classifier(hidden_layer_sizes=(4, 4), dropout=(0.1, 0.2)).fit(X, Y),
    )


@pytest.mark.parametrize("sizes", [2**31 - 1, (10**6, 10**6)])
def test_a_network_that_no_memory_holds(sizes: Any) -> None:
    with pytest.raises(
        MemoryError, match=r"parameters, which take .* GiB as float64.*make that layer smaller"
    ):
        regressor(hidden_layer_sizes=sizes).fit(X, R)
    with pytest.raises(MemoryError, match=r"largest array is 0\.weight"):
        bh.NetworkRegressor([Dense(10**30), Dense(1)]).fit(X, R)


@pytest.mark.parametrize("score", ["neg_log_loss", "accuracy", lambda m: 1.0, lambda m, A, b: "good"])
def test_scores_that_cannot_be_asked(score: Any) -> None:
    with pytest.raises(ValueError, match=r"scoring \(=.*cannot score this MLPRegressor"):
        regressor(early_stopping=True, scoring=score).fit(X, R)


@pytest.mark.parametrize(
    ("loss", "error", "message"),
    [
        (lambda: 0.0, TypeError, "It is called as loss"),
        (lambda y, f: np.log(f), ValueError, "where the descent begins"),
        (lambda y, f: np.mean((y - f) ** 2), ValueError, "one number for each row"),
        (lambda y, f: f * np.nan, ValueError, "is nan at"),
    ],
)
def test_functions_that_are_no_losses(loss: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        regressor(loss=loss).fit(X, R)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Columns(3), r"numeric of Columns \(=3\)"),  # pyright: ignore[reportArgumentType]
        (lambda: Columns(None), r"numeric of Columns \(=None\)"),  # pyright: ignore[reportArgumentType]
        (lambda: Columns((0,), Embedding(3, 2)), "embedded of Columns"),  # pyright: ignore[reportArgumentType]
        (lambda: Function(np.tanh, name=3), r"name \(=3\) of Function"),  # pyright: ignore[reportArgumentType]
        (lambda: Residual(Dense(3), projection=np.ones(2)), "projection of Residual"),  # pyright: ignore[reportArgumentType]
    ],
)  # fmt: skip
def test_wrong_layers(make: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        make()


def test_wrong_layers_of_arrays_and_numbers_beyond_floats() -> None:
    with pytest.raises(ValueError, match="approximate"):
        GELU(np.ones(2))  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="rate of Dropout"):
        bh.layers.Dropout(HUGE)


# --- rows -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("power", [-1000, -500, 500, 1000])
@pytest.mark.parametrize("form", [np.asarray, sp.csr_matrix], ids=["dense", "sparse"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_columns_of_any_size_are_the_same_columns(power: int, form: Any, dtype: str) -> None:
    """Times a power of two, a column has the same digits: the network must come out the same, to the bit."""
    scale = np.ldexp(1.0, [power, 0, power // 2, -power])
    plain, scaled = (classifier(dtype=dtype).fit(form(A), Y) for A in (X, X * scale))
    assert same(plain, scaled)
    np.testing.assert_array_equal(plain.predict_proba(form(X)), scaled.predict_proba(form(X * scale)))


@pytest.mark.parametrize("power", [-1000, -500, 500, 1000])
@pytest.mark.parametrize(
    "loss", [lambda unit: "squared_error", lambda unit: Huber(unit)], ids=["squares", "Huber"]
)
@pytest.mark.parametrize("several", [False, True])
def test_targets_of_any_size_are_the_same_targets(power: int, loss: Any, several: bool) -> None:
    y = np.column_stack([R, X[:, 2]]) if several else R
    scale = 2.0**power
    plain, scaled = (regressor(loss=loss(unit)).fit(X, y * unit) for unit in (1.0, scale))
    assert same(plain, scaled)
    np.testing.assert_allclose(scaled.predict(X) / scale, plain.predict(X), rtol=1e-14)


def test_numbers_whose_differences_no_float_holds() -> None:
    for A in (np.where(X > 0, 1.7e308, -1.7e308), X * 1e-310):
        with pytest.raises(bh.DataError, match=r"column 0 of X \(from 0\).*multiply it"):
            classifier().fit(A, Y)
    with pytest.raises(bh.DataError, match="y holds numbers whose differences"):
        regressor().fit(X, np.where(R > 0, 1.7e308, -1.7e308))


@pytest.mark.parametrize("rate", [1e30, 1e300])
@pytest.mark.parametrize("solver", ["sgd", "adam", "rmsprop", "adagrad", "momentum"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.filterwarnings("ignore::betahat.CertificateWarning")
def test_absurd_learning_rates_leave_finite_answers(rate: float, solver: str, dtype: str) -> None:
    model = classifier(learning_rate_init=rate, solver=solver, dtype=dtype).fit(X, Y)
    assert np.isfinite(model.predict_proba(X)).all()
    assert all(np.isfinite(array).all() for array in model.parameters_.values())
    assert (model.stop_reason_ == "diverged") or np.isfinite(model.loss_)


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        (X.astype(str), ValueError, "X must hold numbers"),
        (np.where(X > 2, "a", X.astype(object)), ValueError, "X must hold numbers"),
        ([[1, 2], [3]], ValueError, "X must hold numbers"),
        (None, ValueError, "X cannot be used"),
        ("abc", ValueError, "X cannot be used"),
        (X[:, 0], ValueError, "X cannot be used: Expected 2D array"),
        (X[:0], ValueError, "X cannot be used: Found array with 0 sample"),
        (X[:, :0], ValueError, "X cannot be used: Found array with 0 feature"),
        (X + 1j, ValueError, "X cannot be used: Complex data"),
        (np.where(X > 0, np.inf, -np.inf), ValueError, "Input X contains infinity"),
        (np.where(X > 2, np.nan, X), bh.MissingValueError, "Input X contains NaN"),
        (X.astype("i8").astype("M8[D]"), TypeError, "X is an array of datetime64"),
        (FRAME.assign(x=np.nan), bh.MissingValueError, r"in 'x' \(240\)\. A network takes complete rows"),
        (pl.DataFrame({"x": [None, 1.0] * 120}), bh.MissingValueError, r"'x' \(120\)\. A network takes complete"),
        (pd.concat([FRAME, FRAME], axis=1), bh.DataError, "more than one column named"),
        (FRAME[:0], bh.DataError, "0 rows"),
    ],
)  # fmt: skip
def test_wrong_rows(rows: Any, error: type[Exception], message: str) -> None:
    for make, y in ((classifier, Y), (regressor, R)):
        with pytest.raises(error, match=message):
            make().fit(rows, y)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda f: f[:0], bh.DataError, "X has 0 rows"),
        (lambda f: pd.concat([f, f], axis=1), bh.DataError, "more than one column named"),
        (lambda f: f.assign(kind="q"), bh.UnseenLevelError, "'q' in 240 rows"),
        (lambda f: f.assign(kind=None), bh.MissingValueError, "A network takes complete rows"),
        (lambda f: f.rename(columns={"x": "z"}), ValueError, "Feature names unseen at fit time"),
        (lambda f: f.assign(x="1"), TypeError, "column 'x' was a number in training"),
        (lambda f: f.to_numpy(), TypeError, "it needs a table with these columns"),
    ],
)
def test_wrong_tables_of_new_rows(change: Any, error: type[Exception], message: str) -> None:
    model = classifier().fit(FRAME, Y)
    with pytest.raises(error, match=message):
        model.predict(change(FRAME))


def test_tables_in_another_order_or_with_more_are_the_same_rows() -> None:
    model = classifier().fit(FRAME, Y)
    expected = model.predict_proba(FRAME)
    for table in (
        FRAME[["kind", "x"]],
        FRAME.assign(more=1),
        pl.from_pandas(FRAME),
        FRAME.astype({"kind": "category"}),
    ):
        np.testing.assert_array_equal(model.predict_proba(table), expected)


# --- targets and weights --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("y", "error", "message"),
    [
        (["a"] * 240, ValueError, "y must hold numbers"),
        ({1.0}, TypeError, "y cannot be used"),
        (3.0, TypeError, "y cannot be used"),
        ([], ValueError, "y cannot be used"),
        (R + 1j, ValueError, "y cannot be used: Complex"),
        (np.array(["2020-01-01"] * 240, "M8[D]"), TypeError, "y holds datetime64"),
        (pl.Series([date(2020, 1, 1)] * 240), TypeError, "y holds datetime64"),
        (np.where(R > 1, np.inf, -np.inf), ValueError, "Input y contains infinity"),
        (R[:5], ValueError, "X has 240 rows, y has 5"),
    ],
)
def test_wrong_targets(y: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        regressor().fit(X, y)


def test_empty_labels_and_classes() -> None:
    with pytest.raises(bh.DataError, match="y is empty"):
        classifier().fit(X, [])
    with pytest.raises(bh.DataError, match="y is empty"):
        classifier().partial_fit(X, Y, classes=[])


def test_classes_without_any_weight() -> None:
    with pytest.raises(bh.DataError, match="every row has weight 0"):
        classifier(class_weight={0: 0, 1: 0}).fit(X, Y)
    with pytest.raises(bh.DataError, match="every row has weight 0"):
        classifier(class_weight={0: 0}).find_learning_rate(X, Y, sample_weight=(Y == 0).astype(float))


# --- questions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["coefs_", "intercepts_", "parameters_", "network_"])
def test_attributes_before_a_fit(name: str) -> None:
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        getattr(bh.MLPClassifier(), name)


@pytest.mark.parametrize(
    "row", [X[0] + 1j, X[0].astype(str), X[0].astype("i8").astype("M8[D]"), X[0].astype(object)]
)
def test_a_bare_predictor_takes_numbers(row: Any) -> None:
    with pytest.raises(TypeError, match="numbers are expected"):
        classifier().fit(X, Y).predictor()(row)

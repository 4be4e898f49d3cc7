"""What networks' estimators refuse, each by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import betahat as bh
from betahat.layers import Dense, ReLU, Sigmoid, Softmax
from betahat.solvers import LBFGS, SGD

RNG = np.random.default_rng(1)
X, Y = RNG.normal(size=(30, 3)), np.arange(30) % 2
R = X[:, 0]

PARAMETERS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"hidden_layer_sizes": (5, 0)}, ValueError, r"hidden_layer_sizes .* must be > 0"),
    ({"hidden_layer_sizes": -1}, ValueError, r"hidden_layer_sizes \(=-1\) must be > 0"),
    ({"hidden_layer_sizes": (5, 2.5)}, TypeError, r"hidden_layer_sizes .* whole numbers"),
    ({"hidden_layer_sizes": "big"}, TypeError, "hidden_layer_sizes"),
    ({"hidden_layer_sizes": 3.0}, TypeError, "hidden_layer_sizes"),
    ({"activation": "rleu"}, ValueError, r"activation \(='rleu'\) must be one of"),
    ({"activation": ReLU}, TypeError, r"write ReLU\(\)"),
    ({"solver": "newton"}, ValueError, r"solver \(='newton'\) must be one of"),
    ({"solver": SGD}, TypeError, r"write it with \(\)"),
    ({"solver": LBFGS()}, TypeError, "takes mini-batches"),
    ({"alpha": -1.0}, ValueError, "alpha"),
    ({"alpha": np.nan}, ValueError, "alpha"),
    ({"batch_size": 0}, ValueError, "batch_size"),
    ({"batch_size": "all"}, TypeError, "batch_size"),
    ({"batch_size": 2.5}, TypeError, "batch_size"),
    ({"learning_rate": "cosine"}, ValueError, "learning_rate"),
    ({"learning_rate": 0.01}, TypeError, "learning_rate_init"),
    ({"learning_rate_init": 0.0}, ValueError, "learning_rate_init"),
    ({"learning_rate_init": -1e300}, ValueError, "learning_rate_init"),
    ({"learning_rate_init": np.inf}, ValueError, "learning_rate_init"),
    ({"power_t": -1}, ValueError, "power_t"),
    ({"max_iter": 0}, ValueError, "max_iter"),
    ({"max_iter": 1.5}, ValueError, "max_iter"),
    ({"max_fun": 0}, ValueError, "max_fun"),
    ({"shuffle": "yes"}, TypeError, "shuffle"),
    ({"random_state": "seed"}, ValueError, "seed"),
    ({"tol": -1e-3}, ValueError, "tol"),
    ({"verbose": "loud"}, TypeError, "verbose"),
    ({"verbose": -1}, ValueError, "verbose"),
    ({"warm_start": 1}, TypeError, "warm_start"),
    ({"momentum": 1.0}, ValueError, "momentum"),
    ({"nesterovs_momentum": None}, TypeError, "nesterovs_momentum"),
    ({"early_stopping": "auto"}, TypeError, "early_stopping"),
    ({"validation_fraction": 1.0}, ValueError, "validation_fraction"),
    ({"validation_fraction": -0.1}, ValueError, "validation_fraction"),
    ({"beta_1": 1.0}, ValueError, "beta_1"),
    ({"beta_2": -0.1}, ValueError, "beta_2"),
    ({"epsilon": 0.0}, ValueError, "epsilon"),
    ({"n_iter_no_change": 0}, ValueError, "n_iter_no_change"),
    ({"dropout": 1.0}, ValueError, "rate"),
    ({"dropout": (0.1, 0.2)}, ValueError, r"dropout .* each of the 1 hidden layers"),
    ({"dropout": "much"}, TypeError, "rate"),
    ({"batch_norm": 1}, TypeError, "batch_norm"),
    ({"batch_norm": True, "layer_norm": True}, ValueError, "batch_norm and layer_norm"),
    ({"clip_norm": 0.0}, ValueError, "clip_norm"),
    ({"average": 0.9}, TypeError, "ExponentialAverage"),
    ({"standardize": "yes"}, TypeError, "standardize"),
    ({"dtype": "float16"}, ValueError, "dtype"),
    ({"dtype": np.int32}, TypeError, "dtype"),
    ({"scoring": 3}, TypeError, "scoring"),
    ({"callbacks": [print, 3]}, TypeError, "callbacks"),
    ({"solver": "lbfgs", "dropout": 0.5}, ValueError, "solver='lbfgs' .* dropout"),
    ({"solver": "lbfgs", "batch_norm": True}, ValueError, "batch normalisation"),
]


@pytest.mark.parametrize(("parameters", "error", "words"), PARAMETERS, ids=str)
@pytest.mark.parametrize("make", [bh.MLPClassifier, bh.MLPRegressor])
def test_parameters(make: Any, parameters: dict[str, Any], error: type[Exception], words: str) -> None:
    given = {"hidden_layer_sizes": (4,), "max_iter": 1, **parameters}
    with pytest.raises(error, match=words):
        make(**given).fit(X, Y if make is bh.MLPClassifier else R)


@pytest.mark.parametrize(
    ("loss", "y", "error", "words"),
    [
        ("absolute_error", R, ValueError, r"loss \(='absolute_error'\) must be one of"),
        (bh.losses.Huber, R, TypeError, r"Huber\(\)"),
        (3, R, TypeError, "loss"),
        ("poisson", R, ValueError, "poisson target is not negative"),
        ("gamma", np.zeros(30), ValueError, "gamma"),
        (lambda y, f: np.mean((y - f) ** 2), R, ValueError, "one number for each row"),
        (lambda y, f: np.log(f - y), R, ValueError, "not finite|is nan|is inf|-inf"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning", "ignore:divide by zero:RuntimeWarning")
def test_losses(loss: Any, y: np.ndarray, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        bh.MLPRegressor(loss, max_iter=1).fit(X, y)


def bad(value: float) -> np.ndarray:
    A = X.copy()
    A[3, 1] = value
    return A


@pytest.mark.parametrize("make", [bh.MLPClassifier, bh.MLPRegressor])
@pytest.mark.parametrize(
    ("A", "words"),
    [
        (bad(np.nan), "NaN"),
        (bad(np.inf), "infinity"),
        (X[:, 0], "2D"),
        (X[:0], "0 sample"),
        (X[:, :0], "0 feature"),
        (X.astype(complex), "Complex"),
        (X[:20], "inconsistent numbers of samples"),
        (np.array([["a", "b", "c"]] * 30), "."),
    ],
)
def test_rows(make: Any, A: np.ndarray, words: str) -> None:
    with pytest.raises((ValueError, TypeError), match=words):
        make(max_iter=1).fit(A, Y)


@pytest.mark.parametrize(
    ("y", "words"),
    [
        (None, "requires y"),
        (np.zeros(30), "one class only"),
        (R, "continuous"),
        ([None, *Y[1:].tolist()], "NaN or None"),
        (np.column_stack([Y, Y + 1]), "each is a label"),
    ],
)
def test_labels(y: Any, words: str) -> None:
    with pytest.raises((ValueError, TypeError), match=words):
        bh.MLPClassifier(max_iter=1).fit(X, y)


@pytest.mark.parametrize(
    ("y", "words"),
    [
        (None, "requires y"),
        (np.full(30, np.nan), "NaN"),
        (np.full(30, np.inf), "infinity"),
        (np.zeros((30, 1, 1)), "."),
    ],
)
def test_numbers(y: Any, words: str) -> None:
    with pytest.raises((ValueError, TypeError), match=words):
        bh.MLPRegressor(max_iter=1).fit(X, y)


@pytest.mark.parametrize(
    ("weight", "words"),
    [
        (-np.ones(30), "negative"),
        (np.zeros(30), "zero in every row"),
        (np.ones(3), "shape"),
        (np.full(30, np.nan), "NaN"),
    ],
)
def test_weights(weight: np.ndarray, words: str) -> None:
    with pytest.raises((ValueError, TypeError), match=f"sample_weight.*{words}"):
        bh.MLPClassifier(max_iter=1).fit(X, Y, sample_weight=weight)


@pytest.mark.parametrize(
    ("weight", "words"), [({2: 1.0}, "names the class 2"), ({0: -1.0}, "class_weight"), ("even", "balanced")]
)
def test_class_weights(weight: Any, words: str) -> None:
    with pytest.raises((ValueError, TypeError), match=words):
        bh.MLPClassifier(max_iter=1, class_weight=weight).fit(X, Y)
    with pytest.raises(ValueError, match="one label a row"):
        bh.MLPClassifier(max_iter=1, class_weight="balanced").fit(X, np.column_stack([Y, Y]))


@pytest.mark.parametrize("rows", [1, 5])
def test_too_few_rows_to_set_aside(rows: int) -> None:
    with pytest.raises(ValueError, match="validation"):
        bh.MLPRegressor(early_stopping=True, max_iter=1).fit(X[:rows], R[:rows])


def test_one_row_can_be_trained_with() -> None:
    assert bh.MLPRegressor(max_iter=1).fit(X[:1], R[:1]).predict(X).shape == (30,)


def test_a_batch_larger_than_the_rows_is_clipped_with_a_warning() -> None:
    with pytest.warns(UserWarning, match=r"batch_size \(=100\) is more than the 30 rows"):
        model = bh.MLPRegressor(batch_size=100, max_iter=1).fit(X, R)
    assert model._history.batch == 30


def test_partial_fit() -> None:
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        bh.MLPClassifier().partial_fit(X, Y)
    with pytest.raises(ValueError, match="early_stopping"):
        bh.MLPClassifier(early_stopping=True).partial_fit(X, Y, classes=[0, 1])
    with pytest.raises(ValueError, match="balanced"):
        bh.MLPClassifier(class_weight="balanced").partial_fit(X, Y, classes=[0, 1])
    assert not hasattr(bh.MLPClassifier(solver="lbfgs"), "partial_fit")
    model = bh.MLPClassifier().partial_fit(X, Y, classes=[0, 1, 2])
    assert model.predict_proba(X).shape == (30, 3)
    with pytest.raises(ValueError, match="not the same as on last call"):
        model.partial_fit(X, Y, classes=[0, 1])
    with pytest.raises(ValueError, match="7"):
        model.partial_fit(X, Y + 6)
    with pytest.raises(ValueError, match="features"):
        model.partial_fit(X[:, :2], Y)


def test_categories_that_training_did_not_have() -> None:
    table = pd.DataFrame({"x": R, "kind": np.where(Y > 0, "a", "b")})
    model = bh.MLPClassifier(max_iter=2).fit(table, Y)
    assert model.parameters_["0.column.1.weight"].shape == (2, 1)
    with pytest.raises(bh.UnseenLevelError, match=r"'kind' has 'c' in 1 rows"):
        model.predict(pd.DataFrame({"x": [0.0], "kind": ["c"]}))
    with pytest.raises(TypeError, match="fitted on a table with categories"):
        model.predict(np.zeros((1, 2)))
    with pytest.raises(ValueError, match="kind"):
        model.predict(pd.DataFrame({"x": [0.0]}))
    with pytest.raises(bh.MissingValueError, match="kind"):
        model.predict(pd.DataFrame({"x": [0.0], "kind": [None]}))


# --- stacks of layers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ([], "layers is empty"),
        (Dense(2), "list of layers"),
        ([Dense], r"write Dense\(\.\.\.\)"),
        ([Dense(4), ReLU()], r"outputs of shape \(4,\) .* \(3,\) is expected, for 3 classes"),
        ([Dense(3), Softmax()], "ends with scores"),
        ([Dense(3), Sigmoid()], "ends with scores"),
        ([Dense(1)], "Only binary classification is supported"),
    ],
)
def test_stacks_of_classifiers(layers: Any, words: str) -> None:
    with pytest.raises((ValueError, TypeError), match=words):
        bh.NetworkClassifier(layers, max_iter=1).fit(X, np.arange(30) % 3)


def test_stacks_of_regressors() -> None:
    with pytest.raises(ValueError, match=r"\(1,\) is expected, for 1 target: let it end with Dense\(1\)"):
        bh.NetworkRegressor([Dense(2)], max_iter=1).fit(X, R)
    with pytest.raises(ValueError, match=r"\(2,\) is expected, for 2 targets"):
        bh.NetworkRegressor([Dense(1)], max_iter=1).fit(X, np.column_stack([R, R]))
    with pytest.raises(ValueError, match="Flatten"):
        bh.NetworkRegressor([Dense(1)], max_iter=1).fit(X.reshape(30, 3, 1), R)
    model = bh.NetworkRegressor([Dense(1)], max_iter=1).fit(X, R)
    with pytest.raises(ValueError, match="rows of shape"):
        model.predict(X.reshape(30, 3, 1))

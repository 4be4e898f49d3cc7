"""Multilayer perceptrons step by step beside scikit-learn's, from the same initial weights and batches; and beside
linear models, which are networks without hidden layers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn import neural_network as peer

import betahat as bh

N = 203  # so that the last batch is shorter
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, 6))
SIGNAL = X[:, 0] + X[:, 1] * X[:, 2]
TARGETS = {
    "two classes": (SIGNAL > 0).astype(int),
    "three classes": np.digitize(SIGNAL, [-0.5, 0.5]),
    "labels": (X[:, :3] > 0).astype(int),
    "number": SIGNAL,
    "numbers": X[:, :2] ** 2,
    "count": RNG.poisson(np.exp(0.5 * X[:, 0])),
}
REGRESSIONS = ("number", "numbers", "count")


def parameters_of(model: Any) -> list[np.ndarray]:
    return [*model.coefs_, *model.intercepts_]


def pair(kind: str, **parameters: Any) -> tuple[Any, Any]:
    """Ours and theirs, both about to begin at our initial weights."""
    name = "MLPRegressor" if kind in REGRESSIONS else "MLPClassifier"
    if kind == "count":
        parameters["loss"] = "poisson"
    ours = getattr(bh, name)(standardize=False, random_state=1, **parameters)
    theirs = getattr(peer, name)(warm_start=True, **parameters)
    start = getattr(bh, name)(standardize=False, random_state=1, **{**parameters, "max_iter": 1})
    start.set_params(solver="sgd", learning_rate_init=1e-300).fit(X, TARGETS[kind])
    theirs.set_params(max_iter=1).fit(X, TARGETS[kind])
    theirs.set_params(max_iter=parameters["max_iter"])
    theirs.coefs_ = [a.copy() for a in start.coefs_]
    theirs.intercepts_ = [
        np.zeros_like(a) for a in start.intercepts_
    ]  # exactly, as a ReLU may stand at its kink
    theirs.t_, theirs.loss_curve_, theirs.best_loss_, theirs._no_improvement_count = 0, [], np.inf, 0
    return ours, theirs


def assert_same(kind: str, tolerance: float = 1e-10, **parameters: Any) -> None:
    common = {"hidden_layer_sizes": (7, 5), "batch_size": 32, "max_iter": 20, "shuffle": False, "alpha": 0.1}
    ours, theirs = pair(kind, **{**common, **parameters})
    ours.fit(X, TARGETS[kind])
    theirs.fit(X, TARGETS[kind])
    for mine, yours in zip(parameters_of(ours), parameters_of(theirs), strict=True):
        np.testing.assert_allclose(mine, yours, rtol=0, atol=tolerance)
    assert (ours.n_iter_, ours.t_, ours.n_layers_) == (theirs.n_iter_, theirs.t_, theirs.n_layers_)
    assert ours.out_activation_ == theirs.out_activation_
    assert ours.n_outputs_ == theirs.n_outputs_
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-8, atol=1e-8)
    if kind not in ("numbers", "count"):  # theirs shows the mean over targets, and a deviance
        np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=0, atol=5e-4)
    if kind not in REGRESSIONS:
        np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-9)
        np.testing.assert_array_equal(ours.classes_, theirs.classes_)


pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic", "identity"])
def test_adam_steps_like_scikit_learn(kind: str, activation: str) -> None:
    """Both add ε to the root of the second moment, but at different places: none to speak of, so that they agree."""
    assert_same(kind, solver="adam", activation=activation, learning_rate_init=0.01, epsilon=1e-15)


@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize("learning_rate", ["constant", "invscaling", "adaptive"])
@pytest.mark.parametrize("how", [(0.9, True), (0.9, False), (0.0, True)], ids=["nesterov", "ball", "plain"])
def test_sgd_steps_like_scikit_learn(kind: str, learning_rate: str, how: tuple[float, bool]) -> None:
    assert_same(
        kind, solver="sgd", learning_rate=learning_rate, learning_rate_init=0.01, momentum=how[0],
        nesterovs_momentum=how[1],
    )  # fmt: skip


@pytest.mark.parametrize("hidden", [(), 4, (3, 3, 3)])
@pytest.mark.parametrize("batch_size", ["auto", 1, 200, 203])
def test_shapes_and_batches_are_those_of_scikit_learn(hidden: Any, batch_size: Any) -> None:
    alpha = 1e-3 if batch_size == 1 else 0.1  # an epoch's mean penalty is told from its ends
    assert_same(
        "two classes", hidden_layer_sizes=hidden, batch_size=batch_size, solver="sgd", max_iter=3, alpha=alpha
    )


def test_without_a_penalty_the_loss_curve_is_theirs_to_rounding() -> None:
    ours, theirs = (
        model.fit(X, TARGETS["three classes"])
        for model in pair("three classes", alpha=0.0, batch_size=32, max_iter=5, shuffle=False, solver="sgd")
    )
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-12)
    assert ours.loss_ == ours.loss_curve_[-1]
    assert ours.best_loss_ == pytest.approx(theirs.best_loss_, rel=1e-12)


def test_an_adaptive_rate_falls_and_ends_as_theirs_does() -> None:
    common = {
        "solver": "sgd",
        "learning_rate": "adaptive",
        "learning_rate_init": 0.5,
        "max_iter": 300,
        "tol": 1e-2,
    }
    ours, theirs = pair(
        "two classes",
        hidden_layer_sizes=(4,),
        batch_size=100,
        shuffle=False,
        alpha=0.0,
        n_iter_no_change=3,
        **common,
    )
    ours.fit(X, TARGETS["two classes"])
    theirs.fit(X, TARGETS["two classes"])
    assert ours.n_iter_ == theirs.n_iter_ < 300
    assert ours.stop_reason_ == "converged"
    assert ours._history.rate == pytest.approx(theirs._optimizer.learning_rate)


@pytest.mark.parametrize("learning_rate", ["constant", "invscaling"])
@pytest.mark.parametrize("kind", ["two classes", "numbers"])
def test_partial_fit_steps_like_scikit_learn(kind: str, learning_rate: str) -> None:
    ours, theirs = pair(
        kind, hidden_layer_sizes=(7, 5), batch_size=32, shuffle=False, solver="sgd", max_iter=20,
        learning_rate=learning_rate, learning_rate_init=0.05,
    )  # fmt: skip
    del theirs._optimizer
    first = {} if kind == "numbers" else {"classes": [0, 1]}
    for part in (slice(0, 60), slice(60, 150), slice(150, N)):
        ours.partial_fit(X[part], TARGETS[kind][part], **first)
        theirs.partial_fit(X[part], TARGETS[kind][part])
    for mine, yours in zip(parameters_of(ours), parameters_of(theirs), strict=True):
        np.testing.assert_allclose(mine, yours, rtol=0, atol=1e-12)
    assert ours.t_ == theirs.t_ == N


@pytest.mark.parametrize("sizes", [(), (3,)])
def test_lbfgs_finds_the_minimum_scikit_learn_finds(sizes: tuple[int, ...]) -> None:
    """A network without hidden layers has one minimum; with one, both go down to the same from the same start."""
    ours, theirs = pair(
        "two classes",
        hidden_layer_sizes=sizes,
        solver="lbfgs",
        activation="tanh",
        alpha=1.0,
        max_iter=2000,
        tol=1e-9,
    )
    ours.fit(X, TARGETS["two classes"])
    theirs.fit(X, TARGETS["two classes"])
    assert ours.stop_reason_ == "converged"
    assert ours.loss_ == pytest.approx(theirs.loss_, rel=1e-6)
    assert ours.certify(X, TARGETS["two classes"]).converged


# --- linear models are networks without hidden layers ---------------------------------------------------------------


def test_no_hidden_layer_is_logistic_regression() -> None:
    found = bh.MLPClassifier((), solver="lbfgs", alpha=2.0, tol=1e-10, max_iter=500, standardize=False)
    y = TARGETS["two classes"]
    exact = bh.LogisticRegression(alpha=2.0 / N).fit(X, y)
    found.fit(X, y)
    np.testing.assert_allclose(found.coefs_[0].T, exact.coef_, atol=1e-7)
    np.testing.assert_allclose(found.intercepts_[0], exact.intercept_, atol=1e-7)


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("loss", ["poisson", "gamma", "squared_error"])
def test_no_hidden_layer_is_a_generalized_linear_model(loss: str, standardize: bool) -> None:
    y = TARGETS["count"] + (loss != "poisson")
    weight = RNG.integers(0, 4, N).astype(float)
    model = bh.MLPRegressor(
        loss, (), solver="lbfgs", alpha=0.0, tol=1e-11, max_iter=500, standardize=standardize
    )
    family = "gaussian" if loss == "squared_error" else loss
    exact = bh.GeneralizedLinearModel(family).fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(model.fit(X, y, weight).predict(X), exact.predict(X), rtol=1e-6)


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("delta", [0.3, 2.0])
def test_losses_of_residuals_are_the_same_in_units_of_their_own(delta: float, standardize: bool) -> None:
    """δ is in units of y, whatever the network's own."""
    y = 1000 + 30 * SIGNAL
    loss = bh.losses.Huber(delta * 30)
    model = bh.MLPRegressor(
        loss, (), solver="lbfgs", alpha=0.0, tol=1e-12, max_iter=2000, standardize=standardize
    )
    exact = bh.LinearRegression(loss=loss).fit(X, y)
    np.testing.assert_allclose(model.fit(X, y).predict(X), exact.predict(X), rtol=1e-6)

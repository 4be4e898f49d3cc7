"""How multilayer perceptrons are trained: what they learn, going on, endings, rows set aside, weights."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from estimators.mlp_models import R, X, Y, classifier, regressor, same
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

import betahat as bh
from betahat.solvers import SGD, AdamW, Cosine, ExponentialAverage

RNG = np.random.default_rng(4)


# --- it learns ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "activation", ["tanh", "relu", "gelu", "silu", "elu", "softplus", "leaky_relu", "logistic"]
)
def test_exclusive_or(activation: str) -> None:
    corners = [[0, 0], [0, 1], [1, 0], [1, 1]]
    model = classifier(
        hidden_layer_sizes=(16,),
        activation=activation,
        max_iter=1000,
        learning_rate_init=0.05,
        tol=0.0,
        random_state=1,
    )
    model.fit(corners, ["even", "odd", "odd", "even"])
    assert model.predict(corners).tolist() == ["even", "odd", "odd", "even"]
    assert model.loss_ < 0.05


@pytest.mark.parametrize("more", [{}, {"dropout": 0.1}, {"batch_norm": True}, {"layer_norm": True}])
def test_digits(more: dict[str, Any]) -> None:
    A, b = load_digits(return_X_y=True)
    model = bh.MLPClassifier((64,), max_iter=30, random_state=0, learning_rate_init=0.003, **more)
    assert model.fit(A[:1300].astype(np.uint8), b[:1300]).score(A[1300:], b[1300:]) > 0.9
    assert model.coefs_[0].dtype == np.float32
    assert model.stop_reason_ == "budget spent"


@pytest.mark.parametrize(
    "solver",
    ["adam", "sgd", "adamw", "rmsprop", "adagrad", "momentum", "nesterov", "lbfgs", SGD(0.1), AdamW(0.01)],
    ids=str,
)
def test_every_solver_lowers_the_loss(solver: Any) -> None:
    model = regressor(solver=solver, max_iter=30, learning_rate_init=0.01).fit(X, R)
    assert model.loss_curve_[-1] < 0.6 * model.loss_curve_[0]
    assert len(model.trace_) >= len(model.loss_curve_)


# --- the same again, and further ------------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [{}, {"dropout": 0.3}, {"batch_norm": True}, {"early_stopping": True}])
def test_equal_seeds_make_equal_bits(more: dict[str, Any]) -> None:
    a, b, c = (classifier(**{**more, "random_state": seed}).fit(X, Y) for seed in (5, 5, 6))
    assert same(a, b)
    assert not same(a, c)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"dropout": 0.3, "batch_size": 50},
        {"solver": "sgd", "learning_rate": "invscaling"},
        {"average": ExponentialAverage(0.9)},
        {"learning_rate": Cosine(0.01, 20)},
    ],
    ids=str,
)
def test_a_fit_that_goes_on_is_one_fit(more: dict[str, Any]) -> None:
    whole = classifier(max_iter=6, **more).fit(X, Y)
    parts = classifier(max_iter=2, warm_start=True, **more)
    for _ in range(3):
        parts.fit(X, Y)
    assert same(whole, parts)
    assert parts.loss_curve_ == whole.loss_curve_
    assert (parts.n_iter_, parts.t_) == (2, whole.t_)


def test_partial_fit_over_all_rows_is_an_epoch() -> None:
    whole, parts = classifier(max_iter=4).fit(X, Y), classifier()
    for _ in range(4):
        parts.partial_fit(X, Y, classes=[0, 1])
    assert same(whole, parts)


def test_lbfgs_goes_on_where_it_ended() -> None:
    model = regressor(solver="lbfgs", max_iter=5, warm_start=True).fit(X, R)
    first = model.loss_
    model.fit(X, R)
    assert model.loss_ < first
    assert len(model.loss_curve_) == 10


def test_another_network_cannot_go_on() -> None:
    model = classifier(warm_start=True).fit(X, Y)
    with pytest.raises(ValueError, match="describe another"):
        model.set_params(hidden_layer_sizes=(9,)).fit(X, Y)


@pytest.mark.parametrize(
    "make", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["copy", "pickle"]
)
@pytest.mark.parametrize("more", [{}, {"average": ExponentialAverage(0.5), "batch_norm": True}])
def test_copies_predict_and_go_on_alike(make: Any, more: dict[str, Any]) -> None:
    model = classifier(warm_start=True, **more).fit(X, Y)
    other = make(model)
    np.testing.assert_array_equal(model.predict_proba(X), other.predict_proba(X))
    assert same(model.fit(X, Y), other.fit(X, Y))
    assert not hasattr(clone(model), "_state")


# --- endings --------------------------------------------------------------------------------------------------------


def test_a_loss_that_falls_no_more_ends_the_training() -> None:
    model = classifier(max_iter=500, tol=0.05, n_iter_no_change=3).fit(X, Y)
    assert model.stop_reason_ == "converged"
    curve = np.minimum.accumulate([np.inf, *model.loss_curve_])
    since = 0
    for k, loss in enumerate(model.loss_curve_):
        assert since <= 3
        since = since + 1 if loss > curve[k] - 0.05 else 0
    assert since == 4
    assert model.n_iter_ < 500


def test_the_budget_is_spent_without_a_warning() -> None:
    model = classifier(max_iter=2, n_iter_no_change=np.inf).fit(X, Y)
    assert (model.stop_reason_, model.n_iter_) == ("budget spent", 2)


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_ctrl_c_leaves_a_model(solver: str) -> None:
    def stop(epoch: Any) -> None:
        if epoch.number == 3:
            raise KeyboardInterrupt

    model = classifier(solver=solver, max_iter=50, callbacks=stop).fit(X, Y)
    assert model.stop_reason_ == "interrupted"
    assert len(model.loss_curve_) == 3
    assert np.isfinite(model.predict_proba(X)).all()


def test_callbacks_are_told_and_can_end_it() -> None:
    seen = []

    def look(epoch: Any) -> bool:
        seen.append((epoch.number, epoch.loss, epoch.validation_score, epoch.model.predict(X).shape))
        return epoch.number == 4

    model = classifier(max_iter=20, callbacks=[look, lambda epoch: None]).fit(X, Y)
    assert [each[0] for each in seen] == [1, 2, 3, 4]
    assert [each[1] for each in seen] == model.loss_curve_
    assert {each[3] for each in seen} == {(240,)}
    assert model.stop_reason_ == "interrupted"


@pytest.mark.parametrize("rate", [1e150, 1e300])
def test_a_loss_that_overflows_is_named_and_taken_back(rate: float) -> None:
    kept = {}

    def keep(epoch: Any) -> None:
        kept[epoch.number] = [a.copy() for a in epoch.model.parameters_.values()]

    model = regressor(solver="sgd", learning_rate_init=rate, callbacks=keep, standardize=False)
    with pytest.warns(
        bh.CertificateWarning, match=r"smaller learning_rate_init or clip_norm.* or standardize=True"
    ):
        model.fit(X, R)
    assert model.stop_reason_ == "diverged"
    assert np.isfinite(model.predict(X)).all()
    for a, b in zip(model.parameters_.values(), kept.get(model.n_iter_, []), strict=False):
        np.testing.assert_array_equal(a, b)


def test_clipping_keeps_steps_short() -> None:
    big = 1e6 * R
    common = {
        "solver": "sgd",
        "momentum": 0.0,
        "learning_rate_init": 1.0,
        "standardize": False,
        "max_iter": 1,
    }
    start = regressor(**{**common, "learning_rate_init": 1e-300}).fit(X, big)
    model = regressor(**common, clip_norm=1e-3, batch_size=240).fit(X, big)
    moved = np.concatenate([
        (a - b).ravel() for a, b in zip(model.parameters_.values(), start.parameters_.values(), strict=True)
    ])  # fmt: skip
    assert np.linalg.norm(moved) == pytest.approx(1e-3, rel=1e-10)


# --- rows set aside -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scoring", [None, "neg_log_loss", "accuracy"])
def test_the_best_score_is_put_back(scoring: Any) -> None:
    model = classifier(
        hidden_layer_sizes=(64,), early_stopping=True, validation_fraction=0.3, max_iter=300, learning_rate_init=0.02,
        n_iter_no_change=5, scoring=scoring,
    ).fit(X, Y)  # fmt: skip
    assert model.stop_reason_ == "early stopping"
    scores = model.validation_scores_
    assert model.best_validation_score_ == max(scores)
    assert len(scores) == model.n_iter_ == len(model.loss_curve_)

    rows = np.arange(240)
    aside = np.sort(train_test_split(rows, random_state=0, test_size=0.3, stratify=Y)[1])
    if scoring == "neg_log_loss":
        assert -log_loss(Y[aside], model.predict_proba(X[aside])) == pytest.approx(max(scores), abs=1e-12)
    else:
        assert model.score(X[aside], Y[aside]) == max(scores)


def test_a_regressor_is_scored_by_r_squared_or_any_scorer() -> None:
    def worst(model: Any, A: np.ndarray, b: np.ndarray) -> float:
        return -float(np.abs(model.predict(A) - b).max())

    plain = regressor(early_stopping=True, max_iter=5).fit(X, R)
    other = regressor(early_stopping=True, max_iter=5, scoring=worst).fit(X, R)
    assert max(plain.validation_scores_) <= 1
    assert max(other.validation_scores_) < 0
    assert plain.best_loss_ is None


@pytest.mark.parametrize("table", ["pandas", "polars"])
def test_scorers_see_tables_too(table: str) -> None:
    frame = pytest.importorskip(table).DataFrame({f"x{j}": X[:, j] for j in range(4)})
    model = classifier(early_stopping=True, scoring="roc_auc").fit(frame, Y)
    assert len(model.validation_scores_) == 6
    assert same(model, classifier(early_stopping=True).fit(X, Y)) or model.best_validation_score_ <= 1


def test_a_fit_that_goes_on_keeps_the_best_of_all() -> None:
    common = {
        "early_stopping": True,
        "validation_fraction": 0.3,
        "warm_start": True,
        "learning_rate_init": 0.02,
    }
    model = classifier(hidden_layer_sizes=(32,), max_iter=60, n_iter_no_change=100, **common).fit(X, Y)
    best, P = model.best_validation_score_, model.predict_proba(X)
    model.set_params(max_iter=1, learning_rate_init=1e6).fit(X, Y)
    assert model.validation_scores_[-1] < best == model.best_validation_score_
    np.testing.assert_array_equal(model.predict_proba(X), P)


# --- weights --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [classifier, regressor])
@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_a_weight_is_a_row_that_comes_so_often(make: Any, solver: str) -> None:
    """In one batch: what is random of an order does not matter."""
    y = Y if make is classifier else R
    weight = RNG.integers(0, 4, 60)
    common = {"solver": solver, "batch_size": "auto", "activation": "tanh", "alpha": 0.5}
    weighed = make(**common).fit(X[:60], y[:60], sample_weight=weight)
    repeated = make(**common).fit(X[:60].repeat(weight, axis=0), y[:60].repeat(weight))
    for a, b in zip(weighed.parameters_.values(), repeated.parameters_.values(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-8)
    assert weighed.loss_ == pytest.approx(repeated.loss_, rel=1e-8)


def test_class_weights_are_weights_of_rows() -> None:
    weight = np.where(Y == 1, 5.0, 2.0)
    by_class = classifier(class_weight={0: 2.0, 1: 5.0}).fit(X, Y)
    assert same(by_class, classifier().fit(X, Y, sample_weight=weight))
    counts = np.bincount(Y)
    balanced = classifier(class_weight="balanced").fit(X, Y)
    expected = classifier().fit(X, Y, sample_weight=(240 / (2 * counts))[Y])
    np.testing.assert_allclose(balanced.coefs_[0], expected.coefs_[0], atol=1e-12)


def test_rows_without_weight_are_not_looked_at() -> None:
    kept = np.arange(240) % 3 > 0
    a = classifier(batch_size=32, shuffle=False).fit(X, Y, sample_weight=kept.astype(float))
    b = classifier(batch_size=32, shuffle=False).fit(X[kept], Y[kept])
    assert same(a, b)

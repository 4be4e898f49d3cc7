"""What multilayer perceptrons take and give: rows, precisions, solvers as objects, and what is told."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from estimators.mlp_models import R, X, Y, classifier, regressor, same
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from betahat.solvers import SGD, Chain, Constant, Cosine, ExponentialAverage

RNG = np.random.default_rng(5)


# --- what comes in --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("standardize", [True, False])
def test_rows_of_any_type_and_layout_are_the_same_rows(standardize: bool) -> None:
    whole = RNG.integers(0, 200, size=(100, 5))
    labels = whole[:, 0] > 100
    plain = classifier(standardize=standardize, dtype="float64").fit(whole.astype(float), labels)
    for form in (
        whole.astype(np.uint8),
        whole.astype(np.int32),
        np.asfortranarray(whole),
        whole[::-1][::-1].tolist(),
    ):
        assert same(plain, classifier(standardize=standardize, dtype="float64").fit(form, labels))


@pytest.mark.parametrize("form", [sp.csr_matrix, sp.csc_matrix, sp.csr_array])
def test_sparse_rows_are_only_divided(form: Any) -> None:
    dense = np.where(RNG.random((100, 5)) < 0.3, RNG.normal(3, 2, (100, 5)), 0.0)
    labels = dense[:, 0] > 0
    sparse = classifier().fit(form(dense), labels)
    by_hand = classifier(standardize=False).fit(dense / dense.std(axis=0), labels)
    np.testing.assert_allclose(
        sparse.predict_proba(form(dense)), by_hand.predict_proba(dense / dense.std(axis=0)), atol=1e-9
    )
    np.testing.assert_allclose(sparse.predict_proba(dense), sparse.predict_proba(form(dense)), atol=1e-12)


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_columns_are_brought_to_mean_0_and_variance_1(offset: float) -> None:
    A = np.column_stack([X * [1, 1e-3, 1e5, 1] + offset, np.full(240, 7.0)])
    Z = (A - A.mean(axis=0)) / np.where(A.std(axis=0) > 0, A.std(axis=0), 1)
    own, by_hand = regressor().fit(A, R), regressor(standardize=False).fit(Z, (R - R.mean()) / R.std())
    np.testing.assert_allclose(own.predict(A), by_hand.predict(Z) * R.std() + R.mean(), atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_precision_is_as_asked(dtype: str) -> None:
    model = regressor(dtype=dtype).fit(X, R)
    assert model.coefs_[0].dtype == dtype
    assert model.predict(X).dtype == np.float64
    auto = regressor().fit(X.astype(dtype), R)
    assert auto.coefs_[0].dtype == dtype


def test_precisions_agree() -> None:
    a, b = (regressor(dtype=dtype, max_iter=3).fit(X, R).predict(X) for dtype in ("float32", "float64"))
    np.testing.assert_allclose(a, b, atol=1e-4)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.uint8, np.float16, ">f8", bool])
def test_strides_of_every_kind(dtype: Any) -> None:
    whole = RNG.integers(0, 2, size=(60, 12)).astype(dtype)
    labels = whole[:, 0] > 0
    for form in (whole[::-1], whole[:, ::-1], whole[::2, ::3], np.asfortranarray(whole)[:, 2:9]):
        own = labels[:: -1 if form.shape == whole.shape and form[0, 0] == whole[-1, 0] else 1][: len(form)]
        a, b = (classifier(dtype="float64").fit(A, own) for A in (form, np.ascontiguousarray(form, float)))
        np.testing.assert_allclose(a.predict_proba(form), b.predict_proba(form), atol=1e-12)


# --- what comes out -------------------------------------------------------------------------------------------------


def test_labels_of_every_kind() -> None:
    for labels in (np.where(Y > 0, "yes", "no"), Y.astype(bool), Y * 5 - 2, list(np.where(Y > 0, "b", "a"))):
        model = classifier(max_iter=60, learning_rate_init=0.02).fit(X, labels)
        assert set(model.predict(X).tolist()) <= set(np.unique(labels).tolist())
        assert model.score(X, labels) > 0.8
        P = model.predict_proba(X)
        np.testing.assert_allclose(P.sum(axis=1), 1)
        np.testing.assert_allclose(np.log(P), model.predict_log_proba(X), atol=1e-12)


def test_several_labels_a_row() -> None:
    labels = (X[:, :3] > 0).astype(int)
    model = classifier(max_iter=200, learning_rate_init=0.02).fit(X, labels)
    assert model.out_activation_ == "logistic"
    assert model.predict(X).shape == model.predict_proba(X).shape == (240, 3)
    assert (model.predict(X) == labels).mean() > 0.95
    np.testing.assert_array_equal(model.predict(X), model.predict_proba(X) > 0.5)
    np.testing.assert_allclose(np.exp(model.predict_log_proba(X)), model.predict_proba(X))


@pytest.mark.parametrize("loss", ["squared_error", "huber", "pseudo_huber", "cauchy", "poisson", "gamma"])
def test_several_targets(loss: str) -> None:
    targets = np.exp(0.3 * X[:, :2])
    model = regressor(loss=loss, max_iter=300, learning_rate_init=0.01).fit(X, targets)
    assert model.predict(X).shape == (240, 2)
    assert model.score(X, targets) > 0.8


def test_a_function_is_a_loss() -> None:
    def cosh(y: np.ndarray, f: np.ndarray) -> np.ndarray:
        return np.log(np.cosh(y - f))

    model = regressor(loss=cosh, max_iter=300, learning_rate_init=0.02).fit(X, R)
    assert model.score(X, R) > 0.9


def test_an_average_is_what_predicts() -> None:
    model = regressor(average=ExponentialAverage(0.9)).fit(X, R)
    plain = regressor().fit(X, R)
    assert not same(model, plain)
    np.testing.assert_array_equal(model._state.chain.x, plain._state.chain.x)
    assert model.coefs_[0].base is model._state.chain.average


def test_changing_parameters_changes_the_model() -> None:
    model = regressor().fit(X, R)
    for array in model.parameters_.values():
        array[...] = 0
    np.testing.assert_allclose(model.predict(X), R.mean())


# --- solvers as objects ---------------------------------------------------------------------------------------------


def test_solvers_by_name_and_as_objects_are_the_same() -> None:
    named = classifier(solver="sgd", learning_rate_init=0.05, momentum=0.0, clip_norm=0.5).fit(X, Y)
    assert same(named, classifier(solver=SGD(0.05, clip_norm=0.5)).fit(X, Y))
    assert same(named, classifier(solver=SGD(0.05), clip_norm=0.5).fit(X, Y))
    assert same(named, classifier(solver=SGD(0.05, clip_norm=0.5).chain).fit(X, Y))


def test_a_schedule_is_the_learning_rate() -> None:
    constant = classifier(learning_rate=Constant(0.02)).fit(X, Y)
    assert same(constant, classifier(learning_rate_init=0.02).fit(X, Y))
    assert not same(constant, classifier(learning_rate=Cosine(0.02, 10)).fit(X, Y))


def test_a_chain_takes_no_parameters_of_named_solvers() -> None:
    with pytest.raises(ValueError, match=r"clip_norm .* put it into the Chain"):
        classifier(solver=Chain(), clip_norm=1.0).fit(X, Y)


# --- what is told ---------------------------------------------------------------------------------------------------


def test_quiet_unless_asked(capsys: pytest.CaptureFixture[str]) -> None:
    classifier().fit(X, Y)
    assert capsys.readouterr() == ("", "")
    classifier(verbose=True, early_stopping=True, max_iter=2).fit(X, Y)
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.strip().splitlines()
    assert [line.split(",")[0] for line in lines] == ["epoch 1", "epoch 2"]
    assert "validation score" in lines[0]


def test_a_bar_moves_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("FORCE_COLOR", "1")
    classifier(verbose=1, max_iter=2).fit(X, Y)
    shown = capsys.readouterr().err
    assert "epoch 2" in shown
    assert "loss" in shown
    assert "rows/s" in shown


# --- among others ---------------------------------------------------------------------------------------------------


def test_two_threads_train_two_models_at_once() -> None:
    alone = [classifier(random_state=seed, max_iter=30).fit(X, Y) for seed in (0, 1)]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(lambda seed: classifier(random_state=seed, max_iter=30).fit(X, Y), (0, 1)))
    for a, b in zip(alone, together, strict=True):
        assert same(a, b)


def test_searches_and_pipelines() -> None:
    search = GridSearchCV(
        classifier(max_iter=20), {"hidden_layer_sizes": [(4,), (8, 4)], "alpha": [0.0, 1.0]}, cv=2
    )
    search.fit(X, Y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    pipeline = make_pipeline(StandardScaler(), regressor(max_iter=100, learning_rate_init=0.02))
    assert cross_val_score(pipeline, X, R, cv=2).mean() > 0.5


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_arrays_for_a_model_of_named_columns_are_told_of(dtype: str) -> None:
    import pandas as pd

    named = classifier(max_iter=1).fit(pd.DataFrame(X).add_prefix("x"), Y)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        named.predict(X.astype(dtype))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (X[:, :2], "X has 2 features, but MLPClassifier is expecting"),
        (X[0], "Expected 2D array, got 1D"),
        (X[:0], "0 sample"),
        (np.where(X > 1, np.nan, X), "contains NaN"),
        (np.where(X > 1, np.inf, X), "contains infinity"),
    ],
)
def test_rows_that_do_not_fit_are_refused(rows: Any, message: str) -> None:
    model = classifier(max_iter=1).fit(X, Y)
    with pytest.raises(ValueError, match=message):
        model.predict_proba(rows)

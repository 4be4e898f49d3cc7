"""Logistic regression with C by cross-validation: scikit-learn's choice, scores and paths; refusals; storing."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.linear_model import LogisticRegressionCV as Theirs
from sklearn.utils.estimator_checks import parametrize_with_checks

import betahat as bh
from betahat.errors import DataError, InferenceError


def standard(X):
    return (X - X.mean(axis=0)) / X.std(axis=0)


@pytest.fixture(scope="module")
def cancer():
    X, y = load_breast_cancer(return_X_y=True)
    return standard(X)[:, :8], y


@pytest.fixture(scope="module")
def iris():
    X, y = load_iris(return_X_y=True)
    return standard(X), y


def theirs_of(X, y, **given):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of options that change in later versions
        options: dict[str, Any] = {"use_legacy_attributes": False, **given}
        return Theirs(**options).fit(X, y)


@pytest.mark.parametrize("class_weight", [None, "balanced"])
@pytest.mark.parametrize("scoring", ["accuracy", "neg_log_loss", "roc_auc_ovr"])
@pytest.mark.parametrize("data", ["cancer", "iris"])
def test_choice_scores_and_paths_are_scikit_learns(data, scoring, class_weight, request) -> None:
    X, y = request.getfixturevalue(data)
    Cs = [0.01, 0.1, 1.0, 10.0]
    m = bh.LogisticRegressionCV(Cs=Cs, scoring=scoring, class_weight=class_weight).fit(X, y)
    theirs = theirs_of(
        X, y, Cs=Cs, scoring=scoring, class_weight=class_weight, tol=1e-10, max_iter=10_000, solver="newton-cholesky",
        l1_ratios=(0.0,),
    )  # fmt: skip
    assert m.C_ == theirs.C_
    np.testing.assert_allclose(m.scores_, theirs.scores_, rtol=1e-7)
    np.testing.assert_allclose(m.coefs_paths_, theirs.coefs_paths_, atol=1e-6)
    np.testing.assert_allclose(m.coef_, theirs.coef_, atol=1e-7)
    np.testing.assert_allclose(m.predict_proba(X), theirs.predict_proba(X), atol=1e-7)
    assert m.certificate_.status == "global minimum"


def test_elastic_net_ratios(cancer) -> None:
    X, y = cancer
    Cs, ratios = [0.02, 0.2], [0.0, 0.5, 1.0]
    m = bh.LogisticRegressionCV(Cs=Cs, l1_ratios=ratios, scoring="neg_log_loss", cv=3).fit(X, y)
    theirs = theirs_of(
        X, y, Cs=Cs, l1_ratios=ratios, scoring="neg_log_loss", cv=3, tol=1e-9, max_iter=20_000, solver="saga"
    )
    assert (m.C_, m.l1_ratio_) == (theirs.C_, theirs.l1_ratio_)
    np.testing.assert_allclose(m.scores_, theirs.scores_, rtol=1e-5)
    np.testing.assert_allclose(m.coefs_paths_, theirs.coefs_paths_, atol=1e-4)


def test_elastic_net_of_many_classes(iris) -> None:
    X, y = iris
    given: dict[str, Any] = {"Cs": [0.05, 0.5], "l1_ratios": [0.5, 1.0], "scoring": "neg_log_loss", "cv": 3}
    m = bh.LogisticRegressionCV(**given).fit(X, y)
    theirs = theirs_of(X, y, **given, tol=1e-9, max_iter=20_000, solver="saga")
    assert (m.C_, m.l1_ratio_) == (theirs.C_, theirs.l1_ratio_)
    np.testing.assert_allclose(m.scores_, theirs.scores_, rtol=1e-5)
    np.testing.assert_allclose(m.coef_, theirs.coef_, atol=1e-5)


def test_order_of_candidates_does_not_matter(cancer) -> None:
    X, y = cancer
    one, other = (bh.LogisticRegressionCV(Cs=Cs).fit(X, y) for Cs in ([0.1, 1.0, 10.0], [10.0, 0.1, 1.0]))
    np.testing.assert_allclose(one.scores_[:, :, [2, 0, 1]], other.scores_)
    np.testing.assert_allclose(one.coefs_paths_[:, :, [2, 0, 1]], other.coefs_paths_, atol=1e-7)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("form", [np.asarray, sp.csr_matrix, pd.DataFrame])
def test_refit_is_the_fit_with_that_c(form, intercept, cancer) -> None:
    X, y = cancer
    given = form(X)
    if form is pd.DataFrame:
        given.columns = [f"c{j}" for j in range(X.shape[1])]
    labels = np.where(y, "benign", "malignant")
    m = bh.LogisticRegressionCV(Cs=4, fit_intercept=intercept).fit(given, labels)
    one = bh.LogisticRegression(C=m.C_, fit_intercept=intercept).fit(X, labels)
    np.testing.assert_allclose(m.coef_, one.coef_, rtol=1e-10)
    assert m.coefs_paths_.shape == (5, 1, 4, 1, X.shape[1] + intercept)
    assert m.predict(given).tolist() == one.predict(X).tolist()


def test_sample_weights_are_repetitions(cancer) -> None:
    X, y = cancer
    X, y = X[:150], y[:150]
    times = np.random.default_rng(0).integers(1, 4, size=150)
    folds = np.arange(150) % 3
    cv = [(np.flatnonzero(folds != k), np.flatnonzero(folds == k)) for k in range(3)]
    again = np.repeat(folds, times)
    cv_again = [(np.flatnonzero(again != k), np.flatnonzero(again == k)) for k in range(3)]
    one = bh.LogisticRegressionCV(Cs=3, cv=cv, scoring="neg_log_loss").fit(X, y, sample_weight=times)
    other = bh.LogisticRegressionCV(Cs=3, cv=cv_again, scoring="neg_log_loss")
    other.fit(np.repeat(X, times, axis=0), np.repeat(y, times))
    np.testing.assert_allclose(one.scores_, other.scores_, rtol=1e-7)
    np.testing.assert_allclose(one.coef_, other.coef_, rtol=1e-8)


def test_saved_and_loaded(cancer, tmp_path) -> None:
    X, y = cancer
    m = bh.LogisticRegressionCV(Cs=3, l1_ratios=[0.0, 1.0], cv=3).fit(X, y)
    m.save(tmp_path / "m")
    again = bh.load(tmp_path / "m")
    np.testing.assert_array_equal(again.predict_proba(X), m.predict_proba(X))
    np.testing.assert_array_equal(again.scores_, m.scores_)
    np.testing.assert_array_equal(again.coefs_paths_, m.coefs_paths_)
    assert (again.C_, again.l1_ratio_) == (m.C_, m.l1_ratio_)
    assert again.explain() == m.explain()


def test_p_values_are_refused(cancer) -> None:
    m = bh.LogisticRegressionCV(Cs=2, cv=2).fit(*cancer)
    with pytest.raises(InferenceError, match="penal"):
        _ = m.inference_.p_value


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"Cs": 0}, ValueError, "Cs"),
        ({"Cs": [1.0, -1.0]}, ValueError, r"Cs\[1\]"),
        ({"Cs": True}, TypeError, "Cs"),
        ({"l1_ratios": [2.0]}, ValueError, r"l1_ratios\[0\]"),
        ({"refit": False}, ValueError, "certificate"),
        ({"class_weight": "even"}, ValueError, "class_weight"),
    ],
)
def test_refusals(given, error, words, cancer) -> None:
    with pytest.raises(error, match=words):
        bh.LogisticRegressionCV(**given).fit(*cancer)


def test_a_fold_without_a_class_is_named() -> None:
    X, y = np.arange(20.0)[:, None] % 7, np.repeat([0, 1], 10)
    cv = [(np.arange(10), np.arange(10, 20))]
    with pytest.raises(DataError, match="class 1 is in what fold 0"):
        bh.LogisticRegressionCV(cv=cv).fit(X, y)


def test_sources_are_refused(cancer, tmp_path) -> None:
    X, y = cancer
    pd.DataFrame({"y": y, "a": X[:, 0]}).to_parquet(tmp_path / "rows.parquet")
    source = bh.data.query(str(tmp_path / "rows.parquet"), target="y", labels=True)
    with pytest.raises(TypeError, match="in memory"):
        bh.LogisticRegressionCV().fit(source)


@pytest.mark.filterwarnings(
    "ignore::betahat.CertificateWarning", "ignore::sklearn.exceptions.SkipTestWarning"
)
@parametrize_with_checks([bh.LogisticRegressionCV(Cs=3, cv=3)])
def test_scikit_learns_checks(estimator, check) -> None:
    check(estimator)

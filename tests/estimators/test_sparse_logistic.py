"""L1 and elastic-net likelihoods: subgradients from the data, scikit-learn's solvers, gaps, storing and refusals."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from sklearn.datasets import load_breast_cancer, load_iris, load_wine
from sklearn.linear_model import LogisticRegression as Theirs
from sklearn.utils.estimator_checks import parametrize_with_checks

import betahat as bh
from betahat.errors import DataError, InferenceError

RATIOS = [0.1, 0.5, 1.0]
FAMILIES = {
    "binomial": lambda mu, rng: (rng.uniform(size=len(mu)) < mu / (1 + mu)).astype(float),
    "poisson": lambda mu, rng: rng.poisson(mu).astype(float),
    "gamma": lambda mu, rng: rng.gamma(2.0, mu / 2),
    "gaussian": lambda mu, rng: np.log(mu) + rng.normal(size=len(mu)),
    "tweedie": lambda mu, rng: rng.poisson(mu) * rng.gamma(2.0, 1.0, size=len(mu)),
}


@pytest.fixture(scope="module")
def cancer():
    X, y = load_breast_cancer(return_X_y=True)
    return (X - X.mean(axis=0)) / X.std(axis=0), y


def rows(family, n=250, p=12, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) * 10.0 ** rng.integers(-1, 2, p)
    beta = np.where(np.arange(p) < 4, 0.4, 0.0) / X.std(axis=0)
    return X, FAMILIES[family](np.exp(X @ beta + 0.3), rng), rng.uniform(0.2, 2.0, size=n)


def model(family, **given):
    if family == "binomial":
        return bh.LogisticRegression(**given)
    return bh.GeneralizedLinearModel("tweedie" if family == "tweedie" else family, **given)


SLOPES = {
    "binomial": lambda y, eta: 1 / (1 + np.exp(-eta)) - y,
    "poisson": lambda y, eta: np.exp(eta) - y,
    "gamma": lambda y, eta: 1 - y * np.exp(-eta),
    "gaussian": lambda y, eta: eta - y,
    "tweedie": lambda y, eta: np.exp(0.5 * eta) - y * np.exp(-0.5 * eta),
}


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("alpha", [0.3, 0.02])
@pytest.mark.parametrize("family", FAMILIES)
def test_subgradients_vanish(family, alpha, ratio, intercept, weighted) -> None:
    X, y, w = rows(family)
    given = w if weighted else np.ones(len(y))
    m = model(family, alpha=alpha, l1_ratio=ratio, fit_intercept=intercept)
    m.fit(X, y, sample_weight=w if weighted else None)
    assert m.certificate_.status == "global minimum"
    beta = m.coef_.ravel()
    level = float(np.ravel(m.intercept_)[0])
    slopes = given * SLOPES[family](y, X @ beta + level) / given.sum()
    g = X.T @ slopes
    size = np.abs(X.T) @ np.abs(slopes) + alpha
    inside = g + alpha * (1 - ratio) * beta + alpha * ratio * np.sign(beta)
    left = np.where(beta == 0, np.maximum(np.abs(g) - alpha * ratio, 0), np.abs(inside))
    known = family != "tweedie"  # without a conjugate there is no gap, and subgradients stop at √ of rounding
    assert (m.certificate_.duality_gap is not None) == known
    assert (left <= (1e-7 if known else 1e-6) * size).all()
    assert abs(slopes.sum()) <= 1e-10 * np.abs(slopes).sum() if intercept else level == 0.0
    assert (beta == 0).any() == (alpha == 0.3 or (beta == 0).any())


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("C", [0.01, 0.1])
def test_as_scikit_learns_saga(C, ratio, weighted, cancer) -> None:
    X, y = cancer
    w = np.random.default_rng(0).uniform(0.5, 2.0, size=len(y)) if weighted else None
    m = bh.LogisticRegression(C=C, l1_ratio=ratio).fit(X, y, sample_weight=w)
    theirs = Theirs(C=C, l1_ratio=ratio, solver="saga", tol=1e-11, max_iter=100_000).fit(
        X, y, sample_weight=w
    )
    np.testing.assert_allclose(m.coef_, theirs.coef_, rtol=0, atol=2e-8)
    np.testing.assert_allclose(m.intercept_, theirs.intercept_, rtol=0, atol=2e-8)
    np.testing.assert_array_equal(m.coef_ == 0, theirs.coef_ == 0)
    np.testing.assert_allclose(m.predict_proba(X), theirs.predict_proba(X), atol=1e-7)


@pytest.mark.parametrize("C", [0.05, 1.0])
def test_as_scikit_learns_liblinear(C, cancer) -> None:
    """It penalises the intercept, so that there must be none."""
    X, y = cancer
    m = bh.LogisticRegression(C=C, l1_ratio=1.0, fit_intercept=False).fit(X, y)
    theirs = Theirs(C=C, l1_ratio=1.0, solver="liblinear", fit_intercept=False, tol=1e-12, max_iter=100_000)
    theirs.fit(X, y)
    np.testing.assert_allclose(m.coef_, theirs.coef_, rtol=0, atol=2e-6)


@pytest.mark.parametrize("class_weight", ["balanced", {0: 3.0, 1: 0.5}])
def test_class_weights(class_weight, cancer) -> None:
    X, y = cancer
    m = bh.LogisticRegression(C=0.1, l1_ratio=1.0, class_weight=class_weight).fit(X, y)
    theirs = Theirs(
        C=0.1, l1_ratio=1.0, solver="saga", class_weight=class_weight, tol=1e-11, max_iter=100_000
    )
    np.testing.assert_allclose(m.coef_, theirs.fit(X, y).coef_, rtol=0, atol=2e-8)


def test_alpha_and_c_are_one(cancer) -> None:
    X, y = cancer
    one = bh.LogisticRegression(C=0.2, l1_ratio=0.7).fit(X, y)
    other = bh.LogisticRegression(alpha=1 / (0.2 * len(y)), l1_ratio=0.7).fit(X, y)
    np.testing.assert_allclose(one.coef_, other.coef_, rtol=1e-12)


def test_ratio_zero_is_ridge(cancer) -> None:
    X, y = cancer
    one = bh.LogisticRegression(alpha=0.1).fit(X, y)
    other = bh.LogisticRegression(alpha=0.1, l1_ratio=1e-7).fit(X, y)
    np.testing.assert_allclose(other.coef_, one.coef_, rtol=1e-3)
    np.testing.assert_allclose(
        other._result.statistics.log_likelihood, one._result.statistics.log_likelihood, rtol=1e-5
    )
    np.testing.assert_allclose(other._result.statistics.pearson, one._result.statistics.pearson, rtol=1e-5)


def test_many_more_columns_than_rows() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 2000))
    y = (X[:, :3].sum(axis=1) + 0.5 * rng.normal(size=80) > 0).astype(int)
    m = bh.LogisticRegression(alpha=0.08, l1_ratio=1.0).fit(X, y)
    assert m.certificate_.status == "global minimum"
    assert m.certificate_.duality_gap is not None
    assert m.certificate_.duality_gap < 1e-12
    assert set(range(3)) <= set(np.flatnonzero(m.coef_[0])) and np.count_nonzero(m.coef_) < 60  # noqa: PT018


@pytest.mark.parametrize("form", [pd.DataFrame, pl.DataFrame, sp.csr_matrix, sp.csc_matrix])
def test_tables_and_sparse(form, cancer) -> None:
    X, y = cancer
    one = bh.LogisticRegression(C=0.1, l1_ratio=1.0).fit(X, y)
    given = form(X) if form in (sp.csr_matrix, sp.csc_matrix) else form({f"c{j}": X[:, j] for j in range(30)})
    other = bh.LogisticRegression(C=0.1, l1_ratio=1.0).fit(given, y)
    np.testing.assert_allclose(other.coef_, one.coef_, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(other.predict_proba(given), one.predict_proba(X), rtol=1e-8)


def test_source_larger_than_a_block(tmp_path, cancer) -> None:
    X, y = cancer
    pd.DataFrame({"y": y, **{f"c{j}": X[:, j] for j in range(6)}}).to_parquet(tmp_path / "rows.parquet")
    source = bh.data.query(str(tmp_path / "rows.parquet"), target="y", labels=True)
    one = bh.LogisticRegression(C=0.1, l1_ratio=1.0).fit(X[:, :6], y)
    other = bh.LogisticRegression(C=0.1, l1_ratio=1.0).fit(source)
    np.testing.assert_allclose(other.coef_, one.coef_, rtol=1e-8, atol=1e-12)


def test_offset_and_exposure() -> None:
    X, _, _ = rows("poisson")
    rng = np.random.default_rng(1)
    time = rng.uniform(0.5, 3.0, size=len(X))
    y = rng.poisson(time * np.exp(0.3 * X[:, 0] / X[:, 0].std()))
    m = bh.PoissonRegressor(alpha=0.05, l1_ratio=1.0).fit(X, y, exposure=time)
    also = bh.PoissonRegressor(alpha=0.05, l1_ratio=1.0).fit(X, y, offset=np.log(time))
    np.testing.assert_allclose(m.coef_, also.coef_, rtol=1e-12)
    slopes = np.exp(X @ m.coef_ + m.intercept_ + np.log(time)) - y
    g = X.T @ slopes / len(y)
    assert (np.abs(g[m.coef_ == 0]) <= 0.05 * (1 + 1e-9)).all()
    np.testing.assert_allclose(np.abs(g[m.coef_ != 0]), 0.05, rtol=1e-8)


@pytest.mark.parametrize("kind", ["poisson", "gamma", "tweedie"])
def test_named_regressors(kind) -> None:
    X, y, _ = rows(kind)
    given: dict[str, Any] = {"alpha": 0.1, "l1_ratio": 0.5}
    if kind == "tweedie":
        m, one = bh.TweedieRegressor(1.5, **given), bh.GeneralizedLinearModel(bh.losses.Tweedie(1.5), **given)
    else:
        m = (bh.PoissonRegressor if kind == "poisson" else bh.GammaRegressor)(**given)
        one = bh.GeneralizedLinearModel(kind, **given)
    np.testing.assert_allclose(m.fit(X, y).coef_, one.fit(X, y).coef_, rtol=1e-12)
    assert m.score(X, y) == one.score(X, y)


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("C", [0.05, 1.0])
@pytest.mark.parametrize("load", [load_iris, load_wine])
def test_many_classes_as_scikit_learns_saga(load, C, ratio) -> None:
    X, y = load(return_X_y=True)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    m = bh.LogisticRegression(C=C, l1_ratio=ratio).fit(X, y)
    assert m.certificate_.status == "global minimum"
    theirs = Theirs(C=C, l1_ratio=ratio, solver="saga", tol=1e-11, max_iter=30_000).fit(X, y)
    np.testing.assert_allclose(m.coef_, theirs.coef_, rtol=0, atol=1e-8)
    np.testing.assert_allclose(m.intercept_, theirs.intercept_ - theirs.intercept_.mean(), rtol=0, atol=1e-8)
    np.testing.assert_allclose(m.predict_proba(X), theirs.predict_proba(X), atol=1e-8)
    away = np.abs(m.coef_ - theirs.coef_).max()
    assert away <= m.certificate_.error_bound.max() + 1e-8


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("alpha", [0.1, 0.003])
def test_subgradients_of_many_classes_vanish(alpha, ratio, intercept, weighted) -> None:
    rng = np.random.default_rng(4)
    X = rng.normal(size=(300, 8)) * 10.0 ** rng.integers(-1, 2, 8) + 2.0
    y = np.digitize((X[:, 0] - 2.0) / X[:, 0].std() + rng.logistic(size=300), [-1.0, 1.0, 2.0])
    w = rng.uniform(0.1, 3.0, size=300) if weighted else np.ones(300)
    m = bh.LogisticRegression(alpha=alpha, l1_ratio=ratio, fit_intercept=intercept)
    m.fit(X, y, sample_weight=w if weighted else None)
    assert m.certificate_.status == "global minimum"
    slopes = (m.predict_proba(X) - np.eye(4)[y]) * (w / w.sum())[:, None]
    g, beta = slopes.T @ X, m.coef_
    inside = g + alpha * (1 - ratio) * beta + alpha * ratio * np.sign(beta)
    left = np.where(beta == 0, np.maximum(np.abs(g) - alpha * ratio, 0), np.abs(inside))
    assert (left <= 1e-7 * (np.abs(slopes).T @ np.abs(X) + alpha)).all()
    if intercept:
        assert (np.abs(slopes.sum(axis=0)) <= 1e-9).all()


def test_gap_of_many_classes_bounds_the_excess() -> None:
    """Where it is stopped early, J is above the minimum by at most the gap."""
    X, y = load_wine(return_X_y=True)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    best = bh.LogisticRegression(alpha=0.02, l1_ratio=0.9).fit(X, y).certificate_.loss
    for steps in range(1, 8):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", bh.CertificateWarning)
            c = bh.LogisticRegression(alpha=0.02, l1_ratio=0.9, max_iter=steps).fit(X, y).certificate_
        assert c.duality_gap is not None
        assert -1e-14 <= c.loss - best <= c.duality_gap + 1e-14


@pytest.mark.parametrize("seed", [3, 13, 17, 32, 55, 90])
def test_gaps_of_many_classes_are_closed_to_rounding(seed) -> None:
    """Weak penalties on columns of unlike scale, where J no longer tells points apart and the gap still shows;
    with 13, 32 and 55 it had stayed above 5e-11."""
    rng = np.random.default_rng(seed)
    n, p, K = int(rng.integers(20, 300)), int(rng.integers(1, 8)), int(rng.choice([2, 2, 3, 5]))
    X = rng.standard_normal((n, p)) * 10.0 ** rng.integers(-1, 2, p)
    y = (X / X.std(axis=0) @ rng.standard_normal((p, K)) + rng.gumbel(size=(n, K))).argmax(axis=1)
    w = rng.integers(1, 4, n) * 1.0
    m = bh.LogisticRegression(C=5.0, l1_ratio=1.0, class_weight="balanced").fit(X, y, sample_weight=w)
    assert m.certificate_.status == "global minimum"
    assert m.certificate_.duality_gap <= 1e-10 * m.certificate_.loss


def test_many_classes_are_stored_explained_and_compared(tmp_path) -> None:
    X, y = load_wine(return_X_y=True)
    names = np.array(["red", "white", "rose"])[y]
    m = bh.LogisticRegression(alpha=0.05, l1_ratio=1.0).fit(X / X.std(axis=0), names)
    m.save(tmp_path / "m")
    again = bh.load(tmp_path / "m")
    np.testing.assert_array_equal(again.predict_proba(X), m.predict_proba(X))
    assert again.explain() == m.explain()
    assert "for rose" in m.explain()
    assert "penal" in str(m.summary())
    sparse = bh.LogisticRegression(alpha=0.05, l1_ratio=1.0).fit(sp.csr_matrix(X / X.std(axis=0)), names)
    np.testing.assert_allclose(sparse.coef_, m.coef_, atol=1e-10)


def test_too_many_classes_and_columns() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(DataError, match="l1_ratio=0"):
        bh.LogisticRegression(alpha=0.1, l1_ratio=1.0).fit(rng.normal(size=(30, 1200)), np.arange(30) % 3)


def test_p_values_are_refused_and_words_said(cancer) -> None:
    X, y = cancer
    m = bh.LogisticRegression(C=0.1, l1_ratio=1.0).fit(X, y)
    with pytest.raises(InferenceError, match="penal"):
        _ = m.inference_.p_value
    words = m.explain()
    for each in ("duality gap proves", "‖β‖₁", "L'(yᵢ, ŷᵢ)", "There are none"):
        assert each in words
    assert "penal" in str(m.summary())


@pytest.mark.parametrize("family", ["binomial", "gamma"])
def test_saved_and_loaded(family, tmp_path) -> None:
    X, y, _ = rows(family)
    m = model(family, alpha=0.1, l1_ratio=0.8).fit(X, y)
    m.save(tmp_path / "m")
    again = bh.load(tmp_path / "m")
    np.testing.assert_array_equal(again.predict(X), m.predict(X))
    assert again.explain() == m.explain()
    assert str(again.summary()) == str(m.summary())


def test_warm_start_begins_at_the_last_fit(cancer) -> None:
    X, y = cancer
    m = bh.LogisticRegression(C=0.1, l1_ratio=1.0, warm_start=True).fit(X, y)
    coef, before = m.coef_.copy(), m.n_iter_[0]
    m.fit(X, y)
    assert m.n_iter_[0] <= before
    np.testing.assert_allclose(m.coef_, coef, rtol=1e-10)


def test_refusals(cancer) -> None:
    X, y = cancer
    with pytest.raises(ValueError, match="none at zero"):
        bh.LogisticRegression(alpha=0.1, l1_ratio=1.0, solver="lbfgs").fit(X, y)
    with pytest.raises(ValueError, match="l1_ratio"):
        bh.LogisticRegression(alpha=0.1, l1_ratio=1.5).fit(X, y)
    with pytest.raises(ValueError, match="convex"):
        bh.GeneralizedLinearModel("gamma", "identity", alpha=0.1, l1_ratio=1.0).fit(np.abs(X), y + 1.0)


@pytest.mark.filterwarnings("ignore::betahat.CollinearityWarning", "ignore::betahat.SeparationWarning")
@pytest.mark.filterwarnings(
    "ignore::betahat.CertificateWarning", "ignore::sklearn.exceptions.SkipTestWarning"
)
@parametrize_with_checks([
    bh.LogisticRegression(alpha=0.01, l1_ratio=1.0),
    bh.PoissonRegressor(alpha=0.01, l1_ratio=0.5),
])  # fmt: skip
def test_scikit_learns_checks(estimator, check) -> None:
    check(estimator)

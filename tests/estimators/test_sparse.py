"""Lasso, elastic net and their kin: against scikit-learn at its tightest, over kinds of input, and what they refuse."""

from __future__ import annotations

import re
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
import sklearn.linear_model as sk
from sklearn.exceptions import ConvergenceWarning

import betahat as bh
from betahat import CertificateWarning, InferenceError
from betahat.data import query
from betahat.losses import Huber
from betahat.penalties import L1, SeparablePenalty

MODELS = {
    "lasso": lambda: bh.Lasso(0.3),
    "origin": lambda: bh.Lasso(0.3, fit_intercept=False),
    "positive": lambda: bh.Lasso(0.1, positive=True),
    "net": lambda: bh.ElasticNet(0.3, l1_ratio=0.4),
    "linear": lambda: bh.LinearRegression(0.3, l1_ratio=0.7),
    "huber": lambda: bh.LinearRegression(0.3, l1_ratio=0.7, loss="huber"),
}
SIZES = {"tall": (60, 8), "wide": (20, 50)}
models = pytest.mark.parametrize("model", MODELS)
sizes = pytest.mark.parametrize("size", SIZES)


def sample(size: str, seed: int = 0):
    n, p = SIZES[size]
    rng = np.random.default_rng(seed)
    X = rng.integers(-3, 4, (n, p)).astype(float)
    return X, X[:, 0] * 2 - X[:, 3] + rng.standard_normal(n) + 5, rng.integers(1, 4, n).astype(float)


@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("ratio", [1.0, 0.5])
@sizes
def test_scikit_learn_at_its_tightest(size, ratio, positive, intercept, weighted):
    X, y, w = sample(size)
    w = w if weighted else None
    options = {"fit_intercept": intercept, "positive": positive}
    ours = bh.Lasso(0.2, **options) if ratio == 1 else bh.ElasticNet(0.2, l1_ratio=ratio, **options)
    theirs = sk.ElasticNet(0.2, l1_ratio=ratio, tol=1e-14, max_iter=1_000_000, **options)
    ours.fit(X, y, sample_weight=w)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # rounding does not let it reach 1e-14 everywhere
        theirs.fit(X, y, sample_weight=w)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-6, atol=1e-7)
    assert ours.intercept_ == pytest.approx(theirs.intercept_, abs=1e-6)
    assert ours.certificate_.status == "global minimum"
    assert ours.certificate_.duality_gap == ours.dual_gap_ <= 1e-10 * ours.certificate_.loss
    assert ours.rank_ == np.count_nonzero(ours.coef_)
    np.testing.assert_array_equal(ours.sparse_coef_.toarray()[0], ours.coef_)


@models
@sizes
@pytest.mark.parametrize("kind", ["list", "float32", "fortran", "int", "csr", "csc", "pandas", "polars"])
def test_every_kind_of_input(model, size, kind):
    X, y, w = sample(size)
    names = [f"c{j}" for j in range(X.shape[1])]
    given = {
        "list": X.tolist, "float32": lambda: X.astype(np.float32), "fortran": lambda: np.asfortranarray(X),
        "int": lambda: X.astype(int), "csr": lambda: sp.csr_matrix(X), "csc": lambda: sp.csc_array(X),
        "pandas": lambda: pd.DataFrame(X, columns=names),
        "polars": lambda: pl.DataFrame(X, schema=names, orient="row"),
    }[kind]()  # fmt: skip
    plain, other = MODELS[model]().fit(X, y, sample_weight=w), MODELS[model]().fit(given, y, sample_weight=w)
    np.testing.assert_allclose(other.coef_, plain.coef_, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(other.predict(given), plain.predict(X), rtol=1e-8, atol=1e-9)


@models
@sizes
def test_weights_are_rows(model, size):
    X, y, w = sample(size)
    times = w.astype(int)
    again = MODELS[model]().fit(np.repeat(X, times, axis=0), np.repeat(y, times))
    for fit in (
        MODELS[model]().fit(X, y, sample_weight=w), MODELS[model]().fit(X, y, frequency_weight=w),
        MODELS[model]().fit(X, y, sample_weight=w * 1e6),
    ):  # fmt: skip
        np.testing.assert_allclose(fit.coef_, again.coef_, rtol=1e-7, atol=1e-9)
        assert fit.certificate_.loss == pytest.approx(again.certificate_.loss, rel=1e-10)


@models
def test_sources_larger_than_memory(model, tmp_path):
    X, y, w = sample("tall")
    frame = pd.DataFrame(X, columns=[f"c{j}" for j in range(X.shape[1])]).assign(y=y, w=w)
    path = tmp_path / "rows.parquet"
    frame.to_parquet(path)
    rows = query(str(path), target="y", weights="w", block_rows=17)
    fit, plain = MODELS[model]().fit(rows), MODELS[model]().fit(X, y, sample_weight=w)
    reach = fit.certificate_.error_bound + plain.certificate_.error_bound
    assert (np.abs(fit.coef_ - plain.coef_) <= reach[int(fit.fit_intercept) :] + 1e-9).all()
    np.testing.assert_allclose(fit.coef_, plain.coef_, rtol=1e-4, atol=1e-5)
    assert fit.certificate_.converged
    if model != "huber":
        assert fit.certificate_.readings == 2, "the Gram matrix, and the certificate"
    assert fit.inference_.r_squared == pytest.approx(plain.inference_.r_squared, rel=1e-6)


def test_several_targets_are_fitted_each():
    for size in SIZES:
        X, y, _ = sample(size)
        Y = np.column_stack([y, X[:, 1], -y])
        together = bh.Lasso(0.2).fit(X, Y)
        for k in range(3):
            alone = bh.Lasso(0.2).fit(X, Y[:, k])
            np.testing.assert_allclose(together.coef_[k], alone.coef_, rtol=1e-9, atol=1e-12)
        assert together.certificate_.gradient.shape == (3, X.shape[1] + 1)
        np.testing.assert_allclose(together.coef_[2], -together.coef_[0], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("make", [bh.Lasso, bh.ElasticNet])
def test_without_an_l1_norm_equations_are_solved(make):
    X, y, _ = sample("tall")
    ols = bh.LinearRegression().fit(X, y)
    np.testing.assert_allclose(make(0.0).fit(X, y).coef_, ols.coef_, rtol=1e-13)
    assert make(0.0).fit(X, y).solver_ == "Cholesky"
    ridge = bh.ElasticNet(0.3, l1_ratio=0.0).fit(X, y)
    np.testing.assert_allclose(ridge.coef_, bh.LinearRegression(0.3).fit(X, y).coef_, rtol=1e-13)
    bent = bh.ElasticNet(0.3, l1_ratio=0.0, positive=True).fit(X, y)
    assert (bent.coef_ >= 0).all()
    assert bent.certificate_.converged


@models
@sizes
def test_beyond_the_largest_alpha_nothing_is_left(model, size):
    X, y, _ = sample(size)
    fit = MODELS[model]().set_params(alpha=1e3).fit(X, y)
    assert not fit.coef_.any()
    assert fit.certificate_.converged
    if fit.fit_intercept and model != "huber":
        assert fit.intercept_ == pytest.approx(y.mean(), rel=1e-14)


@models
@sizes
def test_saved_fits_come_back(model, size, tmp_path):
    X, y, _ = sample(size)
    fit = MODELS[model]().fit(X, y)
    fit.save(tmp_path / "m")
    back = bh.load(tmp_path / "m")
    np.testing.assert_array_equal(back.predict(X), fit.predict(X))
    assert back.explain() == fit.explain()
    assert back.certificate_.duality_gap == fit.certificate_.duality_gap


@models
def test_words(model):
    X, y, _ = sample("wide")
    fit = MODELS[model]().fit(X, y)
    words = re.sub(r"\s+", " ", fit.explain())
    assert f"{np.count_nonzero(fit.coef_)} coefficients of 50 are not zero" in words
    assert "duality gap proves" in words
    assert "Fenchel" in words
    with pytest.raises(InferenceError, match="penal"):
        fit.inference_.p_value  # noqa: B018
    assert "c" in str(fit.summary())


def test_bounds_hold_against_a_tighter_fit():
    X, y, _ = sample("wide")
    loose, tight = bh.Lasso(0.2, tol=1e-2).fit(X, y), bh.Lasso(0.2).fit(X, y)
    kinds = {fit.certificate_.error_bound_kind for fit in (loose, tight)}
    assert "bound" in kinds
    if loose.certificate_.error_bound_kind == "bound":
        assert (np.abs(loose.coef_ - tight.coef_) <= loose.certificate_.error_bound[1:] + 1e-12).all()
    assert tight.certificate_.error_bound.max() < 1e-9


def test_a_budget_too_small_is_said():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((30, 800)), rng.standard_normal(30)
    with pytest.warns(CertificateWarning, match=r"1 iterations \(max_iter\) did not suffice; J may be"):
        fit = bh.Lasso(0.01, max_iter=1).fit(X, y)
    assert fit.stop_reason_ == "budget spent"
    assert fit.certificate_.status == "not stationary"


def test_warm_start_goes_on():
    X, y, _ = sample("wide")
    model = bh.Lasso(0.05, warm_start=True).fit(X, y)
    first = model.n_iter_
    again = model.fit(X, y)
    assert again.n_iter_ == 1 < first
    model.fit(X[:, :10], y)  # of other columns: begun anew
    np.testing.assert_allclose(model.coef_, bh.Lasso(0.05).fit(X[:, :10], y).coef_, rtol=1e-9, atol=1e-12)


def test_penalties_of_ones_own_with_a_kink():
    X, y, _ = sample("tall")
    same = bh.LinearRegression(penalty=L1(0.3)).fit(X, y)
    np.testing.assert_allclose(same.coef_, bh.Lasso(0.3).fit(X, y).coef_, rtol=1e-9)
    both = bh.LinearRegression(0.4, penalty=L1(0.3)).fit(X, y)
    net = bh.ElasticNet(0.7, l1_ratio=0.3 / 0.7).fit(X, y)
    np.testing.assert_allclose(both.coef_, net.coef_, rtol=1e-9, atol=1e-12)
    free = np.array([0.0, *[0.3] * 7])
    own = SeparablePenalty(free, np.where(free > 0, 0.0, 1e-12))
    adaptive = bh.LinearRegression(penalty=own, loss=Huber(2.0)).fit(X, y)
    assert abs(adaptive.coef_[0]) > abs(
        bh.LinearRegression(0.3, l1_ratio=1, loss=Huber(2.0)).fit(X, y).coef_[0]
    )


@pytest.mark.parametrize(("model", "words"), [
    (bh.Lasso(-1.0), "alpha"), (bh.Lasso(max_iter=0), "max_iter"), (bh.Lasso(tol=-1.0), "tol"),
    (bh.Lasso(tol=1.0), "tol"), (bh.Lasso(selection="best"), "selection"), (bh.Lasso(0.0, positive=True), "positive"),
    (bh.ElasticNet(l1_ratio=1.5), "l1_ratio"), (bh.ElasticNet(l1_ratio=-0.1), "l1_ratio"),
    (bh.LinearRegression(0.1, l1_ratio=2.0), "l1_ratio"),
    (bh.LinearRegression(0.1, l1_ratio=0.5, solver="lbfgs"), "no.* at zero|has none at zero"),
    (bh.LinearRegression(0.1, l1_ratio=0.5, loss="cauchy"), "convex"),
    (bh.LinearRegression(0.1, l1_ratio=0.5, penalty=lambda beta: np.sum(beta**4)), "L1 norm"),
    (bh.LassoCV(alphas=0), "alphas"), (bh.LassoCV(alphas=[0.0, 1.0]), "alphas"), (bh.LassoCV(eps=2.0), "eps"),
    (bh.ElasticNetCV(l1_ratio=0.0), "l1_ratio"), (bh.RidgeCV([0.0]), "alphas"),
    (bh.RidgeCV(scoring="accuracy"), "scoring"), (bh.RidgeCV(scoring="r2"), "cv"),
    (bh.RidgeCV(alpha_per_target=True), "alpha_per_target"), (bh.RidgeCV(cv=2, store_cv_results=True), "cv"),
])  # fmt: skip
def test_wrong_settings_are_refused_by_name(model, words):
    X, y, _ = sample("tall")
    with pytest.raises(ValueError, match=words):
        model.fit(X, y)


@pytest.mark.parametrize(("model", "words"), [
    (bh.Lasso("1"), "alpha"), (bh.Lasso(max_iter=1.5), "max_iter"), (bh.Lasso(positive=1), "positive"),
    (bh.Lasso(precompute=np.eye(2)), "precompute"), (bh.ElasticNet(l1_ratio="half"), "l1_ratio"),
])  # fmt: skip
def test_wrong_types_are_refused_by_name(model, words):
    X, y, _ = sample("tall")
    with pytest.raises(TypeError, match=words):
        model.fit(X, y)


def test_partial_fit_is_for_sums():
    assert not hasattr(bh.LinearRegression(0.1, l1_ratio=0.5), "partial_fit")


# --- alpha chosen -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize("kind", ["lasso", "ratios", "given", "positive", "sparse"])
@sizes
def test_cross_validated_paths_are_scikit_learns(size, kind, weighted):
    X, y, w = sample(size)
    w = w if weighted else None
    options = {
        "lasso": {"alphas": 12}, "ratios": {"alphas": 12, "l1_ratio": [0.3, 0.9], "cv": 3},
        "given": {"alphas": [0.1, 1.0, 0.5], "cv": 4}, "positive": {"alphas": 8, "positive": True},
        "sparse": {"alphas": 8, "cv": 3},
    }[kind]  # fmt: skip
    net = "l1_ratio" in options
    ours = (bh.ElasticNetCV if net else bh.LassoCV)(eps=1e-2, **options)
    theirs = (sk.ElasticNetCV if net else sk.LassoCV)(eps=1e-2, tol=1e-12, max_iter=1_000_000, **options)
    ours.fit(sp.csr_array(X) if kind == "sparse" else X, y, sample_weight=w)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        theirs.fit(X, y, sample_weight=w)
    np.testing.assert_allclose(ours.alphas_, theirs.alphas_, rtol=1e-12)
    np.testing.assert_allclose(ours.mse_path_, theirs.mse_path_, rtol=1e-3 if size == "wide" else 1e-6)
    assert ours.alpha_ == pytest.approx(theirs.alpha_, rel=1e-12)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize("kind", ["array", "sparse", "source"])
@sizes
def test_rows_left_out_one_by_one(size, kind, weighted, intercept, tmp_path):
    """PRESS against fits that leave each row out."""
    X, y, w = sample(size)
    if kind == "source" and size == "wide":
        pytest.skip("sources take their p × p moments")
    n, w = len(y), w if weighted else np.ones(len(y))
    alphas = [0.3, 3.0, 30.0]
    expected = []
    for alpha in alphas:
        errors = []
        for i in range(n):
            keep = np.arange(n) != i
            one = bh.Ridge(alpha, fit_intercept=intercept).fit(X[keep], y[keep], sample_weight=w[keep])
            errors.append(w[i] * (y[i] - one.predict(X[i : i + 1])[0]) ** 2)
        expected.append(errors)
    keeps = kind != "source"
    model = bh.RidgeCV(alphas, fit_intercept=intercept, store_cv_results=keeps)
    if kind == "source":
        frame = pd.DataFrame(X, columns=[f"c{j}" for j in range(X.shape[1])]).assign(y=y, w=w)
        frame.to_parquet(tmp_path / "rows.parquet")
        model.fit(query(str(tmp_path / "rows.parquet"), target="y", weights="w", block_rows=13))
    else:
        model.fit(sp.csr_array(X) if kind == "sparse" else X, y, sample_weight=w)
        np.testing.assert_allclose(model.cv_results_, np.transpose(expected), rtol=1e-7)
    means = np.mean(expected, axis=1)
    assert model.alpha_ == alphas[int(np.argmin(means))]
    assert model.best_score_ == pytest.approx(-means.min(), rel=1e-8)


@pytest.mark.parametrize("make", [lambda: bh.LassoCV(alphas=4, cv=2), lambda: bh.ElasticNetCV(alphas=4, cv=2),
                                  bh.RidgeCV, lambda: bh.RidgeCV(cv=2)])  # fmt: skip
def test_models_with_a_chosen_alpha_are_saved(make, tmp_path):
    X, y, _ = sample("tall")
    fit = make().fit(X, y)
    fit.save(tmp_path / "m")
    back = bh.load(tmp_path / "m")
    np.testing.assert_array_equal(back.predict(X), fit.predict(X))
    assert back.alpha_ == fit.alpha_
    assert back.explain() == fit.explain()
    assert str(back.summary()) == str(fit.summary())


def test_folds_need_rows_in_memory(tmp_path):
    X, y, _ = sample("tall")
    pd.DataFrame(X[:, :2], columns=["a", "b"]).assign(y=y).to_parquet(tmp_path / "rows.parquet")
    for model in (bh.LassoCV(), bh.RidgeCV(cv=3)):
        with pytest.raises(TypeError, match="in memory"):
            model.fit(query(str(tmp_path / "rows.parquet"), target="y"))


def test_a_damaged_count_is_refused():
    from betahat.estimators.storing_parts import read_sparse
    from betahat.storage import Fields

    good = bh.Lasso(0.1).fit(*sample("tall")[:2])._result.sparse
    assert good is not None
    assert read_sparse(Fields(good.to_dict(), "sparse"), 1) == good
    for broken in (replace(good, active=(-1,)), replace(good, proved=(1, 2))):
        with pytest.raises(bh.StorageError, match="counts"):
            read_sparse(Fields(broken.to_dict(), "sparse"), 1)

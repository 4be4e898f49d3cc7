"""partial_fit of likelihoods: near the fit to all rows, exact where the loss is squared, and what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.utils.estimator_checks import parametrize_with_checks

import betahat as bh
from betahat.errors import DataError, InferenceError

MODELS = {
    "logit": (bh.LogisticRegression, lambda eta, rng: (eta + rng.logistic(size=len(eta)) > 0).astype(int)),
    "multinomial": (
        bh.LogisticRegression,
        lambda eta, rng: np.digitize(eta + rng.logistic(size=len(eta)), [-1.0, 1.0]),
    ),
    "poisson": (bh.PoissonRegressor, lambda eta, rng: rng.poisson(np.exp(eta))),
    "gamma": (bh.GammaRegressor, lambda eta, rng: rng.gamma(2.0, np.exp(eta) / 2)),
    "tweedie": (
        lambda **given: bh.TweedieRegressor(1.5, **given),
        lambda eta, rng: rng.poisson(np.exp(eta)) * rng.gamma(2.0, 1.0, size=len(eta)),
    ),
    "gaussian": (
        lambda **given: bh.GeneralizedLinearModel("gaussian", **given),
        lambda eta, rng: eta + rng.normal(size=len(eta)),
    ),
}


def rows(kind, n=8000, p=4, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) * [1e-2, 1.0, 1e3, 5.0] + [0.0, 1.0, 2e3, 0.0]
    eta = (X - X.mean(axis=0)) / X.std(axis=0) @ [0.5, -0.4, 0.3, 0.0] + 0.3
    return X, MODELS[kind][1](eta, rng)


def in_batches(model, X, y, size, **given):
    for start in range(0, len(y), size):
        part = slice(start, start + size)
        more = {"classes": np.unique(y)} if isinstance(model, bh.LogisticRegression) else {}
        model.partial_fit(X[part], y[part], **more, **{name: each[part] for name, each in given.items()})
    return model


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize(("size", "share"), [(1000, 0.1), (100, 0.3)])
@pytest.mark.parametrize("kind", MODELS)
def test_ends_within_a_fraction_of_a_standard_error(kind, size, share, intercept) -> None:
    X, y = rows(kind)
    full = MODELS[kind][0](fit_intercept=intercept).fit(X, y)
    m = in_batches(MODELS[kind][0](fit_intercept=intercept), X, y, size)
    errors = np.ravel(full.inference_.std_err)
    away = np.ravel(m._result.statistics.estimate) - np.ravel(full._result.statistics.estimate)
    assert (np.abs(away) <= share * errors).all()
    np.testing.assert_allclose(np.ravel(m.inference_.std_err), errors, rtol=0.05)


def test_squared_error_is_exact_to_its_prior() -> None:
    X, y = rows("gaussian")
    m = in_batches(bh.GeneralizedLinearModel("gaussian"), X, y, 500)
    full = bh.LinearRegression().fit(X, y)
    away = np.abs(m.coef_ - full.coef_) / full.inference_.std_err[1:]
    assert away.max() < 1e-4


@pytest.mark.parametrize("strength", ["alpha", "C"])
@pytest.mark.parametrize("kind", ["logit", "multinomial"])
def test_penalties_count_once(kind, strength) -> None:
    X, y = rows(kind)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    given: dict[str, Any] = {"alpha": 0.05} if strength == "alpha" else {"C": 1 / 400.0}
    full = bh.LogisticRegression(**given).fit(X, y)
    m = in_batches(bh.LogisticRegression(**given), X, y, 1000)
    free = bh.LogisticRegression().fit(X, y)
    assert np.abs(m.coef_ - full.coef_).max() < 0.02 * np.abs(free.coef_ - full.coef_).max() + 0.003
    with pytest.raises(InferenceError, match="penal"):
        _ = m.inference_.std_err


def test_one_batch_is_the_fit() -> None:
    X, y = rows("logit")
    m = bh.LogisticRegression().partial_fit(X, y, classes=[0, 1])
    full = bh.LogisticRegression().fit(X, y)
    assert (np.abs(m.coef_ - full.coef_)[0] <= 1e-4 * full.inference_.std_err[1:]).all()


def test_order_of_batches_hardly_matters() -> None:
    X, y = rows("logit")
    one, other = (in_batches(bh.LogisticRegression(), X[::k], y[::k], 500) for k in (1, -1))
    assert (np.abs(one.coef_ - other.coef_)[0] <= 0.1 * one.inference_.std_err[1:]).all()


def test_labels_weights_offsets_and_sparse() -> None:
    X, y = rows("logit", n=2000)
    names, w = np.where(y, "yes", "no"), np.random.default_rng(0).integers(0, 3, size=2000)
    offset = 0.2 * np.sin(np.arange(2000.0))
    m = in_batches(bh.LogisticRegression(), X, names, 500, sample_weight=w, offset=offset)
    rep = np.repeat(np.arange(2000), w)
    full = bh.LogisticRegression().fit(X[rep], names[rep], offset=offset[rep])
    assert (np.abs(m.coef_ - full.coef_)[0] <= 0.3 * full.inference_.std_err[1:]).all()
    assert set(m.predict(X)) == {"yes", "no"}
    other = in_batches(bh.LogisticRegression(), X, names, 500, frequency_weight=w, offset=offset)
    np.testing.assert_allclose(other.coef_, m.coef_, rtol=1e-9)
    sparse = bh.LogisticRegression()
    for start in range(0, 2000, 500):
        part = slice(start, start + 500)
        sparse.partial_fit(
            sp.csr_matrix(X[part]),
            names[part],
            classes=["no", "yes"],
            sample_weight=w[part],
            offset=offset[part],
        )
    np.testing.assert_allclose(sparse.coef_, m.coef_, rtol=1e-9)


def test_a_batch_of_one_class_first() -> None:
    X, y = rows("logit")
    order = np.concatenate([np.flatnonzero(y == 1)[:50], np.flatnonzero(y == 0)[:50], np.arange(len(y))])
    m = in_batches(bh.LogisticRegression(), X[order], y[order], 50)
    assert np.isfinite(m.coef_).all()
    full = bh.LogisticRegression().fit(X[order], y[order])
    assert (np.abs(m.coef_ - full.coef_)[0] <= 1.5 * full.inference_.std_err[1:]).all()


def test_dispersion_and_exposure() -> None:
    X, y = rows("gamma")
    m, full = in_batches(bh.GammaRegressor(), X, y, 1000), bh.GammaRegressor().fit(X, y)
    np.testing.assert_allclose(m._result.statistics.dispersion, full._result.statistics.dispersion, rtol=0.05)
    rng = np.random.default_rng(2)
    time = rng.uniform(0.5, 4.0, size=len(X))
    counts = rng.poisson(time)
    m = in_batches(bh.PoissonRegressor(), X, counts, 1000, exposure=time)
    assert abs(m.predict(X).mean() - 1.0) < 0.03


def test_what_is_not_known_is_said() -> None:
    X, y = rows("logit")
    m = in_batches(bh.LogisticRegression(), X, y, 1000)
    assert m.certificate_.status == "not assessed"
    assert not m.certificate_.converged
    assert "quadratic approximations" in m.explain()
    assert "approximate" in str(m.summary())
    assert np.isnan(m._result.statistics.log_likelihood)
    with pytest.raises(DataError):
        m.likelihood_ratio_test("x1 = 0", X, y)


def test_saved_models_go_on(tmp_path) -> None:
    X, y = rows("multinomial")
    m = in_batches(bh.LogisticRegression(), X[:4000], y[:4000], 1000)
    m.save(tmp_path / "m")
    again = bh.load(tmp_path / "m")
    for each in (m, again):
        in_batches(each, X[4000:], y[4000:], 1000)
    np.testing.assert_array_equal(again.coef_, m.coef_)


def test_fit_begins_anew() -> None:
    X, y = rows("logit")
    m = in_batches(bh.LogisticRegression(), X, y, 2000).fit(X[:500], y[:500])
    np.testing.assert_allclose(m.coef_, bh.LogisticRegression().fit(X[:500], y[:500]).coef_, rtol=1e-13)
    in_batches(m, X[500:1000], y[500:1000], 500)
    assert m._result.statistics.n_obs == 500


def test_tables_keep_their_names() -> None:
    X, y = rows("poisson")
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    m = bh.PoissonRegressor().partial_fit(frame[:4000], y[:4000]).partial_fit(frame[4000:], y[4000:])
    assert m.inference_.names == ("Intercept", "a", "b", "c", "d")
    with pytest.raises(ValueError, match="feature names"):
        m.partial_fit(frame.rename(columns={"a": "z"}), y)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"firth": True}, "firth"),
        ({"class_weight": "balanced"}, "class_weight"),
        ({"alpha": 0.1, "l1_ratio": 0.5}, "l1_ratio"),
    ],
)
def test_what_needs_all_rows_is_refused(given, words) -> None:
    X, y = rows("logit", n=200)
    with pytest.raises(AttributeError) as told:
        bh.LogisticRegression(**given).partial_fit(X, y, classes=[0, 1])
    assert words in str(told.value.__cause__)


def test_classes_are_needed_once() -> None:
    X, y = rows("logit", n=200)
    with pytest.raises(ValueError, match="first call"):
        bh.LogisticRegression().partial_fit(X, y)
    m = bh.LogisticRegression().partial_fit(X, y, classes=[0, 1]).partial_fit(X, y)
    with pytest.raises(ValueError, match="at the first call"):
        m.partial_fit(X, y, classes=[0, 1, 2])
    with pytest.raises(DataError, match="label 7"):
        m.partial_fit(X, np.full(200, 7))
    with pytest.raises(ValueError, match="features"):
        m.partial_fit(X[:, :2], y)
    with pytest.raises(ValueError, match="fit_intercept"):
        m.set_params(fit_intercept=False).partial_fit(X, y)


def test_robust_covariances_are_refused() -> None:
    X, y = rows("poisson")
    with pytest.raises(InferenceError, match="keeps no rows"):
        _ = in_batches(bh.PoissonRegressor(cov_type="HC0"), X, y, 4000).inference_


@pytest.mark.filterwarnings("ignore::betahat.CollinearityWarning", "ignore::betahat.CertificateWarning")
@pytest.mark.filterwarnings("ignore::betahat.SeparationWarning", "ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks([bh.LogisticRegression(), bh.LogisticRegression(alpha=0.1), bh.GammaRegressor()])
def test_scikit_learns_checks(estimator, check) -> None:
    check(estimator)

"""Nonlinear regression as a scikit-learn estimator: its checks, searches, pipelines, copies; and it holds no rows."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from estimators.nonlinear_data import TEXT, decay, decay_of_column, x, y
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import betahat as bh

START = [1.0, 1.0, 1.0]
COLUMN = x[:, None]


class Linear:
    """A function whose name does not change from process to process."""

    def __call__(self, X, beta):
        return X @ beta

    def __repr__(self):
        return "X @ beta"


class Zeros(Linear):
    def __call__(self, X, y):
        return np.zeros(X.shape[1])

    def __repr__(self):
        return "zeros"


@pytest.mark.filterwarnings(
    "ignore::betahat.CertificateWarning", "ignore::sklearn.exceptions.SkipTestWarning"
)
@parametrize_with_checks(
    [
        bh.NonlinearRegression(Linear(), Zeros()),
        bh.NonlinearRegression(Linear(), Zeros(), cov_type="HC1", solver="gauss_newton"),
        bh.NonlinearRegression(Linear(), Zeros(), loss="huber", penalty=bh.penalties.L2(0.1)),
    ]
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


def test_clone_and_parameters():
    model = bh.NonlinearRegression(
        decay, {"a": 1.0, "b": 1.0, "c": 1.0}, bounds={"b": (0, None)}, cov_type="HC3"
    )
    assert is_regressor(model)
    copied = clone(model)
    assert copied.get_params() == model.get_params()
    assert not hasattr(copied, "coef_")
    copied.set_params(cov_type="HC1", start=START).fit(x, y)
    assert copied.inference_.cov_type == "HC1"
    assert_allclose(clone(copied).fit(x, y).coef_, copied.coef_, rtol=1e-13)
    with pytest.raises(ValueError, match="Invalid parameter"):
        model.set_params(beta=1)


def test_repr_names_what_was_set():
    assert (
        repr(bh.NonlinearRegression(TEXT, max_iter=5))
        == "NonlinearRegression(f='a * exp(-b * x) + c', max_iter=5)"
    )
    model = bh.NonlinearRegression(decay, START).fit(x, y)
    assert "decay" in repr(model)
    assert "NonlinearRegression" in model._repr_html_()


def test_score_is_r_squared():
    model = bh.NonlinearRegression(TEXT).fit(x, y)
    assert model.score(x, y) == r2_score(y, model.predict(x))
    np.testing.assert_allclose(model.score(x, y), model.inference_.r_squared, rtol=1e-12)


@pytest.mark.parametrize("rows", [x, COLUMN], ids=["one dimension", "column"])
def test_search_over_starts_and_losses(rows):
    f = decay if rows.ndim == 1 else decay_of_column
    grid = {"start": [START, [2.0, 0.1, 0.0]], "loss": ["squared_error", "huber", bh.losses.Cauchy(0.05)]}
    search = GridSearchCV(bh.NonlinearRegression(f, START), grid, cv=3).fit(rows, y)
    assert search.best_params_["start"] in grid["start"]
    assert search.best_score_ > 0.9
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert (cross_val_score(bh.NonlinearRegression(f, START), rows, y, cv=4) > 0).all()


def test_pipelines():
    scaled = make_pipeline(StandardScaler(), bh.NonlinearRegression(decay_of_column, START)).fit(COLUMN, y)
    plain = bh.NonlinearRegression(decay_of_column, START).fit(COLUMN, y)
    np.testing.assert_allclose(scaled.predict(COLUMN), plain.predict(COLUMN), rtol=1e-8)
    logs = make_pipeline(FunctionTransformer(np.log), bh.NonlinearRegression("a * exp(b * x)"))
    np.testing.assert_allclose(
        logs.fit(COLUMN, y).predict(COLUMN), bh.NonlinearRegression("power").fit(x, y).predict(x), rtol=1e-8
    )


@pytest.mark.parametrize("f", [decay, TEXT, "exponential_offset"], ids=["function", "text", "curve"])
def test_pickles_predict_and_infer_alike(f):
    model = bh.NonlinearRegression(f, START if callable(f) else None).fit(x, y)
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.predict(x), model.predict(x))
    assert_array_equal(again.inference_.covariance, model.inference_.covariance)
    assert_array_equal(again.prediction_interval(x), model.prediction_interval(x))
    assert_array_equal(again.profile_interval(x, y), model.profile_interval(x, y))
    assert again.explain() == model.explain()


def test_a_fitted_model_holds_no_rows():
    sizes = []
    for repeats in (1, 200):
        rows, target = np.tile(x, repeats), np.tile(y, repeats)
        model = bh.NonlinearRegression(decay, START).fit(rows, target)
        model.prediction_interval(rows)
        model.profile_interval(rows, target, parameters="a")
        sizes.append(len(pickle.dumps(model)))
        assert model._model._rows is None
    assert abs(sizes[1] - sizes[0]) < 1000


def test_nothing_before_fit(tmp_path):
    model = bh.NonlinearRegression(TEXT)
    for ask in (
        lambda: model.predict(x), lambda: model.inference_, model.summary, model.explain,
        lambda: model.prediction_interval(x), lambda: model.profile_interval(x, y), lambda: model.save(tmp_path / "m"),
    ):  # fmt: skip
        with pytest.raises(NotFittedError):
            ask()


def test_a_fit_again_forgets_the_last():
    model = bh.NonlinearRegression("a * x + b", [1.0, 1.0]).fit(x, y)
    first = model.coef_.copy()
    model.fit(COLUMN, 2 * y)
    np.testing.assert_allclose(model.coef_, 2 * first, rtol=1e-10)
    with pytest.raises(ValueError, match="2D array, got 1D"):
        model.predict(x)
    model.fit(x, y)
    assert_allclose(model.coef_, first, rtol=1e-13)
    assert model.predict(x).shape == (40,)


def test_a_failed_fit_leaves_no_wrong_answer():
    model = bh.NonlinearRegression(lambda X, a: a * X, 1.0)
    with pytest.raises(bh.MissingValueError):
        model.fit(np.full(5, np.nan), np.zeros(5))
    with pytest.raises(NotFittedError):
        model.predict(x)

"""At home in scikit-learn: pipelines, searches, ensembles, routing, copies; and tables with categories."""

from __future__ import annotations

import pickle

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import sklearn
import sklearn.linear_model
from estimators.copying import ways
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import BaggingRegressor, StackingRegressor
from sklearn.feature_selection import RFE
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures, StandardScaler

from betahat import InferenceError, LinearRegression, PolynomialRegression, Ridge, UnseenLevelError

MODELS = [LinearRegression(cov_type="HC3"), Ridge(2.0), PolynomialRegression(2)]
models = pytest.mark.parametrize("model", MODELS, ids=lambda m: type(m).__name__)


def sample(n=80, p=3):
    rng = np.random.default_rng(n)
    X = rng.normal(size=(n, p)) + 2
    return X, X @ np.arange(1.0, p + 1) + rng.normal(size=n), rng.uniform(0.2, 2.0, n)


def assert_twin(one, other, X):
    np.testing.assert_allclose(one.coef_, other.coef_, rtol=1e-13)
    np.testing.assert_array_equal(one.predict(X), other.predict(X))
    assert one.get_params() == other.get_params()
    assert one.certificate_.line() == other.certificate_.line()
    assert one.explain() == other.explain()
    if not isinstance(one, Ridge):
        np.testing.assert_array_equal(one.inference_.std_err, other.inference_.std_err)
        np.testing.assert_array_equal(one.prediction_interval(X), other.prediction_interval(X))
        assert str(one.summary()) == str(other.summary())


@models
@ways
@pytest.mark.parametrize("table", [False, True], ids=["array", "frame"])
def test_copies_are_twins(model, way, table):
    X, y, weight = sample()
    given = pd.DataFrame(X, columns=["a", "b", "c"]) if table else X
    fitted = clone(model).fit(given, y, sample_weight=weight)
    fitted.summary() if not isinstance(model, Ridge) else None
    assert_twin(way(fitted), fitted, given)


@models
def test_pickle_holds_no_rows(model):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20_000, 3)), rng.normal(size=20_000)
    assert len(pickle.dumps(clone(model).fit(X, y))) < 20_000


@models
def test_parameters(model):
    again = clone(model)
    assert again is not model
    assert again.get_params() == model.get_params()
    assert repr(again) == repr(model)
    assert eval(repr(model), {type(model).__name__: type(model)}).get_params() == model.get_params()
    again.set_params(collinear="error", fit_intercept=False)
    X, y, _ = sample()
    assert again.fit(X, y).intercept_ == 0.0
    with pytest.raises(ValueError, match="colinear"):
        again.set_params(colinear="drop")


@models
def test_refitting_leaves_nothing_behind(model):
    X, y, weight = sample()
    frame = pd.DataFrame(X, columns=["a", "b", "c"]).assign(kind=np.where(np.arange(80) % 2, "u", "v"))
    used = clone(model)
    used.fit(
        frame.drop(columns="kind") if isinstance(model, PolynomialRegression) else frame,
        np.column_stack([y, y]),
    )
    used.fit(X, y, sample_weight=weight)
    fresh = clone(model).fit(X, y, sample_weight=weight)
    assert_twin(used, fresh, X)
    assert sorted(vars(used)) == sorted(vars(fresh))


@pytest.mark.parametrize("cls", [LinearRegression, Ridge])
def test_pipeline_as_with_scikit_learn(cls):
    X, y, weight = sample()
    name = cls.__name__.lower()
    ours = make_pipeline(StandardScaler(), PolynomialFeatures(2, include_bias=False), cls())
    theirs = make_pipeline(
        *(clone(step) for _, step in ours.steps[:-1]), getattr(sklearn.linear_model, cls.__name__)()
    )
    ours.fit(X, y, **{f"{name}__sample_weight": weight})
    theirs.fit(X, y, **{f"{name}__sample_weight": weight})
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-9)
    assert ours.score(X, y) == pytest.approx(theirs.score(X, y), rel=1e-10)


@pytest.mark.parametrize("output", ["pandas", "polars"])
def test_set_output_hands_names_on(output):
    X, y, _ = sample()
    frame = (
        pd.DataFrame(X, columns=["a", "b", "c"])
        if output == "pandas"
        else pl.DataFrame(X, schema=["a", "b", "c"])
    )
    pipeline = make_pipeline(StandardScaler(), LinearRegression()).set_output(transform=output).fit(frame, y)
    assert list(pipeline[-1].feature_names_in_) == ["a", "b", "c"]
    assert pipeline[-1].inference_.names == ("Intercept", "a", "b", "c")
    plain = make_pipeline(StandardScaler(), LinearRegression()).fit(X, y)
    np.testing.assert_allclose(pipeline.predict(frame), plain.predict(X), rtol=1e-13)


def test_sparse_output_of_an_encoder():
    X, y, _ = sample()
    frame = pd.DataFrame({"x": X[:, 0], "kind": np.array(list("abcd"))[np.arange(80) % 4]})
    encode = ColumnTransformer(
        [("kind", OneHotEncoder(drop="first"), ["kind"])], remainder="passthrough", sparse_threshold=1.0
    )
    ours = make_pipeline(encode, LinearRegression()).fit(frame, y)
    theirs = make_pipeline(clone(encode), sklearn.linear_model.LinearRegression()).fit(frame, y)
    np.testing.assert_allclose(ours[-1].coef_, theirs[-1].coef_, rtol=1e-10)
    direct = LinearRegression().fit(frame, y)
    np.testing.assert_allclose(direct.predict(frame), theirs.predict(frame), rtol=1e-11)


@pytest.mark.parametrize("jobs", [1, 2])
def test_grid_search_as_with_scikit_learn(jobs):
    X, y, _ = sample()
    grid = {"alpha": [0.01, 1.0, 100.0], "fit_intercept": [True, False]}
    ours = GridSearchCV(Ridge(), grid, n_jobs=jobs, cv=4).fit(X, y)
    theirs = GridSearchCV(sklearn.linear_model.Ridge(), grid, cv=4).fit(X, y)
    np.testing.assert_allclose(
        ours.cv_results_["mean_test_score"], theirs.cv_results_["mean_test_score"], rtol=1e-9
    )
    assert ours.best_params_ == theirs.best_params_


def test_cross_validation_in_threads_of_large_data():
    """The compiled kernels, called from two threads at a time."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60_000, 5))
    y = X.sum(axis=1) + rng.normal(size=60_000)
    with joblib.parallel_backend("threading"):
        ours = cross_val_score(LinearRegression(), X, y, cv=4, n_jobs=2)
    theirs = cross_val_score(sklearn.linear_model.LinearRegression(), X, y, cv=4)
    np.testing.assert_allclose(ours, theirs, rtol=1e-10)


def test_degree_is_found_by_search():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (200, 1))
    y = x[:, 0] ** 3 - x[:, 0] + 0.01 * rng.normal(size=200)
    search = GridSearchCV(PolynomialRegression(), {"degree": [1, 2, 3]}, n_jobs=2).fit(x, y)
    assert search.best_params_ == {"degree": 3}


@models
def test_meta_estimators(model):
    X, y, _ = sample()
    Y = np.column_stack([y, X[:, 0] ** 2])
    each = MultiOutputRegressor(clone(model)).fit(X, Y).predict(X)
    np.testing.assert_allclose(each, clone(model).fit(X, Y).predict(X), rtol=1e-9)
    bag = BaggingRegressor(clone(model), n_estimators=3, random_state=0, n_jobs=2).fit(X, y)
    assert bag.score(X, y) > 0.8
    stack = StackingRegressor([("a", clone(model)), ("b", LinearRegression())], final_estimator=Ridge()).fit(
        X, y
    )
    assert stack.score(X, y) > 0.8
    logs = TransformedTargetRegressor(clone(model), func=np.sinh, inverse_func=np.arcsinh).fit(X, y / 10)
    np.testing.assert_allclose(
        logs.predict(X), np.arcsinh(clone(model).fit(X, np.sinh(y / 10)).predict(X)), rtol=1e-10
    )
    assert np.corrcoef(cross_val_predict(clone(model), X, y), y)[0, 1] > 0.8


def test_feature_selection_reads_coef():
    X = StandardScaler().fit_transform(sample()[0])
    assert RFE(LinearRegression(), n_features_to_select=1).fit(X, X[:, 1] * 3 + X[:, 0]).support_.tolist() == [
        False, True, False,
    ]  # fmt: skip


@models
def test_metadata_routing(model):
    X, y, weight = sample()
    with sklearn.config_context(enable_metadata_routing=True):
        asks = clone(model).set_fit_request(sample_weight=True, frequency_weight=False, groups=False)
        routed = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), asks)
        routed.fit(X, y, sample_weight=weight)
    plain = make_pipeline(StandardScaler(), clone(model))
    plain.fit(X, y, **{f"{type(model).__name__.lower()}__sample_weight": weight})
    np.testing.assert_array_equal(routed.predict(X), plain.predict(X))
    assert not np.array_equal(routed.predict(X), clone(plain).fit(X, y).predict(X))


@models
def test_score_is_r_squared(model):
    X, y, weight = sample()
    fitted = clone(model).fit(X, y, sample_weight=weight)
    assert fitted.score(X, y, weight) == pytest.approx(_r_squared(fitted, X, y, weight), rel=1e-12)
    if not isinstance(model, Ridge):
        assert fitted.score(X, y, weight) == pytest.approx(fitted.inference_.r_squared, rel=1e-11)


def _r_squared(model, X, y, weight):
    mean = np.average(y, weights=weight)
    return 1 - weight @ (y - model.predict(X)) ** 2 / (weight @ (y - mean) ** 2)


# --- tables with categories ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind", ["pandas", "pandas category", "polars", "polars enum", "arrow", "arrow dictionary"]
)
@pytest.mark.parametrize("cls", [LinearRegression, Ridge])
def test_categories_are_treatment_coded(kind, cls):
    X, y, _ = sample()
    labels = np.array(["red", "blue", "green"])[np.arange(80) % 3]
    make = {
        "pandas": lambda c: pd.DataFrame({"x": X[: len(c), 0], "colour": c}),
        "pandas category": lambda c: pd.DataFrame({"x": X[: len(c), 0], "colour": pd.Categorical(c)}),
        "polars": lambda c: pl.DataFrame({"x": X[: len(c), 0], "colour": c}),
        "polars enum": lambda c: pl.DataFrame({"x": X[: len(c), 0], "colour": c}).cast(
            {"colour": pl.Categorical}
        ),
        "arrow": lambda c: pa.table({"x": X[: len(c), 0], "colour": c}),
        "arrow dictionary": lambda c: pa.table(
            {"x": X[: len(c), 0], "colour": pa.array(c).dictionary_encode()}
        ),
    }[kind]
    model = cls().fit(make(labels), y)
    Z = np.column_stack([X[:, 0], labels == "green", labels == "red"]).astype(float)
    expected = cls().fit(Z, y)
    assert model.design_.names == ("x", "colour[green]", "colour[red]")
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-12)
    np.testing.assert_allclose(model.predict(make(labels)), expected.predict(Z), rtol=1e-12)
    np.testing.assert_allclose(model.predict(make(labels[:2])), expected.predict(Z[:2]), rtol=1e-12)
    with pytest.raises(UnseenLevelError, match=r"colour.*purple"):
        model.predict(make(np.array(["red", "purple"])))
    with pytest.raises(TypeError, match="predict needs a table"):
        model.predict(Z)


@pytest.mark.parametrize("cls", [LinearRegression, Ridge])
def test_missing_values_by_policy(cls):
    X, y, _ = sample()
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    frame.loc[3, "b"] = np.nan
    with pytest.raises(ValueError, match="'b'"):
        cls().fit(frame, y)
    keep = np.arange(80) != 3
    with pytest.warns(UserWarning, match="1 of 80 rows"):
        dropped = cls(missing="drop").fit(frame, y)
    np.testing.assert_allclose(dropped.coef_, cls().fit(X[keep], y[keep]).coef_, rtol=1e-13)
    filled = cls(missing="mean").fit(frame, y)
    Z = X.copy()
    Z[3, 1] = X[keep, 1].mean()
    np.testing.assert_allclose(filled.coef_, cls().fit(Z, y).coef_, rtol=1e-12)


def test_polynomial_refuses_categories_by_word():
    frame = pd.DataFrame({"x": np.arange(9.0), "kind": list("abcabcabc")})
    with pytest.raises(TypeError, match="numeric columns"):
        PolynomialRegression().fit(frame, np.arange(9.0))


def test_inference_of_ridge_in_a_pipeline_is_refused():
    X, y, _ = sample()
    with pytest.raises(InferenceError, match="alpha=0"):
        _ = make_pipeline(StandardScaler(), Ridge()).fit(X, y)[-1].inference_.p_value

"""Likelihood estimators at home in scikit-learn: copies, pipelines, searches, meta-estimators, routing."""

from __future__ import annotations

import pickle
import warnings

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
import sklearn.linear_model as sklm
from estimators.copying import ways
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.feature_selection import RFE
from sklearn.metrics import d2_tweedie_score, log_loss
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import betahat as bh

N = 120
RNG = np.random.default_rng(21)
X = RNG.normal(size=(N, 3))
ETA = 0.8 * X[:, 0] - 0.5 * X[:, 1]
Y = {
    "two": np.where(RNG.random(N) < 1 / (1 + np.exp(-ETA)), "yes", "no"),
    "three": np.array(["p", "q", "r"])[(ETA + RNG.logistic(size=N) > 0).astype(int) + (RNG.random(N) > 0.6)],
    "counts": RNG.poisson(np.exp(ETA)).astype(float),
    "positive": RNG.gamma(2.0, np.exp(ETA)),
}
WEIGHT = RNG.uniform(0.5, 2.0, N)
CASES = {
    "logistic": (bh.LogisticRegression(cov_type="HC1"), "two"),
    "firth": (bh.LogisticRegression(firth=True), "two"),
    "balanced": (bh.LogisticRegression(C=2.0, class_weight="balanced"), "two"),
    "weighed": (bh.LogisticRegression(class_weight={"yes": 2.0, "no": 1.0}), "two"),
    "multinomial": (bh.LogisticRegression(), "three"),
    "poisson": (bh.PoissonRegressor(), "counts"),
    "gamma": (bh.GammaRegressor(solver="lbfgs"), "positive"),
    "tweedie": (bh.TweedieRegressor(power=1.5, alpha=0.1), "counts"),
    "glm": (bh.GeneralizedLinearModel("inverse_gaussian", "log", information="observed"), "positive"),
    "family object": (bh.GeneralizedLinearModel(bh.losses.NegativeBinomial(0.5)), "counts"),
}
cases = pytest.mark.parametrize("case", CASES)


def fitted(case, given=X, **beside):
    model, target = CASES[case]
    return clone(model).fit(given, Y[target], **(beside or {"sample_weight": WEIGHT}))


def says(model, given):
    """Everything a model says, or why not."""
    names = ["predict"]
    names += (
        ["predict_proba", "predict_log_proba", "decision_function"]
        if is_classifier(model)
        else ["linear_predictor"]
    )
    found = {name: getattr(model, name)(given).tobytes() for name in names}
    found |= {"explain": model.explain(), "certificate": repr(model.certificate_), "parameters": repr(model)}
    for name in ("std_err", "p_value", "covariance", "log_likelihood", "deviance", "aic"):
        try:
            found[name] = np.asarray(getattr(model.inference_, name)).tobytes()
        except bh.InferenceError as error:
            found[name] = str(error)
    try:
        found["summary"] = str(model.summary(0.9))
    except bh.InferenceError as error:
        found["summary"] = str(error)
    found["trace"] = model.trace_.loss.tobytes(), model.stop_reason_, repr(model.n_iter_), model.solver_
    return found


@cases
@ways
@pytest.mark.parametrize("table", [False, True], ids=["array", "frame"])
def test_copies_are_twins(case, way, table):
    given = pd.DataFrame(X, columns=["a", "b", "c"]) if table else X
    model = fitted(case, given)
    assert says(way(model), given) == says(model, given)
    assert says(way(clone(model)).fit(given, Y[CASES[case][1]], sample_weight=WEIGHT), given) == says(
        model, given
    )


@cases
def test_parameters(case):
    model, target = CASES[case]
    again = clone(model)
    assert again is not model
    assert repr(again) == repr(model)
    again.set_params(fit_intercept=False, collinear="drop")
    assert np.all(again.fit(X, Y[target]).intercept_ == 0)
    with pytest.raises(ValueError, match="colinear"):
        again.set_params(colinear="drop")


@cases
def test_refitting_leaves_nothing_behind(case):
    model, target = CASES[case]
    frame = pd.DataFrame(X, columns=["a", "b", "c"]).assign(kind=np.where(np.arange(N) % 2, "u", "v"))
    used = clone(model).fit(frame, Y[target])
    used.fit(X, Y[target], sample_weight=WEIGHT)
    fresh = fitted(case)
    assert says(used, X) == says(fresh, X)
    assert sorted(vars(used)) == sorted(vars(fresh))


def test_pickles_hold_no_rows():
    rng = np.random.default_rng(0)
    big = rng.normal(size=(20_000, 3))
    y = (rng.random(20_000) < 0.5).astype(int)
    assert len(pickle.dumps(bh.LogisticRegression().fit(big, y))) < 20_000
    assert len(pickle.dumps(bh.PoissonRegressor().fit(big, y))) < 20_000


def test_kinds_of_estimators():
    for model, _ in CASES.values():
        assert is_classifier(model) == isinstance(model, bh.LogisticRegression)
        assert is_regressor(model) != is_classifier(model)
    assert bh.PoissonRegressor().__sklearn_tags__().target_tags.positive_only
    assert not bh.GeneralizedLinearModel().__sklearn_tags__().target_tags.positive_only
    assert not bh.LogisticRegression(firth=True).__sklearn_tags__().classifier_tags.multi_class


# --- against scikit-learn's own ------------------------------------------------------------------------------


PEERS = {
    "logistic": (
        bh.LogisticRegression(C=0.7), sklm.LogisticRegression(C=0.7, solver="newton-cholesky", tol=1e-12), "two"
    ),
    "multinomial": (
        bh.LogisticRegression(C=0.7), sklm.LogisticRegression(C=0.7, solver="newton-cholesky", tol=1e-12), "three"
    ),
    "poisson": (
        bh.PoissonRegressor(alpha=0.2), sklm.PoissonRegressor(alpha=0.2, solver="newton-cholesky", tol=1e-10), "counts"
    ),
    "gamma": (
        bh.GammaRegressor(alpha=0.2), sklm.GammaRegressor(alpha=0.2, solver="newton-cholesky", tol=1e-10), "positive"
    ),
}  # fmt: skip
peers = pytest.mark.parametrize("peer", PEERS)


def columns_of():
    return pd.DataFrame({"x": X[:, 0], "z": X[:, 1], "kind": np.array(list("abcd"))[np.arange(N) % 4]})


@peers
def test_pipelines(peer):
    ours, theirs, target = PEERS[peer]
    encode = ColumnTransformer(
        [("kind", OneHotEncoder(), ["kind"])], remainder="passthrough", sparse_threshold=1.0
    )
    one, other = make_pipeline(encode, clone(ours)), make_pipeline(clone(encode), clone(theirs))
    one.fit(columns_of(), Y[target])
    other.fit(columns_of(), Y[target])
    np.testing.assert_allclose(one[-1].coef_, other[-1].coef_, rtol=1e-6, atol=1e-8)
    assert one.score(columns_of(), Y[target]) == pytest.approx(other.score(columns_of(), Y[target]), rel=1e-7)


@peers
def test_cross_validation_and_search(peer):
    ours, theirs, target = PEERS[peer]
    scores = [cross_val_score(model, X, Y[target], cv=4) for model in (ours, theirs)]
    np.testing.assert_allclose(*scores, rtol=1e-6)
    name = "C" if is_classifier(ours) else "alpha"
    found = [
        GridSearchCV(model, {name: [0.01, 1.0, 100.0]}, cv=3, n_jobs=jobs).fit(X, Y[target])
        for model, jobs in ((ours, 2), (theirs, None))
    ]
    assert found[0].best_params_ == found[1].best_params_
    np.testing.assert_allclose(*(each.cv_results_["mean_test_score"] for each in found), rtol=1e-6)


def test_scorers_of_probabilities():
    y = (Y["two"] == "yes").astype(int)
    scores = ("neg_log_loss", "roc_auc", "neg_brier_score")
    found = [
        cross_val_score(model, X, y, scoring=score, cv=3).mean()
        for model in PEERS["logistic"][:2]
        for score in scores
    ]
    np.testing.assert_allclose(found[:3], found[3:], rtol=1e-7)
    proba = cross_val_predict(bh.LogisticRegression(), X, Y["three"], method="predict_proba", cv=3)
    assert proba.shape == (N, 3)
    assert log_loss(Y["three"], proba) < np.log(3)


def test_score_is_the_share_of_deviance_explained():
    for case, power in (("poisson", 1), ("gamma", 2), ("tweedie", 1.5)):
        model = fitted(case)
        y = Y[CASES[case][1]]
        expected = d2_tweedie_score(y, model.predict(X), sample_weight=WEIGHT, power=power)
        assert model.score(X, y, WEIGHT) == pytest.approx(expected, rel=1e-12)
    gaussian = bh.GeneralizedLinearModel().fit(X, Y["positive"])
    assert gaussian.score(X, Y["positive"]) == pytest.approx(bh.LinearRegression().fit(X, Y["positive"]).score(
        X, Y["positive"]
    ))  # fmt: skip


def test_meta_estimators():
    model = bh.LogisticRegression(alpha=0.01)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        assert CalibratedClassifierCV(clone(model), cv=3).fit(X, Y["two"]).score(X, Y["two"]) > 0.6
    assert (
        BaggingClassifier(clone(model), 3, random_state=0, n_jobs=2).fit(X, Y["two"]).score(X, Y["two"]) > 0.6
    )
    vote = VotingClassifier([("a", clone(model)), ("b", bh.LogisticRegression(C=0.1))], voting="soft")
    assert vote.fit(X, Y["three"]).predict_proba(X).shape == (N, 3)
    stack = StackingClassifier([("a", clone(model))], final_estimator=clone(model), cv=3)
    assert stack.fit(X, Y["two"]).score(X, Y["two"]) > 0.6
    each = OneVsRestClassifier(clone(model)).fit(X, Y["three"])
    single = clone(model).fit(X, Y["three"] == "p")
    np.testing.assert_allclose(each.estimators_[0].coef_, single.coef_, rtol=1e-10)
    assert RFE(clone(model), n_features_to_select=1).fit(X, Y["two"]).support_.tolist() == [
        True,
        False,
        False,
    ]


def test_large_data_in_threads():
    """The compiled kernels, called from two threads at a time."""
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(40_000, 5))
    y = (rng.random(40_000) < 1 / (1 + np.exp(-Z[:, 0]))).astype(int)
    alone = cross_val_score(bh.LogisticRegression(), Z, y, cv=3)
    with joblib.parallel_backend("threading"):
        together = cross_val_score(bh.LogisticRegression(), Z, y, cv=3, n_jobs=2)
    np.testing.assert_array_equal(together, alone)


@pytest.mark.parametrize("output", ["pandas", "polars"])
def test_set_output_hands_names_on(output):
    frame = (
        pd.DataFrame(X, columns=["a", "b", "c"])
        if output == "pandas"
        else pl.DataFrame(X, schema=["a", "b", "c"])
    )
    pipeline = make_pipeline(StandardScaler(), bh.LogisticRegression()).set_output(transform=output)
    pipeline.fit(frame, Y["two"])
    assert list(pipeline[-1].feature_names_in_) == ["a", "b", "c"]
    assert pipeline[-1].inference_.names == ("Intercept", "a", "b", "c")


@cases
def test_metadata_routing(case):
    model, target = CASES[case]
    with sklearn.config_context(enable_metadata_routing=True):
        asks = clone(model).set_fit_request(
            sample_weight=True, frequency_weight=False, groups=False, offset=False
        )
        routed = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), asks)
        routed.fit(X, Y[target], sample_weight=WEIGHT)
    plain = make_pipeline(StandardScaler(), clone(model))
    plain.fit(X, Y[target], **{f"{type(model).__name__.lower()}__sample_weight": WEIGHT})
    np.testing.assert_array_equal(routed.predict(X), plain.predict(X))


# --- tables --------------------------------------------------------------------------------------------------


@cases
@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame], ids=["pandas", "polars"])
def test_categories_are_treatment_coded(case, make):
    model, target = CASES[case]
    colour = np.array(["red", "blue", "green"])[np.arange(N) % 3]
    found = clone(model).fit(make({"x": X[:, 0], "colour": colour}), Y[target])
    Z = np.column_stack([X[:, 0], colour == "green", colour == "red"]).astype(float)
    expected = clone(model).fit(Z, Y[target])
    assert found.design_.names == ("x", "colour[green]", "colour[red]")
    np.testing.assert_allclose(found.coef_, expected.coef_, rtol=1e-10)
    with pytest.raises(bh.UnseenLevelError, match=r"colour.*purple"):
        found.predict(make({"x": [0.0], "colour": ["purple"]}))
    with pytest.raises(TypeError, match="predict needs a table"):
        found.predict(Z)


@cases
def test_missing_values_by_policy(case):
    model, target = CASES[case]
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    frame.loc[3, "b"] = np.nan
    with pytest.raises(ValueError, match="'b'"):
        clone(model).fit(frame, Y[target])
    keep = np.arange(N) != 3
    with pytest.warns(bh.MissingRowsWarning, match=f"1 of {N} rows"):
        dropped = clone(model).set_params(missing="drop").fit(frame, Y[target])
    np.testing.assert_allclose(dropped.coef_, clone(model).fit(X[keep], Y[target][keep]).coef_, rtol=1e-10)
    filled = clone(model).set_params(missing="mean").fit(frame, Y[target])
    Z = X.copy()
    Z[3, 1] = X[keep, 1].mean()
    np.testing.assert_allclose(filled.coef_, clone(model).fit(Z, Y[target]).coef_, rtol=1e-10)


@pytest.mark.parametrize("max_iter", [1, 100])
def test_notebooks_and_completion_ask_for_every_attribute(max_iter) -> None:
    """`dir` and the HTML form try each property; of a fit without standard errors too."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", bh.CertificateWarning)
        m = bh.LogisticRegression(max_iter=max_iter).fit(X, X[:, 0] + rng.standard_normal(60) > 0)
    assert ("inference_" in dir(m)) == (max_iter == 100)
    assert "LogisticRegression" in m._repr_html_()

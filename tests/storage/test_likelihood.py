"""Saved likelihood models come back with the same bits; damaged files are refused."""

from __future__ import annotations

import dataclasses
import warnings
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import NotFittedError
from storage.damage import assert_refused_or_harmless, damaged

import betahat as bh
from betahat.errors import InferenceError, StorageError
from betahat.estimators.likelihood_fit import LikelihoodResult
from betahat.storage import read, write

N = 90
RNG = np.random.default_rng(17)
NUMBERS = RNG.normal(size=(N, 3))
KIND = np.array(["a", "b", "c"])[np.arange(N) % 3]
ETA = 0.8 * NUMBERS[:, 0] - 0.5 * NUMBERS[:, 1]
WEIGHT, OFFSET = RNG.uniform(0.5, 2.0, N), RNG.normal(0, 0.2, N)
COUNTS, POSITIVE = RNG.poisson(np.exp(ETA)), RNG.gamma(2.0, np.exp(ETA))
TWO = (ETA + RNG.logistic(size=N) > 0).astype(int)
THREE = RNG.integers(0, 3, N)
MODELS: dict[str, tuple[Any, Any]] = {
    "logistic": (bh.LogisticRegression, TWO),
    "text labels": (lambda: bh.LogisticRegression(cov_type="HC1"), np.array(["no", "ja"])[TWO]),
    "object labels": (bh.LogisticRegression, np.array(["no", "ja"], object)[TWO]),
    "boolean labels": (bh.LogisticRegression, TWO == 1),
    "unsigned labels": (bh.LogisticRegression, np.array([3, 9], np.uint16)[TWO]),
    "float labels": (bh.LogisticRegression, np.array([-1.0, 2.0], np.float32)[TWO]),
    "cluster": (lambda: bh.LogisticRegression(cov_type="cluster"), TWO),
    "firth": (lambda: bh.LogisticRegression(firth=True), TWO),
    "class weights": (lambda: bh.LogisticRegression(class_weight={0: 1.0, 1: 2.5}), TWO),
    "balanced": (lambda: bh.LogisticRegression(C=1.0, class_weight="balanced"), TWO),
    "multinomial": (bh.LogisticRegression, np.array(["x", "y", "z"])[THREE]),
    "penalised multinomial": (lambda: bh.LogisticRegression(alpha=0.1), THREE),
    "no intercept": (lambda: bh.LogisticRegression(fit_intercept=False, solver="lbfgs"), TWO),
    "poisson": (bh.PoissonRegressor, COUNTS),
    "penalised poisson": (lambda: bh.PoissonRegressor(alpha=0.5), COUNTS),
    "HAC": (lambda: bh.GammaRegressor(cov_type="HAC", maxlags=2), POSITIVE),
    "tweedie": (lambda: bh.TweedieRegressor(power=1.5), COUNTS),
    "probit": (lambda: bh.GeneralizedLinearModel("binomial", "probit", information="observed"), TWO),
    "inverse": (lambda: bh.GeneralizedLinearModel("gamma", "power(-1)"), POSITIVE + 1),
    "gaussian": (lambda: bh.GeneralizedLinearModel(), POSITIVE),
}


def table() -> dict[str, Any]:
    return {"x1": NUMBERS[:, 0], "x2": NUMBERS[:, 1], "x3": NUMBERS[:, 2]}


INPUTS: dict[str, Any] = {
    "array": lambda: NUMBERS,
    "sparse": lambda: sp.csr_array(np.where(NUMBERS > -0.5, NUMBERS, 0.0)),
    "pandas": lambda: pd.DataFrame(table()).assign(kind=KIND),
    "polars": lambda: pl.DataFrame({**table(), "kind": KIND}),
    "pyarrow": lambda: pa.table(table()),
}


def fitted(model: str, kind: str = "array", **given_: Any) -> tuple[Any, Any]:
    make, y = MODELS[model]
    X = INPUTS[kind]()
    beside = {"sample_weight": WEIGHT, **given_}
    if model == "cluster":
        beside["groups"] = np.arange(N) % 11
    return make().fit(X, y, **beside), X


def results(model: Any, X: Any) -> dict[str, Any]:
    """Everything a fitted model says, or the error it says it with."""
    found: dict[str, Any] = {"predict": model.predict(X).tolist(), "explain": model.explain()}
    found["dtype"] = model.predict(X).dtype
    if hasattr(model, "predict_proba"):
        found["proba"] = model.predict_proba(X).tobytes()
    for name in ("summary", "_repr_html_"):
        try:
            found[name] = str(model.summary(0.9) if name == "summary" else model.summary()._repr_html_())
        except InferenceError as error:
            found[name] = str(error)
    for name in (
        "std_err",
        "p_value",
        "covariance",
        "log_likelihood",
        "deviance",
        "null_deviance",
        "aic",
        "mcfadden",
    ):
        try:
            found[name] = np.asarray(getattr(model.inference_, name)).tobytes()
        except InferenceError as error:
            found[name] = str(error)
    found["certificate"] = repr(model.certificate_)
    found["trace"] = repr(model.trace_), model.trace_.loss.tobytes(), model.stop_reason_
    found["attributes"] = {
        name: repr(value)
        for name, value in sorted(vars(model).items())
        if name.endswith("_") and name != "design_"
    }
    return found


@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize("model", MODELS)
def test_a_loaded_model_says_the_same(tmp_path, model, kind):
    estimator, X = fitted(model, kind)
    estimator.save(tmp_path / "model")
    loaded = bh.load(tmp_path / "model")
    assert type(loaded) is type(estimator)
    assert loaded.get_params() == estimator.get_params()
    assert results(loaded, X) == results(estimator, X)
    loaded.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "model").read_bytes()


@pytest.mark.parametrize("model", ["logistic", "poisson", "tweedie", "gaussian", "firth"])
def test_questions_that_need_the_rows_can_be_asked_of_a_loaded_model(tmp_path, model):
    estimator, X = fitted(model, offset=OFFSET)
    estimator.save(tmp_path / "model")
    loaded = bh.load(tmp_path / "model")
    y = MODELS[model][1]
    given_ = {"sample_weight": WEIGHT, "offset": OFFSET}
    one, other = (each.profile_interval(X, y, parameters="x1", **given_) for each in (loaded, estimator))
    np.testing.assert_array_equal(one, other)
    if model != "firth":
        tests = [each.likelihood_ratio_test("x2 = 0", X, y, **given_) for each in (loaded, estimator)]
        assert str(tests[0]) == str(tests[1])
    effects = [each.marginal_effects(X, WEIGHT, offset=OFFSET) for each in (loaded, estimator)]
    np.testing.assert_array_equal(effects[0].effect, effects[1].effect)


@pytest.mark.parametrize("formula", ["y ~ x1 + C(kind)", "y ~ x1 * kind - 1", "y ~ poly(x2, 2) + offset(x3)"])
@pytest.mark.parametrize("model", ["logistic", "poisson"])
@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame, pa.table])
def test_models_of_formulas_come_back_too(tmp_path, formula, model, frame):
    columns = {**table(), "kind": KIND, "y": np.array(["no", "yes"])[TWO] if model == "logistic" else COUNTS}
    estimator = bh.fit(formula, frame(columns), model=model)
    estimator.save(tmp_path / "model")
    new = frame({name: values[:7] for name, values in columns.items()})
    assert results(bh.load(tmp_path / "model"), new) == results(estimator, new)


def test_separated_models_come_back_without_another_warning(tmp_path):
    y = (NUMBERS[:, 0] > 0.1).astype(int)
    dummy = np.column_stack([NUMBERS, np.repeat([1.0, 0.0], [9, N - 9])])
    for X, target in (
        (NUMBERS, y),
        (dummy, np.r_[np.ones(9, int), TWO[9:]]),
        (NUMBERS, y + (NUMBERS[:, 0] > 1)),
    ):
        with pytest.warns(bh.SeparationWarning):
            estimator = bh.LogisticRegression().fit(X, target)
        estimator.save(tmp_path / "model")
        loaded = bh.load(tmp_path / "model")
        assert loaded.separation_ == estimator.separation_
        assert results(loaded, X) == results(estimator, X)


def test_collinear_models_come_back_without_another_warning(tmp_path):
    X = np.column_stack([NUMBERS, NUMBERS[:, 0] * 2])
    for collinear in ("minimum_norm", "drop"):
        for y in (TWO, THREE):
            with pytest.warns(bh.CollinearityWarning):
                estimator = bh.LogisticRegression(collinear=collinear).fit(X, y)
            estimator.save(tmp_path / "model")
            assert results(bh.load(tmp_path / "model"), X) == results(estimator, X)


def test_a_file_holds_no_rows(tmp_path):
    sizes = []
    for repeats in (1, 50):
        bh.LogisticRegression().fit(np.tile(NUMBERS, (repeats, 1)), np.tile(TWO, repeats)).save(
            tmp_path / "model"
        )
        sizes.append((tmp_path / "model").stat().st_size)
    assert abs(sizes[1] - sizes[0]) < 300


@pytest.mark.parametrize("model", MODELS)
def test_an_unfitted_model_is_not_saved(tmp_path, model):
    with pytest.raises(NotFittedError):
        MODELS[model][0]().save(tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_a_loaded_model_can_be_fitted_again(tmp_path):
    for model in ("class weights", "multinomial", "tweedie"):
        estimator, X = fitted(model)
        estimator.save(tmp_path / "model")
        loaded = bh.load(tmp_path / "model")
        again = loaded.fit(X, MODELS[model][1], sample_weight=WEIGHT)
        np.testing.assert_array_equal(again.coef_, estimator.coef_)


def test_families_made_by_hand_are_stored(tmp_path):
    own = bh.GeneralizedLinearModel(bh.losses.NegativeBinomial(0.7)).fit(NUMBERS, COUNTS)
    own.save(tmp_path / "model")
    loaded = bh.load(tmp_path / "model")
    assert loaded.family == bh.losses.NegativeBinomial(0.7)
    assert results(loaded, NUMBERS) == results(own, NUMBERS)


@pytest.mark.parametrize("weights", [{"ja": 2.0, "no": np.float64(0.5)}, {"no": 0}, {np.str_("ja"): 1}])
def test_class_weights_are_stored(tmp_path, weights):
    y = MODELS["text labels"][1]
    model = bh.LogisticRegression(alpha=0.1, class_weight=weights)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", bh.SeparationWarning)
        model.fit(NUMBERS, y)
    model.save(tmp_path / "model")
    loaded = bh.load(tmp_path / "model")
    assert loaded.class_weight == weights
    np.testing.assert_array_equal(loaded.coef_, model.coef_)


# --- files that save() did not write ----------------------------------------------------------------------------


def document(folder: Any, model: str, kind: str) -> dict[str, Any]:
    fitted(model, kind)[0].save(folder / "honest")
    return read(folder / "honest")


@settings(max_examples=40, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize(
    ("model", "kind"),
    [("text labels", "pandas"), ("multinomial", "array"), ("tweedie", "array"), ("firth", "array")],
)
def test_hostile_values_are_refused_or_harmless(tmp_path_factory, model, kind, data):
    """A file with a right checksum and one strange value: a StorageError, or a model that predicts and explains."""
    folder = tmp_path_factory.getbasetemp()
    changed = damaged(data, document(folder, model, kind))
    assert_refused_or_harmless(folder, changed, INPUTS[kind](), N)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"class": "System"}, "LogisticRegression"),
        ({"class": "PoissonRegressor"}, "parameters"),
        ({"parameters": {}}, "parameters"),
        ({"n_features_in": 7}, "features|columns"),
        ({"n_columns": 9}, "columns"),
        ({"classes": {"dtype": "<U2", "labels": ["no", "yes"]}}, "classes"),
        ({"classes": {"dtype": "O", "labels": ["ja", "no"]}}, "labels"),
        ({"classes": {"dtype": "<M8[s]", "labels": ["ja", "no"]}}, "labels"),
        ({"classes": None}, "classes"),
        ({"design": {"kind": "python"}}, "kind"),
        ({"feature_names_in": ["x1"]}, "columns|features"),
    ],
)
def test_models_that_do_not_fit_together_are_refused(tmp_path, change, words):
    write(tmp_path / "odd", {**document(tmp_path, "text labels", "pandas"), **change})
    with pytest.raises(StorageError, match=words):
        bh.load(tmp_path / "odd")


def test_a_cut_or_changed_file_is_refused(tmp_path):
    fitted("multinomial")[0].save(tmp_path / "model")
    honest = (tmp_path / "model").read_bytes()
    for end in (0, 7, len(honest) // 2, len(honest) - 1):
        (tmp_path / "cut").write_bytes(honest[:end])
        with pytest.raises(StorageError):
            bh.load(tmp_path / "cut")
    for place in range(40, len(honest), max(1, len(honest) // 60)):
        changed = bytearray(honest)
        changed[place] ^= 0x40
        (tmp_path / "changed").write_bytes(bytes(changed))
        with pytest.raises(StorageError):
            bh.load(tmp_path / "changed")


def test_every_field_of_a_result_is_stored(tmp_path):
    stored = document(tmp_path, "logistic", "array")["result"]
    assert set(stored) == {field.name for field in dataclasses.fields(LikelihoodResult)} - {"inference"}

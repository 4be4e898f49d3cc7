"""Saved models: every class × kind of input comes back with the same bits; hostile files are refused."""

from __future__ import annotations

import dataclasses
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
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
from betahat.estimators.linear_fit import LinearResult
from betahat.storage import read, write

N = 60
RNG = np.random.default_rng(7)
NUMBERS = RNG.normal(size=(N, 3))
KIND = RNG.choice(["a", "b", "c"], N)
Y = NUMBERS @ [1.0, -2.0, 0.5] + (KIND == "b") + RNG.normal(size=N)
WEIGHT = RNG.uniform(0.5, 2.0, N)
GROUPS = RNG.integers(0, 12, N)


def table() -> dict[str, Any]:
    return {"x1": NUMBERS[:, 0], "x2": NUMBERS[:, 1], "x3": NUMBERS[:, 2]}


INPUTS: dict[str, Callable[[], Any]] = {
    "array": lambda: NUMBERS,
    "fortran array": lambda: np.asfortranarray(NUMBERS),
    "float32 array": lambda: NUMBERS.astype(np.float32),
    "list": lambda: NUMBERS.tolist(),
    "sparse": lambda: sp.csr_array(np.where(NUMBERS > 0, NUMBERS, 0.0)),
    "pandas": lambda: pd.DataFrame(table()),
    "polars": lambda: pl.DataFrame(table()),
    "pyarrow": lambda: pa.table(table()),
    "pandas with categories": lambda: pd.DataFrame(table()).assign(kind=KIND),
    "polars with categories": lambda: pl.DataFrame({**table(), "kind": KIND}),
}
MODELS: dict[str, Callable[[], Any]] = {
    "ols": lambda: bh.LinearRegression(),
    "HC3": lambda: bh.LinearRegression(cov_type="HC3"),
    "HAC": lambda: bh.LinearRegression(cov_type="HAC", maxlags=2),
    "cluster": lambda: bh.LinearRegression(cov_type="cluster"),
    "no intercept": lambda: bh.LinearRegression(fit_intercept=False),
    "penalised": lambda: bh.LinearRegression(alpha=0.1),
    "ridge": lambda: bh.Ridge(alpha=2),
    "polynomial": lambda: bh.PolynomialRegression(2),
}


def same_bits(a: Any, b: Any) -> bool:
    a, b = np.asarray(a), np.asarray(b)
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def results(model: Any, X: Any) -> dict[str, Any]:
    """Everything a fitted model says, or the error it says it with."""
    found: dict[str, Any] = {"predict": model.predict(X).tobytes(), "explain": model.explain()}
    found["summary"] = str(model.summary(0.9))
    found["html"] = model.summary()._repr_html_()
    for name in ("std_err", "p_value", "covariance", "r_squared", "aic"):
        try:
            found[name] = np.asarray(getattr(model.inference_, name)).tobytes()
        except InferenceError as error:
            found[name] = str(error)
    try:
        found["interval"] = model.prediction_interval(X, 0.9).tobytes()
    except InferenceError as error:
        found["interval"] = str(error)
    found["certificate"] = repr(model.certificate_)
    found["trace"] = (repr(model.trace_), model.trace_.step.tobytes(), model.stop_reason_)
    found["parameters"] = repr(model)
    found["attributes"] = {
        name: repr(value)
        for name, value in sorted(vars(model).items())
        if name.endswith("_") and name != "design_"
    }
    return found


def fitted(model: str, kind: str, targets: int = 1) -> tuple[Any, Any]:
    if model == "polynomial" and kind in ("sparse", "pandas with categories", "polars with categories"):
        pytest.skip("polynomials take dense numbers")
    X = INPUTS[kind]()
    y = Y if targets == 1 else np.column_stack([Y, Y**2])
    groups = GROUPS if model == "cluster" else None
    return MODELS[model]().fit(X, y, sample_weight=WEIGHT, groups=groups), X


@pytest.mark.parametrize("targets", [1, 2])
@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize("model", MODELS)
def test_a_loaded_model_says_the_same(tmp_path: Path, model: str, kind: str, targets: int) -> None:
    estimator, X = fitted(model, kind, targets)
    estimator.save(tmp_path / "model")
    loaded = bh.load(tmp_path / "model")
    assert type(loaded) is type(estimator)
    assert results(loaded, X) == results(estimator, X)
    loaded.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "model").read_bytes()


@pytest.mark.parametrize(
    "formula",
    [
        "y ~ x1 + C(kind)",
        "y ~ x1 * kind - 1",
        "np.exp(x1) + y ~ poly(x2, 2) + center(x3)",
        "y ~ bs(x1, df=4) + kind:x2",
        "y ~ `a b` + scale(x1)",
    ],
)
@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame, pa.table])
def test_models_of_formulas_come_back_too(tmp_path: Path, formula: str, frame: Any) -> None:
    columns = {**table(), "kind": KIND, "y": Y, "a b": NUMBERS[:, 0] ** 2}
    data = frame(columns)
    estimator = bh.fit(formula, data, cov_type="HC1")
    estimator.save(tmp_path / "model")
    new = frame({name: values[:7] for name, values in columns.items()})
    assert results(bh.load(tmp_path / "model"), new) == results(estimator, new)


@pytest.mark.parametrize("formula", [None, "y ~ x1 + kind"])
def test_models_of_files_come_back_too(tmp_path: Path, formula: str | None) -> None:
    data = pd.DataFrame({**table(), "kind": KIND, "y": Y})
    data.to_csv(tmp_path / "data.csv", index=False)
    target = None if formula else "y"
    estimator = bh.LinearRegression().fit(bh.data.query(tmp_path / "data.csv", target, formula=formula))
    estimator.save(tmp_path / "model")
    assert results(bh.load(tmp_path / "model"), data) == results(estimator, data)


@pytest.mark.parametrize("cov_type", ["nonrobust", "HC3", "cluster", "HAC"])
@pytest.mark.parametrize("n", [4, 3, 2])
def test_models_without_degrees_of_freedom_come_back_too(tmp_path: Path, n: int, cov_type: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator = bh.LinearRegression(cov_type=cov_type).fit(NUMBERS[:n], Y[:n], groups=range(n))
    estimator.save(tmp_path / "model")
    assert str(bh.load(tmp_path / "model").summary()) == str(estimator.summary())


@pytest.mark.parametrize(("alpha", "groups"), [(1.0, GROUPS), (0.0, np.zeros_like(GROUPS))])
def test_clustered_models_without_standard_errors_come_back_too(
    tmp_path: Path, alpha: float, groups: Any
) -> None:
    estimator = bh.LinearRegression(alpha, cov_type="cluster").fit(NUMBERS, Y, groups=groups)
    estimator.save(tmp_path / "model")
    with pytest.raises(InferenceError) as before:
        _ = estimator.inference_.std_err
    with pytest.raises(InferenceError) as after:
        _ = bh.load(tmp_path / "model").inference_.std_err
    assert str(after.value) == str(before.value)


def test_collinear_models_come_back_without_another_warning(tmp_path: Path) -> None:
    X = np.column_stack([NUMBERS, NUMBERS[:, 0] * 2])
    for collinear in ("minimum_norm", "drop"):
        with pytest.warns(bh.CollinearityWarning):
            estimator = bh.LinearRegression(collinear=collinear).fit(X, Y)
        estimator.save(tmp_path / "model")
        assert results(bh.load(tmp_path / "model"), X) == results(estimator, X)


def test_a_file_holds_no_rows(tmp_path: Path) -> None:
    sizes = []
    for repeats in (1, 50):
        estimator = bh.LinearRegression().fit(np.tile(NUMBERS, (repeats, 1)), np.tile(Y, repeats))
        estimator.save(tmp_path / "model")
        sizes.append((tmp_path / "model").stat().st_size)
    assert abs(sizes[1] - sizes[0]) < 200
    assert sizes[1] < N * 3 * 8 * 50 / 10


def test_a_loaded_model_can_be_fitted_again_cloned_and_pickled(tmp_path: Path) -> None:
    from sklearn.base import clone

    estimator, X = fitted("HC3", "array")
    estimator.save(tmp_path / "model")
    loaded = bh.load(tmp_path / "model")
    fresh: Any = clone(loaded)
    assert same_bits(fresh.fit(X, Y, sample_weight=WEIGHT).coef_, estimator.coef_)
    assert same_bits(pickle.loads(pickle.dumps(loaded)).coef_, estimator.coef_)
    assert not same_bits(loaded.fit(X, 2 * Y).coef_, estimator.coef_)


@pytest.mark.parametrize("model", MODELS)
def test_an_unfitted_model_is_not_saved(tmp_path: Path, model: str) -> None:
    with pytest.raises(NotFittedError):
        MODELS[model]().save(tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_a_model_whose_fit_failed_is_not_saved(tmp_path: Path) -> None:
    estimator = bh.LinearRegression()
    with pytest.raises(bh.MissingValueError):
        estimator.fit(np.full((5, 1), np.nan), np.zeros(5))
    with pytest.raises(NotFittedError):
        estimator.save(tmp_path / "model")


def test_other_objects_are_not_saved(tmp_path: Path) -> None:
    from sklearn.linear_model import LinearRegression

    from betahat.estimators.storing import save

    with pytest.raises(TypeError, match="can be saved"):
        save(LinearRegression().fit(NUMBERS, Y), tmp_path / "model")


def test_every_field_of_a_result_is_stored(tmp_path: Path) -> None:
    estimator, _ = fitted("ols", "array")
    estimator.save(tmp_path / "model")
    fields = {field.name for field in dataclasses.fields(LinearResult)} - {"inference"}
    assert set(read(tmp_path / "model")["result"]) == fields


# --- files that save() did not write ----------------------------------------------------------------------------


def document(tmp_path: Path, model: str = "HC3", kind: str = "pandas with categories") -> dict[str, Any]:
    fitted(model, kind)[0].save(tmp_path / "honest")
    return read(tmp_path / "honest")


@settings(max_examples=150, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize(
    ("model", "kind"), [("HC3", "pandas with categories"), ("cluster", "array"), ("polynomial", "array")]
)
def test_hostile_values_are_refused_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, model: str, kind: str, data: st.DataObject
) -> None:
    """A file with a right checksum and one strange value: a StorageError, or a model that predicts and explains."""
    folder = tmp_path_factory.getbasetemp()
    changed = damaged(data, document(folder, model, kind))
    assert_refused_or_harmless(folder, changed, INPUTS[kind](), N)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"class": "System"}, "LinearRegression"),
        ({"class": "PolynomialRegression"}, "parameters"),
        ({"parameters": {}}, "parameters"),
        ({"n_features_in": 7}, "features"),
        ({"single_target": "yes"}, "true or false"),
        ({"design": {"kind": "python"}}, "kind"),
        ({"design": None}, "columns"),
        ({"feature_names_in": ["x1"]}, "columns"),
    ],
)
def test_models_that_do_not_fit_together_are_refused(
    tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    write(tmp_path / "odd", {**document(tmp_path), **change})
    with pytest.raises(StorageError, match=words):
        bh.load(tmp_path / "odd")


@pytest.mark.parametrize("field", ["half", "middle"])
@pytest.mark.parametrize("value", [0.0, float("nan"), float("inf")])
def test_a_recurrence_that_cannot_be_evaluated_is_refused(tmp_path: Path, field: str, value: float) -> None:
    stored = document(tmp_path, "polynomial", "array")
    stored["polynomial"]["basis"]["recurrences"][0][field] = value
    write(tmp_path / "odd", stored)
    if (field, value) == ("middle", 0.0):  # a place like another
        assert bh.load(tmp_path / "odd").predict(NUMBERS).shape == (N,)
        return
    with pytest.raises(StorageError, match="recurrence"):
        bh.load(tmp_path / "odd")


@pytest.mark.parametrize(
    "formula",
    [
        "y ~ __import__('os').system('touch pwned')",
        "y ~ x1.__class__",
        "y ~ (lambda: x1)()",
        "y ~ {open('pwned', 'w')}",
        "y ~ np.load('x')",
    ],
)
def test_code_in_a_stored_formula_is_never_run(
    tmp_path: Path, formula: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    bh.fit("y ~ x1 + kind", pd.DataFrame({**table(), "kind": KIND, "y": Y})).save("honest")
    stored = read("honest")
    stored["design"]["formula"] = formula
    write("hostile", stored)
    with pytest.raises(StorageError, match="hostile"):
        bh.load("hostile")
    assert not Path("pwned").exists()


@pytest.mark.parametrize("model", ["ols", "polynomial"])
def test_no_cut_off_model_is_loaded(tmp_path: Path, model: str) -> None:
    fitted(model, "array")[0].save(tmp_path / "model")
    content = (tmp_path / "model").read_bytes()
    for length in range(0, len(content), 37):
        (tmp_path / "model").write_bytes(content[:length])
        with pytest.raises(StorageError):
            bh.load(tmp_path / "model")

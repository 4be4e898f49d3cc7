"""Saved nonlinear models: every form of f, start and bounds comes back bit by bit; hostile files are refused."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from storage.damage import HOSTILE, assert_refused_or_harmless, damaged

import betahat as bh
from betahat.errors import CertificateWarning, InferenceError, StorageError
from betahat.storage import read, write

N = 30
x = np.linspace(0.1, 4, N)
y = 2 * np.exp(-0.5 * x) + 1 + 0.02 * np.random.default_rng(0).normal(size=N)
TEXT = "a * exp(-b * x) + c"
START = [1.0, 1.0, 1.0]


def decay(X, a, b, c):
    return a * np.exp(-b * X) + c


def of_dict(X, p):
    return p["a"] * np.exp(-p["w"][0] * X) + p["w"][1]


def nested(X, p):
    return p["layers"][0]["a"] * np.exp(-p["layers"][1]["b"][0, 0] * X)


def mixing(X, a, b):
    return a * np.cumsum(np.exp(-b * X))


def guess(X, y):
    return [np.ptp(y), 1.0, y.min()]


def far(y, f):
    return np.log1p((y - f) ** 2)


def small(beta):
    return 0.01 * (beta @ beta)


# parameters, functions to give again, rows, arguments of fit
MODELS: dict[str, tuple[dict[str, Any], dict[str, Any], Any, dict[str, Any]]] = {
    "text": ({"f": TEXT}, {}, x, {}),
    "curve": ({"f": "exponential_offset"}, {}, x, {}),
    "text of a frame": ({"f": "a * exp(-b * `time (h)`) + c"}, {}, pd.DataFrame({"time (h)": x}), {}),
    "text of polars": ({"f": TEXT}, {}, pl.DataFrame({"x": x, "unused": x}), {}),
    "function": ({"f": decay, "start": START}, {"f": decay}, x, {}),
    "function of a column": ({"f": decay, "start": START}, {"f": decay}, x[:, None], {}),
    "start array": ({"f": decay, "start": np.ones(3)}, {"f": decay}, x, {}),
    "start dict": ({"f": decay, "start": {"b": 1.0, "a": 1, "c": np.float32(1)}}, {"f": decay}, x, {}),
    "start several": ({"f": decay, "start": [START, (2.0, 2.0, 2.0)]}, {"f": decay}, x, {}),
    "start matrix": ({"f": decay, "start": np.array([START, [2.0, 2, 2]])}, {"f": decay}, x, {}),
    "start function": ({"f": decay, "start": guess}, {"f": decay, "start": guess}, x, {}),
    "dict of arrays": ({"f": of_dict, "start": {"a": 1.0, "w": np.ones(2)}}, {"f": of_dict}, x, {}),
    "nested": (
        {"f": nested, "start": {"layers": [{"a": 1.0}, {"b": np.ones((1, 1))}]}}, {"f": nested}, x, {}
    ),
    "rows that mix": ({"f": mixing, "start": [1.0, 1.0]}, {"f": mixing}, x, {}),
    "bounds dict": ({"f": TEXT, "bounds": {"b": (0, None), "c": (None, np.inf)}}, {}, x, {}),
    "bounds pairs": ({"f": TEXT, "bounds": [(0, 9), None, (-np.inf, 5)]}, {}, x, {}),
    "bounds array": ({"f": TEXT, "bounds": np.array([[0, 9], [0, np.inf], [0, 9.0]])}, {}, x, {}),
    "on a bound": ({"f": TEXT, "bounds": {"b": (0.6, 1)}}, {}, x, {}),
    "loss": ({"f": TEXT, "loss": bh.losses.Cauchy(0.1)}, {}, x, {}),
    "own loss": ({"f": TEXT, "loss": far}, {"loss": far}, x, {}),
    "penalty": ({"f": TEXT, "penalty": small}, {"penalty": small}, x, {}),
    "solver": ({"f": TEXT, "solver": bh.solvers.LevenbergMarquardt(geodesic=False)}, {}, x, {}),
    "budget": ({"f": TEXT, "max_iter": np.int64(90)}, {}, x, {}),
    "HC3": ({"f": TEXT, "cov_type": "HC3"}, {}, x, {}),
    "HAC": ({"f": TEXT, "cov_type": "HAC", "maxlags": 2}, {}, x, {}),
    "cluster": ({"f": TEXT, "cov_type": "cluster"}, {}, x, {"groups": np.arange(N) % 6}),
    "weights": ({"f": TEXT}, {}, x, {"sample_weight": 1 + x, "frequency_weight": np.arange(N) % 3 + 1}),
    "not identified": ({"f": "a * b * exp(-x) + c"}, {}, x, {}),
    "not finished": ({"f": decay, "start": [9.0, 3.0, 0.0], "max_iter": 1}, {"f": decay}, x, {}),
    "no degrees of freedom": ({"f": TEXT}, {}, x[::12], {}),
}  # fmt: skip


def fitted(name):
    parameters, _, X, fit = MODELS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CertificateWarning)
        return bh.NonlinearRegression(**parameters).fit(X, y[::12] if "no degrees" in name else y, **fit)


def results(model, name):
    """Everything it says, or the error it says it with."""
    X, fit = MODELS[name][2], {k: v for k, v in MODELS[name][3].items() if k != "groups"}
    target = y[::12] if "no degrees" in name else y
    asked = {
        "predict": lambda: model.predict(X).tobytes(),
        "explain": model.explain,
        "summary": lambda: str(model.summary(0.9)),
        "html": lambda: model.summary()._repr_html_(),
        "interval": lambda: model.prediction_interval(X).tobytes(),
        "confidence": lambda: model.prediction_interval(X, kind="confidence").tobytes(),
        "profile": lambda: model.profile_interval(X, target, **fit).tobytes(),
        "test": lambda: str(model.inference_.test(f"`{model.parameter_names_[0]}` = 1")),
        "score": lambda: model.score(X, target),
        **{
            key: lambda key=key: np.asarray(getattr(model.inference_, key)).tobytes()
            for key in ("std_err", "p_value", "covariance", "correlation", "r_squared", "aic")
        },
    }
    found: dict[str, Any] = {}
    for key, ask in asked.items():
        try:
            found[key] = ask()
        except InferenceError as error:
            found[key] = str(error)
    shown = ("coef_", "starts_", "losses_", "n_iter_", "n_evaluations_", "n_features_in_")
    found |= {key: np.asarray(getattr(model, key)).tobytes() for key in shown}
    found |= {key: getattr(model, key) for key in ("solver_", "stop_reason_", "parameter_names_")}
    found |= {"trace": model.trace_.to_dict()["rows"].tobytes(), "status": model.certificate_.status}
    return found


@pytest.mark.parametrize("name", MODELS)
def test_models_come_back_with_the_same_bits(name, tmp_path):
    model = fitted(name)
    before = results(model, name)
    model.save(tmp_path / "model")
    loaded = bh.load(tmp_path / "model", **MODELS[name][1])
    assert results(loaded, name) == before
    assert list(getattr(loaded, "feature_names_in_", [])) == list(getattr(model, "feature_names_in_", []))
    again = tmp_path / "again"
    loaded.save(again)
    assert results(bh.load(again, **MODELS[name][1]), name) == before


@pytest.mark.parametrize("name", ["text", "start several", "bounds dict", "dict of arrays", "loss"])
def test_loaded_models_can_be_fitted_again(name, tmp_path):
    model = fitted(name)
    model.save(tmp_path / "model")
    loaded = bh.load(tmp_path / "model", **MODELS[name][1])
    np.testing.assert_allclose(loaded.fit(x, y).coef_, model.coef_, rtol=1e-12)


def test_a_loaded_model_looks_anew_at_what_rows_depend_on(tmp_path):
    model = bh.NonlinearRegression(mixing, [1.0, 1.0]).fit(x, 2 * np.cumsum(np.exp(-0.5 * x)) + y / 50)
    model.save(tmp_path / "model")
    loaded = bh.load(tmp_path / "model", f=mixing)
    loaded.prediction_interval(x[:1])  # one row does not mix
    np.testing.assert_allclose(loaded.prediction_interval(x), model.prediction_interval(x), rtol=1e-13)


def test_files_hold_neither_rows_nor_code(tmp_path):
    sizes = []
    for repeats in (1, 60):
        model = bh.NonlinearRegression(decay, START).fit(np.tile(x, repeats), np.tile(y, repeats))
        model.save(tmp_path / "model")
        sizes.append((tmp_path / "model").stat().st_size)
    assert abs(sizes[1] - sizes[0]) < 500
    assert b"np.exp" not in (tmp_path / "model").read_bytes()
    with pytest.raises(StorageError, match=r"was fitted with f=.*decay.*betahat.load\(path, f=…\)"):
        bh.load(tmp_path / "model")
    with pytest.raises(TypeError, match="must be the function"):
        bh.load(tmp_path / "model", f=3)


def test_another_function_is_taken_at_the_users_word_but_must_fit(tmp_path):
    fitted("function").save(tmp_path / "model")
    loaded = bh.load(tmp_path / "model", f=lambda X, a, b, c: a + b + c + 0 * X)
    np.testing.assert_array_equal(loaded.predict(x), np.full(N, loaded.coef_.sum()))


@pytest.mark.parametrize("start", [{1: 1.0}, {"a": object()}], ids=["keys that are no text", "object"])
def test_what_cannot_be_stored_says_so(start, tmp_path):
    model = bh.NonlinearRegression(lambda X, p: p[1] * X, {1: 1.0}).fit(x, y)
    model.start = start
    with pytest.raises((TypeError, StorageError), match="start"):
        model.save(tmp_path / "model")
    assert not list(tmp_path.iterdir())


# --- files that save() did not write ----------------------------------------------------------------------------------


DOCUMENTS: dict[str, Any] = {}


def document(folder, name):
    """What is saved of a model, fitted once."""
    if name not in DOCUMENTS:
        fitted(name).save(folder / "honest")
        DOCUMENTS[name] = read(folder / "honest")
    return copy.deepcopy(DOCUMENTS[name])


STRANGE = [*HOSTILE, "x", "a * x", "-" * 3000 + "x", np.zeros(3, np.int8), [[1.0, 2.0, 3.0]]]


@settings(max_examples=80, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("name", ["text", "text of a frame", "bounds array", "dict of arrays", "cluster"])
def test_hostile_values_are_refused_or_harmless(tmp_path_factory, name, data):
    """A file with a right checksum and one strange value: a StorageError, or a model that predicts and explains."""
    folder = tmp_path_factory.getbasetemp()
    changed = damaged(data, document(folder, name), STRANGE)
    assert_refused_or_harmless(folder, changed, MODELS[name][2], N, **MODELS[name][1])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda d: d["parameters"].update(f="__import__('os').system('touch pwned')"),
            r"__import__.*has no place",
        ),
        (lambda d: d["parameters"].update(f="a * x.__class__"), "has no place"),
        (lambda d: d["parameters"].update(f="a * q"), "uses no column"),
        (lambda d: d["parameters"].update(f="a * x"), "parameters"),
        (lambda d: d["parameters"].update(f=3), "must be a function"),
        (lambda d: d["result"].update(coef=np.zeros(2)), "coef"),
        (lambda d: d["result"].update(coef=np.full(3, np.nan)), "coef"),
        (lambda d: d["result"].update(stop_reason="tired"), "stop_reason"),
        (lambda d: d.update(form=[1.0]), "form"),
        (lambda d: d.update(form=[1.0, 2.0, float("inf")]), "form"),
        (lambda d: d.update(form="abc"), "form"),
        (lambda d: d.update(n_features_in=0), "n_features_in"),
        (lambda d: d.update(n_features_in=2), "fit"),
        (lambda d: d.update(feature_names_in=["x", "z"]), "feature_names_in"),
        (lambda d: d["result"]["statistics"].update(nonlinear=False), "not those of a nonlinear model"),
        (lambda d: d["result"]["statistics"].update(has_intercept=True), "stored|statistics"),
        (lambda d: d["result"]["statistics"].update(inverse=np.zeros((2, 2))), "inverse"),
        (lambda d: d.update({"class": "LinearRegression"}), "parameters"),
    ],
)
def test_what_does_not_fit_together_is_refused(change, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stored = document(tmp_path, "text")
    change(stored)
    write(tmp_path / "odd", stored)
    with pytest.raises(StorageError, match=words):
        bh.load(tmp_path / "odd")
    assert not Path("pwned").exists()

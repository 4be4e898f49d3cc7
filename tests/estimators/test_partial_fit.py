"""Rows in parts: the same answer as all of them at once, whatever the parts; what is kept; what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import betahat as bh
from betahat.errors import DataError, InferenceError

RNG = np.random.default_rng(3)
N = 90
X = RNG.normal(size=(N, 3)) * [1.0, 1e4, 1e-3] + [1.0, 1e7, 0.0]
Y = X @ [1.0, 1e-4, 2e3] + RNG.normal(size=N)
WEIGHT, COUNT = RNG.uniform(0.1, 2.0, N), RNG.integers(1, 4, N)

pytestmark = pytest.mark.filterwarnings("ignore::betahat.CollinearityWarning")  # the first rows are few


def in_parts(model: bh.LinearRegression, edges: list[int], rows: Any = X, y: Any = Y, **beside: Any) -> Any:
    for a, b in zip([0, *edges], [*edges, N], strict=True):
        if b > a:
            model.partial_fit(rows[a:b], y[a:b], **{name: values[a:b] for name, values in beside.items()})
    return model


def assert_same(model: Any, whole: Any, rel: float = 1e-11) -> None:
    assert model.coef_ == pytest.approx(whole.coef_, rel=rel, abs=1e-12)
    assert model.intercept_ == pytest.approx(whole.intercept_, rel=1e-9, abs=1e-9)
    assert model.certificate_.status == "global minimum"
    assert model.certificate_.loss == pytest.approx(whole.certificate_.loss, rel=1e-10)
    assert model.rank_ == whole.rank_
    if whole._result.statistics.penalised:
        return
    ours, theirs = model.inference_, whole.inference_
    assert ours.std_err == pytest.approx(theirs.std_err, rel=1e-9, nan_ok=True)
    for name in ("log_likelihood", "aic", "r_squared", "f_statistic", "n_obs", "df_resid"):
        assert getattr(ours, name) == pytest.approx(getattr(theirs, name), rel=1e-9), name
    assert model.prediction_interval(X[:4]) == pytest.approx(whole.prediction_interval(X[:4]), rel=1e-9)


@settings(max_examples=25, deadline=None)
@given(edges=st.lists(st.integers(0, N), max_size=6).map(sorted))
@pytest.mark.parametrize("intercept", [True, False])
def test_parts_make_the_whole(intercept: bool, edges: list[int]) -> None:
    whole = bh.LinearRegression(fit_intercept=intercept).fit(X, Y)
    assert_same(in_parts(bh.LinearRegression(fit_intercept=intercept), edges), whole)


@pytest.mark.parametrize("alpha", [0.0, 0.2])
@pytest.mark.parametrize("beside", [{}, {"sample_weight": WEIGHT}, {"frequency_weight": COUNT}])
@pytest.mark.parametrize("intercept", [True, False])
def test_weights_and_penalties(alpha: float, beside: dict[str, Any], intercept: bool) -> None:
    rows = RNG.normal(size=(N, 3))
    whole = bh.LinearRegression(alpha, fit_intercept=intercept).fit(rows, Y, **beside)
    parts = in_parts(bh.LinearRegression(alpha, fit_intercept=intercept), [20, 50], rows, **beside)
    assert parts.coef_ == pytest.approx(whole.coef_, rel=1e-12)
    if not alpha:
        assert parts.inference_.std_err == pytest.approx(whole.inference_.std_err, rel=1e-10)
        assert parts.inference_.log_likelihood == pytest.approx(whole.inference_.log_likelihood, rel=1e-12)


def test_sparse_rows_frames_and_several_targets() -> None:
    sparse = sp.csr_array(np.where(RNG.normal(size=(N, 3)) > 0, X, 0.0))
    assert in_parts(bh.LinearRegression(), [30], sparse).coef_ == pytest.approx(
        bh.LinearRegression().fit(sparse, Y).coef_, rel=1e-10
    )
    frame = pd.DataFrame(X, columns=list("abc"))
    model = bh.LinearRegression().partial_fit(frame[:40], Y[:40]).partial_fit(frame[40:], Y[40:])
    assert model.inference_.names == ("Intercept", "a", "b", "c")
    assert model.inference_.std_err == pytest.approx(
        bh.LinearRegression().fit(X, Y).inference_.std_err, rel=1e-9
    )
    both = np.column_stack([Y, Y**2])
    many, whole = in_parts(bh.LinearRegression(), [30, 31], y=both), bh.LinearRegression().fit(X, both)
    assert many.coef_ == pytest.approx(whole.coef_, rel=1e-10)
    assert many.inference_.std_err == pytest.approx(whole.inference_.std_err, rel=1e-9)


@pytest.mark.parametrize("collinear", ["minimum_norm", "drop"])
def test_collinear_columns(collinear: str) -> None:
    rows = np.column_stack([X[:, :1], np.full(N, 5.0), 2 * X[:, 0] - 1, X[:, 2]])
    whole = bh.LinearRegression(collinear=collinear).fit(rows, Y)
    parts = in_parts(bh.LinearRegression(collinear=collinear), [10, 60], rows)
    assert parts.coef_ == pytest.approx(whole.coef_, rel=1e-9, abs=1e-9)
    assert parts.rank_ == whole.rank_
    assert np.isnan(parts.inference_.std_err).tolist() == np.isnan(whole.inference_.std_err).tolist()


def test_a_drifting_mean_costs_no_digits() -> None:
    """Rows whose mean moves away by a million standard deviations from that of the first."""
    rows = RNG.normal(size=(N, 2))
    rows[45:] += 1e6
    y = rows @ [1.0, -1.0] + RNG.normal(size=N)
    whole = bh.LinearRegression().fit(rows, y)
    assert in_parts(bh.LinearRegression(), [45], rows, y).coef_ == pytest.approx(whole.coef_, rel=1e-9)


def test_saved_models_go_on(tmp_path: Path) -> None:
    model = bh.LinearRegression().partial_fit(X[:40], Y[:40])
    model.save(tmp_path / "model")
    loaded = bh.load(tmp_path / "model")
    assert loaded.explain() == model.explain()
    one, other = model.partial_fit(X[40:], Y[40:]), loaded.partial_fit(X[40:], Y[40:])
    assert one.coef_.tobytes() == other.coef_.tobytes()
    assert one.inference_.std_err.tobytes() == other.inference_.std_err.tobytes()
    assert (tmp_path / "model").stat().st_size < 20_000


def test_fit_begins_anew() -> None:
    model = bh.LinearRegression().fit(X, 5 * Y)
    model.partial_fit(X[:50], Y[:50]).partial_fit(X[50:], Y[50:])
    assert_same(model, bh.LinearRegression().fit(X, Y))
    model.fit(X[:20], Y[:20])
    assert model.coef_ == pytest.approx(bh.LinearRegression().fit(X[:20], Y[:20]).coef_)


def test_rows_that_are_refused_are_not_added() -> None:
    model = bh.LinearRegression().partial_fit(X[:50], Y[:50])
    before = model.coef_.copy()
    for rows, y, error, words in (
        (X[50:, :2], Y[50:], ValueError, "features"),
        (X[50:], np.column_stack([Y, Y])[50:], ValueError, "targets"),
        (np.where(X > 1e6, np.nan, X)[50:], Y[50:], bh.MissingValueError, "NaN"),
        (X[50:] * 1e120, Y[50:], DataError, "rescale"),
    ):
        with pytest.raises(error, match=words):
            model.partial_fit(rows, y)
    assert model.coef_.tobytes() == before.tobytes()
    assert_same(model.partial_fit(X[50:], Y[50:]), bh.LinearRegression().fit(X, Y))


def test_what_needs_the_rows_is_refused() -> None:
    robust: Any = bh.LinearRegression(loss="huber")
    assert not hasattr(robust, "partial_fit")
    with pytest.raises(AttributeError, match="partial_fit"):
        robust.partial_fit(X, Y)
    model = bh.LinearRegression(cov_type="HC3").partial_fit(X, Y)
    assert model.coef_ == pytest.approx(bh.LinearRegression().fit(X, Y).coef_, rel=1e-12)
    with pytest.raises(InferenceError, match="keeps no rows"):
        _ = model.inference_

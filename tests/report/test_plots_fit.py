"""FitDisplay: points, curve and bands are the data's and the fit's; and what happens without matplotlib."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import statsmodels.api as sm
from sklearn.linear_model import LinearRegression as Theirs

import betahat as bh
from betahat.plots import ConvergenceDisplay, DescentDisplay, FitDisplay

RNG = np.random.default_rng(5)
N = 40
X = RNG.uniform(0, 4, size=(N, 1))
Y = 1 + 2 * X[:, 0] + RNG.normal(size=N)
WIDE = pd.DataFrame({
    "a": RNG.normal(10, 2, N), "b": RNG.normal(size=N), "kind": RNG.choice(["u", "v", "v", "w"], N),
})  # fmt: skip
TARGET = pd.Series(WIDE.a - WIDE.b + (WIDE.kind == "v") + RNG.normal(size=N), name="fare")
TABLES = {
    "pandas": lambda f: f,
    "categories": lambda f: f.astype({"kind": "category"}),
    "polars": pl.from_pandas,
    "pyarrow": pa.Table.from_pandas,
}


def band(shown: FitDisplay, kind: str) -> np.ndarray:
    """Lower and upper edge of a band as drawn, at the grid's points in order: (k, 2)."""
    corners = shown.bands_[kind].get_paths()[0].vertices
    found = [corners[corners[:, 0] == x][:, 1] for x in shown.grid]
    return np.array([[ys.min(), ys.max()] for ys in found])


@pytest.mark.parametrize("level", [0.5, 0.95])
def test_curve_and_bands_are_those_of_statsmodels(level: float) -> None:
    m = bh.LinearRegression().fit(X, Y)
    shown = FitDisplay.from_estimator(m, X, Y, level=level, resolution=7)
    grid = np.linspace(X.min(), X.max(), 7)
    theirs = sm.OLS(Y, sm.add_constant(X)).fit().get_prediction(sm.add_constant(grid[:, None]))
    np.testing.assert_allclose(shown.line_.get_xdata(), grid)
    np.testing.assert_allclose(shown.line_.get_ydata(), theirs.predicted_mean, rtol=1e-10)
    np.testing.assert_allclose(band(shown, "confidence"), theirs.conf_int(alpha=1 - level), rtol=1e-8)
    np.testing.assert_allclose(
        band(shown, "prediction"), theirs.conf_int(obs=True, alpha=1 - level), rtol=1e-8
    )
    assert f"{100 * level:g} % prediction band" in {t.get_text() for t in shown.legend_.get_texts()}


def test_points_and_residuals_are_the_data() -> None:
    m = bh.PolynomialRegression(3).fit(X, Y)
    shown = FitDisplay.from_estimator(m, X, Y, residuals=True)
    np.testing.assert_array_equal(np.transpose(shown.points_.get_data()), np.column_stack([X, Y]))
    np.testing.assert_array_equal(shown.residual_points_.get_ydata(), Y - m.predict(X))
    assert shown.residual_ax_.get_xlabel() == "x"
    assert shown.ax_.get_xlabel() == ""
    assert shown.ax_.get_ylabel() == "y"


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("feature", ["a", "b", 0])
def test_other_columns_are_held(table: str, feature: Any) -> None:
    frame = TABLES[table](WIDE)
    m = bh.LinearRegression().fit(frame, TARGET)
    shown = FitDisplay.from_estimator(m, frame, TARGET, feature=feature, resolution=5)
    name = feature if isinstance(feature, str) else "a"
    rows = pd.DataFrame({"a": WIDE.a.mean(), "b": WIDE.b.mean(), "kind": ["v"] * 5})
    rows[name] = np.linspace(WIDE[name].min(), WIDE[name].max(), 5)
    np.testing.assert_allclose(shown.curve, m.predict(TABLES[table](rows)), rtol=1e-13)
    wanted = m.prediction_interval(TABLES[table](rows), kind="confidence")
    np.testing.assert_allclose(shown.bands["confidence"], wanted, rtol=1e-10)
    slope = (shown.curve[-1] - shown.curve[0]) / (shown.grid[-1] - shown.grid[0])
    level = shown.curve[0] - slope * shown.grid[0]
    partial = level + slope * WIDE[name] + (TARGET - m.predict(frame))
    np.testing.assert_allclose(shown.points_.get_ydata(), partial, rtol=1e-10)
    assert shown.ax_.get_xlabel() == name
    assert shown.ax_.get_ylabel() == "fare, other columns at their means"


def test_an_array_with_several_columns_and_names_from_the_fit() -> None:
    frame = WIDE[["a", "b"]]
    m = bh.LinearRegression().fit(frame, TARGET)
    shown = FitDisplay.from_estimator(m, frame, TARGET, feature="b")
    assert shown.ax_.get_xlabel() == "b"
    m = bh.LinearRegression().fit(frame.to_numpy(), TARGET)
    shown = FitDisplay.from_estimator(m, frame.to_numpy(), TARGET, feature=1, resolution=3)
    assert shown.ax_.get_xlabel() == "x2"
    grid = np.column_stack([np.full(3, WIDE.a.mean()), np.linspace(WIDE.b.min(), WIDE.b.max(), 3)])
    np.testing.assert_allclose(shown.curve, m.predict(grid), rtol=1e-13)


def test_any_regressor_without_bands() -> None:
    theirs = Theirs().fit(X, Y)
    shown = FitDisplay.from_estimator(theirs, X, Y, bands=())
    assert not shown.bands_
    np.testing.assert_allclose(shown.curve, theirs.predict(shown.grid[:, None]))
    with pytest.raises(TypeError, match="LinearRegression has no prediction_interval"):
        FitDisplay.from_estimator(theirs, X, Y)


def test_one_band() -> None:
    shown = FitDisplay.from_estimator(bh.LinearRegression().fit(X, Y), X, Y, bands="confidence")
    assert list(shown.bands_) == ["confidence"]


def test_predictions_that_are_there_already() -> None:
    prediction = 1 + 2 * X[:, 0]
    around = np.stack([prediction - 1, prediction + 1], axis=1)
    shown = FitDisplay.from_predictions(
        X[:, 0], Y, prediction, confidence=around, names=("hours", "euros"), residuals=True
    )
    order = np.argsort(X[:, 0])
    np.testing.assert_array_equal(shown.line_.get_xdata(), X[order, 0])
    np.testing.assert_array_equal(shown.line_.get_ydata(), prediction[order])
    np.testing.assert_array_equal(band(shown, "confidence"), around[order])
    np.testing.assert_array_equal(shown.residual_points_.get_ydata(), Y - prediction)
    assert shown.residual_ax_.get_xlabel() == "hours"
    with pytest.raises(ValueError, match="do not fit together"):
        FitDisplay.from_predictions(X[:, 0], Y, prediction, confidence=around[:, 0])


def test_given_axes_with_and_without_residuals() -> None:
    figure, axes = plt.subplots(1, 2)
    m = bh.LinearRegression().fit(X, Y)
    plain = FitDisplay.from_estimator(m, X, Y, ax=axes[0], legend=False, line_kw={"color": "red"})
    assert plain.ax_ is axes[0]
    assert plain.line_.get_color() == "red"
    split = FitDisplay.from_estimator(m, X, Y, ax=axes[1], residuals=True)
    assert split.figure_ is figure
    assert not axes[1].axison
    assert split.ax_.get_position().y0 > split.residual_ax_.get_position().y1
    free = figure.add_axes((0.0, 0.0, 0.1, 0.1))
    with pytest.raises(ValueError, match="so that its place can be divided"):
        FitDisplay.from_estimator(m, X, Y, ax=free, residuals=True)


REFUSED: list[tuple[type[Exception], str, dict[str, Any]]] = [
    (TypeError, "has no predict", {"estimator": 3}),
    (ValueError, "bands", {"bands": ["both"]}),
    (ValueError, "resolution", {"resolution": 1}),
    (ValueError, "40 rows and y 39", {"y": Y[1:]}),
    (ValueError, "one target", {"y": np.column_stack([Y, Y])}),
    (ValueError, "finite", {"y": np.where(Y > 3, np.nan, Y)}),
    (ValueError, "expected \\(n, p\\)", {"X": np.full((N, 1), np.inf)}),
    (TypeError, "expected an array", {"X": {"a": 1}}),
    (ValueError, "feature \\(='z'\\)", {"feature": "z"}),
    (ValueError, "from 0 to 0", {"feature": 1}),
    (TypeError, "name or position", {"feature": 1.5}),
    (ValueError, "level", {"level": 1.5}),
    (TypeError, "must be a matplotlib Axes", {"ax": "here"}),
]


@pytest.mark.parametrize(("error", "message", "given"), REFUSED, ids=[message for _, message, _ in REFUSED])
def test_refusals(error: type[Exception], message: str, given: dict[str, Any]) -> None:
    options = {"estimator": bh.LinearRegression().fit(X, Y), "X": X, "y": Y} | given
    with pytest.raises(error, match=message):
        FitDisplay.from_estimator(**options)


@pytest.mark.parametrize(
    ("message", "feature"),
    [("has 3 columns; name the one", None), ("a curve needs a column of numbers", "kind")],
)
def test_refusals_of_a_table(message: str, feature: str | None) -> None:
    m = bh.LinearRegression().fit(WIDE, TARGET)
    with pytest.raises(ValueError, match=message):
        FitDisplay.from_estimator(m, WIDE, TARGET, feature=feature)


def test_a_penalised_fit_says_why_it_has_no_bands() -> None:
    m = bh.Ridge(1.0).fit(X, Y)
    with pytest.raises(bh.InferenceError):
        FitDisplay.from_estimator(m, X, Y)
    assert FitDisplay.from_estimator(m, X, Y, bands=()).line_.get_ydata() is not None


def test_several_targets_are_refused() -> None:
    m = bh.LinearRegression().fit(X, np.column_stack([Y, Y]))
    with pytest.raises(ValueError, match="a picture shows one target"):
        FitDisplay.from_estimator(m, X, Y)


# --- without matplotlib -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "draw",
    [
        lambda: DescentDisplay.from_function(lambda x: np.sum(x**2), np.ones(2)),
        lambda: ConvergenceDisplay.from_function(lambda x: np.sum(x**2), np.ones(2)),
        lambda: FitDisplay.from_predictions([0.0, 1.0], [0.0, 1.0], [0.0, 1.0]),
    ],
    ids=["descent", "convergence", "fit"],
)
def test_without_matplotlib_the_way_out_is_named(draw: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r"pip install 'betahat\[plots\]'"):
        draw()


def test_pictures_are_not_loaded_before_they_are_drawn() -> None:
    code = "import sys, betahat as bh; bh.plots.FitDisplay; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"

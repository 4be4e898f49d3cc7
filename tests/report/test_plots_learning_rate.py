"""LearningRateDisplay: what is drawn is what the range test found."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.datasets import load_iris

import betahat as bh
from betahat.plots import LearningRateDisplay
from betahat.report.range_test import RangeTest

X, Y = load_iris(return_X_y=True)
RATE = np.geomspace(1e-4, 1.0, 9)
LOSS = np.array([2.0, 2.0, 1.8, 1.2, 0.6, 0.5, 0.5, 3.0, np.inf])
SMOOTH = np.array([2.0, 2.0, 1.8, 1.2, 0.6, 0.5, 0.6, 2.0, 9.0])


def points(line: Any) -> np.ndarray:
    return np.transpose(line.get_data())


@pytest.mark.parametrize("style", ["default", "dark_background"])
def test_curves_and_marks_are_those_of_the_test(style: str) -> None:
    with plt.style.context(style):
        model = bh.MLPClassifier(8, random_state=0)
        shown = LearningRateDisplay.from_estimator(model, X, Y, steps=120, smallest=1e-5)
        found = model.find_learning_rate(X, Y, steps=120, smallest=1e-5)
        label = "MLPClassifier"
        np.testing.assert_array_equal(
            points(shown.lines_[label]), np.column_stack([found.learning_rate, found.smoothed])
        )
        np.testing.assert_array_equal(shown.dots_[label].get_xdata(), found.learning_rate)
        assert points(shown.suggestions_[label])[0][0] == found.suggestion
        assert shown.divergences_[label].get_xdata()[0] == found.divergence
        texts = [text.get_text() for text in shown.legend_.get_texts()]
        assert texts == [
            "MLPClassifier, smoothed",
            f"suggestion: {found.suggestion:.3g}",
            f"divergence: {found.divergence:.3g}",
        ]
        shown.figure_.canvas.draw()
    assert shown.ax_.get_xscale() == "log"
    assert not hasattr(model, "_state")


def test_the_rise_leaves_the_picture() -> None:
    shown = LearningRateDisplay.from_result(RangeTest(RATE, LOSS, SMOOTH, RATE[3], RATE[6]))
    low, high = shown.ax_.get_ylim()
    assert low < 0.5
    assert 2.0 < high < 9.0
    np.testing.assert_array_equal(points(shown.suggestions_["loss"]), [[RATE[3], 1.2]])
    assert np.isnan(shown.dots_["loss"].get_ydata()[-1])


def test_several_and_none() -> None:
    some, none = RangeTest(RATE, LOSS, SMOOTH, RATE[3], RATE[6]), RangeTest(RATE, LOSS, SMOOTH, None, None)
    shown = LearningRateDisplay.from_results({"a": some, "b": none, "c": some})
    assert list(shown.suggestions_) == list(shown.divergences_) == ["a", "c"]
    assert [text.get_text() for text in shown.legend_.get_texts()] == [
        "a",
        "b",
        "c",
        "suggestion",
        "divergence",
    ]
    assert len({line.get_color() for line in shown.lines_.values()}) == 3
    figure, ax = plt.subplots()
    flat = RangeTest(RATE, np.zeros(9), np.zeros(9), None, None)
    again = LearningRateDisplay.from_result(flat, name="flat", ax=ax, legend=False, line_kw={"color": "red"})
    assert again.figure_ is figure
    assert again.lines_["flat"].get_color() == "red"
    assert ax.get_legend() is None
    assert ax.get_ylim()[0] < 0 < ax.get_ylim()[1]


def test_refusals() -> None:
    good = RangeTest(RATE, LOSS, SMOOTH, None, None)
    for error, message, call in (
        (TypeError, "has no find_learning_rate", lambda: LearningRateDisplay.from_estimator(bh.Ridge(), X, Y)),  # pyright: ignore[reportArgumentType]
        (ValueError, "lbfgs", lambda: LearningRateDisplay.from_estimator(bh.MLPClassifier(solver="lbfgs"), X, Y)),
        (TypeError, "must be a RangeTest", lambda: LearningRateDisplay.from_result(LOSS)),  # pyright: ignore[reportArgumentType]
        (TypeError, "must be a dict", lambda: LearningRateDisplay({})),
        (TypeError, "must be a matplotlib Axes", lambda: LearningRateDisplay({"a": good}).plot(3)),  # pyright: ignore[reportArgumentType]
    ):  # fmt: skip
        with pytest.raises(error, match=message):
            call()

"""TrainingDisplay: what is drawn is what the training kept, ends where it ended, and marks the epoch that was kept."""

from __future__ import annotations

import warnings
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier as Theirs

import betahat as bh
from betahat.plots import Course, TrainingDisplay

X, Y = load_iris(return_X_y=True)
LOSS, SCORE = np.array([2.0, 1.0, 0.5, 0.1]), np.array([0.2, 0.7, 0.9, 0.9])


def fitted(**options: Any) -> Any:
    return bh.MLPClassifier(8, max_iter=30, random_state=0, learning_rate_init=0.01, **options).fit(X, Y)


def points(line: Any) -> np.ndarray:
    return np.transpose(line.get_data())


@pytest.mark.parametrize("early", [False, True])
def test_curves_are_those_of_the_training(early: bool) -> None:
    m = fitted(early_stopping=early)
    shown = TrainingDisplay.from_estimator(m)
    epochs = np.arange(1, m.n_iter_ + 1)
    label = "MLPClassifier"
    np.testing.assert_array_equal(
        points(shown.lines_[label, "loss"]), np.column_stack([epochs, m.loss_curve_])
    )
    assert ((label, "score") in shown.lines_) == early == (len(shown.axes_) == 2)
    if early:
        scores = points(shown.lines_[label, "score"])
        np.testing.assert_array_equal(scores, np.column_stack([epochs, m.validation_scores_]))
    assert shown.ax_ is shown.axes_[0]
    assert shown.axes_[-1].get_xlabel() == "epoch"
    assert shown.legend_.get_texts()[0].get_text() == f"{label}: {m.n_iter_} epochs, {m.stop_reason_}"


def test_the_best_epoch_is_the_one_whose_parameters_are_kept() -> None:
    kept: list[float] = []
    m = fitted(
        early_stopping=True, callbacks=lambda epoch: kept.append(epoch.model.coefs_[0].sum()) and False
    )
    shown = TrainingDisplay.from_estimator(m)
    best = shown.courses["MLPClassifier"].best_epoch
    assert best is not None
    assert m.validation_scores_[best - 1] == m.best_validation_score_
    assert m.coefs_[0].sum() == kept[best - 1] != kept[-1]
    np.testing.assert_array_equal(points(shown.best_["MLPClassifier"]), [[best, m.best_validation_score_]])
    assert (
        f"best score: {m.best_validation_score_:.4g} in epoch {best}"
        in shown.legend_.get_texts()[1].get_text()
    )
    for ax in shown.axes_:
        assert [line for line in ax.lines if line.get_linestyle() == ":" and line.get_xdata()[0] == best]


def test_the_end_is_marked() -> None:
    m = fitted()
    shown = TrainingDisplay.from_estimator(m, name="mine")
    np.testing.assert_array_equal(points(shown.ends_["mine"]), [[m.n_iter_, m.loss_]])
    assert not shown.best_


def test_several_models_and_those_of_scikit_learn() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        theirs = Theirs(8, max_iter=12, early_stopping=True, random_state=0).fit(X, Y)
    ours, full = fitted(), fitted(solver="lbfgs")
    shown = TrainingDisplay.from_estimators({"Adam": ours, "L-BFGS": full, "scikit-learn": theirs})
    assert {label for label, quantity in shown.lines_ if quantity == "loss"} == set(shown.courses)
    assert [label for label, quantity in shown.lines_ if quantity == "score"] == ["scikit-learn"]
    colours = {line.get_color() for (_, quantity), line in shown.lines_.items() if quantity == "loss"}
    assert len(colours) == 3
    texts = [text.get_text() for text in shown.legend_.get_texts()]
    assert texts == [
        f"Adam: {ours.n_iter_} epochs, {ours.stop_reason_}",
        f"L-BFGS: {full.n_iter_} epochs, {full.stop_reason_}",
        f"scikit-learn: {theirs.n_iter_} epochs",
        "best score",
    ]
    listed = TrainingDisplay.from_estimators(
        [ours, bh.MLPRegressor(hidden_layer_sizes=4, max_iter=3).fit(X, Y)]
    )
    assert list(listed.courses) == ["MLPClassifier", "MLPRegressor"]


def test_quantities_and_axes() -> None:
    shown = TrainingDisplay({"a": Course(LOSS, SCORE, "early stopping")})
    figure, ax = plt.subplots()
    assert shown.plot(ax=ax, quantities="score", legend=False, line_kw={"color": "red"}) is shown
    assert shown.ax_ is ax
    assert shown.figure_ is figure
    assert shown.lines_["a", "score"].get_color() == "red"
    assert ax.get_legend() is None
    np.testing.assert_array_equal(points(shown.ends_["a"]), [[4, 0.9]])
    assert shown.plot(ax=plt.subplots()[1], quantities=["score", "loss"]).axes_[1].get_ylabel() == "loss"
    shown.plot().figure_.canvas.draw()


@pytest.mark.parametrize(
    ("loss", "scale"),
    [
        (LOSS, "log"),
        (LOSS + 1, "linear"),  # falls less than tenfold
        (LOSS - 1, "linear"),  # a likelihood's loss may be negative
        (np.array([3.0, np.nan, 0.2]), "log"),
    ],
)  # fmt: skip
def test_the_scale_suits_the_losses(loss: np.ndarray, scale: str) -> None:
    assert TrainingDisplay({"a": Course(loss)}).plot().ax_.get_yscale() == scale


@pytest.mark.parametrize(
    ("score", "best"),
    [
        (SCORE, 3),
        (SCORE[::-1], 1),
        (np.array([np.nan, 0.3, 0.1]), 2),
        (np.full(2, np.nan), None),
        (None, None),
    ],
)
def test_best_epoch_by_hand(score: Any, best: int | None) -> None:
    assert Course(LOSS, score).best_epoch == best


def test_one_epoch() -> None:
    shown = TrainingDisplay({"a": Course(LOSS[:1])}).plot()
    assert shown.legend_.get_texts()[0].get_text() == "a: 1 epoch"


def test_refusals() -> None:
    m, draw = fitted(), TrainingDisplay.from_estimators
    for error, message, call in (
        (TypeError, "has no loss_curve_", lambda: draw({"a": bh.MLPClassifier()})),
        (TypeError, "has no loss_curve_", lambda: TrainingDisplay.from_estimator(bh.LinearRegression())),  # pyright: ignore[reportArgumentType]
        (ValueError, "give a dict", lambda: draw([m, m])),
        (ValueError, "early_stopping=True", lambda: draw([m], quantities="score")),
        (ValueError, "'loss' or 'score'", lambda: draw([m], quantities="gradient")),
        (ValueError, "'loss' or 'score'", lambda: draw([m], quantities=[])),
        (TypeError, "must be a dict", lambda: draw([])),
        (TypeError, "must be a Course", lambda: TrainingDisplay({"a": LOSS})),  # pyright: ignore[reportArgumentType]
        (ValueError, "shape \\(0,\\)", lambda: TrainingDisplay({"a": Course(LOSS[:0])})),
        (ValueError, "the score of courses", lambda: TrainingDisplay({"a": Course(LOSS, SCORE[None])})),
        (TypeError, "must be a matplotlib Axes", lambda: draw([m], ax=3)),  # pyright: ignore[reportArgumentType]
    ):  # fmt: skip
        with pytest.raises(error, match=message):
            call()

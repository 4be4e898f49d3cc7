"""The part of `betahat demo` that trains a network: handwritten digits, and the course of the training."""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np

from betahat.cli.demo_data import milliseconds
from betahat.cli.demo_picture import keep_picture
from betahat.cli.output import Report
from betahat.cli.tables import print_table

PICTURE = "betahat-demo-network.png"
_SHOWN = 12  # digits that were misread


def digits(report: Report) -> None:
    """The same parameters for scikit-learn's network and ours, judged by digits that neither has seen."""
    from betahat.estimators.mlp_classifier import MLPClassifier

    X, unseen, y, truth = digit_tables()
    report.out.print(
        "Scans of 8 × 8 pixels, read by MLPClassifier(early_stopping=True): 100 hidden units, Adam, and a tenth of\n"
        "the rows set aside, which end the training when they are read no better. scikit-learn's is given pixels that\n"
        f"are standardised already; ours does it itself. Judged by {len(truth)} digits that were never shown:"
    )
    model = MLPClassifier(early_stopping=True, random_state=0)
    theirs, rows = _raced(X, y, unseen, truth, model)
    report.hear()
    header = ["", "read rightly", "epochs", "time", "an epoch", "why it ended"]
    print_table(report, header, rows)
    model.certify(X, y)
    report.out.print(
        f"Are its {model.network_.parameter_count:,} parameters a minimum? The derivatives, summed over all rows in "
        f"double precision:\n{model.certificate_.line()}\n"
    )
    keep_picture(
        report, PICTURE, "the course of the training, and the digits that it misread",
        lambda: drawn(model, theirs, unseen, truth),
    )  # fmt: skip


def digit_tables() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Pixels to train with, pixels never shown, and the digits of both."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    bunch: Any = load_digits()
    X, y = bunch.data, bunch.target
    seen, unseen = train_test_split(np.arange(len(y)), random_state=0, stratify=y)
    return X[seen], X[unseen], y[seen], y[unseen]


def _raced(
    X: np.ndarray, y: np.ndarray, unseen: np.ndarray, truth: np.ndarray, ours: Any
) -> tuple[Any, list[list[str]]]:
    """scikit-learn's network fitted, and a line of the table for each."""
    from sklearn.neural_network import MLPClassifier as Theirs
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(X)
    theirs = Theirs(early_stopping=True, random_state=0)
    rows: list[list[str]] = []
    contestants: tuple[tuple[str, Any, Any, Any], ...] = (
        ("scikit-learn", theirs, scaler.transform(X), scaler.transform(unseen)),
        ("betahat", ours, X, unseen),
    )
    for name, model, train, test in contestants:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # theirs, that one epoch is not enough
            type(model)(max_iter=1).fit(train, y)  # compiles, loads, touches memory
        start = time.perf_counter()
        model.fit(train, y)
        seconds = time.perf_counter() - start
        rows.append([
            name, f"{100 * model.score(test, truth):.1f} %", f"{model.n_iter_}", milliseconds(seconds),
            milliseconds(seconds / model.n_iter_), getattr(model, "stop_reason_", ""),
        ])  # fmt: skip
    return theirs, rows


def drawn(model: Any, theirs: Any, unseen: np.ndarray, truth: np.ndarray) -> Any:
    """Both trainings, and beside them digits that ours misread, the surest mistakes first."""
    import matplotlib.pyplot as plt

    from betahat.report.plots import TrainingDisplay

    figure = plt.figure(figsize=(12.0, 5.2), layout="constrained")
    left, right = figure.add_gridspec(1, 2, width_ratios=(3, 2))
    TrainingDisplay.from_estimators({"betahat": model, "scikit-learn": theirs}, ax=figure.add_subplot(left))
    probability, answer = model.predict_proba(unseen), model.predict(unseen)
    wrong = np.flatnonzero(answer != truth)
    surest = wrong[np.argsort(-probability[wrong].max(axis=1), kind="stable")][:_SHOWN]
    grid = right.subgridspec(3, 4)
    for place, row in enumerate(surest):
        ax = figure.add_subplot(grid[place // 4, place % 4])
        ax.imshow(unseen[row].reshape(8, 8), cmap="gray_r")
        ax.set(xticks=[], yticks=[])
        ax.set_title(
            f"{truth[row]}, read as {answer[row]}\n({probability[row].max():.0%} sure)", fontsize="small"
        )
    return figure

"""The part of `betahat demo` that sees: digits read by a small convolutional network, and what it looks at."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from betahat.cli.demo_data import milliseconds
from betahat.cli.demo_network import digit_tables
from betahat.cli.demo_picture import keep_picture
from betahat.cli.output import Report
from betahat.cli.tables import print_table

PICTURE = "betahat-demo-images.png"
_SHOWN = 6  # images in a row


def images(report: Report) -> None:
    """The digits of the part before, with their neighbours: two convolutions against a dense network."""
    from sklearn.base import clone

    from betahat.estimators.mlp_classifier import MLPClassifier

    X, unseen, y, truth = digit_images()
    report.out.print(
        "The same digits, now as images: a filter of 3 × 3 weights is laid over every place of a scan, so that what\n"
        f"is learnt in one place holds in all. Judged by the same {len(truth)} digits that were never shown:"
    )
    rows: list[list[str]] = []
    seeing = network()
    for name, model, train, test in (
        (
            "100 hidden units",
            MLPClassifier(max_iter=seeing.max_iter, random_state=0),
            _flat(X),
            _flat(unseen),
        ),
        ("two convolutions", seeing, X, unseen),
    ):
        warm: Any = clone(model)
        warm.set_params(max_iter=1).fit(train, y)  # compiles, touches memory
        start = time.perf_counter()
        model.fit(train, y)
        seconds = time.perf_counter() - start
        wrong = int((model.predict(test) != truth).sum())
        rows.append([
            name, f"{model.network_.parameter_count:,}", f"{100 * model.score(test, truth):.1f} %", f"{wrong}",
            f"{model.n_iter_}", milliseconds(seconds),
        ])  # fmt: skip
    report.hear()
    print_table(report, ["", "parameters", "read rightly", "misread", "epochs", "time"], rows)
    keep_picture(
        report, PICTURE, "filters, what they find, where it looks, and what it misread",
        lambda: drawn(seeing, unseen, truth),
    )  # fmt: skip


def network() -> Any:
    """Two convolutions, a pooling, and a dense layer of ten scores."""
    from betahat.estimators.network_classifier import NetworkClassifier
    from betahat.layers import Conv2d, Dense, Flatten, MaxPool2d, ReLU

    layers = [
        Conv2d(16, 3, padding="same"), ReLU(), Conv2d(32, 3, padding="same"), ReLU(), MaxPool2d(2), Flatten(),
        Dense(10),
    ]  # fmt: skip
    return NetworkClassifier(layers, max_iter=20, random_state=0)


def digit_images() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Images (n, 8, 8, 1) to train with, images never shown, and the digits of both."""
    X, unseen, y, truth = digit_tables()
    return X.reshape(-1, 8, 8, 1), unseen.reshape(-1, 8, 8, 1), y, truth


def _flat(X: np.ndarray) -> np.ndarray:
    return X.reshape(len(X), -1)


def drawn(model: Any, unseen: np.ndarray, truth: np.ndarray) -> Any:
    """What the network has learnt, and what it does with digits that it has not seen."""
    import matplotlib.pyplot as plt

    from betahat.report.plots import FeatureMapsDisplay, FiltersDisplay, GradCamDisplay, MistakesDisplay

    figure = plt.figure(figsize=(14.0, 8.2), layout="constrained")
    axes = figure.subplots(2, 2, width_ratios=(4, 5), height_ratios=(3, 4))
    FiltersDisplay.from_estimator(model, ax=axes[0, 0])
    GradCamDisplay.from_estimator(model, unseen[:_SHOWN], ax=axes[0, 1], cmap="gray_r")
    MistakesDisplay.from_estimator(model, unseen, truth, ax=axes[1, 0], cmap="gray_r")
    FeatureMapsDisplay.from_estimator(model, unseen[:1], ax=axes[1, 1], cmap="gray_r")
    return figure

"""The pictures of docs/convolution.md, drawn by each build (docs/hooks.py) from a real network."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import betahat as bh
from betahat.layers import Conv2d, Dense, Flatten, MaxPool2d, ReLU
from betahat.layers.functional import conv2d
from betahat.report.plots import style

_SIDE, _FILTER = 6, 3


@cache
def digits() -> Any:
    """Images to train with, images never shown, and the digits of both."""
    found: Any = load_digits()
    return train_test_split(found.images[..., None], found.target, stratify=found.target, random_state=0)


@cache
def network() -> Any:
    """Two convolutions, a pooling and a dense layer that read digits."""
    X, _, y, _ = digits()
    layers = [
        Conv2d(16, 3, padding="same"), ReLU(), Conv2d(32, 3, padding="same"), ReLU(), MaxPool2d(2), Flatten(),
        Dense(10),
    ]  # fmt: skip
    return bh.NetworkClassifier(layers, max_iter=20, random_state=0).fit(X, y)


def matrix() -> Any:
    """T of f = T x for an image of 6 × 6: all weights its own, and a filter of 3 × 3."""
    rng = np.random.default_rng(4)
    W = rng.normal(size=(_FILTER, _FILTER, 1, 1))
    pixels, places = _SIDE**2, (_SIDE - _FILTER + 1) ** 2
    T = conv2d(np.eye(pixels).reshape(pixels, _SIDE, _SIDE, 1), W).reshape(pixels, places).T
    figure, axes = plt.subplots(2, 1, figsize=(6.4, 6.2), layout="constrained", sharex=True)
    for ax, values, title in (
        (axes[0], rng.normal(size=T.shape), f"dense: {T.size} weights"),
        (axes[1], T, f"convolution, 3 × 3: {W.size} weights, {np.count_nonzero(T)} times"),
    ):
        largest = np.abs(values).max()
        ax.imshow(values, cmap=style.diverging(ax), vmin=-largest, vmax=largest)
        ax.set_title(title, loc="left", fontsize="medium")
        ax.set(xticks=[], yticks=[], ylabel=f"{places} places")
        style.edge(ax)
    axes[1].set_xlabel(f"{pixels} pixels, row by row")
    return figure


def maps() -> Any:
    """A digit on its way."""
    return bh.plots.FeatureMapsDisplay.from_estimator(network(), digits()[1][:1]).figure_


def cam() -> Any:
    """Saliency would be a row more; the map says it better."""
    return bh.plots.GradCamDisplay.from_estimator(network(), digits()[1][:8]).figure_


def changes() -> Any:
    """Digits as they are, and as training sees them."""
    asked = bh.data.Augmentation(shift=1, rotate=15, scale=0.1)
    return bh.plots.AugmentationDisplay.from_augmentation(asked, digits()[1][:3]).figure_


def mistakes() -> Any:
    """What was misread, and for what."""
    _, unseen, _, truth = digits()
    figure = plt.figure(figsize=(10.4, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    bh.plots.MistakesDisplay.from_estimator(network(), unseen, truth, ax=left, most=8)
    bh.plots.ConfusionMatrixDisplay.from_estimator(
        network(), unseen, truth, ax=right, shares=False, colorbar=False
    )
    return figure


PICTURES: dict[str, Callable[[], Any]] = {
    "convolution-matrix": matrix,
    "convolution-maps": maps,
    "convolution-cam": cam,
    "convolution-mistakes": mistakes,
    "convolution-changes": changes,
}

"""What pictures of networks for images have in common: images as matplotlib takes them, and what is read of fits."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from betahat.data.image_folder import ImageFolder
from betahat.report.inside import Inside
from betahat.report.plots import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@runtime_checkable
class Opened(Protocol):
    """A trained network that can be laid open for rows."""

    def inside(self, X: Any) -> Inside: ...


def opened(estimator: Any, X: Any, most: int | None = None) -> Inside:
    """The network laid open. most : rows that are few enough to be drawn; None for any.

    Raises TypeError where the estimator is no network, ValueError where there are more rows.
    """
    if not isinstance(estimator, Opened):
        raise TypeError(
            f"estimator (={estimator!r}) has no inside(X); expected a fitted network, such as bh.NetworkClassifier"
        )
    if most is not None and isinstance(X, ImageFolder):
        several(X, most)  # before they are decoded
    inside = estimator.inside(X)
    if most is not None:
        several(inside.given, most)
    return inside


def truth_of(X: Any, y: Any, predicted: np.ndarray) -> np.ndarray:
    """The labels y (n,); None for those that a folder of images brings.

    Raises ValueError where there are none, or they are text and the answers numbers, or the other way round.
    """
    if y is None and isinstance(X, ImageFolder):
        y = X.y
    if y is None:
        raise ValueError("y is None; the labels of X are expected, (n,)")
    truth = np.asarray(y)
    text = [isinstance(each.item(0), str) for each in (truth, predicted) if each.size]
    if len(set(text)) > 1:
        raise ValueError(
            f"y holds labels such as {truth.item(0)!r}, and the estimator answers {predicted.item(0)!r}: give y as it "
            "was fitted to"
        )
    return truth


def several(X: Any, most: int) -> None:
    """ValueError where there is no image, or more than one picture can show."""
    n = len(X)
    if not 1 <= n <= most:
        wanted = "one image, (1, …)" if most == 1 else f"1 to {most} images"
        raise ValueError(f"X has {n} rows; expected {wanted}, such as X[:{most}]")


def as_shown(image: np.ndarray) -> np.ndarray:
    """(height, width) from 0 to 1, or (height, width, 3): one channel, or the mean of two or more than three, as grey;
    three as red, green and blue. Whole bytes, and numbers from 0 to 1, keep their meaning in colour images; others are
    stretched from the least to the greatest.

    >>> as_shown(np.array([[[2.0], [6.0]]]))
    array([[0., 1.]])
    """
    colour = image.shape[-1] == 3
    x = np.asarray(image, np.float64)
    x = x if colour else x.mean(axis=-1)
    if colour and image.dtype == np.uint8:
        return x / 255.0
    low, high = float(x.min()), float(x.max())
    if colour and low >= 0.0 and high <= 1.0:
        return x
    return (x - low) / ((high - low) or 1.0)


def draw_image(ax: Axes, image: np.ndarray, cmap: str = "gray", **look: Any) -> Any:
    """An image (height, width, channels) over its places, the middle of the first at 0, with an edge."""
    style.edge(ax)
    look = {"cmap": cmap, "vmin": 0.0, "vmax": 1.0, "interpolation": "nearest"} | look
    return ax.imshow(as_shown(image), **look)


def wrapped(text: Any, letters: int, lines: int = 2) -> str:
    """Over several lines, words broken where they must be, and cut where that is not enough.

    >>> wrapped("a long name of a class", 8)
    'a long\\nname of…'
    """
    found = textwrap.wrap(str(text), max(letters, 4))
    if len(found) <= lines:
        return "\n".join(found)
    last = found[lines - 1]
    return "\n".join([*found[: lines - 1], f"{last[: max(letters, 4) - 1].rstrip()}…"])


LETTER = 0.082
"""Inches that a small letter takes, with room to spare."""


def share(p: float) -> str:
    """A probability as people read it: never 100 % where something is left.

    >>> share(0.5), share(0.9996), share(0.0004)
    ('50 %', '>99 %', '<1 %')
    """
    if p > 0.995:
        return "100 %" if p == 1.0 else ">99 %"
    if p < 0.005:
        return "0 %" if p == 0.0 else "<1 %"
    return f"{100 * p:.0f} %"


def answers(estimator: Any, X: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """What it predicts, and for a classifier of one label a row the probability of it (n,)."""
    predicted = np.asarray(estimator.predict(X))
    if not hasattr(estimator, "classes_") or predicted.ndim != 1:
        return predicted, None
    return predicted, np.asarray(estimator.predict_proba(X)).max(axis=1)

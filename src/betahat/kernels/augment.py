"""Images changed by tables of numbers, a row an image, in plain NumPy: what `betahat.kernels.network.augment` must
equal."""

from __future__ import annotations

import numpy as np

Y_DOWN, Y_ACROSS, Y_START, X_DOWN, X_ACROSS, X_START = range(6)
"""Where the pixel in line i and column j comes from: line Y_DOWN · i + Y_ACROSS · j + Y_START, and the column alike."""
FACTOR = 6
"""What pixels are multiplied by."""
TOP, BOTTOM, LEFT, RIGHT = range(7, 11)
"""What is cut out: lines TOP ≤ i < BOTTOM of columns LEFT ≤ j < RIGHT."""
NUMBERS = 11
STILL, WHOLE, BILINEAR = range(3)
"""How pixels move: not at all, by whole pixels, or to between them."""


def augmented(images: np.ndarray, table: np.ndarray, fill: float) -> np.ndarray:
    """Images (n, height, width, channels), each as its row of the table (n, NUMBERS) has it, in float64.

    A pixel is the bilinear mean of the four around the place it comes from; all beyond the image is `fill`, as what is
    cut out. Whole pixels come as they are.

    >>> line = np.array([1.0, 2.0, 3.0]).reshape(1, 1, 3, 1)
    >>> half_a_pixel = np.array([[1, 0, 0, 0, 1, -0.5, 1, 0, 0, 0, 0]])
    >>> augmented(line, half_a_pixel, 0.0).ravel()
    array([0.5, 1.5, 2.5])
    """
    n, height, width, _ = images.shape
    around = ((0, 0), (1, 2), (1, 2), (0, 0))
    framed = np.pad(images * table[:, FACTOR, None, None, None], around, constant_values=fill)
    number = [column[:, None, None] for column in table.T]
    i, j = np.arange(height)[:, None], np.arange(width)
    y = np.clip(number[Y_DOWN] * i + number[Y_START] + 1.0 + number[Y_ACROSS] * j, 0.0, height + 1.0)
    x = np.clip(number[X_DOWN] * i + number[X_START] + 1.0 + number[X_ACROSS] * j, 0.0, width + 1.0)
    line, column, which = y.astype(np.intp), x.astype(np.intp), np.arange(n)[:, None, None]
    down, across = (y - line)[..., None], (x - column)[..., None]
    upper, lower = (
        framed[which, line + k, column] * (1.0 - across) + framed[which, line + k, column + 1] * across
        for k in (0, 1)
    )
    found = upper * (1.0 - down) + lower * down
    inside = (i >= number[TOP]) & (i < number[BOTTOM]) & (j >= number[LEFT]) & (j < number[RIGHT])
    found[inside] = fill
    return found


def mixed(images: np.ndarray, share: float, roll: int) -> np.ndarray:
    """share · image i + (1 − share) · image i + roll of the batch, from the last on to the first."""
    return share * images + (1.0 - share) * np.roll(images, -roll, axis=0)

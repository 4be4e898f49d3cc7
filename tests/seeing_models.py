"""Small trained networks for images, for the tests of what they see."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

import betahat as bh
from betahat.layers import (
    BatchNorm,
    Conv2d,
    Dense,
    Dropout,
    Flatten,
    GlobalAvgPool,
    Image,
    MaxPool2d,
    ReLU,
    Residual,
    Sequential,
    Tanh,
)

N = 40
NAMES = np.array(["a short one", "a class with quite a long name indeed", "z"])


def rows(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Positive images with a bright corner in some of them."""
    X = np.random.default_rng(seed).uniform(0, 4, (N, *shape))
    X[::3] += np.linspace(0, 3, X[0].size).reshape(shape)
    return X


STACKS: dict[str, tuple[tuple[int, ...], list[Any], int]] = {
    "grey": ((7, 6, 1), [Conv2d(4, 3), Tanh(), Flatten(), Dense(3)], 3),
    "colour": (
        (8, 8, 3),
        [Sequential(Conv2d(4, 3, padding="same"), BatchNorm(), Tanh()), MaxPool2d(2),
         Residual(Conv2d(6, 3, padding="same"), Tanh(), projection="auto"), Dropout(0.2), GlobalAvgPool(), Dense(3)],
        3,
    ),
    "flat": ((36,), [Image(6, 6), Conv2d(3, 3), ReLU(), Conv2d(2, 2), Tanh(), Flatten(), Dense(1)], 2),
    "first": ((2, 6, 5), [Image(6, 5, 2, order="NCHW"), Conv2d(3, 3), Tanh(), Flatten(), Dense(3)], 3),
}  # fmt: skip


@cache
def model(name: str) -> Any:
    """Of a stack, in double precision."""
    shape, layers, classes = STACKS[name]
    y = NAMES[np.arange(N) % 3] if classes == 3 else np.arange(N) % 3 == 0
    return bh.NetworkClassifier(layers, max_iter=4, random_state=0, dtype="float64").fit(rows(shape), y)


@cache
def regressor() -> Any:
    """Two targets of grey images."""
    shape, layers, _ = STACKS["grey"]
    X = rows(shape)
    y = np.column_stack([X.mean(axis=(1, 2, 3)), X[:, 0, 0, 0]])
    return bh.NetworkRegressor([*layers[:-1], Dense(2)], max_iter=4, random_state=0, dtype="float64").fit(
        X, y
    )

"""Small perceptrons and the rows they are tried on."""

from __future__ import annotations

from typing import Any

import numpy as np

import betahat as bh

_RNG = np.random.default_rng(3)
X = _RNG.normal(size=(240, 4))
Y = (X[:, 0] * X[:, 1] > 0).astype(int)
R = X[:, 0] + X[:, 1] ** 2


def same(a: Any, b: Any) -> bool:
    """Whether their parameters are equal to the bit."""
    return all(
        np.array_equal(p, q) for p, q in zip(a.parameters_.values(), b.parameters_.values(), strict=True)
    )


def classifier(**parameters: Any) -> bh.MLPClassifier:
    return bh.MLPClassifier(**{"hidden_layer_sizes": (8,), "random_state": 0, "max_iter": 6, **parameters})


def regressor(**parameters: Any) -> bh.MLPRegressor:
    return bh.MLPRegressor(**{"hidden_layer_sizes": (8,), "random_state": 0, "max_iter": 6, **parameters})

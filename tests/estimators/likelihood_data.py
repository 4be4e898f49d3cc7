"""Sixty rows with a label, a count and an amount each."""

from __future__ import annotations

import numpy as np

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
LABELS = (RNG.random(60) < 1 / (1 + np.exp(-X[:, 0]))).astype(int)
COUNTS = RNG.poisson(np.exp(0.5 * X[:, 1] + 0.5)).astype(float)
POSITIVE = RNG.gamma(2.0, np.exp(0.5 * X[:, 1]))


def put(values, value):
    """One value changed: of row 7, and of the second column."""
    changed = np.array(values, float)
    changed[(7, 1) if changed.ndim == 2 else 7] = value
    return changed

"""Standard errors when the textbook's assumptions fail: unequal variances, clusters, time series.

Each time, 200 samples are drawn from a model whose slope is 1. What is printed is the share of 95 % intervals that
contain it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import betahat as bh

Sample = tuple[np.ndarray, np.ndarray, Any]


def unequal(rng: np.random.Generator) -> Sample:
    """The spread grows with the distance from the mean."""
    x = rng.normal(size=150)
    return x, x + x**2 * rng.normal(size=150), None


def clusters(rng: np.random.Generator) -> Sample:
    """40 schools of 10 pupils; a school has its own x and its own luck."""
    school = np.repeat(np.arange(40), 10)
    x = rng.normal(size=40)[school]
    return x, x + rng.normal(size=40)[school] + rng.normal(size=400), school


def series(rng: np.random.Generator) -> Sample:
    """Both x and the errors remember nine tenths of the day before."""
    x, errors = np.zeros(500), np.zeros(500)
    for day in range(1, 500):
        x[day], errors[day] = 0.9 * np.array([x[day - 1], errors[day - 1]]) + rng.normal(size=2)
    return x, x + errors, None


def coverage(draw: Callable[[np.random.Generator], Sample], **parameters: Any) -> float:
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(200):
        x, y, groups = draw(rng)
        clustered = parameters.get("cov_type") == "cluster"
        model = bh.LinearRegression(**parameters).fit(x[:, None], y, groups=groups if clustered else None)
        low, high = model.inference_.conf_int()[1]
        hits += low <= 1 <= high
    return hits / 200


for draw, parameters in (
    (unequal, {"cov_type": "HC3"}),
    (clusters, {"cov_type": "cluster"}),
    (series, {"cov_type": "HAC", "maxlags": 30}),
):
    plain, robust = coverage(draw), coverage(draw, **parameters)
    print(f"{draw.__name__:10} nonrobust {plain:4.0%}   {parameters['cov_type']} {robust:4.0%}")

"""Models that would ignore an offset refuse it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import betahat as bh
from betahat.data import ArraySource, query

X, Y = np.arange(12.0).reshape(-1, 1), np.arange(12.0) ** 2
SOURCES = {
    "memory": lambda: ArraySource(X, Y, offset=np.ones(12)),
    "file": lambda: query(
        "SELECT i AS x, 2.0 * i AS y, 1.0 AS z FROM range(9) AS t(i)", target="y", offset="z"
    ),
    "formula": lambda: query(
        "SELECT i AS x, 2.0 * i AS y, 1.0 AS z FROM range(9) AS t(i)", formula="y ~ x + offset(z)"
    ),
}
MODELS = {
    "line": bh.LinearRegression(),
    "ridge": bh.Ridge(),
    "polynomial": bh.PolynomialRegression(2),
    "curve": bh.NonlinearRegression(lambda X, b: b[0] * X[:, 0], start=[1.0]),
}


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("model", MODELS)
def test_sources_with_offsets_are_refused(model, kind):
    source = SOURCES[kind]()
    if model == "polynomial" and kind != "memory":
        pytest.skip("takes rows in memory only")
    with pytest.raises(ValueError, match="offset"):
        MODELS[model].fit(source)


def test_a_formula_with_an_offset_is_refused():
    data = pd.DataFrame({"y": Y, "x": X[:, 0], "z": 1.0})
    with pytest.raises(ValueError, match=r"I\(y - offset\) ~ x"):
        bh.fit("y ~ x + offset(z)", data)

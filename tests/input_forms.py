"""Models, sizes and tables that the tests of inputs share."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from betahat import LinearRegression, PolynomialRegression, Ridge
from betahat.kernels.gram import COMPILED_FROM

SIZES = {"numpy": 60, "compiled": 44_000}  # × 3 columns: both sides of COMPILED_FROM
assert 3 * SIZES["numpy"] < COMPILED_FROM < 3 * SIZES["compiled"]
MODELS = {
    "ols": LinearRegression, "origin": lambda: LinearRegression(fit_intercept=False), "ridge": Ridge,
    "polynomial": lambda: PolynomialRegression(1),
}  # fmt: skip
models = pytest.mark.parametrize("model", MODELS)
sizes = pytest.mark.parametrize("size", SIZES)


def sample(size):
    """Whole numbers that every type holds, 0 or 1 in the last column."""
    n = SIZES[size]
    rng = np.random.default_rng(n)
    X = np.column_stack([rng.integers(0, 100, (n, 2)), rng.integers(0, 2, n)]).astype(np.float64)
    return X, X @ [1.0, -2.0, 3.0] + rng.integers(-20, 21, n)


def frame_of(X, kind):
    columns = {"a": X[:, 0], "b": X[:, 1], "c": X[:, 2]}
    return {"pandas": pd.DataFrame, "polars": pl.DataFrame, "lazy": pl.LazyFrame, "arrow": pa.table}[kind](
        columns
    )


def put(values, value, row=7, column=1):
    values = np.array(values, np.float64)
    values[(row, column) if values.ndim == 2 else row] = value
    return values

"""Constant targets and numbers at the ends of double precision."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from input_forms import MODELS, models, sample, sizes

import betahat as bh
from betahat import (
    CollinearityWarning,
    DataError,
    InferenceError,
    LinearRegression,
)


@models
@sizes
@pytest.mark.parametrize("value", [0.0, 1.0, -3.5, 1e8, 0.1])
def test_constant_y(value, size, model):
    X, _ = sample(size)
    fitted = MODELS[model]().fit(X, np.full(len(X), value))
    if model == "origin" and value:
        assert fitted.certificate_.converged
        return
    np.testing.assert_allclose(fitted.coef_, 0, atol=1e-15 * abs(value))
    np.testing.assert_allclose(fitted.intercept_, value if model != "origin" else 0, rtol=1e-15)
    if model != "ridge":
        assert np.isnan(fitted.inference_.r_squared)
        assert "constant" in fitted.inference_.message
    assert fitted.certificate_.converged


@sizes
@pytest.mark.parametrize("model", ["ols", "origin", "polynomial"])
@pytest.mark.parametrize("x_power", [-996, -664, -300, 0, 300, 664, 996])
@pytest.mark.parametrize("y_power", [-996, -664, 0, 664, 996])
def test_units_at_the_ends_of_double_precision(x_power, y_power, size, model):
    """Powers of two near 1e±300: the same digits, or a refusal; standard errors may be refused, never wrong."""
    X, y = sample(size)
    X[:, :2] += 1  # nothing is zero
    x_unit, y_unit = 2.0**x_power, 2.0**y_power
    one = MODELS[model]().fit(X, y)
    if model == "polynomial" and max(abs(x_power), abs(y_power)) > 600:
        with pytest.raises(DataError, match=r"'(x1|y)' holds numbers as large as .*rescale"):
            MODELS[model]().fit(X * x_unit, y * y_unit)
        return
    if abs(y_power - x_power) > 1000:
        with pytest.raises(DataError, match="range of double precision"):
            MODELS[model]().fit(X * x_unit, y * y_unit)
        return
    two = MODELS[model]().fit(X * x_unit, y * y_unit)
    np.testing.assert_allclose(two.coef_ * 2.0 ** (x_power - y_power), one.coef_, rtol=1e-12)
    np.testing.assert_allclose(two.intercept_ / y_unit, one.intercept_, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(two.predict(X[:9] * x_unit) / y_unit, one.predict(X[:9]), rtol=1e-12)
    assert two.certificate_.status == "global minimum"
    if max(abs(x_power), abs(y_power)) > 600:
        with pytest.raises(InferenceError, match="rescale"):
            _ = two.inference_
        return
    units = 2.0 ** (y_power - x_power)
    inference = two.inference_
    np.testing.assert_allclose(inference.std_err[-3:] / units, one.inference_.std_err[-3:], rtol=1e-9)
    np.testing.assert_allclose(inference.r_squared, one.inference_.r_squared, rtol=1e-12)
    np.testing.assert_allclose(inference.p_value, one.inference_.p_value, rtol=1e-7)


@sizes
@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_one_column_at_the_ends_of_double_precision(size, scale):
    X, y = sample(size)
    one = LinearRegression().fit(X, y)
    Z = X.copy()
    Z[:, 1] *= scale
    two = LinearRegression().fit(Z, y)
    np.testing.assert_allclose(two.coef_ * [1, scale, 1], one.coef_, rtol=1e-12)


@pytest.mark.filterwarnings("ignore::betahat.CollinearityWarning")
@pytest.mark.parametrize("power", [-996, -664, 664, 996])
@pytest.mark.parametrize("p", [40, 400])
@pytest.mark.parametrize("model", ["ols", "origin"])
def test_smallest_norm_at_the_ends_of_double_precision(model, p, power):
    """The norm is that of the coefficients in the units of the data, whatever was scaled on the way."""
    X = np.random.default_rng(0).normal(size=(20, p))
    y = X[:, 0].copy()
    one, two = MODELS[model]().fit(X, y), MODELS[model]().fit(X * 2.0**power, y)
    np.testing.assert_allclose(two.coef_ * 2.0**power, one.coef_, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(two.predict(X * 2.0**power), y, rtol=1e-9)


@pytest.mark.parametrize("n", [30, 10])
def test_smallest_norm_without_a_common_unit_is_refused(n):
    """Columns of 1e±200 cannot all be represented in one unit, and the smallest norm depends on the unit."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, 400 if n == 10 else 3))
    X[:, 2] = X[:, 0]
    X[:, ::2] *= 2.0**-700
    X[:, 1::2] *= 2.0**700
    with pytest.raises(DataError, match="rescale the columns"):
        LinearRegression().fit(X, rng.standard_normal(n))


def test_constant_columns_have_no_part_in_the_norm():
    X, y = sample("numpy")
    Z = np.column_stack([X * [2.0**-700, 2.0**700, 1.0], np.full(len(X), 3.0)])
    with pytest.warns(CollinearityWarning, match="'x4' is constant"):
        fitted = LinearRegression().fit(Z, y)
    expected = LinearRegression().fit(X, y)
    np.testing.assert_allclose(fitted.coef_ * [2.0**-700, 2.0**700, 1, 1], [*expected.coef_, 0], rtol=1e-12)


def test_a_file_whose_rows_have_no_weight(tmp_path):
    path = tmp_path / "t.parquet"
    pd.DataFrame({"x": [1.0, 2.0, 3.0], "y": [1.0, 2.0, 4.0], "w": 0.0}).to_parquet(path)
    source = bh.data.query(str(path), target="y", columns=["x"], weights="w")
    with pytest.raises(DataError, match="weights are all zero"):
        LinearRegression().fit(source)


@pytest.mark.parametrize("y_scale", [1e-80, 1e80])
@pytest.mark.parametrize("x_scale", [1e-80, 1e80])
@pytest.mark.parametrize("cov_type", ["HC0", "HC3", "HAC"])
def test_robust_standard_errors_are_refused_where_their_sums_leave_double_precision(
    cov_type: str, x_scale: float, y_scale: float
) -> None:
    rng = np.random.default_rng(1)
    X = rng.normal(size=(50, 3))
    y = X.sum(axis=1) + rng.normal(size=50)
    fitted = LinearRegression(cov_type=cov_type).fit(X * x_scale, y * y_scale)
    assert fitted.certificate_.converged
    with pytest.raises(InferenceError, match="rescale"):
        _ = fitted.inference_
    moderate = LinearRegression(cov_type=cov_type).fit(X * x_scale**0.5, y * y_scale**0.5)
    base = LinearRegression(cov_type=cov_type).fit(X, y).inference_.std_err[1:]
    assert moderate.inference_.std_err[1:] * (x_scale / y_scale) ** 0.5 == pytest.approx(base, rel=1e-10)

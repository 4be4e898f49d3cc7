"""Files of plain numbers are searched for missing values only where sums show that there are any."""

from __future__ import annotations

import numpy as np
import pytest

import betahat as bh
from betahat.errors import DataError, MissingRowsWarning, MissingValueError

pd = pytest.importorskip("pandas")
N = 40_000


def table(holes: list[tuple[int, str, float]]) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.standard_normal(N), "b": rng.standard_normal(N) + 3})
    frame["y"] = 1 + 2 * frame["a"] - frame["b"] + rng.standard_normal(N)
    frame["w"] = rng.uniform(1, 2, N)
    for row, column, value in holes:
        frame.loc[row, column] = value
    return frame


PLACES = {
    "first row": [(0, "a", np.nan)],
    "last row": [(N - 1, "b", np.nan)],
    "target": [(20_000, "y", np.nan)],
    "weight": [(11, "w", np.nan)],
    "whole block": [(row, "a", np.nan) for row in range(4_000, 8_000)],
    "first block": [(row, "b", np.nan) for row in range(4_000)],
    "many": [(row, "a", np.nan) for row in range(0, N, 997)],
}


@pytest.mark.parametrize("cov_type", ["nonrobust", "HC1"])
@pytest.mark.parametrize("block_rows", [4_000, None])
@pytest.mark.parametrize("place", PLACES)
def test_rows_with_nan_are_dropped(tmp_path, place, block_rows, cov_type):
    frame = table(PLACES[place])
    path = tmp_path / "t.parquet"
    frame.to_parquet(path)
    weights = "w" if place == "weight" else None
    columns = ["a", "b"]
    source = bh.data.query(str(path), target="y", columns=columns, weights=weights, block_rows=block_rows)
    used = ["a", "b", "y", *([weights] if weights else [])]
    kept = frame.dropna(subset=used)
    with pytest.warns(MissingRowsWarning, match=f"{N - len(kept):,} of {N:,} rows") as caught:
        fitted = bh.LinearRegression(cov_type=cov_type).fit(source)
    assert len(caught) == 1
    weight = kept["w"].to_numpy() if weights else None
    expected = bh.LinearRegression(cov_type=cov_type).fit(
        kept[columns].to_numpy(), kept["y"].to_numpy(), sample_weight=weight
    )
    np.testing.assert_allclose(fitted.coef_, expected.coef_, rtol=1e-12)
    np.testing.assert_allclose(fitted.inference_.std_err, expected.inference_.std_err, rtol=1e-10)
    assert source.n_rows == len(kept)
    assert [len(block.X) for block in source.blocks()]
    assert source.n_rows == len(kept)
    assert all(np.isfinite(np.asarray(block.X)).all() for block in source.blocks())


@pytest.mark.parametrize("place", PLACES)
def test_refused(tmp_path, place):
    path = tmp_path / "t.parquet"
    table(PLACES[place]).to_parquet(path)
    source = bh.data.query(str(path), target="y", weights="w", missing="error", block_rows=4_000)
    with pytest.raises(MissingValueError, match=r"'[abyw]'"):
        bh.LinearRegression().fit(source)


@pytest.mark.parametrize("value", [np.inf, -np.inf])
@pytest.mark.parametrize("column", ["a", "b", "y"])
@pytest.mark.parametrize("missing", ["drop", "error", "mean"])
def test_infinity_is_refused(tmp_path, missing, column, value):
    path = tmp_path / "t.parquet"
    table([(30_000, column, value)]).to_parquet(path)
    source = bh.data.query(str(path), target="y", weights="w", missing=missing, block_rows=4_000)
    with pytest.raises(DataError, match=column):
        bh.LinearRegression().fit(source)


def test_means_are_filled_in(tmp_path):
    frame = table([(row, "a", np.nan) for row in range(0, N, 997)])
    path = tmp_path / "t.parquet"
    frame.to_parquet(path)
    source = bh.data.query(str(path), target="y", columns=["a", "b"], missing="mean", block_rows=4_000)
    fitted = bh.LinearRegression().fit(source)
    filled = frame.fillna({"a": frame["a"].mean()})
    expected = bh.LinearRegression().fit(filled[["a", "b"]].to_numpy(), filled["y"].to_numpy())
    np.testing.assert_allclose(fitted.coef_, expected.coef_, rtol=1e-10)
    assert all(np.isfinite(np.asarray(block.X)).all() for block in source.blocks())


def test_sums_that_overflow_are_no_missing_values(tmp_path):
    """1e200 squared is infinite, and yet nothing is missing: the fit is made in other units."""
    frame = table([])
    frame["a"] *= 2.0**700
    path = tmp_path / "t.parquet"
    frame.to_parquet(path)
    fitted = bh.LinearRegression().fit(
        bh.data.query(str(path), target="y", columns=["a", "b"], block_rows=4_000)
    )
    expected = bh.LinearRegression().fit(table([])[["a", "b"]].to_numpy(), frame["y"].to_numpy())
    np.testing.assert_allclose(fitted.coef_ * [2.0**700, 1], expected.coef_, rtol=1e-12)


def test_blocks_are_complete_unless_asked_otherwise(tmp_path):
    path = tmp_path / "t.parquet"
    table(PLACES["many"]).to_parquet(path)
    source = bh.data.query(str(path), target="y", columns=["a", "b"], block_rows=4_000)
    with pytest.warns(MissingRowsWarning):
        rows = sum(len(block.X) for block in source.blocks())
    assert rows == N - len(PLACES["many"])
    assert all(block.search is None for block in source.blocks())
    assert any(block.search is not None for block in source.blocks(unsearched=True))

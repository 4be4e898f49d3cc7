"""bh.fit: formulas over frames, files and SQL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import statsmodels.formula.api as smf

import betahat as bh

N = 200
RNG = np.random.default_rng(3)
DATA = pd.DataFrame({
    "x": RNG.normal(size=N),
    "z": RNG.uniform(1, 5, N),
    "kind": RNG.choice(["a", "b", "c"], N),
    "g": RNG.integers(0, 20, N),
    "w": RNG.uniform(0.5, 2, N),
    "f": RNG.integers(1, 4, N),
})  # fmt: skip
DATA["y"] = 1 + 2 * DATA.x - DATA.z + (DATA.kind == "b") + RNG.normal(size=N)


def as_given(kind: str, folder: Path) -> Any:
    match kind:
        case "pandas":
            return DATA
        case "polars":
            return pl.from_pandas(DATA)
        case "lazy":
            return pl.from_pandas(DATA).lazy()
        case "pyarrow":
            return pa.Table.from_pandas(DATA, preserve_index=False)
        case "csv":
            DATA.to_csv(folder / "data.csv", index=False)
            return folder / "data.csv"
        case "parquet":
            DATA.to_parquet(folder / "data.parquet")
            return str(folder / "data.parquet")
    DATA.to_parquet(folder / "data.parquet")
    return f"SELECT * FROM '{folder / 'data.parquet'}'"


KINDS = ["pandas", "polars", "lazy", "pyarrow", "csv", "parquet", "sql"]
FORMULAS = ["y ~ x + z", "y ~ x + C(kind)", "y ~ x * kind", "y ~ np.log(z) + x - 1", "y ~ kind + 0", "y ~ 1"]


@pytest.mark.parametrize("cov_type", ["nonrobust", "HC3"])
@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("kind", KINDS)
def test_agrees_with_statsmodels(tmp_path: Path, kind: str, formula: str, cov_type: str) -> None:
    model = bh.fit(formula, as_given(kind, tmp_path), cov_type=cov_type)
    peer = smf.ols(formula, DATA).fit(cov_type=cov_type, use_t=True)
    names = [name.replace("[T.", "[") for name in model.inference_.names]
    assert names == [name.replace("[T.", "[") for name in peer.params.index] or set(names) == {
        name.replace("[T.", "[") for name in peer.params.index
    }
    order = [[name.replace("[T.", "[") for name in peer.params.index].index(name) for name in names]
    np.testing.assert_allclose(model.inference_.estimate, peer.params.to_numpy()[order], rtol=1e-9)
    np.testing.assert_allclose(model.inference_.std_err, peer.bse.to_numpy()[order], rtol=1e-8)
    np.testing.assert_allclose(model.predict(DATA.head(5)), peer.predict(DATA.head(5)), rtol=1e-9)
    assert model.certificate_.status == "global minimum"
    assert model.fit_intercept == ("Intercept" in names)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_and_groups_by_name(tmp_path: Path, kind: str) -> None:
    data = as_given(kind, tmp_path)
    weighted = bh.fit("y ~ x + z", data, sample_weight="w")
    peer = smf.wls("y ~ x + z", DATA, weights=DATA.w).fit()
    np.testing.assert_allclose(weighted.inference_.std_err, peer.bse, rtol=1e-9)
    repeated = DATA.loc[DATA.index.repeat(DATA.f)]
    counted = bh.fit("y ~ x + z", data, frequency_weight="f")
    np.testing.assert_allclose(
        counted.inference_.std_err, smf.ols("y ~ x + z", repeated).fit().bse, rtol=1e-9
    )
    clustered = bh.fit("y ~ x + z", data, groups="g", cov_type="cluster")
    options = {"groups": DATA.g}
    peer = smf.ols("y ~ x + z", DATA).fit(cov_type="cluster", cov_kwds=options, use_t=True)
    np.testing.assert_allclose(clustered.inference_.std_err, peer.bse, rtol=1e-8)


def test_weights_and_groups_as_arrays() -> None:
    named = bh.fit("y ~ x", DATA, sample_weight="w", groups=["g", "kind"], cov_type="cluster")
    given = bh.fit(
        "y ~ x", DATA, sample_weight=DATA.w.to_numpy(), groups=DATA[["g", "kind"]], cov_type="cluster"
    )
    np.testing.assert_array_equal(named.inference_.std_err, given.inference_.std_err)


def test_a_dot_leaves_weights_out() -> None:
    model = bh.fit("y ~ .", DATA, sample_weight="w", frequency_weight="f", groups="g")
    assert model.inference_.names == ("Intercept", "x", "z", "kind[b]", "kind[c]")


@pytest.mark.parametrize("kind", ["pandas", "polars", "csv"])
def test_several_targets(tmp_path: Path, kind: str) -> None:
    model = bh.fit("y + z ~ x", as_given(kind, tmp_path))
    assert model.coef_.shape == (2, 1)
    single = [bh.fit(f"{target} ~ x", DATA).coef_[0] for target in ("y", "z")]
    np.testing.assert_allclose(model.coef_[:, 0], single, rtol=1e-12)
    assert model.predict(DATA).shape == (N, 2)


@pytest.mark.parametrize("formula", ["y ~ x", "y ~ 1"])
def test_a_level_that_the_first_rows_do_not_show(formula: str) -> None:
    """The slope is exact from the first block on, so that the intercept alone has to be corrected."""
    rows = "SELECT i, CASE WHEN i % 2 = 0 THEN 1.0 ELSE -1.0 END AS x FROM range(400000) AS t(i)"
    model = bh.fit(formula, f"SELECT x, 3 * x + CASE WHEN i < 300000 THEN 5 ELSE 9 END AS y FROM ({rows})")
    assert model.coef_.tolist() == [3.0][: len(model.coef_)]
    assert model.intercept_ == 6.0
    assert model.certificate_.converged


@pytest.mark.parametrize("n", [1, 2, 3])
def test_clusters_of_few_rows_are_named_too(n: int) -> None:
    model = bh.fit("y ~ 1", DATA[:n], cov_type="cluster", groups="g")
    assert np.isnan(model.inference_.std_err).all() == (n == 1)
    assert "cluster" in str(model.summary())


def test_alpha_is_that_of_linear_regression() -> None:
    model = bh.fit("y ~ x + z", DATA, alpha=0.3)
    same = bh.LinearRegression(0.3).fit(DATA[["x", "z"]], DATA["y"])
    np.testing.assert_allclose(model.coef_, same.coef_, rtol=1e-14)


@pytest.mark.parametrize("kind", ["pandas", "csv"])
def test_incomplete_rows_are_left_out_and_told(tmp_path: Path, kind: str) -> None:
    holes = DATA.assign(x=DATA.x.where(DATA.index % 10 > 0))
    if kind == "csv":
        holes.to_csv(tmp_path / "holes.csv", index=False)
    data: Any = holes if kind == "pandas" else tmp_path / "holes.csv"
    with pytest.warns(bh.MissingRowsWarning, match="20 of 200"):
        model = bh.fit("y ~ x", data)
    np.testing.assert_allclose(model.coef_, smf.ols("y ~ x", holes.dropna()).fit().params["x"], rtol=1e-12)
    assert model.missing == "drop"
    with pytest.raises(bh.MissingValueError):
        bh.fit("y ~ x", data, missing="error")
    filled = bh.fit("y ~ x", data, missing="mean")
    assert np.isfinite(filled.predict(pd.DataFrame({"x": [np.nan]}))).all()


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (("y ~ x", DATA, {"model": "logstic"}), ValueError, "model"),
        (("y ~ x", DATA, {"colinear": "drop"}), TypeError, "did you mean 'collinear'"),
        (("y ~ x", DATA, {"fit_intercept": False}), TypeError, "fit_intercept"),
        (("y ~ x", DATA, {"cov_type": "HC9"}), ValueError, "cov_type"),
        (("y ~ x", DATA, {"alpha": -1}), ValueError, "alpha"),
        (("y ~ x", DATA, {"missing": "skip"}), ValueError, "missing"),
        (("y ~ x", DATA, {"sample_weight": "nope"}), ValueError, "nope"),
        ((3, DATA, {}), TypeError, "formula"),
        (("y ~ nope", DATA, {}), bh.FormulaError, "nope"),
        (("y ~ x", [1, 2], {}), TypeError, "data"),
        (("y ~ x", "nowhere.csv", {}), bh.DataError, "nowhere.csv"),
        (("y ~ x", "SELECT 1 AS x, 2 AS y", {"sample_weight": np.ones(1)}), TypeError, "name of the column"),
        (("y ~ x", "SELECT 1 AS x, 2 AS y", {"groups": [1, 2]}), TypeError, "groups"),
        (("y ~ x", "SELECT 1 AS x, 2 AS y", {"frequency_weight": 3}), TypeError, "frequency_weight"),
    ],
)
def test_wrong_arguments_are_named(arguments: Any, error: type[Exception], words: str) -> None:
    formula, data, options = arguments
    with pytest.raises(error, match=words):
        bh.fit(formula, data, **options)


@pytest.fixture(scope="module")
def firms(tmp_path_factory):
    rng = np.random.default_rng(5)
    n = 400
    frame = pd.DataFrame({"x": rng.standard_normal(n), "firm": rng.integers(0, 6, n).astype(str)})
    frame["size"] = rng.uniform(1, 2, n)
    frame["y"] = frame["x"] + frame["firm"].astype(int) + frame["size"] + rng.standard_normal(n)
    path = tmp_path_factory.mktemp("firms") / "firms.parquet"
    frame.to_parquet(path)
    return frame, str(path)


@pytest.mark.parametrize("file", [False, True])
def test_a_column_may_be_cluster_or_weight_and_in_the_formula(firms, file):
    frame, path = firms
    data = path if file else frame
    ours = bh.fit("y ~ x + C(firm)", data, groups="firm", cov_type="cluster")
    codes = frame["firm"].astype(int)
    theirs = smf.ols("y ~ x + C(firm)", frame).fit(cov_type="cluster", cov_kwds={"groups": codes})
    place = list(ours.inference_.names).index("x")
    np.testing.assert_allclose(ours.inference_.std_err[place], theirs.bse["x"], rtol=1e-10)
    ours = bh.fit("y ~ x + size", data, sample_weight="size")
    theirs = smf.wls("y ~ x + size", frame, weights=frame["size"]).fit()
    np.testing.assert_allclose(ours.inference_.std_err, theirs.bse[["Intercept", "x", "size"]], rtol=1e-10)


@pytest.mark.parametrize("file", [False, True])
def test_a_dot_leaves_weights_and_clusters_out(firms, file):
    frame, path = firms
    data = path if file else frame
    assert bh.fit("y ~ .", data, sample_weight="size").inference_.names[:2] == ("Intercept", "x")
    assert "size" not in bh.fit("y ~ .", data, sample_weight="size").inference_.names
    fitted = bh.fit("y ~ .", data, groups="firm", cov_type="cluster")
    assert fitted.inference_.names == ("Intercept", "x", "size")
    assert fitted.predict(frame[["x", "size"]]).shape == (len(frame),)

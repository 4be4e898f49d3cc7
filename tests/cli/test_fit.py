"""`betahat fit`: the numbers of the library, from every kind of data, and errors without a traceback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

import betahat as bh

SOURCES = {
    "csv": ["data.csv"],
    "parquet": ["data.parquet"],
    "pattern": ["part-*.parquet"],
    "database": ["data.duckdb", "--table", "rows"],
    "database::table": ["data.duckdb::rows"],
    "sql": ["SELECT * FROM 'data.parquet'"],
}
COLUMNS = ["--target", "y", "--columns", "x,a b,kind"]
FORMULA = ["--formula", "y ~ x + `a b` + kind"]


def estimates(values: dict[str, Any], key: str = "coefficient") -> list[float]:
    return [row[key] for row in values["summary"]["targets"][0]["coefficients"]]


@pytest.mark.parametrize("what", [COLUMNS, FORMULA], ids=["columns", "formula"])
@pytest.mark.parametrize("source", SOURCES)
def test_every_source_gives_the_numbers_of_statsmodels(
    betahat_json: Any, data: pd.DataFrame, source: str, what: list[str]
) -> None:
    values = betahat_json("fit", *SOURCES[source], *what)
    peer = smf.ols("y ~ x + Q('a b') + kind", data).fit()
    names = [row["name"] for row in values["summary"]["targets"][0]["coefficients"]]
    assert names == ["Intercept", "x", "a b", "kind[v]", "kind[w]"]
    order = ["Intercept", "x", "Q('a b')", "kind[T.v]", "kind[T.w]"]
    np.testing.assert_allclose(estimates(values), peer.params[order], rtol=1e-10)
    np.testing.assert_allclose(estimates(values, "std_err"), peer.bse[order], rtol=1e-9)
    assert values["certificate"]["status"] == "global minimum"
    assert values["certificate"]["converged"] is True
    assert values["rows"] == len(data)
    assert values["warnings"] == []


@pytest.mark.parametrize(
    ("options", "python"),
    [
        (["--cov", "HC3"], {"cov_type": "HC3"}),
        (["--cov", "HAC", "--lags", "3"], {"cov_type": "HAC", "maxlags": 3}),
        (["--alpha", "0.5"], {"alpha": 0.5}),
        (["--weights", "w"], {"sample_weight": "w"}),
        (["--frequency", "f"], {"frequency_weight": "f"}),
        (["--cov", "cluster", "--groups", "g"], {"cov_type": "cluster", "groups": "g"}),
        (["--cov", "cluster", "--groups", "g,f"], {"cov_type": "cluster", "groups": ["g", "f"]}),
        (["--collinear", "drop"], {"collinear": "drop"}),
    ],
)
def test_options_mean_what_they_mean_in_python(
    betahat: Any, data: pd.DataFrame, options: list[str], python: dict[str, Any], tmp_path: Path
) -> None:
    done = betahat("fit", "data.parquet", "-f", "y ~ x + kind", *options, "--out", tmp_path / "model")
    assert done.exit_code == 0, done.stderr
    loaded, model = bh.load(tmp_path / "model"), bh.fit("y ~ x + kind", data, **python)
    np.testing.assert_allclose(loaded.coef_, model.coef_, rtol=1e-12)
    assert str(loaded.summary()) in done.stdout
    if not loaded.alpha:
        np.testing.assert_allclose(loaded.inference_.std_err, model.inference_.std_err, rtol=1e-9)
    assert f"saved to {tmp_path / 'model'}" in done.stderr


def test_without_intercept_and_with_several_targets(betahat_json: Any, data: pd.DataFrame) -> None:
    values = betahat_json("fit", "data.csv", "-y", "y,w", "--columns", "x", "--no-intercept")
    expected = [data.x @ data[t] / (data.x @ data.x) for t in ("y", "w")]
    found = [target["coefficients"][0]["coefficient"] for target in values["summary"]["targets"]]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert betahat_json("fit", "data.csv", "-f", "y ~ x - 1")["parameters"]["fit_intercept"] is False


def test_names_with_commas_stand_in_quotes(betahat_json: Any) -> None:
    sql = "SELECT x AS \"x,1\", y FROM 'data.parquet'"
    values = betahat_json("fit", sql, "--target", "y", "--columns", '"x,1"')
    assert [row["name"] for row in values["summary"]["targets"][0]["coefficients"]] == ["Intercept", "x,1"]


def test_what_was_left_out_is_told(betahat: Any, betahat_json: Any) -> None:
    done = betahat("fit", "holes.csv", "-f", "y ~ x")
    assert done.exit_code == 0
    assert "30 of 300 rows are left out" in done.stderr
    assert done.stderr.count("left out") == 1
    assert "left out" not in done.stdout
    values = betahat_json("fit", "holes.csv", "-f", "y ~ x")
    assert values["rows"] == 270
    assert len(values["warnings"]) == 1
    assert "30 of 300" in values["warnings"][0]
    assert betahat_json("fit", "holes.csv", "-f", "y ~ x", "--missing", "mean")["rows"] == 300


def test_collinear_columns_warn(betahat_json: Any) -> None:
    values = betahat_json("fit", "SELECT x, 2 * x AS z, y FROM 'data.parquet'", "-y", "y")
    assert any("'z' is a multiple of 'x'" in text for text in values["warnings"])
    assert estimates(values, "std_err")[1:] == [None, None]


def test_undefined_numbers_are_null(betahat_json: Any) -> None:
    values = betahat_json("fit", "SELECT x, y FROM 'data.parquet' LIMIT 2", "-y", "y")
    assert estimates(values, "p_value") == [None, None]


def test_a_fit_that_is_not_certified_ends_with_1_and_is_saved(betahat: Any, tmp_path: Path) -> None:
    """Rows that change between readings have no minimum that a second reading confirms."""
    sql = "SELECT i AS x, i + 100 * random() AS z, i + random() AS y FROM range(200000) AS t(i)"
    done = betahat("fit", sql, "-y", "y", "--out", tmp_path / "model")
    assert done.exit_code == 1
    assert "not stationary" in done.stdout
    assert "warning: not certified" in done.stderr
    assert "saved to" in done.stderr
    assert bh.load(tmp_path / "model").certificate_.converged is False
    predicted = betahat("predict", tmp_path / "model", "SELECT 1 AS x, 2 AS z", "-o", tmp_path / "p.csv")
    assert predicted.exit_code == 0
    assert "without a certificate" in predicted.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nope.csv", "-y", "y"], "nope.csv"),
        (["data.csv", "-y", "yy"], "no column 'yy'"),
        (["data.csv"], "target"),
        (["data.csv", "-y", "y", "-f", "y ~ x"], "not both"),
        (["data.csv", "-y", "kind", "--model", "linear"], "kind"),
        (["data.csv", "-f", "y ~ nope"], "nope"),
        (["data.csv", "-f", "y ~ __import__('os')"], "__import__"),
        (["data.csv", "-f", "y ~ x", "--no-intercept"], "- 1"),
        (["data.csv", "-y", "y", "--cov", "HC7"], "HC7"),
        (["data.csv", "-y", "y", "--cov", "cluster"], "groups"),
        (["data.csv", "-y", "y", "--alpha", "-1"], "alpha"),
        (["data.csv", "-y", "y", "--level", "95"], "level"),
        (["data.csv", "-y", "y", "--missing", "skip"], "missing"),
        (["data.csv", "-y", "y", "--table", "rows"], "table"),
        (["data.duckdb", "-y", "x"], "rows"),
        (["SELECT nope FROM 'data.csv'", "-y", "y"], "DuckDB says"),
        (["holes.csv", "-y", "y", "--missing", "error"], "missing values in 'x'"),
        (["data.csv", "-y", "y", "--out", "no/such/folder/model"], "not there"),
        (["data.csv", "-y", "y", "--out", "."], "is a folder"),
        (["data.csv", "-y", "y", "--memory-limit", "lots"], "lots"),
    ],
)
@pytest.mark.parametrize("as_json", [False, True])
def test_wrong_usage_and_data_end_with_2_and_one_message(
    betahat: Any, arguments: list[str], words: str, as_json: bool
) -> None:
    import json

    done = betahat("fit", *arguments, *["--json"] * as_json)
    assert done.exit_code == 2
    assert "betahat: error: " in done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    if as_json:
        assert words in json.loads(done.stdout)["error"]["message"]
    else:
        assert done.stdout == ""


@pytest.mark.parametrize("arguments", [["fit"], ["fit", "data.csv", "--nope"], ["predict", "m"], ["nope"]])
def test_wrong_options_end_with_2(betahat: Any, arguments: list[str]) -> None:
    done = betahat(*arguments)
    assert done.exit_code == 2
    assert "Usage" in done.stderr


def test_debug_shows_the_traceback(betahat: Any) -> None:
    done = betahat("fit", "nope.csv", "-y", "y", "--debug")
    assert done.exit_code == 2
    assert "Traceback" in done.stderr
    assert "betahat: error: " in done.stderr


@pytest.mark.parametrize("command", ["", "fit", "curve", "predict", "show", "warmup", "demo", "versions"])
def test_help_says_what_a_command_does(betahat: Any, command: str) -> None:
    done = betahat(*command.split(), "--help")
    assert done.exit_code == 0
    assert len(done.stdout) > 200 or command in ("demo", "versions", "warmup")

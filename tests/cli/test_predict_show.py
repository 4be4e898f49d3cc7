"""`betahat predict`, `show`, `versions`, `warmup`, `demo`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import betahat as bh
from betahat.cli.demo import polynomial, two_scales


@pytest.fixture
def model(tmp_path: Path, data: pd.DataFrame) -> Path:
    bh.fit("y ~ x + `a b` + kind", data, cov_type="HC1").save(tmp_path / "model")
    return tmp_path / "model"


def read_table(path: Path) -> pd.DataFrame:
    return pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize(
    "source", [["data.csv"], ["part-*.parquet"], ["data.duckdb", "--table", "rows"], ["FROM 'data.parquet'"]]
)
def test_predictions_stand_beside_their_rows(
    betahat: Any, model: Path, data: pd.DataFrame, tmp_path: Path, source: list[str], suffix: str
) -> None:
    out = tmp_path / f"out{suffix}"
    done = betahat("predict", model, *source, "--out", out, "--interval", "0.9")
    assert done.exit_code == 0, done.stderr
    assert f"{len(data)} rows written" in done.stderr
    found, loaded = read_table(out), bh.load(model)
    assert list(found.columns) == [*data.columns, "prediction", "prediction_low", "prediction_high"]
    pd.testing.assert_frame_equal(found[data.columns], data, check_dtype=False)
    np.testing.assert_allclose(found["prediction"], loaded.predict(data), rtol=1e-12)
    bounds = loaded.prediction_interval(data, 0.9)
    np.testing.assert_allclose(found[["prediction_low", "prediction_high"]], bounds, rtol=1e-12)


@pytest.mark.parametrize("kind", ["array", "polynomial", "two targets"])
def test_models_of_arrays_and_of_several_targets(
    betahat: Any, data: pd.DataFrame, tmp_path: Path, kind: str
) -> None:
    columns = ["x", "a b"]
    match kind:
        case "array":
            fitted: Any = bh.LinearRegression().fit(data[columns].to_numpy(), data["y"].to_numpy())
        case "polynomial":
            fitted = bh.PolynomialRegression(3).fit(data[columns].to_numpy(), data["y"].to_numpy())
        case _:
            fitted = bh.LinearRegression().fit(data[columns], data[["y", "w"]])
    fitted.save(tmp_path / "model")
    given = [] if kind == "two targets" else ["--columns", "x,a b"]
    out = tmp_path / "out.parquet"
    done = betahat(
        "predict", tmp_path / "model", "data.csv", "-o", out, *given, "--interval", ".95", "--name", "p"
    )
    assert done.exit_code == 0, done.stderr
    inputs = data[columns] if kind == "two targets" else data[columns].to_numpy()
    expected, bounds = fitted.predict(inputs), fitted.prediction_interval(inputs)
    if kind == "two targets":
        found = read_table(out)
        np.testing.assert_allclose(found[["p_y", "p_w"]], expected, rtol=1e-12)
        np.testing.assert_allclose(found[["p_w_low", "p_w_high"]], bounds[:, 1], rtol=1e-12)
    else:
        np.testing.assert_allclose(read_table(out)["p"], expected, rtol=1e-12)
        np.testing.assert_allclose(read_table(out)[["p_low", "p_high"]], bounds, rtol=1e-12)


def test_predict_says_in_json_what_it_wrote(betahat_json: Any, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    values = betahat_json("predict", model, "data.csv", "-o", out)
    assert values == {
        "rows": 300,
        "out": str(out),
        "columns": ["prediction"],
        "interval": None,
        "warnings": [],
    }


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["model", "holes.csv", "-o", "out.csv"], "missing values in 'x'"),
        (["model", "data.csv", "-o", "out.txt"], "must end in .parquet"),
        (["model", "data.csv", "-o", "nowhere/out.csv"], "folder"),
        (["model", "data.csv", "-o", "out.csv", "--interval", "2"], "level"),
        (["model", "data.csv", "-o", "out.csv", "--name", "y"], "'y'"),
        (["model", "data.csv", "-o", "out.csv", "--columns", "x"], "--columns"),
        (["model", "SELECT 1 AS x", "-o", "out.csv"], "a b"),
        (["model", "SELECT * REPLACE ('z' AS kind) FROM 'data.csv'", "-o", "out.csv"], "kind"),
        (["data.csv", "data.csv", "-o", "out.csv"], "data.csv"),
        (["nope", "data.csv", "-o", "out.csv"], "no such file"),
    ],
)
def test_wrong_predictions_end_with_2_and_write_nothing(
    betahat: Any, model: Path, tmp_path: Path, arguments: list[str], words: str
) -> None:
    place = {"model": str(model), "out.csv": str(tmp_path / "out.csv"), "out.txt": str(tmp_path / "out.txt")}
    done = betahat("predict", *[place.get(argument, argument) for argument in arguments])
    assert done.exit_code == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_an_old_output_stays_when_predicting_fails(betahat: Any, model: Path, tmp_path: Path) -> None:
    (tmp_path / "out.csv").write_text("old")
    assert betahat("predict", model, "holes.csv", "-o", tmp_path / "out.csv").exit_code == 2
    assert (tmp_path / "out.csv").read_text() == "old"


def test_a_model_of_an_array_needs_names(betahat: Any, data: pd.DataFrame, tmp_path: Path) -> None:
    bh.LinearRegression().fit(data[["x", "w"]].to_numpy(), data["y"].to_numpy()).save(tmp_path / "model")
    for given in ([], ["--columns", "x"]):
        done = betahat("predict", tmp_path / "model", "data.csv", "-o", tmp_path / "out.csv", *given)
        assert done.exit_code == 2
        assert "--columns must name them" in done.stderr


@pytest.mark.parametrize("explain", [False, True])
def test_show_prints_what_the_model_says(betahat: Any, model: Path, explain: bool) -> None:
    done = betahat("show", model, "--level", "0.9", *["--explain"] * explain)
    loaded = bh.load(model)
    assert done.exit_code == 0
    assert str(loaded.summary(0.9)) in done.stdout
    assert (loaded.explain() in done.stdout) == explain


def test_show_as_json(betahat_json: Any, model: Path) -> None:
    values, loaded = betahat_json("show", model, "--explain"), bh.load(model)
    assert values["summary"] == json.loads(json.dumps(loaded.summary().to_dict()))
    assert values["explanation"] == loaded.explain()
    assert values["certificate"]["line"] == loaded.certificate_.line()
    assert values["certificate"]["gradient"] == loaded.certificate_.gradient.tolist()
    assert values["trace"]["step"] == loaded.trace_.step.tolist()


@pytest.mark.parametrize("path", ["nope", "data.csv", "."])
def test_show_refuses_other_files(betahat: Any, path: str) -> None:
    done = betahat("show", path)
    assert done.exit_code == 2
    assert f"'{path}' cannot be loaded" in done.stderr


def test_versions(betahat: Any, betahat_json: Any) -> None:
    assert betahat("--version").stdout == f"betahat {bh.__version__}\n"
    assert "numpy" in betahat("versions").stdout
    assert betahat_json("versions")["betahat"] == bh.__version__


def test_the_demos_failures_are_real() -> None:
    """scikit-learn's default loses a true coefficient of 2, and the coefficients of a plain polynomial."""
    from sklearn.linear_model import LinearRegression

    X, y = two_scales()
    theirs, ours = LinearRegression().fit(X, y), bh.LinearRegression().fit(X, y)
    exact = np.linalg.lstsq((X - X.mean(axis=0)) / X.std(axis=0), y - y.mean(), rcond=None)[0] / X.std(axis=0)
    np.testing.assert_allclose(ours.coef_, exact, rtol=1e-10)
    assert ours.score(X, y) > 0.999
    assert abs(theirs.coef_[1]) < 1e-10
    X, y = polynomial()
    np.testing.assert_allclose(bh.LinearRegression().fit(X, y).coef_, np.ones(5), rtol=1e-13)
    assert abs(LinearRegression().fit(X, y).coef_ - 1).max() > 0.1


def test_the_demo_runs(betahat: Any) -> None:
    done = betahat("demo")
    assert done.exit_code == 0, done.stderr
    assert done.stdout.count("global minimum") == (6 if "carrier" in done.stdout else 4)
    assert "0.6892" in done.stdout

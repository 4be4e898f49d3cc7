"""`betahat curve`: the library's numbers from every kind of data, pictures, and what is said when things go wrong."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
import scipy.optimize
from scipy.stats import t as student

import betahat as bh
from betahat.cli.curve_options import bounds_in, loss_in, starts_in
from betahat.cli.curve_picture import picture_path
from betahat.curves import CURVES

MODEL = "a*exp(-b*t)+c"
FIT = ["curve", "decay.csv", "--x", "t", "--y", "counts", "--model", MODEL]
SOURCES = {
    "csv": ["decay.csv"],
    "parquet": ["decay.parquet"],
    "database": ["decay.duckdb", "--table", "rows"],
    "sql": ["SELECT * FROM 'decay.parquet'"],
}


def decay(t: Any, a: Any, b: Any, c: Any) -> Any:
    return a * np.exp(-b * t) + c


def curve_fit(*arguments: Any, **options: Any) -> Any:
    """scipy's, to the last digits that it can reach."""
    return scipy.optimize.curve_fit(*arguments, **options, ftol=1e-15, xtol=1e-15, gtol=1e-15)


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    t = np.linspace(0, 10, 50)
    frame = pd.DataFrame({"t": t, "dose (mg)": t, "z": np.sin(3 * t), "w": rng.uniform(0.5, 2, 50)})
    frame["n"] = rng.integers(1, 4, 50)
    frame["kind"] = ["u", "v"] * 25
    frame["counts"] = decay(t, 5, 0.4, 1) + 0.5 * frame.z + rng.normal(0, 0.15, 50)
    return frame


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    rows.to_csv(tmp_path / "decay.csv", index=False)
    rows.to_parquet(tmp_path / "decay.parquet")
    rows.assign(t=rows.t.where(rows.index % 10 > 0)).to_csv(tmp_path / "holes.csv", index=False)
    with duckdb.connect(str(tmp_path / "decay.duckdb")) as connection:
        connection.execute(f"CREATE TABLE rows AS FROM '{tmp_path / 'decay.parquet'}'")
        connection.execute("CREATE TABLE other AS SELECT 1 AS t")
    monkeypatch.chdir(tmp_path)


def column(values: dict[str, Any], key: str = "coefficient") -> list[float]:
    return [row[key] for row in values["summary"]["targets"][0]["coefficients"]]


# numbers --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", SOURCES)
def test_every_source_gives_the_numbers_of_scipy(betahat_json: Any, rows: pd.DataFrame, source: str) -> None:
    values = betahat_json("curve", *SOURCES[source], "--x", "t", "--y", "counts", "--model", MODEL)
    beta, V = curve_fit(decay, rows.t, rows.counts, [1, 1, 1])
    error = np.sqrt(np.diag(V))
    np.testing.assert_allclose(column(values), beta, rtol=1e-7)
    np.testing.assert_allclose(column(values, "std_err"), error, rtol=1e-6)
    np.testing.assert_allclose(values["correlation"], V / np.outer(error, error), rtol=1e-5)
    assert values["certificate"]["status"] == "local minimum"
    assert (values["rows"], values["warnings"], values["plot"]) == (50, [], None)


def test_weights_are_one_over_the_variance(betahat_json: Any, rows: pd.DataFrame) -> None:
    values = betahat_json(*FIT, "--weights", "w")
    beta, V = curve_fit(decay, rows.t, rows.counts, [1, 1, 1], sigma=1 / np.sqrt(rows.w))
    np.testing.assert_allclose(column(values), beta, rtol=1e-7)
    np.testing.assert_allclose(column(values, "std_err"), np.sqrt(np.diag(V)), rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "python", "fitted"),
    [
        (["--weight", "w"], {}, {"sample_weight": "w"}),
        (["--frequency", "n"], {}, {"frequency_weight": "n"}),
        (["--cov", "HC1"], {"cov_type": "HC1"}, {}),
        (["--cov-type", "cluster", "--groups", "n"], {"cov_type": "cluster"}, {"groups": "n"}),
        (["--bounds", "b=:0.3"], {"bounds": {"b": (None, 0.3)}}, {}),
        (["--loss", "huber:0.2"], {"loss": bh.losses.Huber(0.2)}, {}),
        (
            ["--start", "a=1,b=1,c=1", "--start", "a=9,b=2,c=0"],
            {"start": [{"a": 1, "b": 1, "c": 1}, [9, 2, 0]]},
            {},
        ),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, list) else "",
)
def test_options_mean_what_they_mean_in_python(
    betahat: Any, rows: pd.DataFrame, options: list[str], python: dict[str, Any], fitted: dict[str, str]
) -> None:
    done = betahat(*FIT, *options, "--no-plot", "--save", "model")
    assert done.exit_code == 0, done.stderr
    columns = {name: rows[column].to_numpy() for name, column in fitted.items()}
    expected = bh.NonlinearRegression(MODEL, **python).fit(rows[["t"]], rows["counts"], **columns)
    loaded = bh.load("model")
    np.testing.assert_allclose(loaded.coef_, expected.coef_, rtol=1e-9)
    np.testing.assert_allclose(loaded.inference_.std_err, expected.inference_.std_err, rtol=1e-7)
    assert len(loaded.starts_) == len(expected.starts_)
    assert str(loaded.summary()) in done.stdout
    assert "saved to model" in done.stderr


def test_profile_intervals_rise_by_what_they_should(betahat_json: Any, rows: pd.DataFrame) -> None:
    values = betahat_json(*FIT, "--profile", "--level", "0.9")
    beta, _ = curve_fit(decay, rows.t, rows.counts, [1, 1, 1])
    least = float(((rows.counts - decay(rows.t, *beta)) ** 2).sum())
    reach = student.ppf(0.95, 47) ** 2 * least / 47
    for end in values["profile"]["b"]:
        others, _ = curve_fit(lambda t, a, c, b=end: decay(t, a, b, c), rows.t, rows.counts, [1, 1])
        found = float(((rows.counts - decay(rows.t, others[0], end, others[1])) ** 2).sum())
        assert found - least == pytest.approx(reach, rel=1e-5)


def test_several_columns_and_names_in_backquotes(betahat_json: Any, rows: pd.DataFrame) -> None:
    values = betahat_json(
        "curve", "decay.csv", "--x", "z", "--x", "dose (mg)", "-y", "counts", "-m",
        "a*exp(-b*`dose (mg)`)+c + d*z",
    )  # fmt: skip
    beta, _ = curve_fit(
        lambda X, a, b, c, d: decay(X[0], a, b, c) + d * X[1],
        rows[["t", "z"]].to_numpy().T,
        rows.counts,
        [1] * 4,
    )
    np.testing.assert_allclose(column(values), beta, rtol=1e-6)


@pytest.mark.parametrize("model", ["exponential_offset", "a*exp(b*x)+c"])
def test_the_only_column_may_be_called_x(betahat_json: Any, rows: pd.DataFrame, model: str) -> None:
    values = betahat_json("curve", "decay.csv", "--x", "dose (mg)", "--y", "counts", "--model", model)
    beta, _ = curve_fit(decay, rows.t, rows.counts, [1, 1, 1])
    np.testing.assert_allclose(column(values), beta * [1, -1, 1], rtol=1e-6)


# what is printed and drawn --------------------------------------------------------------------------------------------


def test_what_a_reader_sees(betahat: Any) -> None:
    done = betahat(*FIT, "--profile")
    assert done.exit_code == 0, done.stderr
    for words in ("Residual std dev", "R²", "97.5 %", "local minimum: ", "correlation", "by profile"):
        assert words in done.stdout
    assert done.stderr == "drawn to decay-curve.png\n"
    assert Path("decay-curve.png").read_bytes().startswith(b"\x89PNG")
    assert "by profile" not in betahat(*FIT, "--no-plot").stdout


def test_strong_correlations_are_named(betahat: Any, betahat_json: Any) -> None:
    model = "a + b*(t + 1000)"
    done = betahat("curve", "decay.csv", "-x", "t", "-y", "counts", "-m", model, "--no-plot")
    assert "Strongly correlated" in done.stdout
    assert "a and b (-0.99" in done.stdout
    notes = betahat_json("curve", "decay.csv", "-x", "t", "-y", "counts", "-m", model)["summary"]["notes"]
    assert any("a and b (-0.99" in note for note in notes)


@pytest.mark.parametrize(
    ("options", "file"),
    [
        (["--plot", "p.svg"], "p.svg"),
        (["--plot", "p.pdf", "--json"], "p.pdf"),
        (["--weights", "w"], "decay-curve.png"),
        (["--loss", "huber:0.3"], "decay-curve.png"),
    ],
)
def test_pictures_go_where_they_are_told(betahat: Any, options: list[str], file: str) -> None:
    before = set(Path().iterdir())
    done = betahat(*FIT, *options)
    assert done.exit_code == 0, done.stderr
    assert {path.name for path in set(Path().iterdir()) - before} == {file}
    assert Path(file).stat().st_size > 1000


@pytest.mark.parametrize("option", ["--no-plot", "--json"])
def test_no_picture_where_none_is_wanted(betahat: Any, option: str) -> None:
    before = set(Path().iterdir())
    assert betahat(*FIT, option).exit_code == 0
    assert set(Path().iterdir()) == before


def test_several_columns_are_drawn_along_one_of_them(betahat: Any) -> None:
    two = ["curve", "decay.csv", "-x", "t,z", "-y", "counts", "-m", f"{MODEL}+d*z"]
    done = betahat(*two)
    assert (done.exit_code, list(Path().glob("*.png"))) == (0, [])
    assert "no picture: the model has 2 columns; --feature NAME" in done.stderr
    done = betahat(*two, "--feature", "t")
    assert (done.exit_code, done.stderr) == (0, "drawn to decay-curve.png\n")
    assert betahat(*two, "--feature", "q").exit_code == 2


@pytest.mark.parametrize(("options", "code"), [([], 0), (["--plot", "p.png"], 2)])
def test_without_matplotlib_the_table_is_printed(
    betahat: Any, monkeypatch: pytest.MonkeyPatch, options: list[str], code: int
) -> None:
    for name in ("matplotlib", "matplotlib.pyplot"):
        monkeypatch.setitem(sys.modules, name, None)
    done = betahat(*FIT, *options)
    assert done.exit_code == code
    assert "pip install 'betahat[plots]'" in done.stderr
    assert ("local minimum" in done.stdout) is (code == 0)


@pytest.mark.parametrize(
    ("text", "table", "name"),
    [
        ("runs/decay.csv.gz", None, "decay-curve.png"),
        ("part-*.parquet", None, "part-curve.png"),
        ("lab.duckdb::main.runs", None, "main.runs-curve.png"),
        ("lab.duckdb", "runs", "runs-curve.png"),
        ("SELECT 1 AS x", None, "curve.png"),
        (".csv", None, "csv-curve.png"),
    ],
)
def test_pictures_are_named_after_the_data(text: str, table: str | None, name: str) -> None:
    assert str(picture_path(None, text, table)) == name


def test_the_curves_are_listed(betahat: Any, betahat_json: Any) -> None:
    done = betahat("curve", "--list")
    assert done.exit_code == 0
    assert all(name in done.stdout for name in CURVES)
    assert set(betahat_json("curve", "--list")["curves"]) == set(CURVES)


# saved models ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["exponential_offset", "a*exp(b*`dose (mg)`)+c", "a*exp(b*x)+c"])
def test_saved_models_predict_and_show(betahat: Any, rows: pd.DataFrame, model: str) -> None:
    fitted = betahat(
        "curve", "decay.csv", "-x", "dose (mg)", "-y", "counts", "-m", model, "--no-plot", "-o", "m"
    )
    done = betahat("predict", "m", "decay.parquet", "-o", "p.parquet", "--interval", "0.9")
    assert (done.exit_code, done.stderr) == (0, "50 rows written to p.parquet\n")
    found, loaded = pd.read_parquet("p.parquet"), bh.load("m")
    np.testing.assert_array_equal(found["prediction"], loaded.predict(rows))
    ends = loaded.prediction_interval(rows, 0.9)
    np.testing.assert_array_equal(found[["prediction_low", "prediction_high"]], ends)
    shown = betahat("show", "m", "--explain")
    assert shown.exit_code == 0
    assert shown.stdout.startswith(fitted.stdout)
    assert "Is it a minimum?" in shown.stdout
    assert betahat("predict", "m", "decay.csv", "-o", "p.csv", "--columns", "t").exit_code == 2


def test_models_of_arrays_predict_by_the_columns_named(betahat: Any, rows: pd.DataFrame) -> None:
    t, y = rows.t.to_numpy(), rows.counts.to_numpy()
    bh.NonlinearRegression("a*exp(-b*x)+c").fit(t, y).save("one")
    bh.NonlinearRegression("a*exp(-b*x1)+c*x2").fit(np.column_stack([t, t + 1]), y).save("two")
    for name, columns in (("one", "t"), ("two", "t,t1")):
        data = "SELECT t, t + 1 AS t1 FROM 'decay.parquet'"
        done = betahat("predict", name, data, "-o", "p.parquet", "--columns", columns)
        assert done.exit_code == 0, done.stderr
        X = t if name == "one" else np.column_stack([t, t + 1])
        np.testing.assert_array_equal(pd.read_parquet("p.parquet")["prediction"], bh.load(name).predict(X))


@pytest.mark.parametrize("command", [["show", "m"], ["predict", "m", "decay.csv", "-o", "p.csv"]])
def test_models_of_python_functions_say_what_to_do(
    betahat: Any, rows: pd.DataFrame, command: list[str]
) -> None:
    bh.NonlinearRegression(decay, start=[1, 1, 1]).fit(rows.t.to_numpy(), rows.counts.to_numpy()).save("m")
    done = betahat(*command)
    assert done.exit_code == 2
    assert "betahat.load(path, f=…) in Python" in done.stderr
    assert "expression" in done.stderr


# what goes wrong ------------------------------------------------------------------------------------------------------


def test_missing_rows_are_left_out_or_refused(betahat: Any) -> None:
    arguments = ["curve", "holes.csv", *FIT[2:], "--no-plot"]
    done = betahat(*arguments)
    assert done.exit_code == 0
    assert "5 of 50 rows are left out" in done.stderr
    done = betahat(*arguments, "--missing", "error")
    assert done.exit_code == 2
    assert "missing values in 't'" in done.stderr


def test_no_minimum_ends_with_1_and_a_way_out(betahat: Any) -> None:
    done = betahat(*FIT, "--start", "1,1,1", "--max-iter", "2", "-o", "m")
    assert done.exit_code == 1
    assert "no minimum found (budget spent)" in done.stderr
    assert "--max-iter may find a minimum" in done.stderr
    assert "std err" not in done.stdout
    assert "only a minimum has standard errors" in done.stdout
    assert bh.load("m").certificate_.converged is False
    shown = betahat("show", "m")
    assert (shown.exit_code, shown.stdout) == (0, done.stdout)


def test_parameters_that_cannot_be_told_apart_are_named(betahat: Any) -> None:
    done = betahat("curve", "decay.csv", "-x", "t", "-y", "counts", "-m", "a*b*exp(-c*t)", "--no-plot")
    assert "cannot tell a and b apart" in done.stdout
    assert "cannot tell a and b apart" in done.stderr
    assert "std err" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "DATA is missing"),
        (["decay.csv", "-x", "t", "-y", "counts"], "--model is missing"),
        (["decay.csv", "-y", "counts", "-m", MODEL], "--x is missing"),
        (["decay.csv", "-x", "t", "-m", MODEL], "there are t, dose (mg), z, w, n, kind, counts"),
        (["nope.csv", *FIT[2:]], "nope.csv"),
        (["decay.csv", "-x", "q", "-y", "counts", "-m", MODEL], "no column 'q'"),
        (["decay.csv", "-x", "t", "-y", "q", "-m", MODEL], "no column 'q'"),
        (["decay.csv", "-x", "t", "-y", "kind", "-m", MODEL], "kind"),
        (["decay.csv", "-x", "kind", "-y", "counts", "-m", "a*kind"], "holds text or categories"),
        (["decay.csv", "-x", "t", "-y", "counts", "-m", "a*exp(-b*t"], "never closed"),
        (["decay.csv", "-x", "t", "-y", "counts", "-m", "a*t^2"], "**"),
        (["decay.csv", "-x", "t", "-y", "counts", "-m", "a*open(t)"], "not a function"),
        (["decay.csv", "-x", "t", "-y", "counts", "-m", "a*`u`"], "no column `u`"),
        (["decay.csv", "-x", "t", "-y", "counts", "-m", "a*b"], "uses no column"),
        (["decay.csv", "-x", "t", "-y", "counts", "-m", "logistc"], "Did you mean 'logistic'"),
        (["decay.csv", "-x", "t,z", "-y", "counts", "-m", "logistic"], "takes one column"),
        (["decay.csv", "-x", "t", "-y", "counts", "-m", "a*log(-1-t*b**2)"], "Here: --start a=…"),
        ([*FIT[1:], "--start", "a=1,b=-1e5,c=0"], "begin elsewhere"),
        ([*FIT[1:], "--start", "a=1,b=1"], "a, b, c"),
        ([*FIT[1:], "--start", "a=1,b"], "write a=1,b=0.1"),
        ([*FIT[1:], "--bounds", "q=0:"], "'q'"),
        ([*FIT[1:], "--bounds", "b=2:1"], "low must not exceed high"),
        ([*FIT[1:], "--loss", "absolute"], "absolute"),
        ([*FIT[1:], "--loss", "huber:0.2", "--profile", "-s", "1,1,1"], "squared error"),
        ([*FIT[1:], "--cov", "HC7"], "HC7"),
        ([*FIT[1:], "--level", "95"], "level"),
        ([*FIT[1:], "--missing", "mean"], "--missing"),
        ([*FIT[1:], "--max-iter", "0"], "max_iter"),
        ([*FIT[1:], "--plot", "p.bmp"], ".png"),
        ([*FIT[1:], "--plot", "no/such/folder/p.png"], "--plot"),
        ([*FIT[1:], "--plot", "p.png", "--no-plot"], "contradict"),
        ([*FIT[1:], "--out", "no/such/folder/m"], "not there"),
    ],
    ids=lambda value: " ".join(value)[-30:] if isinstance(value, list) else "",
)
@pytest.mark.parametrize("as_json", [False, True])
def test_wrong_usage_and_data_end_with_2_and_one_message(
    betahat: Any, arguments: list[str], words: str, as_json: bool
) -> None:
    done = betahat("curve", *arguments, *["--json"] * as_json)
    assert done.exit_code == 2
    assert done.stderr.startswith("betahat: error: ")
    assert len(done.stderr.splitlines()) == 1
    assert words in done.stderr
    if as_json:
        assert words in json.loads(done.stdout)["error"]["message"]
    else:
        assert done.stdout == ""


# what stands behind options -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (starts_in, ["a=1,2"]), (starts_in, [""]), (starts_in, ["a=1,a=2"]), (starts_in, ["1,x"]),
        (bounds_in, ["b"]), (bounds_in, ["b=1"]), (bounds_in, ["b=:"]), (bounds_in, ["=0:"]), (bounds_in, ["b=x:"]),
        (bounds_in, ["b=0:,b=:1"]), (loss_in, "huber:"), (loss_in, "huber:-1"), (loss_in, "squared_error:1"),
    ],
)  # fmt: skip
def test_options_that_cannot_be_read_are_refused(read: Any, text: Any) -> None:
    with pytest.raises(ValueError, match=r"--|delta"):
        read(text)


def test_a_source_is_fitted_in_python_too(rows: pd.DataFrame) -> None:
    source = bh.data.query("decay.csv", "counts", columns=["t"], block_rows=7)
    m = bh.NonlinearRegression(MODEL).fit(source)
    expected = bh.NonlinearRegression(MODEL).fit(rows[["t"]], rows["counts"])
    np.testing.assert_allclose(m.coef_, expected.coef_, rtol=1e-10)
    assert list(m.feature_names_in_) == ["t"]
    assert m.inference_.target_names == ("counts",)
    ends = m.profile_interval(source, parameters="b")
    np.testing.assert_allclose(ends, expected.profile_interval(rows[["t"]], rows.counts, parameters="b"))
    with pytest.raises(ValueError, match="beside"):
        bh.NonlinearRegression(MODEL).fit(source, rows["counts"])
    with pytest.raises(ValueError, match="targets"):
        bh.NonlinearRegression(MODEL).fit(bh.data.query("decay.csv", ["counts", "z"], columns=["t"]))
    with pytest.raises(ValueError, match="formula"):
        bh.NonlinearRegression(MODEL).fit(bh.data.query("decay.csv", formula="counts ~ t"))
    with pytest.raises(ValueError, match="not those of the fit"):
        m.profile_interval(bh.data.query("decay.csv", "counts", columns=["z"]))

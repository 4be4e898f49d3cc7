"""`betahat fit --model ...`, `predict` and `show` for likelihoods: the library's numbers, guesses, and refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from numpy.testing import assert_allclose

import betahat as bh

N = 400


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    rng = np.random.default_rng(8)
    frame = pd.DataFrame({"x": rng.normal(size=N), "kind": rng.choice(["u", "v", "w"], N)})
    frame["t"], frame["w"] = rng.uniform(1, 3, N), rng.uniform(0.5, 2, N)
    eta = 0.6 * frame.x + 0.5 * (frame.kind == "v")
    p = 1 / (1 + np.exp(-eta))
    frame["died"] = (rng.random(N) < p).astype(int)
    frame["answer"] = np.where(rng.random(N) < p, "well", "ill")
    frame["species"] = rng.choice(["a", "b", "c"], N)
    frame["late"] = rng.random(N) < p
    frame["visits"] = rng.poisson(frame.t * np.exp(eta))
    frame["cost"] = rng.gamma(2.0, np.exp(eta) / 2)
    frame["trials"] = rng.integers(1, 9, N)
    frame["share"] = rng.binomial(frame.trials, p) / frame.trials
    frame["big"] = (frame.kind == "v") & (frame.x > 0)
    return frame


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    rows.to_parquet(tmp_path / "rows.parquet")
    rows.to_csv(tmp_path / "rows.csv", index=False)
    monkeypatch.chdir(tmp_path)


def column(values: dict[str, Any], key: str = "coefficient") -> list[float]:
    return [row[key] for target in values["summary"]["targets"] for row in target["coefficients"]]


# numbers --------------------------------------------------------------------------------------------------------------

LOG = sm.families.links.Log()
GLMS = {
    "logistic": ("died", [], sm.families.Binomial(), {}),
    "poisson": ("visits", [], sm.families.Poisson(), {}),
    "poisson, exposure": ("visits", ["--exposure", "t"], sm.families.Poisson(), {"exposure": "t"}),
    "poisson, offset": ("visits", ["--offset", "w"], sm.families.Poisson(), {"offset": "w"}),
    "poisson, sqrt": (
        "visits", ["--link", "sqrt"], sm.families.Poisson(sm.families.links.Sqrt()), {},
    ),
    "gamma": ("cost", [], sm.families.Gamma(LOG), {}),
    "inverse_gaussian": ("cost", [], sm.families.InverseGaussian(LOG), {}),
    "tweedie": ("cost", ["--power", "1.7"], sm.families.Tweedie(LOG, var_power=1.7), {}),
    "binomial": ("share", ["--weights", "trials"], sm.families.Binomial(), {"var_weights": "trials"}),
    "binomial, probit": (
        "share", ["--weights", "trials", "--link", "probit"],
        sm.families.Binomial(sm.families.links.Probit()), {"var_weights": "trials"},
    ),
    "negative_binomial": ("visits", [], sm.families.NegativeBinomial(alpha=1.0), {}),
    "gaussian": ("cost", [], sm.families.Gaussian(), {}),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::statsmodels.tools.sm_exceptions.DomainWarning")
@pytest.mark.parametrize("how", ["columns", "formula"])
@pytest.mark.parametrize("case", GLMS)
def test_every_model_gives_the_numbers_of_statsmodels(
    betahat_json: Any, rows: pd.DataFrame, case: str, how: str
) -> None:
    target, options, family, roles = GLMS[case]
    model = case.partition(",")[0]
    what = ["-y", target, "--columns", "x,kind"] if how == "columns" else ["-f", f"{target} ~ x + kind"]
    values = betahat_json("fit", "rows.parquet", *what, "--model", model, *options)
    given = {name: rows[named].to_numpy(float) for name, named in roles.items()}
    peer = smf.glm(f"{target} ~ x + kind", rows, family=family, **given).fit(tol=1e-15, maxiter=1000)
    order = ["Intercept", "x", "kind[T.v]", "kind[T.w]"]
    assert_allclose(column(values), peer.params[order], rtol=1e-7, atol=1e-8)  # theirs end where deviances do
    assert_allclose(column(values, "std_err"), peer.bse[order], rtol=1e-6)
    assert values["certificate"]["status"] in ("global minimum", "local minimum")
    assert (values["model"], values["guessed"], values["rows"]) == (model, None, N)


@pytest.mark.parametrize("source", ["rows.csv", "rows.parquet", "FROM 'rows.csv'"])
def test_several_classes(betahat_json: Any, rows: pd.DataFrame, source: str) -> None:
    values = betahat_json("fit", source, "-y", "species", "--columns", "x,t")
    peer = sm.MNLogit(rows["species"].astype("category").cat.codes, sm.add_constant(rows[["x", "t"]]))
    fitted = peer.fit(disp=False, tol=1e-14)
    assert_allclose(column(values), fitted.params.to_numpy().T.ravel(), rtol=1e-6)
    assert_allclose(column(values, "std_err"), fitted.bse.to_numpy().T.ravel(), rtol=1e-6)
    assert values["summary"]["classes"] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("options", "python"),
    [
        (["--alpha", "0.1"], {"alpha": 0.1}),
        (["--firth"], {"firth": True}),
        (["--cov", "HC1"], {"cov_type": "HC1"}),
        (["--weights", "w"], {"sample_weight": "w"}),
        (["--frequency", "trials"], {"frequency_weight": "trials"}),
        (["--offset", "w"], {"offset": "w"}),
        (["--separation", "error"], {"separation": "error"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_options_mean_what_they_mean_in_python(
    betahat: Any, rows: pd.DataFrame, options: list[str], python: dict[str, Any]
) -> None:
    done = betahat("fit", "rows.csv", "-f", "answer ~ x + kind", "--model", "logistic", *options, "-o", "m")
    assert done.exit_code == 0, done.stderr
    loaded, model = bh.load("m"), bh.fit("answer ~ x + kind", rows, model="logistic", **python)
    assert_allclose(loaded.coef_, model.coef_, rtol=1e-9)
    assert str(loaded.summary()) in done.stdout
    if not loaded.alpha:
        assert_allclose(loaded.inference_.std_err, model.inference_.std_err, rtol=1e-7)
    for name in ("firth", "separation", "cov_type"):
        assert getattr(loaded, name) == getattr(model, name)


# guesses --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "model", "words"),
    [
        ("died", "logistic", "'died' holds two numbers, 0 and 1"),
        ("answer", "logistic", "'answer' holds the labels 'ill', 'well'"),
        ("species", "logistic", "'species' holds the labels 'a', 'b', 'c'"),
        ("late", "logistic", "'late' is true or false"),
        ("visits", "linear", "--model poisson"),
        ("cost", "linear", "'cost' holds numbers"),
        ("x", "linear", "'x' holds numbers"),
    ],
)
@pytest.mark.parametrize("source", ["rows.csv", "rows.parquet"])
@pytest.mark.parametrize("how", ["columns", "formula"])
def test_the_model_is_guessed_from_the_target_and_said(
    betahat: Any, target: str, model: str, words: str, source: str, how: str
) -> None:
    what = ["-y", target, "--columns", "t,w"] if how == "columns" else ["-f", f"{target} ~ t + w"]
    done = betahat("fit", source, *what)
    assert done.exit_code == 0, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"--model {model}, guessed: ")
    assert words in line
    titles = {"linear": "Linear", "logistic": "Multinomial logistic" if target == "species" else "Logistic"}
    assert done.stdout.startswith(f"{titles[model]} regression\n")


def test_counts_with_an_exposure_are_guessed(betahat_json: Any) -> None:
    values = betahat_json("fit", "rows.csv", "-y", "visits", "--columns", "x", "--exposure", "t")
    assert (values["model"], values["class"]) == ("poisson", "PoissonRegressor")
    assert values["guessed"] == "'visits' holds whole numbers, and there is an exposure"


@pytest.mark.parametrize(
    ("sql", "model"),
    [
        ("SELECT i AS x, (i >= 30000)::INT AS y FROM range(60000) AS t(i)", "logistic"),  # one value at first
        ("SELECT i AS x, if(i < 30000, i % 2, i) AS y FROM range(60000) AS t(i)", "linear"),  # two at first
        ("SELECT i AS x, i % 2 + 0.5 AS y FROM range(50) AS t(i)", "linear"),
        ("SELECT i AS x, 7 AS y FROM range(50) AS t(i)", "linear"),
        ("SELECT i AS x, 3 * i AS y FROM range(2) AS t(i)", "linear"),
        ("SELECT i AS x, if(i % 3 = 0, NULL, i % 3) AS y FROM range(50) AS t(i)", "logistic"),
        ("SELECT i AS x, if(i % 3 = 0, 'nan'::DOUBLE, i % 3) AS y FROM range(50) AS t(i)", "logistic"),
        ("SELECT i AS x, -(i % 2) AS y FROM range(50) AS t(i)", "logistic"),
        ("SELECT i AS x, i % 2 = 0 AS y FROM range(50) AS t(i)", "logistic"),
    ],
)
def test_guesses_hold_for_all_rows(sql: str, model: str) -> None:
    from betahat.cli.guessing import guess_model

    roles = {"target": ["y"], "exposure": None}
    found = guess_model(sql, None, roles, {"table": None, "memory_limit": None})
    assert found is not None
    assert found.model == model


def test_computed_and_several_targets_are_numbers(betahat: Any) -> None:
    assert (
        "linear, guessed: the target is computed"
        in betahat("fit", "rows.csv", "-f", "np.log(cost) ~ x").stderr
    )
    several = betahat("fit", "rows.csv", "-y", "cost,w", "--columns", "x")
    assert "linear, guessed: there are several targets" in several.stderr


# predictions ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["died", "answer", "late", "species"])
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_classes_and_their_probabilities(betahat: Any, rows: pd.DataFrame, target: str, suffix: str) -> None:
    betahat("fit", "rows.parquet", "-f", f"{target} ~ x + kind", "--model", "logistic", "-o", "m")
    two = target != "species"
    done = betahat("predict", "m", "rows.parquet", "-o", f"p{suffix}", *["--interval", ".9"] * two)
    assert done.exit_code == 0, done.stderr
    found = pd.read_csv(f"p{suffix}") if suffix == ".csv" else pd.read_parquet(f"p{suffix}")
    m = bh.load("m")
    names = [f"prediction_{label}" for label in m.classes_]
    ends = [f"{names[-1]}_low", f"{names[-1]}_high"] if two else []
    assert list(found.columns) == [*rows.columns, "prediction", *names, *ends]
    assert (found["prediction"].to_numpy() == m.predict(rows)).all()
    assert_allclose(found[names], m.predict_proba(rows), rtol=1e-12)
    if two:
        assert_allclose(found[ends], m.probability_interval(rows, 0.9), rtol=1e-9)


@pytest.mark.parametrize(
    ("model", "options"),
    [("poisson", ["--exposure", "t"]), ("poisson", ["--offset", "w"]), ("gamma", []), ("tweedie", [])],
)
def test_means_with_their_intervals_and_offsets_by_name(
    betahat: Any, betahat_json: Any, rows: pd.DataFrame, model: str, options: list[str]
) -> None:
    target = "visits" if model == "poisson" else "cost"
    fitted = betahat("fit", "rows.csv", "-y", target, "--columns", "x,kind", "-m", model, *options, "-o", "m")
    assert fitted.exit_code == 0, fitted.stderr
    values = betahat_json("predict", "m", "rows.csv", "-o", "p.parquet", "--interval", "0.95", "--name", "mu")
    assert values["columns"] == ["mu", "mu_low", "mu_high"]
    found, m = pd.read_parquet("p.parquet"), bh.load("m")
    assert_allclose(found["mu"], m.predict(rows), rtol=1e-12)
    assert_allclose(found[["mu_low", "mu_high"]], m.prediction_interval(rows), rtol=1e-9)
    if options:  # another column in its place
        values = betahat_json("predict", "m", "rows.csv", "-o", "q.parquet", options[0], "trials")
        given = {options[0][2:]: rows["trials"]}
        assert_allclose(pd.read_parquet("q.parquet")["prediction"], m.predict(rows, **given), rtol=1e-12)
        without = betahat("predict", "m", f"SELECT * EXCLUDE ({options[1]}) FROM 'rows.csv'", "-o", "r.csv")
        assert without.exit_code == 2
        assert f"'{options[1]}'" in without.stderr


def test_models_of_arrays(betahat: Any, rows: pd.DataFrame) -> None:
    X = rows[["x", "t"]].to_numpy()
    bh.LogisticRegression().fit(X, rows["died"].to_numpy()).save("m")
    assert betahat("predict", "m", "rows.csv", "-o", "p.parquet", "--columns", "x,t").exit_code == 0
    assert_allclose(
        pd.read_parquet("p.parquet")["prediction_1"], bh.load("m").predict_proba(X)[:, 1], rtol=1e-12
    )


def test_classes_that_differ_in_case_only_are_numbered(betahat: Any, rows: pd.DataFrame) -> None:
    betahat("fit", "SELECT x, if(died = 1, 'A', 'a') AS y FROM 'rows.csv'", "-y", "y", "-o", "m")
    assert betahat("predict", "m", "rows.csv", "-o", "p.parquet").exit_code == 0
    found, m = pd.read_parquet("p.parquet"), bh.load("m")
    assert list(m.classes_) == ["A", "a"]
    assert_allclose(found[["prediction_1", "prediction_2"]], m.predict_proba(rows), rtol=1e-12)


# separation -----------------------------------------------------------------------------------------------------------

SEPARATED = "SELECT i AS x, if(i < 10, 'no', 'yes') AS y FROM range(20) AS t(i)"


def test_separation_is_told_and_ends_with_1(betahat: Any, betahat_json: Any) -> None:
    done = betahat("fit", SEPARATED, "-y", "y", "-o", "m")
    assert done.exit_code == 1
    assert "warning: complete separation" in done.stderr
    assert "no minimum exists" in done.stdout
    assert "∞" in done.stdout
    shown = betahat("show", "m", "--explain")
    assert shown.exit_code == 0
    assert shown.stdout.startswith(done.stdout)
    assert "Separation" in shown.stdout
    predicted = betahat("predict", "m", SEPARATED, "-o", "p.parquet")
    assert predicted.exit_code == 0
    assert "without a certificate" in predicted.stderr
    found = pd.read_parquet("p.parquet")
    assert (found["prediction"] == found["y"]).all()


def test_separation_in_json(betahat: Any) -> None:
    import json

    done = betahat("fit", SEPARATED, "-y", "y", "--json")
    assert done.exit_code == 1
    values = json.loads(done.stdout)
    assert column(values, "infinite") == [-1, 1]
    assert column(values, "std_err") == [None, None]
    assert values["certificate"]["converged"] is False
    assert any("complete separation" in text for text in values["warnings"])


def test_separation_as_an_error_and_its_remedy(betahat: Any) -> None:
    done = betahat("fit", SEPARATED, "-y", "y", "--separation", "error", "-o", "m")
    assert done.exit_code == 2
    assert "separation" in done.stderr
    assert not Path("m").exists()
    done = betahat("fit", SEPARATED, "-y", "y", "--firth")
    assert done.exit_code == 0, done.stderr
    assert "bias-reduced (Firth)" in done.stdout


# refusals -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-y", "died", "--model", "logit"], "'logistic'"),
        (
            ["-y", "cost", "--model", "poisson", "--firth"],
            "--firth is for --model logistic, and this is --model poisson",
        ),
        (["-y", "cost", "--columns", "x", "--firth"], "guessed since 'cost' holds numbers"),
        (["-y", "cost", "--columns", "x", "--power", "1.5"], "--power is for --model tweedie"),
        (
            ["-y", "died", "--model", "logistic", "--link", "probit"],
            "--link is for --model poisson, gamma, tweedie",
        ),
        (["-y", "died", "--model", "binomial", "--link", "prohbit"], "did you mean 'probit'"),
        (["-y", "cost", "--model", "linear", "--offset", "w"], "--offset is for --model logistic"),
        (["-y", "cost", "--columns", "x", "--separation", "error"], "--separation is for --model logistic"),
        (["-y", "died", "--model", "logistic", "--separation", "ignore"], "separation"),
        (["-y", "died", "--model", "logistic", "--exposure", "t"], "exposure multiplies the mean"),
        (["-y", "cost", "--model", "logistic"], "continuous"),
        (["-y", "x", "--columns", "t", "--model", "poisson"], "y"),
        (["-y", "visits", "--columns", "t", "--model", "poisson", "--exposure", "x"], "must be positive"),
        (["-y", "species", "--model", "logistic", "--firth"], "firth=True"),
        (["-y", "species", "--model", "poisson"], "numbers are expected"),
        (["-y", "died,late", "--model", "logistic"], "2 columns"),
        (["-y", "visits,cost", "--model", "poisson"], "2 targets"),
        (["-y", "cost", "--model", "tweedie", "--power", "0.5"], "power"),
        (["-y", "died", "--model", "logistic", "--cov", "HC3"], "HC3"),
        (["-y", "nope"], "no column 'nope'"),
        (["-f", "nope ~ x"], "nope"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_ends_with_2_and_one_message(betahat: Any, arguments: list[str], words: str) -> None:
    done = betahat("fit", "rows.csv", *arguments)
    assert done.exit_code == 2, done.stdout
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("target", "model", "options", "words"),
    [
        ("species", "logistic", ["--interval", "0.9"], "for two classes; there are 3"),
        ("died", "logistic", ["--exposure", "t"], "exposure multiplies the mean"),
        ("cost", "linear", ["--offset", "w"], "this model has no link"),
    ],
)
def test_wrong_predictions_end_with_2(
    betahat: Any, target: str, model: str, options: list[str], words: str
) -> None:
    assert betahat("fit", "rows.csv", "-y", target, "--columns", "x", "-m", model, "-o", "m").exit_code == 0
    done = betahat("predict", "m", "rows.csv", "-o", "p.csv", *options)
    assert done.exit_code == 2
    assert words in done.stderr
    assert not Path("p.csv").exists()


def test_a_fit_without_a_summary_shows_its_coefficients(betahat: Any, betahat_json: Any) -> None:
    """One step of Newton's is no minimum, so that there are no standard errors, but all else is told."""
    X = np.random.default_rng(0).normal(size=(50, 2))
    with pytest.warns(bh.CertificateWarning):
        m = bh.LogisticRegression(max_iter=1).fit(X, X[:, 0] + np.sin(50 * X[:, 1]) > 0)
    m.save("m")
    done = betahat("show", "m")
    assert done.exit_code == 0, done.stderr
    assert "No standard errors: " in done.stdout
    assert m.certificate_.line() in done.stdout
    values = betahat_json("show", "m")
    assert column(values) == [*m.intercept_, *m.coef_[0]]
    assert "not a minimum" in values["summary"]["refused"]

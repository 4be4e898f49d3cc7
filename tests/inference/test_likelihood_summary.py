"""The summary of likelihood fits: what it shows is what the inference says."""

from __future__ import annotations

import json
from dataclasses import replace

import narwhals as nw
import numpy as np
import pytest
from inference import likelihood_fits as fits

from betahat.inference import LikelihoodInference, LikelihoodSummary

COLUMNS = ["name", "coefficient", "std_err", "statistic", "p_value", "conf_low", "conf_high"]


def logit(**changes):
    X, y, names = fits.spector()
    return LikelihoodInference(replace(fits.fit(X, y, names=names), **changes))


def gamma(**changes):
    X, y, names = fits.scotland()
    return LikelihoodInference(replace(fits.fit(X, y, fits.GAMMA, names=names), **changes))


def multinomial(**changes):
    X, y, names = fits.anes96()
    return LikelihoodInference(replace(fits.fit_multinomial(X, y, names=names), **changes))


@pytest.mark.parametrize("make", [logit, gamma, multinomial])
def test_text_holds_the_numbers(make):
    inference = make()
    s = inference.statistics
    text = str(LikelihoodSummary(inference, title="A title"))
    assert text.splitlines()[0] == "A title"
    shown = (
        f"{s.log_likelihood:.6g}", f"{s.deviance:.6g}", f"{inference.aic:.6g}", f"{inference.bic:.6g}", s.family,
        s.link, f"{inference.lr_statistic:.6g}", "Certified global minimum.", "nonrobust", "2.5 %",
    )  # fmt: skip
    assert [part for part in shown if part not in text] == []
    if s.dispersion_known:
        assert f"LR χ²({s.df_model})" in text
        assert "P>|z|" in text
        assert f"{inference.mcfadden:.6g}" in text
        assert "Dispersion" not in text
    else:
        assert f"LR F({s.df_model}, {s.df_resid:g})" in text
        assert "P>|t|" in text
        assert f"{s.dispersion:.6g}" in text
    name = s.names[2]
    rows = [line.split() for line in text.splitlines() if line.startswith(f"{name} ")]
    assert len(rows) == len(s.target_names)
    for k, row in enumerate(rows):
        estimate, error = s.estimate[k, 2], np.atleast_2d(inference.std_err)[k, 2]
        assert row[1:3] == [f"{estimate:.6g}", f"{error:.6g}"]


def test_binary_names_the_classes_and_multinomial_each_against_the_reference():
    assert "y (1 against 0)" in str(LikelihoodSummary(logit()))
    text = str(LikelihoodSummary(multinomial()))
    assert [line for line in text.splitlines() if "against" in line] == [
        f"Class{'  ' if k else '        '}{name} against a" for k, name in enumerate("bcdefg")
    ]


@pytest.mark.parametrize(("cov_type", "test"), [("nonrobust", "LR χ²(3)"), ("HC0", "Wald χ²(3)")])
def test_overall_test_goes_with_the_covariance(cov_type, test):
    X, y, _ = fits.spector()
    inference = LikelihoodInference(fits.fit(X, y, cov_type=cov_type))
    text = str(LikelihoodSummary(inference))
    assert test in text
    value = inference.lr_statistic if cov_type == "nonrobust" else inference.wald_statistic
    assert f"{value:.6g}" in text


def test_observed_information_is_said():
    X, y, _ = fits.spector()
    s = fits.fit(X, y, fits.PROBIT, information="observed")
    assert "nonrobust, observed information" in str(LikelihoodSummary(LikelihoodInference(s)))


@pytest.mark.parametrize("backend", ["pandas", "polars", "pyarrow"])
@pytest.mark.parametrize("make", [logit, multinomial])
def test_frame(make, backend):
    inference = make()
    frame = nw.from_native(LikelihoodSummary(inference, level=0.9).frame(backend), eager_only=True)
    t = len(inference.target_names)
    assert frame.columns == ["target"] * (t > 1) + COLUMNS
    assert frame["name"].to_list() == list(inference.names) * t
    np.testing.assert_array_equal(frame["std_err"].to_numpy(), inference.std_err.ravel())
    np.testing.assert_array_equal(frame["conf_low"].to_numpy(), inference.conf_int(0.9)[..., 0].ravel())


@pytest.mark.parametrize("make", [logit, gamma, multinomial])
def test_json(make):
    inference = make()
    content = json.loads(json.dumps(LikelihoodSummary(inference).to_dict(), allow_nan=False))
    assert content["aic"] == inference.aic
    assert content["lr_p_value"] == inference.lr_p_value
    assert content["df_inference"] == (None if inference.statistics.dispersion_known else inference.df_resid)
    assert [target["name"] for target in content["targets"]] == list(inference.target_names)
    first = content["targets"][0]["coefficients"][1]
    assert first["std_err"] == np.atleast_2d(inference.std_err)[0, 1]
    assert first["infinite"] == 0


def test_infinite_estimates_are_marked_and_their_errors_withheld():
    infinite = np.array([[False, True, False, True]])
    estimate = np.array([[1.0, -31.0, 0.5, 44.0]])
    summary = LikelihoodSummary(logit(infinite=infinite, estimate=estimate))
    rows = {
        line.split()[0]: line.split()[1:] for line in str(summary).splitlines() if line[:3] in ("GPA", "PSI")
    }
    assert rows == {"GPA": ["−∞", *["nan"] * 5], "PSI": ["∞", *["nan"] * 5]}
    assert "Infinite maximum likelihood estimates: GPA (−∞), PSI (∞)." in str(summary)
    assert "firth=True" in summary._repr_html_()
    frame = nw.from_native(summary.frame("pandas"), eager_only=True)
    assert frame["coefficient"].to_list() == [1.0, -np.inf, 0.5, np.inf]
    assert np.isnan(frame["std_err"].to_numpy()).tolist() == infinite[0].tolist()
    rows = json.loads(json.dumps(summary.to_dict(), allow_nan=False))["targets"][0]["coefficients"]
    assert [row["infinite"] for row in rows] == [0, -1, 0, 1]
    assert [row["coefficient"] for row in rows] == [1.0, None, 0.5, None]


@pytest.mark.parametrize("make", [logit, gamma, multinomial])
def test_penalised_shows_estimates_and_why_no_more(make):
    summary = LikelihoodSummary(make(penalised=True))
    text = str(summary)
    assert "std err" not in text
    assert "AIC" not in text
    assert "penalty shrinks" in text
    assert f"{summary.inference.estimate.ravel()[1]:.6g}" in text
    content = json.loads(json.dumps(summary.to_dict(), allow_nan=False))
    assert "aic" not in content
    assert content["deviance"] == summary.inference.deviance
    assert content["targets"][0]["coefficients"][0]["std_err"] is None


def test_bias_reduced_says_so_and_gives_the_wald_test():
    text = str(LikelihoodSummary(logit(bias_reduced=True)))
    assert "bias-reduced (Firth)" in text
    assert "Wald χ²(3)" in text
    assert "LR" not in text
    assert "profile the penalised likelihood" in text


def test_html_escapes_names():
    evil = "<script>x</script>"
    html = LikelihoodSummary(
        logit(
            names=("Intercept", evil, "a", "b"), response=evil, classes=(evil, "<b>"), certificate_line=evil
        )
    )._repr_html_()
    assert "<script" not in html
    assert "<b>" not in html
    assert "&lt;script&gt;" in html

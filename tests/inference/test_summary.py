"""The summary as text, HTML, frames and JSON: what it shows is what Inference says."""

from __future__ import annotations

import json

import narwhals as nw
import numpy as np
import pytest

from betahat.inference import Inference, Summary

COLUMNS = ["name", "coefficient", "std_err", "statistic", "p_value", "conf_low", "conf_high"]


@pytest.fixture(scope="module")
def inference(build, sample):
    d = sample(80, 3)
    return Inference(build(d["X"], d["y"]))


@pytest.fixture(scope="module")
def two_targets(build, sample):
    d = sample(80, 3)
    return Inference(build(d["X"], np.column_stack([d["y"], d["y"] ** 2])))


def test_text(inference):
    text = str(Summary(inference, title="LinearRegression"))
    assert text.splitlines()[0] == "LinearRegression"
    for expected in (
        f"{inference.r_squared:.6g}", f"{inference.adj_r_squared:.6g}", f"{inference.f_statistic:.6g}",
        f"{inference.log_likelihood:.6g}", f"{inference.aic:.6g}", f"{inference.bic:.6g}", "F(3, 76)",
        "nonrobust", "Cholesky", "12.5", "Certified global minimum.", "2.5 %", "97.5 %", "Residual df",
    ):  # fmt: skip
        assert expected in text
    row = next(line for line in text.splitlines() if line.startswith("x2 "))
    low, high = inference.conf_int()[2]
    numbers = (inference.estimate[2], inference.std_err[2], inference.statistic[2], low, high)
    assert [f"{v:.6g}" for v in numbers] == [row.split()[i] for i in (1, 2, 3, 5, 6)]
    table = [line for line in text.splitlines() if line.startswith(("---", "x", "Intercept", " "))]
    assert len({len(line) for line in table if line.startswith(("-", "x", "Intercept"))}) == 1


@pytest.mark.parametrize(("level", "heads"), [(0.9, ("5 %", "95 %")), (0.999, ("0.05 %", "99.95 %"))])
def test_level(inference, level, heads):
    summary = Summary(inference, level=level)
    assert all(head in str(summary) for head in heads)
    frame = nw.from_native(summary.frame("pyarrow"), eager_only=True)
    np.testing.assert_allclose(frame["conf_low"].to_numpy(), inference.conf_int(level)[:, 0])


@pytest.mark.parametrize("backend", ["pandas", "polars", "pyarrow", None])
@pytest.mark.parametrize("targets", [1, 2])
def test_frame(inference, two_targets, backend, targets):
    source = inference if targets == 1 else two_targets
    native = Summary(source).frame(backend)
    assert type(native).__module__.split(".")[0] == (backend or "pandas")
    frame = nw.from_native(native, eager_only=True)
    assert frame.columns == ["target"] * (targets > 1) + COLUMNS
    assert frame["name"].to_list() == list(source.names) * targets
    for column, values in (
        ("coefficient", source.estimate),
        ("std_err", source.std_err),
        ("p_value", source.p_value),
    ):
        np.testing.assert_array_equal(frame[column].to_numpy(), values.ravel())


def test_unknown_backend(inference):
    with pytest.raises(ValueError, match=r"backend \(='excel'\)"):
        Summary(inference).frame("excel")


def test_wrong_level(inference):
    with pytest.raises(ValueError, match=r"level=0\.95"):
        Summary(inference, level=95)


def test_json(inference, two_targets):
    for source in (inference, two_targets):
        content = json.loads(json.dumps(Summary(source).to_dict(), allow_nan=False))
        assert [target["name"] for target in content["targets"]] == list(source.target_names)
        first = content["targets"][0]
        assert first["coefficients"][1]["std_err"] == np.reshape(source.std_err, (-1, 4))[0, 1]
        assert first["aic"] == np.reshape(source.aic, -1)[0]
        assert content["df_resid"] == 76


@pytest.mark.parametrize("targets", [1, 2])
def test_html_escapes_names(build, sample, targets):
    d = sample(40, 2)
    evil = "<script>alert('x')</script>"
    Y = np.column_stack([d["y"], d["y"]])[:, :targets]
    s = build(
        d["X"],
        Y,
        names=(evil, "a&b"),
        target_names=tuple(f"<b>{k}" for k in range(targets)),
        certificate_line=evil,
    )
    html = Summary(Inference(s), title="<i>title")._repr_html_()
    assert "<script" not in html
    assert "<b>" not in html
    assert "<i>" not in html
    assert "&lt;script&gt;" in html
    assert "a&amp;b" in html
    assert html.count("<thead>") == targets


def test_names_that_would_break_the_table(build, sample):
    d = sample(40, 3)
    names = ("C(carrier)[T.a very long name of an airline, Ltd.]", "two\nlines", "\x1b[31mred")
    text = str(Summary(Inference(build(d["X"], d["y"], names=names))))
    assert "…" in text
    assert "\x1b" not in text
    assert "Ltd.]" in text
    widths = {len(line) for line in text.splitlines() if line.startswith(("--", "C(", "two", "Intercept"))}
    assert len(widths) == 1
    assert max(widths) < 120
    assert (
        names[0]
        in nw.from_native(Summary(Inference(build(d["X"], d["y"], names=names))).frame("polars"))["name"]
    )


def test_penalised_shows_estimates_and_why_no_more(build, sample):
    d = sample(40, 2)
    inference = Inference(build(d["X"], d["y"], penalised=True))
    summary = Summary(inference)
    text = str(summary)
    assert f"{inference.estimate[1]:.6g}" in text
    assert f"{inference.r_squared:.6g}" in text
    assert "std err" not in text
    assert "penalty shrinks" in text
    assert "penalty shrinks" in summary._repr_html_()
    frame = nw.from_native(summary.frame(), eager_only=True)
    assert frame.columns == COLUMNS
    assert np.isnan(frame["std_err"].to_numpy()).all()
    content = json.loads(json.dumps(summary.to_dict(), allow_nan=False))
    assert content["targets"][0]["coefficients"][0]["std_err"] is None
    assert content["penalised"] is True


@pytest.mark.parametrize(
    ("cov_type", "ways", "shown"),
    [
        ("cluster", 1, "cluster (9 groups)"),
        ("cluster", 2, "cluster (9 × 7 groups)"),
        ("HAC", 1, "HAC (3 lags)"),
    ],
)
def test_covariance_is_named(build, sample, cov_type, ways, shown):
    d = sample(200, 2)
    s = build(d["X"], d["y"], cov_type=cov_type, groups=d["groups"][:, :ways], maxlags=3)
    text = str(Summary(Inference(s)))
    assert shown in text
    assert f"F(2, {197 if cov_type == 'HAC' else (8, 6)[ways - 1]})" in text


def test_collinear_and_saturated_fits_say_so(build):
    x = np.arange(6.0)
    text = str(Summary(Inference(build(np.column_stack([x, 2 * x]), x**2))))
    assert "nan" in text
    assert "Not determined by the data" in text
    saturated = Summary(Inference(build(x[:2, None], np.array([1.0, 5.0]))))
    assert "No residual degrees of freedom" in str(saturated)
    json.dumps(saturated.to_dict(), allow_nan=False)


def test_uncentred_r_squared_is_called_so(build, sample):
    d = sample(40, 2)
    assert "R² (uncentred)" in str(Summary(Inference(build(d["X"], d["y"], intercept=False))))

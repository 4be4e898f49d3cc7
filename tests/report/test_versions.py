"""What the machine and the packages are said to be."""

from __future__ import annotations

import io
import json
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import betahat as bh
from betahat.report.versions import show_versions, versions


def test_versions_are_those_installed() -> None:
    found = versions()
    assert json.loads(json.dumps(found)) == found
    assert found["betahat"] == bh.__version__
    assert platform.python_version() in found["python"]
    packages = found["packages"]
    assert {name: version(name) for name in packages} == packages
    assert {"numpy", "scipy", "scikit-learn", "numba", "llvmlite", "duckdb", "nanoarrow"} <= set(packages)
    affinity = getattr(os, "sched_getaffinity", None)
    assert found["processor"]["cores"] == (len(affinity(0)) if affinity else os.cpu_count())


def test_everything_is_printed_and_nothing_returned(capsys: pytest.CaptureFixture[str]) -> None:
    file = io.StringIO()
    assert bh.show_versions(file=file) is None
    show_versions()
    assert capsys.readouterr().out == file.getvalue()
    for name, found in versions()["packages"].items():
        assert any(line.split() == [name, found] for line in file.getvalue().splitlines())


def test_the_cache_is_told(tmp_path: Path) -> None:
    code = "import json; from betahat.report.versions import versions; print(json.dumps(versions()))"
    environment = {**os.environ, "BETAHAT_CACHE_DIR": str(tmp_path), "BETAHAT_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    assert found["processor"]["threads"] == 1
    assert Path(found["cache"]["folder"]).parent == tmp_path
    assert found["cache"]["files"] == found["cache"]["bytes"] == 0

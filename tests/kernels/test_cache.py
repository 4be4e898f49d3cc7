"""Compiled code on disk: kept, renewed when a kernel changes, and done without where nothing is writable."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from betahat.kernels import compiled

FIT = """
import numpy as np, betahat as bh
X = np.arange(300_000.0).reshape(-1, 2) % 7
print((bh.LinearRegression().fit(X, X[:, 0]).coef_.round(12) + 0.0).tolist())
"""


def run(**env):
    return subprocess.run(
        [sys.executable, "-c", FIT], env={**os.environ, **env}, capture_output=True, text=True, check=True
    )


def test_compiles_once_and_says_so(tmp_path):
    first = run(BETAHAT_CACHE_DIR=str(tmp_path))
    assert first.stderr.count("\n") == 1
    assert "compiling kernels for this processor" in first.stderr
    again = run(BETAHAT_CACHE_DIR=str(tmp_path))
    assert again.stderr == ""
    assert again.stdout == first.stdout == "[1.0, 0.0]\n"


def test_no_writable_place(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    result = run(BETAHAT_CACHE_DIR=str(blocked))
    assert result.stdout == "[1.0, 0.0]\n"
    assert "no writable cache folder" in result.stderr


def test_small_fits_never_load_the_compiler():
    code = (
        "import sys, numpy as np, betahat as bh\n"
        "rng = np.random.default_rng(0); X = rng.standard_normal((500, 20))\n"
        "m = bh.LinearRegression(cov_type='HC3').fit(X, X.sum(1)); m.inference_; m.predict(X); m.summary()\n"
        "assert 'numba' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("changed", ["tile.py", "network/tiles.py"])
def test_the_folder_changes_with_the_sources(changed, tmp_path, monkeypatch):
    """The key of the cache is a hash of every kernel source, so a changed tile reaches all that use it."""
    copy = tmp_path / "kernels"
    shutil.copytree(Path(compiled.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(compiled, "__file__", str(copy / "compiled.py"))
    compiled.sources_hash.cache_clear()
    before = compiled.sources_hash()
    with (copy / changed).open("a") as file:
        file.write("# changed\n")
    compiled.sources_hash.cache_clear()
    after = compiled.sources_hash()
    monkeypatch.undo()
    compiled.sources_hash.cache_clear()
    assert before == compiled.sources_hash() != after

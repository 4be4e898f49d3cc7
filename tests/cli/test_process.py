"""The command in a process of its own: exit codes, streams, Ctrl-C, and what importing it costs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import betahat as bh

COMMAND = [sys.executable, "-m", "betahat.cli"]


def run(*arguments: Any, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        **options,
    )


def test_fit_show_predict(tmp_path: Path) -> None:
    done = run("fit", "data.csv", "-f", "y ~ x + kind", "--json", "-o", tmp_path / "model")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["saved"] == str(tmp_path / "model")
    shown = run("show", tmp_path / "model")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "\x1b" not in shown.stdout  # plain where it is not a terminal
    assert shown.stdout == f"{bh.load(tmp_path / 'model').summary()}\n"
    done = run("predict", tmp_path / "model", "data.csv", "-o", tmp_path / "out.csv")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"300 rows written to {tmp_path / 'out.csv'}\n"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["fit", "nope.csv", "-y", "y"], 2), (["show", "nope"], 2), (["fit"], 2), (["-h"], 0)],
)
def test_exit_codes(arguments: list[str], code: int) -> None:
    done = run(*arguments)
    assert done.returncode == code
    assert "Traceback" not in done.stderr


def test_a_terminal_that_lacks_the_letters_is_no_reason_to_fail() -> None:
    done = run("fit", "data.csv", "-f", "y ~ x", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0
    assert "R?" in done.stdout


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    bh.LinearRegression().fit([[float(i % 7), float(i)] for i in range(50)], range(50)).save(
        tmp_path / "model"
    )
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*COMMAND, "show", tmp_path / "model", "--explain"],
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_ctrl_c_ends_with_130_and_writes_nothing(tmp_path: Path) -> None:
    sql = "SELECT i AS x, i % 7 AS z, 2.0 * i AS y FROM range(20000000000) AS t(i)"
    process = subprocess.Popen(
        [*COMMAND, "fit", sql, "-y", "y", "-o", tmp_path / "model"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    time.sleep(4)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, b"")
    assert b"interrupted" in err
    assert b"Traceback" not in err
    assert not list(tmp_path.iterdir())


def test_importing_the_command_line_is_light() -> None:
    code = "import sys, betahat.cli.app; print(*sys.modules)"
    loaded = set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.split())
    assert "betahat.cli.app" in loaded
    heavy = {
        "numpy",
        "scipy",
        "sklearn",
        "numba",
        "duckdb",
        "pandas",
        "polars",
        "formulaic",
        "matplotlib",
        "rich",
    }
    assert not loaded & heavy


def test_after_warmup_nothing_is_compiled(tmp_path: Path) -> None:
    environment = {**os.environ, "BETAHAT_CACHE_DIR": str(tmp_path)}
    done = run("warmup", "--json", env=environment)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["cache"]["files"] > 0
    code = (
        "import numpy as np, betahat as bh\n"
        "rng = np.random.default_rng(0)\n"
        "for n, p in ((40000, 5), (3000, 450)):\n"
        "    for dtype in ('f8', 'f4', 'i8'):\n"
        "        for order in 'CF':\n"
        "            X = np.asarray(rng.normal(size=(n, p)) * 9, dtype, order=order)\n"
        "            X[:, 1] += X[:, 0] * 1000\n"
        "            bh.LinearRegression(cov_type='HC3').fit(X, rng.normal(size=n), sample_weight=np.ones(n))\n"
    )
    fit = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert (fit.returncode, fit.stderr) == (0, "")

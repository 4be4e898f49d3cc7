"""One table in every form the command line reads, and a way to run commands."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from betahat.cli.app import app

N = 300


@pytest.fixture(scope="session")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(11)
    frame = pd.DataFrame({
        "x": rng.normal(size=N),
        "a b": rng.uniform(1, 2, N),
        "kind": rng.choice(["u", "v", "w"], N),
        "w": rng.uniform(0.5, 2, N),
        "f": rng.integers(1, 4, N),
        "g": rng.integers(0, 25, N),
    })  # fmt: skip
    frame["y"] = 1 + 2 * frame.x + frame["a b"] + (frame.kind == "v") + rng.normal(size=N)
    return frame


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory, data: pd.DataFrame) -> Path:
    folder = tmp_path_factory.mktemp("data")
    data.to_csv(folder / "data.csv", index=False)
    data.to_parquet(folder / "data.parquet")
    for k in range(3):
        data.iloc[k * 100 : (k + 1) * 100].to_parquet(folder / f"part-{k}.parquet")
    data.assign(x=data.x.where(data.index % 10 > 0)).to_csv(folder / "holes.csv", index=False)
    with duckdb.connect(str(folder / "data.duckdb")) as connection:
        connection.execute(f"CREATE TABLE rows AS FROM '{folder / 'data.parquet'}'")
        connection.execute("CREATE TABLE other AS SELECT 1 AS x")
    return folder


@pytest.fixture(autouse=True)
def _here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


@pytest.fixture
def betahat() -> Callable[..., Any]:
    """Run a command in this process; the result has exit_code, stdout and stderr."""
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def betahat_json(betahat: Callable[..., Any]) -> Callable[..., dict[str, Any]]:
    """Run a command with --json and read its one object, strictly."""

    def run(*arguments: Any) -> dict[str, Any]:
        done = betahat(*arguments, "--json")
        assert done.exit_code == 0, done.stderr

        def refuse(constant: str) -> None:
            raise AssertionError(f"{constant} is not JSON")

        return json.loads(done.stdout, parse_constant=refuse)

    return run

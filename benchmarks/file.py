"""A Parquet file of 20,000,000 × 20: peak memory, and time beside DuckDB's own sums over the same columns."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.memory import peak_bytes

ROWS, P = 20_000_000, 20


NORMAL = "sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random())"


def write(path: str, target: str, rows: int) -> None:
    """Normal columns x1 … x20 and y, SQL of them, in Parquet."""
    import duckdb

    columns = ", ".join(f"{NORMAL} AS x{j}" for j in range(1, P + 1))
    duckdb.connect().sql(
        f"COPY (SELECT *, {target} AS y FROM (SELECT {columns} FROM range({rows}))) TO '{path}' (FORMAT parquet)"
    )


def sums(path: str) -> None:
    """DuckDB's own sums over all columns."""
    import duckdb

    of = ", ".join(f"sum(x{j})" for j in range(1, P + 1))
    duckdb.connect().sql(f"SELECT {of}, sum(y) FROM '{path}'").fetchall()


def in_memory(path: str) -> tuple[np.ndarray, np.ndarray]:
    """X (n, 20) and y (n,) of the file."""
    import duckdb

    found = duckdb.connect().sql(f"SELECT * FROM '{path}'").fetchnumpy()
    return np.column_stack([found[f"x{j}"] for j in range(1, P + 1)]), np.ascontiguousarray(found["y"])


def in_turn(module: str, kinds: tuple[str, ...], path: str) -> dict[str, list[dict]]:
    """What `python -m module kind path` prints, each kind twice, in turn."""
    found: dict[str, list[dict]] = {kind: [] for kind in kinds}
    for _ in range(2):
        for kind in kinds:
            command = [sys.executable, "-m", module, kind, path]
            found[kind].append(json.loads(subprocess.check_output(command, text=True)))
    return found


def task(kind: str, path: str) -> dict[str, object]:
    """One measurement in a process of its own."""
    import betahat as bh

    result: dict[str, object] = {}
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        if kind == "sum":
            sums(path)
        elif kind == "fit":
            source = bh.data.query(path, target="y")
            model = bh.LinearRegression().fit(source)
            result = {"coef": [model.intercept_, *model.coef_], "readings": source.readings}
            result["std_err"] = list(model.inference_.std_err)
            result["line"] = model.certificate_.line()
        else:
            if not seconds:
                X, y = in_memory(path)
                bh.LinearRegression().fit(X[:50_000], y[:50_000])
                start = time.perf_counter()
            model = bh.LinearRegression().fit(X, y)
            result = {"coef": [model.intercept_, *model.coef_], "std_err": list(model.inference_.std_err)}
        seconds.append(time.perf_counter() - start)
    result["seconds"] = seconds
    result["peak_mb"] = peak_bytes() / 2**20
    return result


def run() -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "data.parquet")
        write(path, f"3 + x1 + 2 * x2 - x3 + 0.5 * x{P} + {NORMAL}", ROWS)
        found = in_turn("benchmarks.file", ("sum", "fit", "memory"), path)
    median = {k: statistics.median(s for run in v for s in run["seconds"]) for k, v in found.items()}
    fit, memory = found["fit"][0], found["memory"][0]
    errors = np.array(memory["std_err"])
    difference = np.abs(np.array(fit["coef"]) - memory["coef"]).max() / np.abs(memory["coef"]).max()
    beside = np.abs((np.array(fit["coef"]) - memory["coef"]) / errors).max()
    limit = median["sum"] + median["memory"]
    return "\n\n".join([
        f"{ROWS:,} × {P} float64 in Parquet (3.4 GB), each measurement in its own process, three times, twice in turn.",
        "| what | median | peak memory of the process |\n|---|---|---|\n"
        f"| DuckDB `SELECT sum(x1), …, sum(y)` | {median['sum']:.2f} s | {found['sum'][0]['peak_mb']:.0f} MB |\n"
        f"| the arithmetic: betahat on the same rows in memory | {median['memory']:.2f} s | (3.4 GB of data) |\n"
        f"| betahat from the file | {median['fit']:.2f} s | {fit['peak_mb']:.0f} MB |",
        f"Ratio to DuckDB's sums plus the arithmetic: {median['fit'] / limit:.2f}. Readings of the file: "
        f"{fit['readings']}. Largest difference of a coefficient from the fit in memory: {difference:.1e} of the "
        f"largest coefficient, {beside:.1e} of its standard error. {fit['line']}.",
    ])  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(task(*sys.argv[1:3]), default=float))

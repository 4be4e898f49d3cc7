"""Logistic regression of a Parquet file of 20,000,000 × 20: peak memory, passes, and digits beside the fit in memory.

`python -m benchmarks.logistic_file 200000` tries it with so many rows.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.file import P, in_memory, in_turn, sums, write
from benchmarks.memory import peak_bytes

ROWS = 20_000_000
_ETA = f"-0.5 + x1 + 0.5 * x2 - x3 + 0.25 * x{P}"


def task(kind: str, path: str) -> dict[str, object]:
    """One measurement in a process of its own."""
    import betahat as bh

    if kind == "sum":
        start = time.perf_counter()
        sums(path)
        return {"seconds": time.perf_counter() - start, "peak_mb": peak_bytes() / 2**20}
    rng = np.random.default_rng(0)
    bh.LogisticRegression().fit(rng.standard_normal((5000, P)), rng.integers(0, 2, 5000))  # loads the kernels
    source = bh.data.query(path, target="y") if kind == "fit" else None
    rows = in_memory(path) if source is None else (source,)
    start = time.perf_counter()
    model = bh.LogisticRegression().fit(*rows)
    errors = model.inference_.std_err
    return {
        "seconds": time.perf_counter() - start,
        "peak_mb": peak_bytes() / 2**20,
        "coef": np.append(model.intercept_, model.coef_).tolist(),
        "std_err": np.ravel(errors).tolist(),
        "readings": model.certificate_.readings if source is None else source.readings,
        "iterations": int(np.max(model.n_iter_)),
        "line": model.certificate_.line(),
    }


def run(rows: int = ROWS) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "data.parquet")
        write(path, f"CAST(random() < 1 / (1 + exp(-({_ETA}))) AS INTEGER)", rows)
        size = Path(path).stat().st_size / 1e9
        found = in_turn("benchmarks.logistic_file", ("sum", "fit", "memory"), path)
    median = {kind: statistics.median(run["seconds"] for run in runs) for kind, runs in found.items()}
    fit, memory = found["fit"][0], found["memory"][0]
    beta, same = np.array(fit["coef"]), np.array(memory["coef"])
    relative = np.abs(beta / same - 1).max()
    errors = np.abs(np.array(fit["std_err"]) / memory["std_err"] - 1).max()
    beside = np.abs((beta - same) / memory["std_err"]).max()
    peak = max(run["peak_mb"] for run in found["fit"])
    limit = fit["readings"] * median["sum"] + median["memory"]
    return "\n\n".join([
        f"{rows:,} × {P} float64 in Parquet ({size:.2f} GB), unpenalised, intercept, standard errors and certificate "
        "included; each measurement in its own process, twice in turn.",
        "| what | median | peak memory of the process |\n|---|---|---|\n"
        f"| DuckDB `SELECT sum(x1), …, sum(y)`, once | {median['sum']:.2f} s | {found['sum'][0]['peak_mb']:.0f} MiB |\n"
        f"| betahat on the same rows in memory | {median['memory']:.2f} s | ({rows * (P + 1) * 8 / 1e9:.2f} GB of "
        "data) |\n"
        f"| betahat from the file | {median['fit']:.2f} s | {peak:.0f} MiB |",
        f"Passes over the file: {fit['readings']}, in {fit['iterations']} iterations, the certificate's included "
        f"(in memory {memory['readings']}). Ratio to DuckDB's sums in as many passes plus the fit in memory: "
        f"{median['fit'] / limit:.2f}. Largest relative difference of a coefficient from the fit in memory: "
        f"{relative:.1e} ({beside:.1e} of its standard error), of a standard error {errors:.1e}. {fit['line']}.",
    ])  # fmt: skip


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(json.dumps(task(*sys.argv[1:3]), default=float))
    else:
        print(run(*map(int, sys.argv[1:])))

"""A file that need not fit in memory: read in blocks, as often as the solution needs; only sums are kept.

    python examples/file_larger_than_memory.py [ROWS]

writes a Parquet file of ROWS rows (a million unless given) to a temporary folder, fits it, and predicts it.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import duckdb

import betahat as bh

rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000

with tempfile.TemporaryDirectory() as folder:
    trips = str(Path(folder) / "trips.parquet")
    predicted = str(Path(folder) / "predicted.parquet")
    duckdb.sql(
        f"""
        COPY (
            SELECT km, kind, 2.5 + 1.2 * km + (kind = 'night')::INT * 3 + noise AS fare
            FROM (
                SELECT i * 7919 % 1000 / 50 AS km,
                       ['day', 'night', 'airport'][i % 3 + 1] AS kind,
                       sin(i * i) AS noise
                FROM range({rows}) AS t(i)
            )
        ) TO '{trips}'
        """
    )

    source = bh.data.query(trips, formula="fare ~ km + kind")
    model = bh.LinearRegression().fit(source)
    print(model.summary())
    print(f"\n{source.n_rows:,} rows, read {source.readings} time(s).")

    # Predictions are streamed, too; the columns of the input are kept.
    bh.data.write_predictions(
        trips, model.design_, lambda rows: {"expected": rows.X @ model.coef_ + model.intercept_}, predicted
    )
    by_kind = "kind, avg(fare) AS fare, avg(expected) AS expected"
    duckdb.sql(f"SELECT {by_kind} FROM '{predicted}' GROUP BY ALL ORDER BY kind").show()

"""Tables written to files of every kind that can be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa


def written(folder: Path, kind: str, columns: dict[str, Any]) -> str:
    """The file, or the query that reads it."""
    path = folder / f"rows.{kind}"
    if kind == "sql":
        return f"SELECT * FROM '{written(folder, 'parquet', columns)}'"
    connection = duckdb.connect(path if kind == "duckdb" else ":memory:")
    with connection:
        connection.register("t", pa.table(columns))
        connection.execute("CREATE TABLE r AS FROM t" if kind == "duckdb" else f"COPY t TO '{path}'")
    return str(path)

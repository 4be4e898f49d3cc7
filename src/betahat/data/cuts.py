"""Where a file or table can be cut into runs of rows that are read by themselves, without reading those before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from betahat.data.duck import Table, literal
from betahat.errors import DataError

_FEWEST, _RUN = 1 << 15, 122_880
"""Rows of a run at least, since each costs a query; rows of a group of DuckDB's tables."""


@final
@dataclass(frozen=True, slots=True)
class Cut:
    """Rows of `expression` for which `condition` holds; so many rows are before them."""

    expression: str
    condition: str
    start: int


def cuts(table: Table) -> list[Cut]:
    """Runs of rows that together are all rows, in their order: row groups of Parquet files, and of tables of a
    database. None of other files and of queries, or where a column has the name that rows are numbered by."""
    names = {name.casefold() for name in table.types}
    if table.expression.startswith("read_parquet(") and not names & {"filename", "file_row_number"}:
        return _of_files(table)
    if table.expression.startswith("betahat_file.") and "rowid" not in names:
        return _of_table(table)
    return []


def _of_files(table: Table) -> list[Cut]:
    inside = table.expression.removeprefix("read_parquet(").removesuffix(")")
    groups = Table(table.connection, f"parquet_metadata({inside})", table.described, {}).rows(
        "file_name, row_group_id, any_value(row_group_num_rows)", "true GROUP BY ALL ORDER BY ALL"
    )
    expression = f"read_parquet({inside}, filename = true, file_row_number = true)"
    found: list[Cut] = []
    total = first = last = 0
    for k, (name, _, rows) in enumerate(groups):
        last += rows
        more = k + 1 < len(groups) and groups[k + 1][0] == name
        if not more or last - first >= _FEWEST:
            condition = (
                f"filename = {literal(name)} AND file_row_number >= {first} AND file_row_number < {last}"
            )
            found.append(Cut(expression, condition, total))
            total, first = total + last - first, last
        if not more:
            first = last = 0
    return found


def _of_table(table: Table) -> list[Cut]:
    try:
        most = table.rows("max(rowid)")[0][0]
    except DataError:  # a view, which has none
        return []
    starts = range(0, 0 if most is None else most + 1, _RUN)
    return [Cut(table.expression, f"rowid >= {k} AND rowid < {k + _RUN}", k) for k in starts]

"""Columns of a DuckDB table as NumPy arrays, batch after batch, through Arrow's C stream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count, pairwise
from typing import Any, final

import numpy as np

from betahat.data.cuts import Cut
from betahat.data.design import Column
from betahat.data.duck import Table, literal, quoted, wrapped
from betahat.data.frame import refuse_inexact
from betahat.data.levels import refuse_unseen

_serial = count()
_FORMATS = {"g": np.float64, "i": np.int32}
_MISSING, _UNSEEN = -1, -2
_BLOCK_BYTES, _MOST_ROWS, _FEWEST_ROWS = 32 * 2**20, 131_072, 1_024


@final
class Reader:
    """Reads columns in the order of the rows: numbers as float64 (NaN: missing), categories as int32 codes
    (−1: missing, −2: a level that the column does not list), groups as codes from 0.

    table : where from. columns : what. groups : columns whose values are numbered, whatever their type.
    """

    def __init__(self, table: Table, columns: tuple[Column, ...], groups: tuple[str, ...] = ()) -> None:
        self.table, self.columns, self.groups = table, columns, groups
        self._select = [self._value(column) for column in columns] + [self._group(name) for name in groups]

    def batches(
        self, start: int = 0, rows: int | None = None
    ) -> Iterator[tuple[dict[str, np.ndarray], list[np.ndarray]]]:
        """Columns by name and the codes of the groups, as long as DuckDB makes them (about 131,072 rows).

        start, rows : only so many rows from that one on.
        """
        return self._read(self.table.expression, "" if rows is None else f" LIMIT {rows} OFFSET {start}")

    def cut(self, cut: Cut) -> Iterator[tuple[dict[str, np.ndarray], list[np.ndarray]]]:
        """The same of the rows of a cut."""
        return self._read(cut.expression, f" WHERE {cut.condition}")

    def _read(
        self, expression: str, condition: str
    ) -> Iterator[tuple[dict[str, np.ndarray], list[np.ndarray]]]:
        import nanoarrow as na

        select = (
            ", ".join(f"{value} AS c{place}" for place, value in enumerate(self._select))
            or "1.0::DOUBLE AS c0"
        )
        query = f"SELECT {select} FROM {expression}{condition}"
        with wrapped(self.table.described):
            # not execute().to_arrow_reader(), which holds the whole result in memory
            stream = iter(na.c_array_stream(self.table.cursor().sql(query)))
        while True:
            with wrapped(self.table.described):
                batch = next(stream, None)
            if batch is None:
                return
            arrays = [_array(child) for child in batch.children]
            values = {column.name: array for column, array in zip(self.columns, arrays, strict=False)}
            for column in self.columns:
                if column.levels is None and self.table.whole(column.name):
                    refuse_inexact(column.name, values[column.name])
            yield values or {"": arrays[0]}, arrays[len(self.columns) :]

    def refuse_unseen(self, values: Mapping[str, np.ndarray]) -> None:
        """An UnseenLevelError where a row that is used has a level the design does not know."""
        for column in self.columns:
            if column.levels is not None and values[column.name].min(initial=0) == _UNSEEN:
                self._refuse_unseen(column)

    def _refuse_unseen(self, column: Column) -> None:
        name = quoted(column.name)
        known = ", ".join(map(literal, column.levels or ())) or "''"
        found = self.table.rows(
            f"DISTINCT CAST({name} AS VARCHAR) AS level",
            f"CAST({name} AS VARCHAR) NOT IN ({known}) LIMIT 1000",
        )
        refuse_unseen(column.name, [str(row[0]) for row in found], column.levels or ())

    def _value(self, column: Column) -> str:
        name = quoted(column.name)
        self.table.sql_type(column.name)
        if column.levels is None:
            if self.table.kind(column.name) == "category":
                raise TypeError(
                    f"column {column.name!r} must be a number and is {self.table.types[column.name]} in "
                    f"{self.table.described}. Usual cause: text among its values"
                )
            return number(self.table, column.name)
        if not column.levels:
            return f"CASE WHEN {name} IS NULL THEN {_MISSING} ELSE {_UNSEEN} END::INTEGER"
        code = self._enum(f"CAST({name} AS VARCHAR)", f"({', '.join(map(literal, column.levels))})")
        return f"CASE WHEN {name} IS NULL THEN {_MISSING} ELSE coalesce({code}, {_UNSEEN}) END::INTEGER"

    def _group(self, name: str) -> str:
        self.table.sql_type(name)
        # not CAST AS VARCHAR, which a CSV reader may carry out as the text of the file
        text = f"CASE WHEN {quoted(name)} IS NOT NULL THEN concat({quoted(name)}) END"
        present = self.table.rows("1", f"{quoted(name)} IS NOT NULL LIMIT 1")
        among = f"FROM {self.table.expression} WHERE {quoted(name)} IS NOT NULL"
        labels = f"(SELECT DISTINCT {text} {among} ORDER BY 1)"
        code = self._enum(text, labels) if present else f"{_MISSING}"
        return f"coalesce({code}, {_MISSING})::INTEGER"

    def _enum(self, text: str, labels: str) -> str:
        """The code of a text by an enum of its own: DuckDB's fastest look-up, by hash."""
        kind = f"betahat_levels_{next(_serial)}"
        with wrapped(self.table.described):
            self.table.connection.execute(f"CREATE TYPE {kind} AS ENUM {labels}")
        return f"enum_code(TRY_CAST({text} AS {kind}))"


def number(table: Table, name: str) -> str:
    """A number column as DOUBLE. (DuckDB lets its CSV reader carry out a cast, and that knows no "false".)"""
    if table.types[name] == "BOOLEAN":
        return f"CASE {quoted(name)} WHEN true THEN 1.0::DOUBLE WHEN false THEN 0.0::DOUBLE END"
    return f"CAST({quoted(name)} AS DOUBLE)"


def _array(column: Any) -> np.ndarray:
    """The memory of an Arrow column, without a copy unless values are missing."""
    view = column.view()
    kind = _FORMATS[column.schema.format]
    start, stop = column.offset, column.offset + column.length
    values = np.frombuffer(view.buffer(1), dtype=kind, count=stop)[start:]
    if column.null_count:
        bits = np.frombuffer(view.buffer(0), dtype=np.uint8)
        there = np.unpackbits(bits, bitorder="little", count=stop)[start:].astype(bool)
        values = np.where(there, values, np.nan)
    return values


def block_rows_for(columns: int, block_rows: int | None) -> int:
    """Rows of a block: as given, or what 32 MiB of X hold, between 1,024 and 131,072."""
    if block_rows is None:
        return min(_MOST_ROWS, max(_FEWEST_ROWS, _BLOCK_BYTES // (8 * max(1, columns))))
    if isinstance(block_rows, bool) or not isinstance(block_rows, (int, np.integer)) or block_rows < 1:
        raise ValueError(f"`block_rows` (={block_rows!r}) must be a whole number of 1 or more")
    return int(block_rows)


def slices(rows: int, at_most: int) -> Iterator[slice]:
    """Consecutive parts of nearly equal length."""
    parts = -(-rows // at_most)
    edges = [rows * part // parts for part in range(parts + 1)] if parts else [0]
    return (slice(start, stop) for start, stop in pairwise(edges))

"""DuckDB: what a path or SQL text stands for, which columns it has, and errors in this package's words."""

from __future__ import annotations

import glob
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from betahat.data.frame import Kind, near
from betahat.errors import DataError
from betahat.kernels.team import number_of_threads

if TYPE_CHECKING:
    import duckdb

_SQL = re.compile(
    r"\s*(--[^\n]*\n\s*|/\*.*?\*/\s*)*\(?\s*(select|from|with|values)\b", re.IGNORECASE | re.DOTALL
)
_DATABASES = (".duckdb", ".ddb", ".db")
_READERS = {
    **dict.fromkeys((".csv", ".tsv", ".txt"), "read_csv"),
    **dict.fromkeys((".parquet", ".pq"), "read_parquet"),
    **dict.fromkeys((".json", ".jsonl", ".ndjson"), "read_json"),
}
_PACKED = (".gz", ".zst")
_NULLS = ("", "NA", "N/A", "NULL", "null")
_WHOLE = ("BIGINT", "UBIGINT", "HUGEINT", "UHUGEINT", "BIGNUM")
_NUMBERS = (
    *("TINYINT", "SMALLINT", "INTEGER", "UTINYINT", "USMALLINT", "UINTEGER"),
    *("FLOAT", "DOUBLE", "BOOLEAN", "DECIMAL", '"NULL"', *_WHOLE),
)
_MEGABYTE = 10**6
_NULLSTR = f", nullstr = [{', '.join(repr(text) for text in _NULLS)}]"


def quoted(name: str) -> str:
    """A name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A string as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


@contextmanager
def wrapped(what: str) -> Iterator[None]:
    """DuckDB's errors as DataErrors that name what was read."""
    import duckdb

    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise DataError(_out_of_memory(what, str(error))) from error
    except duckdb.Error as error:
        raise DataError(f"{what} cannot be read. DuckDB says: {error}") from error
    except RuntimeError as error:  # what nanoarrow raises for an error inside DuckDB's stream
        if "Out of Memory" in str(error):
            raise DataError(_out_of_memory(what, str(error))) from error
        raise DataError(f"{what} cannot be read. DuckDB says: {error}") from error


def _out_of_memory(what: str, message: str) -> str:
    return (
        f"{what} needs more memory than DuckDB was given; raise `memory_limit`. DuckDB says: {message[:300]}"
    )


@final
@dataclass(frozen=True, slots=True)
class Table:
    """Something DuckDB can select from.

    expression : what stands behind FROM. described : for messages. types : SQL type by column name.
    """

    connection: duckdb.DuckDBPyConnection
    expression: str
    described: str
    types: Mapping[str, str]

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection of its own to the same database, for one reading; it prints no progress."""
        cursor = self.connection.cursor()
        cursor.execute("SET enable_progress_bar = false")
        return cursor

    def rows(self, select: str, where: str = "") -> list[tuple[Any, ...]]:
        """The result of a small query."""
        query = f"SELECT {select} FROM {self.expression}" + (f" WHERE {where}" if where else "")
        with wrapped(self.described):
            return self.cursor().execute(query).fetchall()

    def kind(self, name: str) -> Kind:
        """Whether a column is a number or a category; a TypeError where it is neither."""
        sql_type = self.sql_type(name)
        if sql_type.split("(")[0] in _NUMBERS:
            return "number"
        if sql_type.split("(")[0] in ("VARCHAR", "ENUM"):
            return "category"
        raise TypeError(
            f"column {name!r} has SQL type {sql_type}; numbers, booleans, text and enums can be used: "
            f"convert it in SQL, such as SELECT epoch({quoted(name)}) ..., or leave the column out"
        )

    def sql_type(self, name: str) -> str:
        """The type of a column; a DataError that says what is near where there is none of that name."""
        if name not in self.types:
            raise DataError(f"{self.described} has no column {name!r}; {near(name, self.types)}")
        return self.types[name]

    @property
    def verbatim(self) -> str:
        """The same rows with every field of a CSV file as the text it is: 007 stays 007, NA stays NA."""
        if not self.expression.startswith("read_csv("):
            return self.expression
        types = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in self.types)
        return f"{self.expression[: self.expression.rindex(_NULLSTR)]}, types = {{{types}}})"

    def refuse_header_alone(self) -> None:
        """A DataError for a CSV file without rows, whose columns would else all pass for text."""
        if self.expression.startswith("read_csv(") and set(self.types.values()) == {"VARCHAR"}:
            with wrapped(self.described):
                row = self.connection.execute(f"SELECT 1 FROM {self.expression} LIMIT 1").fetchone()
            if row is None:
                raise DataError(f"{self.described} has no rows; nothing to fit")

    @property
    def counted(self) -> bool:
        """Whether it knows its number of rows, and rows in its midst are found without reading those before."""
        return self.expression.startswith(("read_parquet(", "betahat_file."))

    def whole(self, name: str) -> bool:
        """Whether a column holds integers that may be too large for float64."""
        return self.types[name] in _WHOLE


def is_sql(text: str) -> bool:
    """Whether a text is a query rather than a file's name.

    >>> is_sql("SELECT 1 AS x"), is_sql("decay.csv")
    (True, False)
    """
    return bool(_SQL.match(text)) and not os.path.exists(text)


def open_table(what: Any, table: str | None = None, memory_limit: str | None = None) -> Table:
    """What a path, a pattern, SQL text or `file.duckdb::table` stands for.

    In CSV files the texts NA, N/A, NULL and null mean a missing value, as an empty field does.

    Raises TypeError for anything else, DataError where it is not there or cannot be read.
    """
    import duckdb

    if not isinstance(what, (str, os.PathLike)):
        raise TypeError(
            f"`what` is a {type(what).__name__}; a path, a pattern of paths or SQL text is expected (a table "
            "in memory goes to fit() as it is)"
        )
    text = os.fspath(what)
    if not isinstance(text, str):
        raise TypeError("`what` is a path in bytes; give it as text")
    settings = {
        "threads": number_of_threads(),
        "python_enable_replacements": "false",  # a name in SQL must not find a Python variable of ours
        "temp_directory": str(Path(tempfile.gettempdir()) / f"betahat-duckdb-{os.getpid()}"),
    }
    try:
        connection = duckdb.connect(config=settings)
        connection.execute("SET enable_progress_bar = false")
        connection.execute(f"SET memory_limit = {literal(memory_limit or _default_limit())}")
    except duckdb.Error as error:
        raise ValueError(
            f"`memory_limit` (={memory_limit!r}) is not a size such as '400MB'. DuckDB says: {error}"
        ) from None
    expression, described = _expression(connection, text, table)
    with wrapped(described):
        rows = connection.execute(f"DESCRIBE SELECT * FROM {expression}").fetchall()
    opened = Table(connection, expression, described, {row[0]: row[1] for row in rows})
    return opened


def _default_limit() -> str:
    return f"{max(400, 100 * number_of_threads())}MB"


def fit_memory(table: Table, names: list[str], memory_limit: str | None) -> None:
    """Set threads and memory so that the row groups of these columns fit.

    DuckDB reads whole row groups ahead in every thread (as measured: 1.25 row groups and two batches of
    131,072 rows each), and fails where that is more than its limit.
    """
    batch = 131_072 * 8 * max(1, len(names))
    group, threads = batch, number_of_threads()
    if table.expression.startswith("read_parquet("):
        threads = max(
            1, threads - 1
        )  # decoding is quick, and the arithmetic on what was read needs a core too
        arguments = table.expression.removeprefix("read_parquet")
        columns = ", ".join(map(literal, names)) or "''"
        with wrapped(table.described):
            sizes: Any = table.connection.execute(
                "SELECT max(size) FROM (SELECT sum(greatest(total_compressed_size, "
                f"total_uncompressed_size)) AS size FROM parquet_metadata{arguments} WHERE "
                f"split_part(path_in_schema, '.', 1) IN ({columns}) GROUP BY file_name, row_group_id)"
            ).fetchone()
        group = max(batch, int((sizes and sizes[0]) or 0))
    thread = int(1.25 * group + 2 * batch + 64 * _MEGABYTE)
    given: Any = table.connection.execute("SELECT current_setting('memory_limit')").fetchone()
    budget = _bytes(given[0]) if given else thread
    threads = max(1, min(threads, budget // thread))
    table.connection.execute(f"SET threads = {threads}")
    if memory_limit is None and thread > budget:
        table.connection.execute(f"SET memory_limit = '{thread // _MEGABYTE + 1}MB'")


def _bytes(size: str) -> int:
    number, unit = size.split()
    return int(float(number) * 1024 ** ["bytes", "KiB", "MiB", "GiB", "TiB"].index(unit))


def _expression(connection: duckdb.DuckDBPyConnection, text: str, table: str | None) -> tuple[str, str]:
    path, _, inner = text.rpartition("::") if "::" in text and not _SQL.match(text) else (text, "", "")
    if Path(path).suffix.lower() in _DATABASES:
        return _database_table(connection, path, inner or table)
    if table is not None:
        raise ValueError(f"`table` (={table!r}) names a table of a .duckdb file, and `what` is {text!r}")
    if is_sql(text):
        return f"({text.strip().rstrip(';')}\n)", "the query"
    suffixes = [suffix.lower() for suffix in Path(text).suffixes]
    suffix = next((suffix for suffix in reversed(suffixes) if suffix not in _PACKED), "")
    remote = "://" in text
    if os.path.isdir(text):
        raise DataError(f"{text!r} is a folder; name its files, such as {str(Path(text) / '*.parquet')!r}")
    if not remote and not os.path.exists(text) and not glob.glob(text, recursive=True):
        raise DataError(
            f"{text!r} is not there (the current folder is {str(Path.cwd())!r}). A path or pattern of CSV, "
            "Parquet or JSON files, file.duckdb::table, or SQL that begins with SELECT, FROM or WITH is "
            "expected."
        )
    if os.path.isfile(text) and not os.path.getsize(text):
        raise DataError(f"{text!r} is empty (0 bytes); nothing to read")
    if suffix not in _READERS:
        raise DataError(
            f"{text!r} ends in {suffix!r}; files of {', '.join(_READERS)} (or with .gz, .zst) are read"
        )
    pattern = glob.escape(text) if not remote and os.path.exists(text) else text
    options = _NULLSTR if _READERS[suffix] == "read_csv" else ""
    return f"{_READERS[suffix]}({literal(pattern)}{options})", repr(text)


def _database_table(connection: duckdb.DuckDBPyConnection, path: str, name: str | None) -> tuple[str, str]:
    if not os.path.exists(path):
        raise DataError(f"the database {path!r} is not there (the current folder is {str(Path.cwd())!r})")
    with wrapped(repr(path)):
        connection.execute(f"ATTACH {literal(path)} AS betahat_file (READ_ONLY)")
        found = connection.execute(
            "SELECT table_schema, table_name FROM information_schema.tables WHERE table_catalog = "
            "'betahat_file'"
        ).fetchall()
    tables = {
        (inner if schema == "main" else f"{schema}.{inner}"): (schema, inner) for schema, inner in found
    }
    if name is None and len(tables) == 1:
        name = next(iter(tables))
    if name is None:
        raise DataError(f"{path!r} has the tables {sorted(tables)}; name one: {path + '::table'!r}")
    if name not in tables:
        raise DataError(f"{path!r} has no table {name!r}; {near(name, tables)}")
    schema, inner = tables[name]
    return f"betahat_file.{quoted(schema)}.{quoted(inner)}", f"{path}::{name}"

"""What must be known of a table before its first row is used: levels and means, by one query."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np

from betahat.data.design import Column
from betahat.data.duck import Table, quoted
from betahat.data.levels import refuse_identifier
from betahat.data.missing import Missing
from betahat.data.reader import number
from betahat.errors import DataError

_SAMPLE = 20_000


@final
@dataclass(frozen=True, slots=True)
class Survey:
    """The columns with levels and means, and the distinct values of number columns that are coded."""

    columns: tuple[Column, ...]
    numbers: Mapping[str, np.ndarray]


def survey(
    table: Table, names: list[str], coded: tuple[str, ...], beside: list[str], missing: Missing
) -> Survey:
    """Levels of the categories among `names`, distinct values of the numbers in `coded`, means if asked for.

    beside : columns outside X whose gaps leave a row out too. Under "drop" only complete rows count, so that
    a level of dropped rows alone is none, exactly as for a table in memory.
    """
    categories = [name for name in names if table.kind(name) == "category"]
    averaged = [name for name in names if name not in categories] if missing == "mean" else []
    if not (categories or coded or averaged):
        return Survey(tuple(map(Column, names)), {})
    _refuse_identifiers(table, categories)
    # a row that is left out must not contribute a level
    complete = [_present(table, name) for name in (*names, *beside)] if missing == "drop" else []
    select = ["count(*)"]
    select += [f"list(DISTINCT CAST({quoted(name)} AS VARCHAR))" for name in categories]
    select += [f"list(DISTINCT {number(table, name)})" for name in coded]
    select += [f"favg({number(table, name)}) FILTER (WHERE {_present(table, name)})" for name in averaged]
    rows, *found = table.rows(", ".join(select), " AND ".join(complete))[0]
    answers = iter(found)
    levels = {name: _ordered(table, name, next(answers)) for name in categories}
    numbers = {name: _distinct(next(answers)) for name in coded}
    means = {name: next(answers) for name in averaged}
    for name in categories:
        refuse_identifier(name, len(levels[name]), rows)
    for name in coded:
        refuse_identifier(name, len(numbers[name]), rows)
    for name in averaged:
        if rows and means[name] is None:
            raise DataError(f"every value of column {name!r} is missing, so there is no mean to put in")
    return Survey(tuple(Column(name, levels.get(name), means.get(name)) for name in names), numbers)


def _refuse_identifiers(table: Table, categories: list[str]) -> None:
    """Look at the first rows, so that millions of identifiers are refused before they are collected."""
    if not categories:
        return
    listed = ", ".join(map(quoted, categories))
    counts = ", ".join(f"count(DISTINCT {quoted(name)})" for name in categories)
    sample = f"(SELECT {listed} FROM {table.expression} LIMIT {_SAMPLE})"
    first = Table(table.connection, sample, table.described, table.types)
    rows, *distinct = first.rows(f"count(*), {counts}")[0]
    for name, levels in zip(categories, distinct, strict=True):
        refuse_identifier(name, levels, rows)


def _present(table: Table, name: str) -> str:
    present = f"{quoted(name)} IS NOT NULL"
    floating = table.types[name] in ("DOUBLE", "FLOAT")
    return f"({present} AND NOT isnan({quoted(name)}))" if floating else f"({present})"


def _ordered(table: Table, name: str, found: list[str | None] | None) -> tuple[str, ...]:
    present = {level for level in found or () if level is not None}
    if table.types[name].startswith("ENUM"):
        order = table.connection.execute(f"SELECT enum_range(NULL::{table.types[name]})").fetchall()[0][0]
        return tuple(level for level in order if level in present)
    return tuple(sorted(present))


def _distinct(found: list[float | None] | None) -> np.ndarray:
    return np.unique(
        np.array([value for value in found or () if value is not None and value == value], dtype=float)
    )

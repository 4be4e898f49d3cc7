"""What must be known of a table before its first row is used: levels and means, by one query."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from betahat.data.design import Column
from betahat.data.duck import Table, quoted
from betahat.data.frame import refuse_inexact
from betahat.data.labels import class_array, read_labels, refuse_many
from betahat.data.levels import refuse_identifier
from betahat.data.missing import Missing
from betahat.data.reader import number
from betahat.errors import DataError

_SAMPLE = 20_000


@final
@dataclass(frozen=True, slots=True)
class Survey:
    """The columns with levels and means, the distinct values of number columns that are coded, and the classes of a
    target of labels."""

    columns: tuple[Column, ...]
    numbers: Mapping[str, np.ndarray]
    classes: np.ndarray | None = None


def survey(
    table: Table,
    names: list[str],
    coded: tuple[str, ...],
    beside: list[str],
    missing: Missing,
    labels: str | None = None,
) -> Survey:
    """Levels of the categories among `names`, distinct values of the numbers in `coded`, means if asked for.

    beside : columns outside X whose gaps leave a row out too. Under "drop" only complete rows count, so that
    a level of dropped rows alone is none, exactly as for a table in memory.
    labels : a column whose distinct values are classes.
    """
    categories = [name for name in names if table.kind(name) == "category"]
    averaged = [name for name in names if name not in categories] if missing == "mean" else []
    if not (categories or coded or averaged or labels):
        return Survey(tuple(map(Column, names)), {})
    _refuse_identifiers(table, categories)
    if labels is not None:
        _first_labels(table, labels)
    select = ["count(*)"]
    select += [f"list(DISTINCT CAST({quoted(name)} AS VARCHAR))" for name in categories]
    select += [f"list(DISTINCT {number(table, name)})" for name in coded]
    select += [f"favg({number(table, name)}) FILTER (WHERE {_present(table, name)})" for name in averaged]
    select += [] if labels is None else [_labels(table, labels)]
    rows, *found = table.rows(", ".join(select), complete(table, [*names, *beside], missing))[0]
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
    classes = None if labels is None else _classes(table, labels, next(answers), rows)
    return Survey(tuple(Column(name, levels.get(name), means.get(name)) for name in names), numbers, classes)


def complete(table: Table, names: list[str], missing: Missing) -> str:
    """The condition that a row is used, in SQL: one that is left out must not contribute a level."""
    return " AND ".join(_present(table, name) for name in dict.fromkeys(names)) if missing == "drop" else ""


def _labels(table: Table, name: str) -> str:
    """The distinct labels of a column, as an aggregate."""
    if table.kind(name) == "category":
        return f"list(DISTINCT CAST({quoted(name)} AS VARCHAR))"
    return f"list(DISTINCT {number(table, name)})"


def _classes(table: Table, name: str, found: list[Any] | None, rows: int) -> np.ndarray:
    """Distinct labels in the order of numpy.unique, in an array of their kind."""
    if table.kind(name) == "category":
        classes = class_array(sorted({label for label in found or () if label is not None}))
    else:
        if table.whole(name):
            refuse_inexact(name, np.array([value for value in found or () if value is not None], dtype=float))
        values = _distinct(found)
        _, _, classes = read_labels(values, len(values), name)
        sql_type = table.types[name]
        classes = classes.astype(
            bool
            if sql_type == "BOOLEAN"
            else np.int64
            if sql_type.endswith(("INT", "INTEGER"))
            else np.float64
        )
    refuse_many(name, len(classes), rows)
    return classes


def _first_labels(table: Table, name: str) -> None:
    """Look at the labels of the first rows, so that millions of numbers are refused before they are collected."""
    rows, found = _head(table, [name]).rows(f"count(*), {_labels(table, name)}")[0]
    _classes(table, name, found, rows)


def _head(table: Table, names: list[str]) -> Table:
    sample = f"(SELECT {', '.join(map(quoted, names))} FROM {table.expression} LIMIT {_SAMPLE})"
    return Table(table.connection, sample, table.described, table.types)


def _refuse_identifiers(table: Table, categories: list[str]) -> None:
    """Look at the first rows, so that millions of identifiers are refused before they are collected."""
    if not categories:
        return
    counts = ", ".join(f"count(DISTINCT {quoted(name)})" for name in categories)
    rows, *distinct = _head(table, categories).rows(f"count(*), {counts}")[0]
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

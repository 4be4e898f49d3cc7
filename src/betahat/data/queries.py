"""Files and SQL as a source: read through DuckDB again for each pass, never held in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from betahat.data.design import Column
from betahat.data.duck import Table, fit_memory, open_table
from betahat.data.formula import FormulaDesign
from betahat.data.formula_learning import (
    check_targets,
    known_columns,
    learn_formula_from_levels,
    refuse_several,
    unique,
)
from betahat.data.formula_syntax import parse
from betahat.data.labels import class_array, read_labels
from betahat.data.levels import warn_single_level
from betahat.data.missing import Missing, check_policy
from betahat.data.offset import Offset
from betahat.data.query_source import QuerySource, Roles
from betahat.data.reader import Reader
from betahat.data.survey import complete, survey
from betahat.data.table import TableDesign
from betahat.errors import DataError, FormulaError


def query(
    what: Any,
    target: str | Sequence[str] | None = None,
    *,
    columns: Sequence[str] | None = None,
    formula: str | None = None,
    weights: str | None = None,
    frequency: str | None = None,
    groups: str | Sequence[str] | None = None,
    offset: str | None = None,
    exposure: str | None = None,
    labels: bool = False,
    missing: Missing = "drop",
    table: str | None = None,
    block_rows: int | None = None,
    memory_limit: str | None = None,
) -> QuerySource:
    """A source of rows in files or a database, of any size.

    what : a path or pattern of CSV, Parquet or JSON files, `file.duckdb::table` (or with `table`; opened
        read-only), or SQL text that begins with SELECT, FROM or WITH.
    target : the column, or columns, y; or `formula` instead, which says both sides.
    columns : the columns of X; all that have no other role where None.
    weights, frequency, groups : columns with importance weights, frequencies, cluster labels (1 or 2).
    offset, exposure : columns of which offset + log(exposure) is added to the linear predictor; exposures are positive.
        The design remembers them, and asks new rows for them.
    labels : the target is one column of labels (text, booleans, whole numbers), which become codes 0 … K−1 in the order
        of numpy.unique; `classes` of the source are the labels.
    missing : "drop" leaves incomplete rows out and warns how many after the first reading, "error" refuses
        them, "mean" fills numbers of X with the mean of their column.
    block_rows : rows of a block; what 32 MiB hold where None.
    memory_limit : for DuckDB, such as "400MB" (which is the least it takes where None; more for files with
        large row groups).

    The levels of categories, means and classes are found by one query before the first reading.

    Raises DataError for what cannot be read, unknown columns and unusable values, TypeError for columns of
    dates, lists and the like, or text where numbers are expected, FormulaError for formulas that need all rows at once.

    >>> source = query("SELECT i AS x, 2.0 * i + 1 AS y FROM range(5) AS t(i)", target="y")
    >>> [block.X.shape for block in source.blocks()], source.names, source.n_rows
    ([(5, 1)], ('x',), 5)
    >>> query("SELECT i AS x, i % 2 = 0 AS even FROM range(5) AS t(i)", target="even", labels=True).classes
    array([False,  True])
    """
    check_policy(missing)
    opened = open_table(what, table, memory_limit)
    opened.refuse_header_alone()
    _as_list([name for name in (weights, frequency, offset, exposure) if name is not None])
    roles = Roles(weights, frequency, tuple(_as_list(groups)), Offset(offset, exposure))
    if len(roles.groups) > 2:
        raise ValueError(
            f"`groups` (={groups!r}) names more than two columns; clusters are given by one or two"
        )
    for name in roles.names:
        opened.sql_type(name)
    for what_for, name in (
        ("weights", weights),
        ("weights", frequency),
        ("offset", offset),
        ("exposure", exposure),
    ):
        if name is not None and opened.kind(name) != "number":
            verb = "are" if what_for == "weights" else "is"
            raise TypeError(f"the {what_for} {name!r} {verb} {opened.types[name]}; numbers are expected")
    if formula is not None:
        if target is not None or columns is not None:
            raise ValueError("give `formula`, or `target` and `columns`, not both")
        return _from_formula(opened, formula, missing, roles, labels, block_rows, memory_limit)
    if target is None:
        raise ValueError(
            f"`target` names the column to predict (or give a `formula`); there are {list(opened.types)}"
        )
    targets = _as_list(target)
    if labels and len(targets) > 1:
        raise TypeError(f"`target` (={target!r}) names {len(targets)} columns, and labels are one column")
    names = _feature_names(opened, columns, targets, list(roles.names))
    fit_memory(opened, [*names, *targets, *roles.names], memory_limit)
    for name in targets:
        if not labels and opened.kind(name) != "number":
            raise TypeError(
                f"the target {name!r} is {opened.types[name]}; numbers are expected (labels=True makes classes of text)"
            )
    learned = survey(opened, names, (), [*targets, *roles.numbers], missing, targets[0] if labels else None)
    for column in learned.columns:
        if column.levels is not None and len(column.levels) < 2:
            warn_single_level(column.name, column.levels)
    design = TableDesign(learned.columns, missing, roles.offset)
    columns_of_y = tuple(_target(opened, name, learned.classes) for name in targets)
    return QuerySource(opened, design, columns_of_y, roles, block_rows, learned.classes)


def _from_formula(
    table: Table,
    formula: str,
    missing: Missing,
    roles: Roles,
    labels: bool,
    block_rows: int | None,
    memory_limit: str | None,
) -> QuerySource:
    parsed = parse(formula, list(table.types), roles.names)
    right = unique(parsed.right_inputs, parsed.offset_inputs)
    fit_memory(table, [*parsed.left_inputs, *right, *roles.names], memory_limit)
    beside = [*parsed.left_inputs, *roles.numbers]
    plain = parsed.left_inputs[0] if labels and parsed.plain_target else None
    if plain is None:
        text = [Column(name, None if table.kind(name) == "number" else ()) for name in parsed.left_inputs]
        check_targets(parsed, text, labels)
    coded = tuple(n for n in right if n in parsed.coded and table.kind(n) == "number")
    learned = survey(table, right, coded, beside, missing, plain)
    targets = tuple(_target(table, name, learned.classes) for name in parsed.left_inputs)
    if targets[0].levels is not None and plain in right:
        raise FormulaError(f"the formula {formula!r}: the labels {plain!r} are on both sides")
    known = {column.name: column for column in learned.columns}
    available = known_columns(parsed, list(table.types), roles.names)
    design = learn_formula_from_levels(
        formula, known, targets, learned.numbers, available, missing, roles.offset, learned.classes
    )
    if labels and plain is None:
        refuse_several(formula, design.target_names)
        condition = complete(table, [*right, *beside], missing) or complete(
            table, [*parsed.left_inputs], "drop"
        )
        design.classes = tuple(_classes_of_expression(table, design, condition).tolist())
    classes = None if design.classes is None else class_array(design.classes)
    return QuerySource(table, design, targets, roles, block_rows, classes)


def _target(table: Table, name: str, classes: np.ndarray | None) -> Column:
    """A column of y: labels of text are read as the codes of their classes."""
    if classes is None or table.kind(name) == "number":
        return Column(name)
    return Column(name, tuple(classes.tolist()))


def _classes_of_expression(table: Table, design: FormulaDesign, condition: str) -> np.ndarray:
    """The distinct values of a left side that is computed, by a reading of its columns."""
    rows = f"(SELECT * FROM {table.expression} WHERE {condition})"
    found = np.empty(0)
    for values, _ in Reader(replace(table, expression=rows), design.target_columns).batches():
        Y = design.assemble_targets(values, len(next(iter(values.values()))))
        found = np.union1d(found, read_labels(Y, len(Y), design.target_names[0])[2])
    return found


def _as_list(names: str | Sequence[str] | None) -> list[str]:
    listed = [] if names is None else [names] if isinstance(names, str) else list(names)
    if not all(isinstance(name, str) for name in listed):
        raise TypeError(f"columns of a file or query are named by strings, and {names!r} is not")
    return listed


def _feature_names(
    table: Table, columns: Sequence[str] | None, targets: list[str], roles: list[str]
) -> list[str]:
    for name in targets:
        table.sql_type(name)
    if columns is None:
        names = [name for name in table.types if name not in {*targets, *roles}]
    else:
        names = _as_list(columns)
    if len(set(names)) < len(names):
        raise ValueError(f"`columns` (={names}) repeats a name")
    if taken := set(names) & {*targets, *roles}:
        raise ValueError(f"`columns` names {sorted(taken)}, which are target, weights or groups already")
    if not names:
        raise DataError(
            f"{table.described} has no column besides target, weights and groups; nothing to fit with"
        )
    return names

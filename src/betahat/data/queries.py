"""Files and SQL as a source: read through DuckDB again for each pass, never held in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, final

import numpy as np

from betahat.data.design import Column, Design
from betahat.data.duck import Table, fit_memory, open_table
from betahat.data.formula import FormulaDesign, check_targets, known_columns, learn_formula_from_levels
from betahat.data.formula_syntax import parse
from betahat.data.inputs import check_weights
from betahat.data.levels import warn_single_level
from betahat.data.missing import (
    TRAINING_ADVICE,
    Missing,
    all_complete,
    check_policy,
    counts_of_missing,
    missing_rows,
    refuse_infinite,
    refuse_missing,
    warn_dropped,
)
from betahat.data.prefetch import prefetch
from betahat.data.reader import Reader, block_rows_for, slices
from betahat.data.source import Block, Source, joined, spread
from betahat.data.survey import survey
from betahat.data.table import TableDesign
from betahat.errors import DataError, MissingValueError
from betahat.kernels.columns import Columns

_RUNS = 16


def query(
    what: Any,
    target: str | Sequence[str] | None = None,
    *,
    columns: Sequence[str] | None = None,
    formula: str | None = None,
    weights: str | None = None,
    frequency: str | None = None,
    groups: str | Sequence[str] | None = None,
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
    missing : "drop" leaves incomplete rows out and warns how many after the first reading, "error" refuses
        them, "mean" fills numbers of X with the mean of their column.
    block_rows : rows of a block; what 32 MiB hold where None.
    memory_limit : for DuckDB, such as "400MB" (which is the least it takes where None; more for files with
        large row groups).

    The levels of categories, and means, are found by one query before the first reading.

    Raises DataError for what cannot be read, unknown columns and unusable values, TypeError for columns of
    dates, lists and the like or a target of text, FormulaError for formulas that need all rows at once.

    >>> source = query("SELECT i AS x, 2.0 * i + 1 AS y FROM range(5) AS t(i)", target="y")
    >>> [block.X.shape for block in source.blocks()], source.names, source.n_rows
    ([(5, 1)], ('x',), 5)
    """
    check_policy(missing)
    opened = open_table(what, table, memory_limit)
    opened.refuse_header_alone()
    roles = [*_as_list(weights), *_as_list(frequency), *_as_list(groups)]
    if len(_as_list(groups)) > 2:
        raise ValueError(
            f"`groups` (={groups!r}) names more than two columns; clusters are given by one or two"
        )
    for name in roles:
        opened.sql_type(name)
    for name in (*_as_list(weights), *_as_list(frequency)):
        if opened.kind(name) != "number":
            raise TypeError(f"the weights {name!r} are {opened.types[name]}; numbers are expected")
    if formula is not None:
        if target is not None or columns is not None:
            raise ValueError("give `formula`, or `target` and `columns`, not both")
        return _from_formula(
            opened, formula, missing, roles, (weights, frequency, groups), block_rows, memory_limit
        )
    if target is None:
        raise ValueError(
            f"`target` names the column to predict (or give a `formula`); there are {list(opened.types)}"
        )
    targets = _as_list(target)
    names = _feature_names(opened, columns, targets, roles)
    fit_memory(opened, [*names, *targets, *roles], memory_limit)
    for name in targets:
        if opened.kind(name) != "number":
            raise TypeError(
                f"the target {name!r} is {opened.types[name]}; numbers are expected (code labels as 0 and 1 "
                "in SQL)"
            )
    learned = survey(opened, names, (), [*targets, *_as_list(weights), *_as_list(frequency)], missing)
    for column in learned.columns:
        if column.levels is not None and len(column.levels) < 2:
            warn_single_level(column.name, column.levels)
    design = TableDesign(learned.columns, missing)
    return QuerySource(
        opened, design, tuple(map(Column, targets)), weights, frequency, _as_list(groups), block_rows
    )


def _from_formula(
    table: Table,
    formula: str,
    missing: Missing,
    roles: list[str],
    given: tuple[str | None, str | None, Any],
    block_rows: int | None,
    memory_limit: str | None,
) -> QuerySource:
    weights, frequency, groups = given
    parsed = parse(formula, list(table.types), roles)
    fit_memory(table, [*parsed.left_inputs, *parsed.right_inputs, *roles], memory_limit)
    beside = [*parsed.left_inputs, *_as_list(weights), *_as_list(frequency)]
    targets = [Column(name, None if table.kind(name) == "number" else ()) for name in parsed.left_inputs]
    check_targets(parsed, targets, labels=False)
    coded = tuple(n for n in parsed.right_inputs if n in parsed.coded and table.kind(n) == "number")
    learned = survey(table, list(parsed.right_inputs), coded, beside, missing)
    available = known_columns(parsed, list(table.types), tuple(roles))
    design = learn_formula_from_levels(
        formula, learned.columns, tuple(targets), learned.numbers, available, missing
    )
    return QuerySource(table, design, tuple(targets), weights, frequency, _as_list(groups), block_rows)


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


@final
class _Tally:
    """Rows that were used in a reading, and the missing values by column."""

    def __init__(self) -> None:
        self.kept = 0
        self.absent: dict[str, int] = {}
        self.complete = True

    def add(self, block: Block | None, missing: dict[str, int]) -> None:
        self.kept += 0 if block is None else len(block.X)
        for name, number in missing.items():
            self.absent[name] = self.absent.get(name, 0) + number


@final
class QuerySource(Source):
    """Rows that DuckDB reads again at each pass, in the same order, some blocks ahead of the consumer.

    Made by :func:`query`. `design` says how columns become X; `n_rows` is the number of complete rows, known
    after the first full reading (None before).
    """

    in_memory = False

    def __init__(
        self,
        table: Table,
        design: Design,
        targets: tuple[Column, ...],
        weights: str | None,
        frequency: str | None,
        groups: list[str],
        block_rows: int | None,
    ) -> None:
        self.design = design
        self.n_rows: int | None = None
        self.readings = 0
        self._numbers = isinstance(design, TableDesign) and all(c.levels is None for c in design.columns)
        self._complete = False  # nothing is missing, as an earlier reading found
        self._targets, self._weights, self._frequency = targets, weights, frequency
        beside = [*(c.name for c in targets), *(name for name in (weights, frequency) if name is not None)]
        needed = {column.name: column for column in (*map(Column, beside), *design.columns)}
        self._beside = [
            name for name in beside if name in (weights, frequency) or name not in design.input_names
        ]
        self._reader = Reader(table, tuple(needed.values()), tuple(groups))
        self._block_rows = block_rows_for(len(design.names), block_rows)

    @property
    def names(self) -> tuple[str, ...]:
        return self.design.names

    @property
    def target_names(self) -> tuple[str, ...]:
        if isinstance(self.design, FormulaDesign):
            return self.design.target_names
        return tuple(column.name for column in self._targets)

    def _blocks(self, unsearched: bool) -> Iterator[Block]:
        total = 0
        tally = _Tally()
        for block, rows, found in prefetch(partial(self._read, tally, unsearched)):
            total += rows
            tally.add(block, found)
            if block is not None:
                yield block
        kept, absent = tally.kept, tally.absent
        described = self._reader.table.described
        if not total:
            raise DataError(f"{described} has no rows; nothing to fit")
        if self.n_rows is None:
            warn_dropped(total - kept, total, absent)
        elif kept != self.n_rows:
            raise DataError(
                f"{described} gave {kept:,} rows and {self.n_rows:,} before; it must not change during a fit"
            )
        self.n_rows = kept
        self._complete = tally.complete

    def _sample(self, rows: int, seed: int) -> Block | None:
        table = self._reader.table
        total = int(table.rows("count(*)")[0][0]) if table.counted else 0
        runs, length = [0], rows
        if total > rows:
            parts = min(_RUNS, rows)
            length = rows // parts
            runs = spread(total, parts, seed, length).tolist()
        read = (piece for start in runs for piece in self._read(_Tally(), False, start, length))
        blocks = [block for block, _, _ in read if block is not None]
        return joined(blocks) if blocks else None

    def _read(
        self, tally: _Tally, unsearched: bool, start: int = 0, at_most: int | None = None
    ) -> Iterator[tuple[Block | None, int, dict[str, int]]]:
        """Blocks, with the rows that were read for each and what was missing in them."""
        for values, groups in self._reader.batches(start, at_most):
            rows = len(next(iter(values.values())))
            for part in slices(rows, self._block_rows):
                block, found = self._block(
                    {name: column[part] for name, column in values.items()},
                    [code[part] for code in groups],
                    start,
                    tally,
                    unsearched,
                )
                start += part.stop - part.start
                yield block, part.stop - part.start, found

    def _block(
        self,
        values: dict[str, np.ndarray],
        groups: list[np.ndarray],
        start: int,
        tally: _Tally,
        unsearched: bool,
    ) -> tuple[Block | None, dict[str, int]]:
        """The block, and how many values were missing in it; `unsearched` leaves the numbers to a later search."""
        rows = len(next(iter(values.values())))
        where = f"(Counted in rows {start + 1:,} to {start + rows:,}; more may follow.)"
        found: dict[str, int] = {}
        if any((code < 0).any() for code in groups):
            raise MissingValueError(
                f"a label of `groups` ({', '.join(self._reader.groups)}) is missing {where}"
            )
        if unsearched and self._numbers and not self._complete:

            def search() -> Block | None:
                tally.kept -= rows
                searched, missing = self._block(values, groups, start, tally, False)
                tally.add(searched, missing)
                return searched

            return replace(self._assembled(values, groups, rows), search=search), found
        if self._complete or all_complete(values):
            return self._assembled(values, groups, rows), found
        tally.complete = False
        if self.design.missing == "drop":
            found = counts_of_missing(values)
            if found:
                keep = ~np.logical_or.reduce([missing_rows(values[name]) for name in found])
                values = {name: column[keep] for name, column in values.items()}
                groups = [code[keep] for code in groups]
                rows = int(np.count_nonzero(keep))
                if not rows:
                    return None, found
            self._reader.refuse_unseen(values)
            refuse_infinite(values)
        else:
            self._reader.refuse_unseen(values)
            inputs = {name: values[name] for name in self.design.input_names}
            if self.design.missing == "mean":
                inputs = self.design.complete(inputs)
            beside = {name: values[name] for name in self._beside}
            refuse_missing(inputs | beside, self.design.missing, f"{TRAINING_ADVICE} {where}")
            values = values | inputs
        return self._assembled(values, groups, rows), found

    def _assembled(self, values: dict[str, np.ndarray], groups: list[np.ndarray], rows: int) -> Block:
        for name, argument in ((self._weights, "sample_weight"), (self._frequency, "frequency_weight")):
            if name is not None:
                check_weights(values[name], argument)
        if isinstance(self.design, FormulaDesign):
            y = self.design.assemble_targets(values, rows)
        else:
            y = np.column_stack([values[column.name] for column in self._targets])
        if self._numbers:
            X: Any = Columns([values[name] for name in self.design.input_names])
        else:
            X = self.design.assemble(values, rows)
        return Block(
            X,
            y,
            None if self._weights is None else np.array(values[self._weights]),
            None if self._frequency is None else np.array(values[self._frequency]),
            np.column_stack(groups).astype(np.int64) if groups else None,
        )

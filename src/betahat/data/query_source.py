"""The source behind files and SQL: DuckDB reads the rows again for each pass."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from betahat.data.beside import check_weights
from betahat.data.coded import CodedDesign
from betahat.data.cuts import Cut, cuts
from betahat.data.design import Column, Design
from betahat.data.duck import Table
from betahat.data.formula import FormulaDesign
from betahat.data.labels import encode
from betahat.data.missing import (
    TRAINING_ADVICE,
    all_complete,
    counts_of_missing,
    missing_rows,
    refuse_infinite,
    refuse_missing,
    warn_dropped,
)
from betahat.data.offset import Offset
from betahat.data.prefetch import prefetch
from betahat.data.reader import Reader, block_rows_for, slices
from betahat.data.source import Block, Source, joined, spread
from betahat.data.table import TableDesign
from betahat.errors import DataError, MissingValueError
from betahat.kernels.columns import Columns

_FEWEST_RUNS, _MOST_RUNS, _ROWS_A_RUN = 4, 16, 1_000_000
"""Each run of a sample costs the decoding of a row group, so that few are taken of short files."""


@final
@dataclass(frozen=True, slots=True)
class Roles:
    """Which columns stand beside X and y."""

    weights: str | None
    frequency: str | None
    groups: tuple[str, ...]
    offset: Offset

    @property
    def numbers(self) -> tuple[str, ...]:
        """The columns that must be numbers, and complete."""
        return tuple(n for n in (self.weights, self.frequency, *self.offset.names) if n is not None)

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.numbers, *self.groups)


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
@dataclass
class _Seen:
    """How often rows were read, and how many were complete; of all sources that differ in how they code them only."""

    readings: int = 0
    n_rows: int | None = None


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
        roles: Roles,
        block_rows: int | None,
        classes: np.ndarray | None = None,
    ) -> None:
        self.design = design
        self._given = (table, targets, roles, block_rows)
        self._known_cuts: list[Cut] | None = None
        self._seen = _Seen()
        self._numbers = isinstance(design, (TableDesign, CodedDesign)) and all(
            c.levels is None for c in design.columns
        )
        self._complete = False  # nothing is missing, as an earlier reading found
        self.has_offset, self.classes = bool(design.offset_columns), classes
        self._targets, self._roles = targets, roles
        beside = {
            column.name: column for column in (*map(Column, roles.numbers), *design.offset_columns, *targets)
        }
        self._beside = list(beside)
        columns = beside | {column.name: column for column in design.columns}
        self._reader = Reader(table, tuple(columns.values()), roles.groups)
        self._block_rows = block_rows_for(len(design.names), block_rows)

    @property
    def names(self) -> tuple[str, ...]:
        return self.design.names

    @property
    def target_names(self) -> tuple[str, ...]:
        if isinstance(self.design, FormulaDesign):
            return self.design.target_names
        return tuple(column.name for column in self._targets)

    def with_design(self, design: Design) -> QuerySource:
        """The same rows, their columns coded by another design, such as that of a model which is to see them."""
        table, targets, roles, block_rows = self._given
        coded = QuerySource(table, design, targets, roles, block_rows, self.classes)
        if (design.input_names, design.missing) == (self.design.input_names, self.design.missing):
            coded._seen = self._seen
        return coded

    @property
    def readings(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self._seen.readings

    @readings.setter
    def readings(self, count: int) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        self._seen.readings = count

    @property
    def n_rows(self) -> int | None:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self._seen.n_rows

    @property
    def parts(self) -> int:
        return max(1, len(self._cuts))

    @property
    def _cuts(self) -> list[Cut]:
        """Where rows can be read from their midst."""
        if self._known_cuts is None:
            self._known_cuts = cuts(self._reader.table)
        return self._known_cuts

    def _blocks(self, unsearched: bool) -> Iterator[Block]:
        tally = _Tally()
        for _, block in self._told(tally, ((0, *found) for found in self._read(tally, unsearched))):
            yield block

    def _read_parts(self, order: Sequence[int]) -> Iterator[tuple[int, Block]]:
        if not self._cuts:
            return super()._read_parts(order)
        tally = _Tally()
        read = ((k, *found) for k in order for found in self._read(tally, False, cut=self._cuts[k]))
        return self._told(tally, read)

    def _told(
        self, tally: _Tally, read: Generator[tuple[int, Block | None, int, dict[str, int]]]
    ) -> Iterator[tuple[int, Block]]:
        """All rows, read ahead, with the number of each block's part; and at the end whether there were as many as
        before."""
        total = 0
        for part, block, rows, found in prefetch(lambda: read):
            total += rows
            tally.add(block, found)
            if block is not None:
                yield part, block
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
        self._seen.n_rows = kept
        self._complete = tally.complete

    def _sample(self, rows: int, seed: int) -> Block | None:
        table = self._reader.table
        total = int(table.rows("count(*)")[0][0]) if table.counted else 0
        runs, length = [0], rows
        if total > rows:
            parts = min(rows, _MOST_RUNS, max(_FEWEST_RUNS, total // _ROWS_A_RUN))
            length = rows // parts
            runs = spread(total, parts, seed, length).tolist()
        read = (piece for start in runs for piece in self._read(_Tally(), False, start, length))
        blocks = [block for block, _, _ in read if block is not None]
        return joined(blocks) if blocks else None

    def _read(
        self,
        tally: _Tally,
        unsearched: bool,
        start: int = 0,
        at_most: int | None = None,
        cut: Cut | None = None,
    ) -> Iterator[tuple[Block | None, int, dict[str, int]]]:
        """Blocks, with the rows that were read for each and what was missing in them."""
        read = self._reader.batches(start, at_most) if cut is None else self._reader.cut(cut)
        start = start if cut is None else cut.start
        for values, groups in read:
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
        if unsearched and self._numbers and not (self._complete or self.has_offset):

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
        weights, frequency = self._roles.weights, self._roles.frequency
        for name, argument in ((weights, "sample_weight"), (frequency, "frequency_weight")):
            if name is not None:
                check_weights(values[name], argument)
        if isinstance(self.design, FormulaDesign):
            y = self.design.assemble_targets(values, rows)
        elif self.classes is not None and self._targets[0].levels is None:
            name = self._targets[0].name
            y = encode(values[name], self.classes, name).reshape(-1, 1)
        else:
            y = np.column_stack([values[column.name] for column in self._targets]).astype(
                np.float64, copy=False
            )
        if self._numbers:
            X = Columns([values[name] for name in self.design.input_names])
        else:
            X = self.design.assemble(values, rows)
        return Block(
            X,
            y,
            None if weights is None else np.array(values[weights]),
            None if frequency is None else np.array(values[frequency]),
            np.column_stack(groups).astype(np.int64) if groups else None,
            offset=self.design.assemble_offset(values, rows),
        )

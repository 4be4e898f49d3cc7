"""How an input table becomes X: learned on the training rows, reused for prediction, stored as JSON."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any, ClassVar, Self, final

import numpy as np

from betahat.data.missing import Missing, all_complete, check_policy, fill_means, refuse_missing
from betahat.data.offset import Offset, added
from betahat.errors import StorageError


@final
@dataclass(frozen=True, slots=True)
class Column:
    """One column of the input table.

    name : its name in the table.
    levels : the categories seen in training, in coding order (the first is the baseline); None for a number.
    mean : the mean of the training rows that fills a missing number, or None where none may be missing.
    """

    name: str
    levels: tuple[str, ...] | None = None
    mean: float | None = None

    def to_dict(self) -> dict[str, Any]:
        levels = None if self.levels is None else list(self.levels)
        return {"name": self.name, "levels": levels, "mean": self.mean}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Column:
        name, levels, mean = (stored.get(key) for key in ("name", "levels", "mean"))
        known_levels = levels is None or (
            isinstance(levels, list) and all(isinstance(v, str) for v in levels)
        )
        known_mean = mean is None or (isinstance(mean, (int, float)) and not isinstance(mean, bool))
        if not (isinstance(name, str) and known_levels and known_mean):
            raise StorageError(f"a stored column needs `name`, `levels` and `mean`, and is {dict(stored)!r}")
        return cls(name, None if levels is None else tuple(levels), None if mean is None else float(mean))


class Design(ABC):
    """A rule from the columns of a table to the columns of X.

    X never holds the column of ones: an intercept is the model's, and `has_intercept` says whether the
    formula asked for one. (Coding a table's categories against a baseline presumes one.)
    """

    kind: ClassVar[str]
    columns: tuple[Column, ...]
    """The columns of the input table that are needed."""
    names: tuple[str, ...]
    """Names of the p columns of X."""
    has_intercept: bool
    missing: Missing
    """What was done about missing values in training; only "mean" has an answer for new rows."""
    offset_names: Offset
    """Columns beside X that were named in training and are added to the linear predictor."""

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of the columns the input table must have."""
        return tuple(column.name for column in self.columns)

    @abstractmethod
    def assemble(self, values: Mapping[str, np.ndarray], rows: int) -> np.ndarray:
        """X, (rows, p) float64, of complete columns: float64 numbers, int codes of levels."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Everything :func:`design_from_dict` needs, as JSON values."""

    @classmethod
    @abstractmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Design:
        """The design that :meth:`to_dict` wrote; a StorageError where it did not."""

    def matrix(self, table: Any) -> np.ndarray:
        """X of new rows: (n, p) float64.

        table : pandas, polars (lazy too) or pyarrow; other columns and another order do not matter.

        Raises UnseenLevelError for a category that training did not have, MissingValueError for a missing
        value (unless the policy is "mean" and it is a number), DataError for a missing column or an
        infinite value, TypeError for a column of another kind than in training.
        """
        from betahat.data.frame import open_frame, read_columns

        frame = open_frame(table, "table")
        return self.assemble(self.complete(read_columns(frame, self.columns)), len(frame))

    @property
    def offset_columns(self) -> tuple[Column, ...]:
        """The columns of the input table that the offset of a row is made of."""
        return tuple(map(Column, self.offset_names.names))

    def with_offset(self, offset: Offset) -> Self:
        """The same design for tables whose offset or exposure is in other columns; None keeps the one there is."""
        changed = copy(self)
        changed.offset_names = Offset(
            offset.column or self.offset_names.column, offset.exposure or self.offset_names.exposure
        )
        return changed

    def assemble_offset(self, values: Mapping[str, np.ndarray], rows: int) -> np.ndarray | None:
        """The offset (rows,) of complete columns, or None where rows have none."""
        return self.offset_names.of(values)

    def complete_offset(self, values: Mapping[str, np.ndarray], rows: int) -> np.ndarray | None:
        """The offset (rows,) of new rows; a MissingValueError or DataError where a value cannot be used."""
        needed = {column.name: values[column.name] for column in self.offset_columns}
        refuse_missing(needed, self.missing, OFFSET_ADVICE)
        return self.assemble_offset(needed, rows)

    def offset(self, table: Any, offset: Any = None, exposure: Any = None) -> np.ndarray | None:
        """The offset of new rows: (n,) float64, or None where there is none.

        It is offset + log(exposure), from the columns that were named in training, and what `offset(...)` in a formula
        adds.

        table : as for :meth:`matrix`. offset, exposure : in place of the columns named in training: the name of another
        column, numbers for each row, or one number for all.

        Raises DataError for a missing column, an infinite value or an exposure that is not positive, MissingValueError,
        TypeError for columns that are not numbers.
        """
        if not self.offset_columns and offset is None and exposure is None:
            return None
        from betahat.data.beside import read_offset
        from betahat.data.frame import open_frame, read_columns

        frame = open_frame(table, "table")
        design, n = copy(self), len(frame)
        names = [self.offset_names.column, self.offset_names.exposure]
        given: list[Any] = [offset, exposure]
        for place, value in enumerate(given):
            if value is not None:
                names[place], given[place] = (value, None) if isinstance(value, str) else (None, value)
        design.offset_names = Offset(*names)
        own = design.complete_offset(read_columns(frame, design.offset_columns), n)
        return added(own, read_offset(given[0], given[1], n))

    def complete(self, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The columns with means filled in; a MissingValueError where something is still missing."""
        if all_complete(values):
            return values
        values = fill_means(values, {c.name: c.mean for c in self.columns if c.mean is not None})
        refuse_missing(values, self.missing)
        return values

    def _common(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "missing": self.missing,
            "columns": [c.to_dict() for c in self.columns],
            "offset": self.offset_names.to_dict(),
        }

    @staticmethod
    def _read_common(stored: Mapping[str, Any]) -> tuple[tuple[Column, ...], Missing]:
        columns = stored.get("columns")
        if not isinstance(columns, list) or not all(isinstance(c, Mapping) for c in columns):
            raise StorageError(f"a stored design needs a list `columns`, and has {columns!r}")
        read = tuple(Column.from_dict(column) for column in columns)
        if len({column.name for column in read}) < len(read):
            raise StorageError(f"the `columns` of a stored design repeat a name: {[c.name for c in read]}")
        try:
            return read, check_policy(stored.get("missing"))
        except ValueError as error:
            raise StorageError(f"a stored design is damaged: {error}") from None


OFFSET_ADVICE = "Every row needs its own: neither an offset nor an exposure is invented."


def design_from_dict(stored: Mapping[str, Any]) -> Design:
    """The design that `to_dict` wrote.

    Raises StorageError where `stored` is not one.

    >>> import polars as pl
    >>> from betahat.data import TableDesign, design_from_dict
    >>> design = TableDesign.learn(pl.DataFrame({"x": [1.0, 2.0], "kind": ["a", "b"]}))
    >>> design_from_dict(design.to_dict()).names
    ('x', 'kind[b]')
    """
    if not isinstance(stored, Mapping):
        raise StorageError(f"a stored design is an object, and this is {type(stored).__name__}")
    kind = stored.get("kind")
    if kind == "columns":
        from betahat.data.table import TableDesign

        return TableDesign.from_dict(stored)
    if kind == "codes":
        from betahat.data.coded import CodedDesign

        return CodedDesign.from_dict(stored)
    if kind == "formula":
        from betahat.data.formula import FormulaDesign

        return FormulaDesign.from_dict(stored)
    raise StorageError(f"`kind` of a stored design is 'columns', 'codes' or 'formula', and is {kind!r}")

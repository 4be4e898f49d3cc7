"""A design that takes every column as it is: numbers pass, categories are treatment coded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, final

import narwhals as nw
import numpy as np

from betahat.data.design import Column, Design
from betahat.data.frame import learn_columns, open_frame, pick, read_columns
from betahat.data.levels import warn_single_level
from betahat.data.missing import Missing, all_finite, check_policy
from betahat.data.offset import NO_OFFSET, Offset
from betahat.data.settle import kept_rows, settle
from betahat.errors import DataError


@final
class TableDesign(Design):
    """Numbers and booleans as float64; a category as one 0/1 column for each level but the first.

    The level that comes first (in sorted order for strings, in its own order for a pandas category or an
    enum) is the baseline, and `kind[b]` is the difference between level b and the baseline.

    >>> import pandas as pd
    >>> design = TableDesign.learn(pd.DataFrame({"x": [1.0, 2.0, 4.0], "kind": ["a", "c", "b"]}))
    >>> design.names
    ('x', 'kind[b]', 'kind[c]')
    >>> design.matrix(pd.DataFrame({"kind": ["c", "a"], "x": [5, 6]}))
    array([[5., 0., 1.],
           [6., 0., 0.]])
    """

    kind: ClassVar[str] = "columns"
    has_intercept = True

    def __init__(
        self, columns: tuple[Column, ...], missing: Missing = "error", offset: Offset = NO_OFFSET
    ) -> None:
        self.columns, self.missing, self.offset_names = columns, missing, offset
        self.names = tuple(name for column in columns for name in _names(column))
        if len(set(self.names)) < len(self.names):
            repeated = sorted({name for name in self.names if self.names.count(name) > 1})
            raise DataError(
                f"two columns of X would be named {repeated[0]!r}; rename one column of the table"
            )

    @classmethod
    def learn(cls, frame: Any, missing: Missing = "error") -> TableDesign:
        """The design of a training table; :func:`learn_table` gives its X as well, in the same reading."""
        return learn_table(frame, missing)[0]

    def matrix(self, table: Any) -> np.ndarray:
        frame = open_frame(table, "table")
        if all(column.levels is None for column in self.columns):
            for name in self.input_names:
                pick(frame, name)
            X = _as_stored(frame.select(self.input_names))
            if X is not None and all_finite(X):
                return X
        return self.assemble(self.complete(read_columns(frame, self.columns)), len(frame))

    def assemble(self, values: Mapping[str, np.ndarray], rows: int) -> np.ndarray:
        coded = any(column.levels is not None for column in self.columns)
        X = (np.zeros if coded else np.empty)((rows, len(self.names)), order="F")
        start = 0
        for column in self.columns:
            if column.levels is None:
                X[:, start] = values[column.name]
            else:
                code = values[column.name]
                above = np.flatnonzero(code > 0)
                X[above, start - 1 + code[above]] = 1.0
            start += len(_names(column))
        return X

    def to_dict(self) -> dict[str, Any]:
        return self._common()

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> TableDesign:
        return cls(*cls._read_common(stored), Offset.from_dict(stored.get("offset")))


def learn_table(
    table: Any, missing: Missing = "error", beside: Mapping[str, np.ndarray] | None = None
) -> tuple[TableDesign, np.ndarray, np.ndarray | None]:
    """Learn the design of a table and make its X.

    missing : "error", "drop" (leave incomplete rows out) or "mean" (fill numbers with their column's mean).
    beside : float columns that are not part of X but must be complete too (y, weights), by name.

    Returns the design; X, (n, p) float64, or the table's own memory where it is one float64 block already,
    so treat it as read-only; and (N,) bool saying which rows were kept, or None for all.

    Raises DataError for no rows or columns, repeated names, infinite values, integers of 2**53 and beyond,
    identifiers; MissingValueError; TypeError for dates, lists and the like. Warns with MissingRowsWarning
    for rows left out, CollinearityWarning for a category of one level, which contributes no column.

    >>> import pandas as pd
    >>> design, X, keep = learn_table(pd.DataFrame({"x": [1.0, None, 3.0]}), missing="mean")
    >>> X[:, 0].tolist()
    [1.0, 2.0, 3.0]
    """
    check_policy(missing)
    frame = open_frame(table, "X")
    if not frame.columns or not len(frame):
        raise DataError(
            f"the table has {len(frame):,} rows and {len(frame.columns):,} columns; nothing to fit"
        )
    besides = dict(beside or {})
    if missing != "mean" and all(map(all_finite, besides.values())):
        X = _as_stored(frame)
        if X is not None and all_finite(X):
            return TableDesign(tuple(Column(name) for name in frame.columns), missing), X, None
    columns = learn_columns(frame, frame.columns)
    columns, values, keep = settle(columns, read_columns(frame, columns), missing, besides)
    design = TableDesign(tuple(columns), missing)
    for column in columns:
        if column.levels is not None and len(column.levels) < 2:
            warn_single_level(column.name, column.levels)
    return design, design.assemble(values, kept_rows(keep, len(frame))), keep


def _names(column: Column) -> list[str]:
    return (
        [column.name] if column.levels is None else [f"{column.name}[{level}]" for level in column.levels[1:]]
    )


def _as_stored(frame: nw.DataFrame[Any]) -> np.ndarray | None:
    """The memory of a pandas table of plain float64 columns, without a copy where it is one block."""
    if not frame.implementation.is_pandas():
        return None
    native = frame.to_native()
    return native.to_numpy() if (native.dtypes == np.dtype(np.float64)).all() else None

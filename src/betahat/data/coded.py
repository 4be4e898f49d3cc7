"""A design that keeps every column of a table as one column of X: numbers as they are, categories as codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, final

import numpy as np

from betahat.data.design import Column, Design
from betahat.data.frame import learn_columns, open_frame, read_columns
from betahat.data.missing import Missing, check_policy
from betahat.data.offset import NO_OFFSET, Offset
from betahat.data.settle import settle
from betahat.errors import DataError


@final
class CodedDesign(Design):
    """Numbers and booleans as float64; a category as the code of its level, 0 … levels − 1, for what embeds codes.

    >>> import pandas as pd
    >>> design, X = CodedDesign.learn(pd.DataFrame({"x": [1.0, 2.0, 4.0], "kind": ["a", "c", "b"]}))
    >>> X[:, 1].tolist(), design.levels
    ([0.0, 2.0, 1.0], {1: ('a', 'b', 'c')})
    """

    kind: ClassVar[str] = "codes"
    has_intercept = True

    def __init__(
        self, columns: tuple[Column, ...], missing: Missing = "error", offset: Offset = NO_OFFSET
    ) -> None:
        self.columns, self.missing, self.offset_names = columns, missing, offset
        self.names = tuple(column.name for column in columns)

    @property
    def levels(self) -> dict[int, tuple[str, ...]]:
        """The levels of the columns that are codes, by place."""
        return {j: column.levels for j, column in enumerate(self.columns) if column.levels is not None}

    @classmethod
    def learn(cls, table: Any, missing: Missing = "error") -> tuple[CodedDesign, np.ndarray]:
        """The design of a training table, and its X (n, p) float64.

        Raises DataError for no rows or columns, repeated names, infinite values and identifiers; MissingValueError;
        TypeError for dates, lists and the like.
        """
        check_policy(missing)
        frame = open_frame(table, "X")
        if not frame.columns or not len(frame):
            raise DataError(
                f"the table has {len(frame):,} rows and {len(frame.columns):,} columns; nothing to fit"
            )
        columns = learn_columns(frame, frame.columns)
        columns, values, _ = settle(columns, read_columns(frame, columns), missing, {})
        design = cls(tuple(columns), missing)
        return design, design.assemble(values, len(frame))

    def assemble(self, values: Mapping[str, np.ndarray], rows: int) -> np.ndarray:
        X = np.empty((rows, len(self.names)))
        for place, name in enumerate(self.names):
            X[:, place] = values[name]
        return X

    def to_dict(self) -> dict[str, Any]:
        return self._common()

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> CodedDesign:
        return cls(*cls._read_common(stored), Offset.from_dict(stored.get("offset")))

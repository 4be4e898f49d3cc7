"""Designs written as a formula, evaluated by formulaic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from betahat.data.design import Column, Design
from betahat.data.formula_state import State, decode_state, encode_state, materialise
from betahat.data.formula_syntax import parse
from betahat.data.frame import open_frame, pick, read_columns
from betahat.data.labels import class_array, encode, recode, series_labels
from betahat.data.missing import Missing, refuse_missing
from betahat.data.offset import NO_OFFSET, Offset, added
from betahat.errors import DataError, FormulaError, StorageError


@final
@dataclass(frozen=True, slots=True)
class Side:
    """Terms of a formula that are evaluated together: the table's columns they use, and what they learned."""

    columns: tuple[Column, ...]
    state: State


@final
class FormulaDesign(Design):
    """A formula, the categories of its columns, and what its functions learned from the training rows.

    >>> import pandas as pd
    >>> table = pd.DataFrame({"y": [1.0, 2.0, 4.0, 5.0], "x": [1.0, 2.0, 4.0, 8.0], "kind": list("abca")})
    >>> from betahat.data import read_formula
    >>> design, source = read_formula("y ~ np.log2(x) + kind", table)
    >>> design.names, design.target_names, design.has_intercept
    (('np.log2(x)', 'kind[b]', 'kind[c]'), ('y',), True)
    >>> design.matrix(pd.DataFrame({"kind": ["c"], "x": [16.0]}))
    array([[4., 0., 1.]])
    """

    kind: ClassVar[str] = "formula"

    def __init__(
        self,
        formula: str,
        available: tuple[str, ...],
        missing: Missing,
        right: Side,
        left: Side,
        moved: Side,
        offset: Offset = NO_OFFSET,
        classes: tuple[Any, ...] | None = None,
    ) -> None:
        self.formula, self.missing, self.offset_names, self.classes = formula, missing, offset, classes
        self.columns, self.target_columns = right.columns, left.columns
        self._available, self._right, self._left, self._moved = available, right, left, moved
        self._parsed = parse(formula, available)
        self.has_intercept = self._parsed.has_intercept
        self.names, self.target_names = right.state.names, left.state.names

    @property
    def offset_columns(self) -> tuple[Column, ...]:
        named = [Column(name) for name in self.offset_names.names if name not in self._parsed.offset_inputs]
        return (*self._moved.columns, *named)

    def assemble(self, values: Mapping[str, np.ndarray], rows: int) -> np.ndarray:
        return self._evaluate(self._parsed.right, values, rows, self._right)

    def assemble_offset(self, values: Mapping[str, np.ndarray], rows: int) -> np.ndarray | None:
        own = self._evaluate(self._parsed.offset, values, rows, self._moved) if self._parsed.offset else None
        return added(self.offset_names.of(values), None if own is None else own.sum(axis=1))

    def targets(self, table: Any) -> np.ndarray:
        """Y, (n, t) float64: the left side of the formula for the rows of a table; labels as their codes."""
        frame = open_frame(table, "table")
        if self.classes is not None and self._parsed.plain_target:
            (name,) = self._parsed.left_inputs
            codes = recode(*series_labels(pick(frame, name), name), class_array(self.classes), name)
            refuse_missing({name: codes}, self.missing)
            return codes.reshape(-1, 1)
        values = read_columns(frame, self.target_columns)
        refuse_missing(values, self.missing)
        return self.assemble_targets(values, len(frame))

    def assemble_targets(self, values: Mapping[str, np.ndarray], rows: int) -> np.ndarray:
        """Y, (n, t) float64, of complete columns."""
        if self.target_columns[0].levels is not None:
            return values[self.target_columns[0].name].astype(np.float64).reshape(-1, 1)
        Y = self._evaluate(self._parsed.left, values, rows, self._left)
        if self.classes is None:
            return Y
        return encode(Y[:, 0], class_array(self.classes), self.target_names[0]).reshape(-1, 1)

    @staticmethod
    def _evaluate(
        terms: tuple[Any, ...], values: Mapping[str, np.ndarray], rows: int, side: Side
    ) -> np.ndarray:
        X, after = materialise(terms, values, rows, side.columns, side.state)
        if after.names != side.state.names or after.transforms.keys() != side.state.transforms.keys():
            raise DataError(
                f"the formula gave the columns {after.names} for these rows and {side.state.names} in training; a "
                "stored design may have been altered, or a column changed its kind"
            )
        return X

    def to_dict(self) -> dict[str, Any]:
        return {
            **self._common(),
            "formula": self.formula,
            "target_columns": [column.to_dict() for column in self.target_columns],
            "offset_columns": [column.to_dict() for column in self._moved.columns],
            "available": list(self._available),
            "state": encode_state(self._right.state),
            "target_state": encode_state(self._left.state),
            "offset_state": encode_state(self._moved.state),
            "classes": None if self.classes is None else list(self.classes),
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> FormulaDesign:
        sides: list[Side] = []
        for prefix in ("", "target_", "offset_"):
            columns, missing = cls._read_common({**stored, "columns": stored.get(f"{prefix}columns")})
            sides.append(Side(columns, decode_state(stored.get(f"{prefix}state"))))
        available, formula = stored.get("available"), stored.get("formula")
        if not isinstance(available, list) or not all(isinstance(name, str) for name in available):
            raise StorageError(
                f"`available` of a stored formula is a list of column names, and is {available!r}"
            )
        classes = stored.get("classes")
        if classes is not None and not (
            isinstance(classes, list) and all(isinstance(c, (str, bool, int, float)) for c in classes)
        ):
            raise StorageError(
                f"`classes` of a stored formula are text, booleans or numbers, not {classes!r}"
            )
        offset, known = Offset.from_dict(stored.get("offset")), None if classes is None else tuple(classes)
        try:
            design = cls(formula, tuple(available), missing, *sides, offset, known)  # pyright: ignore
        except FormulaError as error:
            raise StorageError(f"a stored formula is refused: {error}") from error
        needed = design._parsed.right_inputs, design._parsed.left_inputs, design._parsed.offset_inputs
        if tuple(tuple(column.name for column in side.columns) for side in sides) != needed:
            raise StorageError(f"the columns of a stored design do not fit its formula {formula!r}")
        return design

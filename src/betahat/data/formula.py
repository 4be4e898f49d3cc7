"""Designs written as a formula, evaluated by formulaic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, final

import numpy as np

from betahat.data.design import Column, Design
from betahat.data.formula_state import State, decode_state, encode_state, materialise
from betahat.data.formula_syntax import Parsed, parse, unalias
from betahat.data.frame import learn_columns, open_frame, read_columns
from betahat.data.missing import Missing, check_policy, refuse_missing
from betahat.data.settle import kept_rows, settle
from betahat.errors import DataError, FormulaError, StorageError


@final
class FormulaDesign(Design):
    """A formula, the categories of its columns, and what its functions learned from the training rows.

    >>> import pandas as pd
    >>> table = pd.DataFrame({"y": [1.0, 2.0, 4.0, 5.0], "x": [1.0, 2.0, 4.0, 8.0], "kind": list("abca")})
    >>> design, X, Y, keep = learn_formula("y ~ np.log2(x) + kind", table)
    >>> design.names, design.target_names, design.has_intercept
    (('np.log2(x)', 'kind[b]', 'kind[c]'), ('y',), True)
    >>> design.matrix(pd.DataFrame({"kind": ["c"], "x": [16.0]}))
    array([[4., 0., 1.]])
    """

    kind: ClassVar[str] = "formula"

    def __init__(
        self,
        formula: str,
        columns: tuple[Column, ...],
        target_columns: tuple[Column, ...],
        available: tuple[str, ...],
        missing: Missing,
        state: State,
        target_state: State,
    ) -> None:
        self.formula, self.missing = formula, missing
        self.columns, self.target_columns = columns, target_columns
        self._available, self._state, self._target_state = available, state, target_state
        self._parsed = parse(formula, available)
        self.has_intercept = self._parsed.has_intercept
        self.names, self.target_names = state.names, target_state.names

    @property
    def classes(self) -> tuple[str, ...] | None:
        """The labels behind the codes 0 … K−1 of a target of text, or None where it is numbers."""
        return self.target_columns[0].levels

    def assemble(self, values: Mapping[str, np.ndarray], rows: int) -> np.ndarray:
        return self._evaluate(self._parsed.right, values, rows, self.columns, self._state)

    def targets(self, table: Any) -> np.ndarray:
        """Y, (n, t) float64: the left side of the formula for the rows of a table."""
        frame = open_frame(table, "table")
        values = read_columns(frame, self.target_columns)
        refuse_missing(values, self.missing)
        return self.assemble_targets(values, len(frame))

    def assemble_targets(self, values: Mapping[str, np.ndarray], rows: int) -> np.ndarray:
        """Y, (n, t) float64, of complete columns."""
        if self.classes is not None:
            return values[self.target_columns[0].name].astype(np.float64).reshape(-1, 1)
        return self._evaluate(self._parsed.left, values, rows, self.target_columns, self._target_state)

    @staticmethod
    def _evaluate(
        terms: tuple[Any, ...],
        values: Mapping[str, np.ndarray],
        rows: int,
        columns: tuple[Column, ...],
        state: State,
    ) -> np.ndarray:
        X, after = materialise(terms, values, rows, columns, state)
        if after.names != state.names or after.transforms.keys() != state.transforms.keys():
            raise DataError(
                f"the formula gave the columns {after.names} for these rows and {state.names} in training; a "
                "stored design may have been altered, or a column changed its kind"
            )
        return X

    def to_dict(self) -> dict[str, Any]:
        return {
            **self._common(),
            "formula": self.formula,
            "target_columns": [column.to_dict() for column in self.target_columns],
            "available": list(self._available),
            "state": encode_state(self._state),
            "target_state": encode_state(self._target_state),
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> FormulaDesign:
        columns, missing = cls._read_common(stored)
        targets, _ = cls._read_common({**stored, "columns": stored.get("target_columns")})
        available, formula = stored.get("available"), stored.get("formula")
        if not isinstance(available, list) or not all(isinstance(name, str) for name in available):
            raise StorageError(
                f"`available` of a stored formula is a list of column names, and is {available!r}"
            )
        states = decode_state(stored.get("state")), decode_state(stored.get("target_state"))
        try:
            design = cls(formula, columns, targets, tuple(available), missing, *states)  # pyright: ignore
        except FormulaError as error:
            raise StorageError(f"a stored formula is refused: {error}") from error
        needed = design._parsed.right_inputs, design._parsed.left_inputs
        if (design.input_names, tuple(column.name for column in targets)) != needed:
            raise StorageError(f"the columns of a stored design do not fit its formula {formula!r}")
        return design


def learn_formula(
    formula: str,
    table: Any,
    missing: Missing = "error",
    beside: Mapping[str, np.ndarray] | None = None,
    without: tuple[str, ...] = (),
    labels: bool = False,
) -> tuple[FormulaDesign, np.ndarray, np.ndarray, np.ndarray | None]:
    """Learn the design of a formula and make its X and Y.

    formula : `y ~ x1 + C(kind)`, with the operators of R: `+ - : * / ** ( ) .`, functions of NumPy, `C()`
        with a coding, `poly`, `bs`, `cr`, `cc`, `center`, `scale`, and backquotes around unusual names.
    missing : "error", "drop" or "mean", for the columns the formula uses, before its functions.
    beside : float columns outside the formula that must be complete as well (weights), by name.
    without : columns that `.` does not stand for.
    labels : allow one target of text, coded 0 … K−1 in the order of its levels (`classes` of the design).

    Returns the design; X, (n, p) without the column of ones; Y, (n, t); (N,) bool of the rows kept, or None.

    Raises FormulaError for a formula that does not fit the table, MissingValueError and DataError for values
    that are missing or infinite, before or after the functions.
    """
    check_policy(missing)
    frame = open_frame(table, "data")
    if not len(frame):
        raise DataError("`data` has no rows; nothing to fit")
    parsed = parse(formula, frame.columns, without)
    right = learn_columns(frame, parsed.right_inputs)
    left = learn_columns(frame, parsed.left_inputs)
    check_targets(parsed, left, labels)
    target_values = read_columns(frame, left)
    right, values, keep = settle(
        right, read_columns(frame, right), missing, {**target_values, **dict(beside or {})}
    )
    if keep is not None:
        target_values = {name: column[keep] for name, column in target_values.items()}
    rows = kept_rows(keep, len(frame))
    X, state = materialise(parsed.right, values, rows, tuple(right))
    coded_target = left[0].levels is not None
    Y, target_state = (
        (target_values[left[0].name].astype(np.float64).reshape(-1, 1), State((left[0].name,), {}, {}))
        if coded_target
        else materialise(parsed.left, target_values, rows, tuple(left))
    )
    available = known_columns(parsed, frame.columns, without)
    return (
        FormulaDesign(formula, tuple(right), tuple(left), available, missing, state, target_state),
        X,
        Y,
        keep,
    )


def known_columns(parsed: Parsed, columns: list[str], without: tuple[str, ...]) -> tuple[str, ...]:
    """The columns a stored formula must know to be read again: all of them where it says `.`."""
    if parsed.uses_dot:
        return tuple(name for name in columns if name not in without)
    return tuple(dict.fromkeys((*parsed.left_inputs, *parsed.right_inputs)))


def check_targets(parsed: Parsed, targets: list[Column], labels: bool) -> None:
    """A TypeError where the left side is text and may not be, or is text and more than one column."""
    text = [column.name for column in targets if column.levels is not None]
    if not text:
        return
    if not labels:
        raise TypeError(
            f"the target {text[0]!r} is text or categories; numbers are expected (labels are a classifier's)"
        )
    if [unalias(str(term)) for term in parsed.left] != list(parsed.left_inputs[:1]):
        raise TypeError(f"the target {text[0]!r} holds text or categories, so it must be the whole left side")


def learn_formula_from_levels(
    formula: str,
    columns: tuple[Column, ...],
    targets: tuple[Column, ...],
    numbers: Mapping[str, np.ndarray],
    available: tuple[str, ...],
    missing: Missing,
) -> FormulaDesign:
    """The design of a formula over a stream, from the levels of its columns alone.

    numbers : the distinct values of number columns that stand in `C(column)`.

    Raises FormulaError for functions that must see all rows first (center, poly, bs, ...).
    """
    parsed = parse(formula, available)
    refused = [f"{name}()" for name in parsed.stateful] + [f"C({expr})" for expr in parsed.coded_expressions]
    if refused:
        raise FormulaError(
            f"the formula {formula!r}: {refused[0]} must see all rows before the first is used, which a file "
            "that is read in blocks does not allow. Compute the column in SQL, or read the table into "
            "memory first."
        )
    rows = max((len(column.levels or ()) for column in columns), default=0)
    rows = max([rows, 1, *map(len, numbers.values())])
    right = {c.name: _each_level(c, numbers.get(c.name), rows) for c in columns}
    left = {c.name: _each_level(c, None, rows) for c in targets}
    state = materialise(parsed.right, right, rows, columns, check=False)[1]
    target_state = materialise(parsed.left, left, rows, targets, check=False)[1]
    return FormulaDesign(formula, columns, targets, available, missing, state, target_state)


def _each_level(column: Column, numbers: np.ndarray | None, rows: int) -> np.ndarray:
    """A made-up column in which every level occurs."""
    if column.levels is not None:
        return np.resize(np.arange(len(column.levels), dtype=np.int32), rows)
    return np.ones(rows) if numbers is None else np.resize(numbers, rows)

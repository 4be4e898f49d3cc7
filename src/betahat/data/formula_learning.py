"""The design of a formula learned: from a table, or from the levels of columns that are read in blocks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import narwhals as nw
import numpy as np

from betahat.data.design import Column
from betahat.data.formula import FormulaDesign, Side
from betahat.data.formula_state import State, materialise
from betahat.data.formula_syntax import Parsed, parse, unalias
from betahat.data.frame import learn_columns, open_frame, pick, read_columns
from betahat.data.labels import occurring, read_labels
from betahat.data.missing import Missing, check_policy
from betahat.data.offset import NO_OFFSET, Offset
from betahat.data.settle import kept_rows, settle, together
from betahat.data.source import Block
from betahat.errors import DataError, FormulaError


def learn_formula(
    formula: str,
    table: Any,
    missing: Missing = "error",
    beside: Mapping[str, np.ndarray] | None = None,
    without: tuple[str, ...] = (),
    labels: bool = False,
    offset: Offset = NO_OFFSET,
) -> tuple[FormulaDesign, Block, np.ndarray | None]:
    """Learn the design of a formula and make its X and Y.

    formula : `y ~ x1 + C(kind)`, with the operators of R: `+ - : * / ** ( ) .`, functions of NumPy, `C()`
        with a coding, `poly`, `bs`, `cr`, `cc`, `center`, `scale`, `offset()`, and backquotes around unusual names.
    missing : "error", "drop" or "mean", for the columns the formula uses, before its functions.
    beside : float columns outside the formula that must be complete as well (weights), by name.
    without : columns that `.` does not stand for.
    labels : one target of labels, coded 0 … K−1 in the order of numpy.unique (`classes` of the design).
    offset : columns to remember for new rows.

    Returns the design; a block of X, (n, p) without the column of ones, Y, (n, t), and the offset of the formula, if
    any; (N,) bool of the rows kept, or None.

    Raises FormulaError for a formula that does not fit the table, MissingValueError and DataError for values
    that are missing or infinite, before or after the functions.
    """
    check_policy(missing)
    frame = open_frame(table, "data")
    if not len(frame):
        raise DataError("`data` has no rows; nothing to fit")
    parsed = parse(formula, frame.columns, without)
    learned = {c.name: c for c in learn_columns(frame, unique(parsed.right_inputs, parsed.offset_inputs))}
    read = read_columns(frame, learned.values())
    right, added = (
        [learned[name] for name in names] for names in (parsed.right_inputs, parsed.offset_inputs)
    )
    offset_values = {column.name: read[column.name] for column in added}
    left, target_values, classes = _read_targets(frame, parsed, labels)
    right, values, keep = settle(
        right,
        {column.name: read[column.name] for column in right},
        missing,
        together({**offset_values, **target_values}, dict(beside or {})),
    )
    if keep is not None:
        target_values = {name: column[keep] for name, column in target_values.items()}
        offset_values = {name: column[keep] for name, column in offset_values.items()}
        # X may have lost levels, and a column is read once for both
        shared = {column.name: column for column in right if column.levels is not None}
        offset_values = {
            name: values.get(name, v) if name in shared else v for name, v in offset_values.items()
        }
        added = [shared.get(column.name, column) for column in added]
    rows = kept_rows(keep, len(frame))
    X, state = materialise(parsed.right, values, rows, tuple(right))
    moved, offset_state = _learn_offset(parsed, offset_values, rows, tuple(added))
    if classes is not None:
        Y, classes = occurring(target_values[left[0].name], classes)
        text = None if classes.dtype != object else tuple(classes.tolist())
        left, target_state = [Column(left[0].name, text)], State((left[0].name,), {}, {})
    else:
        Y, target_state = materialise(parsed.left, target_values, rows, tuple(left))
        if labels:
            refuse_several(formula, target_state.names)
            _, Y, classes = read_labels(Y, rows, target_state.names[0])
    design = FormulaDesign(
        formula,
        known_columns(parsed, frame.columns, without),
        missing,
        Side(tuple(right), state),
        Side(tuple(left), target_state),
        Side(tuple(added), offset_state),
        offset,
        None if classes is None else tuple(classes.tolist()),
    )
    return design, Block(X, Y.reshape(rows, -1), offset=moved), keep


def _read_targets(
    frame: nw.DataFrame[Any], parsed: Parsed, labels: bool
) -> tuple[list[Column], dict[str, np.ndarray], np.ndarray | None]:
    """The columns of the left side: numbers, or the codes of the labels in a single one, and the classes."""
    if labels and parsed.plain_target:
        (name,) = parsed.left_inputs
        _, codes, classes = read_labels(pick(frame, name).to_native(), len(frame), name)
        return [Column(name)], {name: codes}, classes
    left = learn_columns(frame, parsed.left_inputs)
    check_targets(parsed, left, labels)
    return left, read_columns(frame, left), None


def _learn_offset(
    parsed: Parsed,
    values: Mapping[str, np.ndarray],
    rows: int,
    columns: tuple[Column, ...],
    check: bool = True,
) -> tuple[np.ndarray | None, State]:
    if not parsed.offset:
        return None, State(())
    matrix, state = materialise(parsed.offset, values, rows, columns, check=check)
    for expr, (kind, _) in state.encoders.items():
        if kind == "categorical":
            raise FormulaError(f"`{unalias(expr)}` is text or categories; an offset is a number for each row")
    return matrix.sum(axis=1), state


def unique(*names: tuple[str, ...]) -> list[str]:
    """Names of all, each once."""
    return list(dict.fromkeys(name for part in names for name in part))


def known_columns(parsed: Parsed, columns: list[str], without: tuple[str, ...]) -> tuple[str, ...]:
    """The columns a stored formula must know to be read again: all of them where it says `.`."""
    if parsed.uses_dot:
        return tuple(name for name in columns if name not in without)
    return tuple(unique(parsed.left_inputs, parsed.right_inputs, parsed.offset_inputs))


def check_targets(parsed: Parsed, targets: list[Column], labels: bool) -> None:
    """A TypeError where the left side is text and may not be, or is text and more than one column."""
    text = [column.name for column in targets if column.levels is not None]
    if not text:
        return
    if not labels:
        raise TypeError(
            f"the target {text[0]!r} is text or categories; numbers are expected (labels are a classifier's)"
        )
    if not parsed.plain_target:
        raise TypeError(f"the target {text[0]!r} holds text or categories, so it must be the whole left side")


def refuse_several(formula: str, targets: tuple[str, ...]) -> None:
    """A TypeError where labels are asked for and there are several targets."""
    if len(targets) > 1:
        raise TypeError(f"the formula {formula!r} has {len(targets)} targets, and labels are one column")


def learn_formula_from_levels(
    formula: str,
    learned: Mapping[str, Column],
    targets: tuple[Column, ...],
    numbers: Mapping[str, np.ndarray],
    available: tuple[str, ...],
    missing: Missing,
    offset: Offset = NO_OFFSET,
    classes: np.ndarray | None = None,
) -> FormulaDesign:
    """The design of a formula over a stream, from the levels of its columns alone.

    learned : the columns of the right side and the offset, by name. numbers : the distinct values of number columns
    that stand in `C(column)`. classes : behind the labels of the target.

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
    rows = max((len(column.levels or ()) for column in (*learned.values(), *targets)), default=0)
    rows = max([rows, 1, *map(len, numbers.values())])
    columns = tuple(learned[name] for name in parsed.right_inputs)
    # neither an offset nor a target is ever filled with a mean
    moved = tuple(replace(learned[name], mean=None) for name in parsed.offset_inputs)
    sides = ({c.name: _each_level(c, numbers.get(c.name), rows) for c in side} for side in (columns, moved))
    right, added = sides
    state = materialise(parsed.right, right, rows, columns, check=False)[1]
    offset_state = _learn_offset(parsed, added, rows, moved, check=False)[1]
    if targets[0].levels is not None:
        target_state = State((targets[0].name,), {}, {})
    else:
        left = {c.name: np.ones(rows) for c in targets}
        target_state = materialise(parsed.left, left, rows, targets, check=False)[1]
    return FormulaDesign(
        formula, available, missing, Side(columns, state), Side(targets, target_state), Side(moved, offset_state),
        offset, None if classes is None else tuple(classes.tolist()),
    )  # fmt: skip


def _each_level(column: Column, numbers: np.ndarray | None, rows: int) -> np.ndarray:
    """A made-up column in which every level occurs."""
    if column.levels is not None:
        return np.resize(np.arange(len(column.levels), dtype=np.int32), rows)
    return np.ones(rows) if numbers is None else np.resize(numbers, rows)

"""What users hand to a nonlinear regression: rows and a model, each checked."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from typing import Any

import narwhals as nw
import numpy as np
from sklearn.utils.validation import check_array, check_consistent_length, column_or_1d, validate_data

from betahat.data.frame import open_frame
from betahat.data.missing import unmasked
from betahat.data.source import Source
from betahat.errors import DataError, FormulaError, MissingValueError
from betahat.estimators.inputs import (
    check_weight,
    is_frame,
    numbers,
    refuse_beside_source,
    refuse_no_weight,
    refuse_sparse_target,
)
from betahat.estimators.nonlinear_rows import Rows
from betahat.estimators.nonlinear_source import source_rows
from betahat.kernels.finite import all_finite
from betahat.models.curves import CURVES, Curve
from betahat.models.expression import Expression

_SMALLEST, _LARGEST = 1e-152, 1e152
"""Sizes of y whose squares, and those of residuals some times as large, are doubles."""

# rows -----------------------------------------------------------------------------------------------------------------


def read_rows(
    estimator: Any,
    X: Any,
    y: Any,
    sample_weight: Any,
    frequency_weight: Any,
    groups: Any,
    again: bool = False,
) -> Rows:
    """Checked rows; the estimator takes down what X looked like, or compares if it is seen `again`."""
    if isinstance(X, Source):
        refuse_beside_source(
            X, y=y, sample_weight=sample_weight, frequency_weight=frequency_weight, groups=groups
        )
        return _with_weight(source_rows(estimator, X, again))
    if y is None:
        raise ValueError(f"{type(estimator).__name__} requires y to be passed, but the target y is None")
    X = _collected(X)
    if again:
        values = columns_of(estimator, X)
    else:
        values = _matrix(estimator, X)
        estimator._one_dimensional = values.ndim == 1
        if values.ndim == 1:
            estimator.n_features_in_ = 1
            vars(estimator).pop("feature_names_in_", None)
        else:
            _take_down(estimator, X, values, reset=True)
    y, target = _target(y)
    n = len(y)
    if len(values) != n:
        check_consistent_length(values, y)  # which says what is wrong
    codes = None
    if groups is not None:
        from betahat.data import group_codes

        codes = group_codes(groups, n)
    weight = check_weight("sample_weight", sample_weight, n)
    frequency = check_weight("frequency_weight", frequency_weight, n, whole=True)
    return _with_weight(
        Rows(
            values,
            y,
            weight,
            frequency,
            codes,
            column_names(estimator),
            target,
        )
    )


def _target(y: Any) -> tuple[np.ndarray, str]:
    """Finite float64 numbers (n,), and what they are called."""
    if _is_plain(y, 1):
        squares = float(np.vdot(y, y))
        if len(y) * _SMALLEST**2 < squares < _LARGEST**2:  # so that the largest lies between
            return _read_only(y), "y"
        name, values = "y", y
    else:
        refuse_sparse_target(y)
        name = getattr(y, "name", None)
        if is_frame(y):
            frame = open_frame(y, "y")
            if len(frame.columns) == 1:
                name, y = frame.columns[0], frame[frame.columns[0]].to_native()
        y = check_array(
            unmasked(np.asarray(y) if is_frame(y) else y), ensure_2d=False, dtype="numeric", input_name="y",
            ensure_all_finite=False,
        )  # fmt: skip
        name = str(name) if name is not None else "y"
        values = np.asarray(numbers(column_or_1d(y, warn=True), "y"), np.float64)
        _refuse_non_finite("y", values[:, None], (name,))
    largest = float(np.abs(values).max(initial=0))
    if largest and not _SMALLEST <= largest <= _LARGEST:
        raise DataError(
            f"y is as {'large' if largest > 1 else 'small'} as {largest:.2g}, so that its squares leave the range of "
            "doubles; give it in other units"
        )
    return _read_only(values), name


def _is_plain(values: Any, *dimensions: int) -> bool:
    """Finite float64 numbers in an array of so many dimensions, of which scikit-learn's checks would find nothing."""
    return (
        type(values) is np.ndarray
        and values.dtype == np.float64
        and values.ndim in dimensions
        and values.size > 0
        and all_finite(values)
    )


def _read_only(values: np.ndarray) -> np.ndarray:
    """A view that f, and a function that gives starts, cannot write through."""
    view = values.view()
    view.flags.writeable = False
    return view


def _refuse_non_finite(what: str, values: np.ndarray, names: Sequence[str]) -> None:
    """Raise for the first NaN or infinity, naming column and row."""
    bad = ~np.isfinite(values)
    if not bad.any():
        return
    column = int(np.argmax(bad.any(axis=0)))
    row = int(np.argmax(bad[:, column]))
    where = f"{names[column]!r} first in row {row}"
    if np.isnan(values[row, column]):
        raise MissingValueError(
            f"Input {what} contains NaN: {where}. Missing values cannot be fitted as they are; leave such rows out"
        )
    raise DataError(
        f"Input {what} contains infinity: {where}; expected finite numbers. The usual cause is a division by zero or "
        "the logarithm of zero"
    )


def _collected(X: Any) -> Any:
    """X itself, or the rows of a lazy table."""
    if type(X) is np.ndarray:
        return X
    return open_frame(X, "X").to_native() if nw.dependencies.is_polars_lazyframe(X) else X


def _with_weight(rows: Rows) -> Rows:
    """The rows, if any of them counts."""
    refuse_no_weight(rows.total)
    return rows


def columns_of(estimator: Any, X: Any) -> np.ndarray:
    """X of new rows, of the shape and columns of the fit's."""
    names = getattr(estimator, "feature_names_in_", None)
    X = _collected(X)
    if is_frame(X) and names is not None:
        frame = open_frame(X, "X")
        missing = [name for name in names if name not in frame.columns]
        if missing:
            raise ValueError(f"X has no column {missing[0]!r}; the fit had {', '.join(map(str, names))}")
        X = frame.select(list(names)).to_native()
    values = _matrix(estimator, X)
    if values.ndim == 1 and not estimator._one_dimensional:
        raise ValueError(
            f"Expected 2D array, got 1D array instead: X has shape {values.shape}, and the fit's had "
            f"{estimator.n_features_in_} columns. Reshape your data either using array.reshape(-1, 1) if it has a "
            "single feature or array.reshape(1, -1) if it contains a single sample"
        )
    if values.ndim == 2:
        _take_down(estimator, X, values, reset=False)
    return values[:, 0] if estimator._one_dimensional and values.ndim == 2 else values


def _take_down(estimator: Any, X: Any, values: Any, reset: bool) -> None:
    """Names and number of the columns, kept or compared as scikit-learn does."""
    if reset and type(X) is np.ndarray:
        estimator.n_features_in_ = values.shape[1]
        vars(estimator).pop("feature_names_in_", None)
        return
    validate_data(estimator, X if is_frame(X) else values, skip_check_array=True, reset=reset)


def _matrix(estimator: Any, X: Any) -> np.ndarray:
    """Finite float64 numbers, (n,) or (n, d) as they came."""
    if _is_plain(X, 1, 2):
        return _read_only(X)
    if hasattr(X, "tocsr"):
        raise TypeError(
            f"X is a sparse matrix ({type(X).__name__}), and f is a function of dense arrays; pass X.toarray()"
        )
    names = None
    if is_frame(X):
        X, names = _frame_values(X)
    checked = check_array(
        unmasked(X), ensure_2d=False, allow_nd=False, dtype="numeric", input_name="X", estimator=estimator,
        ensure_all_finite=False,
    )  # fmt: skip
    if checked.ndim == 0:
        raise ValueError("Expected 2D array, got scalar array instead: X is one number. Reshape your data")
    if checked.ndim == 2 and checked.shape[1] == 0:
        raise ValueError(
            f"Found array with 0 feature(s) (shape={checked.shape}) while a minimum of 1 is required."
        )
    values = np.asarray(numbers(checked, "X"), np.float64)
    table = values.reshape(len(values), -1)
    _refuse_non_finite("X", table, names or _plain_names(table.shape[1]))
    return _read_only(values)


def _frame_values(X: Any) -> tuple[np.ndarray, list[str]]:
    """A table's columns as numbers (n, d), and their names; TypeError naming a column that holds none."""
    frame = open_frame(X, "X")
    parts = []
    for column in frame.iter_columns():
        if not (column.dtype.is_numeric() or column.dtype == nw.Boolean):
            raise TypeError(
                f"column {column.name!r} of X holds {column.dtype}, and f is a function of numbers; leave the column "
                "out, or code it"
            )
        if column.is_null().any():
            row = int(np.argmax(column.is_null().to_numpy()))
            raise MissingValueError(
                f"Input X contains NaN: {column.name!r} first in row {row}. Missing values cannot be fitted as they "
                "are; leave such rows out"
            )
        parts.append(np.asarray(numbers(column.to_numpy(), column.name), np.float64))
    return (np.column_stack(parts) if parts else np.zeros((len(frame), 0))), list(frame.columns)


def column_names(estimator: Any) -> tuple[str, ...]:
    """What an expression may call the columns of X."""
    names = getattr(estimator, "feature_names_in_", None)
    return tuple(map(str, names)) if names is not None else _plain_names(estimator.n_features_in_)


def _plain_names(count: int) -> tuple[str, ...]:
    """What columns without names are called."""
    return ("x",) if count == 1 else tuple(f"x{j + 1}" for j in range(count))


# the model ------------------------------------------------------------------------------------------------------------


def resolve(f: Callable[..., Any] | str, names: tuple[str, ...]) -> tuple[Callable[..., Any], Curve | None]:
    """The function of (X, *parameters) that f stands for, given the names of X's columns, and its curve if named."""
    if not isinstance(f, str):
        return f, None
    if f in CURVES:
        if len(names) != 1:
            raise ValueError(f"the curve {f!r} takes one column, and X has {len(names)}: {', '.join(names)}")
        return _on_x(CURVES[f].text), CURVES[f]
    if f.strip().isidentifier():
        near = difflib.get_close_matches(f, list(CURVES), n=2)
        hint = f". Did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise FormulaError(f"model {f!r} is no curve's name; there are {', '.join(CURVES)}{hint}")
    expression = Expression(f, names)
    if not expression.used and len(names) == 1 and "x" in expression.parameters:
        return _on_x(f), None  # the only column may be called x, as in named curves
    if not expression.used:
        raise FormulaError(
            f"model {f!r} uses no column; the columns are {', '.join(names)} (an array's are x, or x1, x2, …; one "
            "whose name is not a plain word stands in backquotes)"
        )
    return expression, None


def _on_x(text: str) -> Expression:
    """An expression of the one column x."""
    return Expression(text, ("x",))

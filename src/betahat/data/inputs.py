"""What the user hands to `fit`, checked and turned into a design and a source."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

import narwhals as nw
import numpy as np

from betahat.data.formula import FormulaDesign, learn_formula
from betahat.data.frame import kind_of, numbers_of, open_frame, pick
from betahat.data.groups import group_codes
from betahat.data.missing import Missing, all_finite, as_doubles, unmasked
from betahat.data.source import ArraySource
from betahat.data.table import TableDesign, learn_table
from betahat.errors import DataError


def read_inputs(
    X: Any,
    y: Any,
    sample_weight: Any = None,
    frequency_weight: Any = None,
    groups: Any = None,
    missing: Missing = "error",
) -> tuple[TableDesign, ArraySource]:
    """A table and its target, as plain `fit(X, y)` is given them.

    X : pandas, polars (lazy too) or pyarrow table; every column is used.
    y : numbers, (n,) or (n, t): array, list, Series or table.
    sample_weight, frequency_weight : (n,) numbers, not negative; frequencies whole.
    groups : labels of clusters, one or two a row.
    missing : "error", "drop" or "mean" (which fills X only).

    Returns the design and the source, whose X may be the table's own memory: it is not to be written to.

    Raises DataError where lengths differ or values are infinite, MissingValueError, TypeError for a target or
    weight that is not numbers.

    >>> import polars as pl
    >>> design, source = read_inputs(pl.DataFrame({"x": [1, 2], "kind": ["a", "b"]}), [3.0, 4.0])
    >>> source.names, source.target_names
    (('x', 'kind[b]'), ('y',))
    """
    frame = open_frame(X, "X")
    n = len(frame)
    targets = read_numbers(y, "y", n)
    Y = np.column_stack(list(targets.values()))
    weights = _read_weights(sample_weight, frequency_weight, n)
    codes = None if groups is None else group_codes(groups, n)
    design, matrix, keep = learn_table(frame.to_native(), missing, targets | weights)
    return design, _source(
        design, matrix, Y if keep is None else Y[keep], weights, codes, keep, tuple(targets)
    )


def read_formula(
    formula: str,
    data: Any,
    sample_weight: Any = None,
    frequency_weight: Any = None,
    groups: Any = None,
    missing: Missing = "error",
    labels: bool = False,
) -> tuple[FormulaDesign, ArraySource]:
    """A formula and the table it speaks of.

    Weights and groups are given like those of :func:`read_inputs`, or as names of columns of `data` (groups:
    one name or a list of one or two), which `.` in the formula then leaves out.
    labels : allow a target of text, coded 0 … K−1; `design.classes` are its labels.

    Raises what :func:`read_inputs` raises, and FormulaError.

    >>> import pandas as pd
    >>> data = pd.DataFrame({"y": [1.0, 2.0], "x": [3.0, 4.0], "w": [1, 2]})
    >>> design, source = read_formula("y ~ .", data, sample_weight="w")
    >>> source.names
    ('x',)
    """
    frame = open_frame(data, "data")
    n = len(frame)
    named: list[str] = [name for name in (sample_weight, frequency_weight) if isinstance(name, str)]
    if isinstance(sample_weight, str):
        sample_weight = pick(frame, sample_weight).to_native()
    if isinstance(frequency_weight, str):
        frequency_weight = pick(frame, frequency_weight).to_native()
    if isinstance(groups, str) or _are_names(groups, n):
        columns = [groups] if isinstance(groups, str) else list(groups)
        named += columns
        for name in columns:
            pick(frame, name)
        groups = frame.select(columns).to_native()
    weights = _read_weights(sample_weight, frequency_weight, n)
    codes = None if groups is None else group_codes(groups, n)
    design, matrix, Y, keep = learn_formula(
        formula, frame.to_native(), missing, weights, without=tuple(named), labels=labels
    )
    return design, _source(design, matrix, Y, weights, codes, keep, design.target_names)


def _are_names(groups: Any, n: int) -> bool:
    """Whether a list is of one or two names of columns, not of n labels."""
    listed = isinstance(groups, (list, tuple)) and 0 < len(groups) <= 2 < n
    return listed and all(isinstance(name, str) for name in groups)


def read_numbers(values: Any, argument: str, n: int) -> dict[str, np.ndarray]:
    """Columns of float64 by name, (n,) each, NaN where missing.

    Raises DataError where there are not n rows, or more than two dimensions; TypeError for text.
    """
    native = nw.from_native(values, eager_only=True, allow_series=True, pass_through=True)
    if isinstance(native, nw.Series):
        name = native.name if isinstance(native.name, str) and native.name else argument
        columns = {name: _series_numbers(native.alias(name), argument)}
    elif isinstance(native, nw.DataFrame):
        frame = open_frame(values, argument)
        columns = {name: _series_numbers(frame[name], argument) for name in frame.columns}
    else:
        array = _array_numbers(values, argument)
        names = [argument] if array.ndim == 1 else [f"{argument}{k + 1}" for k in range(array.shape[1])]
        names = [argument] if len(names) == 1 else names
        columns = dict(zip(names, [array] if array.ndim == 1 else array.T, strict=True))
    if not columns:
        raise DataError(f"`{argument}` has no columns")
    length = len(next(iter(columns.values())))
    if length != n:
        raise DataError(
            f"`{argument}` has {length:,} rows and X has {n:,}; they must be the same rows in the same order"
        )
    return columns


def _series_numbers(series: nw.Series[Any], argument: str) -> np.ndarray:
    if kind_of(series) != "number":
        if series.null_count() == len(series):  # None alone may pass for text
            return np.full(len(series), np.nan)
        raise TypeError(_not_numbers(argument, f"a column of {series.dtype}"))
    return numbers_of(series)


def _array_numbers(values: Any, argument: str) -> np.ndarray:
    try:
        array = np.asarray(unmasked(values))
        if array.dtype.kind == "O":
            array = np.array([np.nan if v is None else v for v in array.ravel()]).reshape(array.shape)
    except (ValueError, TypeError) as error:
        raise DataError(f"`{argument}` cannot be read as an array of numbers: {error}") from None
    if array.ndim not in (1, 2):
        raise DataError(f"`{argument}` has shape {array.shape}; (n,) or (n, t) is expected")
    if array.dtype.kind not in "fiub":
        raise TypeError(_not_numbers(argument, f"an array of {array.dtype}"))
    return as_doubles(array)


def _not_numbers(argument: str, found: str) -> str:
    return f"`{argument}` is {found}; numbers are expected (code the labels of a classifier as 0 … K−1 first)"


def _read_weights(sample_weight: Any, frequency_weight: Any, n: int) -> dict[str, np.ndarray]:
    given = {"sample_weight": sample_weight, "frequency_weight": frequency_weight}
    weights: dict[str, np.ndarray] = {}
    for argument, values in given.items():
        if values is not None:
            values = np.full(n, float(values)) if isinstance(values, Real) else values
            columns = read_numbers(values, argument, n)
            if len(columns) > 1:
                raise DataError(f"`{argument}` has {len(columns)} columns; one weight a row is expected")
            weights[argument] = next(iter(columns.values()))
            check_weights(weights[argument], argument)
    return weights


def check_weights(weights: np.ndarray, argument: str) -> None:
    """A DataError where a weight is negative, or a frequency not whole (it may be missing)."""
    there = weights if all_finite(weights) else weights[np.isfinite(weights)]
    if there.size and there.min() < 0:
        raise DataError(
            f"`{argument}` has negative values (the smallest is {there.min():g}); weights are 0 or more"
        )
    if argument == "frequency_weight" and not np.array_equal(there, np.floor(there)):
        broken = there[there != np.floor(there)][0]
        raise DataError(
            f"`frequency_weight` says how many equal rows a row stands for, and {broken:g} is not a whole "
            "number; importance weights are `sample_weight`"
        )


def _source(
    design: TableDesign | FormulaDesign,
    X: np.ndarray,
    Y: np.ndarray,
    weights: Mapping[str, np.ndarray],
    codes: np.ndarray | None,
    keep: np.ndarray | None,
    target_names: tuple[str, ...],
) -> ArraySource:
    def rows(values: np.ndarray | None) -> np.ndarray | None:
        return values if values is None or keep is None else values[keep]

    return ArraySource(
        X,
        Y,
        rows(weights.get("sample_weight")),
        rows(weights.get("frequency_weight")),
        rows(codes),
        design.names,
        target_names,
    )

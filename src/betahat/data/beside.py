"""What users hand to `fit` and `predict` beside X: targets, weights, offsets, as columns of numbers."""

from __future__ import annotations

from numbers import Real
from typing import Any

import narwhals as nw
import numpy as np

from betahat.data.design import OFFSET_ADVICE
from betahat.data.frame import kind_of, numbers_of, open_frame
from betahat.data.missing import all_finite, as_doubles, refuse_missing, unmasked
from betahat.data.offset import Offset, check_exposure
from betahat.errors import DataError

_OFFSET = Offset("offset", "exposure")


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
    check_length(len(next(iter(columns.values()))), argument, n)
    return columns


def check_length(length: int, argument: str, n: int) -> None:
    """A DataError unless there are as many values as rows of X."""
    if length != n:
        raise DataError(
            f"`{argument}` has {length:,} rows and X has {n:,}; they must be the same rows in the same order"
        )


def read_beside(
    n: int, sample_weight: Any = None, frequency_weight: Any = None, offset: Any = None, exposure: Any = None
) -> dict[str, np.ndarray]:
    """Those that are given, by name: (n,) float64 each, NaN where missing; one number stands for n equal ones.

    Raises what :func:`read_numbers` raises, and DataError for weights below 0, frequencies that are not whole, or
    exposures that are not positive.
    """
    given = {
        "sample_weight": sample_weight, "frequency_weight": frequency_weight, "offset": offset, "exposure": exposure,
    }  # fmt: skip
    read: dict[str, np.ndarray] = {}
    for argument, values in given.items():
        if values is None:
            continue
        values = np.full(n, float(values)) if isinstance(values, Real) else values
        columns = read_numbers(values, argument, n)
        if len(columns) > 1:
            raise DataError(f"`{argument}` has {len(columns)} columns; one number a row is expected")
        read[argument] = next(iter(columns.values()))
        if argument.endswith("weight"):
            check_weights(read[argument], argument)
        elif argument == "exposure":
            check_exposure(read[argument])
    return read


def total_offset(beside: dict[str, np.ndarray]) -> np.ndarray | None:
    """offset + log(exposure) of what :func:`read_beside` gave, or None."""
    return Offset(*(name if name in beside else None for name in _OFFSET.names)).of(beside)


def read_offset(offset: Any, exposure: Any, n: int) -> np.ndarray | None:
    """offset + log(exposure) for n rows: (n,) float64, or None where neither is given.

    offset, exposure : array, list, Series or table of one column; one number stands for n equal ones.

    Raises MissingValueError or DataError for values that are missing or infinite and exposures that are not positive,
    and what :func:`read_numbers` raises.

    >>> read_offset(None, [1.0, 100.0], 2).round(3).tolist()
    [0.0, 4.605]
    """
    read = read_beside(n, offset=offset, exposure=exposure)
    refuse_missing(read, "error", OFFSET_ADVICE)
    return total_offset(read)


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
    if array.dtype.kind not in "fiub":
        raise TypeError(_not_numbers(argument, f"an array of {array.dtype}"))
    if array.ndim not in (1, 2):
        raise DataError(f"`{argument}` has shape {array.shape}; (n,) or (n, t) is expected")
    return as_doubles(array)


def _not_numbers(argument: str, found: str) -> str:
    advice = " (code the labels of a classifier as 0 … K−1 first)" if argument == "y" else ""
    return f"`{argument}` is {found}; numbers are expected{advice}"


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

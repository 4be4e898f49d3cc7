"""Columns of pandas, polars and pyarrow tables as float64 numbers or codes of levels."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from difflib import get_close_matches
from numbers import Integral, Real
from typing import Any, Literal

import narwhals as nw
import numpy as np

from betahat.data.design import Column
from betahat.data.levels import codes_of, find_levels
from betahat.data.missing import as_doubles
from betahat.errors import DataError

Kind = Literal["number", "category"]

_EXACT = 2.0**53
_PLAIN = (*(nw.Float64, nw.Float32, nw.Float16), nw.Int8, nw.Int16, nw.Int32, nw.UInt8, nw.UInt16, nw.UInt32)


def open_frame(table: Any, argument: str) -> nw.DataFrame[Any]:
    """The table behind one interface, its column names strings and unique; lazy frames are collected.

    Raises TypeError for what is no table, DataError for repeated column names.
    """
    if nw.dependencies.is_pandas_dataframe(table):
        if table.columns.nlevels > 1:
            raise DataError(f"`{argument}` has column names of several levels; flatten them to one name each")
        _refuse_repeated(list(map(str, table.columns)), argument)
        table = _without_sparse(table)
    elif nw.dependencies.is_pyarrow_table(table):
        _refuse_repeated(table.column_names, argument)
        table = _without_views(table)
    try:
        frame = nw.from_native(table)
    except TypeError:
        frame = None
    if isinstance(frame, nw.LazyFrame) and frame.implementation.is_polars():
        frame = frame.collect()
    if not isinstance(frame, nw.DataFrame):
        raise TypeError(
            f"`{argument}` is a {type(table).__module__}.{type(table).__name__}; a pandas, polars or pyarrow "
            "table is expected (for files and SQL there is betahat.data.query)"
        )
    if not all(isinstance(name, str) for name in frame.columns):
        frame = nw.from_native(table.set_axis([str(name) for name in frame.columns], axis=1), eager_only=True)
    return frame


def _without_sparse(table: Any) -> Any:
    """A pandas table with its sparse columns, such as get_dummies(sparse=True) makes, as plain ones."""
    subtypes = {name: getattr(dtype, "subtype", None) for name, dtype in table.dtypes.items()}
    sparse = {
        name: subtypes[name] for name, dtype in table.dtypes.items() if str(dtype).startswith("Sparse[")
    }
    return table.astype(sparse) if sparse else table


def _without_views(table: Any) -> Any:
    """An Arrow table with its string views, which few of Arrow's functions take, as plain strings."""
    views = [place for place, field in enumerate(table.schema) if str(field.type) == "string_view"]
    for place in views:
        table = table.set_column(place, table.column_names[place], table.column(place).cast("large_string"))
    return table


def _refuse_repeated(names: list[str], argument: str) -> None:
    repeated = (
        sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    )
    if repeated:
        raise DataError(f"`{argument}` has more than one column named {', '.join(map(repr, repeated))}")


def near(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: what it may have meant."""
    known = list(known)
    matches = get_close_matches(name, known, n=3, cutoff=0.6)
    folded = {k.casefold(): k for k in known}
    if not matches and name.casefold() in folded:
        matches = [folded[name.casefold()]]
    if matches:
        return f"did you mean {' or '.join(map(repr, matches))}?"
    shown = ", ".join(map(repr, known[:10])) + (", ..." if len(known) > 10 else "")
    return f"there are {shown}" if known else "there are no columns"


def pick(frame: nw.DataFrame[Any], name: str) -> nw.Series[Any]:
    """The column of that name, or a DataError that says which are near."""
    if name not in frame.columns:
        raise DataError(f"the table has no column {name!r}; {near(name, frame.columns)}")
    return frame[name]


def kind_of(series: nw.Series[Any]) -> Kind:
    """Whether a column is a number or a category, by its dtype; a TypeError where it is neither."""
    dtype = series.dtype
    native = getattr(series.to_native(), "dtype", None)
    if dtype.is_numeric() or dtype == nw.Boolean or native == np.longdouble:
        return "number"
    if dtype in (nw.String, nw.Categorical) or isinstance(dtype, nw.Enum):
        return "category"
    if dtype == nw.Unknown and series.null_count() == len(series):
        return "number"
    if dtype == nw.Object and series.implementation.is_pandas():
        if _all_of(series, (Real, Decimal)):
            return "number"
        if _all_of(series, str):
            return "category"
    advice = (
        "subtract a reference date and pass the days as a number"
        if dtype.is_temporal()
        else "extract the parts as columns of their own"
        if dtype.is_nested()
        else "convert it to numbers or to strings"
    )
    raise TypeError(
        f"column {series.name!r} has dtype {dtype if native is None else native}; numbers, booleans, "
        f"strings and categories can be used: {advice}, or leave the column out"
    )


def _all_of(series: nw.Series[Any], classes: Any) -> bool:
    return all(isinstance(value, classes) for value in series.drop_nulls().to_list())


def numbers_of(series: nw.Series[Any]) -> np.ndarray:
    """A number column as (n,) float64, NaN where missing.

    Raises DataError for integers of 2**53 and beyond: float64 cannot tell them apart.
    """
    native = series.to_native()
    if series.dtype == nw.Object:
        integers = [value for value in series.drop_nulls().to_list() if isinstance(value, Integral)]
        refuse_inexact(series.name, np.array(integers, dtype=np.float64))
    if series.dtype in _PLAIN or not series.dtype.is_integer():
        if isinstance(getattr(native, "dtype", None), np.dtype) and native.dtype.kind in "fiub":
            return as_doubles(native.to_numpy())
        return series.cast(nw.Float64).to_numpy().astype(np.float64, copy=False)
    numbers = series.cast(nw.Float64).to_numpy().astype(np.float64, copy=False)
    refuse_inexact(series.name, numbers)
    return numbers


def refuse_inexact(name: str, integers: np.ndarray) -> None:
    """A DataError where a whole number is too large for float64 to hold every neighbour of."""
    if integers.size and max(np.nanmax(integers, initial=0.0), -np.nanmin(integers, initial=0.0)) >= _EXACT:
        raise DataError(
            f"column {name!r} holds integers of 2**53 = {2**53} and beyond, which float64 rounds. Usual "
            "cause: an identifier among the numbers; leave it out, or cast it to float yourself if rounding "
            "is meant."
        )


def read_column(series: nw.Series[Any], column: Column) -> np.ndarray:
    """A column as `column` says: float64 numbers (NaN: missing) or int32 level codes (−1: missing)."""
    if column.levels is not None:
        return codes_of(series, column.levels, column.name)
    if series.null_count() == len(series):  # nothing to tell text from numbers by
        return np.full(len(series), np.nan)
    if kind_of(series) == "category":
        raise TypeError(
            f"column {column.name!r} was a number in training and is {series.dtype} now; convert it to "
            "numbers"
        )
    return numbers_of(series)


def read_columns(frame: nw.DataFrame[Any], columns: Iterable[Column]) -> dict[str, np.ndarray]:
    """The columns a design needs, by name; a DataError for one that is not there."""
    return {column.name: read_column(pick(frame, column.name), column) for column in columns}


def learn_columns(frame: nw.DataFrame[Any], names: Iterable[str]) -> list[Column]:
    """Which of these columns are numbers, and the levels of those that are categories."""
    series = [pick(frame, name) for name in names]
    return [Column(s.name, None if kind_of(s) == "number" else find_levels(s)) for s in series]

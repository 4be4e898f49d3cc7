"""Class labels as codes 0 … K−1, in the order of numpy.unique, whatever they come in."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import narwhals as nw
import numpy as np

from betahat.data.beside import check_length
from betahat.data.frame import kind_of, numbers_of, open_frame
from betahat.data.levels import codes_of, refuse_unseen
from betahat.data.missing import all_finite, unmasked
from betahat.errors import DataError

_MANY, _COUNTABLE = 1000, 1_000_000


def read_labels(y: Any, n: int, argument: str = "y") -> tuple[str, np.ndarray, np.ndarray]:
    """The name of the column, codes (n,) float64 (NaN: missing), and the classes (K,) behind the codes.

    y : text, booleans or whole numbers: array, list, Series or table of one column.

    Raises DataError where there are not n labels, several columns, or numbers that are no labels (the message begins
    with "Unknown label type", which scikit-learn's checks look for); TypeError for labels of other or mixed kinds.

    >>> read_labels(["spam", None, "ham", "spam"], 4)
    ('y', array([ 1., nan,  0.,  1.]), array(['ham', 'spam'], dtype=object))
    """
    native = nw.from_native(y, eager_only=True, allow_series=True, pass_through=True)
    if isinstance(native, nw.DataFrame):
        frame = open_frame(y, argument)
        if len(frame.columns) != 1:
            raise DataError(
                f"`{argument}` has {len(frame.columns)} columns; one column of labels is expected"
            )
        native = frame[frame.columns[0]]
    if isinstance(native, nw.Series):
        name = native.name if isinstance(native.name, str) and native.name else argument
        codes, classes = series_labels(native.alias(name), name)
    else:
        name, (codes, classes) = argument, _array_labels(y, argument)
    check_length(len(codes), argument, n)
    refuse_many(name, len(classes), n)
    return name, codes, classes


def series_labels(series: nw.Series[Any], name: str) -> tuple[np.ndarray, np.ndarray]:
    """Codes and classes of a column of a table."""
    native: Any = series.to_native()
    if series.null_count() == len(series):  # nothing to tell text from numbers by
        return np.full(len(series), np.nan), np.empty(0, object)
    if nw.dependencies.is_pyarrow_chunked_array(native) and hasattr(native.type, "value_type"):
        series = nw.from_native(
            native.cast(native.type.value_type), series_only=True
        )  # a dictionary's values
    if isinstance(getattr(native, "dtype", None), np.dtype):
        return _array_labels(native.to_numpy(), name)
    categories = getattr(getattr(native, "cat", None), "categories", None)
    if categories is not None:  # of pandas, and perhaps numbers
        coded, classes = _array_labels(np.asarray(categories), name)
        codes = np.append(coded, np.nan)[native.cat.codes.to_numpy()]
        return occurring(codes, classes)
    if kind_of(series) == "category":
        levels = tuple(sorted({str(value) for value in series.drop_nulls().unique().to_list()}))
        codes = codes_of(series, levels, name).astype(np.float64)
        codes[codes < 0] = np.nan
        return codes, class_array(levels)
    codes, classes = _number_labels(numbers_of(series), name)
    if series.dtype == nw.Boolean or series.dtype.is_integer():
        classes = classes.astype(bool if series.dtype == nw.Boolean else np.int64)
    return codes, classes


def _array_labels(y: Any, name: str) -> tuple[np.ndarray, np.ndarray]:
    try:
        array = np.asarray(unmasked(y))
        if array.dtype.kind == "U" and not isinstance(y, np.ndarray):
            array = np.asarray(y, dtype=object)  # numpy would turn ["a", 1] into text
    except ValueError as error:
        raise DataError(f"`{name}` cannot be read as one label a row: {error}") from None
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise DataError(f"`{name}` has shape {array.shape}; one label a row, (n,), is expected")
    if array.dtype.kind in "biuf":
        return _number_labels(array, name)
    if array.dtype.kind == "U":
        classes, codes = np.unique(array, return_inverse=True)
        return codes.astype(np.float64), classes
    if array.dtype.kind != "O":
        raise TypeError(_not_labels(name, array))
    values = array.tolist()
    try:
        known = [label for label in dict.fromkeys(values) if not _is_missing(label)]
    except TypeError:
        raise TypeError(_not_labels(name, values)) from None
    kinds = {_kind(label) for label in known}
    if len(kinds) > 1 or None in kinds:
        raise TypeError(_not_labels(name, known))
    if kinds == {"number"}:
        return _number_labels(np.array([np.nan if _is_missing(v) else v for v in values]), name, known)
    known.sort()
    place = {label: float(code) for code, label in enumerate(known)}
    codes = np.array([place.get(label, np.nan) for label in values])
    return codes, np.array(known, bool if kinds == {"boolean"} else object)


def _kind(label: Any) -> str | None:
    if isinstance(label, str):
        return "text"
    if isinstance(label, (bool, np.bool_)):
        return "boolean"
    return "number" if isinstance(label, Real) else None


def _is_missing(label: Any) -> bool:
    if label is None or type(label).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(label, (float, np.floating)) and bool(label != label)


def _not_labels(name: str, values: Any) -> str:
    kinds = sorted({type(value).__name__ for value in values})
    return (
        f"`{name}` holds labels of the kinds {', '.join(kinds)}; text, booleans or whole numbers are expected, and one "
        "kind of them"
    )


def _number_labels(
    values: np.ndarray, name: str, found: list[Any] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Codes and classes of numbers, without sorting them where they lie close together."""
    kind = bool if values.dtype == bool else values.dtype
    if found is not None and all(isinstance(label, Integral) for label in found):
        kind = np.int64
    numbers = values.astype(np.uint8) if values.dtype == bool else values
    gaps = None
    if numbers.dtype.kind == "f" and not all_finite(numbers):
        gaps = np.isnan(numbers)
        numbers = numbers[~gaps]
        if np.isinf(numbers).any():
            raise DataError(f"infinite values in `{name}`, which are no labels")
    if not numbers.size:
        return np.full(len(values), np.nan), np.empty(0, kind)
    if numbers.dtype.kind == "f" and not np.array_equal(numbers, np.floor(numbers)):
        broken = numbers[numbers != np.floor(numbers)][0]
        raise DataError(
            f"Unknown label type: continuous. `{name}` holds {broken:g}, and labels are whole numbers, text or "
            "booleans; numbers to predict are a regression's"
        )
    low, high = numbers.min(), numbers.max()
    if float(high) - float(low) < _COUNTABLE and abs(float(low)) < 2.0**53:
        above = numbers.astype(np.int64, copy=False)
        above = above - int(low) if low else above
        narrow = int(high) - int(low) <= 1  # the least and the largest occur
        occurs = np.ones(int(high) - int(low) + 1, bool) if narrow else np.bincount(above) > 0
        classes = (np.flatnonzero(occurs) + int(low)).astype(kind)
        codes = above if occurs.all() else (np.cumsum(occurs) - 1)[above]
    else:
        classes, codes = np.unique(numbers, return_inverse=True)
    codes = codes.astype(np.float64)
    if gaps is None:
        return codes, classes.astype(kind)
    spaced = np.full(len(values), np.nan)
    spaced[~gaps] = codes
    return spaced, classes.astype(kind)


def refuse_many(name: str, classes: int, rows: int) -> None:
    """A DataError where nearly every row has a class of its own."""
    if classes > _MANY and classes > rows / 2:
        raise DataError(
            f"the target {name!r} has {classes:,} classes in {rows:,} rows, so it looks like a number to predict or an "
            "identifier, not a class"
        )


def class_array(classes: Sequence[Any]) -> np.ndarray:
    """Classes as an array: text as objects, numbers and booleans in an array of their kind."""
    return np.array(classes, dtype=object if not classes or isinstance(classes[0], str) else None)


def occurring(codes: np.ndarray, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Only the classes that occur, and the codes for them."""
    there = codes if all_finite(codes) else codes[~np.isnan(codes)]
    occurs = np.bincount(there.astype(np.int64), minlength=len(classes)) > 0
    if occurs.all():
        return codes, classes
    place = np.append(np.cumsum(occurs) - 1.0, np.nan)
    at = np.where(np.isnan(codes), len(classes), codes).astype(np.int64)
    return place[at], classes[occurs]


def encode(values: np.ndarray, classes: np.ndarray, name: str) -> np.ndarray:
    """The code of each number (n,), float64; an UnseenLevelError for one that is none of the classes."""
    known = classes.astype(np.float64)
    codes = np.minimum(np.searchsorted(known, values), len(known) - 1)
    unseen = known[codes] != values
    if unseen.any():
        shown = {f"{value:g}" for value in np.unique(values[unseen])}
        refuse_unseen(name, shown, tuple(map(str, classes.tolist())), int(np.count_nonzero(unseen)))
    return codes.astype(np.float64)


def recode(codes: np.ndarray, found: np.ndarray, classes: np.ndarray, name: str) -> np.ndarray:
    """Codes for `found` as codes for `classes`; an UnseenLevelError for labels that are not among these."""
    place = {label: float(code) for code, label in enumerate(classes.tolist())}
    labels = found.tolist()
    if unseen := [str(label) for label in labels if label not in place]:
        refuse_unseen(name, unseen, tuple(map(str, place)))
    at = np.where(np.isnan(codes), len(labels), codes).astype(np.int64)
    return np.array([*(place[label] for label in labels), np.nan])[at]

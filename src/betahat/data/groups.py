"""Labels of clusters as whole numbers."""

from __future__ import annotations

from typing import Any

import narwhals as nw
import numpy as np

from betahat.data.missing import unmasked
from betahat.errors import DataError, MissingValueError


def group_codes(groups: Any, n: int) -> np.ndarray:
    """(n, g) int64: the number of each row's group, from 0 in each of g = 1 or 2 columns.

    groups : labels of any hashable kind: an array, list, Series or table of one or two columns, or a pair of
        columns as an (n, 2) array.

    Raises DataError where the length is not n or there are more than two columns, MissingValueError for a
    missing label, TypeError for labels that cannot be hashed.

    >>> group_codes(["b", "a", "b"], 3)[:, 0].tolist()
    [0, 1, 0]
    """
    labels = _label_columns(groups)
    if not 1 <= len(labels) <= 2:
        raise DataError(f"`groups` has {len(labels)} columns; clusters are given by one or two")
    if len(labels[0]) != n:
        raise DataError(f"`groups` has {len(labels[0]):,} labels and X has {n:,} rows; they must be the same")
    return np.column_stack([_codes(column, place) for place, column in enumerate(labels)])


def _label_columns(groups: Any) -> list[np.ndarray]:
    native = nw.from_native(groups, eager_only=True, allow_series=True, pass_through=True)
    if isinstance(native, nw.Series):
        native = native.rename("groups").to_frame()
    if isinstance(native, nw.DataFrame):
        return [_series_labels(native[name]) for name in native.columns]
    array = unmasked(groups) if isinstance(groups, np.ndarray) else _array(groups)
    if array.ndim not in (1, 2):
        raise DataError(
            f"`groups` has shape {array.shape}; one label a row, (n,), or two, (n, 2), are expected"
        )
    return [array] if array.ndim == 1 else list(array.T)


def _array(groups: Any) -> np.ndarray:
    """A list as an array that keeps each label what it is: numpy would turn [1, "a"] into strings."""
    try:
        array = np.asarray(groups)
        return array if array.dtype.kind in "biu" else np.asarray(groups, dtype=object)
    except ValueError as error:
        raise DataError(f"`groups` cannot be read as one or two labels a row: {error}") from None


def _series_labels(series: nw.Series[Any]) -> np.ndarray:
    if missing := int(series.is_null().sum()):
        _refuse(missing, len(series))
    if series.dtype in (nw.Int128, nw.UInt128):  # numpy has no such integers
        return np.array(series.to_list(), dtype=object)
    return series.to_numpy()


def _codes(labels: np.ndarray, place: int) -> np.ndarray:
    if labels.ndim != 1:
        raise TypeError(_not_labels(place))
    if labels.dtype.kind in "biuf":
        if labels.dtype.kind == "f" and (missing := int(np.count_nonzero(np.isnan(labels)))):
            _refuse(missing, len(labels))
        return np.unique(labels, return_inverse=True)[1].reshape(-1).astype(np.int64)
    known: dict[Any, int] = {}
    values = labels.tolist()
    if missing := sum(map(_is_missing, values)):
        _refuse(missing, len(values))
    try:
        return np.fromiter((known.setdefault(v, len(known)) for v in values), np.int64, len(values))
    except TypeError:
        raise TypeError(_not_labels(place)) from None


def _not_labels(place: int) -> str:
    return (
        f"`groups` (column {place + 1}) holds labels that cannot be compared with each other, such as lists; "
        "use strings, numbers or dates"
    )


def _is_missing(label: Any) -> bool:
    if label is None or type(label).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(label, float) and label != label


def _refuse(missing: int, rows: int) -> None:
    raise MissingValueError(
        f"`groups` is missing in {missing:,} of {rows:,} rows; a row without a label belongs to no cluster. "
        "Remove those rows, or give each a label of its own."
    )

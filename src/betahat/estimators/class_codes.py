"""Labels of classes as codes 0 … K − 1."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from betahat.data.missing import unmasked
from betahat.errors import DataError

_RANGE = 1 << 16  # of whole numbers that are counted instead of sorted


def class_codes(y: Any) -> tuple[np.ndarray, np.ndarray]:
    """The labels (K,), sorted, and the code of each row (n,) float64.

    y : (n,) text, booleans or whole numbers: an array, list, Series or table of one column.

    Raises DataError where a label is missing, ValueError or TypeError for targets that are no labels.

    >>> classes, codes = class_codes(["no", "yes", "no"])
    >>> classes.tolist(), codes.tolist()
    (['no', 'yes'], [0.0, 1.0, 0.0])
    """
    y = unmasked(y)
    if isinstance(y, np.ndarray) and y.ndim == 1 and len(y) and y.dtype.kind in "biu":
        counted = _counted(y)
        if counted is not None:
            return counted
    check_classification_targets(y)
    labels = column_or_1d(_values(y), warn=True)
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise DataError("Input y contains NaN or infinity; every row needs a class")
    if labels.dtype.kind == "O" and any(each is None or each != each for each in labels):
        raise DataError("Input y contains missing values (None or NaN); every row needs a class")
    classes, codes = np.unique(labels, return_inverse=True)
    return classes, codes.astype(np.float64)


def _counted(y: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """The same of whole numbers in a small range, without sorting."""
    low, high = int(y.min()), int(y.max())
    if high - low >= _RANGE:
        return None
    shifted = y.astype(np.intp) - low
    there = np.flatnonzero(np.bincount(shifted))
    code = np.zeros(high - low + 1)
    code[there] = np.arange(len(there))
    return (there + low).astype(y.dtype), code[shifted]


def _values(y: Any) -> Any:
    """Labels as an array: series and tables by their values."""
    import narwhals.stable.v2 as nw

    native = nw.from_native(y, pass_through=True, allow_series=True)
    return native.to_numpy() if isinstance(native, (nw.Series, nw.DataFrame)) else y

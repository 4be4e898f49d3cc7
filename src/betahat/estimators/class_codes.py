"""Labels of classes as codes 0 … K − 1."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import column_or_1d

from betahat.data.labels import read_labels
from betahat.data.missing import unmasked
from betahat.errors import DataError, MissingValueError
from betahat.estimators.inputs import is_frame


def class_codes(y: Any) -> tuple[np.ndarray, np.ndarray]:
    """The labels (K,), sorted, and the code of each row (n,) float64.

    y : (n,) text, booleans or whole numbers: an array, list, Series or table of one column.

    Raises MissingValueError where a label is missing, DataError or TypeError for targets that are no labels.

    >>> classes, codes = class_codes(["no", "yes", "no"])
    >>> classes.tolist(), codes.tolist()
    (['no', 'yes'], [0.0, 1.0, 0.0])
    """
    y = unmasked(y)
    if isinstance(y, (list, tuple)):
        y = np.asarray(y) if all(isinstance(each, str) for each in y) else y
    elif is_frame(y):
        column_or_1d(y, warn=True)  # as scikit-learn does; what it returns may have lost the type
    elif not hasattr(y, "dtype") and hasattr(y, "__array__"):
        y = np.asarray(y)
    if isinstance(y, np.ndarray) and y.dtype.kind == "c":
        raise DataError("Complex data not supported: y holds complex numbers, and labels are expected")
    if isinstance(y, np.ndarray) and y.ndim == 2 and y.shape[1] == 1:
        y = column_or_1d(y, warn=True)
    if isinstance(y, str) or not hasattr(y, "__len__") or getattr(y, "ndim", 1) == 0:
        raise DataError(f"y (={y!r}) must hold one label for each row of X, (n,)")
    _, codes, classes = read_labels(y, len(y))
    missing = int(np.isnan(codes).sum())
    if missing:
        raise MissingValueError(
            f"Input y contains NaN or None in {missing} of {len(codes)} rows; every row needs a class: leave them "
            "out of X and y"
        )
    return classes, codes

"""Parameters of estimators, checked: every error names the parameter, its value and what was expected."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np

from betahat.errors import DataError
from betahat.solvers.checks import is_finite

MISSING = ("error", "drop", "mean")


def check_choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    """ValueError unless `value` is one of the choices."""
    if value not in choices:
        raise ValueError(f"{name} (={value!r}) must be one of {', '.join(map(repr, choices))}")


def check_number(name: str, value: Any, lowest: float, why: str) -> float:
    """A finite number ≥ lowest."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
        raise TypeError(f"{name} (={value!r}) must be a number")
    if not is_finite(value) or (number := float(value)) < lowest:
        raise ValueError(f"{name} (={value!r}) must be finite and at least {lowest:g}: {why}")
    return number


def check_ratio(l1_ratio: Any) -> None:
    """Raise unless it is a number from 0 to 1."""
    if check_number("l1_ratio", l1_ratio, 0.0, "the share of the L1 norm in the penalty") > 1:
        raise ValueError(
            f"l1_ratio (={l1_ratio!r}) must be at most 1: the share of the L1 norm in the penalty"
        )


def folds_of(
    cv: Any, y: np.ndarray, weight: np.ndarray | None, classifier: bool = False
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows to fit to and rows to leave out, of every fold of what scikit-learn takes for `cv`; of a
    classifier each with the classes in proportion, where `cv` is a number.

    Raises ValueError for folds without rows or with rows that are not there, DataError where none of them counts.
    """
    from sklearn.model_selection import check_cv

    splitter: Any = check_cv(cv, y, classifier=classifier)
    folds = [
        (_rows_of(train, len(y), f"fitted to in fold {k}"), _rows_of(test, len(y), f"left out in fold {k}"))
        for k, (train, test) in enumerate(splitter.split(np.empty((len(y), 0)), y))
    ]
    if not folds:
        raise ValueError(f"cv (={cv!r}) has no folds")
    for k, fold in enumerate(folds):
        if weight is not None and not all(weight[rows].any() for rows in fold):
            raise DataError(
                f"every row that fold {k} of cv is fitted to, or leaves out, has weight zero; leave such rows "
                "out, or shuffle the rows"
            )
    return folds


def _rows_of(rows: Any, n: int, what: str) -> np.ndarray:
    """The numbers of some of n rows, at least one."""
    found = np.asarray(rows)
    if found.dtype == bool and found.shape == (n,):
        found = np.flatnonzero(found)
    if found.ndim != 1 or not len(found):
        raise ValueError(
            f"cv must give the numbers of rows {what}, at least one; they have shape {found.shape}"
        )
    if found.dtype.kind not in "iu" or found.min() < -n or found.max() >= n:
        raise ValueError(
            f"cv gives as rows {what} {found.tolist()[:5]}…; whole numbers below {n}, the number of rows, are expected"
        )
    return found

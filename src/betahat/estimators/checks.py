"""Parameters of estimators, checked: every error names the parameter, its value and what was expected."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np

MISSING = ("error", "drop", "mean")


def check_choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    """ValueError unless `value` is one of the choices."""
    if value not in choices:
        raise ValueError(f"{name} (={value!r}) must be one of {', '.join(map(repr, choices))}")


def check_number(name: str, value: Any, lowest: float, why: str) -> float:
    """A finite number ≥ lowest."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
        raise TypeError(f"{name} (={value!r}) must be a number")
    number = float(value)
    if not np.isfinite(number) or number < lowest:
        raise ValueError(f"{name} (={value!r}) must be finite and at least {lowest:g}: {why}")
    return number


def check_ratio(l1_ratio: Any) -> None:
    """Raise unless it is a number from 0 to 1."""
    if check_number("l1_ratio", l1_ratio, 0.0, "the share of the L1 norm in the penalty") > 1:
        raise ValueError(
            f"l1_ratio (={l1_ratio!r}) must be at most 1: the share of the L1 norm in the penalty"
        )


def folds_of(cv: Any, y: np.ndarray, classifier: bool = False) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows to fit to and rows to leave out, of every fold of what scikit-learn takes for `cv`; of a
    classifier each with the classes in proportion, where `cv` is a number."""
    from sklearn.model_selection import check_cv

    splitter: Any = check_cv(cv, y, classifier=classifier)
    return list(splitter.split(np.empty((len(y), 0)), y))

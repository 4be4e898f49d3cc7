"""Labels of several fits that are drawn together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

Fit = TypeVar("Fit")


def by_class(estimators: Sequence[Fit]) -> dict[str, Fit]:
    """Each by the name of its class.

    Raises ValueError where two have one name.
    """
    names = [type(estimator).__name__ for estimator in estimators]
    if len(set(names)) < len(names):
        raise ValueError(
            f"estimators holds several of one class ({', '.join(names)}); give a dict, so that each has a label"
        )
    return dict(zip(names, estimators, strict=True))

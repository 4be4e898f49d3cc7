"""What `betahat predict` writes beside the rows of a file: columns by name.

Every estimator has `_written(block, name, level)`, which gives them for a block whose X is numbers already: predictions
called `name` and, with a level, the ends of their intervals, called `name_low` and `name_high`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from betahat.data.source import Block
from betahat.errors import DataError


def target_columns(model: Any, block: Block, name: str, level: float | None) -> dict[str, np.ndarray]:
    """Predictions of a model without a link, and prediction intervals; several targets are told apart by their names.

    Raises DataError where the rows have an offset.
    """
    if block.offset is not None:
        raise DataError(
            "these rows were given an offset or exposure, and this model has no link; add it to the predictions"
        )
    rows, targets = model._solver_rows(block.X), model._result.statistics.target_names
    values = model._predict_rows(rows)
    bounds = None if level is None else model._bound_rows(rows, level, observation=True)
    made: dict[str, np.ndarray] = {}
    for k, each in enumerate([name] if len(targets) == 1 else [f"{name}_{target}" for target in targets]):
        made[each] = values[:, k]
        if bounds is not None:
            made |= interval_columns(each, bounds[:, k])
    return made


def interval_columns(name: str, bounds: np.ndarray) -> dict[str, np.ndarray]:
    """The ends (n, 2) of intervals around the column `name`."""
    return {f"{name}_low": bounds[:, 0], f"{name}_high": bounds[:, 1]}


def class_names(name: str, classes: Sequence[Any]) -> list[str]:
    """What the columns of the classes' probabilities are called: after the classes, or by number where databases would
    take two of these names for one.

    >>> class_names("p", ["no", "yes"]), class_names("p", ["a", "A"])
    (['p_no', 'p_yes'], ['p_1', 'p_2'])
    """
    names = [f"{name}_{label}" for label in classes]
    all_of = {each.casefold() for known in names for each in (known, f"{known}_low", f"{known}_high")}
    if len(all_of) == 3 * len(names):
        return names
    return [f"{name}_{k + 1}" for k in range(len(names))]

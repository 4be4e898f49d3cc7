"""The policy for missing values carried out on training columns, whatever table they came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from betahat.data.design import Column
from betahat.data.levels import prune_levels
from betahat.data.missing import (
    TRAINING_ADVICE,
    Missing,
    fill_means,
    means_of,
    refuse_infinite,
    refuse_missing,
    rows_to_keep,
)


def settle(
    columns: list[Column], values: dict[str, np.ndarray], missing: Missing, beside: Mapping[str, np.ndarray]
) -> tuple[list[Column], dict[str, np.ndarray], np.ndarray | None]:
    """Complete columns, with their means or remaining levels, and which rows were kept (None: all).

    beside : columns outside X that must be complete as well: they can make a row drop, but are never filled.
    """
    if missing == "mean":
        means = means_of(values)
        values = fill_means(values, means)
        columns = [replace(column, mean=means.get(column.name)) for column in columns]
    if missing != "drop":
        refuse_missing(
            together(values, beside), missing, TRAINING_ADVICE if missing == "error" else _MEAN_ADVICE
        )
        return columns, values, None
    keep = rows_to_keep(together(values, beside))
    if keep is not None:
        values = {name: column[keep] for name, column in values.items()}
        for place, column in enumerate(columns):
            if column.levels is not None:
                levels, values[column.name] = prune_levels(column.levels, values[column.name])
                columns[place] = replace(column, levels=levels)
    refuse_infinite(together(values, beside))
    return columns, values, keep


def kept_rows(keep: np.ndarray | None, rows: int) -> int:
    """How many rows are left."""
    return rows if keep is None else int(np.count_nonzero(keep))


def together(values: Mapping[str, np.ndarray], beside: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Both by name; a column of X and another beside it may have the same."""
    return {
        **values,
        **{f"{k} (beside X)" if k in values and values[k] is not v else k: v for k, v in beside.items()},
    }


_MEAN_ADVICE = (
    "`missing` is 'mean', which fills numbers of X only: a category has no mean, and neither a target nor a "
    "weight or offset is invented. 'drop' leaves those rows out."
)

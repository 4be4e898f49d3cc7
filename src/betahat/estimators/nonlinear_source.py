"""A nonlinear regression's rows from a source: read once into memory, since every step needs all of them again."""

from __future__ import annotations

from typing import Any

import numpy as np

from betahat.data.source import ArraySource, Source, joined
from betahat.errors import DataError
from betahat.estimators.nonlinear_rows import Rows


def gathered(source: Source) -> ArraySource:
    """All rows of a source, read once and held in memory under the source's names.

    Raises TypeError for columns of text, which a curve cannot take, ValueError for a source made by a formula,
    DataError where there are several targets, and what reading raises.
    """
    check_source(source)
    if isinstance(source, ArraySource):
        return source
    blocks = list(source.blocks())
    whole = joined(blocks) if blocks else None
    if whole is None or whole.y is None or not whole.X.shape[0]:
        raise DataError("no complete row is left to fit to")
    return ArraySource(
        np.asarray(whole.X), whole.y, whole.weight, whole.frequency, whole.groups, source.names, source.target_names,
        offset=whole.offset,
    )  # fmt: skip


def source_rows(estimator: Any, source: Source, again: bool) -> Rows:
    """The rows of a source; the estimator takes down its columns, or compares if it is seen `again`."""
    held = gathered(source)
    block = next(held.blocks())
    if block.y is None:
        raise ValueError(
            "the source holds no target: name one when making it, betahat.data.query(path, target=…)"
        )
    names = np.asarray(held.names, dtype=object)
    if again:
        known = getattr(estimator, "feature_names_in_", None)
        if known is None or list(known) != list(names):
            raise ValueError(f"the source has the columns {', '.join(names)}, which are not those of the fit")
    else:
        estimator._one_dimensional = False
        estimator.n_features_in_, estimator.feature_names_in_ = len(names), names
    X = np.asarray(block.X, np.float64)
    if not (np.isfinite(X).all() and np.isfinite(block.y).all()):
        raise DataError("the source holds values that are not finite; leave such rows out")
    return Rows(
        X,
        block.y[:, 0],
        block.weight,
        block.frequency,
        block.groups,
        tuple(map(str, names)),
        held.target_names[0],
    )


def check_source(source: Source) -> None:
    """What :func:`gathered` raises for columns, formulas and targets, before anything is read."""
    if len(source.target_names) != 1:
        raise DataError(
            f"the source has {len(source.target_names)} targets ({', '.join(source.target_names)}); a nonlinear model "
            "has one"
        )
    if source.has_offset:
        raise ValueError(
            "the source has offsets, and a nonlinear model has no linear predictor to add them to; make them a column "
            "of X and add it in the model"
        )
    design = getattr(source, "design", None)
    if design is None:
        return
    if design.kind == "formula":
        raise ValueError(
            "a formula makes columns for a linear model; name the target and the columns instead, and write what is "
            "done with them in the model: betahat.data.query(path, target=…, columns=[…])"
        )
    for column in design.columns:
        if column.levels is not None:
            raise TypeError(
                f"column {column.name!r} holds text or categories ({len(column.levels)} levels), and the model is a "
                "function of numbers; leave the column out, or code it in SQL"
            )

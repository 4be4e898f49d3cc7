"""What a network answers to the rows of a source, block by block."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

import numpy as np

from betahat.data.source import Source, by_rows
from betahat.errors import DataError, MissingValueError
from betahat.estimators.inputs import refuse_beside_source
from betahat.estimators.network.entry import Entry, Reading, dense, is_finite
from betahat.estimators.network.survey import coded

if TYPE_CHECKING:
    from betahat.estimators.network.base import NetworkEstimator


def outputs_for(model: NetworkEstimator, source: Source, probabilities: bool = False) -> np.ndarray:
    """f of each row (n, outputs) float64, or the probabilities of classes, in the order of the source, whose target is
    not looked at.

    Raises MissingValueError where a row misses a number, since every row needs an answer.
    """
    source = _whole(coded(model, source, reset=False))
    found: list[np.ndarray] = []
    for block in source.blocks():
        X = dense(by_rows(block).X)
        if not X.shape[0]:
            continue
        if not is_finite(X):
            raise MissingValueError(
                "X contains NaN or infinity in a row of the source; a prediction needs complete rows"
            )
        found.append(model._of_rows(model._laid(X), probabilities))
    return _joined(found)


def judged(
    model: NetworkEstimator, source: Source, **beside: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """f of each row that counts, its target as the loss takes it, and the weights, or None."""
    refuse_beside_source(source, **beside)
    source = coded(model, source, reset=False)
    entry = Entry(source, model._target_of(source, False, None))
    found: list[np.ndarray] = []
    truth: list[np.ndarray] = []
    weights: list[np.ndarray] = []
    for _, block in entry.read(Reading()):
        assert block.y is not None
        found.append(model._of_rows(model._laid(dense(block.X))))
        truth.append(block.y)
        if block.weight is not None:
            weights.append(block.weight)
    return _joined(found), np.concatenate(truth), np.concatenate(weights) if weights else None


def _joined(found: list[np.ndarray]) -> np.ndarray:
    if not found:
        raise DataError("the source has no rows that count, so there is nothing to answer")
    return np.concatenate(found)


def _whole(source: Source) -> Source:
    """The same with no row left out."""
    from betahat.data.query_source import QuerySource

    if not isinstance(source, QuerySource) or source.design.missing != "drop":
        return source
    design = copy(source.design)
    design.missing = "error"
    return source.with_design(design)

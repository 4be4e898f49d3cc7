"""Rows that a training is judged by, given beside those that it is trained with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from betahat.data.image_folder import ImageFolder
from betahat.data.source import Source
from betahat.estimators.network.given import Given
from betahat.estimators.network.parameters import is_full_batch

if TYPE_CHECKING:
    from betahat.estimators.network.base import NetworkEstimator


def read_validation(model: NetworkEstimator, validation: Any) -> Given | None:
    """The rows of `fit(validation=...)`, read as those of the training were.

    Raises ValueError or TypeError for what is no such rows, or is more than the buffer holds, and what `fit` raises.
    """
    if validation is None:
        return None
    if not model.early_stopping or is_full_batch(model):
        raise ValueError(
            "validation rows are what early_stopping=True goes by, which "
            f"{'solver=' + repr(model.solver) + ' does without' if model.early_stopping else 'is off'}; leave "
            "validation out, or let the training be judged"
        )
    if isinstance(validation, ImageFolder):
        given = model._read(validation, None, None, reset=False)
    elif isinstance(validation, Source):
        given = model._read(validation, None, None, reset=False)
        if not isinstance(given, Given):
            raise ValueError(
                f"validation is a source of {given.length:,} rows, which are held in memory, and the buffer holds "
                f"{given.room:,}; take fewer (in SQL: USING SAMPLE … REPEATABLE), or a larger shuffle_buffer"
            )
    elif isinstance(validation, (tuple, list)) and len(validation) in (2, 3):
        X, y, weight = (*validation, None)[:3]
        given = model._read(X, y, weight, reset=False)
    else:
        raise TypeError(
            f"validation is a {type(validation).__name__}; (X, y), (X, y, sample_weight) or a source is expected"
        )
    assert isinstance(given, Given)
    if given.length < 2:
        raise ValueError(
            f"The validation set is too small: {given.length} row counts; two at least are needed"
        )
    return given

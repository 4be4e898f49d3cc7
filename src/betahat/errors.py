"""What can go wrong, by name. Every error is a ValueError or TypeError; every warning a UserWarning."""

from __future__ import annotations

import sys
from types import FrameType


class DataError(ValueError):
    """The data cannot be fitted as given: missing or infinite values, wrong shapes, nothing left."""


class MissingValueError(DataError):
    """A value is missing (NaN, null) where the policy does not allow it."""


class UnseenLevelError(DataError):
    """Prediction met a category that was absent when the model was fitted."""


class FormulaError(ValueError):
    """A formula cannot be read, or names what the data does not have."""


class CollinearityError(ValueError):
    """Columns are linear combinations of one another and the caller asked to be stopped."""


class SeparationError(ValueError):
    """Columns separate the classes, so that the likelihood has no maximum, and the caller asked to be stopped."""


class InferenceError(ValueError, AttributeError):
    """A standard error, interval or test was asked for where none is defined; the message says why.

    An AttributeError too, as scikit-learn's NotFittedError is, so that `dir` and `hasattr` leave `inference_` out.
    """


class StorageError(ValueError):
    """A model file is damaged, truncated, from another version, or not a model file at all."""


class DerivativeError(TypeError):
    """A derivative cannot be taken of this: whole numbers, writes in place, functions without a rule."""


class CollinearityWarning(UserWarning):
    """Columns are constant or linear combinations of others; the message names them and what was done."""


class CertificateWarning(UserWarning):
    """A fit was expected to be certified as a minimum and was not; the message says what is missing."""


class SeparationWarning(UserWarning):
    """Columns separate the classes, so that the likelihood has no maximum; the message says which and what helps."""


class MissingRowsWarning(UserWarning):
    """Rows were left out because values are missing, or have no prediction; the message says how many."""


class CheckpointWarning(UserWarning):
    """A checkpoint is damaged and the one before it is used; the message names it."""


def users_line() -> int:
    """The `stacklevel` at which a warning of the caller's points at the line outside the package that led to it."""
    frame: FrameType | None = sys._getframe(1)
    level = 1
    while frame is not None and frame.f_globals.get("__name__", "").split(".")[0] == "betahat":
        frame, level = frame.f_back, level + 1
    return level

"""Statistics of a fit to plain values and back, with every field and shape checked on the way in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from betahat.errors import StorageError

Shape = tuple[int, ...]


def to_plain(statistics: Any) -> dict[str, Any]:
    """The fields of a dataclass as plain numbers, strings, lists, dicts and arrays: tuples become lists."""
    return {field.name: _plain(getattr(statistics, field.name)) for field in fields(statistics)}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return {key: _plain(inner) for key, inner in value.items()} if isinstance(value, Mapping) else value


def from_plain(
    cls: type, values: Mapping[str, Any], texts: Sequence[str], kinds: Mapping[str, Callable[[Any], Any]]
) -> dict[str, Any]:
    """The fields of `cls` from :func:`to_plain`; arrays may have become nested lists.

    texts : fields that are tuples of text; kinds : how each other field is read (`real`, `flags`, float, ...).
    Raises StorageError where a field is missing, unknown or cannot be read.
    """
    expected = {field.name for field in fields(cls)}
    if set(values) != expected:
        odd = sorted(expected ^ set(values))
        raise StorageError(
            f"the stored inference does not have the expected fields: {odd} missing or unknown; the "
            "model file is damaged or from another version of betahat"
        )
    try:
        parts = {**values, **{name: tuple(str(text) for text in values[name]) for name in texts}}
        parts |= {name: kind(values[name]) for name, kind in kinds.items()}
        parts["cov_options"] = {
            str(key): tuple(value) if isinstance(value, list) else value
            for key, value in dict(values["cov_options"]).items()
        }
    except (TypeError, ValueError) as error:
        raise StorageError(f"the stored inference cannot be read ({error}); the file is damaged") from error
    m = len(parts["names"])
    if not 0 <= parts["rank"] <= m:
        raise StorageError(f"the stored inference has rank {parts['rank']} with {m} parameters")
    if parts["null_space"].size == 0:  # an (m, 0) array that was a nested list in between
        parts["null_space"] = np.zeros((m, 0))
    return parts


def real(value: Any) -> np.ndarray:
    """A float64 array."""
    return np.asarray(value, dtype=np.float64)


def real_or_none(value: Any) -> np.ndarray | None:
    """A float64 array, or None."""
    return None if value is None else real(value)


def flags(value: Any) -> np.ndarray:
    """An array of bools."""
    return np.asarray(value, dtype=bool)


def check_shapes(parts: Mapping[str, Any], shapes: Mapping[str, Shape]) -> None:
    """StorageError that names the first array (None apart) whose shape does not fit the names and the rank."""
    m, t = len(parts["names"]), len(parts["target_names"])
    for name, shape in shapes.items():
        if parts[name] is not None and parts[name].shape != shape:
            raise StorageError(
                f"the stored {name} has shape {parts[name].shape}, but {m} parameters, {t} targets and "
                f"rank {parts['rank']} need {shape}; the model file is damaged"
            )

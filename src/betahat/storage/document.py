"""A nested document of plain values and arrays as values that strict JSON can hold, with the arrays apart."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np

from betahat.errors import StorageError

_ARRAY, _FLOAT = "$array", "$float"
_DTYPES = frozenset("?bhilqBHILQefd")


def split(document: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The document as JSON values, and the C-contiguous arrays it refers to by their path in the document.

    document : dicts with string keys, lists, tuples (which come back as lists), None, bools, numbers,
    strings and
        arrays of bools, integers or floats. A TypeError names the path of anything else.

    >>> encoded, arrays = split({"rank": 2, "fit": {"coef": np.array([1.0, 2.0]), "limit": float("inf")}})
    >>> encoded
    {'rank': 2, 'fit': {'coef': {'$array': 'fit.coef'}, 'limit': {'$float': 'inf'}}}
    >>> list(arrays)
    ['fit.coef']
    """
    arrays: dict[str, np.ndarray] = {}
    return _encode(document, "", arrays), arrays


def join(encoded: Any, arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """The document that :func:`split` took apart; arrays are new, writable, and laid out as they were.

    Raises StorageError where these are not such values or do not refer to each array once.
    """
    left = dict(arrays)
    document = _decode(encoded, left)
    if not isinstance(document, dict):
        raise StorageError(f"its description is a {type(document).__name__}, not an object")
    if left:
        raise StorageError(f"it holds arrays that belong to nothing: {sorted(left)[:5]}")
    return document


def _encode(value: Any, path: str, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    match value:
        case None | bool() | str():
            return value
        case np.ndarray() if value.dtype.char in _DTYPES:
            # Sums depend in their last bits on how an array lies in memory, so that is kept too.
            turned = value.flags.f_contiguous and not value.flags.c_contiguous
            stored = value.T if turned else value
            name = _free(path, arrays)
            arrays[name] = np.ascontiguousarray(stored, value.dtype.newbyteorder("=")).reshape(stored.shape)
            return {_ARRAY: name, "order": "F"} if turned else {_ARRAY: name}
        case Integral():
            return int(value)
        case Real():
            number = float(value)
            return number if math.isfinite(number) else {_FLOAT: repr(number)}
        case list() | tuple():
            return [_encode(inner, f"{path}.{i}", arrays) for i, inner in enumerate(value)]
        case Mapping() if all(isinstance(key, str) for key in value):
            start = f"{path}." if path else ""
            return {
                f"${key}" if key.startswith("$") else key: _encode(inner, start + key, arrays)
                for key, inner in value.items()
            }
    described = f"array of {value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__
    raise TypeError(f"{path or 'the document'} is a {described}, which cannot be stored")


def _free(path: str, arrays: Mapping[str, np.ndarray]) -> str:
    """The path itself, or with a number behind where a key with a dot in it took that name already."""
    path = path.encode("ascii", "backslashreplace").decode()
    name, count = path, 1
    while name in arrays:
        count += 1
        name = f"{path}~{count}"
    return name


def _decode(value: Any, left: dict[str, np.ndarray]) -> Any:
    match value:
        case list():
            return [_decode(inner, left) for inner in value]
        case {"$array": name}:
            order = value.get("order")
            if not isinstance(name, str) or name not in left or set(value) - {_ARRAY, "order"}:
                raise StorageError(f"its description names the array {name!r}, which is not there")
            if order not in (None, "F"):
                raise StorageError(f"the array {name!r} has the unknown order {order!r}")
            array = np.array(left.pop(name), order="C")
            return array.T if order else array
        case {"$float": ("nan" | "inf" | "-inf") as number} if len(value) == 1:
            return float(number)
        case dict():
            if odd := [key for key in value if key.startswith("$") and not key.startswith("$$")]:
                raise StorageError(f"its description has the unknown mark {odd[0]!r}")
            return {key.removeprefix("$"): _decode(inner, left) for key, inner in value.items()}
    return value

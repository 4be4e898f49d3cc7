"""Values taken out of a stored document, their types checked, so that a strange file gives a clear error."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NoReturn, final

import numpy as np

from betahat.errors import StorageError


@final
class Fields:
    """One object of a stored document. Each method takes one value, or raises a StorageError that names it.

    >>> fields = Fields({"rank": 2, "coef": np.zeros((1, 2))}, "model")
    >>> fields.whole("rank"), fields.array("coef", (1, 2)).shape
    (2, (1, 2))
    """

    def __init__(self, values: Any, where: str) -> None:
        if not isinstance(values, Mapping):
            raise StorageError(f"`{where}` is a {type(values).__name__}, not an object")
        self.values, self.where = values, where

    def _refuse(self, name: str, expected: str) -> NoReturn:
        found = repr(self.values.get(name))
        found = found if len(found) <= 60 else found[:60] + "…"
        raise StorageError(f"`{self.where}.{name}` is {found}; {expected} is expected")

    def raw(self, name: str) -> Any:
        """Any value."""
        if name not in self.values:
            raise StorageError(f"`{self.where}.{name}` is missing")
        return self.values[name]

    def inner(self, name: str) -> Fields:
        """An object."""
        return Fields(self.raw(name), f"{self.where}.{name}")

    def text(self, name: str, choices: tuple[str, ...] | None = None) -> str:
        """A string, one of `choices` where given."""
        value = self.raw(name)
        if not isinstance(value, str) or (choices is not None and value not in choices):
            self._refuse(name, f"one of {', '.join(choices)}" if choices else "text")
        return value

    def texts(self, name: str) -> list[str]:
        """A list of strings."""
        value = self.raw(name)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self._refuse(name, "a list of texts")
        return value

    def flag(self, name: str) -> bool:
        """True or False."""
        value = self.raw(name)
        if not isinstance(value, bool):
            self._refuse(name, "true or false")
        return value

    def whole(self, name: str, lowest: int = 0) -> int:
        """A whole number of at least `lowest`."""
        value = self.raw(name)
        if isinstance(value, bool) or not isinstance(value, int) or value < lowest:
            self._refuse(name, f"a whole number of at least {lowest}")
        return value

    def number(self, name: str, finite: bool = False) -> float:
        """A float, NaN and infinity included unless it must be finite."""
        value = self.raw(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            self._refuse(name, "a number")
        try:
            number = float(value)
        except OverflowError:
            self._refuse(name, "a number in the range of float64")
        if finite and not math.isfinite(number):
            self._refuse(name, "a finite number")
        return number

    def array(self, name: str, shape: tuple[int | None, ...], finite: bool = False) -> np.ndarray:
        """A float64 array of this shape, None standing for any length."""
        value = self.raw(name)
        if not isinstance(value, np.ndarray) or value.dtype != np.float64:
            self._refuse(name, "an array of float64")
        fits = value.ndim == len(shape) and all(
            want is None or want == have for want, have in zip(shape, value.shape, strict=True)
        )
        if not fits:
            raise StorageError(f"`{self.where}.{name}` has shape {value.shape}; {shape} is expected")
        if finite and not np.isfinite(value).all():
            raise StorageError(f"`{self.where}.{name}` holds NaN or infinity; finite numbers are expected")
        return value

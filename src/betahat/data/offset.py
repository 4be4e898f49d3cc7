"""Offsets: known numbers that are added to the linear predictor, and exposures, whose logarithms are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from betahat.data.missing import all_finite
from betahat.errors import DataError, StorageError


@final
@dataclass(frozen=True, slots=True)
class Offset:
    """Which columns give the offset of a row: column + log(exposure), each of which may be None.

    >>> import numpy as np
    >>> Offset("a", "t").of({"a": np.array([1.0, 2.0]), "t": np.array([1.0, np.e])})
    array([1., 3.])
    """

    column: str | None = None
    exposure: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that are needed."""
        return tuple(dict.fromkeys(name for name in (self.column, self.exposure) if name is not None))

    def of(self, values: Mapping[str, np.ndarray]) -> np.ndarray | None:
        """(n,) float64, NaN where one of the columns is; None where there is neither.

        Raises DataError for an exposure that is not positive.
        """
        plain = None if self.column is None else np.asarray(values[self.column], np.float64)
        if self.exposure is None:
            return plain
        exposure = np.asarray(values[self.exposure], np.float64)
        check_exposure(exposure, self.exposure)
        logarithm = np.log(exposure)
        return logarithm if plain is None else plain + logarithm

    def to_dict(self) -> dict[str, Any]:
        return {"column": self.column, "exposure": self.exposure}

    @classmethod
    def from_dict(cls, stored: Any) -> Offset:
        if stored is None:
            return cls()
        keys = ("column", "exposure")
        if isinstance(stored, Mapping) and all(isinstance(stored.get(key, ""), str | None) for key in keys):
            return cls(*(stored.get(key) for key in keys))
        raise StorageError(f"a stored `offset` has names of columns, and is {stored!r}")


NO_OFFSET = Offset()


def check_exposure(exposure: np.ndarray, name: str = "exposure") -> None:
    """A DataError where an exposure is zero or negative (it may be missing)."""
    there = exposure if all_finite(exposure) else exposure[~np.isnan(exposure)]
    if there.size and there.min() <= 0:
        what = "`exposure`" if name == "exposure" else f"`exposure` (column {name!r})"
        raise DataError(
            f"{what} must be positive, and in {np.count_nonzero(there <= 0):,} of {len(exposure):,} rows it is not "
            f"(the smallest is {there.min():g}): its logarithm is added to the linear predictor. Usual cause: units "
            "that were not observed at all, which say nothing and can be left out"
        )


def added(*parts: np.ndarray | None) -> np.ndarray | None:
    """The sum of the offsets that are there."""
    there = [part for part in parts if part is not None]
    return sum(there[1:], start=there[0]) if there else None

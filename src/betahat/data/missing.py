"""Missing and infinite values: found cheaply, named, and refused, dropped or filled."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, Literal, get_args

import numpy as np

from betahat.errors import DataError, MissingRowsWarning, MissingValueError, users_line

Missing = Literal["error", "drop", "mean"]
"""What to do about missing values: refuse, leave the row out, or put the training mean in its place."""


def check_policy(missing: Any) -> Missing:
    """`missing` if it is a policy, else a ValueError."""
    if missing not in get_args(Missing):
        raise ValueError(f"`missing` (={missing!r}) must be one of {', '.join(map(repr, get_args(Missing)))}")
    return missing


def unmasked(values: Any) -> Any:
    """A masked array with NaN (or None, where it holds no numbers) under its mask, and objects with NaN for pandas' NA,
    of which nothing can be asked; anything else as it is."""
    if not isinstance(values, np.ma.MaskedArray):
        return _without_na(values)
    numbers = values.dtype.kind in "biuf"
    plain = np.array(values.data, np.float64 if numbers else object)
    plain[np.ma.getmaskarray(values)] = np.nan if numbers else None
    return plain


def _without_na(values: Any) -> Any:
    if str(getattr(values, "dtype", "")) != "object" and not isinstance(values, list):
        return values
    flat = values if isinstance(values, list) else np.ravel(np.asarray(values, object)).tolist()
    if not any(type(value).__name__ == "NAType" for value in flat):
        return values
    plain = np.array(values, object)
    plain.ravel()[[type(value).__name__ == "NAType" for value in flat]] = np.nan
    try:
        return plain.astype(np.float64)
    except (TypeError, ValueError):  # labels, say
        return plain


def as_doubles(values: np.ndarray) -> np.ndarray:
    """float64, infinite where a long double is too large for it: those are searched for and refused later."""
    with np.errstate(over="ignore", under="ignore"):
        return values.astype(np.float64, copy=False)


def all_finite(values: np.ndarray) -> bool:
    """Whether no value is NaN or infinite; False also where their sum overflows (then look closer).

    A sum reads the array once, without a temporary, and a NaN or an infinity anywhere survives in it. (A BLAS
    dot product would start threads, which wait for those of a consumer in another thread.)
    """
    with np.errstate(all="ignore"):
        return bool(np.isfinite(np.add.reduce(values, axis=None)))


def all_complete(values: Mapping[str, np.ndarray]) -> bool:
    """Whether nothing is missing or infinite in any column, from one reading of each."""
    return all(all_finite(c) if c.dtype.kind == "f" else c.min(initial=0) >= 0 for c in values.values())


def missing_rows(values: np.ndarray) -> np.ndarray:
    """(n,) bool: NaN in a float column, −1 in a column of level codes."""
    return np.isnan(values) if values.dtype.kind == "f" else values == -1


def counts_of_missing(values: Mapping[str, np.ndarray]) -> dict[str, int]:
    """How many values are missing, by column, where any are."""
    found: dict[str, int] = {}
    for name, column in values.items():
        if column.dtype.kind == "f" and all_finite(column):
            continue
        if count := int(np.count_nonzero(missing_rows(column))):
            found[name] = count
    return found


def refuse_infinite(values: Mapping[str, np.ndarray]) -> None:
    """A DataError that names every float column with an infinite value."""
    found = {
        name: int(np.count_nonzero(np.isinf(column)))
        for name, column in values.items()
        if column.dtype.kind == "f" and not all_finite(column)
    }
    found = {name: count for name, count in found.items() if count}
    if found:
        raise DataError(
            f"infinite values in {_listed(found)}. Usual causes: a division by zero or the logarithm of zero "
            "upstream; no policy for missing values covers them, so correct or remove them first."
        )


def refuse_missing(values: Mapping[str, np.ndarray], policy: Missing, advice: str | None = None) -> None:
    """A MissingValueError that names the columns and counts, then a DataError for infinities."""
    if all_complete(values):
        return
    if found := counts_of_missing(values):
        raise MissingValueError(f"missing values in {_listed(found)}. {advice or _prediction_advice(policy)}")
    refuse_infinite(values)


TRAINING_ADVICE = (
    "`missing` is 'error'; 'drop' leaves those rows out, 'mean' puts the column's mean in place of a "
    "missing number."
)


def _prediction_advice(policy: Missing) -> str:
    if policy == "mean":
        return "`missing` is 'mean', which fills numbers only: a category has no mean."
    return (
        "A prediction needs complete rows. Fill or remove them, or fit with missing='mean' to have the "
        "training means put in."
    )


def fill_means(values: dict[str, np.ndarray], means: Mapping[str, float]) -> dict[str, np.ndarray]:
    """The columns with NaN replaced by the mean, copied only where something is replaced."""
    filled = dict(values)
    for name, mean in means.items():
        if not all_finite(values[name]) and (gaps := np.isnan(values[name])).any():
            filled[name] = np.where(gaps, mean, values[name])
    return filled


def means_of(values: Mapping[str, np.ndarray]) -> dict[str, float]:
    """The mean over the values that are there, of every float column; a DataError where there are none."""
    means: dict[str, float] = {}
    for name, column in values.items():
        if column.dtype.kind != "f":
            continue
        there = column if all_finite(column) else column[~np.isnan(column)]
        if not there.size:
            raise DataError(f"every value of column {name!r} is missing, so there is no mean to put in")
        with np.errstate(all="ignore"):  # the sum may overflow where the mean does not
            mean = float(there.mean())
            means[name] = mean if np.isfinite(mean) else float((there / there.size).sum())
    return means


def rows_to_keep(values: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """(n,) bool of the rows where nothing is missing, or None where that is all of them.

    Warns with MissingRowsWarning how many rows are left out; a DataError where none remain.
    """
    found = counts_of_missing(values)
    if not found:
        return None
    gaps = np.zeros(len(next(iter(values.values()))), dtype=bool)
    for name in found:
        gaps |= missing_rows(values[name])
    warn_dropped(int(np.count_nonzero(gaps)), len(gaps), found)
    return ~gaps


def warn_dropped(dropped: int, total: int, found: Mapping[str, int]) -> None:
    """Say how many rows are left out; a DataError where that is all of them."""
    if dropped == total:
        raise DataError(f"no row is complete: values are missing in {_listed(found)} of {total:,} rows")
    if dropped:
        warnings.warn(
            f"{dropped:,} of {total:,} rows are left out because values are missing in {_listed(found)}",
            MissingRowsWarning,
            stacklevel=users_line(),
        )


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name!r} ({count:,})" for name, count in counts.items())

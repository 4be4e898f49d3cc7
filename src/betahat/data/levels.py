"""Categories: which levels a column has, in which order, and the code of each row's level."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import narwhals as nw
import numpy as np

from betahat.errors import CollinearityWarning, DataError, UnseenLevelError, users_line

_MANY = 1000


def find_levels(series: nw.Series[Any]) -> tuple[str, ...]:
    """The levels that occur, as strings.

    A pandas category or an enum has an order of its own, which is kept; strings (and polars categories and
    Arrow dictionaries, whose order is that of appearance) are sorted. The first level is the baseline.

    Raises DataError for what looks like an identifier: more than 1000 levels and more than half the rows.
    """
    present = _strings(series.drop_nulls().unique())
    order = _declared_order(series)
    levels = tuple(sorted(present) if order is None else (level for level in order if level in present))
    if len(set(levels)) < len(levels):
        twice = next(level for level in levels if levels.count(level) > 1)
        raise DataError(
            f"column {series.name!r} has several categories that read {twice!r}, such as the number 1 and the "
            "text '1'; give each a name of its own"
        )
    refuse_identifier(series.name, len(levels), len(series))
    return levels


def refuse_identifier(name: str, levels: int, rows: int) -> None:
    """A DataError where a category has nearly as many levels as there are rows."""
    if levels > _MANY and levels > rows / 2:
        raise DataError(
            f"column {name!r} has {levels:,} levels in {rows:,} rows, so it looks like an identifier, not a "
            "category: leave it out, or pass it as `groups` if rows share it"
        )


def codes_of(series: nw.Series[Any], levels: tuple[str, ...], name: str) -> np.ndarray:
    """(n,) int32: the place of each row's level in `levels`, −1 where missing.

    Raises UnseenLevelError that names the column and the levels that are not among `levels`.
    """
    native = series.to_native()
    absent = series.is_null().to_numpy().astype(bool)
    if (categories := _pandas_categories(native)) is not None:
        place = {level: code for code, level in enumerate(levels)}
        lookup = np.array([*(place.get(category, -1) for category in categories), -1], dtype=np.int32)
        codes = lookup[native.cat.codes.to_numpy()]
    else:
        text = series if series.dtype == nw.String else series.cast(nw.String)
        codes = (
            text.replace_strict(list(levels), list(range(len(levels))), default=-1, return_dtype=nw.Int32)
            .fill_null(-1)
            .to_numpy()
            .astype(np.int32, copy=True)
            if levels
            else np.full(len(series), -1, dtype=np.int32)
        )
        codes[absent] = -1  # a cast may have made the text "nan" of a missing value
    unseen = (codes < 0) & ~absent
    if unseen.any():
        rows = np.flatnonzero(unseen)
        refuse_unseen(name, _strings(series[rows].unique()), levels, len(rows))
    return codes


def refuse_unseen(name: str, unseen: Iterable[str], levels: tuple[str, ...], rows: int | None = None) -> None:
    """Raise the UnseenLevelError for these levels of a column."""
    shown = sorted(unseen)
    listed = ", ".join(map(repr, shown[:5])) + (f" and {len(shown) - 5:,} more" if len(shown) > 5 else "")
    known = ", ".join(map(repr, levels[:10])) + (", ..." if len(levels) > 10 else "")
    where = "" if rows is None else f" in {rows:,} rows"
    raise UnseenLevelError(f"column {name!r} has {listed}{where}; the levels in training were {known}")


def warn_single_level(name: str, levels: tuple[str, ...]) -> None:
    """Say that a category contributes no column of X because it does not vary."""
    only = repr(levels[0]) if levels else "none"
    warnings.warn(
        f"column {name!r} has one level only ({only}), so there is nothing to compare and it contributes no "
        "column of X",
        CollinearityWarning,
        stacklevel=users_line(),
    )


def prune_levels(levels: tuple[str, ...], codes: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
    """Only the levels that occur, and the codes for them."""
    occurs = np.bincount(codes[codes >= 0], minlength=len(levels)) > 0
    if occurs.all():
        return levels, codes
    place = np.append(np.cumsum(occurs) - 1, -1).astype(np.int32)
    return tuple(level for level, kept in zip(levels, occurs, strict=True) if kept), place[codes]


def _strings(series: nw.Series[Any]) -> set[str]:
    return {str(value) for value in series.to_list()}


def _pandas_categories(native: Any) -> list[str] | None:
    categories = getattr(getattr(native, "cat", None), "categories", None)
    return None if categories is None else [str(category) for category in categories]


def _declared_order(series: nw.Series[Any]) -> list[str] | None:
    if (categories := _pandas_categories(series.to_native())) is not None:
        return categories
    return [str(c) for c in series.dtype.categories] if isinstance(series.dtype, nw.Enum) else None

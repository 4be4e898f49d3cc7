"""What users hand to fit and predict, checked once: arrays, sparse matrices, frames and sources."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from betahat.data.frame import refuse_inexact
from betahat.data.missing import as_doubles, unmasked
from betahat.data.passes import combined_weight, counting
from betahat.data.source import ArraySource, Block, Source
from betahat.errors import DataError, MissingValueError

_MODERATE = 1e90  # numbers below it have squares


def is_frame(X: Any) -> bool:
    """Whether X is a table (pandas, polars, pyarrow) rather than an array."""
    if isinstance(X, (np.ndarray, list, tuple)) or hasattr(X, "tocsr"):
        return False
    import narwhals.stable.v2 as nw

    if nw.dependencies.is_pandas_dataframe(X) or nw.dependencies.is_pyarrow_table(X):
        return True  # even with repeated names, which are refused by name later
    return isinstance(nw.from_native(X, pass_through=True), (nw.DataFrame, nw.LazyFrame))


@contextmanager
def naming(what: str) -> Iterator[None]:
    """What NumPy and scikit-learn say of rows that are no numbers, with the names of the arguments."""
    try:
        yield
    except (TypeError, ValueError) as error:
        said = str(error)
        if said.startswith("Input X contains NaN"):
            raise MissingValueError(
                "Input X contains NaN. Every row needs all its numbers; fill or leave out those without (a model "
                'fitted to a table with missing="mean" fills them itself)'
            ) from None
        if said.startswith(("could not convert", "setting an array element", "dtype='numeric'")):
            raise type(error)(f"{what} must hold numbers: {said}") from error
        if said.startswith(
            ("Expected 2", "Found array", "Complex data", "float() argument", "Input should have")
        ):
            raise type(error)(f"{what} cannot be used: {said}") from error
        raise


def batch_of(X: Any) -> Any:
    """X as `partial_fit` takes it: an array, a sparse matrix, or a table of numbers.

    Raises TypeError for a table with text, categories or dates: how they are coded only all rows can tell.
    """
    if not is_frame(X):
        return unmasked(X)
    import narwhals as nw

    from betahat.data.frame import open_frame

    frame = open_frame(X, "X")
    for name, dtype in frame.schema.items():
        column = frame[name]
        if isinstance(dtype, nw.Object):
            known = not any(isinstance(value, str) for value in column.to_list())
        else:
            known = dtype.is_numeric() or isinstance(dtype, (nw.Boolean, nw.Unknown))
        if not known:
            raise TypeError(
                f"column {name!r} of X holds {dtype}, and partial_fit takes numbers: what text, categories and dates "
                "are coded as only all rows can tell. Use fit, or code the column first"
            )
    return X


def check_weight(name: str, weight: Any, n: int, whole: bool = False) -> np.ndarray | None:
    """A (n,) float64 array of weights ≥ 0 with a positive sum; whole numbers if asked; None stays None."""
    if weight is None:
        return None
    if np.isscalar(weight) and not isinstance(weight, (str, bytes)):
        weight = np.full(n, weight, np.float64)
    try:
        values = np.asarray(unmasked(weight))
        if values.dtype.kind not in "fiubO":
            raise TypeError(f"an array of {values.dtype} holds no weights")
        values = values.astype(np.float64, copy=False)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} must hold numbers, one for each row; {error}") from error
    if values.ndim != 1 or len(values) != n:
        raise DataError(f"{name} has shape {values.shape}, expected ({n},): one weight for each row of X")
    with np.errstate(over="ignore", invalid="ignore"):
        lowest, total = (float(values.min()), float(values.sum())) if n else (0.0, 0.0)
    if not np.isfinite(total) or np.isnan(lowest):
        raise DataError(f"{name} contains NaN or infinity, or its sum overflows; expected finite numbers ≥ 0")
    if lowest < 0:
        row = int(np.argmin(values))
        raise DataError(f"{name} has a negative value ({values[row]:g} in row {row}); weights must be ≥ 0")
    if total <= 0:
        raise DataError(
            f"{name} is zero in every row, so no row counts; at least one weight must be positive"
        )
    if total < np.finfo(np.float64).tiny:
        raise DataError(
            f"{name} adds up to {total:g}, below the smallest number that keeps its digits; multiply all by a constant"
        )
    if whole and not np.array_equal(values, np.floor(values)):
        row = int(np.argmax(values != np.floor(values)))
        raise DataError(
            f"{name} must hold whole numbers, how many equal rows each row stands for; row {row} has "
            f"{values[row]:g}. Weights that are not counts are sample_weight"
        )
    return values


def refuse_sparse_target(y: Any) -> None:
    """A TypeError for a sparse y, which numpy would take for one object."""
    if hasattr(y, "tocsr"):
        raise TypeError(f"y is a sparse matrix ({type(y).__name__}); pass y.toarray()")


def numbers(values: Any, argument: str) -> Any:
    """A checked array, its long doubles rounded to float64.

    Raises TypeError where it holds text or dates, DataError for integers that float64 would round.
    """
    kind, size = values.dtype.kind, values.dtype.itemsize
    if kind not in "fiubO":
        raise TypeError(
            f"{argument} is an array of {values.dtype}; numbers are expected (for dates, subtract a reference date and "
            "pass the days; labels are coded as 0 … K−1)"
        )
    if hasattr(values, "tocsr"):
        return values
    if kind == "f" and size > 8:
        return as_doubles(values)
    if kind in "iu" and size == 8:
        columns = values if values.ndim == 2 else values[:, None]
        for j in np.flatnonzero(_beyond_doubles(columns)):
            refuse_inexact(argument if columns.shape[1] == 1 else f"{argument.lower()}{j + 1}", columns[:, j])
    return values


def _beyond_doubles(columns: np.ndarray) -> np.ndarray:
    """Which columns of integers hold some that float64 cannot tell from their neighbours."""
    largest = np.maximum(columns.max(axis=0).astype(np.float64), -columns.min(axis=0).astype(np.float64))
    return largest >= 2.0**53


def array_source(
    X: Any, y: np.ndarray, sample_weight: Any, frequency_weight: Any, groups: Any, target_names: Any = None,
    names: tuple[str, ...] | None = None, offset: Any = None, exposure: Any = None,
) -> ArraySource:  # fmt: skip
    """A source of checked arrays, with weights, groups, offsets and exposures checked here."""
    n = X.shape[0]
    codes = None
    if groups is not None:
        from betahat.data import group_codes

        codes = group_codes(groups, n)
    return ArraySource(
        X,
        np.asarray(y, np.float64),
        check_weight("sample_weight", sample_weight, n),
        check_weight("frequency_weight", frequency_weight, n, whole=True),
        codes,
        names,
        target_names,
        offset=None if offset is None and exposure is None else _offset(offset, exposure, n),
    )


def _offset(offset: Any, exposure: Any, n: int) -> np.ndarray | None:
    from betahat.data.beside import read_offset

    return read_offset(offset, exposure, n)


def refuse_no_weight(weight: np.ndarray | None) -> None:
    """DataError unless some row counts, by weights times frequencies (n,)."""
    if weight is not None and not (weight > 0).any() and not np.isnan(weight).any():
        raise DataError(
            "no row counts: sample_weight, frequency_weight or their product is zero in every row; at least one row "
            "must have positive weights"
        )


def without_uncounted(source: ArraySource, block: Block) -> ArraySource:
    """The source, or where rows of weight zero hold NaN, infinities or numbers whose squares are infinite one without
    these rows; `block` is the whole of it."""
    weight = combined_weight(block)
    if weight is None or (weight > 0).all():
        return source
    rest = block.X[~(weight > 0)]
    values = np.asarray(rest.data if hasattr(rest, "tocsr") else rest)
    if not values.size or np.abs(values).max() < _MODERATE:  # false of NaN too
        return source
    kept = counting(block)
    return ArraySource(
        kept.X, np.asarray(kept.y), kept.weight, kept.frequency, kept.groups, source.names, source.target_names,
        kept.X_low, kept.offset, source.classes,
    )  # fmt: skip


def refuse_beside_source(source: Source, **given: Any) -> None:
    """A source brings its own target, weights and groups; a second set is an error."""
    extra = [name for name, value in given.items() if value is not None]
    if extra:
        raise ValueError(
            f"{', '.join(extra)} given beside a {type(source).__name__}, which holds its own; "
            "name the columns when making the source, such as betahat.data.query(path, target=..., weights=...)"
        )

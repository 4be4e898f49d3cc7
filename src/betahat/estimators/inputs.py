"""What users hand to fit and predict, checked once: arrays, sparse matrices, frames and sources."""

from __future__ import annotations

from typing import Any

import numpy as np

from betahat.data.passes import combined_weight
from betahat.data.source import ArraySource, Block, Source
from betahat.errors import DataError


def is_frame(X: Any) -> bool:
    """Whether X is a table (pandas, polars, pyarrow) rather than an array."""
    if isinstance(X, (np.ndarray, list, tuple)) or hasattr(X, "tocsr"):
        return False
    import narwhals.stable.v2 as nw

    return isinstance(nw.from_native(X, pass_through=True), (nw.DataFrame, nw.LazyFrame))


def check_weight(name: str, weight: Any, n: int, whole: bool = False) -> np.ndarray | None:
    """A (n,) float64 array of weights ≥ 0 with a positive sum; whole numbers if asked; None stays None."""
    if weight is None:
        return None
    if np.isscalar(weight) and not isinstance(weight, (str, bytes)):
        weight = np.full(n, weight, np.float64)
    try:
        values = np.asarray(weight)
        if values.dtype.kind == "c":
            raise TypeError("complex numbers are not weights")
        values = values.astype(np.float64, copy=False)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} must hold numbers, one for each row; {error}") from error
    if values.ndim != 1 or len(values) != n:
        raise DataError(f"{name} has shape {values.shape}, expected ({n},): one weight for each row of X")
    lowest, total = (float(values.min()), float(values.sum())) if n else (0.0, 0.0)
    if not np.isfinite(total) or np.isnan(lowest):
        raise DataError(f"{name} contains NaN or infinity, or its sum overflows; expected finite numbers ≥ 0")
    if lowest < 0:
        row = int(np.argmin(values))
        raise DataError(f"{name} has a negative value ({values[row]!r} in row {row}); weights must be ≥ 0")
    if total <= 0:
        raise DataError(
            f"{name} is zero in every row, so no row counts; at least one weight must be positive"
        )
    if whole and not np.array_equal(values, np.floor(values)):
        row = int(np.argmax(values != np.floor(values)))
        raise DataError(
            f"{name} must hold whole numbers, how many equal rows each row stands for; row {row} has "
            f"{values[row]!r}. Weights that are not counts are sample_weight"
        )
    return values


def array_source(
    X: Any, y: np.ndarray, sample_weight: Any, frequency_weight: Any, groups: Any, target_names: Any = None
) -> ArraySource:
    """A source of checked arrays, with weights and groups checked here."""
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
        target_names=target_names,
    )


def refuse_no_weight(block: Block) -> None:
    """DataError unless some row of the block counts."""
    weight = combined_weight(block)
    if weight is not None and not (weight > 0).any() and not np.isnan(weight).any():
        raise DataError(
            "no row counts: sample_weight, frequency_weight or their product is zero in every row; at least one row "
            "must have positive weights"
        )


def refuse_beside_source(source: Source, **given: Any) -> None:
    """A source brings its own target, weights and groups; a second set is an error."""
    extra = [name for name, value in given.items() if value is not None]
    if extra:
        raise ValueError(
            f"{', '.join(extra)} given beside a {type(source).__name__}, which holds its own; "
            "name the columns when making the source, such as betahat.data.query(path, target=..., weights=...)"
        )

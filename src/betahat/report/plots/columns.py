"""One column of X varied while the others are held, whatever X is."""

from __future__ import annotations

from typing import Any, Protocol, final

import numpy as np


class Columns(Protocol):
    """Rows of X of which one column is drawn."""

    name: str
    held: int
    """How many other columns there are."""

    def values(self) -> np.ndarray:
        """The column (n,)."""
        ...

    def varied(self, grid: np.ndarray) -> Any:
        """An X of len(grid) rows: the column goes along the grid, the others are at their means (text and categories:
        at their most frequent value)."""
        ...


def columns_of(X: Any, feature: str | int | None, estimator: Any) -> Columns:
    """X, an array (n, p) or (n,) or a pandas, polars or pyarrow table, with the column called `feature`."""
    if hasattr(X, "dtype") or isinstance(X, (list, tuple)):
        return _ArrayColumns(X, feature, estimator)
    return _TableColumns(X, feature)


@final
class _ArrayColumns:
    def __init__(self, X: Any, feature: str | int | None, estimator: Any) -> None:
        self._X = np.asarray(X, np.float64)
        if self._X.ndim not in (1, 2) or not self._X.size or not np.isfinite(self._X).all():
            raise ValueError(f"X has shape {self._X.shape}; expected (n, p) finite numbers with n ≥ 1")
        p = 1 if self._X.ndim == 1 else self._X.shape[1]
        known = getattr(estimator, "feature_names_in_", None)
        names = [str(name) for name in known] if known is not None and len(known) == p else []
        self._index = _index(feature, names or [f"x{j + 1}" for j in range(p)])
        self.name = names[self._index] if names else "x" if p == 1 else f"x{self._index + 1}"
        self.held = p - 1

    def values(self) -> np.ndarray:
        return self._X if self._X.ndim == 1 else self._X[:, self._index]

    def varied(self, grid: np.ndarray) -> np.ndarray:
        if self._X.ndim == 1:
            return grid
        rows = np.tile(self._X.mean(axis=0), (len(grid), 1))
        rows[:, self._index] = grid
        return rows


@final
class _TableColumns:
    def __init__(self, X: Any, feature: str | int | None) -> None:
        import narwhals.stable.v2 as nw

        try:
            self._X = nw.from_native(X, eager_only=True)
        except TypeError:
            raise TypeError(
                f"X is {type(X).__name__}; expected an array, or a pandas, polars or pyarrow table"
            ) from None
        names = list(self._X.columns)
        self.name = names[_index(feature, names)]
        self.held = len(names) - 1
        if not self._X.schema[self.name].is_numeric():
            raise ValueError(
                f"feature {self.name!r} is {self._X.schema[self.name]}; a curve needs a column of numbers"
            )

    def values(self) -> np.ndarray:
        values = np.asarray(self._X[self.name].to_numpy(), np.float64)
        if not np.isfinite(values).all():
            raise ValueError(
                f"column {self.name!r} of X holds missing or infinite values; leave those rows out"
            )
        return values

    def varied(self, grid: np.ndarray) -> Any:
        import narwhals.stable.v2 as nw

        columns = {name: self._held(name, len(grid)) for name in self._X.columns}
        columns[self.name] = nw.new_series(self.name, grid, backend=self._X.implementation)
        return nw.from_dict(columns, backend=self._X.implementation).to_native()

    def _held(self, name: str, n: int) -> Any:
        import narwhals.stable.v2 as nw

        column = self._X[name]
        if column.dtype.is_numeric():
            return nw.new_series(name, np.full(n, float(column.mean())), backend=self._X.implementation)
        most = column.drop_nulls().mode(keep="any")
        return nw.new_series(name, [most] * n, column.dtype, backend=self._X.implementation)


def _index(feature: str | int | None, names: list[str]) -> int:
    if feature is None:
        if len(names) != 1:
            raise ValueError(
                f"X has {len(names)} columns; name the one to draw by feature=, of {', '.join(map(repr, names[:20]))}"
            )
        return 0
    if isinstance(feature, str):
        if feature not in names:
            raise ValueError(f"feature (={feature!r}) is not among {', '.join(map(repr, names[:20]))}")
        return names.index(feature)
    if isinstance(feature, (bool, np.bool_)) or not isinstance(feature, (int, np.integer)):
        raise TypeError(f"feature (={feature!r}) must be the name or position of a column")
    if not 0 <= feature < len(names):
        raise ValueError(
            f"feature (={feature}) must be from 0 to {len(names) - 1}: X has {len(names)} columns"
        )
    return int(feature)

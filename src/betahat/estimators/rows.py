"""What estimators share that take rows: what users hand over becomes a source, and later a matrix coded alike."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from betahat.data.missing import unmasked
from betahat.data.source import Block, Source
from betahat.estimators.inputs import (
    array_source,
    is_frame,
    naming,
    numbers,
    refuse_beside_source,
    refuse_sparse_target,
)


class RowEstimator(BaseEstimator):
    """Abstract: an estimator of rows X with a target y, given as arrays, tables, sparse matrices or a source."""

    missing: str
    n_features_in_: int
    feature_names_in_: np.ndarray

    _sparse: Any = ("csr", "csc")
    """Sparse formats taken, or False."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = self._takes_targets()
        tags.input_tags.sparse = bool(self._sparse)
        return tags

    def _takes_targets(self) -> bool:
        """Whether y may have several columns."""
        return True

    def _target(self, y: Any) -> Any:
        """y as numbers, where it may hold labels."""
        return y

    def _read(
        self, X: Any, y: Any, sample_weight: Any = None, frequency_weight: Any = None, groups: Any = None,
        **offsets: Any,
    ) -> Source:  # fmt: skip
        """The source of what `fit` was given; `offsets` are offset and exposure, of estimators that take them."""
        self.design_: Any = None
        self._single_target = True
        if isinstance(X, Source):
            refuse_beside_source(
                X,
                y=y,
                sample_weight=sample_weight,
                frequency_weight=frequency_weight,
                groups=groups,
                **offsets,
            )
            self._describe(X, getattr(X, "design", None))
            return X
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None (only a source holds its "
                "own target)"
            )
        refuse_sparse_target(y)
        y = self._target(y)
        if is_frame(X):
            return self._read_frame(X, y, sample_weight, frequency_weight, groups, offsets)
        if _needs_no_conversion(X, y):
            self.n_features_in_ = X.shape[1]
            vars(self).pop("feature_names_in_", None)
            return array_source(X, y, sample_weight, frequency_weight, groups, **offsets)
        with naming("X and y"):
            X, y = validate_data(
                self, unmasked(X), unmasked(y), accept_sparse=self._sparse, ensure_all_finite=False,
                multi_output=self._takes_targets(), y_numeric=True, dtype="numeric",
            )  # fmt: skip
        self._single_target = y.ndim == 1
        return array_source(
            numbers(X, "X"), numbers(y, "y"), sample_weight, frequency_weight, groups, **offsets
        )

    def _read_frame(
        self, X: Any, y: Any, sample_weight: Any, frequency_weight: Any, groups: Any, offsets: dict[str, Any]
    ) -> Source:
        from betahat.data import read_inputs

        self.design_, source = read_inputs(
            X,
            y,
            sample_weight,
            frequency_weight,
            groups,
            missing=self.missing,  # pyright: ignore[reportArgumentType]
            **offsets,
        )
        validate_data(self, X, y, skip_check_array=True)
        self._single_target = np.ndim(y) == 1 if not hasattr(y, "columns") else False
        return source

    def _describe(self, source: Source, design: Any) -> None:
        """Take down what columns a source has and which design made them, if one did."""
        self.design_ = design
        self._single_target = len(source.target_names) == 1
        self.n_features_in_ = len(source.names if design is None else design.input_names)
        if design is not None:
            self.feature_names_in_ = np.asarray(design.input_names, dtype=object)

    # --- new rows and files -------------------------------------------------------------------------------------

    def _matrix(self, X: Any) -> Any:
        """X of new rows as numbers, coded as in training."""
        check_is_fitted(self, "_result")
        if self.design_ is not None and is_frame(X):
            if self.design_.kind == "columns":
                validate_data(self, in_order(X, self.design_.input_names), skip_check_array=True, reset=False)
            return self.design_.matrix(X)
        if self.design_ is not None and len(self.design_.names) != len(self.design_.input_names):
            raise TypeError(
                f"this {type(self).__name__} was fitted on a table with columns {list(self.design_.input_names)}; "
                f"predict needs a table with these columns, not {type(X).__name__}"
            )
        with naming("X"):
            X = validate_data(self, unmasked(X), reset=False, accept_sparse=self._sparse, dtype="numeric")
        return numbers(X, "X")

    @abstractmethod
    def _written(self, block: Block, name: str, level: float | None) -> dict[str, np.ndarray]:
        """What `betahat predict` writes (see `betahat.estimators.written`)."""

    def save(self, path: Any) -> None:
        """Write the fitted model to one file (safetensors with JSON metadata): no rows, no pickle."""
        from betahat.estimators.storing import save

        save(self, path)


def _needs_no_conversion(X: Any, y: Any) -> bool:
    """Plain float64 arrays of fitting shapes, for which scikit-learn's validation has nothing to do."""
    plain = type(X) is np.ndarray and type(y) is np.ndarray and X.dtype == y.dtype == np.float64
    return plain and X.ndim == 2 and y.ndim == 1 and len(X) == len(y) and X.shape[0] > 1 and X.shape[1] > 0


def in_order(X: Any, names: tuple[str, ...]) -> Any:
    """The table with just the columns that training had, in that order; as it is where one is missing."""
    import narwhals.stable.v2 as nw

    frame = nw.from_native(X)
    present = frame.collect_schema().names()
    return frame.select(list(names)).to_native() if set(names) <= set(present) else X

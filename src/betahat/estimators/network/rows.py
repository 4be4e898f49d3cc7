"""X of users as rows for a network: checked and coded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.utils.validation import validate_data

from betahat.data.frame import open_frame
from betahat.data.image_folder import ImageFolder
from betahat.data.missing import unmasked
from betahat.errors import DataError, MissingValueError
from betahat.estimators.inputs import is_frame, naming, numbers
from betahat.estimators.rows import in_order

_SMALL = 65_536  # numbers in X up to which double precision costs nothing that is felt


def read_rows(estimator: Any, X: Any, reset: bool, images: bool) -> Any:
    """X of a fit: an array (n, …) of numbers, or CSR; a table's design goes to `estimator.design_`.

    reset : whether names and number of columns are learnt anew; images : whether rows may have several axes.
    """
    if not reset:
        return new_rows(estimator, X, images)
    estimator.design_ = None
    if is_frame(X):
        from betahat.data.coded import CodedDesign

        with _complete():
            estimator.design_, matrix = CodedDesign.learn(X)
        validate_data(estimator, X, skip_check_array=True)
        return matrix
    return _checked(estimator, X, images, reset=True)


def new_rows(estimator: Any, X: Any, images: bool, finite: bool = True) -> Any:
    """X of new rows, coded as in training. finite : whether arrays are searched for what is not."""
    found = coded(estimator, X, images, finite)
    shape = estimator._network.input_shape
    if found.shape[1:] != shape:
        raise ValueError(
            f"X has rows of shape {found.shape[1:]}; this network was fitted to rows of shape {shape}"
        )
    return found


def coded(estimator: Any, X: Any, images: bool, finite: bool = True) -> Any:
    """X of new rows as numbers, of any shape."""
    design = estimator.design_
    if design is not None and is_frame(X):
        if design.kind != "formula":  # which says itself what it misses
            if not len(open_frame(X, "X")):  # which refuses names that are there twice
                raise DataError("X has 0 rows; one row at least is expected")
            validate_data(estimator, in_order(X, design.input_names), skip_check_array=True, reset=False)
        with _complete():
            return design.matrix(X)
    if design is not None and (levels_of(design) or design.kind == "formula"):
        raise TypeError(
            f"this {type(estimator).__name__} was fitted on a table with categories or a formula, its columns "
            f"{list(design.input_names)}; it needs a table with these columns, not {type(X).__name__}"
        )
    return _checked(estimator, X, images, reset=False, finite=finite)


def _checked(estimator: Any, X: Any, images: bool, reset: bool, finite: bool = True) -> Any:
    if isinstance(X, ImageFolder):
        raise TypeError(
            f"X is {X!r}, which ConvNetClassifier and ConvNetRegressor take; {type(estimator).__name__} takes their "
            "pixels and labels: pass X.array() and X.y"
        )
    finite = finite or not (isinstance(X, np.ndarray) and X.dtype in (np.float64, np.float32))
    if not (reset or finite) and _is_known(estimator, X):
        return X
    with naming("X"), np.errstate(invalid="ignore"):  # of sums over infinities
        found = validate_data(
            estimator, unmasked(X), reset=reset, accept_sparse="csr", dtype="numeric", allow_nd=images,
            ensure_all_finite=finite,
        )  # fmt: skip
    return numbers(found, "X")


def _is_known(estimator: Any, X: np.ndarray) -> bool:
    """Whether scikit-learn's checks, which take as long as a thousand small rows, would find nothing to say but on
    numbers that are not finite."""
    return (
        type(X) is np.ndarray
        and X.ndim == 2
        and len(X) > 0
        and X.shape[1] == estimator.n_features_in_
        and not hasattr(estimator, "feature_names_in_")
    )


@contextmanager
def _complete() -> Iterator[None]:
    """Of missing values in a table, what can be done about them: networks have no policy."""
    try:
        yield
    except MissingValueError as error:
        columns = str(error).partition("). ")[0].removesuffix(")")
        raise MissingValueError(
            f"{columns}). A network takes complete rows: fill them, as scikit-learn's SimpleImputer does, or leave "
            "them out"
        ) from None


def precision_for(asked: Any, dtype: np.dtype, size: int) -> Any:
    """float32 or float64: what was asked for, or "auto" what suits so many numbers of a type."""
    if not (isinstance(asked, str) and asked == "auto"):
        return np.dtype(asked).type
    single = dtype.kind == "f" and dtype.itemsize <= 4
    return np.float32 if single or size > _SMALL else np.float64


def levels_of(design: Any) -> dict[int, tuple[str, ...]]:
    """The levels of the columns of X that are codes, by place."""
    from betahat.data.coded import CodedDesign

    return design.levels if isinstance(design, CodedDesign) else {}


def mean_one(weight: np.ndarray | None, which: np.ndarray) -> tuple[np.ndarray | None, float]:
    """Weights of mean 1 over the rows `which`, and the mean that they had."""
    if weight is None:
        return None, 1.0
    mean = float(weight[which].mean())
    return weight / mean, mean

"""X of users as rows for a network: checked, coded, and the units it is brought to."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import validate_data

from betahat.data.missing import unmasked
from betahat.data.source import Source
from betahat.estimators.inputs import is_frame, numbers
from betahat.estimators.rows import in_order

_SMALL = 65_536  # numbers in X up to which double precision costs nothing that is felt
_CHUNK = 1 << 20  # numbers read at once for means
_CONSTANT = 1e-14  # standard deviation, relative to the largest value, of a column that does not vary


def read_rows(estimator: Any, X: Any, reset: bool, images: bool) -> Any:
    """X of a fit: an array (n, …) of numbers, or CSR; a table's design goes to `estimator.design_`.

    reset : whether names and number of columns are learnt anew; images : whether rows may have several axes.
    """
    if isinstance(X, Source):
        raise TypeError(
            f"X is a {type(X).__name__}; networks are trained on arrays, sparse matrices and tables in memory"
        )
    if not reset:
        return new_rows(estimator, X, images)
    estimator.design_ = None
    if is_frame(X):
        from betahat.data.coded import CodedDesign

        estimator.design_, matrix = CodedDesign.learn(X)
        validate_data(estimator, X, skip_check_array=True)
        return matrix
    return _checked(estimator, X, images, reset=True)


def new_rows(estimator: Any, X: Any, images: bool, finite: bool = True) -> Any:
    """X of new rows, coded as in training. finite : whether arrays are searched for what is not."""
    design = estimator.design_
    if design is not None and is_frame(X):
        validate_data(estimator, in_order(X, design.input_names), skip_check_array=True, reset=False)
        return design.matrix(X)
    if design is not None and design.levels:
        raise TypeError(
            f"this {type(estimator).__name__} was fitted on a table with categories, its columns "
            f"{list(design.input_names)}; it needs a table with these columns, not {type(X).__name__}"
        )
    found = _checked(estimator, X, images, reset=False, finite=finite)
    shape = estimator._network.input_shape
    if found.shape[1:] != shape:
        raise ValueError(
            f"X has rows of shape {found.shape[1:]}; this network was fitted to rows of shape {shape}"
        )
    return found


def _checked(estimator: Any, X: Any, images: bool, reset: bool, finite: bool = True) -> Any:
    finite = finite or not (isinstance(X, np.ndarray) and X.dtype in (np.float64, np.float32))
    found = validate_data(
        estimator, unmasked(X), reset=reset, accept_sparse="csr", dtype="numeric", allow_nd=images,
        ensure_all_finite=finite,
    )  # fmt: skip
    return numbers(found, "X")


def precision(X: Any, asked: Any) -> Any:
    """float32 or float64: what `dtype` says, or "auto" what suits X."""
    if not (isinstance(asked, str) and asked == "auto"):
        return np.dtype(asked).type
    size = X.nnz if hasattr(X, "tocsr") else X.size
    single = X.dtype.kind == "f" and X.dtype.itemsize <= 4
    return np.float32 if single or size > _SMALL else np.float64


def units_of(
    X: Any, which: np.ndarray, weight: np.ndarray | None, coded: tuple[int, ...] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """The weighted mean and 1 / standard deviation of each column (p,), over the rows `which`; 0 and 1 for columns
    of codes, and 1 for what does not vary. Rows of several axes have those of their last one, the channels.

    Of a sparse matrix the means are 0, so that it stays sparse.
    """
    if hasattr(X, "tocsr"):
        centre, deviation = _sparse_units(X, which, weight)
    else:
        centre, deviation = _dense_units(X, which, weight)
    deviation[list(coded)] = 0.0
    centre[list(coded)] = 0.0
    scale = 1 / np.where(deviation > 0, deviation, 1.0)
    shape = X.shape[1:]
    return np.broadcast_to(centre, shape).copy(), np.broadcast_to(scale, shape).copy()


def _dense_units(X: Any, which: np.ndarray, weight: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Sums of squares about a running mean (Chan, Golub & LeVeque 1983), so that a large mean costs no digits."""
    channels = X.shape[-1]
    step = max(1, _CHUNK // max(int(np.prod(X.shape[1:])), 1))
    mass, mean, squares, largest = 0.0, np.zeros(channels), np.zeros(channels), np.zeros(channels)
    for start in range(0, len(which), step):
        rows = which[start : start + step]
        part = X[rows].astype(np.float64).reshape(-1, channels)
        w = None if weight is None else np.repeat(weight[rows], len(part) // len(rows))[:, None]
        own = float(len(part) if w is None else w.sum())
        here = _total(part, w) / own
        part -= here
        miss = (
            _total(part, w) / own
        )  # of the mean, which rounding makes where it is large beside the differences
        here, part = here + miss, part - miss
        shift = here - mean
        squares += _total(part * part, w) + shift * shift * (mass * own / (mass + own))
        mean += shift * (own / (mass + own))
        mass += own
        largest = np.maximum(largest, np.abs(here) + np.abs(part).max(axis=0))
    deviation = np.sqrt(squares / mass)
    return mean, np.where(deviation > _CONSTANT * largest, deviation, 0.0)


def _total(part: np.ndarray, w: np.ndarray | None) -> np.ndarray:
    """Σ w x over rows."""
    return np.add.reduce(part if w is None else w * part, axis=0)


def _sparse_units(X: Any, which: np.ndarray, weight: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    part = X[which].astype(np.float64)
    w = np.ones(len(which)) if weight is None else weight[which]
    w = w / w.sum()
    mean, squares = part.T @ w, part.multiply(part).T @ w
    variance = np.maximum(squares - mean * mean, 0.0)
    return np.zeros(X.shape[1]), np.where(variance > 1e-12 * squares, np.sqrt(variance), 0.0)


def mean_one(weight: np.ndarray | None, which: np.ndarray) -> tuple[np.ndarray | None, float]:
    """Weights of mean 1 over the rows `which`, and the mean that they had."""
    if weight is None:
        return None, 1.0
    mean = float(weight[which].mean())
    return weight / mean, mean

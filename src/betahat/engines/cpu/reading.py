"""Rows as compiled code reads them: checked once, since it trusts every address and code."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, final

import numpy as np

from betahat.engines.base import Rows, Task
from betahat.kernels.network import environment as of
from betahat.layers.base import Pass, size_of
from betahat.layers.columns import Columns
from betahat.losses.vector import VectorLoss

_KINDS = {np.dtype(np.float64): of.DOUBLE, np.dtype(np.float32): of.SINGLE, np.dtype(np.uint8): of.BYTE}


@final
class Reading:
    """Addresses of rows, of the types that compiled code knows; held : what they are addresses of.

    forget : called when nobody else has the rows any more, so that an engine does not keep them. targets : whether y is
    looked at.

    Raises ValueError where rows do not fit the network or the loss, DataError for codes that an Embedding does not
    take.
    """

    def __init__(
        self, task: Task, rows: Rows, targets: bool, forget: Callable[[Any], None] | None = None
    ) -> None:
        self._rows = weakref.ref(rows, forget)
        self.env, self.held = np.zeros(of.SIZE, np.int64), []
        width = size_of(task.network.input_shape)
        if hasattr(rows.X, "tocsr"):
            self._take_sparse(rows.X.tocsr())
        else:
            self._take_dense(np.asarray(rows.X))
        n = rows.X.shape[0]
        if size_of(rows.X.shape[1:]) != width:
            raise ValueError(f"X has rows of shape {rows.X.shape[1:]}; expected {task.network.input_shape}")
        _check_codes(task, rows)
        for name, values in (("centre", rows.centre), ("scale", rows.scale)):
            if values is not None and np.size(values) != width:
                raise ValueError(f"{name} has {np.size(values)} numbers; expected {width}, one a column")
        self.env[of.CENTRE], self.env[of.SCALE] = self._keep(rows.centre), self._keep(rows.scale)
        if not targets:
            return
        if rows.weight is not None and len(rows.weight) != n:
            raise ValueError(f"weight has {len(rows.weight)} numbers; expected {n}, one a row")
        y = np.asarray(rows.y, np.float64)
        y = y.reshape(len(y), -1)
        _check_targets(task, y, n)
        self.env[of.TARGETS], self.env[of.OUTPUTS] = self._keep(y), y.shape[1]
        self.env[of.WEIGHTS] = self._keep(rows.weight)

    def is_of(self, rows: Rows) -> bool:
        """Whether it is of these rows."""
        return self._rows() is rows

    def _keep(self, array: np.ndarray | None, dtype: Any = np.float64) -> int:
        if array is None:
            return 0
        self.held.append(np.ascontiguousarray(array, dtype))
        return self.held[-1].ctypes.data

    def _take_sparse(self, X: Any) -> None:
        X.check_format()  # within its shape
        env = self.env
        env[of.KIND] = of.SPARSE
        env[of.X], env[of.INDPTR] = self._keep(X.data), self._keep(X.indptr, np.int64)
        env[of.INDICES] = self._keep(X.indices, np.int64)

    def _take_dense(self, X: np.ndarray) -> None:
        X = X.reshape(len(X), -1)
        X = X.view(np.uint8) if X.dtype == bool else X
        if X.dtype not in _KINDS or not X.flags.aligned:
            X = np.ascontiguousarray(X, np.float64)
        self.held.append(X)
        env = self.env
        env[of.X], env[of.ROW], env[of.COLUMN] = X.ctypes.data, X.strides[0], X.strides[1]
        env[of.KIND] = _KINDS[X.dtype]


def _check_codes(task: Task, rows: Rows) -> None:
    """Columns that are embedded."""
    first = task.network.layers[0]
    if not isinstance(first, Columns):
        return
    for place, embedding in first.embedded:
        column = rows.X[:, [place]]
        column = np.asarray(column.toarray() if hasattr(column, "toarray") else column)[:, 0]
        embedding.codes(column.astype(np.float64, copy=False), Pass(path=f"0.column.{place}."))


def _check_targets(task: Task, y: np.ndarray, n: int) -> None:
    """One row of y a row of X, of as many targets as the loss takes; classes that there are."""
    outputs = size_of(task.network.output_shape)
    classes = isinstance(task.loss, VectorLoss)
    if y.shape != (n, 1 if classes else outputs):
        raise ValueError(f"y has shape {y.shape}; expected {(n, 1 if classes else outputs)}")
    if classes and n:
        good = (y >= 0) & (y < outputs) & (y == np.floor(y))
        if not good.all():
            row = int(np.argmin(good))
            raise ValueError(
                f"y holds {y[row, 0]:g} in row {row}; expected codes of classes, 0 to {outputs - 1}"
            )

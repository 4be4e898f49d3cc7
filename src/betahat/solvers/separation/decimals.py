"""Columns of decimals as whole numbers: 0.1, 0.2 and 0.3 lie on a line, though the doubles nearest to them do not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, final

import numpy as np

from betahat.data.source import Block, DerivedSource, Source

_ROWS = 2000  # looked at to tell how many digits a column has
_DIGITS = 9
_WHOLE = 2.0**52


def decimal_factors(source: Source) -> np.ndarray | None:
    """(p,) powers of ten, the least that make each column of a sample whole up to rounding, 1 where none does; None
    where all are 1."""
    block = source.sample(_ROWS)
    if block is None:
        return None
    factors = np.ones(block.X.shape[1])
    sparse = hasattr(block.X, "tocsc")
    X: Any = block.X.tocsc() if sparse else np.asarray(block.X)
    for j in range(len(factors)):
        column = np.asarray(X.data[X.indptr[j] : X.indptr[j + 1]] if sparse else X[:, j], np.float64)
        for digits in range(_DIGITS + 1):
            moved = column * 10.0**digits
            if not (np.abs(moved) < _WHOLE).all():
                break
            if (_whole(moved) == np.rint(moved)).all():
                factors[j] = 10.0**digits
                break
    return None if (factors == 1).all() else factors


def _whole(values: np.ndarray) -> np.ndarray:
    """Values that are whole up to rounding as whole numbers, others as they are."""
    near = np.rint(values)
    return np.where(np.abs(values - near) <= 2 * np.finfo(float).eps * np.abs(values), near, values)


@final
class DecimalSource(DerivedSource):
    """Another source with columns times powers of ten, whole numbers made exact."""

    def __init__(self, source: Source, factors: np.ndarray) -> None:
        super().__init__(source)
        self._factors = factors

    def _derive(self, block: Block) -> Block:
        if hasattr(block.X, "tocsr"):
            X = block.X.tocsr().astype(np.float64)
            X.data = _whole(X.data * self._factors[X.indices])
        else:
            X = _whole(np.asarray(block.X, np.float64) * self._factors)
        return replace(block, X=X, X_low=None)

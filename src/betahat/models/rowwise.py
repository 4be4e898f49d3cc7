"""Derivatives of a model whose every prediction depends on its own row only: all rows and parameters at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, final

import numpy as np

from betahat.autodiff.trace import Carry, Tape, Variable
from betahat.models.arguments import Arguments

_TILED = 4e6  # numbers up to which rows are repeated for the second derivatives
_FEW = 20_000  # and up to which difference quotients are quicker than a walk back
_STEP = 2.0**-26
_TOLD = 1e-12  # change of f, beside its size, from which a quotient tells some digits of a derivative
_ANSWERS = (ValueError, IndexError, TypeError)
"""What a function raises that has no use for parameters repeated for each row."""


@final
class RowWise:
    """β is handed to f as rows that repeat it for every row of X, so that ∂Σf/∂(row k) is column k of the Jacobian:
    one walk back finds it all. Carrying tangents through that walk finds the second derivatives.

    columns : whether β is repeated as columns (n, 1), for an X of shape (n, 1).
    """

    def __init__(self, f: Callable[..., Any], taken: Arguments, X: np.ndarray, columns: bool) -> None:
        self._f, self._taken, self.X, self.columns = f, taken, X, columns
        self._many: np.ndarray | None = None
        self._last: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None

    def jacobian(self, beta: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """f (n,) and ∂f/∂β (n, p); None where f is not such a function."""
        p, n = len(beta), len(self.X)
        if self._last is not None and np.array_equal(self._last[0], beta):
            return self._last[1:]
        try:
            value, *slopes = self._slopes(self.X, self._split(np.repeat(beta[:, None], n, axis=1)), None)
        except _ANSWERS:
            return None
        if np.shape(value) not in ((n,), (n, 1)):
            return None
        J = np.empty((p, n))
        at = 0
        for slope, size in zip(slopes, self._taken.sizes, strict=True):
            J[at : at + size] = slope if np.ndim(slope) == 0 else np.reshape(slope, (size, n))
            at += size
        self._last = beta.copy(), np.asarray(value, np.float64).reshape(n), J.T
        return self._last[1:]

    def values(self, beta: np.ndarray) -> np.ndarray | None:
        """f (n,) for β repeated, None where f does not take it."""
        try:
            value = self._f(
                self.X, *self._taken.build(self._split(np.repeat(beta[:, None], len(self.X), axis=1)))
            )
            return np.asarray(value, np.float64).reshape(len(self.X))
        except _ANSWERS:
            return None

    def differences(self, beta: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """The same to half the digits, by difference quotients: one call of f for rows repeated p + 1 times; None where
        these would tell nothing."""
        p, n = len(beta), len(self.X)
        if (p + 1) * self.X.size > _FEW:
            return None
        if self._many is None:
            self._many = np.concatenate([self.X] * (p + 1))
        moved = beta + np.where(beta == 0, _STEP, _STEP * np.abs(beta))
        repeated = np.repeat(beta, (p + 1) * n).reshape(p, p + 1, n)
        every = np.arange(p)
        repeated[every, every + 1] = moved[:, None]
        try:
            value = self._f(self._many, *self._taken.build(self._split(repeated.reshape(p, -1))))
            value = np.asarray(value, np.float64).reshape(p + 1, n)
        except _ANSWERS:
            return None
        rise = value[1:] - value[0]
        if not (np.abs(rise).max(axis=1) > _TOLD * np.abs(value[0]).max()).all():
            return None  # lost in the rounding of f, or no dependence at all
        return value[0], (rise / (moved - beta)[:, None]).T

    def curvature(self, beta: np.ndarray, c: np.ndarray) -> np.ndarray | None:
        """Σᵢ cᵢ ∂²f(xᵢ, β)/∂β² (p, p); None where f is not such a function, or rows are too many to repeat."""
        p, n = len(beta), len(self.X)
        if p * self.X.size > _TILED:
            return None
        rows, weights = np.concatenate([self.X] * p), np.tile(c, p)
        along = np.zeros((p, p, n))
        along[np.arange(p), np.arange(p)] = 1.0
        carry = Carry()
        parts = self._split(np.repeat(beta[:, None], p * n, axis=1))
        ways = self._split(along.reshape(p, p * n))
        try:
            moving = [carry.variable(part, way) for part, way in zip(parts, ways, strict=True)]
            _, *slopes = self._slopes(rows, moving, weights[:, None] if self.columns else weights)
        except _ANSWERS:
            return None
        H = np.zeros((p, p))
        at = 0
        for slope, size in zip(slopes, self._taken.sizes, strict=True):
            if type(slope) is Variable and slope.owner is carry:
                H[at : at + size] = np.reshape(slope.mark, (size, p, n)).sum(axis=2)
            at += size
        return (H + H.T) / 2

    def without(self, rows: np.ndarray) -> RowWise:
        """The same for the rows that are not among these."""
        return RowWise(self._f, self._taken, self.X[~rows], self.columns)

    def _slopes(self, X: np.ndarray, parts: Sequence[Any], weights: Any) -> list[Any]:
        """f, and the cotangents of the parts when f's is `weights`, or one for each row."""
        tape = Tape()
        variables = [tape.variable(part) for part in parts]
        out = self._f(X, *self._taken.build(variables))
        if not (type(out) is Variable and out.owner is tape):
            return [out, *(0.0 for _ in parts)]
        found = tape.cotangents(out, np.ones(out.shape) if weights is None else weights, len(parts))
        return [out.value, *(0.0 if part is None else part for part in found)]

    def _split(self, repeated: np.ndarray) -> list[Any]:
        """Leaves of p rows of n numbers, as columns if f takes these."""
        return self._taken.split(repeated[:, :, None] if self.columns else repeated)

"""The nonlinear model: any function f(X, β) of plain NumPy, its Jacobian and its curvature found by autodiff."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import numpy as np

from betahat.autodiff.functions import hvp, jvp
from betahat.models.arguments import Arguments
from betahat.models.rowwise import RowWise

_NEARBY = 1e-6  # relative change of a parameter that shows whether f depends on it at all
_AGREES = 1e-7  # relative difference between two ways to a directional derivative


@final
class NonlinearModel:
    """f over rows, for β (p,).

    Where each prediction depends on its own row only, as good as always, :class:`RowWise` has all derivatives from one
    walk back. Whether f is such a function is found by comparing with forward mode, which takes one run a parameter and
    is used if not.
    """

    def __init__(self, f: Callable[..., Any], taken: Arguments) -> None:
        self._f, self.taken = f, taken
        self._way: str | None = None
        self._rows: RowWise | None = None
        self.evaluations = self.jacobians = 0

    @property
    def names(self) -> tuple[str, ...]:
        """Of the p parameters."""
        return self.taken.names

    def predict(self, X: np.ndarray, beta: np.ndarray) -> np.ndarray:
        """f(X, β): (n,)."""
        return self.column(self.raw(X, beta), len(X))

    def raw(self, X: np.ndarray, beta: np.ndarray) -> Any:
        """What f gives, whatever that is."""
        self.evaluations += 1
        with np.errstate(all="ignore"):
            return self._f(X, *self._arguments(beta))

    def column(self, value: Any, n: int) -> np.ndarray:
        """What f gave as (n,) numbers, or an error that says what it gave."""
        array = np.asarray(value)
        if array.dtype.kind not in "fiub":
            raise TypeError(f"f gives {array.dtype}; expected real numbers, a prediction for each row")
        if array.shape == ():
            return np.full(n, float(array))
        if array.shape not in ((n,), (n, 1)):
            raise ValueError(
                f"f gives an array of shape {array.shape} for {n} rows; expected ({n},), a prediction for each row. "
                "X of one column given as a table is passed to f with shape (n, 1)"
            )
        return array.astype(np.float64, copy=False).reshape(n)

    def extended(self, X: np.ndarray, beta: np.ndarray) -> np.ndarray:
        """f(X, β) (n,) in the widest floats of the machine (80 bits on x86), where f lets them through."""
        self.evaluations += 1
        with np.errstate(all="ignore"):
            try:
                wide = beta.astype(np.longdouble)
                value = np.asarray(self._f(X.astype(np.longdouble), *self._arguments(wide)))
            except (TypeError, ValueError, ArithmeticError):  # f insists on float64
                return self.predict(X, beta)
        real = value.size == len(X) and value.dtype.kind == "f"
        return value.reshape(len(X)) if real else self.predict(X, beta)

    def jacobian(self, X: np.ndarray, beta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """f(X, β) (n,) and ∂f/∂β (n, p)."""
        self.jacobians += 1
        with np.errstate(all="ignore"):
            if self._way is None:
                self._way = self._first_way(X, beta)
            rows = self._row_wise(X)
            found = None if rows is None else rows.jacobian(beta)
            value, J = self._forward(X, beta) if found is None else found
            return value, self._saturated(X, beta, value, J)

    def rough_jacobian(self, X: np.ndarray, beta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same, to half the digits where that is quicker: far from a minimum they are enough."""
        with np.errstate(all="ignore"):
            if self._way is None:
                self._way = self._first_way(X, beta)
            rows = self._row_wise(X)
            found = None if rows is None else rows.differences(beta)
        if found is None:
            return self.jacobian(X, beta)
        self.evaluations += 1
        return found

    def check(self, X: np.ndarray, beta: np.ndarray, J: np.ndarray) -> bool:
        """Whether J (n, p), found at β, is forward mode's along some direction; if not, that is taken from now on."""
        if self._way in (None, "forward"):
            return True
        direction = np.cos(1.0 + np.arange(len(beta))) * np.where(beta == 0, 1.0, np.abs(beta))
        with np.errstate(all="ignore"):
            slope = self.column(jvp(lambda b: self._f(X, *self._arguments(b)), beta, direction)[1], len(X))
            known = ~np.isnan(slope)  # or saturated, see there
            if _alike((J @ direction)[known], slope[known], (np.abs(J) @ np.abs(direction))[known]):
                return True
        self._way = "forward"
        return False

    def curvature(self, X: np.ndarray, beta: np.ndarray, c: np.ndarray) -> np.ndarray:
        """Σᵢ cᵢ ∂²f(xᵢ, β)/∂β² (p, p)."""
        p = len(beta)
        with np.errstate(all="ignore"):
            rows = self._row_wise(X)
            found = None if rows is None else rows.curvature(beta, c)
            if rows is not None and found is not None and not np.isfinite(found).all():
                found = self._curvature_elsewhere(rows, X, beta, c, found)
            if found is not None:
                return found

            def total(point: Any) -> Any:
                out = self._f(X, *self._arguments(point))
                return np.sum(np.reshape(out, (-1,)) * c)

            H = np.stack([hvp(total, beta, unit) for unit in np.eye(p)], 1)
        return (H + H.T) / 2

    def linear_parameters(self, X: np.ndarray, beta: np.ndarray) -> tuple[int, ...]:
        """Parameters in which f is affine, all of them at once: a change of them leaves their columns as they are.

        Found at β, and so by trial: a function that only behaves so near β is taken for one that is, but not one that
        does not change with the parameter there at all.
        """
        _, J = self.jacobian(X, beta)
        found: list[int] = []
        for j in np.flatnonzero(J.any(axis=0)).tolist():
            trial = [*found, j]
            moved = beta.copy()
            moved[trial] = moved[trial] * (1.5 + 0.4 * np.cos(np.arange(len(trial)))) + (moved[trial] == 0)
            columns = self.jacobian(X, moved)[1][:, trial]
            if np.isfinite(columns).all() and _alike(columns, J[:, trial], np.abs(J[:, trial])):
                found = trial
        return tuple(found)

    def forget(self) -> None:
        """Let go of the rows that derivatives were last taken for."""
        self._rows = None

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_rows": None}

    # the ways to a derivative ----------------------------------------------------------------------------------------

    def _arguments(self, beta: Any) -> tuple[Any, ...]:
        return self.taken.build(self.taken.split(beta))

    def _first_way(self, X: np.ndarray, beta: np.ndarray) -> str:
        """The first way that gives f's values; whether its derivatives are right `check` tells at the end."""
        value = self.column(self._f(X, *self._arguments(beta)), len(X))
        for way in ("rows", "columns"):
            found = RowWise(self._f, self.taken, X, way == "columns").values(beta)
            if found is not None and _alike(found, value, np.abs(value)):
                return way
        return "forward"

    def _row_wise(self, X: np.ndarray) -> RowWise | None:
        """All derivatives at once for these rows, None where f does not allow that."""
        if self._way in (None, "forward"):
            return None
        columns = self._way == "columns"
        if self._rows is None or self._rows.X is not X or self._rows.columns != columns:
            self._rows = RowWise(self._f, self.taken, X, columns)
        return self._rows

    def _saturated(self, X: np.ndarray, beta: np.ndarray, value: np.ndarray, J: np.ndarray) -> np.ndarray:
        """J with 0 for NaN where f does not change with the parameter in any digit.

        1/(1 + exp(b)) is 0 once exp(b) is infinite, and its derivative by the chain rule 0 · ∞.
        """
        unknown = np.isnan(J) & np.isfinite(value)[:, None]
        if not unknown.any():
            return J
        J = J.copy()
        for k in np.flatnonzero(unknown.any(axis=0)):
            still = unknown[:, k]
            for sign in (1.0, -1.0):
                moved = beta.copy()
                moved[k] += sign * _NEARBY * (abs(beta[k]) or 1.0)
                still = still & (self.predict(X, moved) == value)
            J[still, k] = 0.0
        return J

    def _curvature_elsewhere(
        self, rows: RowWise, X: np.ndarray, beta: np.ndarray, c: np.ndarray, found: np.ndarray
    ) -> np.ndarray | None:
        """The same without the rows in which f is saturated."""
        raw = rows.jacobian(beta)
        if raw is None:
            return found
        value, J = raw
        unknown = np.isnan(J).any(axis=1)
        if not unknown.any() or not np.isfinite(self._saturated(X, beta, value, J)[unknown]).all():
            return found
        return RowWise(self._f, self.taken, X[~unknown], rows.columns).curvature(beta, c[~unknown])

    def _forward(self, X: np.ndarray, beta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """One run of f for each parameter, carrying its tangent along."""

        def f(b: Any) -> Any:
            return self._f(X, *self._arguments(b))

        J, value = np.zeros((len(X), len(beta))), np.zeros(len(X))
        for k, unit in enumerate(np.eye(len(beta))):
            value, slope = (self.column(part, len(X)) for part in jvp(f, np.asarray(beta), unit))
            J[:, k] = slope
        return value, J


def _alike(a: np.ndarray, b: np.ndarray, size: np.ndarray) -> bool:
    """Equal up to rounding, NaN and infinities in the same places."""
    finite = np.isfinite(b)
    if not np.array_equal(finite, np.isfinite(a)):
        return False
    return bool((np.abs(a - b)[finite] <= _AGREES * size[finite] + 1e-300).all())

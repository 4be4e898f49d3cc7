"""The nonlinear model: any function f(X, β) of plain NumPy, with its Jacobian and its curvature."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import numpy as np

from betahat.autodiff.functions import hvp, jvp
from betahat.kernels.running import at_hand, spend
from betahat.models.arguments import Arguments
from betahat.models.formula import Formula
from betahat.models.rowwise import RowWise
from betahat.models.symbols import traced

_NEARBY = 1e-6  # relative change of a parameter that shows whether f depends on it at all
_AGREES = 1e-7  # relative difference between two ways to a directional derivative


@final
class NonlinearModel:
    """f over rows, for β (p,).

    Where each prediction depends on its own row only, as good as always, :class:`RowWise` has all derivatives by
    autodiff from one walk back. Whether f is such a function is found by comparing with forward mode, which takes one
    run a parameter and is used if not. Once a process has compiled kernels at hand (:mod:`betahat.kernels.running`),
    functions that are a :class:`Formula` are computed by these. Its values are compared with f's where a descent begins
    and ends; the two ways may differ in the last bits.
    """

    def __init__(self, f: Callable[..., Any], taken: Arguments) -> None:
        self._f, self.taken = f, taken
        self._way: str | None = None
        self._rows: RowWise | Formula | None = None
        self._formula = True
        """Whether f may still be one."""
        self._raw: tuple[Any, bytes, Any] | None = None
        self._wide: tuple[Any, bytes, np.ndarray] | None = None
        self._wide_X: tuple[np.ndarray, np.ndarray] | None = None
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
            value = self._f(X, *self._arguments(beta))
        self._raw = X, beta.tobytes(), value
        return value

    def values(self, X: np.ndarray, beta: np.ndarray) -> np.ndarray:
        """f(X, β) (n,) on the way of a descent, where it may be taken from the formula."""
        formula = self.formula(X, beta)
        if formula is None:
            return self.predict(X, beta)
        self.evaluations += 1
        return formula.values(beta)

    def formula(self, X: np.ndarray, beta: np.ndarray, advancing: bool = False) -> Formula | None:
        """f over these rows as a formula, if it is one and kernels are at hand; if its `advance` from β comes next,
        that says whether it is."""
        rows = self._row_wise(X, beta, advancing)
        return rows if type(rows) is Formula else None

    def misread(self) -> None:
        """f is no formula after all."""
        self._formula, self._rows = False, None

    def column(self, value: Any, n: int) -> np.ndarray:
        """What f gave as (n,) numbers, or an error that says what it gave."""
        array = np.asarray(value)
        if array.dtype == np.float64 and array.shape == (n,):
            return array
        if array.dtype.kind not in "fiub":
            raise TypeError(f"f gives {array.dtype}; expected real numbers, a prediction for each row")
        if array.size == 1:
            return np.full(n, float(array.reshape(())))
        if array.shape not in ((n,), (n, 1)):
            raise ValueError(
                f"f gives an array of shape {array.shape} for {n} rows; expected ({n},), a prediction for each row. "
                "X of one column given as a table is passed to f with shape (n, 1)"
            )
        return array.astype(np.float64, copy=False).reshape(n)

    def extended(self, X: np.ndarray, beta: np.ndarray) -> np.ndarray:
        """f(X, β) (n,) in the widest floats of the machine (80 bits on x86), where f lets them through."""
        if self._wide is not None and self._wide[0] is X and self._wide[1] == beta.tobytes():
            return self._wide[2]
        self.evaluations += 1
        with np.errstate(all="ignore"):
            try:
                if self._wide_X is None or self._wide_X[0] is not X:
                    self._wide_X = X, X.astype(np.longdouble)
                    self._wide_X[1].flags.writeable = False  # as X is
                wide = beta.astype(np.longdouble)
                value = np.asarray(self._f(self._wide_X[1], *self._arguments(wide)))
            except (TypeError, ValueError, ArithmeticError):  # f insists on float64
                return self.predict(X, beta)
        real = value.size == len(X) and value.dtype.kind == "f"
        value = value.reshape(len(X)) if real else self.predict(X, beta)
        self._wide = X, beta.tobytes(), value
        return value

    def jacobian(self, X: np.ndarray, beta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """f(X, β) (n,) and ∂f/∂β (n, p)."""
        self.jacobians += 1
        with np.errstate(all="ignore"):
            rows = self._row_wise(X, beta)
            found = None if rows is None else rows.jacobian(beta)
            value, J = self._forward(X, beta) if found is None else found
            return value, self._saturated(X, beta, value, J)

    def rough_jacobian(self, X: np.ndarray, beta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same, to half the digits where that is quicker: far from a minimum they are enough."""
        with np.errstate(all="ignore"):
            rows = self._row_wise(X, beta)
            found = None if rows is None else rows.differences(beta)
        if found is None:
            return self.jacobian(X, beta)
        self.evaluations += 1
        return found

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

    def check(self, X: np.ndarray, beta: np.ndarray, J: np.ndarray) -> bool:
        """Whether J (n, p), found at β, is right; if not, another way is taken from now on. That of a formula is where
        the formula has f's values; else it must be forward mode's along some direction."""
        rows = self._rows
        if type(rows) is Formula and rows.X is X:
            if rows.agrees(beta, np.asarray(self.extended(X, beta), np.float64)):
                return True
            self.misread()
            return False
        if self._way in (None, "forward"):
            return True
        direction = np.cos(1.0 + np.arange(len(beta))) * np.where(beta == 0, 1.0, np.abs(beta))
        with np.errstate(all="ignore"):
            slope = self.column(jvp(lambda b: self._f(X, *self._arguments(b)), beta, direction)[1], len(X))
            known = ~np.isnan(slope)  # or saturated, see there
            if _alike((J @ direction)[known], slope[known], (np.abs(J) @ np.abs(direction))[known]):
                return True
        self._way, self._rows = "forward", None
        return False

    def curvature(self, X: np.ndarray, beta: np.ndarray, c: np.ndarray) -> np.ndarray:
        """Σᵢ cᵢ ∂²f(xᵢ, β)/∂β² (p, p)."""
        p = len(beta)
        with np.errstate(all="ignore"):
            rows = self._row_wise(X, beta)
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
        self._rows = self._raw = self._wide = self._wide_X = None

    def tell(self, X: np.ndarray) -> None:
        """Take down the work of a fit to these rows, if a formula would have saved it."""
        if self._formula and type(self._rows) is not Formula and traced(self._f, self.taken, X) is not None:
            spend(self.evaluations + self.jacobians, len(X))

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_rows": None, "_raw": None, "_wide": None, "_wide_X": None}

    # the ways to a derivative ----------------------------------------------------------------------------------------

    def _arguments(self, beta: Any) -> tuple[Any, ...]:
        return self.taken.build(self.taken.split(beta))

    def _first_way(self, X: np.ndarray, beta: np.ndarray, value: np.ndarray) -> str:
        """The first way by autodiff that gives f's values; whether its derivatives are right `check` tells later."""
        for way in ("rows", "columns"):
            found = RowWise(self._f, self.taken, X, way == "columns").values(beta)
            if found is not None and _alike(found, value, np.abs(value)):
                return way
        return "forward"

    def _row_wise(self, X: np.ndarray, beta: np.ndarray, advancing: bool = False) -> RowWise | Formula | None:
        """All derivatives at once for these rows, None where f does not allow that."""
        if self._rows is not None and self._rows.X is X:
            return self._rows
        if self._formula and at_hand():
            self._rows = Formula.of(self._f, self.taken, X, beta, self._value(X, beta), advancing)
            self._formula = self._rows is not None
            if self._rows is not None:
                return self._rows
        if self._way is None:
            self._way = self._first_way(X, beta, self._value(X, beta))
        self._rows = (
            None if self._way == "forward" else RowWise(self._f, self.taken, X, self._way == "columns")
        )
        return self._rows

    def _value(self, X: np.ndarray, beta: np.ndarray) -> np.ndarray:
        """f(X, β) (n,), which may be known already."""
        raw = self._raw
        if raw is not None and raw[0] is X and raw[1] == beta.tobytes():
            return self.column(raw[2], len(X))
        with np.errstate(all="ignore"):
            return self.column(self._f(X, *self._arguments(beta)), len(X))

    def _curvature_elsewhere(
        self, rows: RowWise | Formula, X: np.ndarray, beta: np.ndarray, c: np.ndarray, found: np.ndarray
    ) -> np.ndarray | None:
        """The same without the rows in which f is saturated."""
        raw = rows.jacobian(beta)
        if raw is None:
            return found
        value, J = raw
        unknown = np.isnan(J).any(axis=1)
        if not unknown.any() or not np.isfinite(self._saturated(X, beta, value, J)[unknown]).all():
            return found
        return rows.without(np.asarray(unknown)).curvature(beta, c[~unknown])

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

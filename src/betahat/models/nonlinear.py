"""The nonlinear model: any function f(X, β) of plain NumPy, its Jacobian and its curvature found by autodiff."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import numpy as np

from betahat.autodiff.functions import hvp, jvp
from betahat.autodiff.trace import Tape, Variable, untraced
from betahat.models.arguments import Arguments

_AGREES = 1e-7  # relative difference between two ways to a directional derivative
_TILED = 4e6  # numbers up to which rows are repeated for the second derivatives


@final
class NonlinearModel:
    """f over rows, for β (p,).

    Where each prediction depends on its own row only, as good as always, all of the Jacobian comes from one walk back:
    β is handed to f as a column that repeats it for every row, and ∂Σf/∂(column k) is the Jacobian's column k. Whether
    f is such a function is found by comparing with forward mode, which takes one run a parameter and is used if not.
    """

    def __init__(self, f: Callable[..., Any], taken: Arguments) -> None:
        self._f, self.taken = f, taken
        self._way: str | None = None
        self.evaluations = self.jacobians = 0

    @property
    def names(self) -> tuple[str, ...]:
        """Of the p parameters."""
        return self.taken.names

    def predict(self, X: np.ndarray, beta: np.ndarray) -> np.ndarray:
        """f(X, β): (n,)."""
        self.evaluations += 1
        with np.errstate(all="ignore"):
            return self._column(self._f(X, *self.taken.build(self.taken.split(beta))), len(X))

    def extended(self, X: np.ndarray, beta: np.ndarray) -> np.ndarray:
        """f(X, β) (n,) in the widest floats of the machine (80 bits on x86), where f lets them through."""
        self.evaluations += 1
        with np.errstate(all="ignore"):
            try:
                wide = beta.astype(np.longdouble)
                value = np.asarray(
                    self._f(X.astype(np.longdouble), *self.taken.build(self.taken.split(wide)))
                )
            except (TypeError, ValueError):  # f insists on float64
                return self.predict(X, beta)
        return value.reshape(len(X)) if value.size == len(X) else self.predict(X, beta)

    def jacobian(self, X: np.ndarray, beta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """f(X, β) (n,) and ∂f/∂β (n, p)."""
        self.jacobians += 1
        with np.errstate(all="ignore"):
            if self._way is None:
                self._choose(X, beta)
            if self._way != "forward":
                found = self._by_rows(X, beta, self._way == "columns")
                if found is not None:
                    return found
            return self._forward(X, beta)

    def check(self, X: np.ndarray, beta: np.ndarray) -> bool:
        """Whether the way to the Jacobian chosen at the start is right at β too; if not, a right one is taken on."""
        before = self._way
        with np.errstate(all="ignore"):
            self._choose(X, beta)
        return before in (None, self._way)

    def curvature(self, X: np.ndarray, beta: np.ndarray, c: np.ndarray) -> np.ndarray:
        """Σᵢ cᵢ ∂²f(xᵢ, β)/∂β² (p, p)."""
        p = len(beta)
        with np.errstate(all="ignore"):
            if self._way in ("rows", "columns") and p * X.size <= _TILED:
                found = self._tiled(X, beta, c)
                if found is not None:
                    return found

            def total(point: Any) -> Any:
                out = self._f(X, *self.taken.build(self.taken.split(point)))
                return np.sum(np.reshape(out, (-1,)) * c)

            H = np.stack([hvp(total, beta, unit) for unit in np.eye(p)], 1)
        return (H + H.T) / 2

    def linear_parameters(self, X: np.ndarray, beta: np.ndarray) -> tuple[int, ...]:
        """Parameters in which f is affine, all of them at once: a change of them leaves their columns as they are.

        Found at β, and so by trial: a function that only behaves so near β is taken for one that is.
        """
        _, J = self.jacobian(X, beta)
        found: list[int] = []
        for j in range(len(beta)):
            trial = [*found, j]
            moved = beta.copy()
            moved[trial] = moved[trial] * (1.5 + 0.4 * np.cos(np.arange(len(trial)))) + (moved[trial] == 0)
            columns = self.jacobian(X, moved)[1][:, trial]
            if np.isfinite(columns).all() and _alike(columns, J[:, trial], np.abs(J[:, trial])):
                found = trial
        return tuple(found)

    # the ways to a derivative ----------------------------------------------------------------------------------------

    def _choose(self, X: np.ndarray, beta: np.ndarray) -> None:
        """The first way whose values and derivative along some direction are forward mode's."""
        direction = np.cos(1.0 + np.arange(len(beta))) * np.where(beta == 0, 1.0, np.abs(beta))
        value, slope = jvp(
            lambda b: self._f(X, *self.taken.build(self.taken.split(b))), np.asarray(beta), direction
        )
        value, slope = self._column(value, len(X)), self._column(slope, len(X))
        for way in ("rows", "columns"):
            found = self._by_rows(X, beta, way == "columns")
            if found is not None and _alike(found[0], value, np.abs(value)):
                J = found[1]
                if _alike(J @ direction, slope, np.abs(J) @ np.abs(direction)):
                    self._way = way
                    return
        self._way = "forward"

    def _by_rows(
        self, X: np.ndarray, beta: np.ndarray, columns: bool
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """One walk back with β repeated for each row, None where f has no use for such a β."""
        n = len(X)
        tape = Tape()
        parts = [tape.variable(part) for part in self.taken.split(_repeated(beta, n, columns))]
        try:
            out = self._f(X, *self.taken.build(parts))
        except (ValueError, IndexError, TypeError):
            return None
        own = type(out) is Variable and out.owner is tape
        value = out.value if own else out
        if np.shape(value) not in ((n,), (n, 1)):
            return None
        J = np.zeros((len(beta), n))
        if own:
            at = 0
            for part, shape in zip(
                tape.cotangents(out, np.ones(np.shape(value)), len(parts)), self.taken.shapes, strict=True
            ):
                size = int(np.prod(shape))
                if part is not None:
                    J[at : at + size] = np.reshape(part, (size, n))
                at += size
        return np.asarray(value, np.float64).reshape(n), J.T

    def _forward(self, X: np.ndarray, beta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """One run of f for each parameter, carrying its tangent along."""

        def f(b: Any) -> Any:
            return self._f(X, *self.taken.build(self.taken.split(b)))

        J, value = np.zeros((len(X), len(beta))), np.zeros(len(X))
        for k, unit in enumerate(np.eye(len(beta))):
            value, slope = (self._column(part, len(X)) for part in jvp(f, np.asarray(beta), unit))
            J[:, k] = slope
        return value, J

    def _tiled(self, X: np.ndarray, beta: np.ndarray, c: np.ndarray) -> np.ndarray | None:
        """All second derivatives by one forward run over one walk back, the rows repeated for each direction."""
        n, p = len(X), len(beta)
        rows = np.concatenate([X] * p)
        columns = self._way == "columns"
        at = _repeated(beta, n * p, columns)
        along = np.zeros((p, p, n))
        along[np.arange(p), np.arange(p)] = 1.0
        weights = np.tile(c, p)

        def slopes(point: Any) -> Any:
            tape = Tape()
            parts = [tape.variable(part) for part in self.taken.split(point)]
            out = self._f(rows, *self.taken.build(parts))
            if not (type(out) is Variable and out.owner is tape):
                return np.zeros((p, n * p))
            cotangents = tape.cotangents(out, np.reshape(weights, np.shape(untraced(out))), len(parts))
            flat = [
                np.zeros((int(np.prod(shape)), n * p))
                if part is None
                else np.reshape(part, (int(np.prod(shape)), n * p))
                for part, shape in zip(cotangents, self.taken.shapes, strict=True)
            ]
            return np.concatenate(flat)

        try:
            second = jvp(slopes, at, along.reshape(at.shape))[1]
        except (ValueError, IndexError, TypeError):
            return None
        H = np.asarray(second).reshape(p, p, n).sum(axis=2)
        return (H + H.T) / 2

    def _column(self, value: Any, n: int) -> np.ndarray:
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


def _repeated(beta: np.ndarray, n: int, columns: bool) -> np.ndarray:
    """β (p,) once for each row: (p, n), or (p, n, 1)."""
    repeated = np.repeat(beta[:, None], n, axis=1)
    return repeated[:, :, None] if columns else repeated


def _alike(a: np.ndarray, b: np.ndarray, size: np.ndarray) -> bool:
    """Equal up to rounding, NaN and infinities in the same places."""
    finite = np.isfinite(b)
    if not np.array_equal(finite, np.isfinite(a)):
        return False
    return bool((np.abs(a - b)[finite] <= _AGREES * size[finite] + 1e-300).all())

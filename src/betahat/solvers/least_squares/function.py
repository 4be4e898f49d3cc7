"""Any function that gives residuals, in plain NumPy, as a sum of squares: its derivatives are found by autodiff."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import numpy as np

from betahat.models.arguments import Arguments
from betahat.models.nonlinear import NonlinearModel
from betahat.solvers.descent.box import Box
from betahat.solvers.descent.function import flattened
from betahat.solvers.least_squares.problem import SumOfSquares, half_square


@final
class ResidualsProblem(SumOfSquares):
    """½ Σ rᵢ(x)² for `function` of a container in the form of the start, giving an array, or a list of arrays and
    numbers, which are taken one after the other."""

    def __init__(self, function: Callable[[Any], Any], start: Any, box: Box | None) -> None:
        self.start = flattened(start)[0]
        self.box = box
        names = tuple(f"x[{k}]" for k in range(len(self.start)))
        taken = Arguments((start,), names)
        self._model = NonlinearModel(lambda rows, *x: _counted(function(*x), len(rows)), taken)
        with np.errstate(all="ignore"):
            first = np.asarray(_flat(function(self.form(self.start))))
        if first.dtype.kind not in "fiub":
            raise TypeError(f"residuals gives {first.dtype}; expected real numbers")
        if not first.size:
            raise ValueError("residuals gives no number; a sum of squares needs one at least")
        _refuse_lost_squares(first)
        self._rows = np.zeros((first.size, 0))

    def form(self, x: np.ndarray) -> Any:
        return self._model.taken.build(self._model.taken.split(x))[0]

    def residuals(self, x: np.ndarray) -> np.ndarray:
        self.evaluations += 1
        r = self._model.predict(self._rows, x)
        self._remember(x, r, None)
        return r

    def precise_residuals(self, x: np.ndarray) -> np.ndarray:
        self.evaluations += 1
        return np.asarray(self._model.extended(self._rows, x), np.float64)

    def linearised(self, x: np.ndarray, rough: bool = False) -> tuple[np.ndarray, np.ndarray]:
        self.evaluations += 1
        self.gradients += 1
        r, J = self._model.jacobian(self._rows, x)
        self._remember(x, r, r @ J)
        return r, J

    def bend(self, x: np.ndarray, c: np.ndarray) -> np.ndarray:
        self.products += self.n
        return self._model.curvature(self._rows, x, c)

    def check(self, x: np.ndarray) -> bool:
        """Whether the Jacobian at x is right, from now on at least."""
        return self._model.check(self._rows, x, self._model.jacobian(self._rows, x)[1])

    def _remember(self, x: np.ndarray, r: np.ndarray, gradient: np.ndarray | None) -> None:
        value = half_square(r)
        if not np.isfinite(value):
            self.undefined += 1
        elif gradient is not None and (self.best is None or value < self.best[0]):
            self.best = value, x.copy(), gradient


def _counted(value: Any, m: int) -> Any:
    """The value as (m,) residuals; ValueError for another number of them than at the start."""
    r = _flat(value)
    if r.shape != (m,):
        raise ValueError(
            f"residuals gives {r.shape[0]} numbers, and gave {m} at the start; their number must not change"
        )
    return r


def _refuse_lost_squares(r: np.ndarray) -> None:
    """ValueError where residuals are not zero and their squares are, so that any point would seem a minimum."""
    largest = float(np.abs(r.astype(np.float64)).max())
    if largest > 0 and largest * largest == 0:
        raise ValueError(
            f"residuals are at most {largest:.3g} at the start, and the squares of such numbers are zero in double "
            "precision; multiply them by a power of ten"
        )


def _flat(value: Any) -> Any:
    """Residuals as one array (m,)."""
    if isinstance(value, (list, tuple)):
        return np.concatenate([np.ravel(part) for part in value]) if value else np.zeros(0)
    if value is None or isinstance(value, (dict, str)):
        raise TypeError(f"residuals gives {type(value).__name__}; expected an array (is a `return` missing?)")
    return np.ravel(value)

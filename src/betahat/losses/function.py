"""Any function of (y, prediction) as a loss: its derivatives are found by autodiff."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from betahat.autodiff import check_gradient, jvp
from betahat.autodiff.naming import qualified_name
from betahat.errors import DerivativeError
from betahat.losses.base import Loss

_CHECKED = 5  # rows on which a function is tried
_TIMES = 1e-12  # relative difference that rounding may make between a row alone and among others


@final
@dataclass(frozen=True)
class FunctionLoss(Loss):
    """L(y, f) = `function(y, f)`, elementwise in plain NumPy: row i of the result depends on row i of y and f only.

    L' is found by forward mode, L'' by forward over forward. convex : whether you know that L'' is nowhere negative;
    it makes a certificate say "global minimum" where it would say "local minimum", and it is checked where the Hessian
    is computed. largest_curvature : a bound on |L''| where you know one.

    >>> import numpy as np
    >>> logcosh = FunctionLoss(lambda y, f: np.log(np.cosh(f - y)), convex=True, largest_curvature=1.0)
    >>> logcosh.first_derivative(np.zeros(2), np.array([0.0, 1.0])).round(6)
    array([0.      , 0.761594])
    """

    function: Callable[[np.ndarray, np.ndarray], Any]
    convex: bool = False
    largest_curvature: float | None = None

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise TypeError(
                f"function (={self.function!r}) must be a function of (y, prediction) in plain NumPy"
            )

    @property
    def name(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        return qualified_name(self.function)

    @property
    def formula(self) -> str:
        return f"{getattr(self.function, '__name__', 'L')}(y, f)"

    def __repr__(self) -> str:
        return self.name if not self.convex else f"FunctionLoss({self.name}, convex=True)"

    def value(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        return self._shaped(self.function(y, f), f)

    def first_derivative(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        return self._shaped(jvp(lambda at: self.function(y, at), f, np.ones_like(f))[1], f)

    def second_derivative(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        ones = np.ones_like(f)
        return self._shaped(jvp(lambda at: jvp(lambda x: self.function(y, x), at, ones)[1], f, ones)[1], f)

    def _shaped(self, values: Any, f: np.ndarray) -> np.ndarray:
        if np.shape(values) != np.shape(f):
            raise ValueError(
                f"the loss {self.name} gives shape {np.shape(values)} for predictions of shape {np.shape(f)}; it must "
                "give one number for each row (betahat takes their mean)"
            )
        return np.asarray(values, np.float64)

    def check(self, y: np.ndarray, f: np.ndarray) -> None:
        """That rows do not depend on one another, and that derivatives agree with difference quotients.

        Raises ValueError where the function is not elementwise or not finite, DerivativeError for wrong derivatives.
        """
        rows = np.unique(np.linspace(0, len(y) - 1, _CHECKED).astype(np.intp)) if len(y) else []
        try:
            whole = self.value(y, f)
        except TypeError as error:
            raise TypeError(
                f"the loss {self.name} fails for y and predictions of shape {np.shape(y)}: {error}. It is called as "
                "loss(y, prediction), with arrays of floats"
            ) from error
        alone = []
        for i in rows:
            try:
                alone.append(float(self.value(y[i : i + 1], f[i : i + 1])[0]))
            except (ValueError, IndexError) as error:
                raise ValueError(f"{self._not_elementwise()}; for a row alone it fails: {error}") from error
        size = float(np.abs(whole[rows]).max(initial=0))
        if not np.isfinite(whole).all():
            i = int(np.argmin(np.isfinite(whole)))
            raise ValueError(
                f"the loss {self.name} is {whole[i]:g} at y = {y[i]:g}, prediction {f[i]:g}, where the descent begins; "
                "usual causes: a logarithm or root of a negative number, or a prediction outside what it is made for"
            )
        if (np.abs(whole[rows] - alone) > _TIMES * size).any():
            raise ValueError(self._not_elementwise())
        self._check_derivatives(y[rows], f[rows])

    def _not_elementwise(self) -> str:
        return (
            f"the loss {self.name} gives a row another value when other rows come with it; it must be elementwise: "
            "no mean, sum or sorting over rows, and no array of the caller's with one number for each row (weights "
            "are sample_weight)"
        )

    def _check_derivatives(self, y: np.ndarray, f: np.ndarray) -> None:
        """Refused if most rows disagree: one may lie on a kink."""
        unit = float(np.abs(np.concatenate([y, f])).max(initial=0)) or 1.0
        wrong = []
        for yi, fi in zip(y, f, strict=True):
            y_row, here = (
                np.array([yi]),
                np.array([fi / unit + 1e-3]),
            )  # off the data, where kinks tend to lie
            size = abs(float(self.value(y_row, here * unit)[0])) or 1.0

            def along(x: Any, y_row: np.ndarray = y_row, size: float = size) -> Any:
                return np.sum(self.function(y_row, x * unit)) / size

            def slope(x: Any, y_row: np.ndarray = y_row, size: float = size) -> np.ndarray:
                return self.first_derivative(y_row, x * unit) * (unit / size)

            with np.errstate(all="ignore"):
                found = check_gradient(along, here, gradient=slope, tolerance=1e-4)
            if not found and np.isfinite(found.difference_quotient):
                wrong.append(found)
        if len(wrong) > len(y) // 2:
            raise DerivativeError(
                f"the derivative of the loss {self.name} disagrees with difference quotients: {wrong[0]}. Usual "
                "causes: a rule entered with a wrong derivative, or a function that is constant almost everywhere"
            )

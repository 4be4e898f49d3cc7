"""A model read as a formula: values and all derivatives from compiled code, where f is what it was traced to be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import numpy as np

from betahat.kernels.program import Program, program
from betahat.kernels.running import Assessed, Running, at_hand
from betahat.models.arguments import Arguments
from betahat.models.symbols import traced

_UNITS = 16 * float(np.finfo(np.float64).eps)
"""By how much a function of NumPy's and the compiled one may differ, with what follows from it (theirs are right to 4
units in the last place)."""
_KNOWN = np.empty(0)


@final
class Formula:
    """f over rows X as a straight-line program."""

    def __init__(self, X: np.ndarray, code: Program) -> None:
        self.X, self._run = X, Running(code)
        self._last: tuple[bytes, np.ndarray, np.ndarray] | None = None
        self._agreed: tuple[bytes, bool] | None = None
        self._unproved = _KNOWN
        """f's value where the first `advance` begins, which is to see whether that is the formula's."""

    @classmethod
    def of(
        cls, f: Callable[..., Any], taken: Arguments, X: np.ndarray, beta: np.ndarray, value: np.ndarray,
        advancing: bool = False,
    ) -> Formula | None:  # fmt: skip
        """None where f is no such formula, does not have the same `value` (n,) at β, or kernels are not at hand.

        advancing : whether `advance` comes next, from β; then that compares values.
        """
        code = traced(f, taken, X) if at_hand() else None
        if code is None:
            return None
        formula = cls(X, code)
        if advancing:
            formula._unproved = value
            return formula
        return formula if formula.agrees(beta, value) else None

    def agrees(self, beta: np.ndarray, value: np.ndarray) -> bool:
        """Whether f's `value` at β is the formula's, but for rounding: as much as its operations can make of it."""
        if self._agreed is not None and self._agreed[0] == beta.tobytes():
            return self._agreed[1]
        reach = np.empty(len(self.X))
        mine, J = self._run.jacobian(beta, reach)
        self._last = beta.tobytes(), mine, J
        gap = np.abs(value - mine) <= _UNITS * reach
        return bool(gap.all()) or bool((gap | ~(np.isfinite(value) | np.isfinite(mine))).all())

    def values(self, beta: np.ndarray) -> np.ndarray:
        """f (n,)."""
        return self._run.values(beta)

    def jacobian(self, beta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """f (n,) and ∂f/∂β (n, p)."""
        if self._last is None or self._last[0] != beta.tobytes():
            self._last = beta.tobytes(), *self._run.jacobian(beta)
        return self._last[1:]

    differences = jacobian

    def curvature(self, beta: np.ndarray, c: np.ndarray) -> np.ndarray:
        """Σᵢ cᵢ ∂²f(xᵢ, β)/∂β² (p, p)."""
        return self._run.curvature(beta, c)

    def without(self, rows: np.ndarray) -> Formula:
        """The same for the rows that are not among these."""
        code = self._run.program
        columns = np.ascontiguousarray(code.columns[:, ~rows])
        return Formula(
            self.X[~rows], program(code.size, code.constants, columns, code.operations.tolist(), code.result)
        )

    def advance(
        self, y: np.ndarray, root: np.ndarray, settings: tuple[float, ...], most: int, x: np.ndarray,
        gradient: np.ndarray, unit: np.ndarray, numbers: np.ndarray,
    ) -> np.ndarray | None:  # fmt: skip
        """See :meth:`betahat.kernels.running.Running.advance`."""
        value, self._unproved = self._unproved, _KNOWN
        return self._run.advance(y, root, value, (*settings, _UNITS), most, x, gradient, unit, numbers)

    def newton(
        self, root: np.ndarray, r: np.ndarray, safe: float, eps: float, x: np.ndarray
    ) -> tuple[float, np.ndarray, np.ndarray]:
        """See :meth:`betahat.kernels.running.Running.newton`."""
        size, gradient, step, f, J = self._run.newton(root, r, safe, eps, x)
        self._last = x.tobytes(), f, J
        return size, gradient, step

    def assess(
        self, beta: np.ndarray, f: np.ndarray, residual: np.ndarray, share: np.ndarray, digits: float,
        vanishing: float, tolerance: float,
    ) -> Assessed:  # fmt: skip
        """See :meth:`betahat.kernels.running.Running.assess`."""
        found = self._run.assess(beta, f, residual, share, digits, vanishing, _UNITS, tolerance)
        self._agreed = beta.tobytes(), found.agrees
        return found

    @property
    def work(self) -> int:
        """Operations in one evaluation."""
        return self._run.program.work

"""A nonlinear model over rows as a problem to descend on: a sum of squares, or any loss with any penalty."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple, final

import numpy as np

from betahat.certificate import EPS, RELATIVE_TOLERANCE
from betahat.kernels.running import Assessed
from betahat.losses import Loss
from betahat.models.formula import Formula
from betahat.models.nonlinear import NonlinearModel
from betahat.penalties import Penalty
from betahat.solvers.descent.box import Box
from betahat.solvers.descent.problem import Problem
from betahat.solvers.least_squares.problem import Compiled, SumOfSquares

VANISHING = float(np.sqrt(np.finfo(np.float64).tiny))
"""Residuals below have squares of zero."""
_WIDE = float(np.finfo(np.longdouble).eps)
_STRIDE = 2_000_000  # operations on numbers between two looks at the keyboard: some hundredths of a second


def rounded(y: np.ndarray, wide: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """f and y − f (n,), each rounded once, from f in the widest floats that it lets through; their rounding unit."""
    digits = _WIDE if wide.dtype == np.longdouble else EPS
    return np.asarray(wide, np.float64), np.asarray(y - wide, np.float64), digits


@final
class _Guarded:
    """A model that has no value (NaN) where f raises on the way, as it does where a root of a negative number is NaN;
    what f raises at the first point, where it must have a value, is not held back."""

    def __init__(self, model: NonlinearModel, X: np.ndarray) -> None:
        self._model, self._X, self._worked = model, X, False

    def predict(self, x: np.ndarray) -> np.ndarray:
        return self._tried(lambda: self._model.values(self._X, x), lambda: self._nothing())

    def formula(self, x: np.ndarray, advancing: bool = False) -> Formula | None:
        return self._tried(lambda: self._model.formula(self._X, x, advancing), lambda: None)

    def misread(self) -> None:
        self._model.misread()

    def extended(self, x: np.ndarray) -> np.ndarray:
        return self._tried(lambda: self._model.extended(self._X, x), lambda: self._nothing())

    def jacobian(self, x: np.ndarray, rough: bool = False) -> tuple[np.ndarray, np.ndarray]:
        found = self._model.rough_jacobian if rough else self._model.jacobian
        return self._tried(lambda: found(self._X, x), lambda: (self._nothing(), self._nothing(len(x))))

    def curvature(self, x: np.ndarray, c: np.ndarray) -> np.ndarray:
        p = len(x)
        return self._tried(lambda: self._model.curvature(self._X, x, c), lambda: np.full((p, p), np.nan))

    def count(self, evaluations: int, jacobians: int) -> None:
        """Take down what was computed elsewhere."""
        self._model.evaluations += evaluations
        self._model.jacobians += jacobians

    def _tried(self, found: Callable[[], Any], nothing: Callable[[], Any]) -> Any:
        try:
            value = found()
        except (ArithmeticError, ValueError):
            if not self._worked:
                raise
            return nothing()
        self._worked = True
        return value

    def _nothing(self, *columns: int) -> np.ndarray:
        return np.full((len(self._X), *columns), np.nan)


@final
class NonlinearLeastSquares(SumOfSquares):
    """J(β) = (1/Σw) Σ wᵢ ½ (yᵢ − f(xᵢ, β))², with residuals √(wᵢ/Σw) (f(xᵢ, β) − yᵢ).

    X : what f takes, n rows; y : (n,); weight : (n,) or None; start : (p,); box : its bounds.
    """

    def __init__(
        self, model: NonlinearModel, X: np.ndarray, y: np.ndarray, weight: np.ndarray | None, start: np.ndarray,
        box: Box | None = None,
    ) -> None:  # fmt: skip
        self._model, self._y = _Guarded(model, X), y
        self.start, self.box = start, box
        self._share: Any = 1 / len(y) if weight is None else weight / weight.sum()
        self._root: Any = math.sqrt(self._share) if weight is None else np.sqrt(self._share)
        self._known: tuple[bytes, tuple[np.ndarray, np.ndarray, float]] | None = None
        self._code: _CompiledSquares | None = None
        self._end: Arrival | None = None

    def residuals(self, x: np.ndarray) -> np.ndarray:
        self.evaluations += 1
        return self._root * (self._model.predict(x) - self._y)

    def precise_residuals(self, x: np.ndarray) -> np.ndarray:
        self.evaluations += 1
        return -self._root * self._precise(x)[1]

    def _precise(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        """f(x) and y − f(x) (n,), each rounded once, and f's rounding unit."""
        where = x.tobytes()
        if self._known is None or self._known[0] != where:
            self._known = where, rounded(self._y, self._model.extended(x))
        return self._known[1]

    def linearised(self, x: np.ndarray, rough: bool = False) -> tuple[np.ndarray, np.ndarray]:
        self.evaluations += 1
        self.gradients += 1
        f, J = self._model.jacobian(x, rough)
        return self._root * (f - self._y), J * np.reshape(self._root, (-1, 1))

    def bend(self, x: np.ndarray, c: np.ndarray) -> np.ndarray:
        self.products += len(x)
        return self._model.curvature(x, self._root * c)

    def compiled(self, x: np.ndarray, advancing: bool = False) -> _CompiledSquares | None:
        if self._code is not None:
            return self._code
        formula = None if self.box is not None else self._model.formula(x, advancing)
        if formula is None:
            return None
        y, root = (
            np.array(self._y, np.float64),
            np.empty(len(self._y)),
        )  # in order and writable, as kernels take them
        root[:] = self._root
        self._code = _CompiledSquares(self, self._model, formula, y, root)
        return self._code

    def misread(self) -> None:
        """The formula is not f's."""
        self._code = None
        self._model.misread()

    def arrival(self, x: np.ndarray) -> Arrival | None:
        """What is known of x as the end of a descent; None where no compiled code can tell."""
        if self._end is not None and self._end.x is x:
            return self._end
        code = self.compiled(x)
        if code is None:
            return None
        f, residual, digits = self._precise(x)
        share = np.empty(len(f))
        share[:] = self._share
        known = code.formula.assess(x, f, residual, share, digits, VANISHING, RELATIVE_TOLERANCE)
        self._model.count(0, 1)
        self._end = Arrival(x, residual, share, known)
        return self._end

    def precise_gradient(self, x: np.ndarray) -> np.ndarray:
        """Jᵀr with residuals rounded once."""
        return self.linearised(x)[1].T @ self.precise_residuals(x)


class Arrival(NamedTuple):
    """The end x of a descent: residuals y − f (n,), shares of the weights (n,), and what compiled code says."""

    x: np.ndarray
    residual: np.ndarray
    share: np.ndarray
    known: Assessed


@final
class _CompiledSquares(Compiled):
    """By the formula of f; y and root, the roots of the weights, are (n,) each. What it computes is counted."""

    def __init__(
        self,
        problem: NonlinearLeastSquares,
        model: _Guarded,
        formula: Formula,
        y: np.ndarray,
        root: np.ndarray,
    ) -> None:
        self._problem, self._model, self.formula, self._y, self._root = problem, model, formula, y, root

    def advance(
        self, x: np.ndarray, gradient: np.ndarray, unit: np.ndarray, numbers: np.ndarray,
        settings: tuple[float, ...], most: int,
    ) -> np.ndarray | None:  # fmt: skip
        most = min(most, max(1, int(_STRIDE / max(self.formula.work, 1))))
        rows = self.formula.advance(self._y, self._root, settings, most, x, gradient, unit, numbers)
        if rows is None:
            self._problem.misread()
            return None
        computed = int(numbers[4])
        self._model.count(computed - len(rows), len(rows))
        self._problem.evaluations += computed
        self._problem.gradients += 1 + len(rows)
        return rows

    def newton(
        self, x: np.ndarray, r: np.ndarray, safe: float, eps: float
    ) -> tuple[float, np.ndarray, np.ndarray]:
        self._model.count(0, 1)
        self._problem.evaluations += 1
        self._problem.gradients += 1
        self._problem.products += len(x)
        return self.formula.newton(self._root, r, safe, eps, x)

    def arrive(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        end = self._problem.arrival(x)
        return (-1.0, x) if end is None else (end.known.size, end.known.gradient)


@final
class NonlinearObjective(Problem):
    """J(β) = (1/Σw) Σ wᵢ L(yᵢ, f(xᵢ, β)) + R(β), by the chain rule from L and f."""

    def __init__(
        self, model: NonlinearModel, X: np.ndarray, y: np.ndarray, weight: np.ndarray | None, start: np.ndarray,
        box: Box | None, loss: Loss, penalty: Penalty,
    ) -> None:  # fmt: skip
        self._model, self.loss, self.penalty = _Guarded(model, X), loss, penalty
        self._y, self.start, self.box = y, start, box
        self._share = weight / weight.sum() if weight is not None else np.full(len(y), 1 / len(y))

    def value(self, x: np.ndarray) -> float:
        self.evaluations += 1
        with np.errstate(all="ignore"):
            f = self._model.predict(x)
            return self._finite(self._share @ self.loss.value(self._y, f) + self.penalty.value(x))

    def both(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        self.evaluations += 1
        self.gradients += 1
        with np.errstate(all="ignore"):
            f, J = self._model.jacobian(x)
            value = self._share @ self.loss.value(self._y, f) + self.penalty.value(x)
            slopes = self._share * self.loss.first_derivative(self._y, f)
            return self._finite(value), J.T @ slopes + self.penalty.gradient(x)

    def hessian(self, x: np.ndarray) -> np.ndarray:
        """Jᵀ diag(wL'') J + Σ wᵢ L'ᵢ ∂²fᵢ/∂β² + R''."""
        self.products += len(x)
        with np.errstate(all="ignore"):
            f, J = self._model.jacobian(x)
            first = self._share * self.loss.first_derivative(self._y, f)
            second = self._share * self.loss.second_derivative(self._y, f)
            return (J.T * second) @ J + self._model.curvature(x, first) + self.penalty.hessian(x)

    def precise_gradient(self, x: np.ndarray) -> np.ndarray:
        """∂J/∂β."""
        return self.both(x)[1]

    def product(self, x: np.ndarray, v: np.ndarray) -> np.ndarray:
        return self.hessian(x) @ v

    @staticmethod
    def _finite(value: Any) -> float:
        return float(value) if np.isfinite(value) else np.inf

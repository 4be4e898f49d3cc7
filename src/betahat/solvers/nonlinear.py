"""A nonlinear model over rows as a problem to descend on: a sum of squares, or any loss with any penalty."""

from __future__ import annotations

from typing import Any, final

import numpy as np

from betahat.losses import Loss
from betahat.models.nonlinear import NonlinearModel
from betahat.penalties import Penalty
from betahat.solvers.descent.box import Box
from betahat.solvers.descent.problem import Problem
from betahat.solvers.least_squares.problem import SumOfSquares


@final
class NonlinearLeastSquares(SumOfSquares):
    """J(β) = (1/Σw) Σ wᵢ ½ (yᵢ − f(xᵢ, β))², with residuals √(wᵢ/Σw) (f(xᵢ, β) − yᵢ).

    X : what f takes, n rows; y : (n,); weight : (n,) or None; start : (p,); box : its bounds.
    """

    def __init__(
        self, model: NonlinearModel, X: np.ndarray, y: np.ndarray, weight: np.ndarray | None, start: np.ndarray,
        box: Box | None = None,
    ) -> None:  # fmt: skip
        self.model, self._X, self._y = model, X, y
        self.start, self.box = start, box
        self._root = np.sqrt(weight / weight.sum()) if weight is not None else 1 / np.sqrt(len(y))

    def residuals(self, x: np.ndarray) -> np.ndarray:
        self.evaluations += 1
        return self._root * (self.model.predict(self._X, x) - self._y)

    def precise_residuals(self, x: np.ndarray) -> np.ndarray:
        self.evaluations += 1
        return self._root * np.asarray(self.model.extended(self._X, x) - self._y, np.float64)

    def linearised(self, x: np.ndarray, rough: bool = False) -> tuple[np.ndarray, np.ndarray]:
        self.evaluations += 1
        self.gradients += 1
        f, J = (self.model.rough_jacobian if rough else self.model.jacobian)(self._X, x)
        return self._root * (f - self._y), J * np.reshape(self._root, (-1, 1))

    def bend(self, x: np.ndarray, c: np.ndarray) -> np.ndarray:
        self.products += len(x)
        return self.model.curvature(self._X, x, self._root * c)


@final
class NonlinearObjective(Problem):
    """J(β) = (1/Σw) Σ wᵢ L(yᵢ, f(xᵢ, β)) + R(β), by the chain rule from L and f."""

    def __init__(
        self, model: NonlinearModel, X: np.ndarray, y: np.ndarray, weight: np.ndarray | None, start: np.ndarray,
        box: Box | None, loss: Loss, penalty: Penalty,
    ) -> None:  # fmt: skip
        self.model, self.loss, self.penalty = model, loss, penalty
        self._X, self._y, self.start, self.box = X, y, start, box
        self._share = weight / weight.sum() if weight is not None else np.full(len(y), 1 / len(y))

    def value(self, x: np.ndarray) -> float:
        self.evaluations += 1
        with np.errstate(all="ignore"):
            f = self.model.predict(self._X, x)
            return self._finite(self._share @ self.loss.value(self._y, f) + self.penalty.value(x))

    def both(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        self.evaluations += 1
        self.gradients += 1
        with np.errstate(all="ignore"):
            f, J = self.model.jacobian(self._X, x)
            value = self._share @ self.loss.value(self._y, f) + self.penalty.value(x)
            slopes = self._share * self.loss.first_derivative(self._y, f)
            return self._finite(value), J.T @ slopes + self.penalty.gradient(x)

    def hessian(self, x: np.ndarray) -> np.ndarray:
        """Jᵀ diag(wL'') J + Σ wᵢ L'ᵢ ∂²fᵢ/∂β² + R''."""
        self.products += len(x)
        with np.errstate(all="ignore"):
            f, J = self.model.jacobian(self._X, x)
            first = self._share * self.loss.first_derivative(self._y, f)
            second = self._share * self.loss.second_derivative(self._y, f)
            return (J.T * second) @ J + self.model.curvature(self._X, x, first) + self.penalty.hessian(x)

    def product(self, x: np.ndarray, v: np.ndarray) -> np.ndarray:
        return self.hessian(x) @ v

    @staticmethod
    def _finite(value: Any) -> float:
        return float(value) if np.isfinite(value) else np.inf

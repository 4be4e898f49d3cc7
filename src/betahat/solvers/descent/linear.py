"""A linear model with any smooth loss and penalty as a problem to descend on."""

from __future__ import annotations

from typing import final

import numpy as np

from betahat.losses.squared import SquaredError
from betahat.objective import SmoothObjective, SmoothSums
from betahat.objective.smooth import HESSIAN
from betahat.solvers.descent.problem import Problem
from betahat.solvers.descent.quadratic import largest_eigenvalue

_TOGETHER_UP_TO = 100  # numbers up to which the Hessian is summed in the reading that sums the gradient


@final
class LinearProblem(Problem):
    """J(θ)/unit at θ = origin + step · x: free of the units of X, y and L.

    origin (k,) : where x is 0, and where the descent begins; step : what counts as one, such as y's deviation; unit :
    of J.
    """

    def __init__(self, objective: SmoothObjective, origin: np.ndarray, step: float, unit: float) -> None:
        self.objective, self.origin, self.step, self.unit = objective, origin, step, unit
        self.start = np.zeros(len(origin))
        self._together = len(origin) <= _TOGETHER_UP_TO
        self._at: bytes = b""
        self._hessian = np.zeros((0, 0))
        self._bound: float | None = None

    def theta(self, x: np.ndarray) -> np.ndarray:
        """θ at x."""
        return self.origin + self.step * x

    def value(self, x: np.ndarray) -> float:
        """J/unit."""
        self.evaluations += 1
        with np.errstate(all="ignore"):
            return self._finite(self.objective.value(self.theta(x)))

    def both(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """J/unit and its derivative by x."""
        self.evaluations += 1
        self.gradients += 1
        with np.errstate(all="ignore"):
            if self._together:
                value, g, H = self.objective.second_order(self.theta(x))
                self._keep(x, H)
            else:
                value, g = self.objective.first_order(self.theta(x))
            return self._finite(value), g * (self.step / self.unit)

    def product(self, x: np.ndarray, v: np.ndarray) -> np.ndarray:
        """Its second derivative times v."""
        self.products += 1
        return self.hessian(x) @ v

    def hessian(self, x: np.ndarray) -> np.ndarray:
        """Its second derivative."""
        if self._at != x.tobytes():
            with np.errstate(all="ignore"):
                self._keep(x, self.objective.second_order(self.theta(x))[2])
        return self._hessian

    def largest_curvature(self) -> float | None:
        """max |L''| times the largest eigenvalue of the columns' moments, and the penalty's curvature; None unknown."""
        loss, penalty, at = self.objective.loss, self.objective.penalty, self.objective.at
        if loss.largest_curvature is None or not penalty.quadratic:
            return None
        if self._bound is None:
            sums = SmoothSums(SquaredError(), at, self.origin, HESSIAN)
            for block in self.objective.source.blocks():
                sums.update(block)
            moments = at.pulled_twice(sums.hessian / sums.weight)
            own = penalty.curvature / float((at.scale**2).min(initial=np.inf))
            bound = loss.largest_curvature * largest_eigenvalue(moments) + own
            self._bound = bound * self.step**2 / self.unit
        return self._bound

    def _keep(self, x: np.ndarray, H: np.ndarray) -> None:
        self._at, self._hessian = x.tobytes(), H * (self.step**2 / self.unit)

    def _finite(self, value: float) -> float:
        return value / self.unit if np.isfinite(value) else np.inf

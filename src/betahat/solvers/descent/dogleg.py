"""Powell's dogleg: a bent path from steepest descent to Newton's step, as far as the region goes (Powell 1970)."""

from __future__ import annotations

import math
from typing import final

import numpy as np

from betahat.solvers.descent.base import Limits, State
from betahat.solvers.descent.problem import Problem
from betahat.solvers.descent.region import Move, Region
from betahat.solvers.descent.shifted import shifted_cholesky


@final
class Dogleg(Region):
    """d = Newton's step where it lies within the radius; else the point at the radius on the way from the minimum
    along −D⁻²g to it. One factorisation a point, where the exact region needs eigenvalues. Where the Hessian is not
    positive definite the direction is that of the shifted one, the length that of the model's lowest point along it.
    For functions of up to some hundred numbers.

    >>> import numpy as np, betahat as bh
    >>> valley = lambda x: 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2
    >>> bh.minimize(valley, np.array([-1.2, 1.0]), solver="dogleg").point
    array([1., 1.])
    """

    name = "dogleg"

    def prepare(self, problem: Problem, state: State) -> None:
        H = problem.hessian(state.x)
        self._factor = shifted_cholesky(H)
        self._hessian = np.eye(problem.n) if self._factor is None else H
        self.rescale(self._hessian.diagonal())

    def bend(self, problem: Problem, state: State, d: np.ndarray) -> np.ndarray:
        return self._hessian @ d

    def is_minimum(self, problem: Problem, state: State, limits: Limits, free: np.ndarray | None) -> bool:
        """No more than a trifle is to be won by Newton's step, whatever the units."""
        if self._factor is None or self._factor.shift:
            return True
        fall = 0.5 * float(state.gradient @ self._factor.solve(state.gradient))
        return fall <= limits.tolerance * max(abs(state.value), limits.typical)

    def move(
        self, problem: Problem, state: State, gradient: np.ndarray, radius: float, free: np.ndarray | None
    ) -> Move:
        newton = -gradient if self._factor is None else -self._factor.solve(gradient)
        if self._factor is not None and self._factor.shift:
            return self._along(gradient, newton, radius)
        if self.measure(newton) <= radius:
            return Move(newton, -gradient, -0.5 * float(gradient @ newton))
        lowest = self._along(gradient, self.steepest(gradient), radius)
        d = lowest.step
        if self.measure(d) >= radius * (1 - 1e-12):
            return lowest
        rest = newton - d
        a, b = self.measure(rest) ** 2, float((self._scale**2 * d) @ rest)
        c = self.measure(d) ** 2 - radius**2
        d = d + (-b + math.sqrt(max(b * b - a * c, 0.0))) / a * rest
        bent = self._hessian @ d
        return Move(d, bent, -float(gradient @ d + 0.5 * d @ bent))

    def _along(self, gradient: np.ndarray, direction: np.ndarray, radius: float) -> Move:
        """To the model's lowest point along a direction, within the radius."""
        bent = self._hessian @ direction
        curved, slope, size = float(direction @ bent), float(gradient @ direction), self.measure(direction)
        length = radius / size if size > 0 else 0.0
        if curved > 0:
            length = min(length, -slope / curved)
        return Move(length * direction, length * bent, -(slope + 0.5 * length * curved) * length)

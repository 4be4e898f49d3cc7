"""Newton's method: to the minimum of the parabola that gradient and Hessian describe (Newton 1685; Simpson 1740)."""

from __future__ import annotations

from typing import final

import numpy as np

from betahat.solvers.descent.base import Limits, LineSearch, State
from betahat.solvers.descent.problem import Problem
from betahat.solvers.descent.shifted import Shifted, shifted_cholesky

_UNSEEN = 8 * float(np.finfo(np.float64).eps)  # a relative fall of J that its values cannot show


@final
class Newton(LineSearch):
    """(H + λD²) d = −g by Cholesky's factorisation, λ = 0 wherever H is positive definite, D² = |diag H|; then a line
    search. Near a minimum the error is squared at each iteration, and units do not matter.

    Where H is not positive definite it descends by the shifted matrix, but along no direction of negative curvature
    itself, so that a saddle reached exactly is where it ends (status "saddle"): the trust region leaves such points.
    For functions of up to some hundred numbers.

    >>> import numpy as np, betahat as bh
    >>> fit = bh.minimize(lambda x: np.sum(np.cosh(x - 1.0)), np.zeros(3), solver="newton")
    >>> fit.point, fit.stop_reason
    (array([1., 1., 1.]), 'converged')
    """

    name = "newton"

    def begin(self, problem: Problem) -> None:
        self._at: np.ndarray | None = None
        self._factor: Shifted | None = None
        self._fall = np.inf

    def direction(self, problem: Problem, state: State) -> np.ndarray:
        factor = self._factored(problem, state)
        return -state.gradient if factor is None else -factor.solve(state.gradient)

    def finished(
        self, problem: Problem, state: State, g: np.ndarray, steepest: float, limits: Limits
    ) -> bool:
        """Newton's decrement ½ gᵀH⁻¹g says how much lower J can get, whatever the units: it must be small beside J, or
        far below its rounding and no longer falling."""
        factor, last = self._factored(problem, state), self._fall
        if factor is None or factor.shift:
            self._fall = np.inf
            return super().finished(problem, state, g, steepest, limits)
        self._fall = fall = 0.5 * float(g @ factor.solve(g))
        if fall > limits.tolerance * max(abs(state.value), limits.typical):
            return False
        settled = last <= _UNSEEN * abs(state.value) and fall > 0.1 * last
        return settled or super().finished(problem, state, g, steepest, limits)

    def learn(self, step: np.ndarray, change: np.ndarray, state: State) -> None:
        return None

    def _factored(self, problem: Problem, state: State) -> Shifted | None:
        if self._at is not state.x:
            self._at, self._factor = state.x, shifted_cholesky(problem.hessian(state.x))
        return self._factor

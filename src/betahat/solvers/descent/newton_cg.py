"""Newton's step by conjugate gradients, for many numbers (Steihaug 1983)."""

from __future__ import annotations

import math
from typing import final

import numpy as np

from betahat.solvers.descent.base import State
from betahat.solvers.descent.problem import Problem
from betahat.solvers.descent.region import Move, Region

_MOST = 1000  # products a step


@final
class NewtonCG(Region):
    """Conjugate gradients on Hd = −g with products Hv, cut at the radius or at negative curvature, and no more exact
    than the gradient is small. The Hessian is never made. Keeps bounds as the exact trust region does.

    >>> import numpy as np, betahat as bh
    >>> fit = bh.minimize(lambda x: np.sum(np.cosh(x - 1.0)), np.zeros(500), solver="newton_cg")
    >>> bool(np.allclose(fit.point, 1)), fit.status
    (True, 'local minimum')
    """

    name = "newton_cg"
    bounded = True

    def prepare(self, problem: Problem, state: State) -> None:
        return None

    def bend(self, problem: Problem, state: State, d: np.ndarray) -> np.ndarray:
        return problem.product(state.x, d)

    def move(
        self, problem: Problem, state: State, gradient: np.ndarray, radius: float, free: np.ndarray | None
    ) -> Move:
        g = gradient if free is None else np.where(free, gradient, 0.0)
        size = float(np.linalg.norm(g))
        d, Hd, r = np.zeros(problem.n), np.zeros(problem.n), g.copy()
        p = -r
        left = float(r @ r)
        for _ in range(min(2 * problem.n + 10, _MOST)):
            Hp = problem.product(state.x, p)
            bend = float(p @ Hp)
            if not math.isfinite(bend) or left == 0:
                break
            length = left / bend if bend > 0 else math.inf
            if bend <= 0 or np.linalg.norm(d + length * p) >= radius:
                length = _to_border(d, p, radius)
                d, Hd = d + length * p, Hd + length * Hp
                break
            d, Hd = d + length * p, Hd + length * Hp
            r = r + length * Hp
            if free is not None:
                r = np.where(free, r, 0.0)
            now = float(r @ r)
            if math.sqrt(now) <= min(0.1, math.sqrt(size)) * size:
                break
            p = -r + (now / left) * p
            left = now
        return Move(d, Hd, -float(g @ d + 0.5 * d @ Hd))


def _to_border(d: np.ndarray, p: np.ndarray, radius: float) -> float:
    """t > 0 with |d + t p| = radius."""
    a, b, c = float(p @ p), float(d @ p), float(d @ d) - radius**2
    return (-b + math.sqrt(max(b * b - a * c, 0.0))) / a

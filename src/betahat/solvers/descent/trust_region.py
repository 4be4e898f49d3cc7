"""Newton's step in a region, exactly (Moré & Sorensen 1983)."""

from __future__ import annotations

from typing import final

import numpy as np

from betahat.solvers.descent.base import Limits, State
from betahat.solvers.descent.face import Face
from betahat.solvers.descent.problem import Problem
from betahat.solvers.descent.region import Move, Region


@final
class TrustRegion(Region):
    """d minimises g·d + ½ dᵀHd over ‖Dd‖ ≤ Δ: (H + λD²) d = −g with λ ≥ 0 from the eigenvalues.

    Lengths are measured in units of each number's own curvature, D = √|Hⱼⱼ|, so that scales do not matter. Leaves
    saddles along their direction of fall. With bounds, the same on the face of the box that a projected gradient finds
    (Lin & Moré 1999). For functions of up to some hundred numbers.

    >>> import numpy as np, betahat as bh
    >>> saddle = lambda x: x[0] ** 2 - x[1] ** 2 + x[1] ** 4
    >>> fit = bh.minimize(saddle, np.array([1.0, 0.0]), solver="trust_region")
    >>> (fit.point**2).round(6), fit.status
    (array([0. , 0.5]), 'local minimum')
    """

    name = "trust_region"
    bounded = True

    def prepare(self, problem: Problem, state: State) -> None:
        H = problem.hessian(state.x)
        self._usable = bool(np.isfinite(H).all())
        self._hessian = H if self._usable else np.eye(problem.n)
        self.rescale(self._hessian.diagonal())
        self._faces: dict[bytes, Face] = {}

    def bend(self, problem: Problem, state: State, d: np.ndarray) -> np.ndarray:
        return self._hessian @ d

    def is_minimum(self, problem: Problem, state: State, limits: Limits, free: np.ndarray | None) -> bool:
        """No direction of fall, and no more than a trifle to be won by Newton's step, whatever the units."""
        if not self._usable:
            return True
        face = self._face(free)
        if face.newton is None:
            return face.bottom
        g = face.gather(state.gradient)
        fall = -0.5 * float(g @ face.newton(g))
        return fall <= limits.tolerance * max(abs(state.value), limits.typical)

    def move(
        self, problem: Problem, state: State, gradient: np.ndarray, radius: float, free: np.ndarray | None
    ) -> Move:
        face = self._face(free)
        step, fall = face.minimise(face.gather(gradient), radius)
        d = face.scatter(step)
        return Move(d, self._hessian @ d, fall)

    def _face(self, free: np.ndarray | None) -> Face:
        key = b"" if free is None else free.tobytes()
        if key not in self._faces:
            self._faces[key] = Face(self._hessian, self._scale, free)
        return self._faces[key]

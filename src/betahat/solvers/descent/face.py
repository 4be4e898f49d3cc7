"""The quadratic model on the numbers that may move, in units of their own curvature, and its minimum in a ball."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, final

import numpy as np
from scipy.linalg import lapack as _lapack

lapack: Any = _lapack  # its routines are made at import, where type checkers do not see them
_EPS = float(np.finfo(np.float64).eps)
_NEGATIVE = 1e-8  # relative size from which a negative eigenvalue is a way down
_SINGULAR = 1e-13  # relative pivot² below which a Cholesky factor is not relied upon
_ROUNDS = 60


@final
class Face:
    """m(z) = g·z + ½ zᵀD⁻¹HD⁻¹z over the free numbers, z = Dd.

    newton : the step −(D⁻¹HD⁻¹)⁻¹g by Cholesky's factorisation, or None where the matrix is not safely positive
    definite.
    """

    def __init__(self, hessian: np.ndarray, scale: np.ndarray, free: np.ndarray | None) -> None:
        self._n, self._free = len(scale), free
        self._scale = scale if free is None else scale[free]
        own = hessian if free is None else hessian[np.ix_(free, free)]
        self._matrix = own / self._scale[:, None] / self._scale
        self._spectrum: tuple[np.ndarray, np.ndarray] | None = None
        self.newton: Callable[[np.ndarray], np.ndarray] | None = None
        if len(self._scale):
            triangle, failed = lapack.dpotrf(self._matrix, lower=0)
            pivots = triangle.diagonal()
            if not failed and pivots.min() ** 2 > _SINGULAR * pivots.max() ** 2:
                self.newton = lambda g: -lapack.dpotrs(triangle, g, lower=0)[0]

    def gather(self, gradient: np.ndarray) -> np.ndarray:
        """D⁻¹g of the free numbers."""
        return (gradient if self._free is None else gradient[self._free]) / self._scale

    def scatter(self, z: np.ndarray) -> np.ndarray:
        """d = D⁻¹z, zero for the other numbers."""
        if self._free is None:
            return z / self._scale
        d = np.zeros(self._n)
        d[self._free] = z / self._scale
        return d

    @property
    def bottom(self) -> bool:
        """Whether no eigenvalue is negative."""
        values = self._eigen()[0]
        return not len(values) or bool(values[0] >= -_NEGATIVE * np.abs(values).max())

    def minimise(self, g: np.ndarray, radius: float) -> tuple[np.ndarray, float]:
        """The minimiser of m over ‖z‖ ≤ radius, and how much m falls to there."""
        if not len(g):
            return g, 0.0
        if self.newton is not None:
            z = self.newton(g)
            if math.sqrt(float(z @ z)) <= radius:
                return z, -0.5 * float(g @ z)
        values, vectors = self._eigen()
        turned = vectors.T @ g
        z = _in_ball(values, turned, radius)
        return vectors @ z, -float(turned @ z + 0.5 * z @ (values * z))

    def _eigen(self) -> tuple[np.ndarray, np.ndarray]:
        if self._spectrum is None:
            self._spectrum = np.linalg.eigh(self._matrix)
        return self._spectrum


def _in_ball(values: np.ndarray, g: np.ndarray, radius: float) -> np.ndarray:
    """The minimiser over ‖z‖ ≤ radius for a diagonal matrix: z = −g/(values + λ) (Moré & Sorensen 1983)."""
    least = float(values[0])
    floor = _EPS * max(float(np.abs(values).max()), 1e-300)
    if least > floor:
        z = -g / values
        if np.linalg.norm(z) <= radius:
            return z
    low = max(0.0, -least) + floor
    z = -g / (values + low)
    if (
        np.linalg.norm(z) < radius
    ):  # the hard case: what is left of the radius goes along the lowest curvature
        rest = math.sqrt(radius**2 - float(z @ z))
        z[0] += rest if z[0] >= 0 else -rest
        return z
    high = low + float(np.linalg.norm(g)) / radius + 1e-300
    shift = low
    for _ in range(_ROUNDS):
        z = -g / (values + shift)
        size = float(np.linalg.norm(z))
        if abs(size - radius) <= 1e-3 * radius:
            break
        low, high = (shift, high) if size > radius else (low, shift)
        slope = float(z @ (z / (values + shift)))
        new = shift + (size / radius - 1) * size**2 / slope if slope > 0 else low
        shift = new if low < new < high else (low + high) / 2
    return z

"""The Cauchy (Lorentzian) loss, under which far outliers lose all force."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from betahat.losses.base import Loss, check_delta


@final
@dataclass(frozen=True)
class Cauchy(Loss):
    """L(y, f) = ½ δ² ln(1 + (r/δ)²) with r = y − f: −δ² times the logarithm of Cauchy's density, up to a constant;
    scipy's "cauchy" with f_scale = δ.

    Not convex: L'' < 0 beyond δ, so that a fit may have several minima.

    >>> import numpy as np
    >>> Cauchy(1.0).first_derivative(np.zeros(3), np.array([0.0, 1.0, 1e9]))
    array([0.e+00, 5.e-01, 1.e-09])
    """

    delta: float = 1.0

    name = "cauchy"
    largest_curvature = 1.0

    def __post_init__(self) -> None:
        check_delta(self.delta, "Cauchy")

    def value(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        u = (y - f) / self.delta
        near = np.minimum(np.abs(u), 1e100)  # whose square is finite; beyond, ln(1 + u²) = 2 ln u
        far = 2 * np.log(np.maximum(np.abs(u) / 1e100, 1.0))
        return 0.5 * self.delta**2 * (np.log1p(near**2) + far)

    def first_derivative(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        h = np.hypot(1.0, (f - y) / self.delta)
        return (f - y) / h / h

    def second_derivative(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        h = np.hypot(1.0, (f - y) / self.delta)
        return (2 / h / h - 1) / h / h

    @property
    def formula(self) -> str:
        return f"½ δ² ln(1 + (r/δ)²), δ = {self.delta:g}, r = y − f"

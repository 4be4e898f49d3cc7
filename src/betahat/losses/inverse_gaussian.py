"""The inverse Gaussian distribution with the logarithmic link."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from betahat.losses.power_variance import PowerVariance
from betahat.losses.stable import LOG_2PI, exp, times, times_exp


@final
@dataclass(frozen=True)
class InverseGaussian(PowerVariance):
    """y > 0 with mean μ = eᶯ and variance φ μ³:  L = ½ y e⁻²ᶯ − e⁻ᶯ (Tweedie 1957).

    Not convex in η: L'' < 0 where μ > 2 y. (The link "inverse_squared" makes it so.)

    >>> import numpy as np
    >>> InverseGaussian().first_derivative(np.array([1.0]), np.array([0.0]))
    array([0.])
    """

    name = "inverse_gaussian"
    variance_power = 3.0
    code = 5

    def value(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        return times(exp(-f), 0.5 * times_exp(y, -f) - 1)

    def first_derivative(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        return times(exp(-f), 1 - times_exp(y, -f))

    def second_derivative(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        return times(exp(-f), 2 * times_exp(y, -f) - 1)

    def deviance(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):
            return np.expm1(np.log(y) - eta) ** 2 / y

    def log_saturated(self, y: np.ndarray, dispersion: np.ndarray) -> np.ndarray:
        return -0.5 * (LOG_2PI + np.log(dispersion)) - 1.5 * np.log(y)

    @property
    def formula(self) -> str:
        return "½ y e⁻²ᶯ − e⁻ᶯ"

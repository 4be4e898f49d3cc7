"""The Gamma distribution with the logarithmic link."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from betahat.losses.power_variance import PowerVariance
from betahat.losses.stable import LOG_2PI, expm1_less, stirling_error, times_exp


@final
@dataclass(frozen=True)
class Gamma(PowerVariance):
    """y > 0 with mean μ = eᶯ and variance φ μ², shape 1/φ:  L = y e⁻ᶯ + η.

    >>> import numpy as np
    >>> Gamma().log_density(np.array([2.0]), np.array([0.0]), 1.0)  # the exponential distribution
    array([-2.])
    """

    name = "gamma"
    variance_power = 2.0
    convex = True
    self_concordance = 1.0  # L''' = −L''
    code = 3

    def value(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        return times_exp(y, -f) + f

    def first_derivative(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        return 1 - times_exp(y, -f)

    def second_derivative(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        return times_exp(y, -f)

    def conjugate(self, y: np.ndarray, u: np.ndarray) -> np.ndarray:
        from scipy.special import xlogy

        ratio = 1 - u  # y/μ at the supremum
        some = np.maximum(ratio, 0.0)
        return np.where(np.greater_equal(ratio, 0), xlogy(some, some / y) - some, np.inf)

    def deviance(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        return 2 * expm1_less(np.log(y) - eta)

    def log_saturated(self, y: np.ndarray, dispersion: np.ndarray) -> np.ndarray:
        return -np.log(y) - 0.5 * (LOG_2PI + np.log(dispersion)) - stirling_error(1 / dispersion)

    @property
    def formula(self) -> str:
        return "y e⁻ᶯ + η"

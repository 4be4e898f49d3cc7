"""The Poisson distribution with the logarithmic link."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from betahat.losses.power_variance import PowerVariance
from betahat.losses.stable import LOG_2PI, exp, expm1_less, stirling_error


@final
@dataclass(frozen=True)
class Poisson(PowerVariance):
    """Counts y with mean and variance μ = eᶯ:  L = eᶯ − y η.

    y need not be whole: with exposures as weights it is a rate. The log-density then follows the weight w as
    (w/φ)(y log μ − μ − log y!), as statsmodels has it.

    >>> import numpy as np
    >>> Poisson().log_density(np.array([0.0, 2.0]), np.zeros(2), 1.0).round(6)
    array([-1.      , -1.693147])
    """

    name = "poisson"
    variance_power = 1.0
    canonical = True
    dispersion_known = True
    convex = True
    self_concordance = 1.0  # L''' = L''
    code = 2

    def value(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        return exp(f) - y * f

    def first_derivative(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        return exp(f) - y

    def second_derivative(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        return exp(f) + np.zeros(np.shape(y))

    def conjugate(self, y: np.ndarray, u: np.ndarray) -> np.ndarray:
        from scipy.special import xlogy

        mu = y + u
        some = np.maximum(mu, 0.0)
        return np.where(np.greater_equal(mu, 0), xlogy(some, some) - some, np.inf)

    def deviance(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        none = np.equal(y, 0)
        some = np.where(none, 1.0, y)
        with np.errstate(over="ignore"):
            return 2 * np.where(none, exp(eta), some * expm1_less(eta - np.log(some)))

    def log_saturated(self, y: np.ndarray, dispersion: np.ndarray) -> np.ndarray:
        none = np.equal(y, 0)
        some = np.where(none, 1.0, y)
        return np.where(none, 0.0, -(0.5 * (LOG_2PI + np.log(some)) + stirling_error(some)) / dispersion)

    @property
    def formula(self) -> str:
        return "eᶯ − y η"

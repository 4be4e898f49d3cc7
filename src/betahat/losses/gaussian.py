"""The normal distribution: squared error as a likelihood."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from betahat.losses.exponential import ExponentialFamily, check_values
from betahat.losses.link import Link
from betahat.losses.squared import SquaredError
from betahat.losses.stable import LOG_2PI

_SQUARED = SquaredError()


@final
@dataclass(frozen=True)
class Gaussian(ExponentialFamily):
    """y ~ N(μ, φ), μ = η:  L = ½ (y − η)² (Gauss 1809).

    >>> import numpy as np
    >>> Gaussian().log_density(np.array([1.0]), np.array([1.0]), 1.0).round(6)
    array([-0.918939])
    """

    name = "gaussian"
    link = "identity"
    mean_range = (-np.inf, np.inf)
    canonical = True
    quadratic = True
    convex = True
    largest_curvature = 1.0
    self_concordance = 0.0
    code = 0

    def value(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        return _SQUARED.value(y, f)

    def first_derivative(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        return _SQUARED.first_derivative(y, f)

    def second_derivative(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        return _SQUARED.second_derivative(y, f)

    def conjugate(self, y: np.ndarray, u: np.ndarray) -> np.ndarray:
        return _SQUARED.conjugate(y, u)

    def mean(self, eta: np.ndarray) -> np.ndarray:
        return np.asarray(eta, np.float64)

    def mean_derivative(self, eta: np.ndarray) -> np.ndarray:
        return np.ones(np.shape(eta))

    def predictor(self, mu: np.ndarray) -> np.ndarray:
        return np.asarray(mu, np.float64)

    def variance(self, mu: np.ndarray) -> np.ndarray:
        return np.ones(np.shape(mu))

    def expected_curvature(self, eta: np.ndarray) -> np.ndarray:
        return np.ones(np.shape(eta))

    def deviance(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):
            return (y - eta) ** 2

    def log_saturated(self, y: np.ndarray, dispersion: np.ndarray) -> np.ndarray:
        return -0.5 * (LOG_2PI + np.log(dispersion))

    def through(self, link: Link, y: np.ndarray, eta: np.ndarray, order: int) -> np.ndarray:
        mu = link.mean(eta)
        with np.errstate(over="ignore"):
            if order == 0:
                return self.value(y, mu)
            slope = link.mean(eta, 1)
            return (mu - y) * slope if order == 1 else slope**2 + (mu - y) * link.mean(eta, 2)

    def expected_through(self, link: Link, eta: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):
            return link.mean(eta, 1) ** 2

    def own_predictor(self, link: Link, eta: np.ndarray) -> np.ndarray:
        return link.mean(eta)

    def convex_through(self, link: Link) -> bool:
        return link.name == self.link

    def check_target(self, y: np.ndarray) -> None:
        check_values(y, np.isfinite(y), "gaussian", "a finite number")

    @property
    def formula(self) -> str:
        return "½ (y − η)²"

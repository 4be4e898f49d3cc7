"""The Bernoulli distribution with the logistic link, and binomial proportions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from betahat.losses.exponential import ExponentialFamily, check_values
from betahat.losses.link import Link
from betahat.losses.probability_links import Logit
from betahat.losses.stable import (
    LOG_2PI,
    binary_divergence,
    negative_entropy,
    sigmoid,
    stirling_error,
    times,
)

_LOGIT = Logit()


@final
@dataclass(frozen=True)
class Bernoulli(ExponentialFamily):
    """y ∈ {0, 1} with P(y = 1) = μ = σ(η) = 1 / (1 + e⁻ᶯ):  L = log(1 + eᶯ) − y η (Cox 1958).

    y between 0 and 1 is a proportion of successes; its trials are the weight.

    >>> import numpy as np
    >>> Bernoulli().first_derivative(np.array([1.0, 1.0]), np.array([0.0, 700.0]))  # σ(η) − 1 would be 0
    array([-5.00000000e-001, -9.85967654e-305])
    """

    name = "binomial"
    link = "logit"
    mean_range = (0.0, 1.0)
    canonical = True
    dispersion_known = True
    convex = True
    largest_curvature = 0.25
    self_concordance = 1.0  # L''' = L'' (1 − 2μ)
    code = 1

    def value(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        return np.where(np.greater(f, 0), 1 - y, y) * np.abs(f) + np.log1p(np.exp(-np.abs(f)))

    def first_derivative(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        return (1 - y) * sigmoid(f) - y * sigmoid(-f)

    def second_derivative(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        return self.mean_derivative(f)

    def conjugate(self, y: np.ndarray, u: np.ndarray) -> np.ndarray:
        return negative_entropy(y + u, (1 - y) - u)

    def mean(self, eta: np.ndarray) -> np.ndarray:
        return sigmoid(eta)

    def mean_derivative(self, eta: np.ndarray) -> np.ndarray:
        return _LOGIT.mean(eta, 1)

    def predictor(self, mu: np.ndarray) -> np.ndarray:
        return _LOGIT.predictor(mu)

    def variance(self, mu: np.ndarray) -> np.ndarray:
        return mu * (1 - mu)

    def expected_curvature(self, eta: np.ndarray) -> np.ndarray:
        return self.mean_derivative(eta)

    def deviance(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):
            return self._with_fractions(y, eta, 2 * self.value(y, eta))

    def deviance_through(self, link: Link, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        whole = 2 * self.through(link, y, eta, 0)
        return self._with_fractions(y, np.clip(self.own_predictor(link, eta), -1e308, 1e308), whole)

    def _with_fractions(self, y: np.ndarray, eta: np.ndarray, deviance: np.ndarray) -> np.ndarray:
        """`deviance` where y is 0 or 1, else that at the log odds η."""
        parts = _between(y)
        if not parts.any():
            return deviance
        some = y[parts]
        with np.errstate(over="ignore"):
            distance = eta[parts] - (np.log(some) - np.log1p(-some))
            deviance[parts] = 2 * binary_divergence(some, 1 - some, distance)
        return deviance

    def log_saturated(self, y: np.ndarray, dispersion: np.ndarray) -> np.ndarray:
        """log C(m, m y) + m y log y + m (1 − y) log(1 − y) for m = 1/φ trials."""
        out = np.zeros(np.shape(y))
        parts = _between(y)
        if not parts.any():
            return out
        m = 1 / dispersion[parts]
        hits, misses = m * y[parts], m * (1 - y[parts])
        binomial = stirling_error(m) - stirling_error(hits) - stirling_error(misses)
        out[parts] = binomial + 0.5 * (np.log(m / hits / misses) - LOG_2PI)
        return out

    def through(self, link: Link, y: np.ndarray, eta: np.ndarray, order: int) -> np.ndarray:
        return -times(y, link.log_mean(eta, order)) - times(1 - y, link.log_complement(eta, order))

    def expected_through(self, link: Link, eta: np.ndarray) -> np.ndarray:
        return -times(link.log_mean(eta, 1), link.log_complement(eta, 1))

    def own_predictor(self, link: Link, eta: np.ndarray) -> np.ndarray:
        return link.log_mean(eta) - link.log_complement(eta)

    def convex_through(self, link: Link) -> bool:
        """Where h and 1 − h are log-concave."""
        return link.name in ("logit", "probit", "cloglog", "loglog", "log", "identity")

    def check_target(self, y: np.ndarray) -> None:
        good = np.greater_equal(y, 0) & np.less_equal(y, 1)
        check_values(y, good, "binomial", "0, 1 or a proportion between (counts of trials are weights)")

    @property
    def formula(self) -> str:
        return "log(1 + eᶯ) − y η"


def _between(y: np.ndarray) -> np.ndarray:
    return np.greater(y, 0) & np.less(y, 1)

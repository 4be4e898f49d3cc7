"""The negative binomial distribution with the logarithmic link, its size given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from betahat.losses.exponential import LogLinear, check_values
from betahat.losses.link import Link
from betahat.losses.stable import (
    LOG_2PI,
    binary_divergence,
    negative_entropy,
    sigmoid,
    softplus,
    stirling_error,
    times,
)


@final
@dataclass(frozen=True)
class NegativeBinomial(LogLinear):
    """Counts y with mean μ = eᶯ and variance μ + μ²/θ, of given size θ > 0 (statsmodels' alpha is 1/θ):
    L = y log(1 + θ/μ) + θ log(1 + μ/θ).

    >>> import numpy as np
    >>> NegativeBinomial(1.0).log_density(np.array([0.0, 1.0]), np.zeros(2), 1.0)  # ½ and ¼
    array([-0.69314718, -1.38629436])
    """

    theta: float = 1.0

    name = "negative_binomial"
    dispersion_known = True
    convex = True
    self_concordance = 1.0  # L is (y + θ) log(1 + eᵗ) up to a linear term, t = η − log θ

    def __post_init__(self) -> None:
        if isinstance(self.theta, bool) or not isinstance(self.theta, (int, float, np.integer, np.floating)):
            raise TypeError(f"theta (={self.theta!r}) of NegativeBinomial must be a number, the size")
        if not (np.isfinite(self.theta) and self.theta > 0):
            raise ValueError(
                f"theta (={self.theta!r}) of NegativeBinomial must be positive and finite: the variance is μ + μ²/θ "
                "(without the excess it is Poisson)"
            )

    def _shifted(self, eta: np.ndarray) -> np.ndarray:
        """log(μ/θ)."""
        return eta - np.log(self.theta)

    def value(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        t = self._shifted(f)
        return y * softplus(-t) + self.theta * softplus(t)

    def first_derivative(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        t = self._shifted(f)
        return self.theta * sigmoid(t) - y * sigmoid(-t)

    def second_derivative(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        t = self._shifted(f)
        return (y + self.theta) * sigmoid(t) * sigmoid(-t)

    def conjugate(self, y: np.ndarray, u: np.ndarray) -> np.ndarray:
        n = y + self.theta
        return u * np.log(self.theta) + n * negative_entropy((y + u) / n, (self.theta - u) / n)

    def variance(self, mu: np.ndarray) -> np.ndarray:
        return mu * (1 + mu / self.theta)

    def expected_curvature(self, eta: np.ndarray) -> np.ndarray:
        return self.theta * sigmoid(self._shifted(eta))

    def deviance(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        some = np.where(np.equal(y, 0), 1.0, y)
        n = some + self.theta
        with np.errstate(over="ignore"):
            inside = n * binary_divergence(some / n, self.theta / n, eta - np.log(some))
            return 2 * np.where(np.equal(y, 0), self.theta * softplus(self._shifted(eta)), inside)

    def log_saturated(self, y: np.ndarray, dispersion: np.ndarray) -> np.ndarray:
        theta = np.asarray(self.theta, np.float64)
        some = np.where(np.equal(y, 0), 1.0, y)
        n = some + theta
        inside = (
            stirling_error(n)
            - stirling_error(some)
            - stirling_error(theta)
            + 0.5 * (np.log(theta / n / some) - LOG_2PI)
        )
        return np.where(np.equal(y, 0), 0.0, inside) / dispersion

    def through(self, link: Link, y: np.ndarray, eta: np.ndarray, order: int) -> np.ndarray:
        t = self._shifted(link.log_mean(eta))
        if order == 0:
            return times(y, softplus(-t)) + self.theta * softplus(t)
        odds = sigmoid(-t)  # θ/(θ + μ), with (log odds)' = −h'/(θ + μ)
        first = link.mean(eta, 1)
        if order == 1:
            return odds * (first - times(y, link.log_mean(eta, 1)))
        with np.errstate(over="ignore"):
            squares = times(y * sigmoid(t), link.log_mean(eta, 1) ** 2) - odds * first**2 / self.theta
        return odds * (link.mean(eta, 2) - times(y, link.log_mean(eta, 2)) + squares)

    def expected_through(self, link: Link, eta: np.ndarray) -> np.ndarray:
        odds = sigmoid(-self._shifted(link.log_mean(eta)))
        return times(times(link.mean(eta, 1), odds), link.log_mean(eta, 1))

    def convex_through(self, link: Link) -> bool:
        return link.name == self.link

    def check_target(self, y: np.ndarray) -> None:
        check_values(y, np.isfinite(y) & np.greater_equal(y, 0), self.name, "not negative (a count)")

    @property
    def formula(self) -> str:
        return f"y log(1 + θ/μ) + θ log(1 + μ/θ), μ = eᶯ, θ = {self.theta:g}"

"""Families of positive means whose variance is a power of the mean: Poisson, Gamma, inverse Gaussian, Tweedie."""

from __future__ import annotations

import numpy as np

from betahat.losses.exponential import LogLinear, check_values
from betahat.losses.link import Link
from betahat.losses.power_links import Power
from betahat.losses.stable import exp, times


class PowerVariance(LogLinear):
    """V(μ) = μᵖ with the logarithm as link: L = −y μ^{1−p}/(1−p) + μ^{2−p}/(2−p) (Jørgensen 1987), where x⁰/0 stands
    for log x.

    variance_power : p. For p ≥ 2 there is no y = 0.
    """

    variance_power: float

    def variance(self, mu: np.ndarray) -> np.ndarray:
        return np.power(mu, self.variance_power)

    def expected_curvature(self, eta: np.ndarray) -> np.ndarray:
        return exp((2 - self.variance_power) * eta)

    def through(self, link: Link, y: np.ndarray, eta: np.ndarray, order: int) -> np.ndarray:
        first = -times(y, link.power_of_mean(eta, 1 - self.variance_power, order))
        with np.errstate(invalid="ignore"):
            both = first + link.power_of_mean(eta, 2 - self.variance_power, order)
        return np.where(np.isnan(both), first, both)  # ∞ − ∞ as μ → 0, where the term with y is the larger

    def expected_through(self, link: Link, eta: np.ndarray) -> np.ndarray:
        return times(link.power_of_mean(eta, 2 - self.variance_power, 1), link.log_mean(eta, 1))

    def convex_through(self, link: Link) -> bool:
        """With μ = η^{1/k} both terms of L are powers of η, and both convex where 1 − p ≤ k ≤ 2 − p; the logarithm
        is k = 0, the canonical link k = 1 − p."""
        k = {"log": 0.0}.get(link.name, link.k if isinstance(link, Power) else np.nan)
        return bool(1 - self.variance_power <= k <= 2 - self.variance_power)

    def check_target(self, y: np.ndarray) -> None:
        positive = self.variance_power >= 2
        good = np.isfinite(y) & (np.greater(y, 0) if positive else np.greater_equal(y, 0))
        wanted = "positive" if positive else "not negative"
        if self.variance_power == 1:
            wanted += " (a count, or a count per exposure)"
        check_values(y, good, self.name, wanted)

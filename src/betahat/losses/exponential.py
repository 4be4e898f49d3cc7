"""What a distribution must say for any link to be put before its mean."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from betahat.losses.family import Family
from betahat.losses.link import Link
from betahat.losses.stable import exp, log


class ExponentialFamily(Family):
    """A family with its own link, written out without cancellation, that other links can replace
    (:class:`betahat.losses.composed.Composed`).

    mean_range : the open interval of means.
    """

    mean_range: tuple[float, float]

    @abstractmethod
    def log_saturated(self, y: np.ndarray, dispersion: np.ndarray) -> np.ndarray:
        """log p(y | μ, φ) at its supremum over μ (that at μ = y), φ one number a row."""

    @abstractmethod
    def through(self, link: Link, y: np.ndarray, eta: np.ndarray, order: int) -> np.ndarray:
        """L(y, η) with μ = h(η) by `link`, or its derivative in η of `order` 1 or 2; η within the link's domain."""

    @abstractmethod
    def expected_through(self, link: Link, eta: np.ndarray) -> np.ndarray:
        """(dμ/dη)² / V(μ) with μ = h(η) by `link`."""

    @abstractmethod
    def own_predictor(self, link: Link, eta: np.ndarray) -> np.ndarray:
        """The predictor that gives the family's own link the mean that η gives `link`."""

    @abstractmethod
    def convex_through(self, link: Link) -> bool:
        """Whether it is known that ∂²L/∂η² ≥ 0 for all y and η, with `link`."""

    def deviance_through(self, link: Link, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """The unit deviance with μ = h(η) by `link`."""
        return self.deviance(y, self.own_predictor(link, eta))

    def log_density(
        self, y: np.ndarray, eta: np.ndarray, dispersion: float, weight: np.ndarray | None = None
    ) -> np.ndarray:
        return log_density(self, y, self.deviance(y, eta), dispersion, weight)


class LogLinear(ExponentialFamily):
    """Positive means whose own link is the logarithm, μ = eᶯ."""

    link = "log"
    mean_range = (0.0, np.inf)

    def mean(self, eta: np.ndarray) -> np.ndarray:
        return exp(eta)

    def mean_derivative(self, eta: np.ndarray) -> np.ndarray:
        return exp(eta)

    def predictor(self, mu: np.ndarray) -> np.ndarray:
        return log(mu)

    def own_predictor(self, link: Link, eta: np.ndarray) -> np.ndarray:
        return link.log_mean(eta)


def log_density(
    family: ExponentialFamily,
    y: np.ndarray,
    deviance: np.ndarray,
    dispersion: float,
    weight: np.ndarray | None,
) -> np.ndarray:
    """Half the deviance below the saturated one: no large terms of y are left to cancel (Loader 2000)."""
    phi = np.broadcast_to(np.float64(dispersion) / (1.0 if weight is None else weight), np.shape(y))
    return family.log_saturated(y, phi) - deviance / (2 * phi)


def check_values(y: np.ndarray, good: np.ndarray, family: str, wanted: str) -> None:
    """ValueError with the first of the y that are not `good`."""
    if not np.all(good):
        bad = y[int(np.argmin(good))]
        raise ValueError(f"y holds {float(bad)!r}, but a {family} target is {wanted}")

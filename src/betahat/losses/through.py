"""A distribution with any link, by the chain rule."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

import numpy as np

from betahat.losses.exponential import ExponentialFamily, log_density
from betahat.losses.family import Family
from betahat.losses.link import Link


class Through(Family):
    """The family of `base` with its link replaced: L' = (μ − y) h'(η) / V(μ), and L'' by differentiating once more.

    Each base puts this so that nothing cancels (L is −y θ + κ, with θ(η) and κ(η) differentiated apart).
    """

    @abstractmethod
    def parts(self) -> tuple[ExponentialFamily, Link]:
        """The distribution, by the family that has its own link, and what takes the place of that link."""

    @property
    def name(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.parts()[0].name

    @property
    def link(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.parts()[1].name

    @property
    def dispersion_known(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.parts()[0].dispersion_known

    @property
    def domain(self) -> tuple[float, float]:  # pyright: ignore[reportIncompatibleVariableOverride]
        base, link = self.parts()
        return link.domain(*base.mean_range)

    @property
    def formula(self) -> str:
        return f"{self.parts()[0].formula}, where η is that of the mean h(η), {self.link} link"

    def value(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        return self._derivative(y, f, 0, outside=np.inf)

    def first_derivative(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        return self._derivative(y, f, 1, outside=0.0)

    def second_derivative(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        return self._derivative(y, f, 2, outside=0.0)

    def _derivative(self, y: np.ndarray, f: np.ndarray, order: int, outside: float) -> np.ndarray:
        base, link = self.parts()
        return self._inside(f, lambda eta: base.through(link, y, eta, order), outside)

    def mean(self, eta: np.ndarray) -> np.ndarray:
        return self._inside(eta, self.parts()[1].mean, np.nan)

    def mean_derivative(self, eta: np.ndarray) -> np.ndarray:
        return self._inside(eta, lambda inner: self.parts()[1].mean(inner, 1), np.nan)

    def predictor(self, mu: np.ndarray) -> np.ndarray:
        return self.parts()[1].predictor(mu)

    def variance(self, mu: np.ndarray) -> np.ndarray:
        return self.parts()[0].variance(mu)

    def expected_curvature(self, eta: np.ndarray) -> np.ndarray:
        base, link = self.parts()
        return self._inside(eta, lambda inner: base.expected_through(link, inner), 0.0)

    def deviance(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        base, link = self.parts()
        return self._inside(eta, lambda inner: base.deviance_through(link, y, inner), np.inf)

    def log_density(
        self, y: np.ndarray, eta: np.ndarray, dispersion: float, weight: np.ndarray | None = None
    ) -> np.ndarray:
        return log_density(self.parts()[0], y, self.deviance(y, eta), dispersion, weight)

    def check_target(self, y: np.ndarray) -> None:
        self.parts()[0].check_target(y)

    def _inside(
        self, eta: np.ndarray, function: Callable[[np.ndarray], np.ndarray], outside: float
    ) -> np.ndarray:
        """`function` of η where that is in the domain; NaN stays."""
        low, high = self.domain
        if low == -np.inf and high == np.inf:
            return function(eta)
        wrong = np.less_equal(eta, low) | np.greater_equal(eta, high)
        if not np.any(wrong):
            return function(eta)
        within = low + 1.0 if high == np.inf else (high - 1.0 if low == -np.inf else 0.5 * (low + high))
        return np.where(wrong, outside, function(np.where(wrong, within, eta)))

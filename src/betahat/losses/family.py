"""What a family is: a distribution of y around a mean that a link ties to the linear predictor."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from betahat.losses.base import Loss


class Family(Loss):
    """A loss that is a likelihood: L(y, η) = −φ log p(y | μ, φ) + terms of y alone, with μ = h(η), η the prediction.

    All arrays are elementwise over rows, float64, and finite for |η| up to 1e4 wherever the exact value is: what lies
    beyond double precision is 0 or inf, never NaN.

    link : name of g with η = g(μ); canonical : whether L' = μ − y, so that observed and expected information agree;
    dispersion_known : whether φ = 1 (binomial, Poisson) or is estimated (Gamma, ...); self_concordance : M with
    |L'''| ≤ M·L'' for all y and η (Bach 2010), which makes error bounds rigorous, or None; domain : the open interval
    of valid η. Outside it L is inf with derivatives 0, so that a line search steps back, and there is no mean (NaN).
    """

    link: str
    canonical: bool = False
    dispersion_known: bool = False
    self_concordance: float | None = None

    @abstractmethod
    def mean(self, eta: np.ndarray) -> np.ndarray:
        """μ = h(η)."""

    @abstractmethod
    def mean_derivative(self, eta: np.ndarray) -> np.ndarray:
        """dμ/dη."""

    @abstractmethod
    def predictor(self, mu: np.ndarray) -> np.ndarray:
        """η = g(μ), the inverse of `mean`."""

    @abstractmethod
    def variance(self, mu: np.ndarray) -> np.ndarray:
        """V(μ); the variance of y is φ V(μ)."""

    @abstractmethod
    def expected_curvature(self, eta: np.ndarray) -> np.ndarray:
        """E L'' = (dμ/dη)² / V(μ): the weights of Fisher scoring."""

    @abstractmethod
    def deviance(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """The unit deviance 2 (L(y, η) − min over η of L(y, ·))."""

    @abstractmethod
    def log_density(
        self, y: np.ndarray, eta: np.ndarray, dispersion: float, weight: np.ndarray | None = None
    ) -> np.ndarray:
        """log p(y | μ, φ/w) of each row, its constants included; w (importance, or trials of a binomial proportion)
        are ones where None."""

    @abstractmethod
    def check_target(self, y: np.ndarray) -> None:
        """ValueError, naming the first value, where y holds what the family cannot give (a negative count, ...)."""

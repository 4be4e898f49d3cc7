"""What a link is: the function g with η = g(μ), known by its inverse h and by what stays accurate in its tails."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from betahat.losses.stable import exp, log, times


class Link(ABC):
    """η = g(μ), μ = h(η), elementwise. `order` is that of a derivative in η: 0, 1 or 2.

    A likelihood needs μ, log μ, log(1 − μ) and powers of μ; where μ is next to 0 or 1, log h(η) computed in two steps
    would have lost everything, so that links give each of them as one function with two derivatives.
    """

    name: str

    @abstractmethod
    def mean(self, eta: np.ndarray, order: int = 0) -> np.ndarray:
        """h(η) and its derivatives."""

    @abstractmethod
    def predictor(self, mu: np.ndarray) -> np.ndarray:
        """η = g(μ)."""

    def log_mean(self, eta: np.ndarray, order: int = 0) -> np.ndarray:
        """log h(η) and its derivatives."""
        mu = self.mean(eta)
        return log(mu) if order == 0 else _of_logarithm(self, eta, mu, order)

    def log_complement(self, eta: np.ndarray, order: int = 0) -> np.ndarray:
        """log(1 − h(η)) and its derivatives."""
        mu = self.mean(eta)
        return np.log1p(-mu) if order == 0 else _of_logarithm(self, eta, mu - 1, order)

    def power_of_mean(self, eta: np.ndarray, a: float, order: int = 0) -> np.ndarray:
        """h(η)ᵃ / a (log h(η) where a = 0) and its derivatives."""
        if a in (0, 1):
            return self.mean(eta, order) if a else self.log_mean(eta, order)
        size = exp(a * self.log_mean(eta))
        if order == 0:
            return size / a
        first = self.log_mean(eta, 1)
        with np.errstate(over="ignore"):
            factor = first if order == 1 else a * first**2 + self.log_mean(eta, 2)
        return times(factor, size)

    def domain(self, low: float, high: float) -> tuple[float, float]:
        """The open interval of η where low < h(η) < high; all numbers, unless a link says otherwise."""
        return -np.inf, np.inf


def _of_logarithm(link: Link, eta: np.ndarray, u: np.ndarray, order: int) -> np.ndarray:
    """Derivatives of log |u| with u' = h'."""
    first = link.mean(eta, 1) / u
    return first if order == 1 else link.mean(eta, 2) / u - first**2

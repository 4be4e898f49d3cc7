"""Links of means between 0 and 1: distribution functions of the line."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import numpy as np

from betahat.losses import stable_normal as normal
from betahat.losses.link import Link
from betahat.losses.stable import exp, expm1_less, log, sigmoid, softplus

_CERTAIN = 1e4  # for e^η beyond, the probability of 0 is 0 to every digit


@final
@dataclass(frozen=True)
class Logit(Link):
    """η = log(μ / (1 − μ))."""

    name = "logit"

    def mean(self, eta: np.ndarray, order: int = 0) -> np.ndarray:
        mu = sigmoid(eta)
        if order == 0:
            return mu
        slope = mu * sigmoid(-eta)
        return slope if order == 1 else -slope * np.tanh(0.5 * eta)

    def predictor(self, mu: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore"):
            return np.log(mu) - np.log1p(-mu)

    def log_mean(self, eta: np.ndarray, order: int = 0) -> np.ndarray:
        if order == 0:
            return -softplus(-eta)
        return sigmoid(-eta) if order == 1 else -self.mean(eta, 1)

    def log_complement(self, eta: np.ndarray, order: int = 0) -> np.ndarray:
        return (-1.0) ** order * self.log_mean(-eta, order)


@final
@dataclass(frozen=True)
class Probit(Link):
    """η = Φ⁻¹(μ), Φ the standard normal distribution (Bliss 1934).

    >>> import numpy as np
    >>> Probit().log_mean(np.array([-40.0]))  # the probability itself is 0 in double precision
    array([-804.60844201])
    """

    name = "probit"

    def mean(self, eta: np.ndarray, order: int = 0) -> np.ndarray:
        from scipy.special import ndtr

        if order == 0:
            return ndtr(eta)
        slope = normal.density(eta)
        return slope if order == 1 else -eta * slope

    def predictor(self, mu: np.ndarray) -> np.ndarray:
        from scipy.special import ndtri

        return ndtri(mu)

    def log_mean(self, eta: np.ndarray, order: int = 0) -> np.ndarray:
        if order == 0:
            return normal.log_probability(eta)
        slope = normal.inverse_mills(eta)
        return slope if order == 1 else -slope * normal.inverse_mills_excess(eta)

    def log_complement(self, eta: np.ndarray, order: int = 0) -> np.ndarray:
        return (-1.0) ** order * self.log_mean(-eta, order)


@final
@dataclass(frozen=True)
class Cloglog(Link):
    """The complementary log-log link, η = log(−log(1 − μ)) (Fisher 1922): of hazards that are proportional."""

    name = "cloglog"

    def mean(self, eta: np.ndarray, order: int = 0) -> np.ndarray:
        hazard = np.minimum(exp(eta), _CERTAIN)
        if order == 0:
            return -np.expm1(-hazard)
        return hazard * np.exp(-hazard) * (1.0 if order == 1 else -np.expm1(np.minimum(eta, 10.0)))

    def predictor(self, mu: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore"):
            return np.log(-np.log1p(-mu))

    def log_mean(self, eta: np.ndarray, order: int = 0) -> np.ndarray:
        from scipy.special import exprel

        hazard = np.minimum(exp(eta), _CERTAIN)
        if order == 0:
            small = np.minimum(hazard, 1.0)
            return np.where(
                hazard < 0.5, eta + np.log(exprel(-small)), np.log1p(-np.exp(-np.maximum(hazard, 0.5)))
            )
        large = np.maximum(hazard, 1.0)
        slope = np.where(
            hazard < 1, 1 / exprel(np.minimum(hazard, 1.0)), large * np.exp(-large) / -np.expm1(-large)
        )
        if order == 1:
            return slope
        some = np.maximum(hazard, 1e-16)  # below it z/(1 − e⁻ᶻ) − 1 = z/2 to every digit
        return -slope * np.where(hazard < 1e-16, 0.5 * hazard, expm1_less(-some) / -np.expm1(-some))

    def log_complement(self, eta: np.ndarray, order: int = 0) -> np.ndarray:
        return -exp(eta)


@final
@dataclass(frozen=True)
class Loglog(Link):
    """η = −log(−log μ): the complementary log-log link with 0 and 1 exchanged."""

    name = "loglog"

    def mean(self, eta: np.ndarray, order: int = 0) -> np.ndarray:
        if order == 0:
            return np.exp(-exp(-eta))
        return -((-1.0) ** order) * Cloglog().mean(-eta, order)

    def predictor(self, mu: np.ndarray) -> np.ndarray:
        return -log(-log(mu))

    def log_mean(self, eta: np.ndarray, order: int = 0) -> np.ndarray:
        return (-1.0) ** order * Cloglog().log_complement(-eta, order)

    def log_complement(self, eta: np.ndarray, order: int = 0) -> np.ndarray:
        return (-1.0) ** order * Cloglog().log_mean(-eta, order)


@final
@dataclass(frozen=True)
class Cauchit(Link):
    """η = tan(π (μ − ½)), the link whose tails forgive outliers: a probability falls only as 1/|η|."""

    name = "cauchit"

    def mean(self, eta: np.ndarray, order: int = 0) -> np.ndarray:
        if order == 0:
            return np.arctan2(1.0, -np.asarray(eta, np.float64)) / math.pi
        slope = 1 / (math.pi * (1 + eta * eta))
        return slope if order == 1 else -2 * math.pi * eta * slope * slope

    def predictor(self, mu: np.ndarray) -> np.ndarray:
        low = np.minimum(mu, 1 - mu)
        with np.errstate(divide="ignore"):
            size = 1 / np.tan(math.pi * low)
        return np.where(np.less(mu, 0.5), -size, size)

    def log_mean(self, eta: np.ndarray, order: int = 0) -> np.ndarray:
        if order == 0:
            return np.where(np.less(eta, 0), np.log(self.mean(eta)), np.log1p(-self.mean(-eta)))
        return super().log_mean(eta, order)

    def log_complement(self, eta: np.ndarray, order: int = 0) -> np.ndarray:
        return (-1.0) ** order * self.log_mean(-eta, order)

"""Tweedie distributions between Poisson and Gamma, and beyond Gamma, with the logarithmic link."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from betahat.losses.power_variance import PowerVariance
from betahat.losses.stable import exp, expm1_less, times, times_exp
from betahat.losses.tweedie_density import log_saturated_compound, log_saturated_stable


@final
@dataclass(frozen=True)
class Tweedie(PowerVariance):
    """y with mean μ = eᶯ and variance φ μᵖ:  L = −y e^{(1−p)η}/(1−p) + e^{(2−p)η}/(2−p) (Tweedie 1984).

    power : p. 1 < p < 2: sums of a Poisson number of Gamma variables, so that y = 0 has a probability; p > 2: y > 0,
    and L is not convex. (p = 0, 1, 2, 3 are Gaussian, Poisson, Gamma and InverseGaussian.)

    >>> import numpy as np
    >>> Tweedie(1.5).value(np.array([0.0, 1.0]), np.zeros(2))
    array([2., 4.])
    """

    power: float = 1.5

    name = "tweedie"
    code = 4

    def __post_init__(self) -> None:
        check_power(self.power)
        if self.power in (2, 3):
            other = {2: "Gamma", 3: "InverseGaussian"}[int(self.power)]
            raise ValueError(f"power (={self.power!r}) of Tweedie: that is {other}()")

    @property
    def variance_power(self) -> float:  # pyright: ignore[reportIncompatibleVariableOverride]
        return float(self.power)

    @property
    def convex(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.power < 2

    @property
    def self_concordance(self) -> float | None:  # pyright: ignore[reportIncompatibleVariableOverride]
        """L'' = A + B with A = (p − 1) y e^{(1−p)η} ≥ 0, B = (2 − p) e^{(2−p)η} ≥ 0 for p < 2, and
        L''' = (1 − p) A + (2 − p) B: never larger than max(p − 1, 2 − p) (A + B). For p > 2, L'' changes sign."""
        return max(self.power - 1.0, 2.0 - self.power) if self.power < 2 else None

    def value(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        p = self.power
        if p > 2:
            return times(exp((2 - p) * f), times_exp(y, -f) / (p - 1) - 1 / (p - 2))
        return times_exp(y, (1 - p) * f) / (p - 1) + exp((2 - p) * f) / (2 - p)

    def first_derivative(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        p = self.power
        if p > 2:
            return times(exp((2 - p) * f), 1 - times_exp(y, -f))
        return exp((2 - p) * f) - times_exp(y, (1 - p) * f)

    def second_derivative(self, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        p = self.power
        if p > 2:
            return times(exp((2 - p) * f), (p - 1) * times_exp(y, -f) - (p - 2))
        return (2 - p) * exp((2 - p) * f) + (p - 1) * times_exp(y, (1 - p) * f)

    def deviance(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """2 y^{2−p} ((e^{(2−p)t} − 1)/(2−p) − (e^{(1−p)t} − 1)/(1−p)) with t = η − log y."""
        p = self.power
        none = np.equal(y, 0)
        some = np.where(none, 1.0, y)
        t = eta - np.log(some)
        near = np.clip(t, -1.0, 1.0)
        with np.errstate(invalid="ignore", over="ignore"):
            shape = np.where(
                np.abs(t) < 1,  # where the linear terms would cancel
                expm1_less((2 - p) * near) / (2 - p) - expm1_less((1 - p) * near) / (1 - p),
                np.expm1((2 - p) * t) / (2 - p) - np.expm1((1 - p) * t) / (1 - p),
            )
        shape = np.where(np.isnan(shape), np.inf, shape)  # p > 2 and t → −∞: the second is the larger
        return 2 * np.where(none, exp((2 - p) * eta) / (2 - p), times(some ** (2 - p), shape))

    def log_saturated(self, y: np.ndarray, dispersion: np.ndarray) -> np.ndarray:
        if self.power > 2:
            return log_saturated_stable(y, dispersion, self.power)
        some = np.greater(y, 0)
        out = np.zeros(np.shape(y))  # y = 0 has its largest probability, 1, at μ = 0
        out[some] = log_saturated_compound(y[some], np.asarray(dispersion)[some], self.power)
        return out

    @property
    def formula(self) -> str:
        p = self.power
        return f"−y e^((1−p)η)/(1−p) + e^((2−p)η)/(2−p), p = {p:g}"


def check_power(power: float) -> None:
    """Raise unless there is a Tweedie distribution of positive means with variance φ μ^`power`, 1 < `power`."""
    if isinstance(power, bool) or not isinstance(power, (int, float, np.integer, np.floating)):
        raise TypeError(f"power (={power!r}) of Tweedie must be a number, p in the variance φ μᵖ")
    if not (np.isfinite(power) and power > 1):
        raise ValueError(
            f"power (={power!r}) of Tweedie must be larger than 1: between 1 and 2 for amounts with zeros, above 2 for "
            "heavy tails; 0 is Gaussian(), 1 Poisson(), and between 0 and 1 there is no such distribution"
        )

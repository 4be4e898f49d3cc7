"""Links of means that are positive: logarithm and powers; the identity among them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from betahat.losses.link import Link
from betahat.losses.stable import exp, log

_SMALL = 1e-150  # nearer to an end of a domain 1/η² would overflow
_NAMES = {1.0: "identity", 0.5: "sqrt", -1.0: "inverse", -2.0: "inverse_squared"}


@final
@dataclass(frozen=True)
class Log(Link):
    """η = log μ.

    >>> import numpy as np
    >>> Log().mean(np.array([0.0, -800.0])), Log().log_mean(np.array([-800.0]))
    (array([1., 0.]), array([-800.]))
    """

    name = "log"

    def mean(self, eta: np.ndarray, order: int = 0) -> np.ndarray:
        return exp(eta)

    def predictor(self, mu: np.ndarray) -> np.ndarray:
        return log(mu)

    def log_mean(self, eta: np.ndarray, order: int = 0) -> np.ndarray:
        return (np.asarray(eta, np.float64), np.ones_like(eta), np.zeros_like(eta))[order]

    def log_complement(self, eta: np.ndarray, order: int = 0) -> np.ndarray:
        if order == 0:
            near = np.maximum(eta, -1.0)
            return np.where(np.less(eta, -1), np.log1p(-np.exp(np.minimum(eta, -1.0))), log(-np.expm1(near)))
        with np.errstate(over="ignore"):
            odds = 1 / np.expm1(-np.asarray(eta, np.float64))
        return -odds if order == 1 else -odds * (1 + odds)

    def domain(self, low: float, high: float) -> tuple[float, float]:
        return -np.inf, (np.inf if high == np.inf else float(np.log(high)) - _SMALL)


@final
@dataclass(frozen=True)
class Power(Link):
    """η = μᵏ with k ≠ 0; `Power(1)` is the identity, `Power(0.5)` the root, `Power(-1)` the inverse.

    Powers want η > 0, but for k = ±1 where the mean may be negative too (a Gaussian).

    >>> import numpy as np
    >>> Power(0.5).name, Power(0.5).mean(np.array([3.0]))
    ('sqrt', array([9.]))
    """

    k: float

    def __post_init__(self) -> None:
        if isinstance(self.k, bool) or not isinstance(self.k, (int, float, np.integer, np.floating)):
            raise TypeError(f"k (={self.k!r}) of Power must be a number, the power of the mean")
        if not np.isfinite(self.k) or self.k == 0:
            raise ValueError(
                f"k (={self.k!r}) of Power must be finite and not 0; the limit of (μᵏ − 1)/k at 0 is the link 'log'"
            )

    @property
    def name(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        return _NAMES.get(float(self.k), f"power({float(self.k)!r})")

    def mean(self, eta: np.ndarray, order: int = 0) -> np.ndarray:
        m = 1 / self.k
        return _power((1.0, m, m * (m - 1))[order], eta, m - order)

    def predictor(self, mu: np.ndarray) -> np.ndarray:
        return _power(1.0, mu, self.k)

    def log_mean(self, eta: np.ndarray, order: int = 0) -> np.ndarray:
        return log(eta) / self.k if order == 0 else _power((-1.0) ** (order - 1) / self.k, eta, -order)

    def power_of_mean(self, eta: np.ndarray, a: float, order: int = 0) -> np.ndarray:
        if a == 0:
            return self.log_mean(eta, order)
        m = a / self.k
        return _power((1.0, m, m * (m - 1))[order] / a, eta, m - order)

    def domain(self, low: float, high: float) -> tuple[float, float]:
        if low == -np.inf:
            return (-np.inf, np.inf) if abs(self.k) == 1 else (_SMALL, np.inf)
        with np.errstate(divide="ignore"):
            ends = sorted(float(np.float64(end) ** self.k) for end in (low, high))
        return max(ends[0], _SMALL), ends[1]


def _power(factor: float, x: np.ndarray, a: float) -> np.ndarray:
    """factor · xᵃ."""
    if factor == 0:
        return np.zeros_like(x)
    with np.errstate(divide="ignore", over="ignore"):
        return factor * np.power(x, float(a))

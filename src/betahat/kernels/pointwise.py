"""What one row adds: L(y, η), L' and L'' by the linear predictor η, of every loss that compiled kernels know by number.

Each formula stands here once and serves NumPy arrays (the reference) and vector registers alike: `m` supplies exp,
expm1, log, log1p, where, equal, minimum, maximum and hazard_excess for either. All are finite for |η| up to 1e4
wherever the exact value is, 0 or inf where that lies beyond double precision, and not finite where y or η is not.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, final

import numpy as np

VALUE, GRADIENT, ROUGH, HESSIAN, EVERYTHING = range(5)
"""How much a reading sums: each includes those before; ROUGH a Hessian whose products may be of single precision, for
steps that are bent to the gradient anyway; the last also what a certificate needs."""

Triple = tuple[Any, Any, Any]

HAZARD_SCALE = 3.0
# With t = (a − 3)/(a + 3): Σ cₖ tᵏ = (a + 3)(φ(a)/Φ(−a) − a) for a ≥ 0, a Chebyshev interpolant in 50 digits.
HAZARD_SERIES = [
    1.698591929582619, -0.8415387946870323, 0.01716314677430632, 0.18569957991779437, -0.0254347506413659,
    -0.054638605939386374, 0.007699762312366097, 0.018431224901082583, -0.0009428858500932676,
    -0.006371542699844622, -0.000634001799395571, 0.0020435188249190487, 0.0006121212185474808,
    -0.0005421214098819362, -0.00032286023209979984, 9.176045306699747e-05, 0.00012219278905425328,
    5.6370892708904375e-06, -3.274403624188381e-05, -1.0872383153234914e-05, 4.900627113728245e-06,
    4.123099564933469e-06, 3.291346578160098e-07, -8.161447791136567e-07, -3.7762732304500885e-07,
    6.569481670026715e-08, 8.647340243223866e-08, 2.079264046418629e-09, -7.521249659117823e-09,
]  # fmt: skip


@final
class Arrays:
    """The functions that the formulas need, for NumPy arrays."""

    exp, expm1, log, log1p = np.exp, np.expm1, np.log, np.log1p
    where, equal, minimum, maximum = np.where, np.equal, np.minimum, np.maximum

    @staticmethod
    def hazard_excess(a: np.ndarray) -> np.ndarray:
        """λ(a) − a ≥ 0 of the normal hazard λ(a) = φ(a)/Φ(−a), for a ≥ 0."""
        t = np.where(a < np.inf, (a - HAZARD_SCALE) / (a + HAZARD_SCALE), 1.0)
        total = np.full_like(t, HAZARD_SERIES[-1])
        for c in reversed(HAZARD_SERIES[:-1]):
            total = total * t + c
        return total / (a + HAZARD_SCALE)


def squared_error(m: Any, y: Any, eta: Any, power: Any) -> Triple:
    """½ (y − η)²."""
    r = eta - y
    return 0.5 * r * r, r, 1.0 + 0.0 * r


def bernoulli_logit(m: Any, y: Any, eta: Any, power: Any) -> Triple:
    """log(1 + e^η) − y η."""
    t = m.exp(-abs(eta))
    near = 1.0 / (1.0 + t)
    far = t * near  # the smaller of μ and 1 − μ, not by subtraction
    mean, rest = m.where(eta > 0.0, near, far), m.where(eta > 0.0, far, near)
    value = (m.maximum(eta, 0.0) - y * eta) + m.log1p(t)
    return value, (1.0 - y) * mean - y * rest, near * far


def poisson_log(m: Any, y: Any, eta: Any, power: Any) -> Triple:
    """e^η − y η."""
    mean = m.exp(eta)
    return mean - y * eta, mean - y, mean


def gamma_log(m: Any, y: Any, eta: Any, power: Any) -> Triple:
    """y e^(−η) + η."""
    ratio = y * m.exp(-eta)
    return ratio + eta, 1.0 - ratio, ratio


def tweedie_log(m: Any, y: Any, eta: Any, power: Any) -> Triple:
    """−y e^((1−p)η)/(1 − p) + e^((2−p)η)/(2 − p), p = power in (1, 2) or (2, 3)."""
    one, two = 1.0 - power, 2.0 - power
    pulled = m.where(m.equal(y, 0.0), 0.0 * y, y * m.exp(one * eta))  # y = 0 though its factor be inf
    # Where both overflow (p > 2, η far below 0) the first is larger by e^(−η).
    free = m.where(m.equal(pulled, math.inf), 0.0, m.exp(two * eta))
    return free / two - pulled / one + 0.0 * eta, free - pulled, two * free - one * pulled


def inverse_gaussian_log(m: Any, y: Any, eta: Any, power: Any) -> Triple:
    """½ y e^(−2η) − e^(−η)."""
    a = m.exp(-eta)
    ratio = y * a
    return a * (0.5 * ratio - 1.0) + 0.0 * eta, a * (1.0 - ratio), a * (2.0 * ratio - 1.0)


def bernoulli_probit(m: Any, y: Any, eta: Any, power: Any) -> Triple:
    """−y log Φ(η) − (1 − y) log Φ(−η).

    With a = |η| and the hazard λ = φ(a)/Φ(−a): what lies on the improbable side pulls with λ, the rest with
    ρ = φ(a)/Φ(a); λ' = λ (λ − a), where λ − a comes without subtraction, and −ρ' = ρ (ρ + a).
    """
    a = abs(eta)
    above = eta > 0.0
    far, near = m.where(above, 1.0 - y, y), m.where(above, y, 1.0 - y)
    excess = m.hazard_excess(a)
    hazard = a + excess
    density = m.exp(-0.5 * a * a) * (1.0 / math.sqrt(2.0 * math.pi))
    tail = density / hazard
    rest = density / (1.0 - tail)
    log_tail = -0.5 * a * a - (m.log(hazard) + 0.5 * math.log(2.0 * math.pi))
    pull = far * hazard - near * rest
    value = -(far * log_tail) - near * m.log1p(-tail)
    return value, m.where(above, pull, -pull), far * hazard * excess + near * rest * (rest + a)


def bernoulli_cloglog(m: Any, y: Any, eta: Any, power: Any) -> Triple:
    """−y log(1 − e^(−λ)) + (1 − y) λ with λ = e^η.

    With g = λ/(e^λ − 1): L' = (1 − y) λ − y g and L'' = (1 − y) λ + y g (g + λ − 1), whose last factor is a series in
    λ (the Bernoulli numbers') where λ is small.
    """
    rate = m.exp(eta)
    small = m.minimum(rate, 750.0)  # beyond, e^(−λ) is 0
    square = small * small
    grown = m.expm1(small)
    slope = m.where(small < 1e-8, 1.0 - 0.5 * small, small / grown)
    series = 1 / 12 - square * (1 / 720 - square * (1 / 30240 - square * (1 / 1209600 - square / 47900160)))
    bend = m.where(small < 0.125, 0.5 * small + square * series, slope + small - 1.0)
    log_small = eta - 0.5 * small + square * (1 / 24 - square * (1 / 2880))
    log_mean = m.where(small < math.log(2.0), m.log(-m.expm1(-small)), m.log1p(-m.exp(-small)))
    log_mean = m.where(small < 0.01, log_small, log_mean)
    none = m.where(m.equal(y, 1.0), 0.0 * y, (1.0 - y) * rate)  # y = 1 though λ be inf
    return none - y * log_mean + 0.0 * eta, none - y * slope, none + y * slope * bend


def huber(m: Any, y: Any, eta: Any, power: Any) -> Triple:
    """½ r² where |r| ≤ δ, else δ (|r| − δ/2), with r = η − y and δ = power."""
    r = eta - y
    size = abs(r)
    near = m.minimum(size, power)
    first = m.where(r > 0.0, near, -near)
    return near * (size - 0.5 * near), first, m.where(size <= power, 1.0 + 0.0 * r, 0.0 * near)


LOSSES: tuple[Callable[[Any, Any, Any, Any], Triple], ...] = (
    squared_error,
    bernoulli_logit,
    poisson_log,
    gamma_log,
    tweedie_log,
    inverse_gaussian_log,
    bernoulli_probit,
    bernoulli_cloglog,
    huber,
)
"""By the number that a family carries as its `code`."""

CONVEX = (0, 1, 2, 3, 6, 7, 8)
"""The numbers of those with L'' ≥ 0 everywhere."""


def bernoulli_conjugate(m: Any, y: Any, u: Any, power: Any) -> Any:
    """(y + u) log(y + u) + (1 − y − u) log(1 − y − u), inf where one of the two is negative."""
    small = m.minimum(y + u, (1.0 - y) - u)
    inside = m.minimum(m.maximum(small, 0.0), 0.5)
    part = m.where(inside > 0.0, inside * m.log(m.maximum(inside, 1e-320)), 0.0 * inside)
    return m.where(small < 0.0, math.inf, part + (1.0 - inside) * m.log1p(-inside))


CONJUGATES: dict[int, Callable[[Any, Any, Any, Any], Any]] = {1: bernoulli_conjugate}
"""L*(y, u) of losses L ≥ 0 by number, where compiled kernels know it; not finite where y or u is not."""

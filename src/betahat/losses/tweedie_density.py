"""Densities of Tweedie distributions at μ = y, where all that is large in them cancels on paper."""

from __future__ import annotations

import math

import numpy as np

from betahat.losses.stable import LOG_2PI, exp, log1p_less, stirling_error

_NEGLIGIBLE = 40.0  # e⁻⁴⁰ of the largest term is below rounding
_ROWS = 2048  # at once
_STEP = 0.13  # of the trapezoidal rule below, for a bell exp(−e²ᵛ): an error of e^(−π²/(2 · 0.13))


def log_saturated_compound(y: np.ndarray, dispersion: np.ndarray, p: float) -> np.ndarray:
    """log p(y | μ = y, φ) for y > 0, 1 < p < 2: the series of Dunn & Smyth (2005), rearranged.

    y is a sum of N ~ Poisson(λ) Gamma variables of shape s, with λ = y^{2−p}/(φ(2−p)) and s = (2−p)/(p−1) at μ = y.
    The term of N = j, with its factorials by Stirling's formula, is

        √s / (2π y) · exp(−(1 + s) (j log(j/λ) − j + λ) − δ(j) − δ(j s)),    δ what Stirling's formula leaves.

    Where the terms change slowly with j, some of them do for all: for a bell of width σ, sums with a stride up to σ/2
    agree to e^{−8π²}.
    """
    s = (2 - p) / (p - 1)
    with np.errstate(over="ignore"):
        rate = np.power(y, 2 - p) / (dispersion * (2 - p))
    out = np.empty(np.shape(rate))
    for low in range(0, len(rate), _ROWS):
        rows = slice(low, low + _ROWS)
        out[rows] = _log_sum(np.maximum(rate[rows], 1e-300), s)
    return out + 0.5 * math.log(s) - LOG_2PI - np.log(y)


def _log_sum(rate: np.ndarray, s: float) -> np.ndarray:
    """log Σ over j ≥ 1 of exp(−(1 + s)(j log(j/λ) − j + λ) − δ(j) − δ(j s))."""
    reach = _NEGLIGIBLE / (1 + s)
    below = np.sqrt(2 * reach * rate)  # Bernstein's inequality for the Poisson distribution, both sides
    above = reach / 3 + np.sqrt(reach**2 / 9 + 2 * reach * rate)
    stride = np.maximum(np.floor(0.5 * np.sqrt(rate / (1 + s))), 1.0)
    first = np.maximum(np.floor(rate - below), 1.0)
    count = np.ceil((np.ceil(rate + above) - first) / stride) + 2
    j = first[:, None] + stride[:, None] * np.arange(int(count.max(initial=1)))
    x = (rate[:, None] - j) / j
    near = np.maximum(x, -0.9)
    bell = np.where(x > -0.9, -j * log1p_less(near), j * np.log(j / rate[:, None]) - j + rate[:, None])
    terms = -(1 + s) * bell - stirling_error(j) - stirling_error(j * s)
    top = terms.max(axis=1)
    return top + np.log(exp(terms - top[:, None]).sum(axis=1)) + np.log(stride)


def log_saturated_stable(y: np.ndarray, dispersion: np.ndarray, p: float) -> np.ndarray:
    """log p(y | μ = y, φ) for p > 2, by Zolotarev's integral for the positive stable distributions, tilted.

    With α = (p−2)/(p−1) and E = y^{2−p}/(φ(p−1)(p−2)),

        p(y) = (p − 2)/(π y) ∫₀^π E B(u) exp(−E (B(u) − 1)) du,
        log B(u) = (p − 1)(α log S(α u) + (1 − α) log S((1 − α) u) − log S(u)),    S(u) = sin u / u,

    where nothing alternates. (Dunn & Smyth's series for p > 2 does.) With u = π/(1 + e⁻ᵛ) the trapezoidal rule
    converges exponentially.
    """
    with np.errstate(over="ignore"):
        level = np.power(y, 2 - p) / (dispersion * (p - 1) * (p - 2))
    level = np.clip(level, 1e-300, 1e300)
    out = np.empty(np.shape(level))
    for low in range(0, len(level), _ROWS // 4):
        rows = slice(low, low + _ROWS // 4)
        out[rows] = _log_integral(level[rows], p)
    return out + math.log(p - 2) - np.log(y)


def _log_integral(level: np.ndarray, p: float) -> np.ndarray:
    """log of 1/π times the integral, E = `level`."""
    log_level = np.log(level)
    step = _STEP * min(1.0, 2 / (p - 1))  # the right end falls as exp(−e^((p−1)v))
    first = np.minimum(-0.5 * log_level, 0.0) - _NEGLIGIBLE
    last = np.maximum(-log_level / (p - 1), 0.0) + 8.0
    count = int(np.ceil((last - first).max(initial=0.0) / step)) + 1
    v = first[:, None] + step * np.arange(count)
    right = 1 / (1 + exp(v))  # 1 − u/π
    left = exp(np.minimum(v, 0.0)) / (1 + exp(-np.abs(v)))  # u/π
    alpha = (p - 2) / (p - 1)
    curve = alpha * _log_sinc(alpha * math.pi * left) + (1 - alpha) * _log_sinc((1 - alpha) * math.pi * left)
    whole = np.where(
        left < 0.5,
        _log_sinc(math.pi * np.minimum(left, 0.5)),
        np.log(np.maximum(np.sin(math.pi * right), 1e-300)) - np.log(math.pi * np.maximum(left, 0.5)),
    )
    log_b = (p - 1) * (curve - whole)
    with np.errstate(over="ignore"):
        drop = level[:, None] * np.expm1(log_b)
    terms = log_level[:, None] + log_b - drop + np.log(left) + np.log(np.maximum(right, 1e-300))
    top = terms.max(axis=1)
    return top + np.log(exp(terms - top[:, None]).sum(axis=1) * step)


_SINC = np.array(
    [  # −log(sin t / t) = Σ 2^{2k−1} |B₂ₖ| / (k (2k)!) t²ᵏ
        2 ** (2 * k - 1) * b / (k * math.factorial(2 * k))
        for k, b in (
            (8, 3617 / 510),
            (7, 7 / 6),
            (6, 691 / 2730),
            (5, 5 / 66),
            (4, 1 / 30),
            (3, 1 / 42),
            (2, 1 / 30),
            (1, 1 / 6),
        )
    ]
)


def _log_sinc(t: np.ndarray) -> np.ndarray:
    """log(sin t / t), 0 ≤ t < π, with the digits of −t²/6 for small t."""
    near = np.minimum(t, 0.25)
    far = np.maximum(t, 0.25)
    return np.where(t < 0.25, -near * near * np.polyval(_SINC, near * near), np.log(np.sin(far) / far))

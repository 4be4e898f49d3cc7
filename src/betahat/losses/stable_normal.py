"""The logarithm of the normal distribution's probabilities, and its derivatives, with all digits in both tails."""

from __future__ import annotations

import math

import numpy as np

_FAR = 3.0  # beyond it, m(x) + x is found from a continued fraction: the difference would cancel


def density(x: np.ndarray) -> np.ndarray:
    """φ(x) = e^(−x²/2) / √(2π). x² is split, for a rounding error of it would be one of the exponent."""
    size = np.minimum(np.abs(x), 1e3)  # beyond which φ is 0
    high = np.round(size * 65536) / 65536
    low = size - high
    return np.exp(-0.5 * high * high) * np.exp(-(0.5 * low + high) * low) / math.sqrt(2 * math.pi)


def log_probability(x: np.ndarray) -> np.ndarray:
    """log Φ(x)."""
    from scipy.special import log_ndtr

    upper = np.maximum(x, 0.0)
    return np.where(
        np.greater(x, 1.0), np.log1p(-density(upper) * mills_ratio(upper)), log_ndtr(np.minimum(x, 1.0))
    )


def mills_ratio(x: np.ndarray) -> np.ndarray:
    """(1 − Φ(x)) / φ(x), for x ≥ 0."""
    from scipy.special import erfcx

    return math.sqrt(math.pi / 2) * erfcx(x / math.sqrt(2))


def inverse_mills(x: np.ndarray) -> np.ndarray:
    """m(x) = φ(x) / Φ(x) = (log Φ)'."""
    size = np.abs(x)
    upper = density(size)
    ratio = mills_ratio(size)
    return np.where(np.greater(x, 0), upper / (1 - upper * ratio), 1 / ratio)


def inverse_mills_excess(x: np.ndarray) -> np.ndarray:
    """m(x) + x, so that (log Φ)'' = −m (m + x)."""
    z = np.maximum(-x, _FAR)
    tail = z
    for k in range(60, 1, -1):  # 1/(z + 2/(z + 3/(z + …))) (Laplace 1805)
        tail = z + k / tail
    return np.where(np.less(x, -_FAR), 1 / tail, inverse_mills(np.maximum(x, -_FAR)) + x)

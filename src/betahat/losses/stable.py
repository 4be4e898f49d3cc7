"""Functions of which the written formula cancels or overflows, computed so that they do neither."""

from __future__ import annotations

import math

import numpy as np

LOG_2PI = math.log(2 * math.pi)

_EXPM1_LESS = np.array([1 / math.factorial(k) for k in range(21, 1, -1)])  # of x²⁰ … x², divided by x²
_LOG1P_LESS = np.array([2 / (2 * k + 3) for k in range(17, -1, -1)])
_STIRLING = np.array([-691 / 360360, 1 / 1188, -1 / 1680, 1 / 1260, -1 / 360, 1 / 12])  # Bernoulli numbers


def exp(x: np.ndarray) -> np.ndarray:
    """eˣ, inf where it is too large, without a warning."""
    with np.errstate(over="ignore"):
        return np.exp(x)


def log(x: np.ndarray) -> np.ndarray:
    """log x, −inf at 0, without a warning."""
    with np.errstate(divide="ignore"):
        return np.log(x)


def times(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """y x, with 0 · ∞ = 0: where an outcome has no share in a term, its size does not matter."""
    with np.errstate(invalid="ignore", over="ignore"):
        return np.where(np.equal(y, 0) | np.equal(x, 0), 0.0, y * x)


def times_exp(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """y eˣ, right wherever the product can be represented, even where eˣ cannot."""
    half = exp(0.5 * x)
    return times(times(y, half), half)


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + e⁻ˣ), with the digits of eˣ for x → −∞."""
    small = np.exp(-np.abs(x))
    return np.where(np.greater_equal(x, 0), 1.0, small) / (1.0 + small)


def softplus(x: np.ndarray) -> np.ndarray:
    """log(1 + eˣ)."""
    return np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))


def expm1_less(x: np.ndarray) -> np.ndarray:
    """eˣ − 1 − x."""
    near = np.clip(x, -1.0, 1.0)
    x = np.minimum(x, 1e308)  # for ∞ − ∞ is no number
    with np.errstate(over="ignore"):
        return np.where(np.abs(x) < 1, near * near * np.polyval(_EXPM1_LESS, near), np.expm1(x) - x)


def log1p_less(x: np.ndarray) -> np.ndarray:
    """log(1 + x) − x, for x > −1."""
    near = np.clip(x, -0.5, 0.5)
    r = near / (2 + near)  # log(1 + x) = 2 artanh r, and 2r − x = −r x
    return np.where(
        np.abs(x) < 0.5, r * (2 * r * r * np.polyval(_LOG1P_LESS / 2, r * r) - near), np.log1p(x) - x
    )


def stirling_error(x: np.ndarray) -> np.ndarray:
    """log Γ(x + 1) − (x + ½) log x + x − ½ log 2π, for x > 0 (Loader 2000): what Stirling's formula leaves."""
    from scipy.special import gammaln

    large = np.maximum(x, 16.0)
    small = np.minimum(x, 16.0)
    return np.where(
        np.greater_equal(x, 16.0),
        np.polyval(_STIRLING, (1 / large) ** 2) / large,
        gammaln(small + 1) - (small + 0.5) * np.log(small) + small - 0.5 * LOG_2PI,
    )


def binary_divergence(p: np.ndarray, q: np.ndarray, t: np.ndarray) -> np.ndarray:
    """log(q + p eᵗ) − p t with q = 1 − p: the Kullback–Leibler divergence of Bernoulli(p) from the one whose log odds
    are larger by t. For 0 < p < 1."""
    swap = np.greater(p, q)
    p, t = np.where(swap, q, p), np.where(swap, -t, t)
    near = np.minimum(t, 1.0)
    far = np.clip(t, 1.0, 1e308)
    return np.where(
        np.less_equal(t, 1.0),
        log1p_less(p * np.expm1(near)) + p * expm1_less(near),
        np.logaddexp(np.log1p(-p), far + np.log(p)) - p * far,
    )


def negative_entropy(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """p log p + q log q with q = 1 − p; inf where p or q is negative."""
    from scipy.special import xlogy

    out = np.where(np.greater_equal(p, 0) & np.greater_equal(q, 0), 0.0, np.inf)
    inside = np.greater(p, 0) & np.greater(q, 0)  # elsewhere nothing is left to compute
    if inside.any():
        p, q = p[inside], q[inside]
        out[inside] = xlogy(p, p) + _xlog1p(q, p)
    return out


def _xlog1p(q: np.ndarray, p: np.ndarray) -> np.ndarray:
    """q log q, by log(1 − p) where p is small."""
    from scipy.special import xlog1py, xlogy

    q = np.maximum(q, 0.0)
    return np.where(np.abs(p) < 0.5, xlog1py(q, -np.clip(p, 0.0, 0.5)), xlogy(q, q))

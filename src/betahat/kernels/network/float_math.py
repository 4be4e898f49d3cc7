"""Vectors of float32: exponentials and logarithms as `register_math` has them of doubles, to about one unit in the last
place (Cody & Waite's reduction; polynomials of Moshier's Cephes)."""

from __future__ import annotations

import math
from typing import Any

from llvmlite import ir

from betahat.kernels.pointwise import HAZARD_SCALE, HAZARD_SERIES
from betahat.kernels.register_math import Number, _fma, _polynomial, equal, maximum, minimum, where
from betahat.kernels.vector import I32, Vectors

__all__ = ["equal", "exp", "expm1", "hazard_excess", "log1p", "maximum", "minimum", "where"]

_LN2_HIGH, _LN2_LOW = 0.693359375, -2.12194440e-4  # k·high is exact
_ROUNDER = 12582912.0  # 1.5·2²³
_SERIES = [
    5.0000001201e-1, 1.6666665459e-1, 4.1665795894e-2, 8.3334519073e-3, 1.3981999507e-3, 1.9875691500e-4,
]  # fmt: skip


def _whole(v: Vectors, value: int) -> Any:
    return ir.Constant(ir.VectorType(I32, v.lanes), [value] * v.lanes)


def _bits(x: Number) -> Any:
    return x.v.builder.bitcast(x.value, ir.VectorType(I32, x.v.lanes))


def _power_of_two(v: Vectors, k: Any) -> Number:
    """2ᵏ for whole numbers k from −126 to 127."""
    b = v.builder
    return Number(v, b.bitcast(b.shl(b.add(k, _whole(v, 127)), _whole(v, 23)), v.type))


def _parts(x: Number) -> tuple[Number, Number, Number]:
    """eʳ − 1 and two powers of two that multiply to 2ᵏ, with x = k ln 2 + r."""
    v, b = x.v, x.v.builder
    shifted = _fma(x, math.log2(math.e), _ROUNDER)
    k = b.sub(_bits(shifted), _bits(Number(v, v.constant(_ROUNDER))))
    rounded = shifted - _ROUNDER
    r = _fma(rounded, -_LN2_LOW, _fma(rounded, -_LN2_HIGH, x))
    half = b.ashr(k, _whole(v, 1))
    less_one = _fma(r * r, _polynomial(r, _SERIES), r)
    return less_one, _power_of_two(v, half), _power_of_two(v, b.sub(k, half))


def exp(x: Number) -> Number:
    """eˣ: 0 below −104, inf above 88.7."""
    less_one, low, high = _parts(maximum(minimum(x, 89.0), -105.0))
    return (less_one + 1.0) * low * high


def expm1(x: Number) -> Number:
    """eˣ − 1 without cancellation near 0."""
    less_one, low, high = _parts(maximum(minimum(x, 89.0), -20.0))
    small = _fma(less_one, low * high, low * high - 1.0)
    return where(x > 20.0, (less_one + 1.0) * low * high, where(equal(x, 0.0), x, small))


def log1p(t: Number) -> Number:
    """log(1 + t) for 0 ≤ t ≤ 1, by log((1 + s)/(1 − s)) with s = t/(2 + t)."""
    large = t > math.sqrt(2.0) - 1.0
    f = where(large, 0.5 * (t - 1.0), t)
    s = f / (f + 2.0)
    z = s * s
    series = 2.0 * s + s * z * _polynomial(z, [2 / (2 * n + 1) for n in range(1, 6)])
    return where(large, series + math.log(2.0), series)


def hazard_excess(a: Number) -> Number:
    """λ(a) − a ≥ 0 of the normal hazard λ(a) = φ(a)/Φ(−a), for a ≥ 0 (see `pointwise`)."""
    t = where(a < math.inf, (a - HAZARD_SCALE) / (a + HAZARD_SCALE), 1.0)
    return _polynomial(t, HAZARD_SERIES) / (a + HAZARD_SCALE)

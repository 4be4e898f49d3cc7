"""Vectors of doubles in LLVM IR that read like numbers, and their exponentials, logarithms and normal hazards.

numba has no vector mathematics of its own on most processors. These work to about one unit in the last place over
the whole range (subnormal results, overflow to inf, NaN in, NaN out) with generic vector instructions only, so that one
source serves AVX-512, AVX2 and NEON. Each function has the name and meaning of NumPy's, so that `pointwise` writes a
loss once for both.
"""

from __future__ import annotations

import math
from typing import Any, final

from llvmlite import ir

from betahat.kernels.pointwise import HAZARD_SCALE, HAZARD_SERIES
from betahat.kernels.vector import I64, Vectors

_LN2_HIGH, _LN2_LOW = (
    6.93147180369123816490e-01,
    1.90821492927058770002e-10,
)  # the first has 33 bits: k·high is exact
_ROUNDER = 6755399441055744.0  # 1.5·2⁵²: adding it rounds to a whole number, which its last bits then hold
_MANTISSA, _ONE, _HALF_BIAS = 0x000FFFFFFFFFFFFF, 0x3FF0000000000000, 1023


@final
class Number:
    """A vector of doubles with the operators of a number; plain numbers beside it are spread over the lanes."""

    __array_ufunc__ = None

    def __init__(self, v: Vectors, value: Any) -> None:
        self.v, self.value = v, value

    def _of(self, other: Any) -> Any:
        return other.value if isinstance(other, Number) else self.v.constant(float(other))

    def __add__(self, other: Any) -> Number:
        return Number(self.v, self.v.add(self.value, self._of(other)))

    def __sub__(self, other: Any) -> Number:
        return Number(self.v, self.v.sub(self.value, self._of(other)))

    def __rsub__(self, other: Any) -> Number:
        return Number(self.v, self.v.sub(self._of(other), self.value))

    def __mul__(self, other: Any) -> Number:
        return Number(self.v, self.v.mul(self.value, self._of(other)))

    def __truediv__(self, other: Any) -> Number:
        return Number(self.v, self.v.divide(self.value, self._of(other)))

    def __rtruediv__(self, other: Any) -> Number:
        return Number(self.v, self.v.divide(self._of(other), self.value))

    def __neg__(self) -> Number:
        return Number(self.v, self.v.builder.fneg(self.value))

    def __abs__(self) -> Number:
        return Number(self.v, self.v.abs(self.value))

    def _compare(self, sign: str, other: Any) -> Any:
        return self.v.builder.fcmp_ordered(sign, self.value, self._of(other))

    def __lt__(self, other: Any) -> Any:
        return self._compare("<", other)

    def __le__(self, other: Any) -> Any:
        return self._compare("<=", other)

    def __gt__(self, other: Any) -> Any:
        return self._compare(">", other)

    def __ge__(self, other: Any) -> Any:
        return self._compare(">=", other)

    def equals(self, other: Any) -> Any:
        return self._compare("==", other)

    __radd__, __rmul__ = __add__, __mul__


def where(condition: Any, first: Any, second: Any) -> Number:
    """Lane by lane, `first` where the condition holds."""
    known = first if isinstance(first, Number) else second
    chosen = known.v.builder.select(condition, known._of(first), known._of(second))
    return Number(known.v, chosen)


def equal(a: Number, b: Any) -> Any:
    """Where a = b; nowhere for NaN."""
    return a.equals(b)


def minimum(a: Number, b: Any) -> Number:
    """The smaller; NaN where a is."""
    return where(a > b, b, a)


def maximum(a: Number, b: Any) -> Number:
    """The larger; NaN where a is."""
    return where(a < b, b, a)


def _fma(a: Number, b: Any, c: Any) -> Number:
    return Number(a.v, a.v.multiply_add(a.value, a._of(b), a._of(c)))


def _polynomial(x: Number, coefficients: list[float]) -> Number:
    """Σ cₖ xᵏ by Horner's rule."""
    total = Number(x.v, x.v.constant(coefficients[-1]))
    for c in reversed(coefficients[:-1]):
        total = _fma(total, x, c)
    return total


def _whole(v: Vectors, value: int) -> Any:
    return ir.Constant(ir.VectorType(I64, v.lanes), [value] * v.lanes)


def _bits(x: Number) -> Any:
    return x.v.builder.bitcast(x.value, ir.VectorType(I64, x.v.lanes))


def _float(v: Vectors, bits: Any) -> Number:
    return Number(v, v.builder.bitcast(bits, v.type))


def _power_of_two(v: Vectors, k: Any) -> Number:
    """2ᵏ for whole numbers k from −1022 to 1023."""
    b = v.builder
    return _float(v, b.shl(b.add(k, _whole(v, _HALF_BIAS)), _whole(v, 52)))


def _reduced(x: Number) -> tuple[Number, Any, Number]:
    """r with x = k ln 2 + r, |r| ≤ ½ ln 2; the whole number k; and eʳ − 1 from its Taylor series."""
    v, b = x.v, x.v.builder
    shifted = _fma(x, math.log2(math.e), _ROUNDER)
    k = b.sub(_bits(shifted), _bits(Number(v, v.constant(_ROUNDER))))
    rounded = shifted - _ROUNDER
    r = _fma(rounded, -_LN2_LOW, _fma(rounded, -_LN2_HIGH, x))
    return r, k, _fma(r * r, _polynomial(r, [1 / math.factorial(n) for n in range(2, 15)]), r)


def exp(x: Number) -> Number:
    """eˣ: subnormal where it is, 0 below −745.2, inf above 709.8."""
    v, b = x.v, x.v.builder
    _, k, less_one = _reduced(maximum(minimum(x, 710.0), -746.0))
    half = b.ashr(k, _whole(v, 1))  # in two steps, since 2ᵏ itself may overflow or be subnormal
    return (less_one + 1.0) * _power_of_two(v, half) * _power_of_two(v, b.sub(k, half))


def expm1(x: Number) -> Number:
    """eˣ − 1 without cancellation near 0."""
    v, b = x.v, x.v.builder
    _, k, less_one = _reduced(maximum(minimum(x, 710.0), -40.0))
    half = b.ashr(k, _whole(v, 1))
    low, high = _power_of_two(v, half), _power_of_two(v, b.sub(k, half))
    # eˣ − 1 = 2ᵏ (eʳ − 1) + (2ᵏ − 1), whose last part is exact for k ≤ 53
    small = _fma(less_one, low * high, low * high - 1.0)
    return where(x > 40.0, (less_one + 1.0) * low * high, where(equal(x, 0.0), x, small))


def _log_near_one(f: Number, k: Number) -> Number:
    """k ln 2 + log(1 + f) for √½ ≤ 1 + f ≤ √2, by log((1 + s)/(1 − s)) with s = f/(2 + f)."""
    s = f / (f + 2.0)
    z = s * s
    series = z * _polynomial(z, [2 / (2 * n + 1) for n in range(1, 12)])
    half_square = 0.5 * f * f
    rest = half_square - _fma(s, half_square + series, k * _LN2_LOW)
    return k * _LN2_HIGH - (rest - f)


def log(x: Number) -> Number:
    """The natural logarithm: −inf at 0, NaN below."""
    v, b = x.v, x.v.builder
    tiny = x < 2.0**-1022
    bits = _bits(where(tiny, x * 2.0**54, x))
    mantissa = _float(v, b.or_(b.and_(bits, _whole(v, _MANTISSA)), _whole(v, _ONE)))
    exponent = b.lshr(bits, _whole(v, 52))
    rounder = Number(v, v.constant(2.0**52))
    k = _float(v, b.or_(exponent, _bits(rounder))) - (2.0**52 + 1023.0)
    large = mantissa > math.sqrt(2.0)
    mantissa, k = where(large, 0.5 * mantissa, mantissa), where(large, k + 1.0, k)
    k = where(tiny, k - 54.0, k)
    found = _log_near_one(mantissa - 1.0, k)
    found = where(equal(x, 0.0), -math.inf, where(x < 0.0, math.nan, found))
    return where(x < math.inf, found, x)


def log1p(t: Number) -> Number:
    """log(1 + t) for −½ ≤ t ≤ 1; 1 + t is never rounded."""
    large, small = t > math.sqrt(2.0) - 1.0, t < math.sqrt(0.5) - 1.0
    f = where(large, 0.5 * (t - 1.0), where(small, _fma(t, 2.0, 1.0), t))
    k = where(large, 1.0, where(small, -1.0, 0.0 * t))
    return _log_near_one(f, k)


def hazard_excess(a: Number) -> Number:
    """λ(a) − a ≥ 0 of the normal hazard λ(a) = φ(a)/Φ(−a), for a ≥ 0 (see `pointwise`)."""
    t = where(a < math.inf, (a - HAZARD_SCALE) / (a + HAZARD_SCALE), 1.0)
    return _polynomial(t, HAZARD_SERIES) / (a + HAZARD_SCALE)

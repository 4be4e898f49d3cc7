"""Functions of numbers, one by one. Each line reads: f, then g·∂f/∂a (and g·∂f/∂b)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from betahat.autodiff.table import composed, elementwise

_LN2, _LN10 = math.log(2), math.log(10)

# arithmetic
elementwise(np.add, lambda g, y, a, b: g, lambda g, y, a, b: g)
elementwise(np.subtract, lambda g, y, a, b: g, lambda g, y, a, b: -g)
elementwise(np.multiply, lambda g, y, a, b: g * b, lambda g, y, a, b: g * a)
elementwise(np.divide, lambda g, y, a, b: g / b, lambda g, y, a, b: -g * y / b)
elementwise(np.negative, lambda g, y, x: -g)
elementwise(np.positive, lambda g, y, x: g)
elementwise(np.reciprocal, lambda g, y, x: -g * y * y)
elementwise(np.square, lambda g, y, x: 2 * g * x)
elementwise(np.sqrt, lambda g, y, x: 0.5 * g / y)
elementwise(np.cbrt, lambda g, y, x: g / (3 * y * y))
elementwise(np.absolute, lambda g, y, x: g * np.sign(x))
elementwise(np.fabs, lambda g, y, x: g * np.sign(x))
elementwise(np.conjugate, lambda g, y, x: g)
elementwise(np.remainder, lambda g, y, a, b: g, lambda g, y, a, b: -g * np.floor_divide(a, b))
elementwise(np.fmod, lambda g, y, a, b: g, lambda g, y, a, b: -g * np.trunc(a / b))
elementwise(np.copysign, lambda g, y, a, b: g * np.sign(a) * np.sign(y), lambda g, y, a, b: 0 * g)


def _power_base(g: Any, y: Any, a: Any, b: Any) -> Any:
    """b aᵇ⁻¹, and 0 where b = 0, at a = 0 too."""
    if isinstance(b, (int, float)):
        return g * b * (a if b == 2 else a ** (b - 1 if b else 1))
    return g * b * a ** np.where(b == 0, 1.0, b - 1)


def _power_exponent(g: Any, y: Any, a: Any, b: Any) -> Any:
    """aᵇ ln a, and 0 where a = 0 (for b > 0)."""
    logarithm = float(np.log(a or 1.0)) if isinstance(a, (int, float)) else np.log(np.where(a == 0, 1.0, a))
    return g * y * logarithm


for _power in (np.power, np.float_power):
    elementwise(_power, _power_base, _power_exponent)

# exponentials and logarithms
elementwise(np.exp, lambda g, y, x: g * y)
elementwise(np.exp2, lambda g, y, x: g * y * _LN2)
elementwise(np.expm1, lambda g, y, x: g * (y + 1))
elementwise(np.log, lambda g, y, x: g / x)
elementwise(np.log2, lambda g, y, x: g / (x * _LN2))
elementwise(np.log10, lambda g, y, x: g / (x * _LN10))
elementwise(np.log1p, lambda g, y, x: g / (1 + x))
elementwise(np.logaddexp, lambda g, y, a, b: g * np.exp(a - y), lambda g, y, a, b: g * np.exp(b - y))
elementwise(np.logaddexp2, lambda g, y, a, b: g * np.exp2(a - y), lambda g, y, a, b: g * np.exp2(b - y))

# angles
elementwise(np.sin, lambda g, y, x: g * np.cos(x))
elementwise(np.cos, lambda g, y, x: -g * np.sin(x))
elementwise(np.tan, lambda g, y, x: g * (1 + y * y))
elementwise(np.arcsin, lambda g, y, x: g / np.sqrt((1 - x) * (1 + x)))
elementwise(np.arccos, lambda g, y, x: -g / np.sqrt((1 - x) * (1 + x)))
elementwise(np.arctan, lambda g, y, x: g / (1 + x * x))
elementwise(
    np.arctan2, lambda g, y, a, b: g * b / (a * a + b * b), lambda g, y, a, b: -g * a / (a * a + b * b)
)
elementwise(np.hypot, lambda g, y, a, b: g * a / y, lambda g, y, a, b: g * b / y)
for _radians in (np.radians, np.deg2rad):
    elementwise(_radians, lambda g, y, x: g * (np.pi / 180))
for _degrees in (np.degrees, np.rad2deg):
    elementwise(_degrees, lambda g, y, x: g * (180 / np.pi))

# hyperbolic functions
elementwise(np.sinh, lambda g, y, x: g * np.cosh(x))
elementwise(np.cosh, lambda g, y, x: g * np.sinh(x))
elementwise(np.tanh, lambda g, y, x: g * (1 - y * y))
elementwise(np.arcsinh, lambda g, y, x: g / np.sqrt(x * x + 1))
elementwise(np.arccosh, lambda g, y, x: g / np.sqrt((x - 1) * (x + 1)))
elementwise(np.arctanh, lambda g, y, x: g / ((1 - x) * (1 + x)))


# choices: the derivative is that of what was chosen, and halved between equals
def _chosen(g: Any, y: Any, a: Any, b: Any) -> Any:
    return np.where(a == y, np.where(b == y, 0.5 * g, g), 0.0)


for _extreme in (np.maximum, np.minimum, np.fmax, np.fmin):
    elementwise(_extreme, _chosen, lambda g, y, a, b: _chosen(g, y, b, a))
elementwise(
    np.where, None, lambda g, y, c, a, b: np.where(c, g, 0.0), lambda g, y, c, a, b: np.where(c, 0.0, g)
)
elementwise(
    np.nan_to_num,
    lambda g, y, x, copy=True, nan=0.0, posinf=None, neginf=None: np.where(np.isfinite(x), g, 0.0),
)


@composed(np.clip)
def clip(x: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    """min(max(x, low), high)."""
    low, high = a_min if min is None else min, a_max if max is None else max
    x = x if low is None else np.maximum(x, low)
    return x if high is None else np.minimum(x, high)


@composed(np.sinc)
def sinc(x: Any) -> Any:
    """sin(πx) / (πx), by its Taylor series near 0, so that its derivatives are right there."""
    near = np.abs(x) < 0.01
    z = np.pi * np.where(near, 1.0, x)
    s = (np.pi * np.where(near, x, 0.0)) ** 2
    series = 1 - s / 6 * (1 - s / 20 * (1 - s / 42 * (1 - s / 72)))
    return np.where(near, series, np.sin(z) / z)


@composed(np.divmod)
def divmod_(x1: Any, x2: Any) -> tuple[Any, Any]:
    return np.floor_divide(x1, x2), np.remainder(x1, x2)


@composed(np.modf)
def modf(x: Any) -> tuple[Any, Any]:
    whole = np.trunc(x)
    return x - whole, whole

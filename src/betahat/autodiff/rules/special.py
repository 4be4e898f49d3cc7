"""scipy.special's functions of statistics and physics; entered when one is first met, since importing it takes time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import special as s

from betahat.autodiff.table import RULES, elementwise
from betahat.autodiff.trace import Variable, call

_ROOT, _ROOT_PI = math.sqrt(2 * math.pi), math.sqrt(math.pi)


def _normal(x: Any) -> Any:
    return np.exp(-x * x / 2) / _ROOT


elementwise(s.expit, lambda g, y, x: g * y * (1 - y))
elementwise(s.log_expit, lambda g, y, x: g * s.expit(-x))
elementwise(s.logit, lambda g, y, x: g / (x * (1 - x)))
elementwise(s.erf, lambda g, y, x: g * (2 / _ROOT_PI) * np.exp(-x * x))
elementwise(s.erfc, lambda g, y, x: -g * (2 / _ROOT_PI) * np.exp(-x * x))
elementwise(s.erfinv, lambda g, y, x: g * (_ROOT_PI / 2) * np.exp(y * y))
elementwise(s.ndtr, lambda g, y, x: g * _normal(x))
elementwise(s.log_ndtr, lambda g, y, x: g * np.exp(-x * x / 2 - y) / _ROOT)
elementwise(s.ndtri, lambda g, y, x: g / _normal(y))
elementwise(s.gamma, lambda g, y, x: g * y * s.psi(x))
elementwise(s.gammaln, lambda g, y, x: g * s.psi(x))


def polygamma(n: Any, x: Any) -> Any:
    """ψ⁽ⁿ⁾(x), n ≥ 1; scipy's own asks for plain arrays."""
    return call(polygamma, (n, x), {}) if type(x) is Variable else s.polygamma(n, x)


elementwise(s.psi, lambda g, y, x: g * polygamma(1, x))
elementwise(polygamma, None, lambda g, y, n, x: g * polygamma(n + 1, x))
elementwise(s.rgamma, lambda g, y, x: -g * y * s.psi(x))
elementwise(
    s.beta,
    lambda g, y, a, b: g * y * (s.psi(a) - s.psi(a + b)),
    lambda g, y, a, b: g * y * (s.psi(b) - s.psi(a + b)),
)
elementwise(
    s.betaln,
    lambda g, y, a, b: g * (s.psi(a) - s.psi(a + b)),
    lambda g, y, a, b: g * (s.psi(b) - s.psi(a + b)),
)
elementwise(s.xlogy, lambda g, y, a, b: g * np.log(np.where(b > 0, b, 1.0)), lambda g, y, a, b: g * a / b)
elementwise(s.xlog1py, lambda g, y, a, b: g * np.log1p(b), lambda g, y, a, b: g * a / (1 + b))
elementwise(s.entr, lambda g, y, x: -g * (np.log(x) + 1))
elementwise(s.rel_entr, lambda g, y, a, b: g * (np.log(a / b) + 1), lambda g, y, a, b: -g * a / b)
elementwise(s.kl_div, lambda g, y, a, b: g * np.log(a / b), lambda g, y, a, b: g * (1 - a / b))
elementwise(s.huber, None, lambda g, y, d, r: g * np.clip(r, -d, d))
elementwise(s.erfcx, lambda g, y, x: g * 2 * (x * y - 1 / _ROOT_PI))
elementwise(s.erfcinv, lambda g, y, x: -g * (_ROOT_PI / 2) * np.exp(y * y))
elementwise(s.dawsn, lambda g, y, x: g * (1 - 2 * x * y))
elementwise(s.loggamma, lambda g, y, x: g * s.psi(x))
elementwise(
    s.poch,
    lambda g, y, a, b: g * y * (s.psi(a + b) - s.psi(a)),
    lambda g, y, a, b: g * y * s.psi(a + b),
)
elementwise(s.expi, lambda g, y, x: g * np.exp(x) / x)
elementwise(s.exp1, lambda g, y, x: -g * np.exp(-x) / x)
elementwise(s.pseudo_huber, None, lambda g, y, d, r: g * r / np.sqrt(1 + (r / d) ** 2))
elementwise(
    s.boxcox,
    lambda g, y, x, power: g * x ** (power - 1),
    lambda g, y, x, power: g * _box_cox(np.log(x), power),
)
elementwise(s.inv_boxcox, lambda g, y, x, power: g * y ** (1 - power))
elementwise(s.boxcox1p, lambda g, y, x, power: g * (1 + x) ** (power - 1))
elementwise(
    s.stdtr, None,
    lambda g, y, n, t: g * np.exp(s.gammaln((n + 1) / 2) - s.gammaln(n / 2) - (n + 1) / 2 * np.log1p(t * t / n))
    / np.sqrt(n * np.pi),
)  # fmt: skip


def _box_cox(log_x: Any, power: Any) -> Any:
    """∂/∂p (xᵖ − 1)/p, by its series where p ln x is small."""
    small = np.abs(power * log_x) < 0.03
    z = power * log_x
    series = 1 / 2 + z * (1 / 3 + z * (1 / 8 + z * (1 / 30 + z * (1 / 144 + z / 840))))
    safe = np.where(small, 1.0, z)
    return log_x * log_x * np.where(small, series, (np.exp(safe) * (safe - 1) + 1) / (safe * safe))


# Bessel functions
elementwise(s.i0, lambda g, y, x: g * s.i1(x))
elementwise(s.i1, lambda g, y, x: g * (s.iv(0.0, x) + s.iv(2.0, x)) / 2)
elementwise(s.iv, None, lambda g, y, v, x: g * (s.iv(v - 1, x) + s.iv(v + 1, x)) / 2)
elementwise(s.j0, lambda g, y, x: -g * s.j1(x))
elementwise(s.j1, lambda g, y, x: g * (s.jv(0.0, x) - s.jv(2.0, x)) / 2)
elementwise(s.jv, None, lambda g, y, v, x: g * (s.jv(v - 1, x) - s.jv(v + 1, x)) / 2)
elementwise(s.i0e, lambda g, y, x: g * (s.i1e(x) - np.sign(x) * y))
elementwise(s.i1e, lambda g, y, x: g * ((s.ive(0.0, x) + s.ive(2.0, x)) / 2 - np.sign(x) * y))
elementwise(s.ive, None, lambda g, y, v, x: g * ((s.ive(v - 1, x) + s.ive(v + 1, x)) / 2 - np.sign(x) * y))
elementwise(s.k0, lambda g, y, x: -g * s.k1(x))
elementwise(s.k1, lambda g, y, x: -g * (s.kv(0.0, x) + s.kv(2.0, x)) / 2)
elementwise(s.kv, None, lambda g, y, v, x: -g * (s.kv(v - 1, x) + s.kv(v + 1, x)) / 2)
elementwise(s.k0e, lambda g, y, x: g * (y - s.k1e(x)))
elementwise(s.k1e, lambda g, y, x: g * (y - (s.kve(0.0, x) + s.kve(2.0, x)) / 2))
elementwise(s.kve, None, lambda g, y, v, x: g * (y - (s.kve(v - 1, x) + s.kve(v + 1, x)) / 2))
elementwise(s.y0, lambda g, y, x: -g * s.y1(x))
elementwise(s.y1, lambda g, y, x: g * (s.yv(0.0, x) - s.yv(2.0, x)) / 2)
elementwise(s.yv, None, lambda g, y, v, x: g * (s.yv(v - 1, x) - s.yv(v + 1, x)) / 2)

# distribution functions
elementwise(s.gammainc, None, lambda g, y, a, x: g * np.exp((a - 1) * np.log(x) - x - s.gammaln(a)))
elementwise(s.gammaincc, None, lambda g, y, a, x: -g * np.exp((a - 1) * np.log(x) - x - s.gammaln(a)))
elementwise(
    s.betainc, None, None,
    lambda g, y, a, b, x: g * np.exp((a - 1) * np.log(x) + (b - 1) * np.log1p(-x) - s.betaln(a, b)),
)  # fmt: skip

# as NumPy's, and near 0
for _name in ("expm1", "log1p", "cbrt", "exp2"):
    RULES[getattr(s, _name)] = RULES[getattr(np, _name)]
elementwise(s.exp10, lambda g, y, x: g * y * math.log(10))
if hasattr(s, "softplus"):
    elementwise(s.softplus, lambda g, y, x: g * s.expit(x))
elementwise(s.cosm1, lambda g, y, x: -g * np.sin(x))

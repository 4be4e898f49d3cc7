"""scipy.special's functions of statistics and physics; entered when one is first met, since importing it takes time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import special as s

from betahat.autodiff.table import elementwise
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
elementwise(s.i0, lambda g, y, x: g * s.i1(x))
elementwise(s.i1, lambda g, y, x: g * (s.iv(0.0, x) + s.iv(2.0, x)) / 2)
elementwise(s.iv, None, lambda g, y, v, x: g * (s.iv(v - 1, x) + s.iv(v + 1, x)) / 2)
elementwise(s.j0, lambda g, y, x: -g * s.j1(x))
elementwise(s.j1, lambda g, y, x: g * (s.jv(0.0, x) - s.jv(2.0, x)) / 2)
elementwise(s.jv, None, lambda g, y, v, x: g * (s.jv(v - 1, x) - s.jv(v + 1, x)) / 2)
elementwise(s.gammainc, None, lambda g, y, a, x: g * np.exp((a - 1) * np.log(x) - x - s.gammaln(a)))
elementwise(s.gammaincc, None, lambda g, y, a, x: -g * np.exp((a - 1) * np.log(x) - x - s.gammaln(a)))
elementwise(
    s.betainc, None, None,
    lambda g, y, a, b, x: g * np.exp((a - 1) * np.log(x) + (b - 1) * np.log1p(-x) - s.betaln(a, b)),
)  # fmt: skip
elementwise(s.cosm1, lambda g, y, x: -g * np.sin(x))

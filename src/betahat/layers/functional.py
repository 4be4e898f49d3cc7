"""Activations as plain functions of arrays: no overflow, the dtype kept, and derivatives right at 0 too.

Each is written so that :func:`betahat.jvp` can follow it. Choices are made by `np.where` on x itself: `np.abs`,
`np.maximum` and `np.minimum` have no derivative, or half of one, where their arguments meet.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

_ROOT_HALF = math.sqrt(0.5)
_ROOT_TWO_PI = math.sqrt(2 * math.pi)
_TANH_SCALE, _TANH_CUBE = math.sqrt(2 / math.pi), 0.044715


def sigmoid(x: Any) -> Any:
    """1 / (1 + e⁻ˣ), with all digits for x far below 0.

    >>> import numpy as np
    >>> sigmoid(np.array([-1000.0, 0.0, 1000.0]))
    array([0. , 0.5, 1. ])
    """
    above = x > 0
    t = np.exp(np.where(above, -x, x))
    return np.where(above, 1.0, t) / (1.0 + t)


def softplus(x: Any) -> Any:
    """log(1 + eˣ).

    >>> import numpy as np
    >>> softplus(np.array([-1000.0, 0.0, 10.0])).round(4)
    array([ 0.    ,  0.6931, 10.    ])
    """
    above = x > 0
    return np.where(above, x, 0.0) + np.log1p(np.exp(np.where(above, -x, x)))


def softmax(x: Any) -> Any:
    """eˣ / Σ eˣ along the last axis.

    >>> import numpy as np
    >>> softmax(np.array([[1000.0, 1000.0]]))
    array([[0.5, 0.5]])
    """
    weight = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return weight / np.sum(weight, axis=-1, keepdims=True)


def normal_distribution(x: Any) -> Any:
    """Φ(x), with all digits for x far below 0."""
    from scipy.special import erfc  # takes time to import

    return 0.5 * erfc(-_ROOT_HALF * x)


def normal_density(x: Any) -> Any:
    """φ(x)."""
    return np.exp(-0.5 * x * x) / _ROOT_TWO_PI


def gelu_tanh(x: Any) -> tuple[Any, Any]:
    """½ (1 + tanh u) and its derivative, for u = √(2/π) (x + 0.044715 x³): nearly Φ(x)."""
    square = x * x
    t = np.tanh(_TANH_SCALE * x * (1.0 + _TANH_CUBE * square))
    return 0.5 * (1.0 + t), (0.5 * _TANH_SCALE) * (1.0 - t) * (1.0 + t) * (1.0 + 3 * _TANH_CUBE * square)

"""Where the parameters of a layer begin."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, final

import numpy as np

from betahat.layers.base import Parameter, Shape

SQRT2 = math.sqrt(2.0)


@final
class Values:
    """An array to begin at, as a description that can be compared and hashed."""

    def __init__(self, values: Any, what: str = "initialisation") -> None:
        given = np.asarray(values)
        if given.dtype.kind not in "fiub":
            raise TypeError(
                f"{what} (={values!r}) must be a name of an initialisation or an array of numbers"
            )
        array = np.where(given == 0, 0.0, given).astype(
            np.float64
        )  # without −0: equal arrays have equal hashes
        if not np.isfinite(array).all():
            raise ValueError(f"{what} holds NaN or inf; training must begin at finite numbers")
        array.flags.writeable = False
        self.array = array
        self._hash = hash((array.shape, array.tobytes()))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Values) and np.array_equal(self.array, other.array)

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return repr(self.array)


def _normal(generator: np.random.Generator, shape: Shape, variance: float) -> np.ndarray:
    return generator.standard_normal(shape) * math.sqrt(variance)


def _uniform(generator: np.random.Generator, shape: Shape, variance: float) -> np.ndarray:
    limit = math.sqrt(3.0 * variance)
    return generator.uniform(-limit, limit, shape)


def he(p: Parameter, gain: float) -> float:
    """gain² / fan_in: keeps the size of what goes forward (He et al. 2015); gain² = 2 for a ReLU, which halves it."""
    return gain**2 / p.fan_in


def glorot(p: Parameter, gain: float) -> float:
    """2 / (fan_in + fan_out): between what goes forward and what comes back (Glorot & Bengio 2010)."""
    return 2.0 / (p.fan_in + p.fan_out)


def lecun(p: Parameter, gain: float) -> float:
    """1 / fan_in: keeps the size of a sum (LeCun et al. 1998)."""
    return 1.0 / p.fan_in


def _orthogonal(generator: np.random.Generator, shape: Shape) -> np.ndarray:
    """Orthonormal rows or columns, whichever are fewer, evenly distributed (Saxe, McClelland & Ganguli 2014)."""
    rows, columns = int(np.prod(shape[:-1], dtype=np.int64)), shape[-1] if shape else 1
    Q, R = np.linalg.qr(generator.standard_normal((max(rows, columns), min(rows, columns))))
    Q = Q * np.where(np.diag(R) < 0, -1.0, 1.0)  # else the factorisation's habit of signs would show
    return (Q if rows >= columns else Q.T).reshape(shape)


_SPREAD: dict[str, tuple[Callable[..., np.ndarray], Callable[[Parameter, float], float]]] = {
    "he_normal": (_normal, he),
    "he_uniform": (_uniform, he),
    "glorot_normal": (_normal, glorot),
    "glorot_uniform": (_uniform, glorot),
    "lecun_normal": (_normal, lecun),
    "lecun_uniform": (_uniform, lecun),
}

NAMES = (*_SPREAD, "orthogonal", "zeros", "ones")
"""Variances: He's 2/fan_in, Glorot's 2/(fan_in + fan_out), LeCun's 1/fan_in, normal or uniform on ±√(3 ·
variance)."""


def as_initialisation(value: Any, what: str = "initialisation") -> Any:
    """A name of :data:`NAMES`, "auto", or an array as :class:`Values`.

    >>> as_initialisation("he")
    Traceback (most recent call last):
    ValueError: initialisation (='he') must be "auto", an array or one of he_normal, he_uniform, glorot_normal, ...
    """
    if isinstance(value, Values):
        return value
    if isinstance(value, str):
        if value in NAMES or value == "auto":
            return value
        raise ValueError(f'{what} (={value!r}) must be "auto", an array or one of {", ".join(NAMES)}')
    return Values(value, what)


def draw(p: Parameter, generator: np.random.Generator, gain: float = SQRT2) -> np.ndarray:
    """The array that a parameter begins at, float64.

    gain : of He's initialisations, √2 for a ReLU, √(2/(1 + slope²)) for a leaky one.

    Raises ValueError where given values have another shape.

    >>> import numpy as np
    >>> W = draw(Parameter("weight", (300, 200), "he_uniform", 300, 200), np.random.default_rng(0))
    >>> print(f"{W.var() * 300:.2f}")
    2.00
    """
    how = p.initialisation
    if isinstance(how, Values):
        if how.array.shape != p.shape:
            raise ValueError(f"initialisation of {p.name} has shape {how.array.shape}; expected {p.shape}")
        return how.array
    if how in ("zeros", "ones"):
        return np.full(p.shape, float(how == "ones"))
    if how == "orthogonal":
        return _orthogonal(generator, p.shape)
    distribution, variance = _SPREAD[how]
    return distribution(generator, p.shape, variance(p, gain))

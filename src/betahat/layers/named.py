"""Activations by name, as in scikit-learn and other libraries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from betahat.layers.activations import ELU, GELU, Identity, LeakyReLU, ReLU, Sigmoid, SiLU, Softplus, Tanh
from betahat.layers.base import Layer
from betahat.layers.function import Function
from betahat.layers.softmax import Softmax

ACTIVATIONS: dict[str, Callable[[], Layer]] = {
    "identity": Identity,
    "logistic": Sigmoid,
    "tanh": Tanh,
    "relu": ReLU,
    "leaky_relu": LeakyReLU,
    "elu": ELU,
    "gelu": GELU,
    "silu": SiLU,
    "sigmoid": Sigmoid,
    "softmax": Softmax,
    "softplus": Softplus,
}
"""The first four are scikit-learn's."""


def as_activation(value: Any) -> Layer:
    """A layer as it is, the layer of a name, or a plain function of an array as a :class:`Function`.

    Raises ValueError for an unknown name, TypeError for anything else.

    >>> as_activation("logistic"), as_activation(LeakyReLU(0.2))
    (Sigmoid(), LeakyReLU(slope=0.2))
    """
    if isinstance(value, Layer):
        return value
    if isinstance(value, str):
        if value in ACTIVATIONS:
            return ACTIVATIONS[value]()
        raise ValueError(
            f"activation (={value!r}) must be one of {', '.join(ACTIVATIONS)}, a layer or a function"
        )
    if isinstance(value, type) and issubclass(value, Layer):
        raise TypeError(f"activation is the class {value.__name__}; write {value.__name__}()")
    if callable(value):
        return Function(value)
    raise TypeError(f"activation (={value!r}) must be a name such as 'relu', a layer or a function")

"""What networks are made of: descriptions of f(x, parameters), with forward, backward and shapes.

Plain NumPy: the truth that compiled engines are tested against, and what runs the layers that they do not know. No
layer holds a parameter; a `betahat.models.network.Network` keeps them in one flat array.
"""

from __future__ import annotations

from betahat.layers.activations import (
    ELU,
    GELU,
    Activation,
    Identity,
    LeakyReLU,
    ReLU,
    Sigmoid,
    SiLU,
    Softplus,
    Tanh,
)
from betahat.layers.base import Child, Composite, Layer, Parameter, Pass, Shape
from betahat.layers.dense import Dense
from betahat.layers.flatten import Flatten
from betahat.layers.sequential import Sequential
from betahat.layers.softmax import Softmax

__all__ = [
    "ELU", "GELU", "Activation", "Child", "Composite", "Dense", "Flatten", "Identity", "Layer", "LeakyReLU",
    "Parameter", "Pass", "ReLU", "Sequential", "Shape", "SiLU", "Sigmoid", "Softmax", "Softplus", "Tanh",
]  # fmt: skip

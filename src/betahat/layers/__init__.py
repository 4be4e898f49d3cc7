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
from betahat.layers.batch_norm import BatchNorm
from betahat.layers.columns import Columns
from betahat.layers.dense import Dense
from betahat.layers.dropout import Dropout
from betahat.layers.embedding import Embedding
from betahat.layers.flatten import Flatten
from betahat.layers.function import Function
from betahat.layers.layer_norm import LayerNorm
from betahat.layers.named import as_activation
from betahat.layers.residual import Residual
from betahat.layers.sequential import Sequential
from betahat.layers.softmax import Softmax

__all__ = [
    "ELU", "GELU", "Activation", "BatchNorm", "Child", "Columns", "Composite", "Dense", "Dropout", "Embedding",
    "Flatten", "Function", "Identity", "Layer", "LayerNorm", "LeakyReLU", "Parameter", "Pass", "ReLU", "Residual",
    "Sequential", "Shape", "SiLU", "Sigmoid", "Softmax", "Softplus", "Tanh", "as_activation",
]  # fmt: skip

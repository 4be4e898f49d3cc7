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
from betahat.layers.convolution import Conv1d, Conv2d
from betahat.layers.dense import Dense
from betahat.layers.dropout import Dropout, Dropout2d
from betahat.layers.embedding import Embedding
from betahat.layers.flatten import Flatten
from betahat.layers.function import Function
from betahat.layers.group_norm import GroupNorm
from betahat.layers.image import Image, Reshape
from betahat.layers.layer_norm import LayerNorm
from betahat.layers.named import as_activation
from betahat.layers.pooling import AvgPool1d, AvgPool2d, GlobalAvgPool, GlobalMaxPool, MaxPool1d, MaxPool2d
from betahat.layers.receptive import ReceptiveField, receptive_field
from betahat.layers.residual import Residual
from betahat.layers.sequential import Sequential
from betahat.layers.softmax import Softmax

__all__ = [
    "ELU", "GELU", "Activation", "AvgPool1d", "AvgPool2d", "BatchNorm", "Child", "Columns", "Composite", "Conv1d",
    "Conv2d", "Dense", "Dropout", "Dropout2d", "Embedding", "Flatten", "Function", "GlobalAvgPool", "GlobalMaxPool",
    "GroupNorm", "Identity", "Image", "Layer", "LayerNorm", "LeakyReLU", "MaxPool1d", "MaxPool2d", "Parameter", "Pass",
    "ReLU", "ReceptiveField", "Reshape", "Residual", "Sequential", "Shape", "SiLU", "Sigmoid", "Softmax", "Softplus",
    "Tanh", "as_activation", "receptive_field",
]  # fmt: skip

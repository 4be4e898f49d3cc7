"""What the compiled engine knows."""

from __future__ import annotations

from betahat.engines.base import Task
from betahat.engines.cpu.chain import number_of
from betahat.kernels.network import activations as kinds
from betahat.kernels.random import threshold
from betahat.layers import activations
from betahat.layers.base import Child, Layer
from betahat.layers.batch_norm import BatchNorm
from betahat.layers.columns import Columns
from betahat.layers.convolution import Convolution
from betahat.layers.dense import Dense
from betahat.layers.dropout import Dropout, Dropout2d
from betahat.layers.flatten import Flatten
from betahat.layers.group_norm import GroupNorm
from betahat.layers.image import Image, Reshape
from betahat.layers.layer_norm import LayerNorm
from betahat.layers.pooling import AvgPool, GlobalAvgPool, GlobalMaxPool, MaxPool
from betahat.layers.residual import Residual
from betahat.layers.sequential import Sequential, chained
from betahat.losses.base import Loss
from betahat.losses.multinomial import Multinomial
from betahat.losses.smoothed import SmoothedMultinomial

_SIMPLE = {
    activations.Tanh: kinds.TANH, activations.Sigmoid: kinds.SIGMOID, activations.Softplus: kinds.SOFTPLUS,
    activations.SiLU: kinds.SILU,
}  # fmt: skip
_PLACES = (
    Dense, Convolution, Dropout, Dropout2d, BatchNorm, GroupNorm, LayerNorm, Flatten, Image, Reshape, AvgPool, MaxPool,
    GlobalAvgPool, GlobalMaxPool,
)  # fmt: skip
_DEEP = 6  # numbers of a layer inside others that an operation holds


def activation_of(layer: Layer) -> tuple[int, float] | None:
    """The compiled activation that a layer is, and its number; None for none."""
    if isinstance(layer, activations.ReLU):
        return kinds.LEAKY, 0.0
    if isinstance(layer, activations.LeakyReLU):
        return kinds.LEAKY, layer.slope
    if isinstance(layer, activations.ELU):
        return kinds.ELU, layer.alpha
    if isinstance(layer, activations.GELU):
        return (kinds.GELU_TANH if layer.approximate == "tanh" else kinds.GELU), 0.0
    number = _SIMPLE.get(type(layer))
    return None if number is None else (number, 0.0)


def is_plain(layer: Layer) -> bool:
    """Whether it hands rows through as they lie."""
    return isinstance(layer, activations.Identity) or (
        isinstance(layer, (Dropout, Dropout2d)) and threshold(layer.rate) == 0
    )


def is_known(task: Task) -> bool:
    """Whether every part of a task can be lowered."""
    network = task.network
    return (
        len(network.input_shape) >= 1
        and network.size > 0
        and len(network.output_shape) == 1
        and _all_known(chained(network.layers, network.input_shape), 1)
        and (
            isinstance(task.loss, (Multinomial, SmoothedMultinomial))
            or (isinstance(task.loss, Loss) and task.loss.code is not None)
        )
        and all(number_of(link) is not None for link in task.chain.transformations)
    )


def _all_known(children: tuple[Child, ...], depth: int) -> bool:
    for place, child in enumerate(children):
        layer = child.layer
        if isinstance(layer, (Sequential, Residual)):
            inner = layer.children(child.shape)
            if depth >= _DEEP or not _all_known(inner, depth + 1):
                return False
        elif isinstance(layer, Columns):
            if place or depth > 1:
                return False
        elif not (isinstance(layer, _PLACES) or is_plain(layer) or activation_of(layer) is not None):
            return False
    return True

"""Every layer, with a shape that it takes, and rows for it."""

from __future__ import annotations

import numpy as np

from betahat.layers import (
    ELU,
    GELU,
    AvgPool1d,
    AvgPool2d,
    BatchNorm,
    Columns,
    Conv1d,
    Conv2d,
    Dense,
    Dropout,
    Dropout2d,
    Embedding,
    Flatten,
    Function,
    GlobalAvgPool,
    GlobalMaxPool,
    GroupNorm,
    Identity,
    Image,
    LayerNorm,
    LeakyReLU,
    MaxPool1d,
    MaxPool2d,
    ReLU,
    Reshape,
    Residual,
    Sequential,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from betahat.models.network import Network


def quadratic(x, w, b):
    return (x @ w + b) ** 2 + np.sin(x @ w)


ACTIVATIONS = [
    ReLU(), LeakyReLU(), LeakyReLU(0.3), ELU(), ELU(0.5), GELU(), GELU("tanh"), SiLU(), Sigmoid(), Tanh(), Softplus(),
    Identity(),
]  # fmt: skip

CASES = [
    *((layer, (3,)) for layer in ACTIVATIONS),
    (GELU(), (2, 3, 2)),
    (ReLU(), ()),
    (Softmax(), (4,)),
    (Softmax(), (2, 3)),
    (Flatten(), (2, 3)),
    (Flatten(), ()),
    (Dense(3), (4,)),
    (Dense(1, bias=False), (4,)),
    (Dropout(0.3), (6,)),
    (Dropout(0.5), (2, 3)),
    (Dropout(0.0), (3,)),
    (BatchNorm(), (3,)),
    (BatchNorm(momentum=1.0, epsilon=0.1), (2, 2, 3)),
    (LayerNorm(), (4,)),
    (LayerNorm(epsilon=0.1), (2, 3)),
    (Embedding(5, 2), ()),
    (Embedding(4, 3), (2,)),
    (Columns((0, 3), ((2, Embedding(4, 2)), (1, Embedding(3, 3)))), (4,)),
    (Columns(embedded=((0, Embedding(4, 2)),)), (1,)),
    (Columns(numeric=(1, 0)), (2,)),
    (Residual(Dense(3), Tanh(), Dropout(0.4), Dense(4)), (4,)),
    (Sequential(Dense(5), BatchNorm(), GELU(), Residual(Dense(5), SiLU()), Dense(2)), (3,)),
    (Function(quadratic, {"w": (3, 2), "b": np.array([0.1, 0.2])}), (3,)),
    (Function(np.tanh), (2, 2)),
    (Conv2d(2, 2), (3, 3, 1)),
    (Conv2d(3, (3, 2), stride=(2, 1), padding="same", bias=False), (4, 3, 2)),
    (Conv2d(4, 2, padding=((0, 1), (2, 0)), dilation=(1, 2), groups=2), (3, 3, 2)),
    (Conv2d(3, 1, stride=2, groups=3), (3, 3, 3)),
    (Conv1d(3, 2, stride=2, padding=(1, 2), dilation=2), (4, 2)),
    (Conv1d(2, 3, padding="same", groups=2, initialisation="he_normal"), (3, 2)),
    (MaxPool2d(2), (4, 4, 1)),
    (MaxPool2d((3, 2), stride=(1, 2), padding=((1, 0), (0, 1)), dilation=(1, 2)), (3, 4, 2)),
    (MaxPool1d(2, stride=1, padding="same"), (4, 2)),
    (AvgPool2d(2, stride=1, padding=1), (2, 3, 2)),
    (AvgPool2d((2, 3), padding="same", count_include_pad=True), (3, 4, 1)),
    (AvgPool1d(3, stride=2, padding=((1, 1),)), (5, 2)),
    (GlobalAvgPool(), (2, 3, 2)),
    (GlobalAvgPool(), (3, 2)),
    (GlobalMaxPool(), (2, 2, 2)),
    (GlobalMaxPool(), (4, 2)),
    (GroupNorm(2), (2, 2, 4)),
    (GroupNorm(1, epsilon=0.1), (3,)),
    (Dropout2d(0.4), (2, 2, 5)),
    (Image(2, 3), (6,)),
    (Image(2, 2, 3, order="NCHW"), (3, 2, 2)),
    (Reshape((3, 1)), (3,)),
    (Residual(Conv2d(3, 2, stride=2), Tanh(), projection="auto"), (4, 4, 2)),
    (Residual(Dense(3), projection=Sequential(Dense(3), BatchNorm(epsilon=0.1))), (2,)),
]


def name(case):
    layer, shape = case
    return f"{layer} {shape}".replace("<function ", "").split(" at 0x")[0]


def rows(layer, shape, n, rng):
    """Numbers of either sign, none near a kink at 0; whole numbers where codes are taken."""
    x = rng.uniform(0.1, 1.5, (n, *shape)) * rng.choice([-1.0, 1.0], (n, *shape))
    if isinstance(layer, Embedding):
        return rng.integers(0, layer.categories, (n, *shape)).astype(float)
    if isinstance(layer, Columns):
        for place, embedding in layer.embedded:
            x[:, place] = rng.integers(0, embedding.categories, n)
    return x


def network(case, rng, dtype=np.float64):
    """A network of that layer alone, with parameters that are nowhere 0 or 1, running statistics of some training."""
    layer, shape = case
    net = Network([layer], shape)
    beta = net.initial(1, dtype)
    for view in net.views(beta).values():
        view += 0.3 * rng.standard_normal(view.shape)
    buffers = net.initial_buffers(dtype)
    for view in net.buffer_views(buffers).values():
        view += rng.uniform(0.1, 0.5, view.shape)
    return net, beta, buffers

"""The layers of a convolutional network, from parameters: blocks of convolutions, named architectures, and the dense
layers after them."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral
from typing import Any

from betahat.estimators.checks import check_choice
from betahat.estimators.network.images import Form, times
from betahat.estimators.network.parameters import check_flag, hidden_sizes
from betahat.estimators.network.stack import rates_of
from betahat.layers import (
    AvgPool2d,
    BatchNorm,
    Conv2d,
    Dense,
    Dropout,
    Flatten,
    GlobalMaxPool,
    Identity,
    Layer,
    MaxPool2d,
    Residual,
    as_activation,
)
from betahat.layers.windows import along, spread

ARCHITECTURES = ("lenet", "vgg-small", "resnet-9")
DEFAULTS = {"channels": (32, 64), "kernel_size": 3, "hidden": (128,), "residual": False}
"""What blocks are made of where no architecture is named."""
_POOLS = {"max": MaxPool2d, "average": AvgPool2d}
_SMALLEST = {
    "lenet": 12,
    "vgg-small": 8,
    "resnet-9": 8,
}  # sides of images that leave something after all pooling


def check_convolutions(p: Any) -> None:
    """The parameters that say what the network is made of."""
    channels_of(p.channels)
    along(p.kernel_size, "kernel_size", 2)
    if p.pool is not None:
        check_choice("pool", p.pool, tuple(_POOLS))
    sizes = hidden_sizes(p.hidden, "hidden")
    as_activation(p.activation)
    check_flag("batch_norm", p.batch_norm)
    check_flag("residual", p.residual)
    if p.architecture is None:
        rates_of(p.dropout, max(len(sizes), 1))
        return
    check_choice("architecture", p.architecture, ARCHITECTURES)
    for name, default in DEFAULTS.items():
        value = getattr(p, name)
        if (tuple(value) if isinstance(value, list) else value) != default:
            raise ValueError(
                f"{name} (={value!r}) and architecture (={p.architecture!r}) both say what the network is made of; "
                "leave one of them out"
            )
    rates_of(p.dropout, max(len(_hidden(p)), 1))


def channels_of(value: Any) -> tuple[int, ...]:
    """Channels of each block; a number stands for one block.

    >>> channels_of(32), channels_of([32, 64])
    ((32,), (32, 64))
    """
    found = hidden_sizes([value] if isinstance(value, Integral) else value, "channels")
    if not found:
        raise ValueError(
            f"channels (={value!r}) names no block; a network without convolutions is an MLPClassifier"
        )
    return found


def convolutions(p: Any, form: Form, outputs: int) -> list[Layer]:
    """All layers, for images of that form."""
    made = _blocks(p, form) if p.architecture is None else _NAMED[p.architecture](p, form)
    activation, sizes = as_activation(p.activation), _hidden(p)
    rates = rates_of(p.dropout, max(len(sizes), 1))
    if not isinstance(made[-1], GlobalMaxPool):
        made.append(Flatten())
    for units, rate in zip(sizes, rates, strict=False):
        made += [Dense(units), *_unless_identity(activation), *([Dropout(rate)] if rate else [])]
    if not sizes and rates[0]:
        made.append(Dropout(rates[0]))
    return [*made, Dense(outputs)]


def _hidden(p: Any) -> tuple[int, ...]:
    known = {"lenet": (120, 84), "vgg-small": (128,), "resnet-9": ()}
    return hidden_sizes(p.hidden, "hidden") if p.architecture is None else known[p.architecture]


def _blocks(p: Any, form: Form) -> list[Layer]:
    size, kernel = form.shape[:2], spread(along(p.kernel_size, "kernel_size", 2), 2)
    if not form.small and (kernel[0] > size[0] or kernel[1] > size[1]):
        raise ValueError(
            f"kernel_size (={p.kernel_size!r}) is larger than the images, {times(size)}; a window must fit into them"
        )
    made: list[Layer] = []
    for number, filters in enumerate(channels_of(p.channels)):
        fitting = (min(kernel[0], size[0]), min(kernel[1], size[1])) if form.small else kernel
        if p.residual:
            last = _convolution(p, filters, fitting)[: 2 if p.batch_norm else 1]
            inner = [*_convolution(p, filters, fitting), *last]
            made += [Residual(*inner, projection="auto"), *_unless_identity(as_activation(p.activation))]
        else:
            made += _convolution(p, filters, fitting)
        if p.pool is not None and not (form.small and size == (1, 1)):
            if size == (1, 1):
                raise ValueError(
                    f"channels (={p.channels!r}) has {len(channels_of(p.channels))} blocks, and images of "
                    f"{times(form.shape[:2])} are pooled to 1 × 1 after {number} of them; make fewer blocks, or "
                    "pool=None"
                )
            window = (min(2, size[0]), min(2, size[1]))
            made.append(_POOLS[p.pool](window))
            size = (size[0] // window[0], size[1] // window[1])
    return made


def _convolution(
    p: Any, filters: int, kernel: int | tuple[int, ...], padding: Any = "same", normal: bool | None = None
) -> list[Layer]:
    """A convolution, its normalisation (None: where that is asked for) and its activation."""
    normal = bool(p.batch_norm) if normal is None else normal
    between: list[Layer] = [BatchNorm()] if normal else []
    return [
        Conv2d(filters, kernel, padding=padding, bias=not normal),
        *between,
        *_unless_identity(as_activation(p.activation)),
    ]


def _unless_identity(activation: Layer) -> list[Layer]:
    return [] if isinstance(activation, Identity) else [activation]


def _pooled(p: Any) -> list[Layer]:
    return [] if p.pool is None else [_POOLS[p.pool](2)]


def _refuse_small(p: Any, form: Form) -> None:
    least = _SMALLEST[p.architecture]
    if min(form.shape[:2]) < least:
        raise ValueError(
            f"architecture (={p.architecture!r}) takes images of {least} × {least} or more, and these are "
            f"{times(form.shape[:2])}; make the network of channels"
        )


def _lenet(p: Any, form: Form) -> list[Layer]:
    """LeCun et al. (1998), with the activation and pooling that are asked for."""
    _refuse_small(p, form)
    return [*_convolution(p, 6, 5), *_pooled(p), *_convolution(p, 16, 5, padding=0), *_pooled(p)]


def _vgg(p: Any, form: Form) -> list[Layer]:
    """Pairs of 3 × 3 convolutions, twice as many channels after each pooling; after Simonyan & Zisserman (2015)."""
    _refuse_small(p, form)
    pairs = [[*_convolution(p, c, 3), *_convolution(p, c, 3), *_pooled(p)] for c in (32, 64, 128)]
    return [layer for pair in pairs for layer in pair]


def _resnet(p: Any, form: Form) -> list[Layer]:
    """Eight convolutions, all normalised, two pairs of them residual, and a dense layer (He et al. 2016; Page 2018)."""
    _refuse_small(p, form)

    def convolution(filters: int) -> list[Layer]:
        return _convolution(p, filters, 3, normal=True)

    def block(filters: int) -> list[Layer]:
        return [*convolution(filters), *_pooled(p)]

    def twice(filters: int) -> Residual:
        return Residual(*convolution(filters), *convolution(filters))

    return [*convolution(64), *block(128), twice(128), *block(256), *block(512), twice(512), GlobalMaxPool()]


_NAMED: dict[str, Callable[[Any, Form], list[Layer]]] = {
    "lenet": _lenet,
    "vgg-small": _vgg,
    "resnet-9": _resnet,
}

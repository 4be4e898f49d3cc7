"""The layers of a multilayer perceptron, from scikit-learn's parameters and ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from betahat.estimators.network.parameters import check_flag, hidden_sizes
from betahat.layers import (
    BatchNorm,
    Columns,
    Dense,
    Dropout,
    Embedding,
    Identity,
    Layer,
    LayerNorm,
    Shape,
    as_activation,
)


def check_stack(p: Any) -> None:
    """The parameters that say what the network is made of."""
    sizes = hidden_sizes(p.hidden_layer_sizes)
    as_activation(p.activation)
    rates_of(p.dropout, len(sizes))
    check_flag("batch_norm", p.batch_norm)
    check_flag("layer_norm", p.layer_norm)
    if p.batch_norm and p.layer_norm:
        raise ValueError("batch_norm and layer_norm are both True; a layer is normalised in one way")


def rates_of(dropout: Any, layers: int) -> tuple[float, ...]:
    """The rate of each hidden layer; a number stands for all.

    >>> rates_of(0.5, 2), rates_of([0.1, 0.2], 2)
    ((0.5, 0.5), (0.1, 0.2))
    """
    each = (
        isinstance(dropout, (Sequence, np.ndarray))
        and not isinstance(dropout, (str, bytes))
        and np.ndim(dropout) > 0
    )
    given: list[Any] = list(dropout) if each else [dropout] * layers
    if len(given) != layers:
        raise ValueError(
            f"dropout (={dropout!r}) must be one rate, or one for each of the {layers} hidden layers"
        )
    if not (layers or each):
        given = [dropout]  # refused where it is no rate
    try:
        rates = tuple(Dropout(rate).rate for rate in given)
    except (TypeError, ValueError) as error:
        raise type(error)(f"dropout (={dropout!r}) holds a rate that cannot be one: {error}") from None
    return rates if layers else ()


def stack(p: Any, outputs: int) -> list[Layer]:
    """Dense, normalisation, activation and dropout for each hidden layer, and a Dense of the outputs."""
    layers: list[Layer] = []
    sizes, activation = hidden_sizes(p.hidden_layer_sizes), as_activation(p.activation)
    for units, rate in zip(sizes, rates_of(p.dropout, len(sizes)), strict=True):
        layers.append(Dense(units))
        if p.batch_norm:
            layers.append(BatchNorm())
        if p.layer_norm:
            layers.append(LayerNorm())
        if not isinstance(activation, Identity):
            layers.append(activation)
        if rate > 0:
            layers.append(Dropout(rate))
    return [*layers, Dense(outputs)]


def embedding(levels: dict[int, tuple[str, ...]], columns: int) -> list[Layer]:
    """What a table's columns of codes are put through first; nothing where there are none.

    A category of k levels becomes min(50, ⌈k/2⌉) numbers.
    """
    if not levels:
        return []
    sizes = {place: min(50, (len(known) + 1) // 2) for place, known in levels.items()}
    embedded = tuple((place, Embedding(len(levels[place]), size)) for place, size in sizes.items())
    return [Columns(tuple(j for j in range(columns) if j not in levels), embedded)]


def coded_columns(layers: list[Layer], shape: Shape) -> tuple[int, ...]:
    """The columns that the first layer takes for codes, which must enter as they are.

    >>> coded_columns([Columns((0,), ((1, Embedding(3, 2)),)), Dense(1)], (2,))
    (1,)
    """
    if isinstance(layers[0], Embedding):
        return tuple(range(shape[-1]))
    return tuple(place for place, _ in layers[0].embedded) if isinstance(layers[0], Columns) else ()

"""A stack of layers as users give it, and whether its outputs are what the targets need."""

from __future__ import annotations

from typing import Any

from betahat.layers import Dense, Layer, Sigmoid, Softmax
from betahat.layers.checks import layers as checked
from betahat.models.network import Network


def check_layers(p: Any) -> None:
    """That `layers` is a list of layers."""
    checked(p.layers, "layers")


def outputs_of(p: Any, shape: tuple[int, ...], wanted: tuple[int, ...], why: str) -> int:
    """How many numbers the last layer gives for rows of that shape, which must be one of `wanted`.

    Raises ValueError where it is not, or where scores are made probabilities too early; what the layers raise.
    """
    given = list(p.layers)
    network = Network(given, shape)
    last = network.leaves[-1].layer
    if isinstance(last, (Softmax, Sigmoid)) and "class" in why:
        raise ValueError(
            f"layers ends with {last!r}; a classifier's network ends with scores, of which the loss makes "
            f"probabilities without losing digits: leave {last!r} out"
        )
    found = network.output_shape
    if found == (1,) and "class" in why and 1 not in wanted:
        raise ValueError(
            f"Only binary classification is supported. The type of the target is multiclass: layers gives one score, "
            f"and y has {why}; let it end with Dense({wanted[0]})"
        )
    if len(found) != 1 or found[0] not in wanted:
        shapes = " or ".join(f"({k},)" for k in wanted)
        raise ValueError(
            f"layers gives outputs of shape {found} for rows of shape {shape}; {shapes} is expected, for {why}: let it "
            f"end with Dense({wanted[0]})"
        )
    return found[0]


def ends_with_one(p: Any) -> bool:
    """Whether there is one output."""
    last = list(p.layers)[-1:]
    return bool(last) and isinstance(last[0], Dense) and last[0].units == 1


def given_layers(p: Any) -> list[Layer]:
    """The stack itself."""
    return list(checked(p.layers, "layers"))

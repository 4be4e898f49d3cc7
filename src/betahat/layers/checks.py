"""Arguments of layers: refused by name."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any

from betahat.layers.base import Layer, Shape


def whole(value: Any, what: str, least: int = 1) -> int:
    """A whole number, at least `least`."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{what} (={value!r}) must be a whole number")
    if value < least:
        raise ValueError(f"{what} (={value!r}) must be at least {least}")
    return int(value)


def number(
    value: Any, what: str, low: float = -math.inf, high: float = math.inf, *, above: bool = False
) -> float:
    """A finite number from `low` (without it if `above`) up to `high`."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{what} (={value!r}) must be a number")
    try:
        found = float(value)
    except OverflowError:  # of whole numbers beyond 1e308
        found = math.inf  # of either sign, as finite numbers are wanted
    if not (math.isfinite(found) and (low < found if above else low <= found) and found <= high):
        bounds = f"{'above' if above else 'at least'} {low:g}" if low > -math.inf else "finite"
        raise ValueError(
            f"{what} (={value!r}) must be {bounds}{f' and at most {high:g}' if high < math.inf else ''}"
        )
    return found


def flag(value: Any, what: str) -> bool:
    """True or False."""
    if not isinstance(value, bool):
        raise TypeError(f"{what} (={value!r}) must be True or False")
    return value


def shape(value: Any, what: str) -> Shape:
    """Lengths of axes; a whole number stands for one axis."""
    if isinstance(value, Integral) and not isinstance(value, bool):
        value = (value,)
    if not isinstance(value, (tuple, list)):
        raise TypeError(f"{what} (={value!r}) must be a tuple of whole numbers, such as (54,) or (28, 28, 1)")
    return tuple(whole(length, f"{what}[{k}]") for k, length in enumerate(value))


def layers(values: Any, what: str) -> tuple[Layer, ...]:
    """One layer or more."""
    if isinstance(values, Layer):
        raise TypeError(f"{what} (={values!r}) must be a list of layers: [{values!r}]")
    try:
        found = tuple(values)
    except TypeError:
        raise TypeError(f"{what} (={values!r}) must be a list of layers") from None
    if not found:
        raise ValueError(f"{what} is empty; give one layer or more")
    for k, value in enumerate(found):
        if isinstance(value, Layer):
            continue
        if isinstance(value, type) and issubclass(value, Layer):
            raise TypeError(
                f"{what}[{k}] is the class {value.__name__}; write {value.__name__}(...), with its arguments"
            )
        raise TypeError(
            f"{what}[{k}] (={value!r}) must be a layer, such as betahat.layers.Dense(64) or betahat.layers.ReLU()"
        )
    return found


def one_axis(layer: Layer, given: Shape) -> int:
    """The length of the only axis of a row."""
    if len(given) != 1:
        raise ValueError(
            f"{layer!r} takes rows of one axis, and is given shape {given}: put Flatten() before it"
            if given
            else f"{layer!r} takes rows of one axis, and is given single numbers: make X (n, 1), input_shape (1,)"
        )
    return given[0]


def last_axis(layer: Layer, given: Shape) -> int:
    """The length of the last axis of a row."""
    if not given:
        raise ValueError(
            f"{layer!r} works along an axis, and is given single numbers: make X (n, 1), input_shape (1,)"
        )
    return given[-1]


def image(layer: Layer, given: Shape, axes: int) -> None:
    """ValueError for rows that are no images (axes 2) or sequences (axes 1), with channels on their last axis."""
    if len(given) == axes + 1:
        channels(layer, given)
        return
    what, before = (
        ("images (height, width, channels)", "Image(height, width, channels)")
        if axes == 2
        else ("sequences (length, channels)", "Reshape((length, channels)), or Embedding(...) for tokens,")
    )
    raise ValueError(
        f"{layer!r} takes rows that are {what}, and is given shape {given}: put {before} before it"
    )


def places(layer: Layer, given: Shape) -> None:
    """ValueError for rows without places: of one axis or none."""
    if len(given) < 2:
        raise ValueError(
            f"{layer!r} takes images (height, width, channels) or sequences (length, channels), and is given shape "
            f"{given}"
        )
    channels(layer, given)


def channels(layer: Layer, given: Shape) -> None:
    """ValueError where an axis has no length."""
    if min(given) < 1:
        raise ValueError(f"{layer!r} is given shape {given}, in which there is nothing")


def divisible(channels: int, what: str, groups: int, where: str) -> None:
    """ValueError where groups do not divide channels."""
    if channels % groups:
        raise ValueError(f"{where}: `{what}` (={channels}) must be divisible by `groups` (={groups})")

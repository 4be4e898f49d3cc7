"""Rows of users as images (n, height, width, channels): what shape they have, and in what order their numbers lie."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from betahat.errors import DataError
from betahat.estimators.checks import check_choice
from betahat.layers import Image, Pass, Shape
from betahat.layers import checks as layer_checks
from betahat.layers.base import size_of
from betahat.layers.image import ORDERS

LINE = 32
"""Columns up to which a table without `image_shape`, not of squares, is taken for lines of pixels."""
_CHANNELS = (1, 2, 3, 4)  # of images as files hold them: grey and colour, without and with transparency


@final
@dataclass(frozen=True)
class Form:
    """How rows are images: their (height, width, channels), and in what order their numbers are.

    small : whether they are rows of a table of few columns, over which windows that do not fit are made smaller.
    """

    shape: tuple[int, int, int]
    order: str
    small: bool = False

    def laid(self, rows: np.ndarray, order: str | None = None) -> np.ndarray:
        """Rows (n, …) as images (n, height, width, channels): a view, where they lie in order.

        Raises DataError where they are no such images.
        """
        height, width, channels = self.shape
        image = Image(height, width, channels, self.order if order is None else order)
        given = tuple(rows.shape[1:])
        try:
            image.output_shape(given)
        except ValueError:
            raise DataError(
                f"X has rows of shape {given}; images of {times(self.shape)} (height × width × channels) are expected, "
                f"as rows of shape {image.laid} ({image.order}) or ({size_of(image.laid)},)"
                + self._why(given, image)
            ) from None
        return image.forward(rows, (), Pass())[0]

    def _why(self, given: Shape, image: Image) -> str:
        if len(given) == 3 and sorted(given) == sorted(self.shape) and given != image.laid:
            other = ORDERS[image.order == "NHWC"]
            return f'. Are their numbers in another order (image_order="{other}"), or height and width exchanged?'
        if given == (self.shape[1:] if self.order == "NHWC" else self.shape[:2]):
            return ". Is X one image? Give it an axis for rows: X[None]"
        if len(given) == 3:
            place = 2 if image.order == "NHWC" else 0
            if given[place] != self.shape[2]:
                return f". They have {given[place]} channels in the place of {self.shape[2]}"
        return ""


def times(shape: Shape) -> str:
    """Lengths as people write them.

    >>> times((28, 28, 1))
    '28 × 28 × 1'
    """
    return " × ".join(map(str, shape))


def check_image_parameters(p: Any) -> None:
    """The parameters that say how rows are images."""
    check_choice("image_order", p.image_order, ORDERS)
    _given_shape(p.image_shape)


def _given_shape(image_shape: Any) -> tuple[int, int, int] | None:
    if image_shape is None:
        return None
    if not isinstance(image_shape, (tuple, list)):
        raise TypeError(
            f"image_shape (={image_shape!r}) must be None, (height, width) or (height, width, channels)"
        )
    found = layer_checks.shape(image_shape, "image_shape")
    if len(found) not in (2, 3):
        raise ValueError(
            f"image_shape (={image_shape!r}) must be (height, width), for grey images, or (height, width, channels)"
        )
    return (found[0], found[1], found[2] if len(found) == 3 else 1)


def form_of(p: Any, given: Shape) -> Form:
    """How rows of the shape `given` are images, by `image_shape` and `image_order` or by what they look like.

    Raises DataError where nothing says how.
    """
    shape = _given_shape(p.image_shape)
    if shape is not None:
        return Form(shape, p.image_order)
    if len(given) == 1:
        return Form(_flat_shape(given[0]), p.image_order, small=given[0] <= LINE)
    if len(given) == 2:
        return Form((given[0], given[1], 1), p.image_order)
    if len(given) != 3:
        raise DataError(
            f"X has shape (n, {', '.join(map(str, given))}); images (n, height, width, channels) are expected, grey "
            "ones (n, height, width), or rows (n, p) with image_shape"
        )
    if min(given) < 1:
        raise DataError(f"X has rows of shape {given}, in which there is nothing")
    found = given if p.image_order == "NHWC" else (given[1], given[2], given[0])
    other = given[0] if p.image_order == "NHWC" else given[2]
    if found[2] not in _CHANNELS and other in _CHANNELS:
        raise DataError(
            f"X has rows of shape {given}, and image_order (={p.image_order!r}) makes of them images of "
            f'{times(found)} (height × width × channels); {other} look like the channels: image_order="'
            f'{ORDERS[p.image_order == "NHWC"]}"? If they are not, say so by image_shape={found}'
        )
    return Form(found, p.image_order)


def _flat_shape(columns: int) -> tuple[int, int, int]:
    side = math.isqrt(columns)
    if side * side == columns:
        return (side, side, 1)
    if columns <= LINE:
        return (1, columns, 1)
    colour, rest = divmod(columns, 3)
    side = math.isqrt(colour)
    hint = (
        f"image_shape=({side}, {side}, 3)?"
        if not rest and side * side == colour
        else "give image_shape=(height, width)"
    )
    raise DataError(
        f"X has rows of {columns} numbers, which are no square grey image, and image_shape is None: {hint}, or X (n, "
        "height, width, channels)"
    )

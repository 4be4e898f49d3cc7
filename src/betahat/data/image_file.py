"""One image file, as Pillow reads it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from betahat.errors import DataError

MODES = {"L": 1, "RGB": 3, "RGBA": 4}
"""Ways to read images, and the channels of each."""
_GREY = ("1", "L", "LA", "La", "I;16", "I;16L", "I;16B", "I;16N")
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, TypeError, LookupError, struct.error)
"""What Pillow raises for files that are damaged."""
_LONG = ("I", "F")  # 32 bits, in units that nobody knows
_ORIENTATION, _TURNED = 0x0112, 5  # of EXIF: from which value on height and width are exchanged


class Header(NamedTuple):
    """(height, width) as it is seen upright, and whether it is grey."""

    pixels: tuple[int, int]
    grey: bool


def pillow() -> Any:
    """The module PIL.Image.

    Raises ImportError, naming the extra, where it is not there.
    """
    try:
        from PIL import Image
    except ImportError:
        raise ImportError(
            'image files are read by Pillow, which is not installed: pip install "betahat[images]"'
        ) from None
    return Image


def is_image(name: str) -> bool:
    """Whether a file's ending is one of images.

    >>> is_image("a.PNG"), is_image("labels.csv")
    (True, False)
    """
    _, dot, ending = name.rpartition(".")
    return f".{ending.lower()}" in pillow().registered_extensions() if dot else False


def header(name: str) -> Header:
    """What a file says of itself, its pixels not decoded.

    Raises DataError, whose cause is Pillow's, where it is no image.
    """
    with _opened(name) as image:
        width, height = image.size
        turned = image.getexif().get(_ORIENTATION, 1)
        if isinstance(turned, int) and turned >= _TURNED:
            width, height = height, width
        return Header((height, width), image.mode in _GREY)


def decode(name: str, mode: str, size: tuple[int, int] | None) -> np.ndarray:
    """Pixels (height, width, channels) uint8, upright; resized to (height, width) where asked.

    Raises DataError, naming the file, where it cannot be decoded.
    """
    from PIL import ImageOps

    with _opened(name) as image:
        upright = ImageOps.exif_transpose(image)
        upright = _eight_bits(upright, name).convert(mode)
        if size is not None and upright.size != size[::-1]:
            upright = upright.resize(size[::-1], pillow().Resampling.BILINEAR)
        found = np.asarray(upright, np.uint8)
    return found[:, :, None] if found.ndim == 2 else found


def _eight_bits(image: Any, name: str) -> Any:
    if image.mode in _LONG:
        raise DataError(
            f"{name!r} holds numbers of 32 bits for each pixel, whose range nobody knows; read it as an array"
        )
    if image.mode.startswith("I;16"):
        return pillow().fromarray((np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8))
    return image


@contextmanager
def _opened(name: str) -> Iterator[Any]:
    """A file opened by Pillow, whose errors become DataErrors that name it."""
    kind = pillow()
    try:
        with kind.open(name) as image:
            yield image
    except DataError:
        raise
    except (*_BROKEN, kind.DecompressionBombError) as error:
        raise DataError(f"{name!r} cannot be read as an image: {error}") from error

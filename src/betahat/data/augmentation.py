"""Random changes of training images: what they may be, and the numbers drawn for each image."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from numbers import Integral, Real
from typing import Any, final

import numpy as np

from betahat.errors import DataError
from betahat.kernels import augment as kernel
from betahat.kernels.random import bits

__all__ = ["Augmentation"]

FLIPS = ("horizontal", "vertical", "both")
_PURPOSE = 1 << 32  # layers, which draw from the same keys, have smaller numbers
_SLOTS = 16
(
    _DOWN,
    _ACROSS,
    _LEFT_RIGHT,
    _UPSIDE_DOWN,
    _ANGLE,
    _SIZE,
    _WINDOW,
    _LINE,
    _COLUMN,
    _LIGHT,
    _CUT_LINE,
    _CUT_COLUMN,
) = range(12)  # numbers of a row's draws


@final
@dataclass(frozen=True)
class Augmentation:
    """Random changes of training images: each time an image comes by in training it is another one, and the network
    learns what stays the same (Simard, Steinkraus & Platt 2003). Predictions, scores of rows set aside and certificates
    see images as they are.

    shift : pixels; an image is moved by a whole number of them drawn from −shift to shift, down and across each, or
        (down, across). It is the random crop of a padded image.
    flip : "horizontal" or True: left and right change places with probability ½; "vertical"; "both", each by itself.
    rotate : degrees, up to 180; turned about the middle by an angle from −rotate to rotate.
    scale : of [0, 1); enlarged about the middle by a factor from 1 − scale to 1 + scale.
    crop : of [0, 1); a window whose sides are a share from 1 − crop to 1 of the image's, anywhere within it, becomes
        the whole.
    brightness : of [0, 1]; numbers are multiplied by a factor from 1 − brightness to 1 + brightness, and not clipped.
    cutout : pixels; a square of that side about a pixel drawn from all is replaced by `fill`, as much of it as lies in
        the image (DeVries & Taylor 2017).
    mixup : α > 0, or 0 for none; row i of a mini-batch becomes λ xᵢ + (1 − λ) xⱼ, and its loss λ L(yᵢ, f) + (1 − λ)
        L(yⱼ, f), with λ from Beta(α, α) and j = i + r, r anew for every batch (Zhang et al. 2018). For a loss that is
        linear in y, such as cross-entropy, that is the loss to the mixed target; squared error has its derivative.
    fill : what lies beyond an image, in the units of X.

    All are drawn uniformly but for λ, in this order: flip, crop, scale and rotate, shift, brightness, cutout, mixup.
    What moves pixels is one map from each pixel to where it comes from, between pixels by bilinear interpolation, so
    that an image is sampled once; shift and flip alone move whole pixels and change no number. Numbers drawn depend on
    the seed, the step and the place of the row in its mini-batch, and on nothing else.

    Raises TypeError or ValueError where a number cannot be.

    >>> import numpy as np
    >>> image = np.arange(9.0).reshape(3, 3)
    >>> Augmentation(shift=1, fill=-1).sample(image, 2, seed=1)[1, :, :, 0]
    array([[-1., -1., -1.],
           [ 1.,  2., -1.],
           [ 4.,  5., -1.]])
    """

    shift: Any = 0
    flip: Any = False
    rotate: float = 0.0
    scale: float = 0.0
    crop: float = 0.0
    brightness: float = 0.0
    cutout: int = 0
    mixup: float = 0.0
    fill: float = 0.0

    def __post_init__(self) -> None:
        self.shifts  # noqa: B018  (which checks it)
        if isinstance(self.shift, list):
            object.__setattr__(self, "shift", tuple(self.shift))
        if not isinstance(self.flip, (bool, np.bool_)) and not (
            isinstance(self.flip, str) and self.flip in FLIPS
        ):
            kind = ValueError if isinstance(self.flip, str) else TypeError
            raise kind(f"flip (={self.flip!r}) of augment must be True, False, {', '.join(map(repr, FLIPS))}")
        _number("rotate", self.rotate, 180.0, "degrees, turned by at most so many to either side")
        for name in ("scale", "crop"):
            _number(name, getattr(self, name), 1.0, "a share of the image's size", below=True)
        _number("brightness", self.brightness, 1.0, "a share of a pixel's value")
        _pixels("cutout", self.cutout)
        _number("mixup", self.mixup, math.inf, "α of the distribution Beta(α, α) of shares")
        if not (_is_real(self.fill) and math.isfinite(self.fill)):
            raise ValueError(f"fill (={self.fill!r}) of augment must be a finite number, in the units of X")

    def __repr__(self) -> str:
        given = [
            f"{field.name}={getattr(self, field.name)!r}"
            for field in fields(self)
            if getattr(self, field.name) != field.default
        ]
        return f"Augmentation({', '.join(given)})"

    @property
    def shifts(self) -> tuple[int, int]:
        """At most so many pixels down, and across."""
        if isinstance(self.shift, (tuple, list)):
            if len(self.shift) != 2:
                raise ValueError(
                    f"shift (={self.shift!r}) of augment must be a whole number of pixels, or (down, across)"
                )
            down, across = (_pixels("shift", each, self.shift) for each in self.shift)
            return down, across
        both = _pixels("shift", self.shift)
        return both, both

    @property
    def flips(self) -> tuple[bool, bool]:
        """Whether left and right, and top and bottom, may change places."""
        flip = self.flip if isinstance(self.flip, str) else FLIPS[0] if self.flip else ""
        return flip in ("horizontal", "both"), flip in ("vertical", "both")

    @property
    def motion(self) -> int:
        """How pixels move: see `betahat.kernels.augment`."""
        if self.rotate or self.scale or self.crop:
            return kernel.BILINEAR
        return kernel.WHOLE if any((*self.shifts, *self.flips)) else kernel.STILL

    def check(self, shape: tuple[int, ...]) -> None:
        """Raises ValueError where images of a shape (height, width, channels) have no room for it."""
        if len(shape) != 3:
            raise ValueError(
                f"augment (={self!r}) is for images (height, width, channels), not rows of shape {shape}: give X as "
                "(n, height, width, channels)"
            )
        for most, pixels, side in zip(self.shifts, shape, ("height", "width"), strict=False):
            if most >= pixels:
                raise ValueError(
                    f"shift (={self.shift!r}) of augment must be less than the images' {side} (={pixels}), or nothing "
                    "is left of them; (down, across) says both by themselves"
                )
        if self.cutout and self.cutout >= 2 * max(shape[:2]):
            raise ValueError(
                f"cutout (={self.cutout!r}) of augment must be less than twice the images' larger side "
                f"(={max(shape[:2])}), or nothing is left of them"
            )

    # --- draws --------------------------------------------------------------------------------------------------

    def table(self, seed: int, step: int, batch: int, rows: int, shape: tuple[int, ...]) -> np.ndarray:
        """How each of so many rows is changed, (rows, NUMBERS) float64 of `betahat.kernels.augment`, in mini-batches of
        `batch` rows that are step, step + 1, … of the training. shape : of an image."""
        keys = _stream(_keys(seed, step, -(-rows // batch)), 0)
        counters = np.arange(min(batch, rows) * _SLOTS, dtype=np.uint64).reshape(-1, _SLOTS)
        drawn = _uniform(bits(keys[:, None, None], counters)).reshape(-1, _SLOTS)[:rows].T
        (height, width), found = shape[:2], np.zeros((rows, kernel.NUMBERS))
        self._move(found.T, drawn, height, width)
        found[:, kernel.FACTOR] = 1.0 + (2.0 * drawn[_LIGHT] - 1.0) * self.brightness
        if self.cutout:
            for low, high, number, pixels in (
                (kernel.TOP, kernel.BOTTOM, _CUT_LINE, height),
                (kernel.LEFT, kernel.RIGHT, _CUT_COLUMN, width),
            ):
                begin = np.floor(drawn[number] * pixels) - self.cutout // 2
                found[:, low] = np.maximum(begin, 0.0)
                found[:, high] = np.minimum(begin + self.cutout, pixels)
        return found

    def _move(self, found: np.ndarray, drawn: np.ndarray, height: int, width: int) -> None:
        """Where pixels come from: c + F(d + (r/z) R⁻¹(p − c − t)) of the pixel p, with c the middle, F the flip, d and
        r the middle and size of the window, z the factor, R the turn and t the shift."""
        angle = np.deg2rad((2.0 * drawn[_ANGLE] - 1.0) * self.rotate)
        window = 1.0 - drawn[_WINDOW] * self.crop
        size = window / (1.0 + (2.0 * drawn[_SIZE] - 1.0) * self.scale)
        down, across = (
            np.floor(drawn[number] * (2 * most + 1)) - most
            for number, most in zip((_DOWN, _ACROSS), self.shifts, strict=True)
        )
        sides, ends = self.flips
        flip_x = np.where(sides & (drawn[_LEFT_RIGHT] < 0.5), -1.0, 1.0)
        flip_y = np.where(ends & (drawn[_UPSIDE_DOWN] < 0.5), -1.0, 1.0)
        middle_y, middle_x = (height - 1) / 2, (width - 1) / 2
        aside_y, aside_x = (
            (2.0 * drawn[number] - 1.0) * (1.0 - window) * middle
            for number, middle in ((_LINE, middle_y), (_COLUMN, middle_x))
        )
        cos, sin = size * np.cos(angle), size * np.sin(angle)
        y, x = (flip_y * cos, flip_y * sin), (-flip_x * sin, flip_x * cos)
        found[kernel.Y_DOWN], found[kernel.Y_ACROSS] = y
        found[kernel.X_DOWN], found[kernel.X_ACROSS] = x
        from_y, from_x = middle_y + down, middle_x + across
        found[kernel.Y_START] = middle_y + flip_y * aside_y - (y[0] * from_y + y[1] * from_x)
        found[kernel.X_START] = middle_x + flip_x * aside_x - (x[0] * from_y + x[1] * from_x)

    def mixes(self, seed: int, step: int, batch: int, rows: int) -> np.ndarray | None:
        """λ, and how many rows further on the partner is, of each mini-batch (steps, 2); None without mixup."""
        if not self.mixup:
            return None
        from scipy.special import betaincinv

        steps = -(-rows // batch)
        drawn = _uniform(bits(_stream(_keys(seed, step, steps), 1)[:, None], np.arange(2)))
        sizes = np.full(steps, batch)
        sizes[-1] = rows - batch * (steps - 1)
        share = betaincinv(float(self.mixup), float(self.mixup), drawn[:, 0])
        roll = np.where(sizes > 1, 1.0 + np.floor(drawn[:, 1] * (sizes - 1)), 0.0)
        return np.column_stack([share, roll])

    def sample(self, image: Any, count: int = 1, seed: int = 0) -> np.ndarray:
        """So many draws of an image (height, width) or (height, width, channels), as training would see them but for
        mixup, (count, height, width, channels) float64.

        Raises DataError for an array of another shape, ValueError where the image has no room.
        """
        found = np.asarray(image, np.float64)
        found = found[..., None] if found.ndim == 2 else found
        if found.ndim != 3:
            raise DataError(
                f"image has shape {found.shape}; expected (height, width) or (height, width, channels)"
            )
        self.check(found.shape)
        if isinstance(count, bool) or not isinstance(count, Integral) or count < 1:
            raise ValueError(f"count (={count!r}) must be a whole number of 1 or more")
        table = self.table(seed, 0, int(count), int(count), found.shape)
        return kernel.augmented(np.broadcast_to(found, (int(count), *found.shape)), table, float(self.fill))

    def in_words(self) -> str:
        """What is done to an image, as part of a sentence.

        >>> Augmentation(shift=2, rotate=10).in_words()
        'turned by up to 10° and moved by up to 2 pixels'
        """
        down, across = self.shifts
        sides, ends = self.flips
        shown = str(down) if down == across else f"{down} (down) and {across} (across)"
        told = [
            (sides, "mirrored left to right in half of the cases"),
            (ends, "turned upside down in half of the cases"),
            (self.crop, f"cut to a window of at least {1 - self.crop:g} of its sides"),
            (self.scale, f"enlarged by a factor from {1 - self.scale:g} to {1 + self.scale:g}"),
            (self.rotate, f"turned by up to {self.rotate:g}°"),
            (down or across, f"moved by up to {shown} pixel{'s' * (shown != '1')}"),
            (self.brightness, f"multiplied by {1 - self.brightness:g} to {1 + self.brightness:g}"),
            (self.cutout, f"deprived of a square of {self.cutout} × {self.cutout} pixels"),
            (self.mixup, f"mixed with another by a share from Beta({self.mixup:g}, {self.mixup:g})"),
        ]
        words = [text for asked, text in told if asked]
        if not words:
            return "left as it is"
        return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def augmentation_of(augment: Any) -> Augmentation | None:
    """What users ask for: None, an Augmentation, or a dict of its parameters; None where nothing is changed.

    Raises TypeError or ValueError for what is none.
    """
    if augment is None:
        return None
    if isinstance(augment, Mapping):
        known = [field.name for field in fields(Augmentation)]
        odd = [name for name in augment if name not in known]
        if odd:
            raise ValueError(
                f"augment (={dict(augment)!r}) has {odd[0]!r}; expected some of {', '.join(known)}"
            )
        augment = Augmentation(**augment)
    if not isinstance(augment, Augmentation):
        raise TypeError(
            f"augment (={augment!r}) must be None, a betahat.data.Augmentation, or a dict of its parameters such as "
            "{'shift': 2, 'flip': True}"
        )
    return None if replace(augment, fill=0.0) == Augmentation() else augment


def _keys(seed: int, step: int, steps: int) -> np.ndarray:
    """Of mini-batches: derive(seed, k) of step k."""
    return bits(seed, np.arange(step + 1, step + 1 + steps))


def _stream(keys: np.ndarray, part: int) -> np.ndarray:
    """derive(key, _PURPOSE, part) of each."""
    return bits(bits(keys, np.array(_PURPOSE + 1)), np.array(part + 1))


def _uniform(words: np.ndarray) -> np.ndarray:
    """Numbers of [0, 1) with 53 bits."""
    return (words >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _is_real(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, (bool, np.bool_))


def _number(name: str, value: Any, most: float, what: str, below: bool = False) -> None:
    expected = f"from 0 {'to below' if below else 'to'} {most:g}" if most < math.inf else "of 0 or more"
    wanted = f"{name} (={value!r}) of augment must be a number {expected}: {what}"
    if not _is_real(value):
        raise TypeError(wanted)
    if not (math.isfinite(value) and value >= 0 and (value < most if below else value <= most)):
        raise ValueError(wanted)


def _pixels(name: str, value: Any, given: Any = None) -> int:
    shown = value if given is None else given
    wanted = f"{name} (={shown!r}) of augment must be a whole number of pixels, 0 or more"
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Integral):
        raise TypeError(wanted)
    if value < 0:
        raise ValueError(wanted)
    return int(value)
